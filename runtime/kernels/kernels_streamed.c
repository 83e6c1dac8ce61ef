/* A row of softmax over near and far keys, by the kernels that give the bits of the scalar reference. */
#include "runtime/kernels/kernels_attention.h"
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

void dtq_streamed_values(size_t head_dim, const uint8_t *weights, const int8_t *values, uint32_t count,
                         int32_t *restrict acc) {
    for (uint32_t n = 0; n < count; n++) {
        const int8_t *row = values + n * head_dim;
        const int32_t weight = weights[n];
        for (size_t c = 0; c < head_dim && weight != 0; c++) {
            acc[c] += weight * row[c];
        }
    }
}
