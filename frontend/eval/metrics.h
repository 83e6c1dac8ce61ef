/* How well outputs agree with what people say, and with other outputs. Nothing here knows of models. */
#ifndef DTQ_EVAL_METRICS_H
#define DTQ_EVAL_METRICS_H

#include <stddef.h>

#include "ir/arena.h"

/** Pearson's correlation of x and y [n]; NaN if one of them does not vary. */
double metric_pearson(const double *x, const double *y, size_t n);
/** Spearman's: Pearson's of the ranks, where equal numbers share the mean of their ranks. */
double metric_spearman(arena *a, const double *x, const double *y, size_t n);
/** Ranks of x [n] from 1, equal numbers sharing the mean of theirs. */
double *metric_ranks(arena *a, const double *x, size_t n);

/** Cosine of two vectors [n]; 0 if one is zero. */
double metric_cosine(const float *x, const float *y, size_t n);
/** Largest absolute difference. */
double metric_difference(const float *x, const float *y, size_t n);
/** Kullback-Leibler divergence of softmax(y) from softmax(x), in nats; [n]. */
double metric_divergence(const float *x, const float *y, size_t n);

#endif
