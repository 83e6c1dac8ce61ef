/* The plan of a layer: every row of every head once, within the buffers, or a message. DTQ_SEED repeats a run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"
#include "passes/plan.h"
#include "runtime/machine_members.h"

typedef struct {
    pass_case c;
    layer_info l;
    layer_plan plan;
    bool planned;
} planned_layer;

static planned_layer plan_module(pass_case c, bool optimise) {
    planned_layer p = {.c = c, .l = first_layer(&c)};
    pass_context ctx = {.arena = c.memory, .diag = c.d, .cost = cost_new(c.memory, c.m->machine), .optimise = optimise};
    src_loc loc = {.file = "t.dtir", .line = 12, .col = 1};
    strip_list strips = plan_strips(c.memory, c.m->machine, &p.l);
    p.planned = plan_layer(&ctx, c.m->machine, &p.l, &strips, (plan_followers){0}, loc, &p.plan);
    return p;
}

static planned_layer plan_attention(attention_problem problem, bool optimise) {
    return plan_module(pass_attention(problem, TO_ORDERED, optimise), optimise);
}

static uint64_t bytes_of(const layer_info *l, int operand, uint32_t row, uint32_t rows) {
    bool classes = operand == LAYER_V && !l->causal;
    if (l->is_static)
        return cost_block_bytes(l->bits[operand] + row, rows, l->head_dim, classes);
    return (uint64_t)rows * l->head_dim + (classes ? 8ull * l->head_dim : 4ull * rows);
}

/** Every buffer that a unit needs fits by itself. */
static void check_buffers(const planned_layer *p, int i) {
    const dtq_machine *m = p->c.m->machine;
    const layer_info *l = &p->l;
    for (uint32_t chunk = 0; chunk < p->plan.chunks; chunk++) {
        uint32_t row = p->plan.chunk[chunk].row, rows = p->plan.chunk[chunk].rows;
        ck_assert_msg(bytes_of(l, LAYER_Q, row, rows) <= m->buffers_q, "case %d: q", i);
        ck_assert_msg(cost_probs_bytes(rows, l->slots, l->causal) <= m->buffers_probs, "case %d: probs", i);
        ck_assert_msg(cost_scores_bytes(rows, p->plan.block) <= m->buffers_scores, "case %d: scores", i);
        ck_assert_msg(cost_out_bytes(rows, l->head_dim, p->plan.blocks == 1) <= m->buffers_out, "case %d: out", i);
    }
    if (p->plan.keeps_scores)
        ck_assert_msg(buffer_fit(cost_scores_bytes(p->plan.chunk[0].rows, p->plan.block), m->buffers_scores) >=
                          (uint64_t)p->plan.blocks * p->plan.wave,
                      "case %d: scores of all blocks", i);
    for (uint32_t col = 0; col < l->slots; col += p->plan.block) {
        uint32_t cols = l->slots - col < p->plan.block ? l->slots - col : p->plan.block;
        ck_assert_msg(bytes_of(l, LAYER_K, col, cols) <= m->buffers_k, "case %d: k", i);
        uint64_t values = p->plan.keeps_values ? p->plan.blocks
                          : p->plan.pipelined  ? 2 /* P.V of a block runs under softmax of the next */
                                               : 1,
                 heads = p->plan.wave ? p->plan.wave_heads : 1;
        ck_assert_msg(buffer_fit(bytes_of(l, LAYER_K, col, cols), m->buffers_k) >= heads, "case %d: k of all", i);
        ck_assert_msg(buffer_fit(bytes_of(l, LAYER_V, col, cols), m->buffers_v) >= values * heads, "case %d: v", i);
    }
}

/** Chunks cut the rows, and each chunk of each head has its Q.K^T once and then its P.V once. */
static void check_cover(const planned_layer *p, int i) {
    const layer_plan *plan = &p->plan;
    uint32_t next = 0;
    for (uint32_t c = 0; c < plan->chunks; c++) {
        ck_assert_msg(plan->chunk[c].rows > 0, "case %d: chunk %u is empty", i, c);
        ck_assert_uint_eq(plan->chunk[c].row, next);
        next += plan->chunk[c].rows;
    }
    ck_assert_uint_eq(next, p->l.slots);
    ck_assert_uint_ge((uint64_t)plan->block * plan->blocks, p->l.slots);
    ck_assert_uint_lt((uint64_t)plan->block * (plan->blocks - 1), p->l.slots);
    size_t units = (size_t)p->l.heads * plan->chunks, scores = 0, outputs = 0;
    uint8_t *state = ARENA_ARRAY(p->c.memory, uint8_t, units);
    for (size_t s = 0; s < plan->step_count; s++) {
        const plan_step *step = &plan->steps[s];
        ck_assert_uint_lt(step->head, p->l.heads);
        ck_assert_uint_lt(step->chunk, plan->chunks);
        ck_assert_uint_lt(step->array, p->c.m->machine->vssa_arrays);
        uint8_t *unit = &state[(size_t)step->head * plan->chunks + step->chunk];
        ck_assert_msg(*unit == (step->kind == PLAN_PV ? 1 : 0), "case %d: step %zu", i, s);
        *unit = step->kind == PLAN_QK ? 1 : 2;
        scores += step->kind != PLAN_PV;
        outputs += step->kind != PLAN_QK;
    }
    ck_assert_uint_eq(scores, units);
    ck_assert_uint_eq(outputs, units);
}

/** No more units under way than their probabilities have buffers. */
static void check_under_way(const planned_layer *p) {
    uint32_t rows = 0;
    for (uint32_t c = 0; c < p->plan.chunks; c++)
        rows = p->plan.chunk[c].rows > rows ? p->plan.chunk[c].rows : rows;
    uint64_t most = buffer_fit(cost_probs_bytes(rows, p->l.slots, p->l.causal), p->c.m->machine->buffers_probs);
    uint64_t under_way = 0;
    for (size_t s = 0; s < p->plan.step_count; s++) {
        under_way += p->plan.steps[s].kind == PLAN_QK;
        ck_assert_uint_le(under_way, most);
        under_way -= p->plan.steps[s].kind == PLAN_PV;
    }
}

START_TEST(random_plans_cover_everything_and_fit) {
    enum { CASES = 400 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 11};
    printf("plan: seed %llu\n", (unsigned long long)source.state);
    unsigned whole = 0, blocks = 0, kept = 0, refused = 0;
    for (int i = 0; i < CASES; i++) {
        pass_case c = {.memory = arena_new()};
        c.d = diag_new(c.memory, NULL);
        random_problem problem = random_problem_new(c.memory, &source, i % 2);
        problem.cluster = i % 3 ? "low-first" : "none";
        c.m = random_problem_graph(c.memory, &problem);
        if (i % 6 == 3) { /* precision known only at run time */
            size_t op = find_op(c.m, IR_ATTENTION, 0);
            int64_t counts[3] = {0};
            for (uint32_t t = 0; t < problem.tokens; t++)
                counts[problem.bits[t] / 4]++;
            ir_unset(c.m, op, IR_KEY_token_bits);
            ir_set_ints(c.m, op, IR_KEY_counts, counts, 3);
        }
        ck_assert(pass_run(&c, TO_ORDERED, problem.optimise));
        planned_layer p = plan_module(c, problem.optimise);
        if (p.planned) {
            check_cover(&p, i);
            check_buffers(&p, i);
            check_under_way(&p);
            whole += p.plan.blocks == 1;
            blocks += p.plan.blocks > 1;
            kept += p.plan.keeps_scores;
        } else {
            ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT);
            refused++;
        }
        pass_end(&c);
    }
    ck_assert_uint_gt(whole, CASES / 3);
    ck_assert_uint_gt(blocks, CASES / 20);
    ck_assert_uint_gt(kept, 0);
    ck_assert_uint_lt(refused, CASES / 3);
}
END_TEST

/* One array and room for everything: -O0 does not cut. Three arrays: a strip each. */
START_TEST(rows_are_cut_for_the_arrays) {
    planned_layer p = plan_attention((attention_problem){.policy = {FIG5_POLICY}}, false);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.chunks, 1);
    ck_assert_uint_eq(p.plan.step_count, 2);
    pass_end(&p.c);
    p = plan_attention(
        (attention_problem){.seq = 90, .head_dim = 64, .machine = FIG5_MACHINE "vssa.arrays = 3\n", .policy = {""}},
        true);
    ck_assert(p.planned);
    ck_assert_uint_ge(p.plan.chunks, 3);
    bool used[3] = {false};
    for (size_t s = 0; s < p.plan.step_count; s++)
        used[p.plan.steps[s].array] = true;
    ck_assert(used[0] && used[1] && used[2]);
    for (uint32_t chunk = 0; chunk < p.plan.chunks; chunk++)
        ck_assert_uint_eq(p.plan.chunk[chunk].row % 3, 0); /* whole strips */
    pass_end(&p.c);
}
END_TEST

/* Nine keys of 4 bytes of scale and 4 of codes take 72 bytes. In 64 there is room for a pair of blocks of 4 keys, cut
 * to a whole tile; a strip at a time, since all its probabilities stay. */
START_TEST(keys_that_do_not_fit_come_in_blocks) {
    planned_layer p =
        plan_attention((attention_problem){.machine = FIG5_MACHINE "buffers.k = 64\n", .policy = {""}}, false);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.block, 3);
    ck_assert_uint_eq(p.plan.blocks, 3);
    ck_assert_uint_eq(p.plan.chunks, 3);
    ck_assert_uint_eq(p.plan.step_count, 3);
    for (size_t s = 0; s < 3; s++)
        ck_assert_uint_eq(p.plan.steps[s].kind, PLAN_ALL);
    pass_end(&p.c);
}
END_TEST

/* Two arrays take a strip each of the same keys; the third strip has the second wave for itself. With room for the
 * probabilities of one strip there are no waves. */
START_TEST(strips_of_a_wave_meet_keys_together) {
    attention_problem problem = {.machine = FIG5_MACHINE "buffers.k = 64\nvssa.arrays = 2\n", .policy = {""}};
    planned_layer p = plan_attention(problem, false);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.wave, 2);
    ck_assert_uint_eq(plan_wave_end(&p.plan, &p.l, 0), 2);
    ck_assert_uint_eq(plan_wave_end(&p.plan, &p.l, 2), 3);
    ck_assert_uint_ne(p.plan.steps[0].array, p.plan.steps[1].array);
    pass_end(&p.c);
    problem.machine = FIG5_MACHINE "buffers.k = 64\nvssa.arrays = 2\nbuffers.probs = 80\n";
    p = plan_attention(problem, false);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.wave, 1);
    ck_assert_uint_eq(plan_wave_end(&p.plan, &p.l, 0), 1);
    pass_end(&p.c);
}
END_TEST

/* The keys of one of four heads fit, and its three strips are fewer than twelve arrays: a wave takes a block of each
 * head. Its scores stay between the passes while there is room for those of all blocks. At -O0 heads follow one
 * another. */
START_TEST(strips_of_several_heads_share_a_wave) {
    attention_problem problem = {
        .machine = FIG5_MACHINE "buffers.k = 4700\nvssa.arrays = 12\n", .policy = {""}, .heads = 4, .head_dim = 512};
    planned_layer p = plan_attention(problem, true);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.blocks, 5);
    ck_assert_uint_eq(p.plan.wave_heads, 4);
    ck_assert_uint_eq(p.plan.wave, 12);
    ck_assert_uint_eq(plan_wave_end(&p.plan, &p.l, 0), 12);
    ck_assert(p.plan.keeps_scores);
    bool busy[12] = {false};
    for (size_t s = 0; s < 12; s++) {
        ck_assert(!busy[p.plan.steps[s].array]);
        busy[p.plan.steps[s].array] = true;
    }
    pass_end(&p.c);
    p = plan_attention(problem, false);
    ck_assert_uint_eq(p.plan.blocks, 1);
    ck_assert_uint_eq(p.plan.wave, 0);
    pass_end(&p.c);
    problem = (attention_problem){.machine = FIG5_MACHINE "buffers.k = 64\n", .policy = {""}};
    p = plan_attention(problem, true);
    ck_assert(p.plan.keeps_scores);
    pass_end(&p.c);
    problem.machine = FIG5_MACHINE "buffers.k = 64\nbuffers.scores = 128\n";
    p = plan_attention(problem, true);
    ck_assert_uint_eq(p.plan.blocks, 3);
    ck_assert(!p.plan.keeps_scores);
    pass_end(&p.c);
}
END_TEST

/* 60 bytes of values hold the class scales and 7 keys, cut to two tiles of 3, once: P.V of a block must be over before
 * the next one comes. */
START_TEST(one_block_of_values_is_not_pipelined) {
    planned_layer p =
        plan_attention((attention_problem){.machine = FIG5_MACHINE "buffers.v = 60\n", .policy = {""}}, false);
    ck_assert(p.planned);
    ck_assert(!p.plan.pipelined);
    ck_assert_uint_eq(p.plan.block, 6);
    ck_assert_uint_eq(p.plan.blocks, 2);
    pass_end(&p.c);
    p = plan_attention((attention_problem){.machine = FIG5_MACHINE "buffers.k = 64\n", .policy = {""}}, false);
    ck_assert(p.plan.pipelined);
    pass_end(&p.c);
}
END_TEST

/* Probabilities of a row take 16 + 9 bytes. In 128 there is room for one buffer of three rows or, a multiple of 64
 * apart, two of two: one array is busiest with three rows, two arrays with two rows each. */
START_TEST(rows_of_a_block_keep_the_most_pes_busy) {
    attention_problem problem = {.machine = FIG5_MACHINE "buffers.k = 64\nbuffers.probs = 128\n", .policy = {""}};
    planned_layer p = plan_attention(problem, false);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.chunk[0].rows, 3);
    pass_end(&p.c);
    problem.machine = FIG5_MACHINE "buffers.k = 64\nbuffers.probs = 128\nvssa.arrays = 2\n";
    p = plan_attention(problem, false);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.chunk[0].rows, 2);
    pass_end(&p.c);
}
END_TEST

START_TEST(what_cannot_be_split_says_how_much_is_missing) {
    static const struct {
        const char *machine, *message;
    } cases[] = {
        {FIG5_MACHINE "buffers.probs = 10\n", "t.dtir:13:1: layer 0 does not fit: one row of probabilities of 9 tokens "
                                              "takes 25 bytes, buffers.probs has 10; "
                                              "15 bytes are missing and nothing is left to split"},
        {FIG5_MACHINE "buffers.out = 9\n",
         "t.dtir:13:1: layer 0 does not fit: one row of output of 9 tokens takes 32 bytes, buffers.out has 9; 23 "
         "bytes are missing"},
        {FIG5_MACHINE "buffers.q = 7\n", "t.dtir:13:1: layer 0 does not fit: one query of 9 tokens takes 8 bytes, "
                                         "buffers.q has 7; 1 bytes are missing"},
        {FIG5_MACHINE "buffers.k = 7\n",
         "t.dtir:13:1: layer 0 does not fit: one key of 9 tokens takes 8 bytes, buffers.k has 7; 1 bytes are missing"},
        {FIG5_MACHINE "buffers.v = 30\n",
         "t.dtir:13:1: layer 0 does not fit: one value of 9 tokens takes 36 bytes, buffers.v has 30; 6 bytes are "
         "missing"},
        {FIG5_MACHINE "buffers.scores = 11\n",
         "t.dtir:13:1: layer 0 does not fit: one score of 9 tokens takes 12 bytes, buffers.scores has 11; 1 bytes are "
         "missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        pass_refuses((attention_problem){.machine = cases[i].machine, .policy = {""}}, TO_SCHEDULE, cases[i].message);
}
END_TEST

/* Causal softmax needs the values: 72 bytes of one head fit, those of two do not, so a head ends before the next. */
START_TEST(values_of_one_head_make_way_for_the_next) {
    attention_problem problem = {
        .heads = 3, .mask = "causal", .machine = FIG5_MACHINE "buffers.v = 100\n", .policy = {""}};
    planned_layer p = plan_attention(problem, true);
    ck_assert(p.planned);
    ck_assert_uint_eq(p.plan.blocks, 1);
    for (size_t s = 1; s < p.plan.step_count; s++)
        ck_assert_msg(p.plan.steps[s].head == p.plan.steps[s - 1].head ||
                          (p.plan.steps[s - 1].kind == PLAN_PV && p.plan.steps[s].kind == PLAN_QK),
                      "step %zu", s);
    pass_end(&p.c);
    p.c = pass_attention(problem, TO_TIMELINE, true); /* and so there is room for all */
    pass_end(&p.c);
}
END_TEST

/* Values of one channel and their scales take five bytes a key: in two buffers of 64 there is room for 12 keys each. */
START_TEST(causal_values_carry_a_scale_for_each_key) {
    attention_problem problem = {
        .seq = 40, .head_dim = 1, .mask = "causal", .machine = FIG5_MACHINE "buffers.v = 128\n", .policy = {""}};
    planned_layer p = plan_attention(problem, false);
    ck_assert(p.planned && p.plan.pipelined);
    ck_assert_uint_eq(p.plan.block, 12);
    pass_end(&p.c);
    p.c = pass_attention(problem, TO_TIMELINE, false);
    pass_end(&p.c);
}
END_TEST

IR_MAIN("plan", random_plans_cover_everything_and_fit, rows_are_cut_for_the_arrays, keys_that_do_not_fit_come_in_blocks,
        strips_of_a_wave_meet_keys_together, strips_of_several_heads_share_a_wave, one_block_of_values_is_not_pipelined,
        rows_of_a_block_keep_the_most_pes_busy, what_cannot_be_split_says_how_much_is_missing,
        values_of_one_head_make_way_for_the_next, causal_values_carry_a_scale_for_each_key)
