/* snap-precision: promotions that cost no cycle, and none else. DTQ_SEED repeats a random run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"

static void expect_bits(attention_problem p, const char *q, const char *k, const char *v, const char *probs) {
    pass_case c = pass_attention(p, TO_CLUSTERED " snap-precision", true);
    size_t op = find_op(c.m, IR_ATTENTION, 0);
    expect_attr(&c, op, IR_KEY_q_bits, q);
    expect_attr(&c, op, IR_KEY_k_bits, k);
    expect_attr(&c, op, IR_KEY_v_bits, v);
    expect_attr(&c, op, IR_KEY_p_bits, probs);
    pass_end(&c);
}

/* Fig. 5: slot 6 shares its tile with the 8-bit slots 7 and 8. Without skew its promotion costs nothing: q, k, p. V
 * stays, since P.V takes a step for each value. */
START_TEST(a_mixed_tile_is_filled) {
    expect_bits((attention_problem){.machine = FIG5_MACHINE "top.drain = ideal\n", .policy = {"counts = [0, 7, 2]"}},
                "6*4 3*8", "6*4 3*8", "7*4 2*8", "6*4 3*8");
    expect_bits((attention_problem){.machine = FIG5_MACHINE "top.drain = ideal\n",
                                    .policy = {"counts = [0, 7, 2], cluster = high-first"}},
                "3*8 6*4", "3*8 6*4", "2*8 7*4", "3*8 6*4");
    /* a fixed precision of probabilities: only queries and keys */
    expect_bits((attention_problem){.machine = FIG5_MACHINE "top.drain = ideal\ntop.prob_bits = 4\n",
                                    .policy = {"counts = [0, 7, 2]"}},
                "6*4 3*8", "6*4 3*8", "7*4 2*8", "9*4");
    /* the last strip is partial: high-first stops at the end of the slots */
    expect_bits((attention_problem){.seq = 5,
                                    .machine = FIG5_MACHINE "top.drain = ideal\n",
                                    .policy = {"counts = [0, 1, 4], cluster = high-first"}},
                "5*8", "5*8", "4*8 1*4", "5*8");
}
END_TEST

START_TEST(what_must_not_be_promoted_is_not) {
    const char *machine = FIG5_MACHINE "top.drain = ideal\n";
    static const char *const policies[][2] = {
        {FIG5_POLICY ", promote = none", "7*4 2*8"},
        {FIG5_POLICY ", promote = none, cluster = none", "1*4 1*8 2*4 1*8 4*4"},
        {FIG5_POLICY ", cluster = none", "1*4 1*8 2*4 1*8 4*4"},
        {"counts = [0, 6, 3]", "6*4 3*8"}, /* the edge is a tile's edge */
        {"counts = [0, 9, 0]", "9*4"},
        {"counts = [0, 0, 9]", "9*8"},
        {"counts = [0, 7, 2], cluster = none", "none"},
    };
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        expect_bits((attention_problem){.machine = machine, .policy = {policies[i][0]}}, policies[i][1], policies[i][1],
                    policies[i][1], policies[i][1]);
}
END_TEST

/* Bytes of more precise rows: with a DRAM so slow that loads limit the layer, nothing is promoted. */
START_TEST(a_promotion_that_makes_loads_the_limit_is_taken_back) {
    expect_bits((attention_problem){.machine = FIG5_MACHINE "top.drain = ideal\ndram.gb_per_s = 0.01\n",
                                    .policy = {"counts = [0, 7, 2]"}},
                "7*4 2*8", "7*4 2*8", "7*4 2*8", "7*4 2*8");
}
END_TEST

static uint64_t cycles(pass_case *c, const layer_info *l, bool qk) {
    cost_model *cost = cost_new(c->memory, c->m->machine);
    return layer_price(cost, c->m->machine, l, qk, 0, l->slots, 0, l->slots).cycles;
}

START_TEST(random_layers_never_take_a_cycle_more) {
    enum { CASES = 300 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 5};
    printf("snap-precision: seed %llu\n", (unsigned long long)source.state);
    unsigned promoted = 0, mixed = 0;
    for (int i = 0; i < CASES; i++) {
        pass_case c = {.memory = arena_new()};
        c.d = diag_new(c.memory, NULL);
        random_problem p = random_problem_new(c.memory, &source, false);
        p.cluster = i % 2 ? "low-first" : "high-first";
        c.m = random_problem_graph(c.memory, &p);
        ir_set_str(c.m, find_op(c.m, IR_ATTENTION, 0), IR_KEY_promote, "free");
        ck_assert(pass_run(&c, i % 3 ? TO_CLUSTERED " orient-tiles" : TO_CLUSTERED, true));
        layer_info before = first_layer(&c);
        ck_assert(pass_run(&c, "snap-precision", true));
        layer_info after = first_layer(&c);
        ck_assert(before.is_static && after.is_static);
        ck_assert_msg(cycles(&c, &after, true) <= cycles(&c, &before, true), "case %d: Q.K^T", i);
        ck_assert_msg(cycles(&c, &after, false) <= cycles(&c, &before, false), "case %d: P.V", i);
        mixed += before.high && before.high < before.slots;
        for (int operand = 0; operand < LAYER_OPERANDS; operand++)
            for (uint32_t s = 0; s < before.slots; s++) {
                ck_assert_uint_ge(after.bits[operand][s], before.bits[operand][s]);
                promoted += after.bits[operand][s] != before.bits[operand][s];
            }
        ck_assert_mem_eq(after.bits[LAYER_V], before.bits[LAYER_V], before.slots);
        ck_assert_uint_eq(after.high, before.high);
        pass_end(&c);
    }
    ck_assert_uint_gt(mixed, CASES / 3);
    ck_assert_uint_gt(promoted, 50);
}
END_TEST

IR_MAIN("snap-precision", a_mixed_tile_is_filled, what_must_not_be_promoted_is_not,
        a_promotion_that_makes_loads_the_limit_is_taken_back, random_layers_never_take_a_cycle_more)
