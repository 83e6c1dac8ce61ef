/* Slice sampling: draws from a density known up to a factor. */
#ifndef DTQ_GP_SLICE_H
#define DTQ_GP_SLICE_H

#include <stddef.h>
#include <stdint.h>

/** The logarithm of a density at x [d], up to a constant; -INFINITY where it is 0. */
typedef double slice_density(void *context, const double *x, size_t d);

/** Moves x [d] on by one sweep over its coordinates, each by stepping out from an interval of `width` and shrinking
 *  (Neal 2003, Figs. 3 and 5). `at`: the density at x, before and after. */
void slice_sweep(slice_density *density, void *context, double *x, size_t d, double width, double *at, uint64_t *state);

#endif
