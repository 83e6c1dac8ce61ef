/* Vector kernels for x86-64 with AVX2. */
#if defined(__x86_64__)
#include <immintrin.h>

#define KERNEL(name)  name
#define KERNEL_TARGET __attribute__((target("avx2")))
#define LANES         8
#define TILE_ROWS     2
#define TILE_OUTPUTS  2
#include "runtime/kernels/kernels_body.h"

enum { BLOCK = DTQ_PACK_OUTPUTS, GROUP = DTQ_PACK_INPUTS, ROWS = 2, QUADS = BLOCK / 4 };

/* `rows` rows by 16 outputs. A register holds the two half sums of four outputs. */
INLINE void block_rows(const dtq_linear_i8 *l, size_t row, size_t block, size_t outputs, const int rows) {
    const int8_t *w = l->weight + block * l->input_groups * BLOCK * GROUP;
    const int8_t *x[ROWS];
    __m256i acc[ROWS][QUADS];
    UNROLL for (int r = 0; r < rows; r++) {
        x[r] = l->codes + (row + (size_t)r) * l->input_groups * GROUP;
        UNROLL for (int q = 0; q < QUADS; q++) {
            acc[r][q] = _mm256_setzero_si256();
        }
    }
    for (size_t g = 0; g < l->input_groups; g++) {
        __m256i a[ROWS];
        UNROLL for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, x[r] + g * GROUP, sizeof four);
            a[r] = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
        }
        UNROLL for (int q = 0; q < QUADS; q++) {
            const __m128i *at = (const __m128i *)(const void *)(w + (g * QUADS + (size_t)q) * 4 * GROUP);
            const __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128(at));
            UNROLL for (int r = 0; r < rows; r++) {
                acc[r][q] = _mm256_add_epi32(acc[r][q], _mm256_madd_epi16(a[r], b));
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        int32_t halves[QUADS][8];
        memcpy(halves, acc[r], sizeof halves);
        float *y = l->dst + l->ids[row + (size_t)r] * l->outputs + block * BLOCK;
        for (size_t o = 0; o < outputs; o++) {
            const int32_t *h = &halves[o / 4][o % 4 * 2];
            y[o] = rescale(l, row + (size_t)r, block * BLOCK + o, h[0] + h[1]);
        }
    }
}

KERNEL_TARGET static void linear_i8(const dtq_linear_i8 *l, size_t first, size_t last) {
    for (size_t block = first / BLOCK; block * BLOCK < last; block++) {
        const size_t outputs = last - block * BLOCK < BLOCK ? last - block * BLOCK : BLOCK;
        size_t r = 0;
        for (; r + ROWS <= l->rows; r += ROWS)
            block_rows(l, r, block, outputs, ROWS);
        for (; r < l->rows; r++)
            block_rows(l, r, block, outputs, 1);
    }
}

const dtq_kernels dtq_kernels_avx2 = {
    .name = "avx2",
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
typedef int dtq_kernels_avx2_needs_x86;
#endif
