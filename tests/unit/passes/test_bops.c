/* bops: MACs x bits x bits, by hand. */
#include "passes/pass_util.h"

static void expect_bops(attention_problem p, const char *passes, int bops) {
    pass_case c = pass_attention(p, passes, true);
    ck_assert_int_eq(ir_int(c.m, find_op(c.m, IR_ATTENTION, 0), IR_KEY_bops, -1), bops);
    pass_end(&c);
}

START_TEST(products_of_bit_sums) {
    const char *passes = TO_ORDERED " bops";
    attention_problem p = {.policy = {FIG5_POLICY}};
    expect_bops(p, passes, 2 * 44 * 44 * 4); /* 7 * 4 + 2 * 8 = 44 bits of tokens, 4 channels, two matmuls */
    p.heads = 6, p.kv_heads = 2, p.head_dim = 5;
    expect_bops(p, passes, 2 * 44 * 44 * 5 * 6);
    p = (attention_problem){.policy = {""}};
    expect_bops(p, passes, 2 * 72 * 72 * 4);
    p.machine = FIG5_MACHINE "top.prob_bits = 4\n";
    expect_bops(p, passes, (72 * 72 + 36 * 72) * 4);
    p.machine = FIG5_MACHINE "top.prob_bits = 8\n";
    p.policy[0] = "counts = [0, 7, 2], cluster = none"; /* precision of a slot known only at run time */
    expect_bops(p, passes, (44 * 44 + 72 * 44) * 4);
    p.machine = FIG5_MACHINE;
    expect_bops(p, passes, 2 * 44 * 44 * 4);
}
END_TEST

/* Promoted slots do work at 8 bits: q, k and p have 6 * 4 + 3 * 8 = 48 bits, v 44. */
START_TEST(promotions_count) {
    expect_bops((attention_problem){.machine = FIG5_MACHINE "top.drain = ideal\n", .policy = {"counts = [0, 7, 2]"}},
                TO_CLUSTERED " snap-precision reorder-tokens bops", (48 * 48 + 48 * 44) * 4);
}
END_TEST

IR_MAIN("bops", products_of_bit_sums, promotions_count)
