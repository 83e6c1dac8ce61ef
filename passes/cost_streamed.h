/* What a layer that streams costs: its blocks, each with near and far keys at their bits. Private to passes/ and
 * reports. */
#ifndef DTQ_PASSES_COST_STREAMED_H
#define DTQ_PASSES_COST_STREAMED_H

#include "passes/cost.h"
#include "runtime/streamed.h"

/** Q.K^T (or P.V) of rows with what they see, as one instruction: near keys, then far ones. prob_bits: the machine's
 * word. */
cost_result cost_seen(cost_model *c, const dtq_streaming *s, const dtq_seen *b, uint32_t head_dim, unsigned prob_bits,
                      bool qk, unsigned walk);

/** Cycles of one of them in whole tiles without skew. */
uint64_t cost_seen_tiles(const dtq_machine *m, const dtq_streaming *s, const dtq_seen *b, uint32_t head_dim, bool qk,
                         bool turned);

/** PE-cycles of both matmuls of one head, masked pairs of a block with itself among them as they are computed; and bit
 *  operations. */
uint64_t cost_streamed_work(const dtq_streaming *s, uint32_t n, uint32_t head_dim, unsigned prob_bits);

/** The rows of a block that one instruction takes: as many as an array has rows, or columns if they are turned;
 * whichever makes the blocks of n tokens cheaper. */
typedef struct {
    uint32_t rows;
    bool turned;
} streamed_cut;
streamed_cut cost_streamed_cut(cost_model *c, const dtq_machine *m, const dtq_streaming *s, uint32_t n,
                               uint32_t head_dim);

#endif
