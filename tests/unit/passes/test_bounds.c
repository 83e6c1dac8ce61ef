/* bounds: ((sum c_q)(sum c_k) + (sum c_p)(sum c_v)) d heads / PEs, c = bits / 4. */
#include "passes/pass_util.h"

static void expect_bound(attention_problem p, const char *passes, int cycles) {
    pass_case c = pass_attention(p, passes, true);
    ck_assert_int_eq(ir_int(c.m, find_op(c.m, IR_ATTENTION, 0), IR_KEY_bound_cycles, -1), cycles);
    pass_end(&c);
}

START_TEST(work_over_pes) {
    const char *passes = TO_ORDERED " bounds";
    attention_problem p = {.head_dim = 9, .policy = {FIG5_POLICY}};
    expect_bound(p, passes, 242); /* 7 at 1 and 2 at 2: 11 * 11 * 9 * 2 / 9 */
    p.heads = 3;
    expect_bound(p, passes, 726);
    p.machine = FIG5_MACHINE "vssa.arrays = 2\n";
    expect_bound(p, passes, 363);
    p.machine = "vssa.rows = 4\nvssa.cols = 5\n";
    p.heads = 1;
    expect_bound(p, passes, 109); /* 2178 / 20 = 108.9, rounded up */
    p.machine = FIG5_MACHINE "top.prob_bits = 8\n";
    expect_bound(p, passes, 319); /* 121 + 18 * 11 */
    p.machine = FIG5_MACHINE "top.prob_bits = 4\n";
    expect_bound(p, passes, 220); /* 121 + 9 * 11 */
    p.machine = FIG5_MACHINE;
    p.policy[0] = "token_bits = [3*0, 4*4, 2*8]";
    expect_bound(p, passes, 128); /* 8 * 8 * 2 */
    p.policy[0] = "token_bits = [3*0, 4*4, 2*8], prune = keys";
    expect_bound(p, passes, 176); /* (8 + 3) * 8 * 2 */
    p.mask = "causal";
    p.policy[0] = "token_bits = [3*0, 4*4, 2*8], queries = 1";
    expect_bound(p, passes, 32); /* 2 * 8 * 2 */
}
END_TEST

/* The work depends on counts alone, and promotions are no work that the policy asks for. */
START_TEST(neither_order_nor_promotion_changes_it) {
    attention_problem p = {.head_dim = 9, .policy = {"counts = [0, 7, 2], cluster = none"}};
    expect_bound(p, TO_ORDERED " bounds", 242);
    p.policy[0] = "counts = [0, 7, 2]";
    p.machine = FIG5_MACHINE "top.drain = ideal\n";
    expect_bound(p, TO_CLUSTERED " snap-precision reorder-tokens bounds", 242);
}
END_TEST

IR_MAIN("bounds", work_over_pes, neither_order_nor_promotion_changes_it)
