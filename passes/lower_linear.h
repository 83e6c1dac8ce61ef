/* Lowering of linears to instructions of the arrays. Private to passes/. */
#ifndef DTQ_PASSES_LOWER_LINEAR_H
#define DTQ_PASSES_LOWER_LINEAR_H

#include "passes/linear.h"
#include "passes/lower_host.h"

/** Lowers the `linear` at `op` as tile-linears has cut it: host.codes, loads, matmuls and stores. `layers`: of the
 * module. False after an error. */
bool lower_linear(host_lowering *h, const layer_info *layers, size_t op);

#endif
