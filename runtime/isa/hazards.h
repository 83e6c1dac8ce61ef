/* The proof that the order of queues does not matter; private to runtime/isa/. */
#ifndef DTQRT_ISA_HAZARDS_H
#define DTQRT_ISA_HAZARDS_H

#include "runtime/dtqrt.h"

/** Tokens balanced and alike, no deadlock, the list a sequential order, every two conflicting accesses ordered by
 *  tokens, and nothing read on chip that nothing has written. Fields and addresses must have been checked. */
bool dtq_hazards_check(const dtq_program *p, const dtq_stream *s, dtq_error *e);

#endif
