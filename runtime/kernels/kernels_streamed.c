/* A row of softmax over near and far keys, by the kernels that give the bits of the scalar reference. */
#include "runtime/kernels/kernels_attention.h"
#include "runtime/kernels/levels.h"
#include "runtime/numerics/streamed.h"

static float weigh(const float *e, const float *scales, uint32_t n, float levels, float *w, uint8_t *weights) {
    const float largest = dtq_weights_of(e, scales, n, w), shared = largest == 0.0f ? 1.0f : largest;
    dtq_weight_codes(w, shared, levels, n, weights);
    return shared;
}

dtq_streamed_sums dtq_streamed_softmax(const float *x, const float *value_scales, uint32_t near, uint32_t far,
                                       float levels, float *room, uint8_t *codes, uint8_t *weights) {
    const uint32_t n = near + far;
    float *e = room, *w = room + n;
    dtq_powers(x, dtq_largest(x, n), n, e);
    dtq_streamed_sums s = {.z = dtq_prob_codes(e, (float)DTQ_STREAMED_LEVELS, n, codes)};
    s.near_scale = weigh(e, value_scales, near, levels, w, weights);
    s.far_scale = weigh(e + near, value_scales + near, far, levels, w + near, weights + near);
    return s;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

enum { KEYS = 4 };

/* Several keys at a time, as what is summed up lies in memory. */
BODY void streamed_values_body(size_t head_dim, const uint8_t *weights, const int8_t *values, uint32_t count,
                               int32_t *restrict acc) {
    uint32_t n = 0;
    for (; n + KEYS <= count; n += KEYS) {
        const int8_t *row = values + n * head_dim;
        const int32_t w0 = weights[n], w1 = weights[n + 1], w2 = weights[n + 2], w3 = weights[n + 3];
        for (size_t c = 0; c < head_dim && (w0 | w1 | w2 | w3) != 0; c++)
            acc[c] += w0 * row[c] + w1 * row[head_dim + c] + w2 * row[2 * head_dim + c] + w3 * row[3 * head_dim + c];
    }
    for (; n < count; n++)
        for (size_t c = 0; c < head_dim; c++)
            acc[c] += (int32_t)weights[n] * values[n * head_dim + c];
}

LEVELS(void, streamed_values,
       (size_t head_dim, const uint8_t *weights, const int8_t *values, uint32_t count, int32_t *restrict acc),
       (head_dim, weights, values, count, acc))

/* ---- votes ------------------------------------------------------------------------------------------------------ */

void dtq_streamed_vote(const uint8_t *weights, uint32_t near, uint32_t from, uint32_t count, uint64_t *restrict votes) {
    uint32_t sum = 1;
    for (uint32_t n = 0; n < near; n++)
        sum += weights[n];
    const uint32_t reciprocal = (uint32_t)((UINT64_C(1) << 32) / sum - (sum == 1)); /* of no weights at all: not used */
    for (uint32_t n = 0; n < count; n++) {
        const uint32_t share = (weights[from + n] * reciprocal) >> 16; /* below 2^16 */
        votes[n] += share * share;
    }
}
