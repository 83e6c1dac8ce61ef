#include <check.h>
#include <math.h>

#include "runtime/kernels/kernels_attention.h"
#include "runtime/numerics/numerics.h"
#include "sim_util.h"

START_TEST(dots_equal_plain_sums) {
    sim_random r = {41};
    for (unsigned n = 0; n < 100; n++) {
        const size_t rows = sim_range(&r, 1, 5), cols = sim_range(&r, 1, 5), depth = 16 * sim_range(&r, 0, 6);
        int16_t a[5 * 96], b[5 * 96];
        int32_t out[25];
        for (size_t i = 0; i < 5 * 96; i++) {
            a[i] = (int16_t)sim_range(&r, 0, 255);
            b[i] = (int16_t)((int)sim_range(&r, 0, 254) - 127);
        }
        dtq_dots(a, rows, b, cols, depth, out);
        for (size_t i = 0; i < rows; i++) {
            for (size_t j = 0; j < cols; j++) {
                int32_t sum = 0;
                for (size_t c = 0; c < depth; c++)
                    sum += a[i * depth + c] * b[j * depth + c];
                ck_assert_int_eq(out[i * cols + j], sum);
            }
        }
    }
}
END_TEST

START_TEST(powers_and_codes_equal_the_scalar_definition) {
    enum { N = 1 << 14 };
    static float x[N], e[N];
    static uint8_t codes[N];
    for (size_t i = 0; i < N; i++)
        x[i] = 2.0f - 11.0f * (float)i / (float)N; /* differences from 0 to past the cut */
    x[N - 1] = -INFINITY;
    x[N - 2] = 2.0f - 9.0f;
    x[N - 3] = nextafterf(2.0f - 9.0f, 0.0f);
    dtq_powers(x, 2.0f, N, e);
    for (unsigned limit = 15; limit <= 255; limit += 240) {
        uint64_t sum = 0;
        const uint32_t z = dtq_prob_codes(e, (float)limit, N, codes);
        for (size_t i = 0; i < N; i++) {
            const float t = x[i] - 2.0f, want = t > -9.0f ? dtq_exp2(t) : 0.0f;
            ck_assert_msg(memcmp(&e[i], &want, sizeof want) == 0, "2^%a: %a, not %a", (double)t, (double)e[i],
                          (double)want);
            ck_assert_uint_eq(codes[i], (uint8_t)dtq_rne(want * (float)limit));
            sum += codes[i];
        }
        ck_assert_uint_eq(z, (uint32_t)sum);
    }
}
END_TEST

START_TEST(weights_equal_the_scalar_definition) {
    sim_random r = {42};
    for (size_t n = 0; n < 40; n++) {
        float e[40] = {0}, scale[40] = {0}, w[40], largest = 0;
        uint8_t codes[40];
        for (size_t i = 0; i < n; i++) {
            e[i] = fabsf(sim_float(&r));
            scale[i] = fabsf(sim_float(&r));
            largest = e[i] * scale[i] > largest ? e[i] * scale[i] : largest;
        }
        ck_assert(dtq_weights_of(e, scale, n, w) == largest);
        dtq_weight_codes(w, largest, 255.0f, n, codes);
        for (size_t i = 0; i < n; i++) {
            ck_assert(w[i] == e[i] * scale[i]);
            ck_assert_uint_eq(codes[i], (uint8_t)dtq_rne(w[i] / largest * 255.0f));
        }
    }
}
END_TEST

START_TEST(logits_and_largest) {
    const int32_t scores[11] = {1, -2, 3, 16777217, 5, -6, 7, 8, 9, -10, 11};
    float scale[11], x[11];
    for (unsigned i = 0; i < 11; i++)
        scale[i] = 1.0f / (float)(i + 3);
    dtq_logits(scores, scale, 0.3f, 11, x);
    for (unsigned i = 0; i < 11; i++)
        ck_assert(x[i] == (float)scores[i] * (0.3f * scale[i]));
    ck_assert(dtq_largest(x, 11) == x[3]);
    ck_assert(dtq_largest(x, 2) == x[0]);
    x[10] = 1e30f;
    ck_assert(dtq_largest(x, 11) == 1e30f);
    ck_assert(dtq_largest(x, 0) == -INFINITY);
}
END_TEST

START_TEST(importance_of_a_row) {
    const uint8_t codes[3] = {0, 1, 255};
    uint64_t acc[3] = {5, 6, 7};
    dtq_importance_row(codes, UINT64_C(1) << 32, 3, acc);
    ck_assert_uint_eq(acc[0], 5);
    ck_assert_uint_eq(acc[1], (UINT64_C(1) << 32) + 6);
    ck_assert_uint_eq(acc[2], (UINT64_C(255) << 32) + 7);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernels_attention");
    TCase *t = tcase_create("bits");
    tcase_add_test(t, dots_equal_plain_sums);
    tcase_add_test(t, powers_and_codes_equal_the_scalar_definition);
    tcase_add_test(t, weights_equal_the_scalar_definition);
    tcase_add_test(t, logits_and_largest);
    tcase_add_test(t, importance_of_a_row);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
