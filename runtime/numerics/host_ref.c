/* The arithmetic of host work, one element at a time: what NUMERICS.md says, in code. The vector kernels are tested
 * against this table. */
#include <math.h>

#include "runtime/entry.h"
#include "runtime/kernels/kernels.h"
#include "runtime/numerics/polynomials.h"

enum { SUM_LANES = 16 };

static float tree(float lanes[SUM_LANES]) {
    for (int half = SUM_LANES / 2; half >= 1; half /= 2)
        for (int l = 0; l < half; l++)
            lanes[l] = lanes[l] + lanes[l + half];
    return lanes[0];
}

static float dot(const float *a, const float *b, size_t n) {
    float lanes[SUM_LANES] = {0};
    for (size_t k = 0; k < n; k++) {
        const float product = a[k] * b[k];
        lanes[k % SUM_LANES] = lanes[k % SUM_LANES] + product;
    }
    return tree(lanes);
}

static void axpy(float a, const float *x, size_t n, float *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] + a * x[i];
}

static void linear_f32(const dtq_linear_f32 *l, size_t first, size_t last) {
    for (size_t r = 0; r < l->rows; r++) {
        for (size_t o = first; o < last; o++) {
            const float s = dot(l->src + l->ids[r] * l->inputs, l->weight + o * l->inputs, l->inputs);
            l->dst[l->ids[r] * l->outputs + o] = l->bias ? s + l->bias[o] : s;
        }
    }
}

static void linear_i8(const dtq_linear_i8 *l, size_t first, size_t last) {
    const size_t inputs = l->input_groups * DTQ_PACK_INPUTS;
    for (size_t r = 0; r < l->rows; r++) {
        for (size_t o = first; o < last; o++) {
            const int8_t *w = l->weight + o / DTQ_PACK_OUTPUTS * inputs * DTQ_PACK_OUTPUTS;
            int32_t acc = 0;
            for (size_t k = 0; k < inputs; k++) {
                const size_t group = k / DTQ_PACK_INPUTS * DTQ_PACK_OUTPUTS + o % DTQ_PACK_OUTPUTS;
                acc += (int32_t)l->codes[r * inputs + k] * w[group * DTQ_PACK_INPUTS + k % DTQ_PACK_INPUTS];
            }
            const float y = (float)acc * (l->scales[r] * l->weight_scales[o]);
            l->dst[l->ids[r] * l->outputs + o] = l->bias ? y + l->bias[o] : y;
        }
    }
}

static bool quantise_row(const float *x, size_t n, unsigned bits, int8_t *codes, float *scale) {
    if (!dtq_do_scale(x, n, 1, bits, scale))
        return false;
    for (size_t i = 0; i < n; i++)
        codes[i] = dtq_do_quantise(x[i], *scale, bits);
    return true;
}

static void quantise_by(const float *x, const float *scales, size_t n, unsigned bits, int8_t *codes) {
    for (size_t i = 0; i < n; i++)
        codes[i] = dtq_do_quantise(x[i], scales[i], bits);
}

static void norm(const float *x, size_t n, const float *gamma, const float *beta, float eps, float *y) {
    float lanes[SUM_LANES] = {0};
    for (size_t k = 0; k < n; k++)
        lanes[k % SUM_LANES] = lanes[k % SUM_LANES] + x[k];
    const float mean = tree(lanes) / (float)n;
    float squares[SUM_LANES] = {0};
    for (size_t k = 0; k < n; k++) {
        const float d = x[k] - mean;
        squares[k % SUM_LANES] = squares[k % SUM_LANES] + d * d;
    }
    const float variance = tree(squares) / (float)n;
    const float inverse = 1.0f / sqrtf(variance + eps);
    for (size_t k = 0; k < n; k++) {
        const float scaled = (x[k] - mean) * inverse * gamma[k];
        y[k] = beta ? scaled + beta[k] : scaled;
    }
}

static void rmsnorm(const float *x, size_t n, const float *gamma, float eps, float *y) {
    const float inverse = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    for (size_t k = 0; k < n; k++)
        y[k] = x[k] * inverse * gamma[k];
}

void dtq_rotate(const float *x, size_t n, const float *table, size_t head_dim, dtq_pairs pairs, float *y) {
    const size_t half = head_dim / 2;
    for (size_t head = 0; head < n; head += head_dim) {
        for (size_t p = 0; p < half; p++) {
            const size_t a = head + (pairs == DTQ_PAIRS_HALVES ? p : 2 * p);
            const size_t b = pairs == DTQ_PAIRS_HALVES ? a + half : a + 1;
            const float c = table[p], s = table[half + p];
            y[a] = x[a] * c - x[b] * s;
            y[b] = x[b] * c + x[a] * s;
        }
    }
}

static float gelu(float x) {
    const float z = fabsf(x) * DTQ_SQRT_HALF;
    const float t = 1.0f / (1.0f + DTQ_ERF_P * z);
    float p = DTQ_ERF_A5;
    p = p * t + DTQ_ERF_A4;
    p = p * t + DTQ_ERF_A3;
    p = p * t + DTQ_ERF_A2;
    p = p * t + DTQ_ERF_A1;
    p = p * t;
    const float half_erfc = 0.5f * (p * dtq_do_exp2(-(z * z) * DTQ_LOG2E));
    return x * (x < 0.0f ? half_erfc : 1.0f - half_erfc);
}

static float sigmoid(float y) {
    const float e = dtq_do_exp2(-fabsf(y) * DTQ_LOG2E);
    return (y < 0.0f ? e : 1.0f) / (1.0f + e);
}

static float gelu_tanh(float x) {
    return x * sigmoid(DTQ_GELU_TANH_SCALE * (x + DTQ_GELU_TANH_CUBE * (x * x * x)));
}

static float relu(float x) {
    return x <= 0.0f ? 0.0f : x; /* a NaN stays one */
}

static float tanh_defined(float x) {
    const float a = fabsf(x), z = x * x;
    if (!(a >= DTQ_TANH_LIMIT)) { /* a NaN stays one */
        float p = DTQ_TANH_T5;
        p = p * z + DTQ_TANH_T4;
        p = p * z + DTQ_TANH_T3;
        p = p * z + DTQ_TANH_T2;
        p = p * z + DTQ_TANH_T1;
        return x + x * (z * p);
    }
    const float e = dtq_do_exp2(-2.0f * a * DTQ_LOG2E);
    return copysignf((1.0f - e) / (1.0f + e), x);
}

static float silu(float x) {
    return x * sigmoid(x);
}

static void act(dtq_act kind, const float *x, size_t n, float *y) {
    static float (*const functions[])(float) = {
        [DTQ_ACT_GELU] = gelu,         [DTQ_ACT_GELU_TANH] = gelu_tanh, [DTQ_ACT_RELU] = relu,
        [DTQ_ACT_TANH] = tanh_defined, [DTQ_ACT_SILU] = silu,
    };
    for (size_t i = 0; i < n; i++)
        y[i] = functions[kind](x[i]);
}

const dtq_kernels dtq_kernels_scalar = {
    .name = "scalar",
    .linear_f32 = linear_f32,
    .linear_i8 = linear_i8,
    .quantise_row = quantise_row,
    .quantise_by = quantise_by,
    .norm = norm,
    .rmsnorm = rmsnorm,
    .act = act,
    .dot = dot,
    .axpy = axpy,
};
