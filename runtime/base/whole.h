/* Whole numbers. */
#ifndef DTQRT_BASE_WHOLE_H
#define DTQRT_BASE_WHOLE_H

#include <stdint.h>

/** The least whole number that is at least a / b. */
static inline uint64_t dtq_ceil_div(uint64_t a, uint64_t b) {
    return a / b + (a % b != 0);
}

/** The later of two times. */
static inline uint64_t dtq_later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

#endif
