/* Products of matrices of codes. Private to runtime. */
#ifndef DTQRT_NUMERICS_KERNELS_CODES_H
#define DTQRT_NUMERICS_KERNELS_CODES_H

#include <stddef.h>
#include <stdint.h>

/** out[r][o] = sum over k of x[r][k] w[o][k], exact in int32 (at most 131072 inputs): x int8 [rows][inputs], w int8
 *  [outputs][inputs], out int32 [rows][outputs]. On up to `threads` threads. */
void dtq_codes_product(const int8_t *x, const int8_t *w, size_t rows, size_t outputs, size_t inputs, unsigned threads,
                       int32_t *out);

#endif
