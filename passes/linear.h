/* A linear on the arrays as the passes see it. Private to passes/. */
#ifndef DTQ_PASSES_LINEAR_H
#define DTQ_PASSES_LINEAR_H

#include "passes/plan_linear.h"

/** What is known of all layers of a module at tile level, by their index; `linear_read` finds whose rows a linear has.
 */
layer_info *linear_layers(arena *a, const ir_module *m);

/** Whether the arrays compute the `linear` at `op`: on machines that say so those whose rows have their tokens'
 * precision. */
bool linear_on_arrays(const ir_module *m, size_t op);

/** The shape of the `linear` at `op`: its rows are the tokens of the attention behind it, after the last attention of
 * that one's. */
linear_shape linear_read(const ir_module *m, size_t op, const layer_info *layers);

/** The cut that tile-linears chose for it. */
linear_cut linear_read_cut(arena *a, const ir_module *m, size_t op);

#endif
