/* Sobol's sequence: points that fill a cube evenly. */
#ifndef DTQ_EXPLORE_SOBOL_H
#define DTQ_EXPLORE_SOBOL_H

#include <stddef.h>
#include <stdint.h>

enum { SOBOL_DIMENSIONS = 64 };

/** Point `index` (from 0) of the sequence with Joe and Kuo's direction numbers (2008), shifted digitally by `seed`, 0:
 * not at all. Dimensions beyond SOBOL_DIMENSIONS are random. x [d]. */
void sobol_point(uint32_t index, uint64_t seed, double *x, size_t d);

#endif
