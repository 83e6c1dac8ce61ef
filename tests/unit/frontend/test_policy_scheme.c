/* Policies that name a scheme of arithmetic. */
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend_util.h"

static policy *load(const char *text) {
    return policy_load(A, D, put("policy.yaml", text));
}

static ir_module *build(const char *text, uint32_t seq) {
    model *m = model_load(A, D, put("model.yaml", text));
    ck_assert_msg(m, "%s", first_error());
    model_options o = {.seq = seq, .arithmetic = "fp32", .cluster = true};
    return model_build(m, A, D, &o);
}

#define MODEL(more) "transformer: {layers: 2, hidden: 8, heads: 2, vocabulary: 50, positions: 20" more "}\n"

START_TEST(shipped) {
    static const char *const names[] = {"q8bert", "i-bert", "fully-8bit", "q-bert"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        policy *p = policy_load(A, D, arena_printf(A, "examples/policies/%s.yaml", names[i]));
        ck_assert_msg(p, "%s", first_error());
        ck_assert_str_eq(dtq_schemes[p->scheme.kind].word, names[i]);
        ir_module *m = build(MODEL(""), 12);
        ck_assert_msg(policy_apply(p, m, D), "%s", first_error());
        ck_assert(dtq_scheme_same(&m->header.scheme, &p->scheme));
        for (size_t op = 0; op < m->op_count; op++) {
            const ir_attr *ratios = m->ops[op].code == IR_ATTENTION ? ir_get(m, op, IR_KEY_ratios) : NULL;
            if (ratios)
                ck_assert_int_eq(ratios->ints[2], 1000000000); /* all at 8 bits */
        }
    }
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(parameters) {
    policy *p = load("scheme: {weight_bits: 3, name: q-bert}\n");
    EXPECT_NO_ERROR();
    ck_assert_double_eq(p->scheme.values[DTQ_SCHEME_PARAM(QBERT, weight_bits)], 3);
    ck_assert_double_eq(p->scheme.values[DTQ_SCHEME_PARAM(QBERT, groups)], 128);
    p = load("scheme: {name: fully-8bit, bias: 2.5}\n");
    ck_assert_double_eq(p->scheme.values[DTQ_SCHEME_PARAM(FULLY8, bias)], 2.5);
}
END_TEST

#define REFUSED(text, words)                                                                                           \
    do {                                                                                                               \
        D = diag_new(A, NULL);                                                                                         \
        ck_assert_ptr_null(load(text));                                                                                \
        EXPECT_ERROR(words);                                                                                           \
    } while (0)

START_TEST(unreadable) {
    REFUSED("scheme: ibert\n", "there is no scheme 'ibert'; did you mean 'i-bert'?");
    REFUSED("scheme: {weight_bits: 3}\n", "scheme must have a name");
    REFUSED("scheme: {name: q-bert, weight_bit: 3}\n", "did you mean 'weight_bits'?");
    REFUSED("scheme: {name: q-bert, weight_bits: 9}\n", "weight_bits of q-bert");
    REFUSED("scheme: {name: q-bert, weight_bits: 2.5}\n", "weight_bits of q-bert");
    REFUSED("scheme: {name: i-bert, groups: 4}\n", "there is no parameter of i-bert 'groups'");
    REFUSED("scheme: mixed\n", "`mixed` is what a policy without a scheme is");
    REFUSED("scheme: i-bert\nall: {ratios: {8: 1}}\n", "either `scheme` or `all`");
    REFUSED("scheme: i-bert\nprune: keys\n", "either `scheme` or `prune`");
    REFUSED("scheme: [i-bert]\n", "the scheme");
}
END_TEST

START_TEST(undefined_ops) {
    policy *ibert = load("scheme: i-bert\n"), *qbert = load("scheme: q-bert\n");
    ir_module *m = build(MODEL(", activation: silu"), 4);
    ck_assert(policy_apply(qbert, m, D));
    EXPECT_NO_ERROR();
    ck_assert(!policy_apply(ibert, m, D));
    EXPECT_ERROR("i-bert has no definition of `silu` (layer.0.");
}
END_TEST

START_TEST(steps_of_generation) {
    policy *p = load("scheme: q8bert\n");
    p->queries = 1;
    ck_assert(!policy_apply(p, build(MODEL(", causal: true"), 4), D));
    EXPECT_ERROR("q8bert has no definition of steps of generation");
}
END_TEST

TEST_MAIN("policy_scheme", shipped, parameters, unreadable, undefined_ops, steps_of_generation)
