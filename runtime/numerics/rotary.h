/* Rotary position tables. Private to runtime/. */
#ifndef DTQRT_NUMERICS_ROTARY_H
#define DTQRT_NUMERICS_ROTARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What scaled positions change in a table, as text: `amplitude A divisors D …`, A and D float32. Each frequency is
 *  divided by a D, of which there is one for all pairs or one for each. Each cosine and sine is multiplied with A. NULL
 *  or "": nothing is changed. */
typedef const char *dtq_frequencies;

/** What is wrong with the text for a table of `columns` columns, or NULL. */
const char *dtq_frequencies_wrong(dtq_frequencies f, uint32_t columns);

/** Elements [first, first + n), row by row, of the table of `columns` (even) columns: row p holds A times the cosines
 * of p * base^(-2c / columns) / D, c below columns / 2, then A times the sines. base is at least 1, p below 2^20; A, D
 * and their text are not wrong. The same bits on every machine. Without `f` they are within 0.5001 units in the last
 * place of the true values. */
void dtq_rotary_read(float base, dtq_frequencies f, uint32_t columns, uint64_t first, size_t n, float *out);

#endif
