/* How elements of tensors lie in files, and what their bytes mean. Private to runtime/. */
#ifndef DTQRT_NUMERICS_DTYPE_H
#define DTQRT_NUMERICS_DTYPE_H

#include "runtime/dtqrt.h"

/** Elements [first, first + n) of those that lie one behind the other from `from` on, as floats into out [n]. `dtype`
 * is one that files hold. */
void dtq_widen(dtq_dtype dtype, const uint8_t *from, uint64_t first, size_t n, float *out);

#endif
