/* Attention of a layer with the rule `late` (NUMERICS.md, "Late"), a key/value head at a time. Private to runtime/. */
#ifndef DTQRT_NUMERICS_LATE_H
#define DTQRT_NUMERICS_LATE_H

#include "runtime/error.h"
#include "runtime/layer.h"

/** Levels of the codes that vote, whatever the precision of P. */
enum { DTQ_LATE_LEVELS = 255 };

/** One layer (dtq_lates). Rows are by token, so many floats behind each other. */
typedef struct {
    const dtq_layer *layer;
    const float *q, *k, *v;
    float *out;
    size_t q_stride, kv_stride, out_stride;
} dtq_late;

/** Whether a number of the operands cannot be quantised: which operand (DTQ_Q, DTQ_K or DTQ_V), token and head of the
 *  first one. */
bool dtq_late_bad(const dtq_late *a, dtq_operand *operand, uint32_t *token, uint32_t *head);

/** Codes [query heads of kv_head][tokens][tokens] of all rows for all keys; what they give each key is added to `votes`
 *  [tokens]. False if there is no memory. The definition. */
bool dtq_late_votes(const dtq_late *a, uint32_t kv_head, uint8_t *codes, uint64_t *votes, dtq_error *e);

/** The rows of its query heads, from these codes and the token ids [slots] of its table. The definition. */
bool dtq_late_output(const dtq_late *a, uint32_t kv_head, const uint8_t *codes, const uint32_t *ids, dtq_error *e);

/** What a table of the layer chooses by, from the votes [tokens] of all rows of its heads: their mean, which has 32
 * bits.
 */
static inline void dtq_late_mean(const dtq_layer *l, uint64_t *votes) {
    const uint64_t rows = (uint64_t)l->slots * (l->heads / dtq_tables(l));
    for (uint32_t j = 0; j < l->slots; j++)
        votes[j] /= rows;
}

/** The code of a probability in a row of P at `bits`, from the one that votes: 255 levels, or 15, which are 17 of
 *  those apart. */
static inline uint8_t dtq_late_code(uint8_t code, unsigned bits) {
    return (uint8_t)(bits == 8 ? code : (code + 8) / 17);
}

#endif
