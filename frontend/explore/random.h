/* Random numbers of searches: functions of a seed and of what they are for, so that no order of calls changes them. */
#ifndef DTQ_EXPLORE_RANDOM_H
#define DTQ_EXPLORE_RANDOM_H

#include <math.h>
#include <stdint.h>

/** Sixty-four bits after `state`, which moves on: SplitMix64 (Steele, Lea and Flood 2014). */
static inline uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/** A state of its own for a purpose. */
static inline uint64_t random_state(uint64_t seed, uint64_t purpose, uint64_t index) {
    uint64_t s = seed;
    s = random_bits(&s) ^ purpose;
    s = random_bits(&s) ^ index;
    random_bits(&s);
    return s;
}

/** From 0 to below 1. */
static inline double random_unit(uint64_t *state) {
    return (double)(random_bits(state) >> 11) * 0x1p-53;
}

/** From 0 to below `n`. */
static inline uint32_t random_below(uint64_t *state, uint32_t n) {
    return (uint32_t)(random_unit(state) * n);
}

/** Of mean 0 and deviation 1 (Box and Muller). */
static inline double random_normal(uint64_t *state) {
    const double u = 1 - random_unit(state), v = random_unit(state);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

#endif
