/* Fronts and hypervolumes against what is said by definition. */
#include "frontend/explore/pareto.h"

#include <math.h>

#include "frontend_util.h"

static uint64_t state = 12345;

static double random_unit(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 40) / (double)(1 << 24);
}

static bool dominates(const double *x, const double *y, size_t n) {
    bool better = false;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > y[i])
            return false;
        better = better || x[i] < y[i];
    }
    return better;
}

START_TEST(fronts) {
    enum { POINTS = 60, MOST = 4 };
    for (size_t n = 1; n <= MOST; n++)
        for (int round = 0; round < 20; round++) {
            double v[POINTS * MOST];
            bool on[POINTS];
            size_t ranks[POINTS];
            for (size_t i = 0; i < POINTS * n; i++)
                v[i] = floor(random_unit() * (round < 10 ? 4 : 1000)); /* few values: many equal points */
            v[0] = round % 2 ? (double)NAN : v[0];
            pareto_front(v, POINTS, n, on);
            pareto_ranks(v, POINTS, n, ranks);
            for (size_t i = 0; i < POINTS; i++) {
                bool best = !isnan(v[i * n]);
                for (size_t k = 0; k < POINTS && best; k++) {
                    bool same = true;
                    for (size_t j = 0; j < n; j++)
                        same = same && v[k * n + j] == v[i * n + j];
                    best = !(!isnan(v[k * n]) && dominates(v + k * n, v + i * n, n)) && !(same && k < i);
                }
                ck_assert_int_eq(on[i], best);
                ck_assert_int_eq(ranks[i] == 0, best);
            }
        }
}
END_TEST

/** Points on integers: the volume is the number of unit cells that one of them dominates. */
START_TEST(hypervolumes) {
    enum { POINTS = 7, SIDE = 6, MOST = 4 };
    for (size_t n = 1; n <= MOST; n++)
        for (int round = 0; round < 30; round++) {
            double v[POINTS * MOST], reference[MOST];
            for (size_t i = 0; i < POINTS * n; i++)
                v[i] = floor(random_unit() * (SIDE + 2)); /* some lie outside */
            size_t cells = 1, inside = 0;
            for (size_t j = 0; j < n; j++) {
                reference[j] = SIDE;
                cells *= SIDE;
            }
            for (size_t c = 0; c < cells; c++) {
                double corner[MOST];
                size_t left = c;
                for (size_t j = 0; j < n; j++) {
                    corner[j] = (double)(left % SIDE);
                    left /= SIDE;
                }
                bool in = false;
                for (size_t i = 0; i < POINTS && !in; i++) {
                    in = true;
                    for (size_t j = 0; j < n; j++)
                        in = in && v[i * n + j] <= corner[j];
                }
                inside += in;
            }
            ck_assert_double_eq_tol(pareto_hypervolume(v, POINTS, n, reference), (double)inside, 1e-9);
        }
}
END_TEST

TEST_MAIN("pareto", fronts, hypervolumes)
