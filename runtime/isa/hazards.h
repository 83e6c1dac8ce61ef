/* The proof that the order of queues does not matter; private to runtime/isa/. */
#ifndef DTQRT_ISA_HAZARDS_H
#define DTQRT_ISA_HAZARDS_H

#include "runtime/isa/dataflow.h"

/** Tokens balanced and alike, no deadlock, the list a sequential order, every two conflicting accesses ordered by
 *  tokens, and nothing read that nothing has written. `flow` is told of every read and write in the list's order, with
 *  who wrote there last; NULL: order is proved alone, and DRAM counts as written. Fields and addresses must have been
 *  checked. */
bool dtq_hazards_check(const dtq_program *p, const dtq_stream *s, dtq_dataflow *flow, dtq_error *e);

#endif
