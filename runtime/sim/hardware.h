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

/** After an instruction and its timing: what the hardware took for it must be `busy`, which then counts as verified. */
bool dtq_hardware_settle(dtq_sim *sim, const dtq_instr *in, uint64_t busy, dtq_error *e);

#endif
