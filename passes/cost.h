/* The one cost model: cycles, stalls, work and bytes of what the accelerator does, in closed form over runs of equal
 * precision. Passes, analyses and reports ask it; the simulator counts for itself (runtime/sim/), and tests hold the
 * two to each other. Semantics: runtime/sim/TIMING.md. */
#ifndef DTQ_COST_H
#define DTQ_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "runtime/machine.h"
#include "runtime/masked.h"

/** Remembers matmuls it has met; lives in an arena, as does its scratch memory; not for two threads at once. `machine`
 *  must outlive it. Bits are 4 or 8 everywhere; cost of a MAC = (a/4)(b/4). */
typedef struct cost_model cost_model;
cost_model *cost_new(arena *a, const dtq_machine *machine);

/** A matmul of one head, or a block of it, run as one instruction on one array. */
typedef struct {
    uint64_t tiles, stalled_tiles; /* "iterations"; stalled: not all of the tile's PEs cost the same */
    double stall_ratio_sum;        /* sum over tiles of Eq. 3 (PE_NUM: the tile's active PEs; skew not counted) */
    double step_cycles;            /* sum over tiles of the mean over its steps of the costliest PE */
    uint64_t cycles;               /* first operand into PE(0,0) to the last MAC, in the machine's drain fidelity */
    uint64_t latency;              /* from the last MAC until the last tile is drained: its rows, 0 if drain is ideal */
    uint64_t mac_cycles;           /* PE-cycles of work: sum of the costs */
    uint64_t stall_cycles;         /* PE-cycles lost to Eq. 3 */
} cost_result;

/** How tiles lie on the array and follow each other, as fields of qk and pv say (runtime/isa/isa.def). */
enum { WALK_TURNED = 1, WALK_SERPENTINE = 2 };

/** Q.K^T: rows of precision row_bits [rows] against columns col_bits [cols], reduction over head_dim. `walk`: flags of
 *  the enumeration above. */
cost_result cost_qk(cost_model *c, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits, uint32_t cols,
                    uint32_t head_dim, unsigned walk);
/** P.V: rows p_bits [rows], head_dim columns, reduction over tokens of precision v_bits [tokens]. */
cost_result cost_pv(cost_model *c, const uint8_t *p_bits, uint32_t rows, const uint8_t *v_bits, uint32_t tokens,
                    uint32_t head_dim, unsigned walk);

/** Where a block of scores lies in its layer, and the clusters that say which of its keys are hidden from which rows.
 */
typedef struct {
    const dtq_clusters *clusters;
    uint32_t row, col;
} cost_mask;

/** The same without what `mask` (NULL: nothing) hides from all rows of a strip: tiles of Q.K^T all of whose keys are
 *  hidden, and steps of P.V. */
cost_result cost_qk_masked(cost_model *c, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits,
                           uint32_t cols, uint32_t head_dim, unsigned walk, const cost_mask *mask);
cost_result cost_pv_masked(cost_model *c, const uint8_t *p_bits, uint32_t rows, const uint8_t *v_bits, uint32_t tokens,
                           uint32_t head_dim, unsigned walk, const cost_mask *mask);

/** A linear: rows of precision row_bits [rows] against `cols` columns of weights, all at 8 bits, reduction over `depth`
 *  inputs. */
cost_result cost_linear(cost_model *c, const uint8_t *row_bits, uint32_t rows, uint32_t cols, uint32_t depth,
                        unsigned walk);

/** The same for tokens in original order of which `high` of `slots`, nobody knows which, are 8-bit (uniformly random):
 *  hypergeometric expectations, exact but for `cycles` in the cases that cost_expected.c names (within 0.5 % there).
 *  The block is query slots [row, row+rows), keys [col, col+cols), both within the slots; only their distance matters.
 *  prob8: 1 P always 8-bit, 0 always 4-bit, -1 as its row's token. */
typedef struct {
    double tiles, stalled_tiles, stall_ratio_sum, step_cycles, cycles, mac_cycles, stall_cycles;
    uint64_t latency, least_cycles, most_cycles; /* bounds over all placements (not necessarily reached) */
} cost_expectation;
cost_expectation cost_qk_expected(cost_model *c, uint32_t slots, uint32_t high, uint32_t row, uint32_t rows,
                                  uint32_t col, uint32_t cols, uint32_t head_dim);
cost_expectation cost_pv_expected(cost_model *c, uint32_t slots, uint32_t high, int prob8, uint32_t row, uint32_t rows,
                                  uint32_t col, uint32_t cols, uint32_t head_dim);

/** Of a linear `rows` of the slots are the rows, not turned; exact; `least_cycles` and `most_cycles` are not filled. */
cost_expectation cost_linear_expected(cost_model *c, uint32_t slots, uint32_t high, uint32_t rows, uint32_t cols,
                                      uint32_t depth);

/** PE-cycles of both matmuls of one head: (sum c_q)(sum c_k) d + (sum c_p)(sum c_v) d; divide by PEs for the bound. */
uint64_t cost_work(const uint8_t *q, const uint8_t *k, const uint8_t *p, const uint8_t *v, uint32_t slots,
                   uint32_t head_dim);

/** Cycles that other engines are occupied (TIMING.md). */
uint64_t cost_dram(const cost_model *c, uint64_t bytes);
uint64_t cost_softmax(const cost_model *c, uint32_t rows, uint32_t cols);
uint64_t cost_importance(const cost_model *c, uint32_t rows, uint32_t keys);
uint64_t cost_topk(const cost_model *c, uint32_t keys, uint32_t kept, bool select);
/** The choice of a key/value head by the logits of its `queries`, and the passes of its selection: votes have half the
 *  digits of importance. */
uint64_t cost_choose_head(const cost_model *c, uint32_t queries, uint32_t keys, uint32_t kept);
uint64_t cost_head_passes(const dtq_machine *machine);

/** The probe of a layer (TIMING.md): the mean queries of a key/value head, at 8 bits, with all keys, at 4; and
 *  the bytes of what is loaded for them. */
cost_result cost_probe(cost_model *c, uint32_t queries, uint32_t keys, uint32_t head_dim, unsigned walk);
uint64_t cost_probe_bytes(uint32_t queries, uint32_t keys, uint32_t head_dim);

/** Bytes of blocks, as runtime/sim/layout.h's dtq_*_bytes, from runs of bits. classes: V scales per class (not causal).
 */
uint64_t cost_block_bytes(const uint8_t *bits, uint32_t rows, uint32_t head_dim, bool class_scales);
uint64_t cost_scores_bytes(uint32_t rows, uint32_t cols);
uint64_t cost_probs_bytes(uint32_t rows, uint32_t keys, bool causal);
uint64_t cost_out_bytes(uint32_t rows, uint32_t head_dim, bool only);

/* ---- whole tiles (cost_tiles.c) ---------------------------------------------------------------------------------- */

/** One head of an attention layer by its counts alone: rows of Q and P, keys, and those of them at 8 bits. */
typedef struct {
    uint64_t queries, high_queries, high_probs, keys, high_keys, head_dim;
} cost_counts;

/** The least cycles of one array for Q.K^T or P.V of one head, or for a linear, in strips of whole tiles: each tile as
 *  long as its costliest PE, over all ways to form clusters, to cut rows into strips and to turn these; no skew and no
 *  waiting. With `drain: overlapped` a tile may begin while the one before ends and share up to rows + columns - 2 of
 *  its steps; otherwise no schedule of strips takes less. */
uint64_t cost_qk_tiles(const dtq_machine *m, const cost_counts *c);
uint64_t cost_pv_tiles(const dtq_machine *m, const cost_counts *c);
uint64_t cost_linear_tiles(const dtq_machine *m, uint64_t rows, uint64_t high, uint64_t outputs, uint64_t inputs);

#endif
