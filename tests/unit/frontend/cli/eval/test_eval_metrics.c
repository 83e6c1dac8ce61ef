/* Metrics against values of numpy and scipy, and by hand. */
#include "frontend_util.h"

#include <math.h>

#include "frontend/cli/eval/metrics.h"

static const double x[] = {1, 2.5, 2.5, 4, 0.5, 7}, y[] = {2, 1, 3, 3, 3, 9};

START_TEST(ties_share_their_ranks) {
    arena *a = arena_new();
    static const double of_x[] = {2, 3.5, 3.5, 5, 1, 6}, of_y[] = {2, 1, 4, 4, 4, 6};
    const double *rx = metric_ranks(a, x, 6), *ry = metric_ranks(a, y, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_double_eq(rx[i], of_x[i]);
        ck_assert_double_eq(ry[i], of_y[i]);
    }
    arena_free(a);
}
END_TEST

START_TEST(correlations) {
    arena *a = arena_new();
    ck_assert_double_eq_tol(metric_pearson(x, y, 6), 0.8236880342272388, 1e-12);
    ck_assert_double_eq_tol(metric_spearman(a, x, y, 6), 0.492832882906958, 1e-12);
    ck_assert_double_eq_tol(metric_pearson(x, x, 6), 1, 1e-15);
    ck_assert(isnan(metric_pearson(x, (const double[]){3, 3, 3}, 3)));
    arena_free(a);
}
END_TEST

START_TEST(distances) {
    static const float p[] = {0, 1, 2}, q[] = {1, 1, -1};
    ck_assert_double_eq_tol(metric_cosine(p, q, 3), -1 / sqrt(15), 1e-15);
    ck_assert_double_eq(metric_cosine(p, (const float[]){0, 0, 0}, 3), 0);
    ck_assert_double_eq(metric_difference(p, q, 3), 3);
    ck_assert_double_eq_tol(metric_divergence(p, q, 3), 1.2567100053892182, 1e-12);
    ck_assert_double_eq_tol(metric_divergence(p, (const float[]){5, 6, 7}, 3), 0, 1e-15);
}
END_TEST

START_TEST(cross_entropy) {
    static const float p[] = {0, 1, 2}, large[] = {1e4F, 1e4F + 1, 1e4F + 2}, apart[] = {-3e38F, 3e38F};
    ck_assert_double_eq_tol(metric_cross_entropy(p, 3, 2), 0.40760596444437997, 1e-14);
    ck_assert_double_eq_tol(metric_cross_entropy(p, 3, 0), 2.40760596444438, 1e-14);
    ck_assert_double_eq_tol(metric_cross_entropy(large, 3, 1), 1.40760596444438, 1e-11);
    ck_assert_double_eq(metric_cross_entropy(apart, 2, 1), 0);
    ck_assert(isfinite(metric_cross_entropy(apart, 2, 0)));
}
END_TEST

/* Values by numpy, from the definitions. */
START_TEST(confusion) {
    static const uint64_t two[] = {50, 10, 5, 35}, three[] = {5, 1, 0, 2, 6, 1, 0, 3, 7}, one_sided[] = {0, 10, 0, 20};
    ck_assert_double_eq_tol(metric_accuracy(two, 2), 0.85, 1e-15);
    ck_assert_double_eq_tol(metric_f1(two), 0.8235294117647058, 1e-15);
    ck_assert_double_eq_tol(metric_matthews(two, 2), 0.6975184488828855, 1e-12);
    ck_assert_double_eq_tol(metric_accuracy(three, 3), 0.72, 1e-15);
    ck_assert_double_eq_tol(metric_matthews(three, 3), 0.5804947114594262, 1e-12);
    ck_assert_double_eq(metric_matthews(one_sided, 2), 0);
    ck_assert_double_eq(metric_f1((const uint64_t[]){4, 0, 2, 0}), 0);
}
END_TEST

TEST_MAIN("eval metrics", ties_share_their_ranks, correlations, distances, cross_entropy, confusion)
