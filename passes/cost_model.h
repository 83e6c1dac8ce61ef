/* Inside of a cost_model: shared by cost.c and cost_….c only. */
#ifndef DTQ_COST_MODEL_H
#define DTQ_COST_MODEL_H

#include "passes/cost.h"

/** Scratch memory that only grows. */
typedef struct {
    void *data;
    size_t bytes;
} cost_scratch;

struct cost_model {
    arena *arena;
    const dtq_machine *machine;
    cost_scratch slices, columns, bitmaps, seen, sample, weights, chances_of_rows, changes_of_rows;
    struct cost_memo *memo;       /* matmuls met before, cost.c */
    struct cost_chances *chances; /* expectations met before, cost_expected.c; made when first asked for */
};

/** At least count * size bytes; contents are undefined. */
void *cost_reserve(cost_model *c, cost_scratch *s, size_t count, size_t size);

/** How many of n slots have 8 bits. */
static inline uint32_t cost_count_high(const uint8_t *bits, uint32_t n) {
    uint32_t high = 0;
    for (uint32_t i = 0; i < n; i++)
        high += bits[i] == 8;
    return high;
}

#endif
