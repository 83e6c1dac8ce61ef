/* Instructions of the host queue that make operands of attention. Private to runtime/. */
#ifndef DTQRT_NUMERICS_HOST_OPERANDS_H
#define DTQRT_NUMERICS_HOST_OPERANDS_H

#include "runtime/exec.h"

/** q, k or v of a layer as codes and scales (NUMERICS.md). */
bool dtq_queue_quant(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** Codes of q and k that a probe scores by. */
bool dtq_queue_probe(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** Codes of keys and values that are far, of a layer that streams. */
bool dtq_queue_far(dtq_exec *x, const dtq_instr *in, dtq_error *e);

#endif
