/* Instructions that hardware executes beside the simulator: --engine=rtl. Private to runtime/sim/. */
#ifndef DTQRT_SIM_HARDWARE_H
#define DTQRT_SIM_HARDWARE_H

#include "runtime/rtl/rtl.h"
#include "runtime/sim/sim.h"

/** Runs a matmul on the hardware of the run, if there is any, and compares its sums with m->low and m->high, which the
 *  simulator has computed. `clusters` of the layer's slots say what a mask hides of slots [row, ...) and [col, ...);
 * NULL: there are none. False after an error, which names the first sum that differs. */
bool dtq_hardware_matmul(dtq_sim *sim, uint32_t layer, const dtq_rtl_matmul *m, const dtq_clusters *clusters,
                         uint64_t row, uint64_t col, dtq_error *e);

/** Adds rows of probabilities to `before` [keys] in hardware, if there is any; the sums must be `after`. `clusters` as
 * above, of slots [row, ...) and the layer's keys from slot `col` on. */
bool dtq_hardware_importance(dtq_sim *sim, uint32_t layer, const dtq_rtl_votes *v, const dtq_clusters *clusters,
                             uint64_t row, uint64_t col, const uint64_t *before, const uint64_t *after, dtq_error *e);

/** What the simulator's softmax has left of a block of rows. */
typedef struct {
    const void *heads;                   /* [rows] dtq_prob_row, not aligned */
    const uint8_t *codes, *weight_codes; /* [rows][stride] from the block's first column on; NULL: no weights */
    size_t stride;
} dtq_softmax_result;

/** Runs a softmax in hardware, if there is any. Heads of `s` are what it begins with, and are
 * overwritten; what it writes must be `want`. `clusters` as above; NULL: nothing is skipped. */
bool dtq_hardware_softmax(dtq_sim *sim, uint32_t layer, const dtq_rtl_softmax *s, const dtq_clusters *clusters,
                          uint64_t row, uint64_t col, const dtq_softmax_result *want, dtq_error *e);

/** Selects in hardware, if there is any, as `next` says, among `n` tokens of these values; the choice must be
 *  dtq_select's. `half`: values of 32 bits. */
bool dtq_hardware_select(dtq_sim *sim, const dtq_layer *next, const uint64_t *values, const uint32_t *ids, uint32_t n,
                         bool half, dtq_error *e);

/** After an instruction and its timing: what the hardware took for it must be `busy`, which then counts as verified. */
bool dtq_hardware_settle(dtq_sim *sim, const dtq_instr *in, uint64_t busy, dtq_error *e);

#endif
