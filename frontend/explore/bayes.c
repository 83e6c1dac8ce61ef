/* Bayesian optimisation (Snoek, Larochelle and Adams 2012): Sobol's points first; then the point of greatest expected
 * improvement under a Gaussian process whose hyperparameters are sampled, those of a batch by fantasies. Several
 * objectives become one by weights that are drawn anew for each point (ParEGO, Knowles 2006). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/explore/coordinates.h"
#include "frontend/explore/random.h"
#include "frontend/explore/search.h"

enum { FOR_CANDIDATES = 31, FOR_WEIGHTS, FOR_PROCESS, FOR_IMAGES };
enum {
    SAMPLES = 10,
    FIRST_LEAST = 3,
    FIRST_MOST = 32,
    CANDIDATES = 400,
    NEIGHBOURS = 200,
    CLIMBS = 4,
    CLIMB_EVALUATIONS = 150,
};

typedef struct {
    uint32_t *point;
    double value;
} candidate;

/* How many points come before the process is asked. */
static size_t first_points(const search *s) {
    const size_t quarter = s->wanted / 4;
    return quarter < FIRST_LEAST ? FIRST_LEAST : quarter > FIRST_MOST ? FIRST_MOST : quarter;
}

/* ---- one number for each trial ----------------------------------------------------------------------------------- */

/* Objectives from 0 to 1 over what was seen, weighted: the greatest of them and a twentieth of their sum. Trials that
 * failed or break a constraint count as the worst. False if none is good. */
static bool scalarise(const search *s, size_t trial, double *y) {
    const size_t m = s->objectives;
    double least[OBJECTIVES_MOST], most[OBJECTIVES_MOST], weights[OBJECTIVES_MOST], sum = 0, worst = -INFINITY;
    uint64_t random = random_state(s->seed, FOR_WEIGHTS, trial);
    for (size_t k = 0; k < m; k++) {
        least[k] = INFINITY;
        most[k] = -INFINITY;
        weights[k] = -log(1 - random_unit(&random)); /* even on the simplex */
        sum += weights[k];
        for (size_t i = 0; i < s->count; i++)
            if (!isnan(s->trials[i].values[k])) {
                least[k] = fmin(least[k], s->trials[i].values[k]);
                most[k] = fmax(most[k], s->trials[i].values[k]);
            }
    }
    for (size_t i = 0; i < s->count; i++) {
        double greatest = -INFINITY, total = 0;
        for (size_t k = 0; k < m; k++) {
            const double range = most[k] > least[k] ? most[k] - least[k] : 1;
            const double part =
                m == 1 ? s->trials[i].values[0] : weights[k] / sum * (s->trials[i].values[k] - least[k]) / range;
            greatest = fmax(greatest, part);
            total += part;
        }
        y[i] = m == 1 ? total : greatest + .05 * total;
        if (!isnan(y[i]))
            worst = fmax(worst, y[i]);
    }
    for (size_t i = 0; i < s->count; i++)
        if (isnan(y[i]) || !s->trials[i].feasible)
            y[i] = worst;
    return isfinite(worst);
}

/* ---- the point of greatest expected improvement ------------------------------------------------------------------ */

static double value_of(const search *s, const surrogate *gp, const uint32_t *point, double *x) {
    coordinates_of(s->space, point, x);
    return s->surrogate->improvement(gp, x);
}

static int by_value(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return (x->value < y->value) - (x->value > y->value);
}

/* Points at random, and neighbours of the best ones, and what is uphill of the best of all these. */
static void list_candidates(const search *s, const surrogate *gp, size_t trial, const double *y, candidate *list,
                            double *x) {
    uint64_t random = random_state(s->seed, FOR_CANDIDATES, trial);
    const size_t n = s->space->count;
    size_t best[5], kept = 0;
    for (size_t i = 0; i < s->count; i++) { /* the five least, in order */
        size_t k = kept < 5 ? kept++ : 4;
        if (kept == 5 && k == 4 && i >= 5 && y[i] >= y[best[4]])
            continue;
        for (; k > 0 && y[best[k - 1]] > y[i]; k--)
            best[k] = best[k - 1];
        best[k] = i;
    }
    for (size_t i = 0; i < CANDIDATES + NEIGHBOURS; i++) {
        uint32_t *p = list[i].point;
        if (i < CANDIDATES || kept == 0) {
            for (size_t k = 0; k < n; k++)
                p[k] = random_below(&random, (uint32_t)s->space->axes[k].count);
        } else {
            memcpy(p, s->trials[best[i % kept]].point, n * sizeof *p);
            do
                point_step(s->space, p, &random);
            while (random_unit(&random) < .6);
        }
        if (s->falls)
            point_settle(s->space, p);
        list[i].value = value_of(s, gp, p, x);
    }
    qsort(list, CANDIDATES + NEIGHBOURS, sizeof *list, by_value);
    for (size_t i = 0; i < CLIMBS; i++) {
        candidate *c = &list[CANDIDATES + NEIGHBOURS + i];
        coordinates_of(s->space, list[i].point, x);
        s->surrogate->climb(gp, x, CLIMB_EVALUATIONS);
        coordinates_point(s->space, x, c->point);
        if (s->falls)
            point_settle(s->space, c->point);
        c->value = value_of(s, gp, c->point, x);
    }
    qsort(list, CANDIDATES + NEIGHBOURS + CLIMBS, sizeof *list, by_value);
}

static surrogate *fit(const search *s, size_t trial, const double *y, double *x) {
    const size_t d = coordinates_count(s->space);
    for (size_t i = 0; i < s->count; i++)
        coordinates_of(s->space, s->trials[i].point, x + i * d);
    uint64_t seed = random_state(s->seed, FOR_PROCESS, trial);
    return s->surrogate->fit(x, y, s->count, d, SAMPLES, random_bits(&seed));
}

/* The points of a batch after those in `points` [count], each by a process of its own weights that imagines what will
 * come of the others. */
static size_t ask(search *s, size_t batch, uint32_t *points, size_t count) {
    enum { ALL = CANDIDATES + NEIGHBOURS + CLIMBS };
    const size_t d = coordinates_count(s->space), n = s->space->count;
    double *y = calloc(s->count + 1, sizeof *y), *x = calloc((s->count + 1) * d + 1, sizeof *x);
    uint32_t *memory = calloc(ALL * n + 1, sizeof *memory);
    candidate *list = calloc(ALL, sizeof *list);
    bool ok = y && x && memory && list;
    while (ok && count < batch) {
        const size_t trial = s->count + count, before = count;
        surrogate *gp = scalarise(s, trial, y) ? fit(s, trial, y, x) : NULL;
        for (size_t i = 0; gp && i < count; i++) {
            uint64_t seed = random_state(s->seed, FOR_IMAGES, trial * BATCH_MOST + i);
            coordinates_of(s->space, points + i * n, x);
            ok = s->surrogate->imagine(gp, x, random_bits(&seed)) && ok;
        }
        for (size_t i = 0; i < ALL; i++)
            list[i] = (candidate){memory + i * n, 0};
        if (gp && ok)
            list_candidates(s, gp, trial, y, list, x);
        for (size_t i = 0; gp && ok && i < ALL && count == before; i++)
            search_take(s, list[i].point, points, &count);
        if (gp)
            s->surrogate->free(gp);
        if (count == before)
            break;
    }
    free(y);
    free(x);
    free(memory);
    free(list);
    return count;
}

size_t propose_bayes(search *s, size_t batch, uint32_t *points) {
    enum { ATTEMPTS = 50 };
    const size_t first = first_points(s);
    size_t count = 0;
    uint32_t *point = calloc(s->space->count + 1, sizeof *point);
    for (size_t attempt = 0; point && count < batch && s->count + count < first && attempt < ATTEMPTS; attempt++) {
        search_sobol(s, s->count + count + attempt * s->wanted, point);
        if (search_take(s, point, points, &count))
            attempt = 0;
    }
    free(point);
    if (s->count > 0)
        count = ask(s, batch, points, count);
    return search_fill(s, batch, points, count);
}
