/* What a search believes of an objective between the points it has seen: a Gaussian process, in a module of its own
 * (frontend/gp), as its linear algebra is LAPACK's and its optimiser NLopt's. */
#ifndef DTQ_EXPLORE_SURROGATE_H
#define DTQ_EXPLORE_SURROGATE_H

#include <stddef.h>
#include <stdint.h>

#define SURROGATE_ENTRY "dtq_surrogate"

typedef struct surrogate surrogate;

typedef struct {
    const char *identity; /* versions of the libraries */
    /** A process of y [n] over x [n][d], each coordinate from 0 to 1: Matern-5/2 kernel with a length for each
     * coordinate, and noise. `samples` sets of hyperparameters are drawn by slice sampling. NULL without memory, or if
     * no set has a positive definite matrix. */
    surrogate *(*fit)(const double *x, const double *y, size_t n, size_t d, size_t samples, uint64_t seed);
    /** Mean and variance at a point [d], of what is observed without noise, over all samples. */
    void (*predict)(const surrogate *s, const double *x, double *mean, double *variance);
    /** The expected improvement on the least y seen, the mean over all samples. */
    double (*improvement)(const surrogate *s, const double *x);
    /** Goes uphill in the expected improvement from x [d], within the unit cube and at most `most` evaluations; returns
     * it. */
    double (*climb)(const surrogate *s, double *x, int most);
    /** Adds a point with an outcome drawn from what each sample predicts for it: a fantasy. 0 without memory. */
    int (*imagine)(surrogate *s, const double *x, uint64_t seed);
    void (*free)(surrogate *s);
} surrogate_functions;

typedef const surrogate_functions *surrogate_entry(void);

#endif
