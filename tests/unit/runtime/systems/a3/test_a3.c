#include "compared_util.h"

static const dtq_a3 conservative = {{9, 4}, 0.5, 0.05};

static void attend_by(layer *l, const dtq_a3 *how, dtq_tally *t) {
    dtq_error e;
    ck_assert_msg(dtq_attention_a3(&l->a, how, t, &e), "%s", e.message);
}

/* A query (1, 2) and keys (3, 0), (-1, 1), (0, -2), (1, 1): products are 3, 0 | -1, 2 | 0, -4 | 1, 2. Steps take 3 and
 * -4, then 2 (of the first key of two alike) and -1, then the other 2 and nothing. */
static void four_keys(layer *l) {
    static const float keys[][2] = {{3, 0}, {-1, 1}, {0, -2}, {1, 1}};
    layer_open(l, 4, 1, 1, 2, false);
    for (int j = 0; j < 4; j++) {
        l->q[2 * j] = 1.0f;
        l->q[2 * j + 1] = 2.0f;
        memcpy(l->k + 2 * (size_t)j, keys[j], sizeof keys[j]);
        l->v[2 * j] = (float)(1 << j);
    }
}

START_TEST(search_takes_products_from_both_ends) {
    static const struct {
        double iterations;
        uint64_t candidates; /* of a row */
    } cases[] = {{0.25, 1}, {0.5, 2}, {0.75, 3}, {1.0, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        layer l;
        dtq_tally t;
        const dtq_a3 how = {{9, 4}, cases[i].iterations, 0.0};
        four_keys(&l);
        attend_by(&l, &how, &t);
        ck_assert_uint_eq(t.rows, 4);
        ck_assert_uint_eq(t.pairs, 16);
        ck_assert_uint_eq(t.candidates, 4 * cases[i].candidates);
        ck_assert_uint_eq(t.survivors, 4 * cases[i].candidates);
        layer_close(&l);
    }
}
END_TEST

/* Half as many steps as keys: candidates are the first two, with scores 3 and 1, so weights 1 and 2^(-2 log2 e / sqrt
 * 2) = 0.243; a threshold above that leaves the first alone, whose value is 1. The others do not matter. */
START_TEST(threshold_drops_what_scores_too_little) {
    layer l;
    dtq_tally t;
    dtq_a3 how = {{9, 4}, 0.5, 0.24};
    four_keys(&l);
    attend_by(&l, &how, &t);
    ck_assert_uint_eq(t.survivors, 8);
    ck_assert_double_eq_tol((double)l.out[0], (1 + 2 * 0.243) / 1.243, 0.005);
    how.threshold = 0.25;
    attend_by(&l, &how, &t);
    ck_assert_uint_eq(t.candidates, 8);
    ck_assert_uint_eq(t.survivors, 4);
    ck_assert(l.out[0] == 1.0f);
    layer_close(&l);
}
END_TEST

/* Nothing positive: the key of the largest sum, the first of such, alone. */
START_TEST(without_candidates_the_best_key_is_one) {
    layer l;
    dtq_tally t;
    layer_open(&l, 4, 1, 1, 1, false);
    for (int j = 0; j < 4; j++) {
        l.q[j] = 1.0f;
        l.k[j] = j == 0 ? -3.0f : -1.0f;
        l.v[j] = (float)j;
    }
    attend_by(&l, &conservative, &t); /* takes -3, then -1 of token 1 */
    ck_assert_uint_eq(t.candidates, 4);
    ck_assert(l.out[0] == 2.0f);
    layer_close(&l);
}
END_TEST

/* Nine bits saturate at 255/16. */
START_TEST(operands_saturate) {
    layer l;
    dtq_tally t;
    layer_open(&l, 1, 1, 1, 1, false);
    l.q[0] = l.k[0] = 1.0f;
    l.v[0] = 100.0f;
    attend_by(&l, &conservative, &t);
    ck_assert(l.out[0] == 15.9375f);
    layer_close(&l);
}
END_TEST

static const uint64_t golden[][2] = {{0x16ef348a2ce08b26u, 0x587efb7138c1b071u},
                                     {0xdf2cb2ac73284232u, 0xfd34c79dbc6fa899u},
                                     {0x8bcc055ab8f98f63u, 0x6e394589672c3cb7u},
                                     {0xb8a5dd23052c2a18u, 0x8d9a7b9d416160f6u}};
static const uint64_t golden_counts[][2] = {{1385, 272}, {1168, 360}, {1753, 340}, {256, 109}};

START_TEST(agrees_with_an_independent_implementation) {
    for (size_t i = 0; i < GOLDEN_SHAPES; i++) {
        layer l;
        dtq_tally t;
        layer_golden(&l, i);
        attend_by(&l, &conservative, &t);
        expect_hashes(&l, golden[i][0], golden[i][1]);
        ck_assert_uint_eq(t.candidates, golden_counts[i][0]);
        ck_assert_uint_eq(t.survivors, golden_counts[i][1]);
        layer_close(&l);
    }
}
END_TEST

static void attend(layer *l, dtq_tally *t) {
    attend_by(l, &conservative, t);
}

START_TEST(permuting_tokens_permutes_results) {
    expect_permutable("a3", attend);
}
END_TEST

int main(void) {
    Suite *s = suite_create("a3");
    TCase *c = tcase_create("a3");
    tcase_add_test(c, search_takes_products_from_both_ends);
    tcase_add_test(c, threshold_drops_what_scores_too_little);
    tcase_add_test(c, without_candidates_the_best_key_is_one);
    tcase_add_test(c, operands_saturate);
    tcase_add_test(c, agrees_with_an_independent_implementation);
    tcase_add_test(c, permuting_tokens_permutes_results);
    suite_add_tcase(s, c);
    return run_suite(s);
}
