/* Gaussian noise on queries, keys and values of tokens of some rank in importance: how much of it do they tolerate? */
#include "runtime/numerics/noise.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/entry.h"

/* splitmix64 (Steele, Lea, Flood 2014): one step from `state`. */
static uint64_t mix(uint64_t state) {
    uint64_t z = state + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Uniform in (0, 1]. */
static double uniform(uint64_t bits) {
    return ldexp((double)((bits >> 11) + 1), -53);
}

/* Normal numbers of mean 0 and deviation 1, by Box and Muller (1958): one of each pair. */
static double normal(uint64_t state) {
    const double two_pi = 6.283185307179586;
    return sqrt(-2 * log(uniform(mix(state)))) * cos(two_pi * uniform(mix(~state)));
}

static double root_mean_square(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

/* How many tokens come before slot i by importance descending, then id ascending. */
static uint32_t rank_of(const dtq_attention *a, uint32_t i) {
    uint32_t before = 0;
    for (uint32_t k = 0; k < a->slots; k++) {
        const bool tie = a->importance[k] == a->importance[i] && a->ids[k] < a->ids[i];
        before += a->importance[k] > a->importance[i] || tie;
    }
    return before;
}

static void add_row(const dtq_noise *noise, double deviation, uint64_t state, float *row, uint32_t width) {
    for (uint32_t c = 0; c < width; c++)
        row[c] = (float)((double)row[c] + deviation * normal(mix(noise->seed ^ mix(state + c))));
}

bool dtq_noise_add(const dtq_noise *noise, uint32_t layer, const dtq_attention *a, float *q, float *k, float *v,
                   dtq_error *e) {
    if (!dtq_do_attention_ref(a, e))
        return false;
    float *const rows[3] = {q, k, v};
    double deviations[3];
    for (unsigned o = 0; o < 3; o++) {
        const size_t width = (size_t)(o == DTQ_Q ? a->heads : a->kv_heads) * a->head_dim;
        deviations[o] = noise->magnitude * root_mean_square(rows[o], a->slots * width);
    }
    const double n = a->slots, from = rint(noise->from * n), to = n - rint((1 - noise->to) * n);
    for (uint32_t i = 0; i < a->slots; i++) {
        const double rank = rank_of(a, i);
        for (unsigned o = 0; rank >= from && rank < to && o < 3; o++) {
            const uint32_t width = (o == DTQ_Q ? a->heads : a->kv_heads) * a->head_dim;
            const uint64_t place = ((uint64_t)layer * 3 + o) << 32 | a->ids[i];
            add_row(noise, deviations[o], mix(place), rows[o] + (size_t)i * width, width);
        }
    }
    return true;
}
