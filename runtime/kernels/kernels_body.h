/* The vector kernels, written once on the compiler's vector types and compiled for several instruction sets: the
 * including file defines
 *   KERNEL(name)   the name of a function in this file
 *   KERNEL_TARGET  the attribute that chooses the instruction set
 *   LANES          floats in a register: 4, 8 or 16
 *   TILE_ROWS, TILE_OUTPUTS  what one step of the float product keeps in registers
 * Sums run in 16 lanes whatever the register holds, so every variant rounds as host_ref.c does. */
#include <math.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/numerics/polynomials.h"

#define INLINE static inline __attribute__((always_inline)) KERNEL_TARGET
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
enum { SUM_LANES = 16, PARTS = SUM_LANES / LANES };

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef float vf_loose __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE vf load(const float *p) {
    return *(const vf_loose *)p;
}

INLINE void store(float *p, vf v) {
    *(vf_loose *)p = v;
}

INLINE vf splat(float x) {
    return x - (vf){0}; /* exact, -0 too; element by element compilers make a dozen instructions of it */
}

INLINE vf select_bits(vi mask, vf yes, vf no) {
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}

INLINE vf magnitude(vf x) {
    return (vf)((vi)x & 0x7fffffff);
}

INLINE float tree(float lanes[SUM_LANES]) {
    UNROLL for (int half = SUM_LANES / 2; half >= 1; half /= 2) {
        UNROLL for (int l = 0; l < half; l++) {
            lanes[l] = lanes[l] + lanes[l + half];
        }
    }
    return lanes[0];
}

/* ---- float products ------------------------------------------------------------------------------------------ */

/* `next`: n floats that are asked for meanwhile, so that whoever reads them next does not wait; or NULL. */
INLINE void product(const float *const x[], const float *const w[], const float *next, size_t n, const int rows,
                    const int outputs, float *sums) {
    vf acc[TILE_ROWS][TILE_OUTPUTS][PARTS];
    memset(acc, 0, sizeof acc);
    size_t k = 0;
    for (; k + SUM_LANES <= n; k += SUM_LANES) {
        if (next)
            __builtin_prefetch(next + k);
        UNROLL for (int p = 0; p < PARTS; p++) {
            vf b[TILE_OUTPUTS];
            UNROLL for (int o = 0; o < outputs; o++) {
                b[o] = load(w[o] + k + p * LANES);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                const vf a = load(x[r] + k + p * LANES);
                UNROLL for (int o = 0; o < outputs; o++) {
                    acc[r][o][p] = acc[r][o][p] + a * b[o];
                }
            }
        }
    }
    if (k < n) {
        /* No lane's sum is ever -0, so adding +0 where the vectors have ended changes nothing. */
        float a[TILE_ROWS][SUM_LANES] = {{0}}, b[TILE_OUTPUTS][SUM_LANES] = {{0}};
        for (int r = 0; r < rows; r++)
            memcpy(a[r], x[r] + k, (n - k) * sizeof(float));
        for (int o = 0; o < outputs; o++)
            memcpy(b[o], w[o] + k, (n - k) * sizeof(float));
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int o = 0; o < outputs; o++) {
                UNROLL
                for (int p = 0; p < PARTS; p++)
                    acc[r][o][p] = acc[r][o][p] + load(a[r] + p * LANES) * load(b[o] + p * LANES);
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int o = 0; o < outputs; o++) {
            float lanes[SUM_LANES];
            UNROLL
            for (int p = 0; p < PARTS; p++)
                store(lanes + p * LANES, acc[r][o][p]);
            sums[r * outputs + o] = tree(lanes);
        }
    }
}

INLINE void linear_tile(const dtq_linear_f32 *l, size_t row, size_t output, const float *next, const int rows,
                        const int outputs) {
    const float *x[TILE_ROWS], *w[TILE_OUTPUTS];
    float sums[TILE_ROWS * TILE_OUTPUTS];
    for (int r = 0; r < rows; r++)
        x[r] = l->src + l->ids[row + (size_t)r] * l->inputs;
    for (int o = 0; o < outputs; o++)
        w[o] = l->weight + (output + (size_t)o) * l->inputs;
    product(x, w, next, l->inputs, rows, outputs, sums);
    for (int r = 0; r < rows; r++) {
        float *y = l->dst + l->ids[row + (size_t)r] * l->outputs + output;
        for (int o = 0; o < outputs; o++) {
            const float s = sums[r * outputs + o];
            y[o] = l->bias ? s + l->bias[output + (size_t)o] : s;
        }
    }
}

/* Weights of output `ahead`, if it is of the tile behind that at `output`; else NULL. */
INLINE const float *next_row(const dtq_linear_f32 *l, size_t output, size_t ahead) {
    return ahead < output + 2 * TILE_OUTPUTS && ahead < l->outputs ? l->weight + ahead * l->inputs : NULL;
}

KERNEL_TARGET static void KERNEL(linear_f32)(const dtq_linear_f32 *l, size_t first, size_t last) {
    enum { ROW_BLOCK = 64 }; /* rows that stay in the cache while all weights pass by */
    for (size_t r0 = 0; r0 < l->rows; r0 += ROW_BLOCK) {
        const size_t r1 = r0 + ROW_BLOCK < l->rows ? r0 + ROW_BLOCK : l->rows;
        size_t o = first;
        for (; o + TILE_OUTPUTS <= last; o += TILE_OUTPUTS) {
            /* Each tile asks for a row of the weights of the next outputs: they come from memory in the meantime. */
            size_t r = r0, ahead = o + TILE_OUTPUTS;
            for (; r + TILE_ROWS <= r1; r += TILE_ROWS, ahead++)
                linear_tile(l, r, o, next_row(l, o, ahead), TILE_ROWS, TILE_OUTPUTS);
            for (; r < r1; r++, ahead++)
                linear_tile(l, r, o, next_row(l, o, ahead), 1, TILE_OUTPUTS);
        }
        for (; o < last; o++)
            for (size_t r = r0; r < r1; r++)
                linear_tile(l, r, o, NULL, 1, 1);
    }
}

KERNEL_TARGET static float KERNEL(dot)(const float *a, const float *b, size_t n) {
    const float *x[TILE_ROWS] = {a}, *w[TILE_OUTPUTS] = {b};
    float sum;
    product(x, w, NULL, n, 1, 1, &sum);
    return sum;
}

KERNEL_TARGET static void KERNEL(axpy)(float a, const float *x, size_t n, float *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] + a * x[i];
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

/* Round half to even of |x| < 2^23; larger magnitudes come back as they are. */
INLINE vf rne(vf x) {
    const vf a = magnitude(x), magic = splat(0x1p23f);
    const vf r = (vf)((vi)((a + magic) - magic) | ((vi)x & (int32_t)0x80000000));
    return select_bits(a < magic, r, x);
}

/* Codes of up to LANES elements. */
INLINE void quantise_vector(vf x, vf scale, float limit, size_t left, int8_t *codes) {
    typedef int8_t vc __attribute__((vector_size(LANES)));
    const vf high = splat(limit), low = splat(-limit);
    vf q = rne(x / scale);
    q = select_bits(q > high, high, q);
    q = select_bits(q < low, low, q);
    const vc bytes = __builtin_convertvector(__builtin_convertvector(q, vi), vc);
    if (left >= LANES)
        memcpy(codes, &bytes, LANES);
    else
        memcpy(codes, &bytes, left);
}

INLINE vf load_some(const float *x, size_t left) {
    float pad[LANES] = {0};
    if (left >= LANES)
        return load(x);
    memcpy(pad, x, left * sizeof(float));
    return load(pad);
}

KERNEL_TARGET static bool KERNEL(quantise_row)(const float *x, size_t n, unsigned bits, int8_t *codes, float *scale) {
    vf largest = {0};
    vi bad = {0};
    for (size_t i = 0; i < n; i += LANES) {
        const vf a = magnitude(load_some(x + i, n - i));
        bad |= ~(a < splat(0x1p50f));
        largest = select_bits(a > largest, a, largest);
    }
    float m = 0.0f;
    int32_t any_bad = 0;
    for (int l = 0; l < LANES; l++) {
        any_bad |= bad[l];
        m = largest[l] > m ? largest[l] : m;
    }
    if (any_bad != 0)
        return false;
    const float limit = bits == 4 ? 7.0f : 127.0f;
    const float s = m < 0x1p-50f ? 1.0f : m / limit;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        quantise_vector(load(x + i), splat(s), limit, LANES, codes + i);
    if (i < n)
        quantise_vector(load_some(x + i, n - i), splat(s), limit, n - i, codes + i);
    *scale = s;
    return true;
}

KERNEL_TARGET static void KERNEL(quantise_by)(const float *x, const float *scales, size_t n, unsigned bits,
                                              int8_t *codes) {
    const float limit = bits == 4 ? 7.0f : 127.0f;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        quantise_vector(load(x + i), load(scales + i), limit, LANES, codes + i);
    for (; i < n; i++)
        quantise_vector(splat(x[i]), splat(scales[i]), limit, 1, codes + i);
}

/* Sum in 16 lanes of x, or of (x - mean)^2. */
INLINE float sum_row(const float *x, size_t n, const bool squares, float mean) {
    vf acc[PARTS];
    memset(acc, 0, sizeof acc);
    const vf m = splat(mean);
    size_t k = 0;
    for (; k + SUM_LANES <= n; k += SUM_LANES) {
        UNROLL for (int p = 0; p < PARTS; p++) {
            const vf v = load(x + k + p * LANES), d = v - m;
            acc[p] = acc[p] + (squares ? d * d : v);
        }
    }
    float lanes[SUM_LANES];
    UNROLL for (int p = 0; p < PARTS; p++) {
        store(lanes + p * LANES, acc[p]);
    }
    for (size_t l = 0; k + l < n; l++) {
        const float d = x[k + l] - mean;
        lanes[l] = lanes[l] + (squares ? d * d : x[k + l]);
    }
    return tree(lanes);
}

KERNEL_TARGET static void KERNEL(norm)(const float *src, size_t n, const float *gamma, const float *beta, float eps,
                                       float *dst) {
    const float mean = sum_row(src, n, false, 0.0f) / (float)n;
    const float variance = sum_row(src, n, true, mean) / (float)n;
    const float inverse = 1.0f / sqrtf(variance + eps);
    if (!beta) {
        for (size_t i = 0; i < n; i++)
            dst[i] = (src[i] - mean) * inverse * gamma[i];
        return;
    }
    for (size_t i = 0; i < n; i++)
        dst[i] = (src[i] - mean) * inverse * gamma[i] + beta[i];
}

KERNEL_TARGET static void KERNEL(rmsnorm)(const float *src, size_t n, const float *gamma, float eps, float *dst) {
    const float inverse = 1.0f / sqrtf(sum_row(src, n, true, 0.0f) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        dst[i] = src[i] * inverse * gamma[i];
}

INLINE vf exp2v(vf t) {
    const vi normal = t > splat(-126.0f);
    /* Outside of (-126, 0) the polynomial works on 0, which gives exactly 1. */
    t = select_bits(normal & (t < splat(0.0f)), t, splat(0.0f));
    const vf i = rne(t), f = t - i;
    vf p = splat(DTQ_EXP2_C5);
    p = p * f + DTQ_EXP2_C4;
    p = p * f + DTQ_EXP2_C3;
    p = p * f + DTQ_EXP2_C2;
    p = p * f + DTQ_EXP2_C1;
    p = p * f + 1.0f;
    const vi power = (__builtin_convertvector(i, vi) + 127) << 23;
    return select_bits(normal, p * (vf)power, splat(0.0f));
}

INLINE vf gelu(vf x) {
    const vf z = magnitude(x) * DTQ_SQRT_HALF;
    const vf t = 1.0f / (1.0f + DTQ_ERF_P * z);
    vf p = splat(DTQ_ERF_A5);
    p = p * t + DTQ_ERF_A4;
    p = p * t + DTQ_ERF_A3;
    p = p * t + DTQ_ERF_A2;
    p = p * t + DTQ_ERF_A1;
    p = p * t;
    const vf half_erfc = 0.5f * (p * exp2v(-(z * z) * DTQ_LOG2E));
    return x * select_bits(x < splat(0.0f), half_erfc, 1.0f - half_erfc);
}

INLINE vf sigmoid(vf y) {
    const vf e = exp2v(-magnitude(y) * DTQ_LOG2E);
    return select_bits(y < splat(0.0f), e, splat(1.0f)) / (1.0f + e);
}

INLINE vf gelu_tanh(vf x) {
    return x * sigmoid(DTQ_GELU_TANH_SCALE * (x + DTQ_GELU_TANH_CUBE * (x * x * x)));
}

INLINE vf tanhv(vf x) {
    const vf a = magnitude(x), z = x * x;
    vf p = splat(DTQ_TANH_T5);
    p = p * z + DTQ_TANH_T4;
    p = p * z + DTQ_TANH_T3;
    p = p * z + DTQ_TANH_T2;
    p = p * z + DTQ_TANH_T1;
    const vf small = x + x * (z * p);
    const vf e = exp2v(-2.0f * a * DTQ_LOG2E);
    const vf large = (vf)((vi)((1.0f - e) / (1.0f + e)) | ((vi)x & (int32_t)0x80000000));
    return select_bits(a >= splat(DTQ_TANH_LIMIT), large, small);
}

INLINE vf act_vector(const dtq_act kind, vf x) {
    switch (kind) {
    case DTQ_ACT_GELU:
        return gelu(x);
    case DTQ_ACT_GELU_TANH:
        return gelu_tanh(x);
    case DTQ_ACT_RELU:
        return select_bits(x <= splat(0.0f), splat(0.0f), x);
    case DTQ_ACT_TANH:
        return tanhv(x);
    case DTQ_ACT_SILU:
        return x * sigmoid(x);
    }
    return x;
}

INLINE void act_row(const dtq_act kind, const float *src, size_t n, float *dst) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(dst + i, act_vector(kind, load(src + i)));
    if (i < n) {
        float pad[LANES];
        store(pad, act_vector(kind, load_some(src + i, n - i)));
        memcpy(dst + i, pad, (n - i) * sizeof(float));
    }
}

/* One loop for each kind, so that the choice is made outside of it. */
KERNEL_TARGET static void KERNEL(act)(dtq_act kind, const float *src, size_t n, float *dst) {
    switch (kind) {
    case DTQ_ACT_GELU:
        act_row(DTQ_ACT_GELU, src, n, dst);
        break;
    case DTQ_ACT_GELU_TANH:
        act_row(DTQ_ACT_GELU_TANH, src, n, dst);
        break;
    case DTQ_ACT_RELU:
        act_row(DTQ_ACT_RELU, src, n, dst);
        break;
    case DTQ_ACT_TANH:
        act_row(DTQ_ACT_TANH, src, n, dst);
        break;
    case DTQ_ACT_SILU:
        act_row(DTQ_ACT_SILU, src, n, dst);
        break;
    }
}

/* One output of one row, once its codes are summed. */
INLINE float rescale(const dtq_linear_i8 *l, size_t row, size_t output, int32_t acc) {
    const float y = (float)acc * (l->scales[row] * l->weight_scales[output]);
    return l->bias ? y + l->bias[output] : y;
}
