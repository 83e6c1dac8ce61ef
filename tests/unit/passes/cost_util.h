/* Shared by the tests of the cost model: random precisions, and a machine of one small array. */
#ifndef COST_UTIL_H
#define COST_UTIL_H

#include <stdint.h>

#include "passes/cost.h"
#include "runtime/machine_members.h"

static inline uint64_t cost_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint32_t cost_below(uint64_t *state, uint32_t n) {
    return (uint32_t)(cost_random(state) % n);
}

static inline dtq_machine cost_machine(uint32_t rows, uint32_t cols, dtq_drain drain) {
    dtq_machine m;
    dtq_machine_init(&m);
    m.vssa_rows = rows;
    m.vssa_cols = cols;
    m.top_drain = drain;
    return m;
}

#endif
