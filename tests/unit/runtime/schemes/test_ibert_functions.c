#include <math.h>

#include "numerics_util.h"
#include "runtime/schemes/ibert_functions.h"

START_TEST(square_roots_are_floored) {
    for (uint64_t n = 0; n < 70000; n++) {
        const uint64_t root = dtq_ibert_sqrt(n);
        ck_assert(root * root <= n && (root + 1) * (root + 1) > n);
    }
    rng r = rng_seeded("square_roots_are_floored");
    for (int i = 0; i < 20000; i++) {
        const uint64_t root = rng_next(&r) >> 32, n = root * root;
        ck_assert_uint_eq(dtq_ibert_sqrt(n), root);
        ck_assert_uint_eq(dtq_ibert_sqrt(n + 2 * root), root);
        ck_assert_uint_eq(dtq_ibert_sqrt(n == 0 ? 0 : n - 1), n == 0 ? 0 : root - 1);
    }
    ck_assert_uint_eq(dtq_ibert_sqrt(UINT64_MAX), UINT32_MAX);
}
END_TEST

/* By hand at scale 0.01: ln 2 is -floor(-69.31) = 70, b floor(270.732) = 270, c floor(27921.148) = 27921. */
START_TEST(exp_by_hand) {
    const dtq_ibert_exp p = dtq_ibert_exp_of(0.01);
    ck_assert_int_eq(p.ln2, 70);
    ck_assert_int_eq(p.b, 270);
    ck_assert_int_eq(p.c, 27921);
    ck_assert_double_eq(dtq_ibert_exp_at(&p, 0), 27921 * 0x1p30);
    ck_assert_double_eq(dtq_ibert_exp_at(&p, -1), (27921 - 269) * 0x1p30);
    ck_assert_double_eq(dtq_ibert_exp_at(&p, -69), (27921 - 69 * 201) * 0x1p30);
    ck_assert_double_eq(dtq_ibert_exp_at(&p, -70), 27921 * 0x1p29); /* q = 1, r = 0 */
    ck_assert_double_eq(dtq_ibert_exp_at(&p, -2100), 27921);        /* q = 30 */
    ck_assert_double_eq(dtq_ibert_exp_at(&p, -1000000), 27921);     /* clamped to it */
}
END_TEST

/* The polynomial is within 1.914e-3 of exp on (-ln 2, 0]; further down the error halves with every power, but for what
 * 0.6931 is short of ln 2. */
START_TEST(exp_is_near) {
    for (int bits = 10; bits <= 24; bits += 7) {
        const double scale = ldexp(1, -bits);
        const dtq_ibert_exp p = dtq_ibert_exp_of(scale);
        const int64_t end = (int64_t)(12 / scale), step = end / 50000 + 1;
        for (int64_t x = 0; x > -end; x -= step) {
            const double got = dtq_ibert_exp_at(&p, x) * dtq_ibert_exp_scale(&p), want = exp((double)x * scale);
            const double codes = 3 * scale; /* constants are whole numbers of the scale */
            ck_assert_msg(fabs(got - want) <= 1.914e-3 + codes, "exp(%g) = %g, not %g", (double)x * scale, got, want);
        }
    }
}
END_TEST

START_TEST(tiny_scales_lose_bits) {
    const dtq_ibert_exp p = dtq_ibert_exp_of(0x1p-30);
    ck_assert_int_eq(p.lost, 4);
    ck_assert_double_eq_tol(dtq_ibert_exp_at(&p, -((int64_t)1 << 30)) * dtq_ibert_exp_scale(&p), exp(-1), 2e-3);
    const dtq_ibert_gelu g = dtq_ibert_gelu_of(0x1p-30);
    ck_assert_int_eq(g.lost, 10);
    ck_assert_double_eq_tol((double)dtq_ibert_gelu_at(&g, (int64_t)1 << 31) * g.out_scale, 2 * 0.97725, 0.02);
}
END_TEST

START_TEST(softmax_by_hand) {
    const dtq_ibert_exp p = dtq_ibert_exp_of(0.01);
    const int64_t codes[] = {5, 5, 5, 5}, apart[] = {0, -70, -140, -2100}, one[] = {-77};
    uint32_t weights[4];
    dtq_ibert_softmax(&p, one, 1, weights);
    ck_assert_uint_eq(weights[0], 255); /* 32767 floor(2^32 / 32767) is short of 2^32 */
    dtq_ibert_softmax(&p, codes, 4, weights);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(weights[i], 63);
    /* 32767, 16384, 8192 and 0 in 16 bits, of sum 57343; factor floor(2^32 / 57343) = 74899 */
    dtq_ibert_softmax(&p, apart, 4, weights);
    ck_assert_uint_eq(weights[0], (uint32_t)(32767ull * 74899 >> 24));
    ck_assert_uint_eq(weights[1], (uint32_t)(16384ull * 74899 >> 24));
    ck_assert_uint_eq(weights[2], (uint32_t)(8192ull * 74899 >> 24));
    ck_assert_uint_eq(weights[3], 0);
}
END_TEST

START_TEST(softmax_is_near_and_has_no_order) {
    rng r = rng_seeded("softmax_is_near_and_has_no_order");
    for (int round = 0; round < 200; round++) {
        enum { MOST = 60 };
        const size_t n = 1 + rng_below(&r, MOST);
        const double scale = 0.0003 * (1 + rng_below(&r, 10));
        const dtq_ibert_exp p = dtq_ibert_exp_of(scale);
        int64_t codes[MOST], turned[MOST], largest = INT64_MIN;
        uint32_t weights[MOST], again[MOST];
        double z = 0;
        for (size_t i = 0; i < n; i++) {
            codes[i] = (int64_t)rng_below(&r, 20000) - 10000;
            turned[n - 1 - i] = codes[i];
            largest = codes[i] > largest ? codes[i] : largest;
        }
        for (size_t i = 0; i < n; i++)
            z += exp((double)(codes[i] - largest) * scale);
        dtq_ibert_softmax(&p, codes, n, weights);
        dtq_ibert_softmax(&p, turned, n, again);
        uint32_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            const double want = exp((double)(codes[i] - largest) * scale) / z;
            ck_assert_uint_eq(weights[i], again[n - 1 - i]);
            ck_assert_double_eq_tol(weights[i] / 256.0, want, 1 / 256.0 + 0.02 * want + 0.002);
            sum += weights[i];
        }
        ck_assert_uint_le(sum, 256);
        ck_assert_uint_ge(sum + n, 255);
    }
}
END_TEST

/* By hand at scale 0.1: s = 0.1 / 1.4142 = 0.0707114; b = floor(-25.0172) = -26, c = floor(-3.46260 / s^2) =
 * floor(-692.507) = -693, the scale of erf s^2 (-0.2888) 2^14 = -23.6590, one = floor(-0.042268) = -1. */
START_TEST(gelu_by_hand) {
    const dtq_ibert_gelu p = dtq_ibert_gelu_of(0.1);
    ck_assert_int_eq(p.b, -26);
    ck_assert_int_eq(p.c, -693);
    ck_assert_int_eq(p.one, -1);
    ck_assert_double_eq_tol(p.out_scale, 0.1 * -23.6590 / 2, 1e-5);
    ck_assert_int_eq(dtq_ibert_gelu_at(&p, 0), 0);
    /* (30 -> 26; (26 - 26)^2 - 693) / 2^14 down is -1; 30 (-1 - 1) */
    ck_assert_int_eq(dtq_ibert_gelu_at(&p, 30), -60);
    ck_assert_int_eq(dtq_ibert_gelu_at(&p, -30), 30); /* 693 / 2^14 down is 0; -30 (0 - 1) */
}
END_TEST

START_TEST(gelu_is_near) {
    for (int bits = 12; bits <= 19; bits += 7) {
        const double scale = ldexp(1, -bits);
        const dtq_ibert_gelu p = dtq_ibert_gelu_of(scale);
        for (int step = -11000; step <= 11000; step++) {
            const double x = step * 0.0007;
            const int64_t code = (int64_t)rint(x / scale);
            const double got = (double)dtq_ibert_gelu_at(&p, code) * p.out_scale;
            const double exact = (double)code * scale, want = exact * 0.5 * erfc(-exact / sqrt(2));
            ck_assert_msg(fabs(got - want) <= 0.018 + fabs(exact) * 0.003, "gelu(%g) = %g, not %g", exact, got, want);
        }
    }
}
END_TEST

/* Mean 2, deviations -3 -1 1 3: squares 20, root 4, factor 2^29; times -3, halved. */
START_TEST(norm_by_hand) {
    const int64_t codes[] = {-1, 1, 3, 5};
    int64_t out[4];
    int shift = 0;
    dtq_ibert_norm_shift(codes, 4, &shift);
    ck_assert_int_eq(shift, 0);
    dtq_ibert_norm(codes, 4, 0, out);
    const int64_t want[] = {-3 * (1ll << 28), -(1ll << 28), 1ll << 28, 3 * (1ll << 28)};
    ck_assert_mem_eq(out, want, sizeof want);
    const int64_t even[] = {0, 1, 2, 3}, odd[] = {1, 2, 3, 4}; /* means 1.5 and 2.5 are 2, both */
    dtq_ibert_norm(even, 4, 0, out);                           /* -2 -1 0 1: root of 6 is 2, factor 2^30 */
    ck_assert_int_eq(out[0], -2 * (1ll << 29));
    dtq_ibert_norm(odd, 4, 0, out); /* -1 0 1 2: the same root */
    ck_assert_int_eq(out[0], -(1ll << 29));
    const int64_t same[] = {7, 7};
    dtq_ibert_norm(same, 2, 0, out);
    ck_assert_int_eq(out[0], 0);
}
END_TEST

START_TEST(norm_is_near_with_shifts) {
    rng r = rng_seeded("norm_is_near_with_shifts");
    for (int magnitude = 1 << 10; magnitude <= 1 << 21; magnitude *= 8) {
        enum { N = 384 };
        int64_t codes[N], out[N];
        double mean = 0, variance = 0;
        for (size_t i = 0; i < N; i++) {
            codes[i] = (int64_t)rng_below(&r, (uint32_t)(2 * magnitude)) - magnitude / 2;
            mean += (double)codes[i] / (double)N;
        }
        for (size_t i = 0; i < N; i++)
            variance += ((double)codes[i] - mean) * ((double)codes[i] - mean) / (double)N;
        int shift = 0;
        dtq_ibert_norm_shift(codes, N, &shift);
        ck_assert(magnitude > 1 << 10 ? shift > 0 : shift == 0);
        dtq_ibert_norm(codes, N, shift, out);
        const double factor_error = sqrt(variance * (double)N) / 0x1p31; /* 2^31 / deviation is a whole number */
        for (size_t i = 0; i < N; i++) {
            const double got = (double)out[i] * sqrt((double)N) / 0x1p30,
                         want = ((double)codes[i] - mean) / sqrt(variance);
            ck_assert_double_eq_tol(got, want, 0.001 + fabs(want) * factor_error);
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("ibert_functions");
    TCase *c = tcase_create("ibert_functions");
    tcase_add_test(c, square_roots_are_floored);
    tcase_add_test(c, exp_by_hand);
    tcase_add_test(c, exp_is_near);
    tcase_add_test(c, tiny_scales_lose_bits);
    tcase_add_test(c, softmax_by_hand);
    tcase_add_test(c, softmax_is_near_and_has_no_order);
    tcase_add_test(c, gelu_by_hand);
    tcase_add_test(c, gelu_is_near);
    tcase_add_test(c, norm_by_hand);
    tcase_add_test(c, norm_is_near_with_shifts);
    suite_add_tcase(s, c);
    return run_suite(s);
}
