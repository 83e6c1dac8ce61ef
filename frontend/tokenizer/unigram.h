/* Unigram: words to the pieces whose scores have the greatest sum (Kudo, 2018). Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_UNIGRAM_H
#define DTQ_TOKENIZER_UNIGRAM_H

#include "frontend/tokenizer/id_list.h"
#include "frontend/tokenizer/token_table.h"

typedef struct {
    const token_table *tokens;
    const double *scores; /* [tokens->count] by place: logarithms of probabilities; NaN: no piece of the model */
    double unknown_score; /* of a character that is no piece */
    uint32_t unknown;     /* place, or NO_PLACE: the model has none */
    bool byte_fallback;   /* what is no piece becomes its bytes, if all of them have tokens <0xXX> */
    bool fuse_unknown;    /* a run of unknown characters is one unknown piece */
    uint32_t bytes[256];  /* places of the tokens that stand for single bytes */
} unigram;

/** Fills what follows from tokens and scores: unknown_score and bytes. */
void unigram_prepare(unigram *u);

/** Appends the ids of one word (or text of any length): well-formed UTF-8. Of equal sums the one that tokenizers finds
 *  is taken. Time: its bytes times those of the longest piece. */
void unigram_word(const unigram *u, arena *scratch, const char *word, size_t bytes, id_list *out);

#endif
