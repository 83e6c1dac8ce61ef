/* What the two attention references share. Private to runtime/. */
#ifndef DTQRT_NUMERICS_ATTENTION_H
#define DTQRT_NUMERICS_ATTENTION_H

#include "runtime/numerics/numerics.h"

/** Refuses empty shapes and operands that are not finite or reach 2^50; names operand, head and token. */
bool dtq_attention_check(const dtq_attention *a, dtq_error *e);

/** From the sums of probabilities A_j (in parts of 2^32) in a->importance, if there are any, to what its rule says. */
void dtq_importance_finish(const dtq_attention *a);

#endif
