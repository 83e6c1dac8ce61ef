/* Choosing the next token of a text among the scores of the vocabulary. */
#ifndef DTQ_CLI_SAMPLING_H
#define DTQ_CLI_SAMPLING_H

#include "frontend/cli/session.h"

/** How tokens are drawn. All steps are of the definition in MODELS.md, "Text generation". */
typedef struct {
    float temperature;       /* 0: the likeliest token is taken */
    float top_p, min_p;      /* 1 and 0: every token may be drawn */
    float penalty;           /* of tokens that the text has already; 1: none */
    uint32_t top_k;          /* 0: every token may be drawn */
    unsigned short state[3]; /* of erand48 */
} sampling;

/** The sampling that the options say; false after an error. */
bool sampling_read(session *s, sampling *out);

/** The next token of a text of `count` tokens, whose vocabulary of `n` has these scores. The same scores, options and
 * seed give the same token on every machine. */
uint32_t sampling_choose(sampling *how, const float *scores, uint32_t n, const uint32_t *tokens, uint32_t count);

#endif
