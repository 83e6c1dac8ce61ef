/* Streamed attention by its properties: no token changes what an earlier one gives, steps give the bits of a whole
 * pass, and where nothing is far it is ordinary causal attention. */
#include "runtime/numerics/streamed.h"

#include "numerics_util.h"

enum { CASES = 60, TOKENS_MOST = 60 };

typedef struct {
    dtq_layer layer;
    uint32_t tokens;
    uint32_t ids[TOKENS_MOST];
    uint8_t bits[TOKENS_MOST];
    float *q, *k, *v;
    dtq_choice choice;
} problem;

static void draw(rng *r, problem *p, uint32_t tokens) {
    const uint32_t kv_heads = 1 + rng_below(r, 3), window = 1 + rng_below(r, 9);
    p->tokens = tokens;
    p->layer =
        (dtq_layer){.slots = tokens,
                    .heads = kv_heads * (1 + rng_below(r, 3)),
                    .kv_heads = kv_heads,
                    .head_dim = 1 + rng_below(r, 20),
                    .causal = 1,
                    .order = DTQ_ORDER_ORIGINAL,
                    .importance = DTQ_IMPORTANCE_STREAMED,
                    .streaming = {window, rng_below(r, window + 1), rng_below(r, 2) ? 8 : 4, rng_below(r, 2) ? 8 : 4}};
    p->choice = (dtq_choice){(dtq_choice_kind)rng_below(r, 3), rng_below(r, 100)};
    p->q = random_floats(r, (size_t)tokens * p->layer.heads * p->layer.head_dim, 3.0f);
    p->k = random_floats(r, (size_t)tokens * kv_heads * p->layer.head_dim, 3.0f);
    p->v = random_floats(r, (size_t)tokens * kv_heads * p->layer.head_dim, 1.0f);
}

static void release(problem *p) {
    free(p->q);
    free(p->k);
    free(p->v);
}

/* Runs tokens [first_query, tokens), with votes [kv_heads][tokens] and out. */
static void run(const problem *p, uint32_t first_query, uint32_t tokens, uint64_t *votes, float *out) {
    dtq_layer l = p->layer;
    dtq_error e = {0};
    l.slots = tokens;
    const dtq_streamed a = {&l, tokens, first_query, p->q, p->k, p->v, out, votes, &p->choice, 3};
    ck_assert_msg(dtq_streamed_ref(&a, &e), "%s", e.message);
}

static size_t width_of(const problem *p) {
    return (size_t)p->layer.heads * p->layer.head_dim;
}

START_TEST(steps_give_the_bits_of_a_pass) {
    rng r = rng_seeded("steps_give_the_bits_of_a_pass");
    for (int i = 0; i < CASES; i++) {
        problem p;
        draw(&r, &p, 1 + rng_below(&r, TOKENS_MOST));
        const size_t votes = (size_t)p.layer.kv_heads * p.tokens;
        float *whole = calloc(p.tokens * width_of(&p) + 1, sizeof *whole),
              *parts = calloc(p.tokens * width_of(&p) + 1, sizeof *parts);
        uint64_t *sums = calloc(votes + 1, sizeof *sums), *kept = calloc(votes + 1, sizeof *kept);
        uint64_t *now = calloc(votes + 1, sizeof *now);
        run(&p, 0, p.tokens, sums, whole);
        for (uint32_t from = 0, to; from < p.tokens; from = to) {
            to = from + 1 + (from == 0 ? rng_below(&r, p.tokens) : rng_below(&r, 3));
            to = to > p.tokens ? p.tokens : to;
            for (uint32_t g = 0; g < p.layer.kv_heads; g++) /* the votes of a run have rows of its own length */
                for (uint32_t j = 0; j < to; j++)
                    now[g * to + j] = kept[g * p.tokens + j];
            run(&p, from, to, now, parts);
            for (uint32_t g = 0; g < p.layer.kv_heads; g++)
                memcpy(kept + g * p.tokens, now + g * to, to * sizeof *kept);
        }
        ck_assert_bits(parts, whole, p.tokens * width_of(&p));
        ck_assert_mem_eq(kept, sums, votes * sizeof *sums);
        free(whole);
        free(parts);
        free(sums);
        free(kept);
        free(now);
        release(&p);
    }
}
END_TEST

START_TEST(no_token_changes_what_an_earlier_one_gives) {
    rng r = rng_seeded("no_token_changes_what_an_earlier_one_gives");
    for (int i = 0; i < CASES; i++) {
        problem p;
        draw(&r, &p, 2 + rng_below(&r, TOKENS_MOST - 1));
        const uint32_t from = 1 + rng_below(&r, p.tokens - 1); /* from here on all is other */
        const size_t kv_width = (size_t)p.layer.kv_heads * p.layer.head_dim;
        uint64_t *votes = calloc((size_t)p.layer.kv_heads * p.tokens + 1, sizeof *votes);
        float *before = calloc(p.tokens * width_of(&p) + 1, sizeof *before),
              *after = calloc(p.tokens * width_of(&p) + 1, sizeof *after);
        run(&p, 0, p.tokens, votes, before);
        for (size_t c = from * width_of(&p); c < p.tokens * width_of(&p); c++)
            p.q[c] = rng_float(&r) * 9.0f;
        for (size_t c = from * kv_width; c < p.tokens * kv_width; c++) {
            p.k[c] = rng_float(&r) * 9.0f;
            p.v[c] = rng_float(&r) * 9.0f;
        }
        memset(votes, 0, (size_t)p.layer.kv_heads * p.tokens * sizeof *votes);
        run(&p, 0, p.tokens, votes, after);
        ck_assert_bits(after, before, from * width_of(&p));
        free(votes);
        free(before);
        free(after);
        release(&p);
    }
}
END_TEST

START_TEST(where_nothing_is_far_it_is_causal_attention) {
    rng r = rng_seeded("where_nothing_is_far_it_is_causal_attention");
    for (int i = 0; i < CASES; i++) {
        problem p;
        draw(&r, &p, 1 + rng_below(&r, TOKENS_MOST));
        p.layer.streaming.window = (p.tokens + 1) / 2 + rng_below(&r, 3);
        p.layer.streaming.kept = rng_below(&r, p.layer.streaming.window + 1);
        p.layer.streaming.near_bits = 8;
        for (uint32_t t = 0; t < p.tokens; t++) {
            p.ids[t] = t;
            p.bits[t] = 8;
        }
        uint64_t *votes = calloc((size_t)p.layer.kv_heads * p.tokens + 1, sizeof *votes);
        float *got = calloc(p.tokens * width_of(&p) + 1, sizeof *got),
              *want = calloc(p.tokens * width_of(&p) + 1, sizeof *want);
        const dtq_attention a = {.slots = p.tokens,
                                 .heads = p.layer.heads,
                                 .kv_heads = p.layer.kv_heads,
                                 .head_dim = p.layer.head_dim,
                                 .causal = true,
                                 .ids = p.ids,
                                 .bits = {p.bits, p.bits, p.bits, p.bits},
                                 .q = p.q,
                                 .k = p.k,
                                 .v = p.v,
                                 .out = want};
        dtq_error e = {0};
        run(&p, 0, p.tokens, votes, got);
        ck_assert_msg(dtq_attention_ref(&a, &e), "%s", e.message);
        ck_assert_bits(got, want, p.tokens * width_of(&p));
        free(votes);
        free(got);
        free(want);
        release(&p);
    }
}
END_TEST

START_TEST(counts_are_those_of_the_pairs) {
    const dtq_streaming s = {.window = 32, .kept = 21, .near_bits = 8, .far_bits = 4};
    const dtq_streamed_pairs p = dtq_streamed_count(&s, 256);
    ck_assert_uint_eq(p.all, 32896);
    ck_assert_uint_eq(p.behind, 21504);
    ck_assert_uint_eq(p.near, 32896 - 21504 + 6 * 32); /* token 0 of six blocks */
    ck_assert_uint_eq(p.far, 32 * (21 * 21 - 6));
    ck_assert_uint_eq(dtq_streamed_near_keys(&s, 250, 7), 1 + 32 + 26);
    ck_assert_uint_eq(dtq_streamed_near_key(&s, 7, 0), 0);
    ck_assert_uint_eq(dtq_streamed_near_key(&s, 7, 1), 192);
    ck_assert_uint_eq(dtq_streamed_far_keys(&s, 7), 125);
    ck_assert_uint_eq(dtq_streamed_far_keys(&s, 1), 0);
}
END_TEST

START_TEST(votes_choose_and_token_0_stays) {
    const dtq_streaming s = {.window = 4, .kept = 2, .near_bits = 8, .far_bits = 4};
    const uint64_t votes[8] = {0, 5, 9, 9, 1, 1, 1, 2};
    uint32_t list[3];
    const dtq_streamed_head h = {.rule = &s};
    ck_assert_uint_eq(dtq_streamed_choose(&h, 0, votes, list), 0);
    ck_assert_uint_eq(dtq_streamed_choose(&h, 1, votes, list), 1);
    ck_assert_mem_eq(list, ((uint32_t[]){2, 4, 7}), sizeof list);
}
END_TEST

START_TEST(a_window_keeps_as_many_of_the_newest) {
    const dtq_streaming s = {.window = 4, .kept = 2, .near_bits = 8, .far_bits = 4};
    const dtq_choice window = {.kind = DTQ_CHOICE_WINDOW};
    const dtq_streamed_head h = {.rule = &s, .choice = &window};
    uint32_t list[5];
    ck_assert_uint_eq(dtq_streamed_choose(&h, 0, NULL, list), 0);
    ck_assert_uint_eq(list[0], 3);
    ck_assert_uint_eq(dtq_streamed_choose(&h, 1, NULL, list), 0);
    ck_assert_mem_eq(list, ((uint32_t[]){5, 6, 7}), 3 * sizeof *list);
    ck_assert_uint_eq(dtq_streamed_choose(&h, 2, NULL, list), 0);
    ck_assert_mem_eq(list, ((uint32_t[]){7, 8, 9, 10, 11}), sizeof list);
}
END_TEST

/* Of 32 draws all keys of a block but token 0 come up; another seed, layer or head draws others. */
START_TEST(draws_are_by_seed_layer_and_head) {
    const dtq_streaming s = {.window = 64, .kept = 16, .near_bits = 8, .far_bits = 4};
    const uint64_t votes[64] = {0};
    uint32_t lists[4][16], kept[64] = {0};
    for (unsigned i = 0; i < 32; i++) {
        const dtq_choice drawn = {DTQ_CHOICE_RANDOM, i};
        const dtq_streamed_head h = {.rule = &s, .choice = &drawn};
        ck_assert_uint_eq(dtq_streamed_choose(&h, 0, votes, lists[0]), 0);
        for (unsigned k = 0; k < 15; k++) {
            ck_assert(lists[0][k] > (k == 0 ? 0 : lists[0][k - 1]) && lists[0][k] < 64);
            kept[lists[0][k]]++;
        }
    }
    for (unsigned j = 1; j < 64; j++)
        ck_assert_uint_gt(kept[j], 0);
    for (unsigned i = 0; i < 4; i++) {
        const dtq_choice drawn = {DTQ_CHOICE_RANDOM, i == 3};
        const dtq_streamed_head h = {&s, &drawn, i == 1, i == 2};
        (void)dtq_streamed_choose(&h, 0, votes, lists[i]);
        ck_assert(i == 0 || memcmp(lists[i], lists[0], 15 * sizeof **lists) != 0);
    }
}
END_TEST

/* Shares of 16 bits, squared: of 200, 55 and nothing, S = 256; a row without weights gives none. */
START_TEST(votes_are_squares_of_shares) {
    const uint8_t weights[4] = {200, 55, 0, 0}, none[4] = {0};
    uint64_t votes[3] = {1, 2, 3};
    dtq_streamed_vote(weights, 3, 0, 2, votes);
    dtq_streamed_vote(none, 4, 1, 3, votes);
    ck_assert_uint_eq(votes[0], 1 + 51200ull * 51200);
    ck_assert_uint_eq(votes[1], 2 + 14080ull * 14080);
    ck_assert_uint_eq(votes[2], 3);
    dtq_streamed_vote((const uint8_t[]){255, 255, 0}, 3, 1, 1, &votes[2]); /* 2^32 / 511 is rounded down */
    ck_assert_uint_eq(votes[2], 3 + 32703ull * 32703);
}
END_TEST

int main(void) {
    Suite *s = suite_create("streamed");
    TCase *t = tcase_create("streamed");
    tcase_add_test(t, steps_give_the_bits_of_a_pass);
    tcase_add_test(t, no_token_changes_what_an_earlier_one_gives);
    tcase_add_test(t, where_nothing_is_far_it_is_causal_attention);
    tcase_add_test(t, counts_are_those_of_the_pairs);
    tcase_add_test(t, votes_choose_and_token_0_stays);
    tcase_add_test(t, votes_are_squares_of_shares);
    tcase_add_test(t, a_window_keeps_as_many_of_the_newest);
    tcase_add_test(t, draws_are_by_seed_layer_and_head);
    suite_add_tcase(s, t);
    return run_suite(s);
}
