/* The Matern-5/2 process: covariance, factor, likelihood, prediction. Linear algebra is LAPACK's. */
#include "frontend/gp/kernel.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

double gp_covariance(const double *scale, const double *x, const double *y, size_t d) {
    double sum = 0;
    for (size_t i = 0; i < d; i++) {
        const double t = (x[i] - y[i]) * scale[i];
        sum += t * t;
    }
    const double r = sqrt(5 * sum);
    return scale[d] * (1 + r + r * r / 3) * exp(-r);
}

void gp_scale(const double *hyper, size_t d, double *scale) {
    for (size_t i = 0; i < d; i++)
        scale[i] = exp(-hyper[GP_LENGTHS + i]);
    scale[d] = exp(2 * hyper[GP_AMPLITUDE]);
}

bool gp_factor(gp_state *g, const double *y) {
    enum { JITTER_EXPONENT = -20 }; /* of the amplitude: equal points stay apart for the factor */
    const size_t n = g->n;
    gp_scale(g->hyper, g->d, g->scale);
    const double noise = exp(2 * g->hyper[GP_NOISE]) + ldexp(g->scale[g->d], JITTER_EXPONENT);
    for (size_t c = 0; c < n; c++)
        for (size_t r = c; r < n; r++)
            g->factor[c * n + r] =
                gp_covariance(g->scale, g->x + r * g->d, g->x + c * g->d, g->d) + (r == c ? noise : 0);
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (lapack_int)n, g->factor, (lapack_int)n) != 0)
        return false;
    memcpy(g->weights, y, n * sizeof *y);
    return LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', (lapack_int)n, 1, g->factor, (lapack_int)n, g->weights,
                          (lapack_int)n) == 0;
}

double gp_log_likelihood(const gp_state *g, const double *y) {
    double fit = 0, determinant = 0;
    for (size_t i = 0; i < g->n; i++) {
        fit += y[i] * g->weights[i];
        determinant += log(g->factor[i * g->n + i]);
    }
    return -.5 * fit - determinant - .5 * (double)g->n * log(2 * 3.14159265358979323846);
}

void gp_predict(const gp_state *g, const double *x, double *room, double *mean, double *variance) {
    const size_t n = g->n;
    *mean = 0;
    for (size_t i = 0; i < n; i++) {
        room[i] = gp_covariance(g->scale, x, g->x + i * g->d, g->d);
        *mean += room[i] * g->weights[i];
    }
    double left = g->scale[g->d];
    if (n && LAPACKE_dtrtrs(LAPACK_COL_MAJOR, 'L', 'N', 'N', (lapack_int)n, 1, g->factor, (lapack_int)n, room,
                            (lapack_int)n) == 0)
        for (size_t i = 0; i < n; i++)
            left -= room[i] * room[i];
    *variance = left > 0 ? left : 0;
}

double gp_improvement(double mean, double variance, double best) {
    const double deviation = sqrt(variance), gain = best - mean;
    if (deviation < 1e-12)
        return gain > 0 ? gain : 0;
    const double z = gain / deviation;
    return gain * .5 * erfc(-z / sqrt(2)) + deviation * exp(-.5 * z * z) / sqrt(2 * 3.14159265358979323846);
}
