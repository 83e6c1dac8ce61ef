/* Tokens that are found in a text as they stand, before anything is cut or merged. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_ADDED_H
#define DTQ_TOKENIZER_ADDED_H

#include "ir/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

/** The longest added token: it bounds what one place of a text costs. */
enum { ADDED_BYTES = 1024 };

typedef struct {
    uint32_t place;
    bool special;                 /* a control token: not text that a model says */
    bool single_word;             /* only where no word character stands beside it */
    bool takes_left, takes_right; /* white space on that side */
    bool normalized;              /* found in the normalised text */
} added_token;

typedef struct {
    uint32_t child, sibling;
    uint32_t token; /* index, or UINT32_MAX */
    uint8_t byte;
} added_node;

/** A set of added tokens as a tree of their texts. */
typedef struct {
    size_t count, capacity;
    added_node *nodes; /* the first is the root */
    bool starts[256];  /* bytes that begin a token */
} added_set;

/** Puts a text of 1 to ADDED_BYTES bytes into the set; of equal texts the first stays. */
void added_insert(added_set *s, arena *a, const char *text, size_t bytes, uint32_t token);

/** Receives a part of the text: between tokens (token UINT32_MAX) or a token. */
typedef void (*added_part_fn)(void *user, uint32_t token, const char *text, size_t bytes);

/** Finds tokens of `s` in well-formed UTF-8, the leftmost first and there the longest. With `literal` special ones are
 *  passed over. Parts are given out in order; none is empty but a token's. */
void added_find(const added_set *s, const added_token *tokens, bool literal, const char *text, size_t bytes,
                added_part_fn part, void *user);

#endif
