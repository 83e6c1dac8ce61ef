/* What a module says that follows from the rest of it. Private to passes/. */
#ifndef DTQ_PASSES_DERIVED_H
#define DTQ_PASSES_DERIVED_H

#include "passes/passes.h"

/** Computes everything derived in `m` again, by the passes that own it, from its decisions alone, and compares: numbers
 *  of analyses at every level; at the stream level addresses, tokens and times. False after an error that says what is
 *  there and what is computed: somebody has edited one and not the other. */
bool derived_holds(pass_context *ctx, const ir_module *m);

/** Replaces everything derived in *m by what is computed. False after an error. */
bool derived_renew(pass_context *ctx, ir_module **m);

/** Whether `m` (graph or tile level) has the inputs of a program, one output, and tokens for its first layer. False
 * after an error. */
bool graph_holds(pass_context *ctx, const ir_module *m);

/** Whether the schedule of `m` (schedule or stream level) is what its layers need: every unit of work once, every
 * buffer declared where it is first named, as large as what it holds, and holding what its readers expect. False after
 * an error. */
bool schedule_holds(pass_context *ctx, const ir_module *m);

#endif
