/* Byte-pair encoding: words to ids of a vocabulary by merging neighbours, best pair first. Private to
 * frontend/tokenizer/.
 *
 * Which pairs merge comes from one of two places. By rank: a list of merges, the earlier the better. By score: any two
 * neighbours whose texts joined are a token, the better its score the better; of equal ones the leftmost. */
#ifndef DTQ_TOKENIZER_BPE_H
#define DTQ_TOKENIZER_BPE_H

#include "frontend/tokenizer/id_list.h"
#include "frontend/tokenizer/token_table.h"

/** A merge: tokens by place. */
typedef struct {
    uint32_t left, right, rank, result;
} bpe_merge;

typedef struct {
    const token_table *tokens;
    bool byte_level;    /* tokens spell bytes as characters (unicode.h); else they are text */
    bool byte_fallback; /* a character without a token becomes its bytes, if all of them have tokens <0xXX> */
    bool fuse_unknown;  /* a run of unknown characters is one unknown token */
    bool ignore_merges; /* a word that is a token is not merged at all */
    uint32_t unknown;   /* place, or NO_PLACE: unknown characters leave nothing */
    /* Filled by bpe_merges_by_rank or bpe_merges_by_score: */
    bpe_merge *merges; /* hash table; left is NO_PLACE in a free slot. NULL: by score */
    size_t mask;
    uint32_t *ranks;              /* [tokens->count] by score: NO_PLACE for one that no merge makes */
    uint32_t bytes[256];          /* places of the tokens that stand for single bytes */
    uint32_t ascii[128];          /* of characters */
    unsigned char joins[256][32]; /* bit `next` of `last`: some token has these two units beside each other (bpe.c) */
} bpe;

/** Merges in the order of their ranks; of equal pairs the last counts. */
void bpe_merges_by_rank(bpe *b, arena *a, const bpe_merge *merges, size_t count);
/** `scores` by place; `makes` (or NULL: all) says of which tokens merges may make. No score is NaN. */
void bpe_merges_by_score(bpe *b, arena *a, const float *scores, const bool *makes);

typedef struct {
    uint32_t place, bytes; /* of the token's text */
    uint32_t previous, next;
} bpe_symbol;

typedef struct {
    uint64_t key; /* rank, then the place of the left symbol */
    uint32_t result;
} bpe_candidate;

/** What encoding one text needs; its buffers are kept from word to word. */
typedef struct {
    const bpe *rules;
    arena *scratch;
    bpe_symbol *symbols;
    size_t count, capacity;
    int last; /* unit of the last symbol, or -1: nothing is known of it */
    bpe_candidate *heap;
    size_t heap_count, heap_capacity;
    char *spelling; /* of a word in bytes as characters */
    id_list *out;
} bpe_coder;

/** Appends the ids of one word (or text of any length): well-formed UTF-8. Time O(n log n). */
void bpe_word(bpe_coder *c, const char *word, size_t bytes);

#endif
