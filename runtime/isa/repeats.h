/* Where a stream repeats itself. Private to runtime/isa/. */
#ifndef DTQRT_ISA_REPEATS_H
#define DTQRT_ISA_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Instructions from `first` on: `count` of them, of the opcodes and queues of those that stand `distance` before; of
 * no others if `distance` is 0. */
typedef struct {
    size_t first, count, distance;
} dtq_repeat;

typedef struct dtq_repeats dtq_repeats;

/** Bytes that a walk over `count` instructions needs. */
size_t dtq_repeats_bytes(size_t count);
/** Begins a walk over the `count` instructions of a stream; NULL if there is no memory. Layers that are alike have the
 * same opcodes and queues in the same order, so a walk finds one body and its repetitions. It depends on these alone:
 * of each instruction dtq_repeats_shapes takes opcode | queue << 8 before the walk goes on. */
dtq_repeats *dtq_repeats_begin(size_t count);
uint16_t *dtq_repeats_shapes(dtq_repeats *r); /* [count] */
/** The next stretch of the stream; false at its end. */
bool dtq_repeats_next(dtq_repeats *r, dtq_repeat *out);
void dtq_repeats_end(dtq_repeats *r);

#endif
