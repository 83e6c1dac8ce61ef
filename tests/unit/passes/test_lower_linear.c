/* Linears as instructions: by hand, and any cut that the verifier lets pass gives a sound program of the same bits.
 * DTQ_SEED repeats a random run. */
#include "codegen/random_problem.h"
#include "passes/linear_util.h"

#define FROM_CUT "schedule-tiles lower-schedule allocate-buffers liveness insert-sync timeline"

static dtq_program *program_of(const pass_case *c) {
    dtq_program *p = codegen_program(c->memory, c->d, (const ir_module *const *)&c->m, 1);
    ck_assert_msg(p, "%s", ir_diag_text(c->memory, c->d));
    return p;
}

static void set_cut(pass_case *c, size_t op, const int64_t *edges, const int64_t *turned, size_t chunks,
                    const int64_t blocks[2], int64_t input_block, bool rows_outer) {
    ir_set_ints(c->m, op, IR_KEY_row_edges, edges, chunks + 1);
    ir_set_ints(c->m, op, IR_KEY_turned_chunks, turned, chunks);
    int64_t used[2] = {0}; /* 0 where no chunk lies so */
    for (size_t i = 0; i < chunks; i++)
        used[turned[i]] = blocks[turned[i]];
    ir_set_ints(c->m, op, IR_KEY_output_block, used, 2);
    ir_set_int(c->m, op, IR_KEY_input_block, input_block);
    ir_set_str(c->m, op, IR_KEY_outer, rows_outer ? "rows" : "outputs");
}

static size_t instrs_of(const pass_case *c, const char *source, dtq_opcode code, size_t *ops) {
    size_t count = 0;
    for (size_t op = 0; op < c->m->op_count; op++)
        if (c->m->ops[op].code == IR_INSTR(code) && ir_str(c->m, op, IR_KEY_source) &&
            strcmp(ir_str(c->m, op, IR_KEY_source), source) == 0)
            ops[count++] = op;
    return count;
}

/* Nine rows in two chunks, eight outputs in blocks of 5 and 3, or all of them where rows are turned, eight inputs in
 * two blocks. */
START_TEST(one_linear_by_hand) {
    arena *a = arena_new();
    pass_case c = pass_text(linear_text(a, LINEARS_VSSA FIG5_MACHINE, FIG5_POLICY), TO_CUT_LINEARS, true);
    set_cut(&c, find_op(c.m, IR_LINEAR, 0), (const int64_t[]){0, 7, 9}, (const int64_t[]){0, 1}, 2,
            (const int64_t[]){5, 8}, 4, true);
    ck_assert_msg(pass_run(&c, "schedule-tiles", true), "%s", ir_diag_text(a, c.d));
    size_t ops[64];
    ck_assert_uint_eq(instrs_of(&c, "query", DTQ_OP_CODES, ops), 1);
    expect_attr(&c, ops[0], field_key("weight"), "wq");
    expect_attr(&c, ops[0], field_key("bias"), "bq");
    static const char *const matmuls[][6] = {
        /* flags, row, rows, cols, depth, turned */
        {"first", "0", "7", "5", "4", "none"}, {"last", "0", "7", "5", "4", "none"},
        {"first", "0", "7", "3", "4", "none"}, {"last", "0", "7", "3", "4", "none"},
        {"first", "7", "2", "8", "4", "yes"},  {"last", "7", "2", "8", "4", "yes"},
    };
    static const char *const keys[] = {"flags", "row", "rows", "cols", "depth", "turned"};
    ck_assert_uint_eq(instrs_of(&c, "query", DTQ_OP_MATMUL, ops), 6);
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 6; k++)
            expect_attr(&c, ops[i], field_key(keys[k]), matmuls[i][k]);
    ck_assert_uint_eq(instrs_of(&c, "query", DTQ_OP_LOAD_ROWS, ops), 4);
    expect_attr(&c, ops[3], field_key("input"), "4");
    expect_attr(&c, ops[3], field_key("width"), "8");
    expect_attr(&c, ir_operand(c.m, ops[3], 1) == IR_NONE ? 0 : c.m->defs[ir_operand(c.m, ops[3], 1)], IR_KEY_bytes,
                "16"); /* two rows of 8 bits: scales, and 4 codes each */
    ck_assert_uint_eq(instrs_of(&c, "query", DTQ_OP_LOAD_WEIGHTS, ops), 6);
    expect_attr(&c, ops[1], field_key("output"), "0");
    expect_attr(&c, ops[2], field_key("output"), "5");
    expect_attr(&c, c.m->defs[ir_operand(c.m, ops[2], 0)], IR_KEY_bytes, "36"); /* 3 outputs: 8 bytes and 4 codes */
    static const char *const stores[][4] = {{"0", "7", "0", "5"}, {"0", "7", "5", "3"}, {"7", "2", "0", "8"}};
    static const char *const store_keys[] = {"row", "rows", "output", "cols"};
    ck_assert_uint_eq(instrs_of(&c, "query", DTQ_OP_STORE_ROWS, ops), 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 4; k++)
            expect_attr(&c, ops[i], field_key(store_keys[k]), stores[i][k]);
    ck_assert_uint_eq(instrs_of(&c, "head", DTQ_OP_LINEAR, ops), 1); /* the host's */
    pass_end(&c);
    arena_free(a);
}
END_TEST

static void edit_at_random(pass_case *c, random_source *r, size_t op) {
    const ir_attr *edges = ir_get(c->m, op, IR_KEY_row_edges);
    int64_t first = edges->ints[0], end = edges->ints[edges->count - 1], cut_at[16] = {first}, turned[16];
    size_t chunks = 0;
    while (cut_at[chunks] < end) {
        turned[chunks] = random_in(r, 0, 1);
        cut_at[chunks + 1] = cut_at[chunks] + random_in(r, 1, (uint32_t)(end - cut_at[chunks]));
        chunks++;
    }
    uint32_t outputs = (uint32_t)ir_int(c->m, op, IR_KEY_outputs, 0);
    uint32_t inputs = c->m->types[ir_operand(c->m, op, 0)].dim[1], block = random_in(r, 1, inputs);
    const int64_t blocks[2] = {random_in(r, 1, outputs), random_in(r, 1, outputs)};
    set_cut(c, op, cut_at, turned, chunks, blocks, block == inputs ? block : 2 * (1 + (block - 1) / 2),
            random_in(r, 0, 1));
}

START_TEST(any_cut_gives_the_same_bits) {
    enum { CASES = 60 };
    const char *seed = getenv("DTQ_SEED");
    random_source r = {seed ? strtoull(seed, NULL, 10) : 4};
    printf("lower_linear: seed %llu\n", (unsigned long long)r.state);
    unsigned run = 0;
    for (int i = 0; i < CASES; i++) {
        arena *a = arena_new();
        const char *machine = arena_printf(
            a, LINEARS_VSSA "vssa.arrays = %u\nvssa.rows = %u\nvssa.cols = %u\nbuffers.q = %u\nbuffers.k = %u\n",
            random_in(&r, 1, 3), random_in(&r, 1, 5), random_in(&r, 1, 5), random_in(&r, 80, 900),
            random_in(&r, 120, 900));
        const char *policy = i % 3 ? "token_bits = [1*0, 3*4, 2*8, 2*4, 1*8]" : FIG5_POLICY;
        pass_case c = pass_begin(linear_text(a, machine, policy));
        bool fits = pass_run(&c, TO_CUT_LINEARS, i % 2);
        for (size_t n = 0; fits && n < 4; n++)
            edit_at_random(&c, &r, find_op(c.m, IR_LINEAR, n));
        ck_assert_msg(!fits || ir_verify(c.m, c.d), "case %d: %s", i, ir_diag_text(a, c.d));
        fits = fits && pass_run(&c, FROM_CUT, i % 2);
        if (fits) {
            dtq_program *p = program_of(&c);
            const dtq_stream *s = &p->streams[0];
            static const uint32_t tokens[9] = {3, 1, 4, 1, 5, 9, 2, 6, 19};
            dtq_input input = {.tokens = tokens};
            dtq_run_options o = {.threads = 1, .shuffle = true, .seed = random_next(&r)};
            dtq_output none = {0};
            dtq_stats stats = {0};
            dtq_error e;
            dtq_weights *w = dtq_weights_open(p, NULL, &e);
            ck_assert_msg(dtq_verify(p, s, &e), "case %d: %s", i, e.message);
            ck_assert_msg(dtq_check(p, s, w, &input, &o, &e), "case %d: %s", i, e.message);
            ck_assert_msg(dtq_run(p, s, w, &input, &o, &none, &stats, false, &e), "case %d: %s", i, e.message);
            ck_assert_uint_eq(stats.cycles, s->static_cycles);
            dtq_output_free(&none);
            dtq_weights_close(w);
            run++;
        } else {
            ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT); /* the buffers are too small for what was asked for */
        }
        pass_end(&c);
        arena_free(a);
    }
    ck_assert_uint_gt(run, CASES / 3);
}
END_TEST

START_TEST(what_cannot_be_lowered_is_an_error) {
    arena *a = arena_new();
    const char *text = linear_text(a, LINEARS_VSSA FIG5_MACHINE "buffers.k = 100\n", FIG5_POLICY);
    pass_case c = pass_text(text, TO_CUT_LINEARS, true);
    size_t op = find_op(c.m, IR_LINEAR, 0);
    set_cut(&c, op, (const int64_t[]){0, 9}, (const int64_t[]){0}, 1, (const int64_t[]){8, 8}, 8, true);
    ck_assert(!pass_run(&c, "schedule-tiles", true));
    ck_assert_str_eq(diag_at(c.d, diag_total(c.d) - 1)->message,
                     "blocks of 8 outputs and 8 inputs do not fit the machine's buffers; make output_block or "
                     "input_block smaller");
    pass_end(&c);
    pass_refuses_text(text, TO_SCHEDULE,
                      "t.dtir:21:1: a linear on the arrays has not been cut; run tile-linears before");
    arena_free(a);
}
END_TEST

IR_MAIN("lower_linear", one_linear_by_hand, any_cut_gives_the_same_bits, what_cannot_be_lowered_is_an_error)
