/* The probe of a layer: one mean query a head scores all keys before attention, and the tokens that are kept as keys
 * are those that some head looks at most (NUMERICS.md, "Probe"). Private to runtime/. */
#ifndef DTQRT_NUMERICS_PROBE_H
#define DTQRT_NUMERICS_PROBE_H

#include "runtime/kernels/kernels.h"
#include "runtime/layer.h"

/** Makes the codes of key/value head `kv_head`: a block of dtq_probe_bytes. q float [seq] rows of heads * head_dim and
 * k [seq] of kv_heads * head_dim by id, `q_stride` and `k_stride` floats apart. `scratch`: 5 * head_dim bytes, aligned
 *  as floats are. The rows are within bounds (dtq_probe_bad). */
void dtq_probe_codes(const dtq_kernels *kernels, const dtq_layer *l, uint32_t seq, uint32_t kv_head, const float *q,
                     size_t q_stride, const float *k, size_t k_stride, uint8_t *block, void *scratch);

/** The first row, by token and then head, that has a number that is not finite, or 2^50 or more. `rows` float [seq] of
 *  heads * head_dim, `stride` floats apart. False if there is none. */
bool dtq_probe_bad(const float *rows, size_t stride, uint32_t seq, uint32_t heads, uint32_t head_dim, uint32_t *token,
                   uint32_t *head);

/** Base-2 logits x [queries][seq] of a block: of its mean queries with all keys. `codes`: 2 * head_dim bytes. */
void dtq_probe_scores(const dtq_layer *l, uint32_t seq, const uint8_t *block, int8_t *codes, float *x);

/** Probabilities of one row of x [seq] as 8-bit codes; returns their sum Z. */
uint32_t dtq_probe_softmax(const float *x, uint32_t seq, uint8_t *codes);

/** Raises importance [seq] to what a row of logits x [seq] gives each key, by how little it lies below the row's
 * largest; `first`: from 0. */
void dtq_probe_vote_logits(const float *x, uint32_t seq, bool first, uint64_t *importance);

/** Raises importance [seq] to what a row of codes gives each key, in parts of 2^32; `first`: from 0. */
void dtq_probe_vote(const uint8_t *codes, uint32_t z, uint32_t seq, bool first, uint64_t *importance);

#endif
