/* Fixed point, and dense attention of it. */
#include "compared_util.h"

#include <math.h>

START_TEST(formats_hold_the_largest_number) {
    ck_assert_int_eq(dtq_fixed_fraction(1.0f, 8), 6);    /* 64; 128 does not fit */
    ck_assert_int_eq(dtq_fixed_fraction(0.99f, 8), 7);   /* 126.72 */
    ck_assert_int_eq(dtq_fixed_fraction(127.4f, 8), 0);  /* rounds to 127 */
    ck_assert_int_eq(dtq_fixed_fraction(127.5f, 8), -1); /* rounds to 128, even */
    ck_assert_int_eq(dtq_fixed_fraction(0.0f, 8), 0);
    ck_assert_int_eq(dtq_fixed_fraction(0x1p-40f, 16), DTQ_FRACTION_MOST);
    ck_assert_int_eq(dtq_fixed_fraction(0x1p49f, 2), -49);
}
END_TEST

START_TEST(codes_round_to_even_and_saturate) {
    const dtq_fixed_format nine = {9, 4}; /* a sign, four and four */
    ck_assert_int_eq(dtq_fixed_code(1.0f, nine), 16);
    ck_assert_int_eq(dtq_fixed_code(0.03125f, nine), 0); /* half a unit */
    ck_assert_int_eq(dtq_fixed_code(0.09375f, nine), 2); /* one and a half */
    ck_assert_int_eq(dtq_fixed_code(15.94f, nine), 255);
    ck_assert_int_eq(dtq_fixed_code(1e6f, nine), 255);
    ck_assert_int_eq(dtq_fixed_code(-1e6f, nine), -255);
}
END_TEST

/* Two keys alike: probabilities of half of 32767, rounded up, and the mean of the values but for that. */
START_TEST(two_keys_alike) {
    layer l;
    dtq_tally t;
    dtq_error e;
    layer_open(&l, 2, 1, 1, 1, false);
    l.q[0] = l.q[1] = 3.0f;
    l.k[0] = l.k[1] = 1.0f;
    l.v[0] = 1.0f; /* 2^14 at 14 bits behind the point */
    ck_assert(dtq_attention_fixed(&l.a, (dtq_fixed_format){16, DTQ_FRACTION_AUTO}, &t, &e));
    ck_assert_uint_eq(l.importance[0], 2 * 16384 * ((1ull << 32) / 32767));
    ck_assert(l.out[0] == 16384.0f / 32767.0f);
    ck_assert_uint_eq(t.rows, 2);
    ck_assert_uint_eq(t.pairs, 4);
    ck_assert_uint_eq(t.survivors, 4);
    layer_close(&l);
}
END_TEST

static const uint64_t golden[][2] = {{0x8846458f6b4e1eb3u, 0x40fca0cf1671b9ccu},
                                     {0xde3f3c3d4a05b436u, 0x3409959444deadcfu},
                                     {0xed44cfd98a11eb8au, 0x6abd2b0051a980f9u},
                                     {0xc43830fc84bf9293u, 0x48555e7eb5188885u}};

static void attend(layer *l, dtq_tally *t) {
    dtq_error e;
    ck_assert_msg(dtq_attention_fixed(&l->a, (dtq_fixed_format){16, DTQ_FRACTION_AUTO}, t, &e), "%s", e.message);
}

START_TEST(agrees_with_an_independent_implementation) {
    for (size_t i = 0; i < GOLDEN_SHAPES; i++) {
        layer l;
        dtq_tally t;
        layer_golden(&l, i);
        attend(&l, &t);
        expect_hashes(&l, golden[i][0], golden[i][1]);
        layer_close(&l);
    }
}
END_TEST

/* At 16 bits it is float32's attention to four digits. */
START_TEST(is_near_float) {
    layer l;
    dtq_tally t;
    dtq_error e;
    layer_golden(&l, 0);
    attend(&l, &t);
    const size_t n = (size_t)l.a.slots * l.a.heads * l.a.head_dim;
    float *exact = malloc(n * sizeof *exact);
    memcpy(exact, l.out, n * sizeof *exact);
    ck_assert(dtq_attention_fp32(&l.a, &e));
    for (size_t at = 0; at < n; at++)
        ck_assert_double_le(fabs((double)exact[at] - (double)l.out[at]), 2e-3);
    free(exact);
    layer_close(&l);
}
END_TEST

START_TEST(permuting_tokens_permutes_results) {
    expect_permutable("fixed", attend);
}
END_TEST

START_TEST(refuses_what_is_not_finite) {
    layer l;
    dtq_tally t;
    dtq_error e;
    layer_open(&l, 2, 1, 1, 1, false);
    l.k[1] = NAN;
    ck_assert_fails(dtq_attention_fixed(&l.a, (dtq_fixed_format){16, DTQ_FRACTION_AUTO}, &t, &e), e,
                    "operand k, head 0, token 1");
    layer_close(&l);
}
END_TEST

int main(void) {
    Suite *s = suite_create("fixed");
    TCase *c = tcase_create("fixed");
    tcase_add_test(c, formats_hold_the_largest_number);
    tcase_add_test(c, codes_round_to_even_and_saturate);
    tcase_add_test(c, two_keys_alike);
    tcase_add_test(c, agrees_with_an_independent_implementation);
    tcase_add_test(c, is_near_float);
    tcase_add_test(c, permuting_tokens_permutes_results);
    tcase_add_test(c, refuses_what_is_not_finite);
    suite_add_tcase(s, c);
    return run_suite(s);
}
