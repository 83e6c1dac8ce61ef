/* balance-qk: two products before attention, where the model brings constants for them. */
#include "passes/pass_util.h"

static const char head[] =
    "dtir 1 graph\nmodel = \"m\"\nseq = 9\nqkv_input = yes\nmachine \"toy\" {\n" FIG5_MACHINE "}\n";
static const char body[] =
    "%q = input {name = \"q\"} : f32[9, 8]\n%k = input {name = \"k\"} : f32[9, 4]\n%v = input {name = \"v\"} : f32[9, "
    "4]\n"
    "%a = attention %q, %k, %v {index = 0, query_heads = 2, kv_heads = 1, head_dim = 4, mask = causal, importance_rule "
    "= mean, counts = [0, 7, 2]} : ?\noutput %a\n";

static const char *constants(arena *a, unsigned query, unsigned key, unsigned shift) {
    const char *text = "";
    const struct {
        const char *name;
        unsigned cols;
    } parts[] = {{"query", query}, {"key", key}, {"shift", shift}};
    for (int i = 0; i < 3; i++)
        if (parts[i].cols)
            text =
                arena_printf(a,
                             "%stensor \"layer.0.balance.%s\" {dtype = synthetic, rows = 1, cols = %u, seed = 1, mean "
                             "= 0, scale = 1}\n",
                             text, parts[i].name, parts[i].cols);
    return text;
}

START_TEST(queries_and_keys_are_scaled_before_attention) {
    arena *a = arena_new();
    pass_case c = pass_begin(arena_printf(a, "%s%s%s", head, constants(a, 8, 4, 4), body));
    ck_assert(pass_run(&c, "infer-shapes balance-qk assign-precision", true));
    size_t attention = find_op(c.m, IR_ATTENTION, 0), query = c.m->defs[ir_operand(c.m, attention, 0)];
    size_t key = c.m->defs[ir_operand(c.m, attention, 1)];
    ck_assert_int_eq(c.m->ops[query].code, IR_AFFINE);
    ck_assert_int_eq(c.m->ops[key].code, IR_AFFINE);
    expect_attr(&c, query, IR_KEY_tensor, "layer.0.balance.query");
    expect_attr(&c, query, IR_KEY_bias_tensor, "none");
    expect_attr(&c, key, IR_KEY_tensor, "layer.0.balance.key");
    expect_attr(&c, key, IR_KEY_bias_tensor, "layer.0.balance.shift");
    ck_assert_int_eq(c.m->ops[c.m->defs[ir_operand(c.m, attention, 2)]].code, IR_INPUT);
    expect_attr(&c, attention, IR_KEY_high, "2"); /* the policy came along */
    ck_assert(remarked(&c, "layer 0: channels of q and k are balanced"));
    pass_end(&c);
    arena_free(a);
}
END_TEST

START_TEST(a_model_without_constants_is_left_alone) {
    arena *a = arena_new();
    pass_case c = pass_begin(arena_printf(a, "%s%s", head, body));
    ck_assert(pass_run(&c, "infer-shapes", true));
    const ir_module *before = c.m;
    ck_assert(pass_run(&c, "balance-qk", true));
    ck_assert_ptr_eq(c.m, before);
    ck_assert(!ir_pass_ran(c.m, "balance-qk"));
    pass_end(&c);
    arena_free(a);
}
END_TEST

START_TEST(constants_must_fit) {
    static const struct {
        unsigned query, key, shift;
        const char *message;
    } cases[] = {
        {4, 4, 4, "tensor \"layer.0.balance.query\" is [1, 4]; balancing needs [1, 8] here"},
        {8, 8, 4, "tensor \"layer.0.balance.key\" is [1, 8]; balancing needs [1, 4] here"},
        {8, 4, 0, "there is no tensor \"layer.0.balance.shift\" to balance with"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        pass_case c = pass_begin(
            arena_printf(a, "%s%s%s", head, constants(a, cases[i].query, cases[i].key, cases[i].shift), body));
        ck_assert(!pass_run(&c, "infer-shapes balance-qk", true));
        ck_assert_msg(strstr(diag_at(c.d, diag_total(c.d) - 1)->message, cases[i].message), "%s",
                      diag_at(c.d, diag_total(c.d) - 1)->message);
        pass_end(&c);
        arena_free(a);
    }
}
END_TEST

IR_MAIN("balance-qk", queries_and_keys_are_scaled_before_attention, a_model_without_constants_is_left_alone,
        constants_must_fit)
