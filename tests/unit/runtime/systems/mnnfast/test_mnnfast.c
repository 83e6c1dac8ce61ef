#include "compared_util.h"

static const dtq_mnnfast usual = {{16, DTQ_FRACTION_AUTO}, 16, 0.1};

static void attend_by(layer *l, const dtq_mnnfast *how, dtq_tally *t) {
    dtq_error e;
    ck_assert_msg(dtq_attention_mnnfast(&l->a, how, t, &e), "%s", e.message);
}

/* Three keys with exponents 0, -1, -4 of two: weights 2^23, 2^22 and 2^19, together 25 · 2^19. Of these 16/25, 8/25 and
 * 1/25 the last is below a tenth. With head_dim 1 the exponent is log2 e times the score, so scores are multiples of ln
 * 2, as nearly as 16 bits have them. */
static void three_keys(layer *l) {
    static const float exponents[] = {0.0f, -1.0f, -4.0f};
    layer_open(l, 3, 1, 1, 1, false);
    for (int j = 0; j < 3; j++) {
        l->q[j] = 0.693147181f;
        l->k[j] = exponents[j];
        l->v[j] = j == 2 ? 16.0f : 1.0f;
    }
}

START_TEST(small_probabilities_are_skipped) {
    layer l;
    dtq_tally t;
    three_keys(&l);
    attend_by(&l, &usual, &t);
    ck_assert_uint_eq(t.pairs, 9);
    ck_assert_uint_eq(t.survivors, 6);
    ck_assert_uint_eq(t.candidates, 9);
    /* 24/25 and not 24/25 + 16/25: the sum that is divided by has the skipped one in it */
    ck_assert_double_eq_tol((double)l.out[0], 24.0 / 25, 1e-4);
    dtq_mnnfast all = usual;
    all.threshold = 0.03;
    attend_by(&l, &all, &t);
    ck_assert_uint_eq(t.survivors, 9);
    ck_assert_double_eq_tol((double)l.out[0], 40.0 / 25, 1e-3);
    layer_close(&l);
}
END_TEST

/* In a chunk of its own the last key is judged by the same sum, the second by 24/25 of it, the first by itself. With
 * the smallest first it is all that is known, and stays. */
START_TEST(chunks_judge_by_the_sum_so_far) {
    layer l, other;
    dtq_tally t;
    dtq_mnnfast ones = usual;
    ones.chunk = 1;
    three_keys(&l);
    attend_by(&l, &ones, &t);
    ck_assert_uint_eq(t.survivors, 6);
    const uint32_t reversed[] = {2, 1, 0};
    layer_take(&other, &l, reversed, 3);
    attend_by(&other, &ones, &t);
    ck_assert_uint_eq(t.survivors, 9);
    layer_close(&l);
    layer_close(&other);
}
END_TEST

static const uint64_t golden[][2] = {{0xf343da4b361c5434u, 0x17fea12df92852a3u},
                                     {0xe4671c5efa3addeau, 0x9f35ec83b0ee6f56u},
                                     {0xd54fc2083ad200efu, 0x5e4b9b9370fcea64u},
                                     {0x0ecb2e8b5b8e068du, 0x9858c708c7364058u}};
static const uint64_t golden_survivors[] = {322, 318, 381, 98};

START_TEST(agrees_with_an_independent_implementation) {
    for (size_t i = 0; i < GOLDEN_SHAPES; i++) {
        layer l;
        dtq_tally t;
        layer_golden(&l, i);
        attend_by(&l, &usual, &t);
        expect_hashes(&l, golden[i][0], golden[i][1]);
        ck_assert_uint_eq(t.survivors, golden_survivors[i]);
        layer_close(&l);
    }
}
END_TEST

/* Chunks are of slots, so what an order cannot change is one chunk. */
static void attend(layer *l, dtq_tally *t) {
    dtq_mnnfast one = usual;
    one.chunk = SLOTS_MOST;
    attend_by(l, &one, t);
}

START_TEST(permuting_tokens_permutes_results) {
    expect_permutable("mnnfast", attend);
}
END_TEST

int main(void) {
    Suite *s = suite_create("mnnfast");
    TCase *c = tcase_create("mnnfast");
    tcase_add_test(c, small_probabilities_are_skipped);
    tcase_add_test(c, chunks_judge_by_the_sum_so_far);
    tcase_add_test(c, agrees_with_an_independent_implementation);
    tcase_add_test(c, permuting_tokens_permutes_results);
    suite_add_tcase(s, c);
    return run_suite(s);
}
