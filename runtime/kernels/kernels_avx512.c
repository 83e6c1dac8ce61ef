/* Vector kernels for x86-64 with AVX-512 and its byte dot products (VNNI). */
#if defined(__x86_64__)
#include <immintrin.h>

#define KERNEL(name)  name
#define KERNEL_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define LANES         16
#define TILE_ROWS     4
#define TILE_OUTPUTS  4
#include "runtime/kernels/kernels_body.h"

enum { BLOCK = DTQ_PACK_OUTPUTS, GROUP = DTQ_PACK_INPUTS, ROWS = 4, BLOCKS = 4 };

/* `rows` rows by `blocks` blocks of outputs. The instruction multiplies unsigned by signed bytes, so it gets x + 128,
 * and 128 times the sum of the weights is taken off at the end: exact, in wrapping 32-bit arithmetic. */
INLINE void tile_i8(const dtq_linear_i8 *l, size_t row, size_t block, size_t last, const int rows, const int blocks) {
    const size_t step = l->input_groups * BLOCK * GROUP;
    const int8_t *w = l->weight + block * step;
    const int8_t *x[ROWS];
    __m512i acc[ROWS][BLOCKS];
    UNROLL for (int r = 0; r < rows; r++) {
        x[r] = l->codes + (row + (size_t)r) * l->input_groups * GROUP;
        UNROLL for (int b = 0; b < blocks; b++) {
            acc[r][b] = _mm512_setzero_si512();
        }
    }
    const __m512i offset = _mm512_set1_epi8((char)-128);
    for (size_t g = 0; g < l->input_groups; g++) {
        __m512i weights[BLOCKS];
        UNROLL for (int b = 0; b < blocks; b++) {
            weights[b] = _mm512_loadu_si512(w + (size_t)b * step + g * BLOCK * GROUP);
        }
        UNROLL for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, x[r] + g * GROUP, sizeof four);
            const __m512i a = _mm512_xor_si512(_mm512_set1_epi32(four), offset);
            UNROLL for (int b = 0; b < blocks; b++) {
                acc[r][b] = _mm512_dpbusd_epi32(acc[r][b], a, weights[b]);
            }
        }
    }
    for (int b = 0; b < blocks; b++) {
        const size_t at = (block + (size_t)b) * BLOCK;
        const unsigned lanes = last - at < BLOCK ? 0xffffu >> (BLOCK - (last - at)) : 0xffffu;
        const __mmask16 valid = (__mmask16)lanes;
        const __m512i sums = _mm512_slli_epi32(_mm512_loadu_si512(l->weight_sums + at), 7);
        const __m512 scales = _mm512_maskz_loadu_ps(valid, l->weight_scales + at);
        for (int r = 0; r < rows; r++) {
            const __m512 s = _mm512_mul_ps(_mm512_set1_ps(l->scales[row + (size_t)r]), scales);
            __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(acc[r][b], sums)), s);
            if (l->bias)
                y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(valid, l->bias + at));
            _mm512_mask_storeu_ps(l->dst + l->ids[row + (size_t)r] * l->outputs + at, valid, y);
        }
    }
}

KERNEL_TARGET static void linear_i8(const dtq_linear_i8 *l, size_t first, size_t last) {
    const size_t end = (last + BLOCK - 1) / BLOCK;
    size_t block = first / BLOCK;
    for (; block + BLOCKS <= end; block += BLOCKS) {
        size_t r = 0;
        for (; r + ROWS <= l->rows; r += ROWS)
            tile_i8(l, r, block, last, ROWS, BLOCKS);
        for (; r < l->rows; r++)
            tile_i8(l, r, block, last, 1, BLOCKS);
    }
    for (; block < end; block++) {
        size_t r = 0;
        for (; r + ROWS <= l->rows; r += ROWS)
            tile_i8(l, r, block, last, ROWS, 1);
        for (; r < l->rows; r++)
            tile_i8(l, r, block, last, 1, 1);
    }
}

const dtq_kernels dtq_kernels_avx512 = {
    .name = "avx512",
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
#else
typedef int dtq_kernels_avx512_needs_x86;
#endif
