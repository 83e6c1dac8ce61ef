/* Assembler: errors with their place, and the values that lines are made of. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/isa/asm.h"

bool dtq_asm_fail(assembler *a, const dtq_token *t, const char *format, ...) {
    char message[800];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return dtq_fail(a->error, DTQ_BAD_PROGRAM, "%.200s:%u:%u: error: %s", a->name, t->line, t->col, message);
}

bool dtq_asm_no_memory(assembler *a) {
    const size_t names = dtq_names_bytes(&a->strings) + dtq_names_bytes(&a->tensors);
    return dtq_no_memory(a->error, dtq_pool_wanted(a->pool) ? dtq_pool_wanted(a->pool) : names, "assembling %.200s",
                         a->name);
}

/* How much of a token a message shows. */
int dtq_asm_shown(const dtq_token *t) {
    return t->length < 60 ? (int)t->length : 60;
}

bool dtq_asm_expected(assembler *a, const char *what) {
    const dtq_token *t = &a->token;
    if (t->kind == DTQ_TOKEN_END || t->kind == DTQ_TOKEN_LINE)
        return dtq_asm_fail(a, t, "expected %s, but the line ends", what);
    if (t->kind == DTQ_TOKEN_BAD && *t->text == '"')
        return dtq_asm_fail(a, t, "the string does not end on its line");
    return dtq_asm_fail(a, t, "expected %s, not '%.*s'", what, dtq_asm_shown(t), t->text);
}

bool dtq_asm_unknown(assembler *a, const dtq_token *t, const char *what, const dtq_suggest *s) {
    char hint[100];
    int quotes = t->kind == DTQ_TOKEN_STRING ? 1 : 0;
    return dtq_asm_fail(a, t, "unknown %s '%.*s'%s", what, dtq_asm_shown(t) - 2 * quotes, t->text + quotes,
                        dtq_suggest_text(s, hint, sizeof hint));
}

void dtq_asm_advance(assembler *a) {
    a->token = dtq_lexer_next(&a->lexer);
}

bool dtq_asm_is_mark(const assembler *a, char mark) {
    return a->token.kind == DTQ_TOKEN_MARK && *a->token.text == mark;
}

bool dtq_asm_expect_mark(assembler *a, char mark) {
    char what[] = {'\'', mark, '\'', 0};
    if (!dtq_asm_is_mark(a, mark))
        return dtq_asm_expected(a, what);
    dtq_asm_advance(a);
    return true;
}

bool dtq_asm_expect_line_end(assembler *a) {
    if (a->token.kind != DTQ_TOKEN_LINE && a->token.kind != DTQ_TOKEN_END)
        return dtq_asm_expected(a, "the end of the line");
    if (a->token.kind == DTQ_TOKEN_LINE)
        dtq_asm_advance(a);
    return true;
}

/* ---- values ---- */

/* A whole number, decimal or 0x, of at most `most`. */
bool dtq_asm_whole(assembler *a, const char *what, uint64_t most, uint64_t *value) {
    const dtq_token t = a->token;
    if (t.kind != DTQ_TOKEN_NUMBER)
        return dtq_asm_expected(a, what);
    bool hex = t.length > 2 && t.text[0] == '0' && t.text[1] == 'x';
    uint64_t base = hex ? 16 : 10, sum = 0;
    for (size_t i = hex ? 2 : 0; i < t.length; i++) {
        char c = t.text[i];
        uint64_t digit = c >= '0' && c <= '9'          ? (uint64_t)(c - '0')
                         : hex && c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a' + 10)
                         : hex && c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A' + 10)
                                                       : base;
        if (digit >= base)
            return dtq_asm_fail(a, &t, "'%.*s' is not a whole number", dtq_asm_shown(&t), t.text);
        if (sum > (most - digit) / base || digit > most)
            return dtq_asm_fail(a, &t, "%s is at most %" PRIu64 ", not %.*s", what, most, dtq_asm_shown(&t), t.text);
        sum = sum * base + digit;
    }
    dtq_asm_advance(a);
    *value = sum;
    return true;
}

/* A decimal number, correctly rounded to binary32 if `single`; a finite one. */
bool dtq_asm_real(assembler *a, const char *what, bool single, double *value) {
    const dtq_token t = a->token;
    char text[64], *end;
    if (t.kind != DTQ_TOKEN_NUMBER)
        return dtq_asm_expected(a, what);
    if (t.length >= sizeof text)
        return dtq_asm_fail(a, &t, "'%.*s…' is too long for a number", dtq_asm_shown(&t), t.text);
    memcpy(text, t.text, t.length);
    text[t.length] = 0;
    *value = single ? (double)strtof(text, &end) : strtod(text, &end);
    if (*end || !isfinite(*value))
        return dtq_asm_fail(a, &t, "'%s' is not a finite number", text);
    dtq_asm_advance(a);
    return true;
}

/* The index of a word among "a|b|c". Words may look like numbers. */
bool dtq_asm_word(assembler *a, const char *what, const char *words, uint64_t *index) {
    const dtq_token t = a->token;
    if (t.kind != DTQ_TOKEN_WORD && t.kind != DTQ_TOKEN_NUMBER)
        return dtq_asm_expected(a, what);
    size_t all = strcspn(words, "}");
    dtq_suggest s;
    dtq_suggest_init(&s, t.text, t.length);
    *index = 0;
    for (const char *word = words; word < words + all; (*index)++) {
        size_t n = strcspn(word, "|}");
        if (n == t.length && memcmp(word, t.text, n) == 0) {
            dtq_asm_advance(a);
            return true;
        }
        dtq_suggest_offer(&s, word, n);
        word += n + 1;
    }
    char hint[100];
    return dtq_asm_fail(a, &t, "%s is one of %.*s, not '%.*s'%s", what, (int)all, words, dtq_asm_shown(&t), t.text,
                        dtq_suggest_text(&s, hint, sizeof hint));
}

/* A string, as a copy of the pool. */
bool dtq_asm_string(assembler *a, const char *what, const char **text, size_t *length) {
    dtq_token t = a->token;
    if (t.kind != DTQ_TOKEN_STRING)
        return dtq_asm_expected(a, what);
    char *copy = dtq_pool_alloc(a->pool, t.length, 1);
    if (!copy)
        return dtq_asm_no_memory(a);
    size_t bad = 0;
    long n = dtq_token_unquote(&t, copy, &bad);
    if (n < 0) {
        t.col += (unsigned)bad;
        return dtq_asm_fail(a, &t, "unknown escape: a string knows \\\" \\\\ \\n \\t and \\x01 to \\xff");
    }
    if (memchr(copy, 0, (size_t)n))
        return dtq_asm_fail(a, &t, "a string cannot hold a NUL");
    copy[n] = 0;
    *text = copy;
    if (length)
        *length = (size_t)n;
    dtq_asm_advance(a);
    return true;
}

/* Room for one more behind `count` elements: doubles the array at powers of two. */
bool dtq_asm_grow(assembler *a, void *array, size_t count, size_t size) {
    void *old, *bigger;
    if (count && (count < 8 || (count & (count - 1))))
        return true;
    bigger = dtq_pool_alloc(a->pool, count ? 2 * count : 8, size);
    if (!bigger)
        return dtq_asm_no_memory(a);
    memcpy(&old, array, sizeof old);
    if (count)
        memcpy(bigger, old, count * size);
    memcpy(array, &bigger, sizeof bigger);
    return true;
}
