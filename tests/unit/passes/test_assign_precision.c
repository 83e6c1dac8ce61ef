/* assign-precision: token counts, explicit bits, pinned tokens, and policies that cannot be. */
#include "passes/pass_util.h"

static void expect_counts(attention_problem p, size_t layer, int slots, int high, const char *token_bits) {
    pass_case c = pass_attention(p, TO_ASSIGNED, false);
    size_t op = find_op(c.m, IR_ATTENTION, layer);
    ck_assert_int_eq(ir_int(c.m, op, IR_KEY_slots, -1), slots);
    ck_assert_int_eq(ir_int(c.m, op, IR_KEY_high, -1), high);
    expect_attr(&c, op, IR_KEY_token_bits, token_bits);
    pass_end(&c);
}

/* The paper's example: 0.28, 0.414 and 0.306 of 128 tokens are 36, 53 and 39. */
START_TEST(ratios_round_to_counts) {
    expect_counts((attention_problem){.seq = 128, .policy = {"ratios = [280000000, 414000000, 306000000]"}}, 0, 92, 39,
                  "39*8 53*4 36*0");
    expect_counts((attention_problem){.seq = 10, .policy = {"ratios = [160000000, 460000000, 380000000]"}}, 0, 8, 4,
                  "4*8 4*4 2*0");
    /* halves to even: 2.5 -> 2 pruned, 0.5 -> 0 high */
    expect_counts((attention_problem){.seq = 5, .policy = {"ratios = [500000000, 400000000, 100000000]"}}, 0, 3, 0,
                  "3*4 2*0");
    /* 1.5 pruned and 1.5 high of 3 would both round up: the kept one is high */
    expect_counts((attention_problem){.seq = 3, .policy = {"ratios = [500000000, 0, 500000000]"}}, 0, 1, 1, "1*8 2*0");
}
END_TEST

START_TEST(counts_bits_and_no_policy_are_taken_as_they_are) {
    expect_counts((attention_problem){.policy = {"counts = [2, 4, 3]"}}, 0, 7, 3, "3*8 4*4 2*0");
    expect_counts((attention_problem){.policy = {FIG5_POLICY}}, 0, 9, 2, "1*4 1*8 2*4 1*8 4*4");
    expect_counts((attention_problem){.policy = {"token_bits = [3*0, 2*8, 4*0]"}}, 0, 2, 2, "3*0 2*8 4*0");
    expect_counts((attention_problem){.policy = {""}}, 0, 9, 9, "9*8");
}
END_TEST

START_TEST(pinned_tokens_take_the_first_places) {
    expect_counts((attention_problem){.policy = {"counts = [2, 5, 2], pinned = [5, 8]"}}, 0, 7, 2, "5*4 1*8 2*0 1*8");
    /* more pinned tokens than places at 8 bits: the rest are kept at 4 */
    expect_counts((attention_problem){.policy = {"counts = [6, 2, 1], pinned = [6, 7, 8]"}}, 0, 3, 1, "6*0 1*8 2*4");
}
END_TEST

/* After a layer that prunes or mixes, importance decides; where nothing is left to decide, it is known now. */
START_TEST(later_layers_are_chosen_at_run_time_or_derived) {
    attention_problem p = {.policy = {"counts = [2, 4, 3]", "counts = [3, 4, 2]"}};
    expect_counts(p, 1, 6, 2, "none");
    p.policy[1] = "counts = [2, 4, 3]"; /* as many, but which at 8 bits? */
    expect_counts(p, 1, 7, 3, "none");
    p.policy[1] = "counts = [2, 7, 0]"; /* the same tokens, all at 4 bits */
    expect_counts(p, 1, 7, 0, "7*4 2*0");
    p.policy[1] = "counts = [2, 0, 7]";
    expect_counts(p, 1, 7, 7, "7*8 2*0");
    p.policy[1] = "token_bits = [1*0, 3*8, 2*4, 3*0]";
    expect_counts(p, 1, 5, 3, "1*0 3*8 2*4 3*0");
    p.policy[1] = "counts = [3, 0, 6]"; /* one leaves: which? and so it stays for the layer after */
    p.policy[2] = "counts = [3, 0, 6]";
    expect_counts(p, 1, 6, 6, "none");
    expect_counts(p, 2, 6, 6, "none");
    pass_case c = pass_attention(p, TO_ASSIGNED, false);
    ck_assert(remarked(&c, "layer 0: 2 tokens pruned, 4 at 4 bits, 3 at 8 bits; which ones is known now"));
    ck_assert(remarked(&c, "layer 1: 3 tokens pruned, 0 at 4 bits, 6 at 8 bits; which ones is chosen at run time"));
    pass_end(&c);
}
END_TEST

/* All tokens stay; those without a key are told by 0 bits. */
START_TEST(pruned_keys_leave_their_queries) {
    attention_problem p = {.policy = {"counts = [2, 4, 3], prune = keys", "counts = [4, 3, 2], prune = keys"}};
    expect_counts(p, 0, 9, 3, "3*8 4*4 2*0");
    expect_counts(p, 1, 9, 2, "none");
    pass_case c = pass_attention(p, TO_ASSIGNED, false);
    ck_assert_int_eq(ir_int(c.m, find_op(c.m, IR_ATTENTION, 0), IR_KEY_muted, 0), 2);
    ck_assert_int_eq(ir_int(c.m, find_op(c.m, IR_ATTENTION, 1), IR_KEY_muted, 0), 4);
    ck_assert(remarked(&c, "layer 1: 4 keys pruned, 3 at 4 bits, 2 at 8 bits"));
    pass_end(&c);
    p.policy[1] = "counts = [4, 3, 2]"; /* and now the rows of all that are pruned */
    expect_counts(p, 1, 5, 2, "none");
    p.policy[0] = "counts = [0, 4, 5], prune = keys";
    c = pass_attention(p, TO_ASSIGNED, false);
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 0), IR_KEY_muted, "none");
    pass_end(&c);
    pass_refuses((attention_problem){.policy = {"counts = [2, 4, 3]", "counts = [2, 4, 3], prune = keys"}}, TO_ASSIGNED,
                 "t.dtir:13:1: layer 1 prunes keys only, but rows were pruned before it; give `prune = keys` to all");
    pass_refuses(
        (attention_problem){.policy = {"counts = [2, 4, 3], prune = keys", "counts = [1, 8, 0], prune = keys"}},
        TO_ASSIGNED, "t.dtir:13:1: layer 1 keeps 8 of 9 tokens, the layer before it only 7");
}
END_TEST

/* The queries of a step are pinned at 8 bits, other tokens are keys or not there. */
START_TEST(steps_pin_their_queries) {
    attention_problem p = {
        .mask = "causal",
        .policy = {"queries = 1", "counts = [4, 3, 2], pinned = [3], queries = 1", "counts = [7, 2, 0], queries = 1"}};
    expect_counts(p, 0, 9, 9, "9*8");
    expect_counts(p, 1, 5, 2, "none");
    expect_counts(p, 2, 2, 1, "none");
    pass_case c = pass_attention(p, TO_ORDERED, false);
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 1), IR_KEY_pinned, "3 8");
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 2), IR_KEY_pinned, "8");
    layer_info l = layer_read(c.memory, c.m, find_op(c.m, IR_ATTENTION, 1));
    ck_assert_uint_eq(l.query_first, 4);
    ck_assert_uint_eq(l.queries, 1);
    ck_assert_uint_eq(l.keys, 5);
    pass_end(&c);
    /* where all are queries the cache is filled, so that no row may leave */
    p.policy[1] = "counts = [4, 3, 2], queries = 9";
    p.policy[0] = "queries = 9";
    p.policy[2] = NULL;
    expect_counts(p, 1, 9, 2, "none");
    /* a sequence of one token keeps it */
    expect_counts(
        (attention_problem){.seq = 1, .mask = "causal", .policy = {"ratios = [900000000, 100000000, 0], queries = 1"}},
        0, 1, 1, "1*8");
    pass_refuses((attention_problem){.mask = "causal", .policy = {"token_bits = [8*8, 1*4], queries = 1"}}, TO_ASSIGNED,
                 "t.dtir:12:1: token 8 is a query of a step and runs at 8 bits, not at 4");
    pass_refuses((attention_problem){.mask = "causal", .policy = {"queries = 10"}}, TO_ASSIGNED,
                 "t.dtir:12:1: `attention`: `queries` is 10; of 9 tokens 1 to 9 can be queries");
    pass_refuses((attention_problem){.policy = {"queries = 1"}}, TO_ASSIGNED,
                 "t.dtir:12:1: `attention`: it has `queries`, of generation, but no causal mask");
}
END_TEST

START_TEST(impossible_policies_are_refused) {
    pass_refuses((attention_problem){.policy = {"token_bits = [8*4]"}}, TO_ASSIGNED,
                 "t.dtir:12:1: `attention`: `token_bits` describes 8 tokens, but there are 9");
    pass_refuses((attention_problem){.policy = {"counts = [9, 0, 0]"}}, TO_ASSIGNED,
                 "t.dtir:12:1: layer 0 keeps none of 9 tokens; keep at least one");
    pass_refuses((attention_problem){.policy = {"token_bits = [9*0]"}}, TO_ASSIGNED,
                 "t.dtir:12:1: layer 0 keeps none of 9 tokens");
    pass_refuses((attention_problem){.policy = {"counts = [2, 4, 3]", "counts = [1, 8, 0]"}}, TO_ASSIGNED,
                 "t.dtir:13:1: layer 1 keeps 8 of 9 tokens, the layer before it only 7: a pruned token cannot come "
                 "back; keep at most 7");
    pass_refuses((attention_problem){.policy = {"counts = [2, 4, 3]", ""}}, TO_ASSIGNED,
                 "t.dtir:13:1: layer 1 keeps 9 of 9 tokens, the layer before it only 7");
    pass_refuses((attention_problem){.policy = {"token_bits = [8*4, 1*0]", "token_bits = [8*0, 1*8]"}}, TO_ASSIGNED,
                 "t.dtir:13:1: token 8 was pruned in an earlier layer and cannot run at 8 bits; give it 0");
    pass_refuses((attention_problem){.policy = {"counts = [2, 4, 3]", "counts = [3, 4, 2]", "token_bits = [5*8, 4*0]"}},
                 TO_ASSIGNED, "t.dtir:14:1: explicit token_bits after a layer whose tokens are chosen at run time");
}
END_TEST

/* Derived from a layer that pruned low ids: the places are for those that are left, pinned or not. */
START_TEST(pruned_tokens_take_no_place_in_later_layers) {
    attention_problem p = {.policy = {"token_bits = [2*0, 5*4, 1*0, 1*8]", "counts = [3, 6, 0]"}};
    expect_counts(p, 1, 6, 0, "2*0 5*4 1*0 1*4");
    p.policy[1] = "counts = [3, 0, 6], pinned = [0, 7]";
    expect_counts(p, 1, 6, 6, "2*0 5*8 1*0 1*8");
}
END_TEST

IR_MAIN("assign-precision", ratios_round_to_counts, counts_bits_and_no_policy_are_taken_as_they_are,
        pinned_tokens_take_the_first_places, later_layers_are_chosen_at_run_time_or_derived,
        pruned_keys_leave_their_queries, steps_pin_their_queries, impossible_policies_are_refused,
        pruned_tokens_take_no_place_in_later_layers)
