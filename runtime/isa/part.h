/* Which instructions of a stream a part of its program has; private to runtime/isa/. */
#ifndef DTQRT_ISA_PART_H
#define DTQRT_ISA_PART_H

#include "runtime/program.h"

/** Marks in has[s->count] the instructions of the part. */
void dtq_part_of(const dtq_stream *s, const dtq_program_part *part, bool *has);

#endif
