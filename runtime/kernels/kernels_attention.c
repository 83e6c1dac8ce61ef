/* Attention kernels. Each element is computed by the same operations in the same order as in the scalar reference, and
 * the sums are of integers, so vectors change no bit. */
#include "runtime/kernels/kernels_attention.h"

#include <math.h>
#include <string.h>

#include "runtime/kernels/levels.h"
#include "runtime/numerics/polynomials.h"

enum { LANES = 8 };

BODY void dots_body(const int16_t *restrict a, size_t rows, const int16_t *restrict b, size_t cols, size_t depth,
                    int32_t *restrict out) {
    const size_t n = depth / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
    for (size_t i = 0; i < rows; i++) {
        const int16_t *x = a + i * depth;
        for (size_t j = 0; j < cols; j++) {
            const int16_t *y = b + j * depth;
            int32_t sum = 0;
            for (size_t c = 0; c < n; c++)
                sum += x[c] * y[c];
            out[i * cols + j] = sum;
        }
    }
}

LEVELS(void, dots,
       (const int16_t *restrict a, size_t rows, const int16_t *restrict b, size_t cols, size_t depth,
        int32_t *restrict out),
       (a, rows, b, cols, depth, out))

BODY void logits_body(const int32_t *restrict scores, const float *restrict col_scale, float row_scale, size_t n,
                      float *restrict x) {
    for (size_t j = 0; j < n; j++)
        x[j] = (float)scores[j] * (row_scale * col_scale[j]);
}

LEVELS(void, logits,
       (const int32_t *restrict scores, const float *restrict col_scale, float row_scale, size_t n, float *restrict x),
       (scores, col_scale, row_scale, n, x))

BODY float largest_body(const float *x, size_t n) {
    float lane[LANES];
    for (size_t l = 0; l < LANES; l++)
        lane[l] = -INFINITY;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] = x[j + l] > lane[l] ? x[j + l] : lane[l];
    for (; j < n; j++)
        lane[0] = x[j] > lane[0] ? x[j] : lane[0];
    for (size_t l = 1; l < LANES; l++)
        lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
    return lane[0];
}

LEVELS(float, largest, (const float *x, size_t n), (x, n))

/* Adding and taking away 3 2^22 rounds half to even for |x| < 2^22, as dtq_rne does. */
static inline float round_even(float x) {
    const float magic = 0x1.8p23f;
    return (x + magic) - magic;
}

static inline float and_mask(float x, uint32_t mask) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= mask;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

BODY void powers_body(const float *restrict x, float max, size_t n, float *restrict e) {
    for (size_t j = 0; j < n; j++) {
        const float t = x[j] - max;
        const uint32_t seen = -(uint32_t)(t > -9.0f); /* all ones or zero: a mask, not a branch */
        const float u = and_mask(t, seen);
        const float i = round_even(u);
        e[j] = and_mask(dtq_exp2_parts(i, u - i), seen);
    }
}

LEVELS(void, powers, (const float *restrict x, float max, size_t n, float *restrict e), (x, max, n, e))

BODY uint32_t prob_codes_body(const float *restrict e, float limit, size_t n, uint8_t *restrict codes) {
    uint32_t sum = 0;
    for (size_t j = 0; j < n; j++) {
        const int32_t code = (int32_t)round_even(e[j] * limit);
        codes[j] = (uint8_t)code;
        sum += (uint32_t)code;
    }
    return sum;
}

LEVELS(uint32_t, prob_codes, (const float *restrict e, float limit, size_t n, uint8_t *restrict codes),
       (e, limit, n, codes))

BODY float weights_of_body(const float *restrict e, const float *restrict scale, size_t n, float *restrict w) {
    for (size_t j = 0; j < n; j++)
        w[j] = e[j] * scale[j];
    return n ? largest_body(w, n) : 0.0f;
}

LEVELS(float, weights_of, (const float *restrict e, const float *restrict scale, size_t n, float *restrict w),
       (e, scale, n, w))

BODY void weight_codes_body(const float *restrict w, float r, float limit, size_t n, uint8_t *restrict codes) {
    for (size_t j = 0; j < n; j++)
        codes[j] = (uint8_t)(int32_t)round_even(w[j] / r * limit);
}

LEVELS(void, weight_codes, (const float *restrict w, float r, float limit, size_t n, uint8_t *restrict codes),
       (w, r, limit, n, codes))

BODY void importance_row_body(const uint8_t *restrict codes, uint64_t reciprocal, size_t n, uint64_t *restrict acc) {
    for (size_t j = 0; j < n; j++)
        acc[j] += codes[j] * reciprocal;
}

LEVELS(void, importance_row, (const uint8_t *restrict codes, uint64_t reciprocal, size_t n, uint64_t *restrict acc),
       (codes, reciprocal, n, acc))
