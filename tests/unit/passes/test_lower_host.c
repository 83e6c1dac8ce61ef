/* Lowering of the ops around attention: one host instruction for each, with the right operands. */
#include "passes/pass_util.h"

static const char model[] =
    "dtir 1 graph\nmodel = \"m\"\nseq = 9\nvocabulary = 100\npositions = 16\nmachine \"toy\" {\n" FIG5_MACHINE "}\n"
    "tensor \"words\" {dtype = synthetic, rows = 100, cols = 8, seed = 1, mean = 0, scale = 1}\n"
    "tensor \"places\" {dtype = synthetic, rows = 16, cols = 8, seed = 2, mean = 0, scale = 1}\n"
    "tensor \"w\" {dtype = synthetic, rows = 8, cols = 8, seed = 3, mean = 0, scale = 1}\n"
    "tensor \"up\" {dtype = synthetic, rows = 12, cols = 8, seed = 3, mean = 0, scale = 1}\n"
    "tensor \"b\" {dtype = synthetic, rows = 1, cols = 8, seed = 4, mean = 0, scale = 1}\n"
    "tensor \"wide\" {dtype = synthetic, rows = 1, cols = 12, seed = 5, mean = 0, scale = 1}\n"
    "tensor \"angles\" {dtype = synthetic, rows = 16, cols = 4, seed = 6, mean = 0, scale = 1}\n"
    "%tokens = input {name = \"tokens\"} : u32[9]\n"
    "%x = embed %tokens {tensor = \"words\", position_tensor = \"places\", source = \"embed\"} : ?\n"
    "%n = layernorm %x {tensor = \"b\", epsilon = 1e-12, bias_tensor = \"b\"} : ?\n"
    "%q = linear %n {tensor = \"w\", outputs = 8, arithmetic = int8, bias_tensor = \"b\"} : ?\n"
    "%k = linear %n {tensor = \"w\", outputs = 8, arithmetic = fp32} : ?\n"
    "%a0 = attention %q, %k, %n {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = none, "
    "importance_rule = mean, counts = [0, 7, 2]} : ?\n"
    "%s = add %x, %a0 : ?\n"
    "%m = layernorm %s {tensor = \"b\", epsilon = 0.5} : ?\n"
    "%c = rotary %m {tensor = \"angles\", head_dim = 4, pairing = adjacent} : ?\n"
    "%t = affine %c {tensor = \"b\"} : ?\n"
    "%a1 = attention %m, %t, %m {index = 1, query_heads = 2, kv_heads = 2, head_dim = 4, mask = none, "
    "importance_rule = mean, counts = [1, 6, 2]} : ?\n"
    "%u = linear %a1 {tensor = \"up\", outputs = 12, arithmetic = fp32} : ?\n"
    "%g = activation %u {function = gelu_tanh} : ?\n"
    "%r = rmsnorm %g {tensor = \"wide\", epsilon = 0.25} : ?\n"
    "%y = multiply %r, %g : ?\n"
    "%p = pool %y {function = last} : ?\n"
    "%z = normalize %p : ?\n"
    "output %z\n";

/** The host instruction number `n`. */
static size_t host(const pass_case *c, size_t n) {
    for (size_t op = 0; op < c->m->op_count; op++)
        if (ir_is_instr((ir_opcode)c->m->ops[op].code) && ir_int(c->m, op, IR_KEY_queue, -1) == DTQ_HOST && n-- == 0)
            return op;
    ck_abort_msg("too few host instructions");
}

enum { NONE = -1, LAYER0 = -2, LAYER1 = -3 };

typedef struct {
    dtq_opcode code;
    const char *attrs; /* key=value, blank-separated */
    int src[2];        /* what the operands are: results of host instructions, outputs of layers, or NONE */
} expectation;

static void expect_attrs(pass_case *c, size_t op, const char *attrs) {
    for (const char *p = attrs; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " "), key = strcspn(p, "=");
        const char *name = arena_strndup(c->memory, p, key),
                   *value = arena_strndup(c->memory, p + key + 1, n - key - 1);
        expect_attr(c, op, field_key(name), value);
        p += n;
    }
}

/* Rows are those of the tokens that the next attention still works on: after the last, its own. */
START_TEST(every_op_is_one_instruction) {
    static const expectation expected[] = {
        {DTQ_OP_EMBED, "layer=0 word=words position=places type=", {NONE, NONE}},
        {DTQ_OP_NORM, "layer=0 gamma=b beta=b eps=1e-12", {0, NONE}},
        {DTQ_OP_LINEAR, "layer=0 path=int8 weight=w bias=b", {1, NONE}},
        {DTQ_OP_LINEAR, "layer=0 path=fp32 weight=w bias=", {1, NONE}},
        {DTQ_OP_QUANT, "layer=0 operand=q", {2, NONE}},
        {DTQ_OP_QUANT, "layer=0 operand=k", {3, NONE}},
        {DTQ_OP_QUANT, "layer=0 operand=v", {1, NONE}},
        {DTQ_OP_ADD, "layer=1 width=8", {0, LAYER0}},
        {DTQ_OP_NORM, "layer=1 gamma=b beta= eps=0.5", {7, NONE}},
        {DTQ_OP_ROTARY, "layer=1 pairs=adjacent width=8 table=angles", {8, NONE}},
        {DTQ_OP_AFFINE, "layer=1 gain=b offset=", {9, NONE}},
        {DTQ_OP_QUANT, "layer=1 operand=q", {8, NONE}},
        {DTQ_OP_QUANT, "layer=1 operand=k", {10, NONE}},
        {DTQ_OP_QUANT, "layer=1 operand=v", {8, NONE}},
        {DTQ_OP_LINEAR, "layer=1 path=fp32 weight=up bias=", {LAYER1, NONE}},
        {DTQ_OP_ACT, "layer=1 kind=gelu_tanh width=12", {14, NONE}},
        {DTQ_OP_RMSNORM, "layer=1 gamma=wide eps=0.25", {15, NONE}},
        {DTQ_OP_MUL, "layer=1 width=12", {16, 15}},
        {DTQ_OP_POOL, "layer=1 kind=last width=12", {17, NONE}},
        {DTQ_OP_NORMALIZE, "width=12", {18, NONE}},
    };
    enum { COUNT = sizeof expected / sizeof *expected };
    pass_case c = pass_text(model, TO_SCHEDULE, false);
    ir_value result[COUNT];
    for (size_t n = 0; n < COUNT; n++) {
        const expectation *e = &expected[n];
        size_t op = host(&c, n), first = e->code == DTQ_OP_QUANT ? 0 : 1;
        ck_assert_msg(c.m->ops[op].code == IR_INSTR(e->code), "instruction %zu is %s", n,
                      ir_info((ir_opcode)c.m->ops[op].code)->spelling);
        expect_attrs(&c, op, e->attrs);
        result[n] = ir_operand(c.m, op, 0);
        for (size_t i = 0; i < 2; i++) {
            if (e->src[i] == NONE) {
                ck_assert_uint_eq(c.m->ops[op].operand_count, first + i);
                break;
            }
            ir_value wanted =
                e->src[i] >= 0 ? result[e->src[i]] : ir_operand(c.m, find_op(c.m, IR_LAYER, e->src[i] == LAYER1), 6);
            ck_assert_msg(ir_operand(c.m, op, first + i) == wanted, "instruction %zu, operand %zu", n, first + i);
        }
    }
    expect_attr(&c, host(&c, 0), IR_KEY_source, "embed");
    size_t hosts = 0;
    for (size_t op = 0; op < c.m->op_count; op++)
        hosts += ir_is_instr((ir_opcode)c.m->ops[op].code) && ir_int(c.m, op, IR_KEY_queue, -1) == DTQ_HOST;
    ck_assert_uint_eq(hosts, COUNT);
    pass_end(&c);
}
END_TEST

START_TEST(results_have_a_row_for_each_token) {
    pass_case c = pass_text(model, TO_SCHEDULE, false);
    static const struct {
        size_t instruction;
        const char *bytes, *name;
    } cases[] = {{0, "288", "none"}, {14, "432", "none"}, {18, "48", "none"}, {19, "48", "output.pooled"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t buffer = c.m->defs[ir_operand(c.m, host(&c, cases[i].instruction), 0)];
        expect_attr(&c, buffer, IR_KEY_space, "dram");
        expect_attr(&c, buffer, IR_KEY_bytes, cases[i].bytes);
        expect_attr(&c, buffer, IR_KEY_name, cases[i].name);
    }
    pass_end(&c);
}
END_TEST

START_TEST(ends_have_names) {
    pass_case c = pass_attention((attention_problem){.policy = {FIG5_POLICY}}, TO_SCHEDULE, false);
    expect_attr(&c, c.m->defs[ir_operand(c.m, find_op(c.m, IR_LAYER, 0), 6)], IR_KEY_name, "output.attention");
    static const char *const names[] = {"q", "k", "v"};
    for (size_t i = 0; i < 3; i++)
        expect_attr(&c, c.m->defs[ir_operand(c.m, host(&c, i), 0)], IR_KEY_name, names[i]);
    pass_end(&c);
    arena *a = arena_new(); /* the same model, but what comes out are the rows of all tokens */
    const char *cut = strstr(model, "%r = rmsnorm");
    const char *text = arena_printf(a, "%.*soutput %%g\n", (int)(cut - model), model);
    c = pass_text(text, TO_SCHEDULE, false);
    expect_attr(&c, c.m->defs[ir_operand(c.m, find_op(c.m, IR_INSTR(DTQ_OP_ACT), 0), 0)], IR_KEY_name, "output.hidden");
    pass_end(&c);
    arena_free(a);
}
END_TEST

IR_MAIN("lower-host", every_op_is_one_instruction, results_have_a_row_for_each_token, ends_have_names)
