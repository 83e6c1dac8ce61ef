/* Tokens of the text form; private to runtime/isa/. */
#ifndef DTQRT_ISA_LEXER_H
#define DTQRT_ISA_LEXER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    DTQ_TOKEN_END,
    DTQ_TOKEN_LINE,      /* the end of a line that is not empty */
    DTQ_TOKEN_DIRECTIVE, /* .word */
    DTQ_TOKEN_WORD,      /* letters, digits, _ and inner dots, beginning with a letter or _ */
    DTQ_TOKEN_NUMBER,    /* decimal, 0x hexadecimal, or with point and exponent; may begin with - */
    DTQ_TOKEN_STRING,    /* "..." on one line, with its quotes */
    DTQ_TOKEN_RANGE,     /* .. */
    DTQ_TOKEN_MARK,      /* one of = : , * @ $ */
    DTQ_TOKEN_BAD        /* anything else, or a string without end */
} dtq_token_kind;

typedef struct {
    dtq_token_kind kind;
    const char *text; /* in the source, not terminated */
    size_t length;
    unsigned line, col; /* from 1; columns count bytes */
} dtq_token;

typedef struct {
    const char *at, *end, *line_start;
    unsigned line;
    bool fresh; /* nothing but space and comments on this line so far */
} dtq_lexer;

void dtq_lexer_init(dtq_lexer *lexer, const char *text, size_t bytes);
dtq_token dtq_lexer_next(dtq_lexer *lexer);

/** True if the token's text is exactly `text`. */
bool dtq_token_is(const dtq_token *token, const char *text);

/** Decodes a STRING token's escapes (\" \\ \n \t \xHH) into `out`, which holds at least token->length bytes; returns
 * the length, or -1 and in *bad the offset within the token of an unknown escape or of \x00. */
long dtq_token_unquote(const dtq_token *token, char *out, size_t *bad);

#endif
