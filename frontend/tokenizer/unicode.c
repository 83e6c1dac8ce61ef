/* Classes of characters by utf8proc's categories. */
#include "frontend/tokenizer/unicode.h"

#include <utf8proc.h>

#include "frontend/tokenizer/tokenizer.h"
#include "ir/base/diag.h"

char_kind unicode_kind(int32_t c) {
    enum { NEXT_LINE = 0x85 }; /* white space, though of category Cc */
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return CHAR_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return CHAR_NUMBER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CHAR_SPACE;
    default:
        return c == NEXT_LINE ? CHAR_SPACE : CHAR_OTHER;
    }
}

bool is_punctuation(int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return true;
    default:
        return false;
    }
}

bool is_word_char(int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return c == 0x200C || c == 0x200D; /* joiners */
    }
}

size_t utf8_check(const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        int32_t c;
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &c);
        if (n < 0)
            break;
        at += (size_t)n;
    }
    return at;
}

bool text_check(diag *d, const char *what, const char *text, size_t bytes) {
    if (bytes > INT32_MAX)
        return diag_error(d, (src_loc){0}, "%s has %zu bytes; less than 2 GiB are possible", what, bytes);
    size_t bad = utf8_check(text, bytes);
    return bad == bytes ||
           diag_error(d, (src_loc){0}, "%s is not UTF-8: byte 0x%02x at offset %zu; convert it to UTF-8", what,
                      (unsigned char)text[bad], bad);
}
