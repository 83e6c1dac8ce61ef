/* reorder-tokens: which token sits in which slot. */
#include "passes/pass_util.h"

static void expect_ids(const char *policy, const char *ids) {
    pass_case c = pass_attention((attention_problem){.policy = {policy}}, TO_ORDERED, false);
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 0), IR_KEY_ids, ids);
    ck_assert(remarked(&c, "layer 0: the permutation is static"));
    pass_end(&c);
}

START_TEST(ids_ascend_inside_a_cluster) {
    expect_ids(FIG5_POLICY, "0 2 3 5 6 7 8 1 4");
    expect_ids(FIG5_POLICY ", cluster = high-first", "1 4 0 2 3 5 6 7 8");
    expect_ids(FIG5_POLICY ", cluster = none", "0 1 2 3 4 5 6 7 8");
    expect_ids("token_bits = [1*8, 2*0, 3*4, 1*0, 2*8]", "3 4 5 0 7 8");
    expect_ids("token_bits = [1*8, 2*0, 3*4, 1*0, 2*8], cluster = high-first", "0 7 8 3 4 5");
    expect_ids("token_bits = [1*8, 2*0, 3*4, 1*0, 2*8], cluster = none", "0 3 4 5 7 8");
    expect_ids("counts = [4, 3, 2], pinned = [8]", "1 2 3 0 8");
    const char *const keys[] = {"low-first", "1 2 6 3 4 5 0 7 8", "high-first", "0 7 8 3 4 5 1 2 6",
                                "none",      "1 2 6 0 3 4 5 7 8"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i += 2) {
        char policy[100];
        snprintf(policy, sizeof policy, "token_bits = [1*8, 2*0, 3*4, 1*0, 2*8], prune = keys, cluster = %s", keys[i]);
        expect_ids(policy, keys[i + 1]);
    }
}
END_TEST

START_TEST(chosen_at_run_time_means_no_ids) {
    pass_case c =
        pass_attention((attention_problem){.policy = {"counts = [1, 4, 4]", "counts = [2, 4, 3]"}}, TO_ORDERED, false);
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 0), IR_KEY_ids, "4 5 6 7 0 1 2 3");
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 1), IR_KEY_ids, "none");
    ck_assert(remarked(&c, "layer 1: the token-id table is written by the top-k of layer 0"));
    pass_end(&c);
}
END_TEST

IR_MAIN("reorder-tokens", ids_ascend_inside_a_cluster, chosen_at_run_time_means_no_ids)
