/* The scanner of the text form. */
#include "runtime/isa/lexer.h"

#include <string.h>

void dtq_lexer_init(dtq_lexer *lexer, const char *text, size_t bytes) {
    *lexer = (dtq_lexer){text, text + bytes, text, 1, true};
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The character `ahead` of the position, or NUL behind the end. */
static char peek(const dtq_lexer *l, size_t ahead) {
    return (size_t)(l->end - l->at) > ahead ? l->at[ahead] : '\0';
}

static size_t word_length(const dtq_lexer *l, size_t from) {
    size_t n = from;
    while (is_letter(peek(l, n)) || is_digit(peek(l, n)) || (peek(l, n) == '.' && is_letter(peek(l, n + 1))))
        n++;
    return n;
}

/* The point belongs to a number only before a digit: 0..5 is a range. Letters are taken too, so that 12ab is one bad
 * number and not two tokens. */
static size_t number_length(const dtq_lexer *l) {
    size_t n = 1;
    for (;; n++) {
        char c = peek(l, n);
        bool sign = (c == '-' || c == '+') && (peek(l, n - 1) == 'e' || peek(l, n - 1) == 'E');
        bool hex = peek(l, 0) == '0' && peek(l, 1) == 'x';
        if (!is_digit(c) && !is_letter(c) && !(c == '.' && is_digit(peek(l, n + 1))) && !(sign && !hex))
            return n;
    }
}

static size_t string_length(const dtq_lexer *l) {
    for (size_t n = 1; l->at + n < l->end && l->at[n] != '\n'; n++)
        if (l->at[n] == '\\')
            n++;
        else if (l->at[n] == '"')
            return n + 1;
    return 0;
}

static void skip_space(dtq_lexer *l) {
    for (; l->at < l->end; l->at++) {
        char c = *l->at;
        if (c == '#') {
            const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
            l->at = newline ? newline : l->end;
            if (l->at == l->end)
                return;
            c = '\n';
        }
        if (c == '\n') {
            if (!l->fresh)
                return;
            l->line++;
            l->line_start = l->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

dtq_token dtq_lexer_next(dtq_lexer *l) {
    skip_space(l);
    dtq_token t = {DTQ_TOKEN_END, l->at, 0, l->line, (unsigned)(l->at - l->line_start) + 1};
    if (l->at == l->end) {
        if (!l->fresh)
            t.kind = DTQ_TOKEN_LINE; /* the last line need not end */
        l->fresh = true;
        return t;
    }
    char c = *l->at;
    t.length = 1;
    if (c == '\n') {
        t.kind = DTQ_TOKEN_LINE;
        l->line++;
        l->line_start = l->at + 1;
        l->at++;
        l->fresh = true;
        return t;
    }
    l->fresh = false;
    if (c == '.' && peek(l, 1) == '.') {
        t.kind = DTQ_TOKEN_RANGE;
        t.length = 2;
    } else if (c == '.' && is_letter(peek(l, 1))) {
        t.kind = DTQ_TOKEN_DIRECTIVE;
        t.length = word_length(l, 1);
    } else if (is_letter(c)) {
        t.kind = DTQ_TOKEN_WORD;
        t.length = word_length(l, 1);
    } else if (is_digit(c) || (c == '-' && is_digit(peek(l, 1)))) {
        t.kind = DTQ_TOKEN_NUMBER;
        t.length = number_length(l);
    } else if (c == '"') {
        size_t n = string_length(l);
        t.kind = n ? DTQ_TOKEN_STRING : DTQ_TOKEN_BAD;
        t.length = n ? n : 1;
    } else {
        t.kind = c != '\0' && strchr("=:,*@$", c) ? DTQ_TOKEN_MARK : DTQ_TOKEN_BAD;
    }
    l->at += t.length;
    return t;
}

bool dtq_token_is(const dtq_token *t, const char *text) {
    return strlen(text) == t->length && memcmp(text, t->text, t->length) == 0;
}

static int hex_digit(char c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long dtq_token_unquote(const dtq_token *t, char *out, size_t *bad) {
    const char *s = t->text;
    size_t end = t->length - 1; /* of the text between the quotes */
    long n = 0;
    for (size_t i = 1; i < end; i++) {
        char c = s[i];
        size_t start = i;
        if (c == '\\') {
            c = s[++i]; /* a quote at least: the scanner saw the string's end behind it */
            if (c == 'n' || c == 't') {
                c = c == 'n' ? '\n' : '\t';
            } else if (c == 'x') {
                int high = i + 2 < end ? hex_digit(s[i + 1]) : -1;
                int low = high >= 0 ? hex_digit(s[i + 2]) : -1;
                c = low >= 0 ? (char)(16 * high + low) : '\0';
                i += 2;
            } else if (c != '"' && c != '\\') {
                c = '\0';
            }
        }
        if (c == '\0') {
            *bad = start;
            return -1;
        }
        out[n++] = c;
    }
    return n;
}
