/* Rotary position tables. Private to runtime/. */
#ifndef DTQRT_NUMERICS_ROTARY_H
#define DTQRT_NUMERICS_ROTARY_H

#include <stddef.h>
#include <stdint.h>

/** Elements [first, first + n), row by row, of the table of `columns` (even) columns: row p holds the cosines of
 *  p * base^(-2c / columns), c below columns / 2, then the sines. base is at least 1, p below 2^20. The same bits on
 *  every machine, within 0.5001 units in the last place of the true values. */
void dtq_rotary_read(float base, uint32_t columns, uint64_t first, size_t n, float *out);

#endif
