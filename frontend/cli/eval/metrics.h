/* How well outputs agree with what people say or wrote, and with other outputs. Nothing here knows of models. */
#ifndef DTQ_EVAL_METRICS_H
#define DTQ_EVAL_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

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

/** -log softmax(logits)[target], in nats, by a stable log-sum-exp in double; logits [n], target < n. */
double metric_cross_entropy(const float *logits, size_t n, size_t target);

/* Of a confusion matrix [classes][classes]: how many samples of the row's class were taken for the column's. */

/** Share of samples that were taken for what they are; NaN without samples. */
double metric_accuracy(const uint64_t *confusion, size_t classes);
/** Of two classes: harmonic mean of precision and recall of class 1, 2 TP / (2 TP + FP + FN); 0 without any. */
double metric_f1(const uint64_t confusion[4]);
/** Matthews's correlation coefficient; of more than two classes Gorodkin's R_K (2004), which equals it for two. 0 if
 * all samples are of one class, or were taken for one. */
double metric_matthews(const uint64_t *confusion, size_t classes);

#endif
