#include <math.h>

#include "numerics_util.h"
#include "runtime/exec.h"

START_TEST(scale_is_the_largest_magnitude_over_the_steps) {
    const float x[] = {1.0f, -3.0f, 2.0f};
    float s;
    ck_assert(dtq_scale(x, 3, 1, 4, &s));
    ck_assert_float_eq(s, 3.0f / 7.0f);
    ck_assert(dtq_scale(x, 3, 1, 8, &s));
    ck_assert_float_eq(s, 3.0f / 127.0f);
    ck_assert(dtq_scale(x, 2, 2, 8, &s));
    ck_assert_float_eq(s, 2.0f / 127.0f);
}
END_TEST

START_TEST(tiny_rows_have_scale_one) {
    const float below[] = {0.0f, 0x1.fffffep-51f}, at[] = {0x1p-50f};
    float s;
    ck_assert(dtq_scale(below, 2, 1, 8, &s));
    ck_assert_float_eq(s, 1.0f);
    ck_assert_int_eq(dtq_quantise(below[1], s, 8), 0);
    ck_assert(dtq_scale(at, 1, 1, 4, &s));
    ck_assert_float_eq(s, 0x1p-50f / 7.0f);
    ck_assert(dtq_scale(at, 0, 1, 4, &s));
    ck_assert_float_eq(s, 1.0f);
}
END_TEST

START_TEST(huge_and_non_finite_are_refused) {
    const float bad[] = {0x1p50f, -0x1p50f, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const float x[] = {1.0f, bad[i], 2.0f};
        float s;
        ck_assert(!dtq_scale(x, 3, 1, 8, &s));
    }
    float s;
    const float largest[] = {0x1.fffffep+49f};
    ck_assert(dtq_scale(largest, 1, 1, 8, &s));
}
END_TEST

START_TEST(codes_round_to_even_and_clamp) {
    ck_assert_int_eq(dtq_quantise(2.5f, 1.0f, 8), 2);
    ck_assert_int_eq(dtq_quantise(3.5f, 1.0f, 8), 4);
    ck_assert_int_eq(dtq_quantise(-2.5f, 1.0f, 4), -2);
    ck_assert_int_eq(dtq_quantise(9.0f, 1.0f, 4), 7);
    ck_assert_int_eq(dtq_quantise(-9.0f, 1.0f, 4), -7);
    ck_assert_int_eq(dtq_quantise(-200.0f, 1.0f, 8), -127);
    ck_assert_int_eq(dtq_quantise(200.0f, 1.0f, 8), 127);
}
END_TEST

START_TEST(the_largest_element_takes_the_last_code) {
    rng r = rng_seeded("the_largest_element_takes_the_last_code");
    for (int i = 0; i < 20000; i++) {
        const float x = ldexpf(rng_float(&r), (int)rng_below(&r, 90) - 45);
        for (unsigned bits = 4; bits <= 8; bits += 4) {
            float s;
            ck_assert(dtq_scale(&x, 1, 1, bits, &s));
            const int limit = fabsf(x) < 0x1p-50f ? 0 : bits == 4 ? 7 : 127;
            ck_assert_int_eq(abs(dtq_quantise(x, s, bits)), limit);
        }
    }
}
END_TEST

START_TEST(packing_puts_the_even_channel_low) {
    const int8_t codes[] = {-7, 7, 1, -1, 3};
    uint8_t packed[3];
    dtq_pack_row(codes, 5, 4, packed);
    ck_assert_uint_eq(packed[0], 0x79);
    ck_assert_uint_eq(packed[1], 0xf1);
    ck_assert_uint_eq(packed[2], 0x03);
}
END_TEST

START_TEST(unpacking_inverts_packing) {
    int8_t codes[255], back[255];
    uint8_t packed[255];
    for (unsigned bits = 4; bits <= 8; bits += 4) {
        const int limit = bits == 4 ? 7 : 127;
        for (uint32_t n = 1; n <= 255; n++) {
            for (uint32_t i = 0; i < n; i++)
                codes[i] = (int8_t)((int)(i * 37 + n) % (2 * limit + 1) - limit);
            dtq_pack_row(codes, n, bits, packed);
            dtq_unpack_row(packed, n, bits, back);
            ck_assert_mem_eq(codes, back, n);
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("quantise");
    TCase *c = tcase_create("quantise");
    tcase_add_test(c, scale_is_the_largest_magnitude_over_the_steps);
    tcase_add_test(c, tiny_rows_have_scale_one);
    tcase_add_test(c, huge_and_non_finite_are_refused);
    tcase_add_test(c, codes_round_to_even_and_clamp);
    tcase_add_test(c, the_largest_element_takes_the_last_code);
    tcase_add_test(c, packing_puts_the_even_channel_low);
    tcase_add_test(c, unpacking_inverts_packing);
    suite_add_tcase(s, c);
    return run_suite(s);
}
