/* Building instructions, and what they do to their buffers. */
#include "passes/pass_util.h"

START_TEST(keys_are_those_of_the_instruction_set) {
    instr_keys k = instr_keys_find();
#define INSTR_KEY(field) ck_assert_str_eq(ir_key_get(k.field)->name, #field);
    INSTR_KEYS(INSTR_KEY)
#undef INSTR_KEY
}
END_TEST

START_TEST(instructions_are_appended_with_their_operands) {
    pass_case c = {.memory = arena_new()};
    c.m = ir_module_new(c.memory, IR_STREAM);
    instr_keys k = instr_keys_find();
    src_loc loc = {.file = "f", .line = 3, .col = 4};
    ir_value buffers[3] = {instr_buffer(c.m, "scores", 36, NULL, loc), IR_NONE,
                           instr_buffer(c.m, "probs", 1ull << 40, "p", loc)};
    size_t op = instr_append(c.m, DTQ_OP_SOFTMAX, DTQ_SOFTMAX, buffers, 3, "layer.0", loc);
    instr_set_text(c.m, op, k.mode, "full");
    instr_set_block(c.m, op, &k, 1, 2, 3, 4, 5, 6);
    ck_assert_int_eq(c.m->ops[op].code, IR_I_SOFTMAX);
    ck_assert_uint_eq(ir_operand(c.m, op, 1), IR_NONE);
    ck_assert_uint_eq(ir_operand(c.m, op, 2), buffers[2]);
    ck_assert_uint_eq(c.m->ops[op].loc.line, 3);
    static const struct {
        const char *key, *value;
    } expected[] = {{"queue", "2"}, {"source", "layer.0"}, {"mode", "full"}, {"layer", "1"}, {"head", "2"},
                    {"row", "3"},   {"rows", "4"},         {"col", "5"},     {"cols", "6"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        expect_attr(&c, op, field_key(expected[i].key), expected[i].value);
    size_t load = instr_append(c.m, DTQ_OP_LOAD, DTQ_LOAD, buffers, 1, NULL, loc);
    instr_set_block(c.m, load, &k, 0, 0, 0, 9, 0, 0); /* no columns, no key for them */
    expect_attr(&c, load, k.rows, "9");
    expect_attr(&c, load, k.cols, "none");
    expect_attr(&c, load, IR_KEY_source, "none");
    expect_attr(&c, c.m->defs[buffers[0]], IR_KEY_name, "none");
    expect_attr(&c, c.m->defs[buffers[2]], IR_KEY_name, "p");
    expect_attr(&c, c.m->defs[buffers[2]], IR_KEY_bytes, "1099511627776");
    pass_end(&c);
}
END_TEST

/* Reads and writes of every buffer operand, in order. */
START_TEST(accesses_of_all_instructions) {
    static const char *const expected[DTQ_OP_COUNT] = {
        [DTQ_OP_WAIT] = "",
        [DTQ_OP_SIGNAL] = "",
        [DTQ_OP_LOAD] = "w",
        [DTQ_OP_QK] = "r r w",
        [DTQ_OP_SOFTMAX] = "r r rw",
        [DTQ_OP_PV] = "r r rw",
        [DTQ_OP_STORE] = "r",
        [DTQ_OP_IMPORTANCE] = "r rw",
        [DTQ_OP_TOPK] = "r",
        [DTQ_OP_EMBED] = "w",
        [DTQ_OP_LINEAR] = "w r",
        [DTQ_OP_NORM] = "w r",
        [DTQ_OP_ACT] = "w r",
        [DTQ_OP_ADD] = "w r r",
        [DTQ_OP_QUANT] = "r",
        [DTQ_OP_POOL] = "w r",
        [DTQ_OP_NORMALIZE] = "w r",
        [DTQ_OP_RMSNORM] = "w r",
        [DTQ_OP_ROTARY] = "w r",
        [DTQ_OP_MUL] = "w r r",
        [DTQ_OP_AFFINE] = "w r",
        [DTQ_OP_CODES] = "w r w",
        [DTQ_OP_LOAD_ROWS] = "r w",
        [DTQ_OP_LOAD_WEIGHTS] = "w",
        [DTQ_OP_MATMUL] = "r r rw",
        [DTQ_OP_STORE_ROWS] = "r w",
        [DTQ_OP_PROBE_CODES] = "r r w",
        [DTQ_OP_LOAD_PROBE] = "r w",
        [DTQ_OP_PROBE] = "r w",
        [DTQ_OP_PROBE_SOFTMAX] = "r w",
        [DTQ_OP_VOTE] = "r rw",
        [DTQ_OP_CHOOSE] = "r",
        [DTQ_OP_CHOOSE_HEAD] = "r",
        [DTQ_OP_CHOOSE_LATE] = "r",
        [DTQ_OP_FAR_CODES] = "r w",
        [DTQ_OP_LOAD_SEEN] = "r r w",
        [DTQ_OP_QK_SEEN] = "r r w",
        [DTQ_OP_SOFTMAX_SEEN] = "r r w",
        [DTQ_OP_PV_SEEN] = "r r w",
        [DTQ_OP_VOTE_SEEN] = "r rw",
        [DTQ_OP_KEEP] = "r w",
    };
    arena *a = arena_new();
    for (int code = 0; code < DTQ_OP_COUNT; code++) {
        const char *text = "";
        unsigned access;
        for (size_t i = 0; (access = instr_access((dtq_opcode)code, i)) != 0; i++)
            text = arena_printf(a, "%s%s%s%s", text, i ? " " : "", access & ACCESS_READ ? "r" : "",
                                access & ACCESS_WRITE ? "w" : "");
        ck_assert_msg(strcmp(text, expected[code]) == 0, "%s: %s", dtq_ops[code].mnemonic, text);
    }
    arena_free(a);
}
END_TEST

/* A multiple of 64 where as many fit so, else of 8; a single block may take all there is. */
START_TEST(buffers_are_aligned_where_that_costs_none) {
    static const struct {
        uint64_t bytes, capacity, stride, fit;
    } cases[] = {
        {64, 1024, 64, 16}, {65, 1024, 72, 14}, {60, 128, 64, 2},   {40, 128, 40, 3},    {60, 63, 60, 1},
        {64, 63, 64, 0},    {100, 120, 104, 1}, {121, 122, 121, 1}, {400, 1024, 448, 2}, {0, 100, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_uint_eq(buffer_stride(cases[i].bytes, cases[i].capacity), cases[i].stride);
        ck_assert_uint_eq(buffer_fit(cases[i].bytes, cases[i].capacity), cases[i].fit);
    }
}
END_TEST

IR_MAIN("instr", keys_are_those_of_the_instruction_set, instructions_are_appended_with_their_operands,
        accesses_of_all_instructions, buffers_are_aligned_where_that_costs_none)
