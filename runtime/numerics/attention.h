/* What the two attention references share. Private to runtime/. */
#ifndef DTQRT_NUMERICS_ATTENTION_H
#define DTQRT_NUMERICS_ATTENTION_H

#include "runtime/dtqrt.h"

/** Refuses empty shapes and operands that are not finite or reach 2^50; names operand, head and token. */
bool dtq_attention_check(const dtq_attention *a, dtq_error *e);

#endif
