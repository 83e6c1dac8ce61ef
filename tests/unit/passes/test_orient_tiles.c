/* orient-tiles: by hand, and against the best of all ways to lay strips. DTQ_SEED repeats a random run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"
#include "runtime/machine_members.h"

#define TO_ORIENTED   TO_CLUSTERED " orient-tiles"
#define MACHINE_18x11 "vssa.rows = 18\nvssa.cols = 11\n"

/* 53 tokens at 4 and 39 at 8 bits on 18 x 11 PEs without skew, 64 channels. Upright strips have 4 tiles of 8-bit keys
 * and 5 of 4-bit ones in Q.K^T, 13 units, and 6 tiles of 131 steps in P.V; turned ones 3 and 3, 9 units, and 4 tiles.
 * The 39 high rows fit one upright strip and two turned ones: 2 (13 + 9 + 9) = 62 units; 52 low rows three upright: 39.
 */
START_TEST(by_hand) {
    pass_case c = pass_attention((attention_problem){.seq = 128,
                                                     .head_dim = 64,
                                                     .machine = MACHINE_18x11 "top.drain = ideal\n",
                                                     .policy = {"counts = [36, 53, 39]"}},
                                 TO_ORIENTED, true);
    size_t op = find_op(c.m, IR_ATTENTION, 0);
    expect_attr(&c, op, IR_KEY_order, "high-first");
    expect_attr(&c, op, IR_KEY_segments, "39*8 53*4");
    expect_attr(&c, op, IR_KEY_q_bits, "39*8 53*4");
    layer_info l = layer_read(c.memory, c.m, op);
    uint32_t turned = 0;
    for (uint32_t i = 0; i < 92; i++)
        turned += l.turned[i];
    ck_assert_uint_eq(turned, 22);
    cost_model *cost = cost_new(c.memory, c.m->machine);
    ck_assert_uint_eq(layer_price(cost, c.m->machine, &l, true, 0, 92, 0, 92).cycles, 64 * (62 + 39));
    ck_assert_uint_eq(layer_price(cost, c.m->machine, &l, false, 0, 92, 0, 92).cycles, 131 * (2 * (6 + 4 + 4) + 3 * 6));
    ck_assert(remarked(&c, "layer 0: 8-bit cluster first, 22 of 92 query rows along the array's columns"));
    pass_end(&c);
}
END_TEST

START_TEST(what_gains_nothing_stays) {
    static const attention_problem problems[] = {
        {.machine = FIG5_MACHINE "top.drain = ideal\n", .policy = {FIG5_POLICY}}, /* square, the orders cost the same */
        {.machine = "vssa.rows = 3\nvssa.cols = 4\n", .policy = {FIG5_POLICY ", cluster = none"}},
        {.seq = 12,
         .head_dim = 12,
         .machine = "vssa.rows = 4\nvssa.cols = 3\ntop.drain = ideal\n",
         .policy = {"counts = [0, 12, 0]"}},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        pass_case c = pass_attention(problems[i], TO_CLUSTERED, true);
        arena *a = arena_new();
        size_t op = find_op(c.m, IR_ATTENTION, 0);
        const char *order = arena_strdup(a, ir_str(c.m, op, IR_KEY_order));
        ck_assert(pass_run(&c, "orient-tiles", true));
        ck_assert_str_eq(ir_str(c.m, op, IR_KEY_order), order);
        expect_attr(&c, op, IR_KEY_turned_rows, "none");
        expect_attr(&c, op, IR_KEY_tile_order, "none");
        pass_end(&c);
        arena_free(a);
    }
}
END_TEST

/* With a policy that names the first cluster the order is kept; rows may still turn. */
START_TEST(an_order_that_is_asked_for_stays) {
    pass_case c = pass_attention((attention_problem){.seq = 128,
                                                     .head_dim = 64,
                                                     .machine = MACHINE_18x11,
                                                     .policy = {"counts = [36, 53, 39], cluster = high-first"}},
                                 TO_ORIENTED, true);
    expect_attr(&c, find_op(c.m, IR_ATTENTION, 0), IR_KEY_order, "high-first");
    pass_end(&c);
}
END_TEST

/* ---- the best there is ------------------------------------------------------------------------------------------- */

typedef struct {
    arena *memory;
    const dtq_machine *machine;
    cost_model *cost;
    layer_info l;
    uint64_t best;
} search;

static uint64_t both(search *s) {
    uint32_t n = s->l.slots;
    return layer_price(s->cost, s->machine, &s->l, true, 0, n, 0, n).cycles +
           layer_price(s->cost, s->machine, &s->l, false, 0, n, 0, n).cycles;
}

/* Every way to lay strips from slot `row` on. */
static void lay(search *s, uint32_t row) {
    if (row == s->l.slots) {
        for (int serpentine = 0; serpentine < 2; serpentine++) {
            s->l.serpentine = serpentine;
            uint64_t cycles = both(s);
            s->best = cycles < s->best ? cycles : s->best;
        }
        return;
    }
    for (uint8_t turned = 0; turned < 2; turned++) {
        uint32_t height = (uint32_t)(turned ? s->machine->vssa_cols : s->machine->vssa_rows);
        uint32_t end = s->l.slots - row < height ? s->l.slots : row + height;
        memset(s->l.turned + row, turned, end - row);
        lay(s, end);
    }
}

static uint64_t best_of_all(search *s, uint32_t high) {
    uint32_t n = s->l.slots;
    s->best = UINT64_MAX;
    s->l.turned = arena_alloc(s->memory, n);
    for (int high_first = 0; high_first < 2; high_first++) {
        for (int o = 0; o < LAYER_OPERANDS; o++) {
            memset(s->l.bits[o], 4, n);
            memset(s->l.bits[o] + (high_first ? 0 : n - high), 8, high);
        }
        lay(s, 0);
    }
    return s->best;
}

START_TEST(near_the_best_of_all) {
    enum { CASES = 300 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 5};
    printf("orient-tiles: seed %llu\n", (unsigned long long)source.state);
    double excess = 0, worst = 0;
    for (int i = 0; i < CASES; i++) {
        arena *a = arena_new();
        uint32_t n = random_in(&source, 4, 27), high = random_in(&source, 1, n - 1);
        const char *machine =
            arena_printf(a, "vssa.rows = %u\nvssa.cols = %u\n", random_in(&source, 4, 9), random_in(&source, 4, 9));
        const char *policy = arena_printf(a, "counts = [0, %u, %u]", n - high, high);
        uint32_t dim = 8u << random_in(&source, 0, 2);
        pass_case c = pass_attention(
            (attention_problem){.seq = n, .head_dim = dim, .machine = machine, .policy = {policy}}, TO_ORIENTED, true);
        search s = {.memory = a, .machine = c.m->machine, .cost = cost_new(a, c.m->machine)};
        s.l = layer_read(a, c.m, find_op(c.m, IR_ATTENTION, 0));
        uint64_t got = both(&s), best = best_of_all(&s, high);
        ck_assert_uint_ge(got, best);
        excess += (double)got / (double)best - 1;
        worst = (double)got / (double)best - 1 > worst ? (double)got / (double)best - 1 : worst;
        pass_end(&c);
        arena_free(a);
    }
    printf("orient-tiles: %.2f %% above the best of all on average, at most %.1f %%\n", 100 * excess / (double)CASES,
           100 * worst);
    ck_assert_double_le(excess / (double)CASES, 0.03);
}
END_TEST

IR_MAIN("orient-tiles", by_hand, what_gains_nothing_stays, an_order_that_is_asked_for_stays, near_the_best_of_all)
