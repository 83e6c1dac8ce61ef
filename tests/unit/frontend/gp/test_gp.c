/* The Gaussian process against numpy, its expected improvement against integration, its chain against densities that
 * are known, and the surrogate on functions. */
#include <math.h>
#include <string.h>

#include "frontend/explore/random.h"
#include "frontend/explore/surrogate.h"
#include "frontend/gp/kernel.h"
#include "frontend/gp/slice.h"
#include "frontend_util.h"

const surrogate_functions *dtq_surrogate(void);

enum { N = 6, DIMENSIONS = 3 };

/* By numpy: x, y and hyperparameters, and what numpy.linalg.solve and slogdet make of them. */
static const double x[N * DIMENSIONS] = {0.805, 0.808, 0.515, 0.286, 0.054, 0.383, 0.408, 0.045, 0.049,
                                         0.999, 0.652, 0.235, 0.435, 0.974, 0.898, 0.844, 0.392, 0.493};
static const double y[N] = {-0.629, -0.488, -0.713, 0.553, -0.063, -0.589};
static const double hyper[GP_LENGTHS + DIMENSIONS] = {0.2, -1.5, -0.3, 0.4, -1.0};
static const double query[DIMENSIONS] = {0.679, 0.87, 0.227};

START_TEST(against_numpy) {
    double scale[DIMENSIONS + 1], factor[N * N], weights[N], room[N], mean, variance;
    gp_state g = {
        .hyper = hyper, .n = N, .d = DIMENSIONS, .x = x, .scale = scale, .factor = factor, .weights = weights};
    gp_scale(hyper, DIMENSIONS, scale);
    ck_assert_double_eq_tol(gp_covariance(scale, x, x + DIMENSIONS, DIMENSIONS), 0.8381740380559705, 1e-14);
    ck_assert(gp_factor(&g, y));
    ck_assert_double_eq_tol(gp_log_likelihood(&g, y), -6.219366725777646, 1e-11);
    gp_predict(&g, query, room, &mean, &variance);
    ck_assert_double_eq_tol(mean, 0.046641342329658775, 1e-12);
    ck_assert_double_eq_tol(variance, 0.2913961239549099, 1e-12);
}
END_TEST

/** E[max(best - f, 0)] by the rectangle rule. */
START_TEST(improvement_by_integration) {
    enum { STEPS = 200000 };
    static const double cases[][3] = {{0, 1, 0}, {1, .25, .5}, {-1, 4, -3}, {2, .01, 0}, {0, 0, 1}, {1, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double mean = cases[i][0], variance = cases[i][1], best = cases[i][2], deviation = sqrt(variance);
        double sum = 0;
        for (int k = 0; k < STEPS && variance > 0; k++) {
            const double z = -10 + 20 * (k + .5) / (double)STEPS;
            sum += fmax(best - mean - deviation * z, 0) * exp(-.5 * z * z) * 20 / (double)STEPS / sqrt(2 * acos(-1.0));
        }
        ck_assert_double_eq_tol(gp_improvement(mean, variance, best), variance > 0 ? sum : fmax(best - mean, 0), 1e-7);
    }
}
END_TEST

static double log_normal_pair(void *context, const double *v, size_t d) {
    (void)context, (void)d; /* correlation .8, means 1 and -2, deviations 1 and 3 */
    const double a = v[0] - 1, b = (v[1] + 2) / 3, r = .8;
    return -(a * a - 2 * r * a * b + b * b) / (2 * (1 - r * r));
}

static double log_exponential(void *context, const double *v, size_t d) {
    (void)context, (void)d;
    return v[0] < 0 ? -(double)INFINITY : -2 * v[0];
}

/** Moments of densities that are known: within five deviations of what so many draws give. */
START_TEST(slices) {
    enum { DRAWS = 40000 };
    double v[2] = {0, 0}, at = log_normal_pair(NULL, v, 2), m[5] = {0};
    double e = .3, above = log_exponential(NULL, &e, 1), mean = 0, tail = 0;
    uint64_t state = random_state(7, 1, 1);
    for (int i = 0; i < DRAWS; i++) {
        slice_sweep(log_normal_pair, NULL, v, 2, 2, &at, &state);
        m[0] += v[0] / (double)DRAWS;
        m[1] += v[1] / (double)DRAWS;
        m[2] += (v[0] - 1) * (v[0] - 1) / (double)DRAWS;
        m[3] += (v[1] + 2) * (v[1] + 2) / (double)DRAWS;
        m[4] += (v[0] - 1) * (v[1] + 2) / (double)DRAWS;
        slice_sweep(log_exponential, NULL, &e, 1, 1, &above, &state);
        ck_assert(e >= 0);
        mean += e / (double)DRAWS;
        tail += (e > 1) / (double)DRAWS;
    }
    ck_assert_double_eq_tol(m[0], 1, .06);
    ck_assert_double_eq_tol(m[1], -2, .18);
    ck_assert_double_eq_tol(m[2], 1, .1);
    ck_assert_double_eq_tol(m[3], 9, .9);
    ck_assert_double_eq_tol(m[4], 2.4, .25);
    ck_assert_double_eq_tol(mean, .5, .02);
    ck_assert_double_eq_tol(tail, exp(-2), .01);
    ck_assert_double_eq(at, log_normal_pair(NULL, v, 2));
}
END_TEST

static double bowl(const double *p) {
    return 3 + (p[0] - .3) * (p[0] - .3) * 5 + (p[1] - .8) * (p[1] - .8);
}

/** Of a smooth function of 25 points the process knows the rest, and its improvement is greatest near the least. The
 * same seed gives the same bits, and what is imagined promises less. */
START_TEST(surrogates) {
    enum { SIDE = 5, POINTS = SIDE * SIDE };
    const surrogate_functions *f = dtq_surrogate();
    double points[POINTS][2], values[POINTS], mean, variance, other, spread;
    for (int i = 0; i < POINTS; i++) {
        points[i][0] = (double)(i / SIDE) / (SIDE - 1);
        points[i][1] = (double)(i % SIDE) / (SIDE - 1);
        values[i] = bowl(points[i]);
    }
    surrogate *s = f->fit(&points[0][0], values, POINTS, 2, 10, 3);
    surrogate *again = f->fit(&points[0][0], values, POINTS, 2, 10, 3);
    ck_assert_ptr_nonnull(s);
    uint64_t state = 9;
    for (int i = 0; i < 50; i++) {
        const double p[2] = {random_unit(&state), random_unit(&state)};
        f->predict(s, p, &mean, &variance);
        f->predict(again, p, &other, &spread);
        ck_assert_double_eq_tol(mean, bowl(p), .06);
        ck_assert(variance >= 0 && mean == other && variance == spread);
    }
    double best = 0, where[2] = {0, 0};
    for (int i = 0; i < POINTS; i++) {
        double top[2] = {points[i][0], points[i][1]};
        const double start = f->improvement(s, top), value = f->climb(s, top, 200);
        ck_assert(value >= start && value == f->improvement(s, top));
        if (value > best) {
            best = value;
            memcpy(where, top, sizeof where);
        }
    }
    ck_assert_msg(bowl(where) < 3.01, "%g, %g", where[0], where[1]);
    ck_assert(f->imagine(s, where, 4));
    ck_assert(f->improvement(s, where) < best / 2);
    f->free(s);
    f->free(again);
}
END_TEST

/** Equal outcomes, and a point three times, are no reason to fail. */
START_TEST(degenerate) {
    const surrogate_functions *f = dtq_surrogate();
    const double points[4] = {.5, .5, .5, .2}, values[4] = {1, 1, 1, 1};
    double mean, variance;
    surrogate *s = f->fit(points, values, 4, 1, 5, 1);
    ck_assert_ptr_nonnull(s);
    f->predict(s, points, &mean, &variance);
    ck_assert(isfinite(mean) && isfinite(variance));
    f->free(s);
    ck_assert_ptr_null(f->fit(points, values, 0, 1, 5, 1));
}
END_TEST

TEST_MAIN("gp", against_numpy, improvement_by_integration, slices, surrogates, degenerate)
