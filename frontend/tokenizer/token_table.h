/* Tokens by text and by id: what all tokenisers look up in. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_TOKEN_TABLE_H
#define DTQ_TOKENIZER_TOKEN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"

/** A place that no token has. */
enum { NO_PLACE = UINT32_MAX };

/** A token as a file gives it. */
typedef struct {
    const char *text; /* NUL-terminated behind its `bytes`, which may hold NULs */
    size_t bytes;
    uint32_t id;
    src_loc loc;
} listed_token;

typedef struct {
    const char *text;
    uint32_t bytes, id;
    uint64_t hash, power; /* of its text, and what a hash is multiplied by when this text follows */
} token_entry;

typedef struct {
    uint32_t tag, place;
} token_slot;

/** Tokens are numbered by their place among the ids, which may have gaps. */
typedef struct {
    size_t count;
    token_entry *entries; /* [count] ascending by id */
    size_t longest;       /* bytes of the longest token */
    size_t mask;          /* slots - 1 */
    token_slot *slots;
} token_table;

/** Sorts `tokens` by id. An id that two tokens have is an error at the later one. */
bool listed_tokens_order(diag *d, listed_token *tokens, size_t count);
/** The table of tokens ascending by id; their texts stay where they are. Of equal texts the lowest id is found. */
void token_table_build(token_table *t, arena *a, const listed_token *tokens, size_t count);
/** The first token of which another has the text, or NO_PLACE; that other one goes to *twin. */
uint32_t token_table_twins(const token_table *t, uint32_t *twin);
/** Place of the token that has the id, or NO_PLACE. */
uint32_t token_table_place(const token_table *t, uint32_t id);

/* The hash of a text is a polynomial of its bytes, so that the hashes of all prefixes come from one walk, and that of
 * two texts joined from theirs. */
#define TEXT_HASH_BASE 0x9E3779B97F4A7C15u
static inline uint64_t text_hash_byte(uint64_t hash, char c) {
    return hash * TEXT_HASH_BASE + (unsigned char)c + 1;
}
static inline uint64_t text_hash_more(uint64_t hash, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        hash = text_hash_byte(hash, text[i]);
    return hash;
}
static inline uint64_t text_hash(const char *text, size_t bytes) {
    return text_hash_more(0, text, bytes);
}
static inline uint64_t text_hash_spread(uint64_t hash) {
    hash = (hash ^ (hash >> 32)) * 0xBF58476D1CE4E5B9u;
    return hash ^ (hash >> 29);
}

/** Place of the token whose text is `left` followed by `right` and whose hash is `hash`, or NO_PLACE. */
uint32_t token_table_find(const token_table *t, uint64_t hash, const char *left, size_t left_bytes, const char *right,
                          size_t right_bytes);
/** Place of the token of that text, or NO_PLACE. */
uint32_t token_table_find_text(const token_table *t, const char *text, size_t bytes);
/** Place of the token whose text is those of two tokens, joined, or NO_PLACE. */
uint32_t token_table_find_joined(const token_table *t, uint32_t left, uint32_t right);

#endif
