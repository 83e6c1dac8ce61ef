/* Inner loops of attention on codes, written so that a compiler vectorises them; same bits as the scalar reference. */
#ifndef DTQRT_NUMERICS_KERNELS_ATTENTION_H
#define DTQRT_NUMERICS_KERNELS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/** Rows of operands of dtq_dots are padded with zeros to a multiple of this many codes. */
enum { DTQ_DOTS_PAD = 16 };

/** out[i][j] = sum over c of a[i][c] b[j][c]; a [rows][depth], b [cols][depth], out [rows][cols]; depth is a multiple
 * of DTQ_DOTS_PAD. Codes have at most 8 bits, so nothing overflows up to 65536 of them. */
void dtq_dots(const int16_t *restrict a, size_t rows, const int16_t *restrict b, size_t cols, size_t depth,
              int32_t *restrict out);

/** x[j] = fl(float(scores[j]) fl(row_scale col_scale[j])): base-2 logits; row_scale has log2(e)/sqrt(d) in it. */
void dtq_logits(const int32_t *restrict scores, const float *restrict col_scale, float row_scale, size_t n,
                float *restrict x);

/** The largest of x [n]; minus infinity if n = 0. No NaN. */
float dtq_largest(const float *x, size_t n);

/** e[j] = 2^(x[j] - max), 0 where x[j] - max <= -9 or x[j] is minus infinity. */
void dtq_powers(const float *restrict x, float max, size_t n, float *restrict e);

/** codes[j] = rne(e[j] limit), limit 15 or 255; returns their sum. */
uint32_t dtq_prob_codes(const float *restrict e, float limit, size_t n, uint8_t *restrict codes);

/** w[j] = fl(e[j] scale[j]); returns the largest, 0 if n = 0. */
float dtq_weights_of(const float *restrict e, const float *restrict scale, size_t n, float *restrict w);

/** codes[j] = rne(fl(fl(w[j] / r) limit)). */
void dtq_weight_codes(const float *restrict w, float r, float limit, size_t n, uint8_t *restrict codes);

/** acc[j] += codes[j] reciprocal. */
void dtq_importance_row(const uint8_t *restrict codes, uint64_t reciprocal, size_t n, uint64_t *restrict acc);

#endif
