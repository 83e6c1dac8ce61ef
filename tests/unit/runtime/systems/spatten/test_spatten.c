#include "compared_util.h"

static const dtq_spatten usual = {{12, DTQ_FRACTION_AUTO}, 0, 0.1, 1.0};

static void attend_by(layer *l, const dtq_spatten *how, dtq_cascade *c, dtq_tally *t) {
    dtq_error e;
    ck_assert_msg(dtq_attention_spatten(&l->a, how, c, t, &e), "%s", e.message);
}

static void open(dtq_cascade *c, uint32_t seq, uint32_t heads) {
    dtq_error e;
    ck_assert_msg(dtq_cascade_open(c, seq, heads, &e), "%s", e.message);
}

START_TEST(cascade_keeps_the_greatest_and_the_first) {
    dtq_cascade c;
    open(&c, 5, 3);
    static const uint64_t scores[] = {7, 9, 7, 3, 9};
    memcpy(c.token_score, scores, sizeof scores);
    c.head_score[0] = c.head_score[2] = 1.5;
    c.head_score[1] = 2.5;
    dtq_cascade_prune(&c, 5, 3);
    ck_assert_uint_eq(c.token_gone[3], 0);
    dtq_cascade_prune(&c, 3, 2);
    static const uint8_t three[] = {0, 0, 1, 1, 0};
    ck_assert_mem_eq(c.token_gone, three, 5);
    ck_assert_uint_eq(c.head_gone[0], 0);
    ck_assert_uint_eq(c.head_gone[2], 1);
    c.token_score[2] = 100; /* what is gone does not come back */
    dtq_cascade_prune(&c, 2, 2);
    static const uint8_t two[] = {1, 0, 1, 1, 0};
    ck_assert_mem_eq(c.token_gone, two, 5);
    dtq_cascade_close(&c);
}
END_TEST

START_TEST(first_layer_keeps_all) {
    ck_assert_uint_eq(dtq_cascade_kept(10, 0, 4, 0, 0.5, 0.5), 10);
    ck_assert_uint_eq(dtq_cascade_kept(10, 1, 4, 0, 0.5, 0.5), 5);
    ck_assert_uint_eq(dtq_cascade_kept(10, 1, 4, 0, 0.4, 0.2), 8); /* 0.2, 0.4, 0.6 */
    ck_assert_uint_eq(dtq_cascade_kept(10, 3, 4, 0, 0.4, 0.2), 4);
}
END_TEST

/* Two heads over two tokens: the first attends evenly, 1024 of 2047 each, to values 1 and 0; the second to values of
 * nothing. Tokens gather 1024 from each row and head; the first head 1024 · 1 from each row. */
START_TEST(scores_gather_over_layers) {
    layer l;
    dtq_cascade c;
    dtq_tally t;
    layer_open(&l, 2, 2, 2, 1, false);
    l.v[0] = 1.0f;
    open(&c, 2, 2);
    for (uint64_t layers = 1; layers <= 2; layers++) {
        attend_by(&l, &usual, &c, &t);
        ck_assert_uint_eq(c.token_score[0], layers * 4 * 1024);
        ck_assert_uint_eq(c.token_score[1], layers * 4 * 1024);
        ck_assert_double_eq(c.head_score[0], (double)layers * 2 * 1024);
        ck_assert_double_eq(c.head_score[1], 0);
    }
    ck_assert(l.out[0] == 1024.0f / 2047.0f);
    dtq_cascade_prune(&c, 1, 1); /* the first token, the first head */
    attend_by(&l, &usual, &c, &t);
    ck_assert_uint_eq(t.tokens, 1);
    ck_assert_uint_eq(t.heads, 1);
    ck_assert_uint_eq(t.pairs, 1);
    ck_assert(l.out[0] == 1.0f); /* token 0 sees itself alone */
    ck_assert(l.out[2] == 0.0f); /* token 1 is gone */
    l.a.causal = true;           /* its key is, its row goes on */
    attend_by(&l, &usual, &c, &t);
    ck_assert_uint_eq(t.rows, 2);
    ck_assert(l.out[2] == 1.0f);
    dtq_cascade_close(&c);
    layer_close(&l);
}
END_TEST

/* Values of the two largest probabilities of four, 2 of 4, ties to the first; all four count as importance. */
START_TEST(few_values_are_multiplied) {
    layer l;
    dtq_cascade c;
    dtq_tally t;
    dtq_spatten half = usual;
    half.values_kept = 0.5;
    layer_open(&l, 4, 1, 1, 1, false);
    for (int j = 0; j < 4; j++) {
        l.q[j] = 1.0f;
        l.k[j] = j == 2 ? 1.0f : 0.0f; /* token 2 first, then 0 */
        l.v[j] = (float)(1 << j);
    }
    open(&c, 4, 1);
    attend_by(&l, &half, &c, &t);
    ck_assert_uint_eq(t.survivors, 8);
    const double z = 3 + 2.718281828;
    ck_assert_double_eq_tol((double)l.out[0], (4 * 2.718281828 + 1) / z, 0.01);
    ck_assert_double_eq_tol((double)c.token_score[3], 4 * 2047 / z, 8);
    dtq_cascade_close(&c);
    layer_close(&l);
}
END_TEST

/* Keys 1 and 1 + 2^-4 differ in the lower half of eight bits alone: with the first four bits probabilities are equal,
 * and 1/2 is no maximum that stands out from 0.6. */
START_TEST(second_part_comes_where_nothing_stands_out) {
    layer l;
    dtq_cascade c;
    dtq_tally t;
    dtq_spatten two = {{8, 6}, 4, 0.4, 1.0};
    layer_open(&l, 2, 1, 1, 1, false);
    l.q[0] = l.q[1] = 1.9f;
    l.k[0] = 1.0f;
    l.k[1] = 1.0625f;
    l.v[1] = 1.0625f;
    open(&c, 2, 1);
    attend_by(&l, &two, &c, &t);
    ck_assert_uint_eq(t.refetched, 0);
    ck_assert(l.importance[0] == l.importance[1]);
    ck_assert(l.out[0] == 64.0f / 127.0f); /* the value is cut off, too */
    two.refetch_below = 0.6;
    attend_by(&l, &two, &c, &t);
    ck_assert_uint_eq(t.refetched, 2);
    ck_assert(l.importance[0] < l.importance[1]);
    ck_assert(l.out[0] > 0.53f);
    dtq_cascade_close(&c);
    layer_close(&l);
}
END_TEST

static const uint64_t golden[][2] = {{0xdc409e6662f9061fu, 0x73e045d055bb3199u},
                                     {0x7fde4034bf500f25u, 0x0862c1b5f4a499a6u},
                                     {0x5afae767bfc0762au, 0x1b2812ccdf88976au},
                                     {0xa45a8ba948905753u, 0x058a3ea28d9f39b5u}};
static const uint64_t golden_counts[][3] = {{648, 324, 1}, {1479, 762, 11}, {625, 325, 4}, {197, 105, 2}};
static const dtq_spatten small = {{10, DTQ_FRACTION_AUTO}, 4, 0.5, 0.5};

/* A layer, then another of the same numbers after half of the tokens and one head have left. */
static void two_layers(layer *l, dtq_tally *t) {
    dtq_cascade c;
    open(&c, SLOTS_MOST, l->a.heads);
    for (uint32_t id = l->a.slots; id < SLOTS_MOST; id++)
        c.token_gone[id] = 1;
    attend_by(l, &small, &c, t);
    dtq_cascade_prune(&c, l->a.slots > 1 ? l->a.slots / 2 : 1, l->a.heads > 1 ? l->a.heads - 1 : 1);
    if (l->a.causal) {
        attend_by(l, &small, &c, t);
        dtq_cascade_close(&c);
        return;
    }
    uint32_t left[SLOTS_MOST], n = 0;
    for (uint32_t i = 0; i < l->a.slots; i++)
        if (c.token_gone[l->ids[i]] == 0)
            left[n++] = i;
    layer next;
    layer_take(&next, l, left, n);
    attend_by(&next, &small, &c, t);
    const size_t width = (size_t)l->a.heads * l->a.head_dim;
    memset(l->out, 0, l->a.slots * width * sizeof *l->out);
    memset(l->importance, 0, sizeof l->importance);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(l->out + left[i] * width, next.out + i * width, width * sizeof *l->out);
        l->importance[left[i]] = next.importance[i];
    }
    layer_close(&next);
    dtq_cascade_close(&c);
}

START_TEST(agrees_with_an_independent_implementation) {
    for (size_t i = 0; i < GOLDEN_SHAPES; i++) {
        layer l;
        dtq_tally t;
        layer_golden(&l, i);
        two_layers(&l, &t);
        expect_hashes(&l, golden[i][0], golden[i][1]);
        ck_assert_uint_eq(t.pairs, golden_counts[i][0]);
        ck_assert_uint_eq(t.survivors, golden_counts[i][1]);
        ck_assert_uint_eq(t.refetched, golden_counts[i][2]);
        layer_close(&l);
    }
}
END_TEST

START_TEST(permuting_tokens_permutes_results) {
    expect_permutable("spatten", two_layers);
}
END_TEST

START_TEST(refuses_other_heads) {
    layer l;
    dtq_cascade c;
    dtq_tally t;
    dtq_error e;
    layer_open(&l, 2, 2, 1, 1, false);
    open(&c, 2, 1);
    ck_assert_fails(dtq_attention_spatten(&l.a, &usual, &c, &t, &e), e, "2 heads, where the layers before have 1");
    dtq_cascade_close(&c);
    open(&c, 1, 2);
    ck_assert_fails(dtq_attention_spatten(&l.a, &usual, &c, &t, &e), e, "token 1 of 1");
    dtq_cascade_close(&c);
    layer_close(&l);
}
END_TEST

int main(void) {
    Suite *s = suite_create("spatten");
    TCase *c = tcase_create("spatten");
    tcase_add_test(c, cascade_keeps_the_greatest_and_the_first);
    tcase_add_test(c, first_layer_keeps_all);
    tcase_add_test(c, scores_gather_over_layers);
    tcase_add_test(c, few_values_are_multiplied);
    tcase_add_test(c, second_part_comes_where_nothing_stands_out);
    tcase_add_test(c, agrees_with_an_independent_implementation);
    tcase_add_test(c, permuting_tokens_permutes_results);
    tcase_add_test(c, refuses_other_heads);
    suite_add_tcase(s, c);
    return run_suite(s);
}
