#include "ir/names_counted.h"

#include <string.h>

enum { DIGITS_MOST = 9 };

bool ir_counted_find(const char *text, size_t *at, size_t *digits, int64_t *value) {
    *at = strcspn(text, "0123456789");
    *digits = strspn(text + *at, "0123456789");
    *value = 0;
    if (*digits == 0 || *digits > DIGITS_MOST || (*digits > 1 && text[*at] == '0'))
        return false;
    for (size_t i = 0; i < *digits; i++)
        *value = 10 * *value + (text[*at + i] - '0');
    return true;
}

bool ir_counted_same(const char *a, const char *b, int64_t *first, int64_t *second) {
    size_t at[2], digits[2];
    return ir_counted_find(a, &at[0], &digits[0], first) && ir_counted_find(b, &at[1], &digits[1], second) &&
           at[0] == at[1] && memcmp(a, b, at[0]) == 0 && strcmp(a + at[0] + digits[0], b + at[1] + digits[1]) == 0;
}
