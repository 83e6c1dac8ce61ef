/* A whole model as an LLVM module: kernels, the regions that call them, the function that runs it all, and what it says
 * of itself. Private to codegen/llvm. */
#ifndef DTQ_CODEGEN_LLVM_MODEL_H
#define DTQ_CODEGEN_LLVM_MODEL_H

#include "codegen/host/host.h"
#include "codegen/llvm/machine.h"

/** Writes the model for these levels; exported is one constant dtq_host_model called o->name. The module is verified;
 * the caller disposes of it (and of the context). NULL after an error. */
LLVMModuleRef model_emit(arena *a, diag *d, LLVMContextRef c, const host_program *p, const host_options *o,
                         const machine_level *levels, unsigned count);

/* ---- regions (region.c) ------------------------------------------------------------------------------------------ */

/** dtq_host_task of region number `r`: rows [first, last) of its layer's tokens. */
val emit_region(emitter *e, const host_program *p, uint32_t r);

/** Bytes of scratch that regions need of a worker. */
dtq_host_buffer region_scratch_size(const host_program *p);

/** Steps of regions begin at multiples of so many rows: a register tile. */
enum { REGION_GRAIN = 4 };

/* ---- what steps make (watch.c) ------------------------------------------------------------------------------------
 */

/** A step behind the last attention, whose number is its place among them: those of the last region, then pooling and
 *  normalisation. `by_row`: it makes a row for each token that is left. */
typedef struct {
    uint32_t layer, width;
    const char *source;
    bool by_row;
} watched_step;

/** Fills `out`, which has room for two more than the last region has steps; returns how many there are. */
uint32_t watched_steps(const host_program *p, watched_step *out);

/** In a function whose parameter 0 is the frame: has the runtime look at rows [first, first + count) of what a step
 * made if it wants to (dtq_host_frame.watched). `rows`: where row `first` is. */
void emit_watch(emitter *e, uint32_t step, val rows, val first, val count);

/* ---- the end (finish.c) ------------------------------------------------------------------------------------------ */

/** void (ptr frame): pools, normalises, or copies rows to where they belong in frame->output. */
val emit_finish(emitter *e, const host_program *p);

#endif
