/* Sobol's sequence: known points, and what makes it one. */
#include "frontend/explore/sobol.h"

#include "frontend_util.h"

/* The first points in ten dimensions, as scipy 1.11 gives them (scipy.stats.qmc.Sobol(10, scramble=False)). */
START_TEST(known_points) {
    static const double points[][10] = {
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
        {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5},
        {0.75, 0.25, 0.25, 0.25, 0.75, 0.75, 0.25, 0.75, 0.75, 0.75},
        {0.25, 0.75, 0.75, 0.75, 0.25, 0.25, 0.75, 0.25, 0.25, 0.25},
        {0.375, 0.375, 0.625, 0.875, 0.375, 0.125, 0.375, 0.875, 0.875, 0.625},
        {0.875, 0.875, 0.125, 0.375, 0.875, 0.625, 0.875, 0.375, 0.375, 0.125},
        {0.625, 0.125, 0.875, 0.625, 0.625, 0.875, 0.125, 0.125, 0.125, 0.375},
        {0.125, 0.625, 0.375, 0.125, 0.125, 0.375, 0.625, 0.625, 0.625, 0.875},
        {0.1875, 0.3125, 0.9375, 0.4375, 0.5625, 0.3125, 0.4375, 0.9375, 0.9375, 0.3125},
        {0.6875, 0.8125, 0.4375, 0.9375, 0.0625, 0.8125, 0.9375, 0.4375, 0.4375, 0.8125},
        {0.9375, 0.0625, 0.6875, 0.1875, 0.3125, 0.5625, 0.1875, 0.1875, 0.1875, 0.5625},
        {0.4375, 0.5625, 0.1875, 0.6875, 0.8125, 0.0625, 0.6875, 0.6875, 0.6875, 0.0625},
    };
    double x[10];
    for (uint32_t i = 0; i < sizeof points / sizeof *points; i++) {
        sobol_point(i, 0, x, 10);
        for (int k = 0; k < 10; k++)
            ck_assert_double_eq(x[k], points[i][k]);
    }
}
END_TEST

/** Of 2^k points each of 2^k parts of any coordinate holds one, shifted or not: all 64 dimensions. */
START_TEST(every_part_holds_one) {
    enum { POINTS = 256 };
    static double x[POINTS][SOBOL_DIMENSIONS];
    for (uint64_t seed = 0; seed < 3; seed++) {
        for (uint32_t i = 0; i < POINTS; i++)
            sobol_point(i, seed, x[i], SOBOL_DIMENSIONS);
        for (int k = 0; k < SOBOL_DIMENSIONS; k++) {
            bool seen[POINTS] = {false};
            for (int i = 0; i < POINTS; i++) {
                const int part = (int)(x[i][k] * (double)POINTS);
                ck_assert_msg(!seen[part], "dimension %d, part %d twice", k, part);
                seen[part] = true;
            }
        }
    }
}
END_TEST

START_TEST(more_dimensions) {
    double x[80], y[80];
    sobol_point(5, 1, x, 80);
    sobol_point(6, 1, y, 80);
    for (int k = 0; k < 80; k++) {
        ck_assert(x[k] >= 0 && x[k] < 1);
        ck_assert(x[k] != y[k]);
    }
}
END_TEST

TEST_MAIN("sobol", known_points, every_part_holds_one, more_dimensions)
