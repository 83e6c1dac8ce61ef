/* Decoders: the texts of tokens to the text they stand for. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_DECODE_H
#define DTQ_TOKENIZER_DECODE_H

#include "frontend/tokenizer/tokenizers.h"

typedef enum {
    DECODE_BYTES,     /* characters that spell bytes become these; a token with any other character is text */
    DECODE_REPLACE,   /* `to` for every `from` in a token */
    DECODE_FALLBACK,  /* a run of tokens <0xXX> becomes their bytes */
    DECODE_FUSE,      /* all become one */
    DECODE_STRIP,     /* `start` and `stop` times `from` are taken from the ends of a token, if they are there */
    DECODE_METASPACE, /* a space for every `from`; in the first token nothing, if `start` is not 0 */
    DECODE_WORDS,     /* `from` before a token continues a word; any other but the first gets a space */
} decode_kind;

typedef struct {
    decode_kind kind;
    const char *from, *to;
    size_t start, stop;
} decode_step;

/** Runs `steps` over `count` tokens, which are changed, and joins what comes out with `between`; the result is in `a`,
 *  NUL-terminated. `continues`: other tokens came before, so that nothing is taken from the start. */
token_string decode_tokens(const decode_step *steps, size_t step_count, arena *a, token_string *tokens, size_t count,
                           const char *between, bool continues);

#endif
