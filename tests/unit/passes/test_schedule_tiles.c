/* schedule-tiles: instructions in an order in which one after the other is right. DTQ_SEED repeats a run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"

static bool is_word(const pass_case *c, size_t op, unsigned key, const char *text) {
    return strcmp(ir_str(c->m, op, key), text) == 0;
}

/** Whether a read-modify-write operand starts afresh here, so that what was in it before does not matter. */
static bool starts_afresh(const pass_case *c, const instr_keys *k, size_t op, dtq_opcode code, bool seen) {
    switch (code) {
    case DTQ_OP_SOFTMAX: /* a block of keys adds to what the blocks before left: the first has seen nothing */
        return is_word(c, op, k->mode, "full") || (is_word(c, op, k->mode, "max") && !seen);
    case DTQ_OP_PV:
        return is_word(c, op, k->flags, "only") || is_word(c, op, k->flags, "first");
    case DTQ_OP_IMPORTANCE:
        return is_word(c, op, k->first, "yes");
    default:
        return false;
    }
}

static void check_order(const pass_case *c, const instr_keys *k, int i) {
    bool *written = ARENA_ARRAY(c->memory, bool, c->m->value_count);
    unsigned quants = 0;
    bool importance_done = false;
    for (size_t op = 0; op < c->m->op_count; op++) {
        if (!ir_is_instr((ir_opcode)c->m->ops[op].code))
            continue;
        dtq_opcode code = (dtq_opcode)IR_ISA_OP(c->m->ops[op].code);
        for (size_t n = 0; n < c->m->ops[op].operand_count; n++) {
            ir_value v = ir_operand(c->m, op, n);
            if (v == IR_NONE)
                continue;
            bool input = code == DTQ_OP_QUANT; /* q, k and v are there before the program starts */
            unsigned access = instr_access(code, n);
            bool needs = (access & ACCESS_READ) && !input &&
                         !((access & ACCESS_WRITE) && starts_afresh(c, k, op, code, written[v]));
            ck_assert_msg(!needs || written[v], "case %d: op %zu reads operand %zu before it is written", i, op, n);
            written[v] = written[v] || (access & ACCESS_WRITE);
        }
        quants += code == DTQ_OP_QUANT;
        ck_assert_msg(code == DTQ_OP_QUANT || quants == 3, "case %d: op %zu before the operands are quantised", i, op);
        ck_assert_msg(!importance_done, "case %d: op %zu after top-k", i, op);
        importance_done = code == DTQ_OP_TOPK;
    }
    ck_assert(importance_done);
}

/** Adds one to each (head, row, key) that the instruction works on. */
static void cover(const pass_case *c, const instr_keys *k, size_t op, const layer_info *l, unsigned *done) {
    int64_t head = ir_int(c->m, op, k->head, -1), row = ir_int(c->m, op, k->row, -1);
    int64_t rows = ir_int(c->m, op, k->rows, -1), col = ir_int(c->m, op, k->col, 0);
    int64_t cols = ir_int(c->m, op, k->cols, 1);
    for (int64_t r = row; r < row + rows; r++)
        for (int64_t j = col; j < col + cols; j++)
            done[((uint64_t)head * l->slots + (uint64_t)r) * l->slots + (uint64_t)j]++;
}

/** Instructions `code` (those whose mode is `value`, if it is not NULL) work on every row of every head once, and
 *  if `keys` on every key of it. */
static void check_cover(const pass_case *c, const instr_keys *k, dtq_opcode code, const char *value, bool keys, int i) {
    layer_info l = first_layer(c);
    unsigned *done = ARENA_ARRAY(c->memory, unsigned, (size_t)l.heads *l.slots *l.slots);
    for (size_t op = 0; op < c->m->op_count; op++)
        if (c->m->ops[op].code == IR_INSTR(code) && (!value || is_word(c, op, k->mode, value)))
            cover(c, k, op, &l, done);
    for (size_t n = 0; n < (size_t)l.heads * l.slots; n++)
        for (uint32_t j = 0; j < (keys ? l.slots : 1); j++)
            if (done[n * l.slots + j] != 1)
                ck_abort_msg("case %d: %s of head and row %zu, key %u: %u times", i, dtq_ops[code].mnemonic, n, j,
                             done[n * l.slots + j]);
}

START_TEST(random_programs_are_right_one_instruction_after_another) {
    enum { CASES = 80 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 23};
    printf("schedule-tiles: seed %llu\n", (unsigned long long)source.state);
    unsigned blocks = 0, whole = 0;
    instr_keys k = instr_keys_find();
    for (int i = 0; i < CASES; i++) {
        pass_case c = {.memory = arena_new()};
        c.d = diag_new(c.memory, NULL);
        random_problem problem = random_problem_new(c.memory, &source, i % 2);
        c.m = random_problem_graph(c.memory, &problem);
        ck_assert(pass_run(&c, TO_TILES, problem.optimise));
        if (pass_run(&c, "schedule-tiles", problem.optimise)) {
            check_order(&c, &k, i);
            check_cover(&c, &k, DTQ_OP_PV, NULL, true, i);
            check_cover(&c, &k, DTQ_OP_IMPORTANCE, NULL, false, i);
            check_cover(&c, &k, DTQ_OP_STORE, NULL, false, i);
            bool full = is_word(&c, find_op(c.m, IR_INSTR(DTQ_OP_SOFTMAX), 0), k.mode, "full");
            check_cover(&c, &k, DTQ_OP_SOFTMAX, full ? "full" : "exp", true, i);
            if (!full)
                check_cover(&c, &k, DTQ_OP_SOFTMAX, "max", true, i);
            if (!full && problem.causal)
                check_cover(&c, &k, DTQ_OP_SOFTMAX, "wmax", true, i);
            whole += full;
            blocks += !full;
        }
        pass_end(&c);
    }
    ck_assert_uint_gt(whole, CASES / 3);
    ck_assert_uint_gt(blocks, CASES / 20);
}
END_TEST

static const char *instructions(const pass_case *c) {
    const char *text = "";
    for (size_t op = 0; op < c->m->op_count; op++)
        if (ir_is_instr((ir_opcode)c->m->ops[op].code))
            text = arena_printf(c->memory, "%s%s%s", text, *text ? " " : "",
                                dtq_ops[IR_ISA_OP(c->m->ops[op].code)].mnemonic);
    return text;
}

START_TEST(fig5_on_one_array) {
    pass_case c = pass_attention((attention_problem){.policy = {FIG5_POLICY}}, TO_SCHEDULE, false);
    ck_assert_str_eq(instructions(&c), "host.quant host.quant host.quant load load qk softmax importance load pv store "
                                       "topk");
    size_t qk = find_op(c.m, IR_INSTR(DTQ_OP_QK), 0), softmax = find_op(c.m, IR_INSTR(DTQ_OP_SOFTMAX), 0);
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_LOAD), 0), field_key("operand"), "k");
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_LOAD), 1), field_key("operand"), "q");
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_LOAD), 2), field_key("operand"), "v");
    expect_attr(&c, qk, IR_KEY_queue, "5"); /* array0 */
    expect_attr(&c, qk, field_key("rows"), "9");
    expect_attr(&c, qk, field_key("cols"), "9");
    expect_attr(&c, qk, IR_KEY_source, "layer.0");
    ck_assert_uint_eq(ir_operand(c.m, softmax, 1), IR_NONE); /* scales of V only where causal folds them */
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_IMPORTANCE), 0), field_key("first"), "yes");
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_TOPK), 0), field_key("select"), "no");
    /* bytes of the q block: 9 scales, 7 rows of 2 and 2 of 4 bytes; of the v block: 8 scales of 4 channels */
    expect_attr(&c, c.m->defs[ir_operand(c.m, qk, 0)], IR_KEY_bytes, "58");
    expect_attr(&c, c.m->defs[ir_operand(c.m, find_op(c.m, IR_INSTR(DTQ_OP_PV), 0), 1)], IR_KEY_bytes, "54");
    pass_end(&c);
}
END_TEST

START_TEST(causal_softmax_waits_for_values) {
    pass_case c = pass_attention((attention_problem){.mask = "causal", .policy = {FIG5_POLICY}}, TO_SCHEDULE, false);
    ck_assert_str_eq(instructions(&c), "host.quant host.quant host.quant load load load qk softmax importance pv store "
                                       "topk");
    size_t softmax = find_op(c.m, IR_INSTR(DTQ_OP_SOFTMAX), 0), pv = find_op(c.m, IR_INSTR(DTQ_OP_PV), 0);
    ck_assert_uint_eq(ir_operand(c.m, softmax, 1), ir_operand(c.m, pv, 1));
    pass_end(&c);
}
END_TEST

/* Keys and values of a key/value head are loaded once for the query heads that share it. */
START_TEST(shared_heads_are_loaded_once) {
    attention_problem p = {.heads = 6, .kv_heads = 2, .policy = {FIG5_POLICY}};
    pass_case c = pass_attention(p, TO_SCHEDULE, false);
    unsigned loads[3] = {0};
    for (size_t n = 0; n < count_ops(c.m, IR_INSTR(DTQ_OP_LOAD)); n++) {
        char operand = ir_str(c.m, find_op(c.m, IR_INSTR(DTQ_OP_LOAD), n), field_key("operand"))[0];
        loads[operand == 'q' ? 0 : operand == 'k' ? 1 : 2]++;
    }
    ck_assert_uint_eq(loads[1], 2);
    ck_assert_uint_eq(loads[2], 2);
    ck_assert_uint_ge(loads[0], 6);
    pass_end(&c);
}
END_TEST

START_TEST(layers_select_for_the_next_and_share_code_regions) {
    attention_problem p = {.policy = {"counts = [0, 7, 2]", "counts = [1, 6, 2]", "token_bits = [9*0]"}};
    p.policy[2] = NULL;
    pass_case c = pass_attention(p, TO_SCHEDULE, false);
    size_t first = find_op(c.m, IR_LAYER, 0), second = find_op(c.m, IR_LAYER, 1);
    for (size_t i = 0; i < 8; i++)
        ck_assert_msg((ir_operand(c.m, first, i) == ir_operand(c.m, second, i)) == (i < 6), "region %zu", i);
    expect_attr(&c, first, IR_KEY_ids, "2 3 4 5 6 7 8 0 1");
    expect_attr(&c, second, IR_KEY_ids, "none");
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_TOPK), 0), field_key("select"), "yes");
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_TOPK), 1), field_key("select"), "no");
    /* the second layer's operands are the first layer's output */
    ck_assert_uint_eq(ir_operand(c.m, find_op(c.m, IR_INSTR(DTQ_OP_QUANT), 3), 0), ir_operand(c.m, first, 6));
    pass_end(&c);
}
END_TEST

START_TEST(importance_that_does_not_fit_is_refused) {
    pass_refuses((attention_problem){.machine = FIG5_MACHINE "buffers.importance = 71\n", .policy = {FIG5_POLICY}},
                 TO_SCHEDULE,
                 "t.dtir:13:1: layer 0 does not fit: importance of 9 tokens takes 72 bytes, buffers.importance has 71");
}
END_TEST

IR_MAIN("schedule-tiles", random_programs_are_right_one_instruction_after_another, fig5_on_one_array,
        causal_softmax_waits_for_values, shared_heads_are_loaded_once,
        layers_select_for_the_next_and_share_code_regions, importance_that_does_not_fit_is_refused)
