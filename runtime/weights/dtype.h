/* How elements of tensors lie in files, and what their bytes mean. Private to runtime/. */
#ifndef DTQRT_NUMERICS_DTYPE_H
#define DTQRT_NUMERICS_DTYPE_H

#include "runtime/weights/tensor.h"

/** Elements [first, first + n) of those that lie one behind the other from `from` on, as floats into out [n]. `dtype`
 * is one that files hold. */
void dtq_widen(dtq_dtype dtype, const uint8_t *from, uint64_t first, size_t n, float *out);

/** Turns such codes, elements [first, first + n) of the tensor along its rows, into the numbers that they stand for. */
void dtq_scale_codes(const dtq_tensor *t, const uint8_t *file, uint64_t first, size_t n, float *codes);

#endif
