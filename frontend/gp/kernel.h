/* Covariances of a Gaussian process, and the likelihood of what was observed. Private to frontend/gp. */
#ifndef DTQ_GP_KERNEL_H
#define DTQ_GP_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/** Hyperparameters are logarithms: of the deviation, of the noise's deviation, and of a length for each coordinate. */
enum { GP_AMPLITUDE, GP_NOISE, GP_LENGTHS };

/** Matern-5/2 with a length for each coordinate: a^2 (1 + r + r^2 / 3) exp(-r), r = sqrt(5) |(x - y) / lengths|
 *  (Rasmussen and Williams 2006, Eq. 4.17). scale [d + 1]: 1 / lengths, and a^2 behind them. */
double gp_covariance(const double *scale, const double *x, const double *y, size_t d);
/** scale of hyperparameters. */
void gp_scale(const double *hyper, size_t d, double *scale);

/** A process with what was observed: the Cholesky factor of its covariance matrix, and what solves for y. */
typedef struct {
    const double *hyper; /* [GP_LENGTHS + d] */
    size_t n, d;
    const double *x; /* [n][d] */
    double *scale;   /* [d + 1] of the hyperparameters */
    double *factor;  /* [n][n] by columns, lower */
    double *weights; /* [n] covariance^-1 y */
} gp_state;

/** Scales and factors, into memory of the caller's; false if the matrix is not positive definite. */
bool gp_factor(gp_state *g, const double *y);
/** -1/2 y' K^-1 y - 1/2 log det K - n/2 log 2 pi, of a state that is factored. */
double gp_log_likelihood(const gp_state *g, const double *y);
/** Mean and variance at a point, without noise; `room` [n]. */
void gp_predict(const gp_state *g, const double *x, double *room, double *mean, double *variance);

/** E[max(best - f, 0)] of a normal f. */
double gp_improvement(double mean, double variance, double best);

#endif
