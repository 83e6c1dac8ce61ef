/* Attention of a layer with the rule `streamed`: its definition, and the choice that all engines share (NUMERICS.md,
 * "Streamed"). Private to runtime/. */
#ifndef DTQRT_NUMERICS_STREAMED_H
#define DTQRT_NUMERICS_STREAMED_H

#include "runtime/error.h"
#include "runtime/layer.h"
#include "runtime/numerics/numerics.h"
#include "runtime/program.h"
#include "runtime/run.h"

/** Of codes ê, whatever the precision of what is multiplied. */
enum { DTQ_STREAMED_LEVELS = 255 };

/** One layer. Rows are by token, behind each other; queries are tokens from `first_query` on. */
typedef struct {
    const dtq_layer *layer;
    uint32_t tokens, first_query;
    const float *q, *k, *v;   /* [tokens][heads * head_dim], [tokens][kv_heads * head_dim] */
    float *out;               /* [tokens][heads * head_dim]: rows of queries are written */
    uint64_t *votes;          /* [kv_heads][tokens]: of rows before the queries on entry, of all rows on return */
    const dtq_choice *choice; /* what choices go by, or NULL: by votes */
    uint32_t number;          /* of the layer: random choices differ by it */
} dtq_streamed;

/** The definition. Fails on numbers that cannot be quantised. */
bool dtq_streamed_ref(const dtq_streamed *a, dtq_error *e);

/** Whose keys are chosen: a key/value head of a layer of a run, which may go by another choice than votes (NULL: it
 * does not). */
typedef struct {
    const dtq_streaming *rule;
    const dtq_choice *choice;
    uint32_t layer, kv;
} dtq_streamed_head;

/** The keys that stay when block b is far, by the votes [tokens] of the head: writes them, ascending, to where they
 *  belong in its list, and returns from which place on the list is another. That is where those of block b begin, but
 * of a window the beginning, as its newest keys are others for every block. All tokens of the block are there. */
uint32_t dtq_streamed_choose(const dtq_streamed_head *h, uint32_t b, const uint64_t *votes, uint32_t *list);

/** Levels of what multiplies the values, 15 or 255. */
float dtq_streamed_weight_levels(const dtq_layer *l);

/** A row of near keys and the far ones behind them: from base-2 logits x, minus infinity where the row does not see a
 *  key, to codes ê and to the weights of values, whose scales stand in the same order. `room`: 2 * (near + far) floats.
 */
typedef struct {
    uint32_t z;
    float near_scale, far_scale; /* of the weights */
} dtq_streamed_sums;
dtq_streamed_sums dtq_streamed_softmax(const float *x, const float *value_scales, uint32_t near, uint32_t far,
                                       float levels, float *room, uint8_t *codes, uint8_t *weights);

/** acc [head_dim] += the sum over `count` keys of weight times value [head_dim]. */
void dtq_streamed_values(size_t head_dim, const uint8_t *weights, const int8_t *values, uint32_t count,
                         int32_t *restrict acc);

/** Adds a row's votes for `count` keys from near key number `from` on, by the weights of its `near` near keys. */
void dtq_streamed_vote(const uint8_t *weights, uint32_t near, uint32_t from, uint32_t count, uint64_t *restrict votes);

/** Importance of token j: the sum of its votes over all heads. */
uint64_t dtq_streamed_importance(const uint64_t *votes, uint32_t kv_heads, uint32_t tokens, uint32_t j);

#endif
