/* Methods of a search on functions whose least is known: all of them keep to the rules, and bayes finds more than
 * random. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/explore/coordinates.h"
#include "frontend/explore/search.h"
#include "frontend_util.h"

const surrogate_functions *dtq_surrogate(void);

enum { MOST = 60, METHODS = 4, AXES = 6 };

static bool owner(void *context, diag *d, src_loc loc, const char **path, axis_kind *out) {
    (void)context, (void)d, (void)loc, (void)path;
    *out = AXIS_POLICY_KEY;
    return true;
}

static const space *mixed_space(void) {
    return space_load(A, D,
                      put("space.yaml", "a: {from: 0, to: 20, step: 1}\nb: {from: 1, to: 512, times: 2}\nc: [x, y, z]\n"
                                        "layers.1.ratios: {step: .05}\nlayers.2.ratios: {step: .05}\nd: [1]\n"),
                      owner, NULL);
}

static double cost(const space *s, const uint32_t *p, size_t objective) {
    const double a = p[0] / 20.0, b = p[1] / 9.0, c = p[2] == 1 ? 0 : .3;
    const double *r = s->axes[3].shares[p[3]], *t = s->axes[4].shares[p[4]];
    if (objective == 1)
        return a + b + t[2];
    return (a - .4) * (a - .4) + (b - .7) * (b - .7) + c + (r[0] - .2) * (r[0] - .2) + (t[2] - .5) * (t[2] - .5);
}

static search_trial memory[MOST];

/* Runs a method to its end; the least of the first objective. */
static double run(const space *s, int method, uint64_t seed, size_t wanted, size_t batch, size_t objectives,
                  search *out) {
    search r = {.space = s,
                .seed = seed,
                .falls = true,
                .objectives = objectives,
                .wanted = wanted,
                .trials = memory,
                .surrogate = dtq_surrogate()};
    double least = (double)INFINITY;
    while (r.count < wanted) {
        uint32_t *points = ARENA_ARRAY(A, uint32_t, batch * s->count);
        const size_t left = wanted - r.count;
        const size_t count = search_methods[method].propose(&r, batch < left ? batch : left, points);
        ck_assert_uint_gt(count, 0);
        for (size_t i = 0; i < count; i++, r.count++) {
            search_trial *t = &r.trials[r.count];
            t->point = points + i * s->count;
            t->feasible = t->point[0] < 19;
            for (size_t k = 0; k < objectives; k++)
                t->values[k] = t->point[0] == 20 ? (double)NAN : cost(s, t->point, k);
            least = t->feasible ? fmin(least, t->values[0]) : least;
        }
    }
    *out = r;
    return least;
}

/** Points are in the space, none twice, pruned tokens do not come back, and a seed gives the same ones again. */
START_TEST(rules) {
    enum { TRIALS = 16 };
    const space *s = mixed_space();
    for (int method = 0; method < METHODS; method++)
        for (size_t batch = 1; batch <= 4; batch += 3) {
            search r;
            uint32_t first[TRIALS][AXES];
            const size_t objectives = batch > 1 ? 2 : 1;
            run(s, method, 5, TRIALS, batch, objectives, &r);
            for (size_t i = 0; i < TRIALS; i++) {
                const uint32_t *p = r.trials[i].point;
                for (size_t k = 0; k < s->count; k++)
                    ck_assert_uint_lt(p[k], s->axes[k].count);
                ck_assert(s->axes[3].shares[p[3]][0] <= s->axes[4].shares[p[4]][0] + 1e-12);
                for (size_t k = 0; k < i; k++)
                    ck_assert(memcmp(p, r.trials[k].point, sizeof first[i]) != 0);
                memcpy(first[i], p, sizeof first[i]);
            }
            run(s, method, 5, TRIALS, batch, objectives, &r);
            for (size_t i = 0; i < TRIALS; i++)
                ck_assert(memcmp(first[i], r.trials[i].point, sizeof first[i]) == 0);
        }
}
END_TEST

/** A space smaller than what is wanted is walked to its end. */
START_TEST(small_spaces) {
    enum { ALL = 6, WIDTH = 2 };
    const space *s = space_load(A, D, put("space.yaml", "a: [1, 2, 3]\nb: [x, y]\n"), owner, NULL);
    for (int method = 0; method < METHODS; method++) {
        search r = {.space = s, .objectives = 1, .wanted = ALL, .trials = memory, .surrogate = dtq_surrogate()};
        uint32_t *points = ARENA_ARRAY(A, uint32_t, (ALL + 1) * WIDTH);
        while (r.count < ALL) {
            uint32_t *p = points + r.count * WIDTH;
            ck_assert_uint_eq(search_methods[method].propose(&r, 1, p), 1);
            r.trials[r.count] = (search_trial){.point = p, .values = {(double)r.count}, .feasible = true};
            r.count++;
        }
        ck_assert_uint_eq(search_methods[method].propose(&r, 1, points + ALL * WIDTH), 0);
    }
}
END_TEST

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** In the median of five seeds 20 trials of bayes are better than 40 at random. */
START_TEST(bayes_finds_more) {
    enum { SEEDS = 5 };
    const space *s = mixed_space();
    double bayes[SEEDS], random[SEEDS];
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        search r;
        bayes[seed] = run(s, 0, seed, 20, 1, 1, &r);
        random[seed] = run(s, 1, seed, 40, 1, 1, &r);
    }
    qsort(bayes, SEEDS, sizeof *bayes, ascending);
    qsort(random, SEEDS, sizeof *random, ascending);
    ck_assert_msg(bayes[SEEDS / 2] < random[SEEDS / 2], "%g, and at random %g", bayes[SEEDS / 2], random[SEEDS / 2]);
}
END_TEST

/** Coordinates lead back to the point, and those nearby do. */
START_TEST(coordinates) {
    enum { COORDINATES = 1 + 1 + 3 + 2 + 2 };
    const space *s = mixed_space();
    ck_assert_uint_eq(coordinates_count(s), COORDINATES);
    for (size_t i = 0; i < 200; i++) {
        uint32_t p[AXES], back[AXES];
        double v[COORDINATES];
        const search r = {.space = s};
        search_random(&r, i, 0, p);
        coordinates_of(s, p, v);
        for (size_t k = 0; k < COORDINATES; k++)
            v[k] += k % 2 ? .01 : -.01;
        coordinates_point(s, v, back);
        ck_assert(memcmp(p, back, sizeof p) == 0);
    }
}
END_TEST

TEST_MAIN("search", rules, small_spaces, bayes_finds_more, coordinates)
