/* Matrices of whole numbers with scales, which schemes of integers alone compute with. What stands in DRAM beside them
 * is what they stand for, as float. Private to runtime. */
#ifndef DTQRT_NUMERICS_CODED_H
#define DTQRT_NUMERICS_CODED_H

#include "runtime/numerics/host_rows.h"

/** Element [id][c] is codes[id * width + c] · scales[c]; only the rows of some tokens are of meaning. */
typedef struct dtq_coded {
    uint64_t at; /* DRAM byte address of the floats */
    size_t seq, width;
    unsigned bits;  /* that the codes fit in */
    bool uniform;   /* all columns have scales[0] */
    int64_t *codes; /* [seq][width] */
    double *scales; /* [width] */
    struct dtq_coded *next;
} dtq_coded;

/** Zeros; NULL and an error if there is no memory. */
dtq_coded *dtq_coded_new(const dtq_exec *x, size_t width, dtq_error *e);
void dtq_coded_free(dtq_coded *c);
/** Gives every column this scale. */
void dtq_coded_scale(dtq_coded *c, double scale);

/** Makes `c` what stands at `at` in DRAM: writes the floats of rows r, forgets what was there. Takes `c` over; false if
 * it does not fit, or is NULL (after an error). */
bool dtq_coded_store(dtq_exec *x, dtq_coded *c, uint64_t at, const dtq_rows *r, dtq_error *e);
/** Forgets what stands in these bytes: floats alone are there now. */
void dtq_coded_forget(dtq_exec *x, uint64_t at, uint64_t bytes);
/** Frees all: the close of a scheme. */
void dtq_coded_close(dtq_exec *x);

/** A copy [rows r] of what stands at `at` in at most `bits` with one scale: as it is if it is so; else requantised;
 * floats are quantised to -n..n-1 where n = 2^(bits-1) - 1. NULL after an error. */
dtq_coded *dtq_coded_take(dtq_exec *x, uint64_t at, size_t width, const dtq_rows *r, unsigned bits, dtq_error *e);
/** A copy as it stands; floats are quantised at `bits`. */
dtq_coded *dtq_coded_take_any(dtq_exec *x, uint64_t at, size_t width, const dtq_rows *r, unsigned bits, dtq_error *e);

/** `a`, or a + b, at `bits` with the one scale max|value| / (2^(bits-1) - 1). Of 16 bits and fewer codes are clamped.
 */
dtq_coded *dtq_coded_requantise(const dtq_exec *x, const dtq_coded *a, const dtq_coded *b, const dtq_rows *r,
                                unsigned bits, dtq_error *e);

/** A quotient of scales as m / 2^e, m a whole number of 31 bits, as integer hardware multiplies by it. */
typedef struct {
    double m, power; /* power = 2^e */
} dtq_dyadic;
dtq_dyadic dtq_dyadic_of(double quotient);
/** code · quotient, rounded, ties to even. */
double dtq_dyadic_times(double code, dtq_dyadic q);

#endif
