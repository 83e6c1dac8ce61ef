/* cluster-precision: slot orders, what is static, and when the paper's order is left. */
#include "passes/pass_util.h"

static void expect(attention_problem p, bool optimise, size_t layer, const char *order, const char *is_static,
                   const char *segments, const char *bits) {
    pass_case c = pass_attention(p, TO_CLUSTERED, optimise);
    size_t op = find_op(c.m, IR_ATTENTION, layer);
    expect_attr(&c, op, IR_KEY_order, order);
    expect_attr(&c, op, IR_KEY_static_bits, is_static);
    expect_attr(&c, op, IR_KEY_segments, segments);
    expect_attr(&c, op, IR_KEY_q_bits, bits);
    expect_attr(&c, op, IR_KEY_k_bits, bits);
    expect_attr(&c, op, IR_KEY_v_bits, bits);
    expect_attr(&c, op, IR_KEY_p_bits, bits);
    pass_end(&c);
}

START_TEST(policies_choose_the_order) {
    attention_problem p = {.policy = {FIG5_POLICY}};
    expect(p, false, 0, "low-first", "yes", "7*4 2*8", "7*4 2*8");
    p.policy[0] = FIG5_POLICY ", cluster = low-first";
    expect(p, true, 0, "low-first", "yes", "7*4 2*8", "7*4 2*8");
    p.policy[0] = FIG5_POLICY ", cluster = high-first";
    expect(p, true, 0, "high-first", "yes", "2*8 7*4", "2*8 7*4");
    p.policy[0] = "counts = [2, 3, 4], cluster = high-first";
    expect(p, true, 0, "high-first", "yes", "4*8 3*4", "4*8 3*4");
}
END_TEST

/* Without clusters precision is static only if the policy names every token, or all run alike. */
START_TEST(unclustered_is_static_only_by_name) {
    attention_problem p = {.policy = {FIG5_POLICY ", cluster = none"}};
    expect(p, false, 0, "original", "yes", "1*4 1*8 2*4 1*8 4*4", "1*4 1*8 2*4 1*8 4*4");
    p.policy[0] = "token_bits = [2*4, 3*0, 1*8, 3*4], cluster = none";
    expect(p, true, 0, "original", "yes", "2*4 1*8 3*4", "2*4 1*8 3*4");
    p.policy[0] = "counts = [2, 4, 3], cluster = none";
    expect(p, true, 0, "original", "no", "4*4 3*8", "none");
    p.policy[0] = "counts = [2, 7, 0], cluster = none";
    expect(p, true, 0, "original", "yes", "7*4", "7*4");
    p.policy[0] = "counts = [2, 0, 7], cluster = none";
    expect(p, true, 0, "original", "yes", "7*8", "7*8");
    p.policy[0] = "counts = [2, 4, 3], cluster = none";
    p.policy[1] = "counts = [3, 3, 3], cluster = none";
    expect(p, true, 1, "original", "no", "3*4 3*8", "none");
    p.policy[1] = "counts = [3, 3, 3]"; /* clusters are static though the tokens in them are not */
    expect(p, true, 1, "low-first", "yes", "3*4 3*8", "3*4 3*8");
}
END_TEST

/* Seven tokens on a 3 x 3 array: the last tile has one slot. 8-bit first, the 8-bit tokens fill one tile; 4-bit first
 * they take part in two: (8,8,8)(4,4,4)(4) against (4,4,4)(4,8,8)(8). */
START_TEST(low_first_is_kept_unless_it_costs_more) {
    attention_problem p = {.seq = 7, .policy = {"token_bits = [3*8, 4*4]"}};
    expect(p, true, 0, "high-first", "yes", "3*8 4*4", "3*8 4*4");
    expect(p, false, 0, "low-first", "yes", "4*4 3*8", "4*4 3*8"); /* not what -O0 is for */
    p.policy[0] = "token_bits = [3*8, 4*4], cluster = low-first";
    expect(p, true, 0, "high-first", "yes", "3*8 4*4", "3*8 4*4");
    p.policy[0] = "counts = [0, 4, 3]"; /* no order to compare with */
    expect(p, true, 0, "low-first", "yes", "4*4 3*8", "4*4 3*8");
    p.policy[0] = "token_bits = [1*4, 1*8, 2*4, 1*8, 1*4, 1*8]"; /* original costs more than either */
    expect(p, true, 0, "low-first", "yes", "4*4 3*8", "4*4 3*8");
}
END_TEST

START_TEST(probabilities_run_as_the_machine_says) {
    static const struct {
        const char *machine, *p_bits;
    } cases[] = {{FIG5_MACHINE, "7*4 2*8"},
                 {FIG5_MACHINE "top.prob_bits = 8\n", "9*8"},
                 {FIG5_MACHINE "top.prob_bits = 4\n", "9*4"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        attention_problem p = {.machine = cases[i].machine, .policy = {FIG5_POLICY}};
        pass_case c = pass_attention(p, TO_CLUSTERED, false);
        size_t op = find_op(c.m, IR_ATTENTION, 0);
        expect_attr(&c, op, IR_KEY_q_bits, "7*4 2*8");
        expect_attr(&c, op, IR_KEY_p_bits, cases[i].p_bits);
        pass_end(&c);
    }
}
END_TEST

/* Three 8-bit tokens of ten are cheaper first, in one strip, than last, in two. But shares and counts do not say which
 * tokens they are, so the paper's order stands; token_bits do say. */
START_TEST(shares_of_tokens_name_none) {
    static const char *const policies[][2] = {{"ratios = [0, 700000000, 300000000]", "low-first"},
                                              {"counts = [0, 7, 3]", "low-first"},
                                              {"token_bits = [7*4, 3*8]", "low-first"},
                                              {"token_bits = [3*8, 7*4]", "high-first"}};
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        attention_problem p = {.seq = 10, .machine = FIG5_MACHINE "top.drain = ideal\n", .policy = {policies[i][0]}};
        pass_case c = pass_attention(p, TO_CLUSTERED, true);
        expect_attr(&c, find_op(c.m, IR_ATTENTION, 0), IR_KEY_order, policies[i][1]);
        pass_end(&c);
    }
}
END_TEST

/* Queries without keys stand beside the 4-bit cluster; an original order that is known has them in front. */
START_TEST(muted_slots_stand_apart) {
    static const char *const cases[][2] = {
        {"low-first", "5*4 3*8"},
        {"high-first", "3*8 5*4"},
        {"none", "3*4 1*8 1*4 2*8 1*4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char policy[100];
        snprintf(policy, sizeof policy, "token_bits = [3*0, 1*8, 1*4, 2*8, 1*4], prune = keys, cluster = %s",
                 cases[i][0]);
        attention_problem p = {.seq = 8, .policy = {policy}};
        pass_case c = pass_attention(p, TO_CLUSTERED, false);
        size_t op = find_op(c.m, IR_ATTENTION, 0);
        expect_attr(&c, op, IR_KEY_segments, cases[i][1]);
        expect_attr(&c, op, IR_KEY_q_bits, cases[i][1]);
        layer_info l = layer_read(c.memory, c.m, op);
        ck_assert_uint_eq(l.keys, 5);
        ck_assert_uint_eq(l.key_first, i == 1 ? 0 : 3);
        pass_end(&c);
    }
    pass_refuses((attention_problem){.policy = {"", "counts = [2, 4, 3], prune = keys, cluster = none"}}, TO_CLUSTERED,
                 "t.dtir:13:1: layer 1 prunes keys alone, which needs clusters");
}
END_TEST

IR_MAIN("cluster-precision", muted_slots_stand_apart, policies_choose_the_order, unclustered_is_static_only_by_name,
        low_first_is_kept_unless_it_costs_more, probabilities_run_as_the_machine_says, shares_of_tokens_name_none)
