/* The surrogate: processes for samples of hyperparameters, expected improvement over them, fantasies. */
#include "frontend/explore/surrogate.h"

#include <lapacke.h>
#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/explore/random.h"
#include "frontend/gp/kernel.h"
#include "frontend/gp/slice.h"

enum { BURN_IN = 12, THINNING = 3, MAP_EVALUATIONS = 300 };
enum { FOR_CHAIN = 1, FOR_FANTASY = 2 };

struct surrogate {
    size_t n, d, room, samples;
    double mean, deviation; /* of y, which is kept standardised */
    double *x;              /* [room][d] */
    double *hyper;          /* [samples][GP_LENGTHS + d] */
    double *scales;         /* [samples][d + 1] */
    double *y;              /* [samples][room]: they differ in fantasies */
    double *best;           /* [samples] least y seen, without fantasies */
    double *factors;        /* [samples][room * room] */
    double *weights;        /* [samples][room] */
    double *scratch;        /* [room] */
};

static size_t hyper_count(const surrogate *s) {
    return GP_LENGTHS + s->d;
}

static gp_state state_of(const surrogate *s, size_t sample) {
    return (gp_state){.hyper = s->hyper + sample * hyper_count(s),
                      .n = s->n,
                      .d = s->d,
                      .x = s->x,
                      .scale = s->scales + sample * (s->d + 1),
                      .factor = s->factors + sample * s->room * s->room,
                      .weights = s->weights + sample * s->room};
}

/* ---- hyperparameters --------------------------------------------------------------------------------------------- */

/* Means and deviations of the logarithms: y is standardised, and coordinates are from 0 to 1. */
static const double prior_mean[GP_LENGTHS + 1] = {0, -3.5, 0}, prior_deviation[GP_LENGTHS + 1] = {.5, 1, 1};

typedef struct {
    surrogate *s;
} chain;

static double log_posterior(void *context, const double *hyper, size_t d) {
    surrogate *s = ((chain *)context)->s;
    double prior = 0;
    for (size_t i = 0; i < d; i++) {
        const size_t k = i < GP_LENGTHS ? i : GP_LENGTHS;
        const double z = (hyper[i] - prior_mean[k]) / prior_deviation[k];
        prior -= .5 * z * z;
    }
    gp_state g = state_of(s, 0);
    g.hyper = hyper;
    return gp_factor(&g, s->y) ? prior + gp_log_likelihood(&g, s->y) : -INFINITY;
}

// NOLINTNEXTLINE(readability-non-const-parameter): a function of NLopt's type
static double negated(unsigned d, const double *hyper, double *gradient, void *context) {
    (void)gradient;
    const double p = log_posterior(context, hyper, d);
    return isfinite(p) ? -p : 1e30;
}

/* The likeliest hyperparameters, where the chain starts. */
static void find_mode(chain *c, double *hyper, size_t d) {
    for (size_t i = 0; i < d; i++)
        hyper[i] = prior_mean[i < GP_LENGTHS ? i : GP_LENGTHS];
    nlopt_opt o = nlopt_create(NLOPT_LN_SBPLX, (unsigned)d);
    double least;
    if (!o)
        return;
    nlopt_set_min_objective(o, negated, c);
    nlopt_set_lower_bounds1(o, -8);
    nlopt_set_upper_bounds1(o, 4);
    nlopt_set_maxeval(o, MAP_EVALUATIONS);
    nlopt_set_ftol_abs(o, 1e-3);
    nlopt_optimize(o, hyper, &least);
    nlopt_destroy(o);
}

static int draw(surrogate *s, uint64_t seed) {
    chain c = {s};
    const size_t d = hyper_count(s);
    uint64_t state = random_state(seed, FOR_CHAIN, 0);
    double *hyper = calloc(d, sizeof *hyper);
    if (!hyper)
        return 0;
    find_mode(&c, hyper, d);
    double at = log_posterior(&c, hyper, d);
    int ok = isfinite(at);
    for (size_t sweep = 0; ok && sweep < BURN_IN; sweep++)
        slice_sweep(log_posterior, &c, hyper, d, 1, &at, &state);
    for (size_t i = 0; ok && i < s->samples; i++) {
        for (size_t sweep = 0; sweep < THINNING; sweep++)
            slice_sweep(log_posterior, &c, hyper, d, 1, &at, &state);
        memcpy(s->hyper + i * d, hyper, d * sizeof *hyper);
    }
    free(hyper);
    return ok;
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

static void free_all(surrogate *s) {
    if (!s)
        return;
    free(s->x);
    free(s->hyper);
    free(s->scales);
    free(s->y);
    free(s->best);
    free(s->factors);
    free(s->weights);
    free(s->scratch);
    free(s);
}

static int factor_all(surrogate *s) {
    for (size_t i = 0; i < s->samples; i++) {
        gp_state g = state_of(s, i);
        if (!gp_factor(&g, s->y + i * s->room))
            return 0;
    }
    return 1;
}

static void standardise(surrogate *s, const double *y) {
    for (size_t i = 0; i < s->n; i++)
        s->mean += y[i] / (double)s->n;
    for (size_t i = 0; i < s->n; i++)
        s->deviation += (y[i] - s->mean) * (y[i] - s->mean) / (double)s->n;
    s->deviation = s->deviation > 0 ? sqrt(s->deviation) : 1;
    for (size_t k = 0; k < s->samples; k++) {
        s->best[k] = INFINITY;
        for (size_t i = 0; i < s->n; i++) {
            const double z = (y[i] - s->mean) / s->deviation;
            s->y[k * s->room + i] = z;
            s->best[k] = fmin(s->best[k], z);
        }
    }
}

static surrogate *fit(const double *x, const double *y, size_t n, size_t d, size_t samples, uint64_t seed) {
    enum { FANTASIES_MOST = 256 };
    surrogate *s = calloc(1, sizeof *s);
    if (!s || n == 0 || samples == 0) {
        free(s);
        return NULL;
    }
    *s = (surrogate){.n = n, .d = d, .room = n + FANTASIES_MOST, .samples = samples};
    s->x = calloc(s->room * d + 1, sizeof *s->x);
    s->hyper = calloc(samples * (GP_LENGTHS + d), sizeof *s->hyper);
    s->scales = calloc(samples * (d + 1), sizeof *s->scales);
    s->y = calloc(samples * s->room, sizeof *s->y);
    s->best = calloc(samples, sizeof *s->best);
    s->factors = calloc(samples * s->room * s->room, sizeof *s->factors);
    s->weights = calloc(samples * s->room, sizeof *s->weights);
    s->scratch = calloc(s->room, sizeof *s->scratch);
    if (!s->x || !s->hyper || !s->scales || !s->y || !s->best || !s->factors || !s->weights || !s->scratch) {
        free_all(s);
        return NULL;
    }
    memcpy(s->x, x, n * d * sizeof *x);
    standardise(s, y);
    if (!draw(s, seed) || !factor_all(s)) {
        free_all(s);
        return NULL;
    }
    return s;
}

static void predict(const surrogate *s, const double *x, double *mean, double *variance) {
    double sum = 0, squares = 0, within = 0;
    for (size_t i = 0; i < s->samples; i++) {
        const gp_state g = state_of(s, i);
        double m, v;
        gp_predict(&g, x, s->scratch, &m, &v);
        sum += m;
        squares += m * m;
        within += v;
    }
    const double n = (double)s->samples, middle = sum / n;
    *mean = s->mean + s->deviation * middle;
    *variance = s->deviation * s->deviation * (within / n + fmax(squares / n - middle * middle, 0));
}

static double improvement(const surrogate *s, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < s->samples; i++) {
        const gp_state g = state_of(s, i);
        double m, v;
        gp_predict(&g, x, s->scratch, &m, &v);
        sum += gp_improvement(m, v, s->best[i]);
    }
    return s->deviation * sum / (double)s->samples;
}

// NOLINTNEXTLINE(readability-non-const-parameter): a function of NLopt's type
static double uphill(unsigned d, const double *x, double *gradient, void *context) {
    (void)d, (void)gradient;
    return improvement(context, x);
}

static double climb(const surrogate *s, double *x, int most) {
    double value = improvement(s, x);
    nlopt_opt o = s->d ? nlopt_create(NLOPT_LN_SBPLX, (unsigned)s->d) : NULL;
    if (!o)
        return value;
    nlopt_set_max_objective(o, uphill, (void *)(uintptr_t)s);
    nlopt_set_lower_bounds1(o, 0);
    nlopt_set_upper_bounds1(o, 1);
    nlopt_set_initial_step1(o, .1);
    nlopt_set_maxeval(o, most);
    nlopt_set_xtol_abs1(o, 1e-3);
    nlopt_optimize(o, x, &value);
    nlopt_destroy(o);
    return value;
}

static int imagine(surrogate *s, const double *x, uint64_t seed) {
    if (s->n == s->room)
        return 0;
    for (size_t i = 0; i < s->samples; i++) {
        const gp_state g = state_of(s, i);
        uint64_t state = random_state(seed, FOR_FANTASY, i);
        double m, v;
        gp_predict(&g, x, s->scratch, &m, &v);
        s->y[i * s->room + s->n] = m + sqrt(v) * random_normal(&state);
        s->best[i] = fmin(s->best[i], s->y[i * s->room + s->n]);
    }
    memcpy(s->x + s->n * s->d, x, s->d * sizeof *x);
    s->n++;
    return factor_all(s);
}

const surrogate_functions *dtq_surrogate(void);

const surrogate_functions *dtq_surrogate(void) {
    static const surrogate_functions functions = {
        .identity = "LAPACK and NLopt",
        .fit = fit,
        .predict = predict,
        .improvement = improvement,
        .climb = climb,
        .imagine = imagine,
        .free = free_all,
    };
    return &functions;
}
