/* Scanning by hand: every step is bounded by `end`, every number is checked for overflow, nothing recurses. */
#include "ir/scan.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void scan_init(scanner *s, arena *a, arena *scratch, diag *d, const char *file, const char *text, size_t bytes) {
    *s = (scanner){.arena = a,
                   .scratch = scratch,
                   .diag = d,
                   .file = file,
                   .at = text,
                   .end = text + bytes,
                   .line_start = text,
                   .line = 1,
                   .strings = {.arena = scratch}};
}

src_loc scan_place(const scanner *s, const char *at) {
    return (src_loc){s->file, s->line, (uint32_t)(at - s->line_start + 1)};
}

src_loc scan_here(const scanner *s) {
    return scan_place(s, s->at);
}

bool scan_error(scanner *s, src_loc loc, const char *format, ...) {
    if (s->errors++ >= SCAN_ERRORS_MAX)
        return false;
    va_list args;
    va_start(args, format);
    diag_error(s->diag, loc, "%s", arena_vprintf(s->arena, format, args));
    va_end(args);
    if (s->errors == SCAN_ERRORS_MAX)
        diag_error(s->diag, (src_loc){s->file, 0, 0}, "too many errors; the rest of the file was not read");
    return false;
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

bool scan_expected(scanner *s, const char *what) {
    scan_blanks(s);
    const char *at = s->at;
    if (at == s->end)
        return scan_error(s, scan_here(s), "expected %s, but the text ends", what);
    if (*at == '\n')
        return scan_error(s, scan_here(s), "expected %s, but the line ends", what);
    int n = 0;
    while (n < 32 && n < s->end - at && is_word(at[n]))
        n++;
    if (n > 0)
        return scan_error(s, scan_here(s), "expected %s, found `%.*s`", what, n, at);
    if (isprint((unsigned char)*at))
        return scan_error(s, scan_here(s), "expected %s, found `%c`", what, *at);
    return scan_error(s, scan_here(s), "expected %s, found byte 0x%02x", what, (unsigned char)*at);
}

const char *scan_suggestion(scanner *s, const char *word, size_t length, const char *const *candidates, size_t count) {
    const char *near = diag_nearest(arena_strndup(s->scratch, word, length), candidates, count);
    return near ? arena_printf(s->scratch, "; did you mean `%s`?", near) : ".";
}

const char *scan_listed(scanner *s, const char *const *items, size_t count) {
    const char *text = count ? items[0] : "none";
    for (size_t i = 1; i < count; i++)
        text = arena_printf(s->scratch, "%s%s%s", text, i + 1 < count ? ", " : " and ", items[i]);
    return text;
}

/* ---- blanks ------------------------------------------------------------------------------------------------------ */

static void next_line(scanner *s) {
    s->at++;
    s->line++;
    s->line_start = s->at;
}

static void to_line_end(scanner *s) {
    const char *stop = memchr(s->at, '\n', (size_t)(s->end - s->at));
    s->at = stop ? stop : s->end;
}

void scan_blanks(scanner *s) {
    while (s->at < s->end) {
        char c = *s->at;
        if (c == ' ' || c == '\t' || c == '\r')
            s->at++;
        else if (c == '#' || (c == '/' && s->end - s->at > 1 && s->at[1] == '/'))
            to_line_end(s);
        else if (c == '\n' && s->inside)
            next_line(s);
        else
            return;
    }
}

void scan_skip_line(scanner *s) {
    to_line_end(s);
    if (s->at < s->end)
        next_line(s);
}

char scan_peek(scanner *s) {
    scan_blanks(s);
    return s->at < s->end ? *s->at : '\0';
}

bool scan_take(scanner *s, char c) {
    if (scan_peek(s) != c || s->at == s->end)
        return false;
    s->at++;
    return true;
}

bool scan_need(scanner *s, char c, const char *what) {
    return scan_take(s, c) || scan_expected(s, what);
}

/* ---- words and numbers ------------------------------------------------------------------------------------------- */

bool scan_same(const char *text, size_t length, const char *word) {
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

bool scan_word(scanner *s, const char **text, size_t *length) {
    scan_blanks(s);
    const char *at = s->at;
    while (at < s->end && is_word(*at))
        at++;
    *text = s->at;
    *length = (size_t)(at - s->at);
    if (*length > 4096)
        *length = 4096; /* a longer one is no word of anything; what is left is then an error of its own */
    s->at += *length;
    return *length > 0;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

bool scan_unsigned(scanner *s, uint64_t max, uint64_t *value) {
    scan_blanks(s);
    const char *at = s->at, *start = s->at;
    unsigned base = 10;
    if (s->end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        base = 16;
        at += 2;
    }
    const char *digits = at;
    uint64_t sum = 0;
    bool fits = true;
    for (; at < s->end && (unsigned)digit_of(*at) < base; at++)
        if (__builtin_mul_overflow(sum, base, &sum) || __builtin_add_overflow(sum, (unsigned)digit_of(*at), &sum))
            fits = false;
    if (at == digits)
        return scan_expected(s, "a whole number");
    s->at = at;
    if (!fits || sum > max)
        return scan_error(s, scan_place(s, start), "number out of range; the largest here is %llu",
                          (unsigned long long)max);
    if (at < s->end && (isalpha((unsigned char)*at) || *at == '_'))
        return scan_error(s, scan_here(s), "a number ends here, but `%c` follows; leave a blank between", *at);
    *value = sum;
    return true;
}

bool scan_int(scanner *s, int64_t *value) {
    bool negative = scan_take(s, '-');
    uint64_t magnitude = 0;
    if (!scan_unsigned(s, (uint64_t)INT64_MAX + negative, &magnitude))
        return false;
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool scan_real(scanner *s, double *value) {
    scan_blanks(s);
    char text[64];
    size_t n = 0;
    const char *start = s->at;
    while (s->at < s->end && (isalnum((unsigned char)*s->at) || strchr("+-.", *s->at)) && *s->at) {
        if (n + 1 == sizeof text)
            return scan_error(s, scan_place(s, start), "a number of more than %zu characters; 17 digits say it all",
                              sizeof text - 1);
        text[n++] = *s->at++;
    }
    text[n] = '\0';
    static const struct {
        const char *name;
        double value;
    } others[] = {{"inf", (double)INFINITY}, {"-inf", -(double)INFINITY}, {"nan", (double)NAN}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(text, others[i].name) == 0) {
            *value = others[i].value;
            return true;
        }
    char *stop = text;
    if (n > 0 && strspn(text, "0123456789.eE+-") == n)
        *value = strtod(text, &stop);
    if (n == 0 || *stop != '\0' || stop == text) {
        s->at = start;
        return scan_expected(s, "a number");
    }
    if (!isfinite(*value))
        return scan_error(s, scan_place(s, start), "number out of range; the largest is about 1.8e308");
    return true;
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

const char *scan_intern(scanner *s, const char *text, size_t length) {
    bool added;
    names_entry *entry = names_add(&s->strings, text, length, 0, &added);
    if (added)
        entry->text = arena_strndup(s->arena, text, length);
    return entry->text;
}

/* The character after a backslash at `at`, or -1; *length is what the escape takes, backslash and all. */
static int escaped(const char *at, const char *end, size_t *length) {
    *length = 2;
    if (end - at < 2)
        return -1;
    switch (at[1]) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '"':
    case '\\':
        return at[1];
    case 'x':
        *length = 4;
        if (end - at < 4 || digit_of(at[2]) > 15 || digit_of(at[3]) > 15)
            return -1;
        int code = 16 * digit_of(at[2]) + digit_of(at[3]);
        return code ? code : -1; /* strings end at NUL, so none can hold one */
    default:
        return -1;
    }
}

bool scan_string(scanner *s, const char **value) {
    if (scan_peek(s) != '"')
        return scan_expected(s, "a string in quotes");
    const char *start = s->at, *at = start + 1;
    bool plain = true;
    for (; at < s->end && *at != '"' && *at != '\n' && *at != '\0'; at++)
        if (*at == '\\') {
            plain = false;
            size_t length;
            if (escaped(at, s->end, &length) < 0)
                return scan_error(s, scan_place(s, at),
                                  "unknown escape; there are \\\" \\\\ \\n \\t and \\xHH (not 00)");
            at += length - 1;
        }
    if (at == s->end || *at != '"')
        return scan_error(s, scan_place(s, start),
                          "the string has no closing quote on its line; write \\n for a line break");
    s->at = at + 1;
    if (plain) {
        *value = scan_intern(s, start + 1, (size_t)(at - start - 1));
        return true;
    }
    char *text = arena_alloc(s->arena, (size_t)(at - start));
    size_t n = 0;
    for (const char *c = start + 1; c < at;) {
        size_t length = 1;
        text[n++] = *c == '\\' ? (char)escaped(c, s->end, &length) : *c;
        c += length;
    }
    *value = scan_intern(s, text, n);
    return true;
}
