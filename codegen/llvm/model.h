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

/* ---- the end (finish.c) ------------------------------------------------------------------------------------------ */

/** void (ptr frame): pools, normalises, or copies rows to where they belong in frame->output. */
val emit_finish(emitter *e, const host_program *p);

#endif
