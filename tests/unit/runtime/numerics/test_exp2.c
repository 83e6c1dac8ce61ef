#include <math.h>

#include "numerics_util.h"

START_TEST(powers_are_exact) {
    for (int i = -125; i <= 0; i++)
        ck_assert_float_eq(dtq_exp2((float)i), ldexpf(1.0f, i));
}
END_TEST

START_TEST(ends_of_the_domain) {
    ck_assert_float_eq(dtq_exp2(0.0f), 1.0f);
    ck_assert_float_eq(dtq_exp2(-0.0f), 1.0f);
    ck_assert_float_eq(dtq_exp2(-126.0f), 0.0f);
    ck_assert_float_eq(dtq_exp2(-INFINITY), 0.0f);
    ck_assert_float_eq(dtq_exp2(NAN), 0.0f);
    ck_assert_float_eq(dtq_exp2(3.0f), 1.0f);
    ck_assert_float_ge(dtq_exp2(nextafterf(-126.0f, 0.0f)), 0x1p-126f);
}
END_TEST

START_TEST(relative_error_is_as_documented) {
    double worst = 0.0;
    for (int i = 1; i < 200000; i++) {
        const float t = -(float)i * 0x1p-11f;
        if (t <= -97.0f)
            break;
        const double exact = exp2((double)t);
        worst = fmax(worst, fabs(((double)dtq_exp2(t) - exact) / exact));
        ck_assert_float_le(dtq_exp2(t), 1.0f);
    }
    ck_assert_double_lt(worst, 1.9e-7);
    ck_assert_double_gt(worst, 5e-8);
}
END_TEST

START_TEST(rounding_is_half_to_even) {
    static const float cases[][2] = {{0.5f, 0},
                                     {1.5f, 2},
                                     {2.5f, 2},
                                     {-0.5f, 0},
                                     {-1.5f, -2},
                                     {-2.5f, -2},
                                     {126.5f, 126},
                                     {127.5f, 128},
                                     {0.49999997f, 0},
                                     {4194304.5f, 4194304},
                                     {3e9f, 3e9f},
                                     {-3e9f, -3e9f},
                                     {8388607.0f, 8388607.0f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_float_eq(dtq_rne(cases[i][0]), cases[i][1]);
    ck_assert(signbit(dtq_rne(-0.25f)));
    ck_assert_float_nan(dtq_rne(NAN));
}
END_TEST

START_TEST(rounding_agrees_with_libm) {
    rng r = rng_seeded("rounding_agrees_with_libm");
    for (int i = 0; i < 100000; i++) {
        const float x = ldexpf(rng_float(&r), (int)rng_below(&r, 40) - 8);
        ck_assert_float_eq(dtq_rne(x), rintf(x));
    }
}
END_TEST

START_TEST(score_scale_is_rounded_once) {
    ck_assert_float_eq(dtq_score_scale(1), 0x1.715476p+0f);
    ck_assert_float_eq(dtq_score_scale(64), (float)(1.4426950408889634 / 8.0));
    ck_assert_float_eq(dtq_score_scale(32), (float)(1.4426950408889634 / sqrt(32.0)));
}
END_TEST

int main(void) {
    Suite *s = suite_create("exp2");
    TCase *c = tcase_create("exp2");
    tcase_add_test(c, powers_are_exact);
    tcase_add_test(c, ends_of_the_domain);
    tcase_add_test(c, relative_error_is_as_documented);
    tcase_add_test(c, rounding_is_half_to_even);
    tcase_add_test(c, rounding_agrees_with_libm);
    tcase_add_test(c, score_scale_is_rounded_once);
    suite_add_tcase(s, c);
    return run_suite(s);
}
