/* Policies, read and attached. */
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

#define STACK(layers, more)                                                                                            \
    "transformer: {layers: " #layers ", hidden: 8, heads: 2, vocabulary: 50, positions: 200" more "}\n"

/** The `layer`th attention op. */
static size_t attention(const ir_module *m, size_t layer) {
    for (size_t i = 0; i < m->op_count; i++)
        if (m->ops[i].code == IR_ATTENTION && layer-- == 0)
            return i;
    ck_abort_msg("no such layer");
    return 0;
}

static void expect_ints(const ir_module *m, size_t layer, unsigned key, size_t count, const int64_t *want) {
    const ir_attr *a = ir_get(m, attention(m, layer), key);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(a->ints[i], want[i]);
}
#define INTS(m, layer, key, ...)                                                                                       \
    expect_ints(m, layer, key, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

START_TEST(averages_on_bert) {
    ir_module *m = build(STACK(3, ""), 128);
    ck_assert(policy_apply(policy_load(A, D, "examples/policies/bert-average.yaml"), m, D));
    EXPECT_NO_ERROR();
    INTS(m, 0, IR_KEY_ratios, 0, 0, 1000000000);
    INTS(m, 1, IR_KEY_ratios, 280000000, 414000000, 306000000);
    INTS(m, 2, IR_KEY_ratios, 280000000, 414000000, 306000000);
    ck_assert_str_eq(ir_str(m, attention(m, 1), IR_KEY_promote), "free");
    ck_assert_uint_eq(diag_count(D, DIAG_REMARK), 1);
    ck_assert_ptr_nonnull(strstr(diag_at(D, 0)->message, "layer 0 runs all 128 tokens at 8 bits"));
}
END_TEST

START_TEST(shipped) {
    static const char *const names[] = {"bert-average", "gpt2-average", "uniform8",       "uniform4",
                                        "fig5-policy",  "gpt2-keys",    "minilm-average", "minilm-last"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        policy *p = policy_load(A, D, arena_printf(A, "examples/policies/%s.yaml", names[i]));
        EXPECT_NO_ERROR();
        ck_assert_str_eq(p->name, names[i]);
    }
    ir_module *m = build("attention: {tokens: 9, heads: 1, head_dim: 9, causal: false}\n", 0);
    ck_assert(policy_apply(policy_load(A, D, "examples/policies/fig5-policy.yaml"), m, D));
    const ir_attr *bits = ir_get(m, attention(m, 0), IR_KEY_token_bits);
    size_t count;
    uint8_t *expanded = ir_runs_expand(A, bits, &count);
    ck_assert_uint_eq(count, 9);
    ck_assert_mem_eq(expanded, ((uint8_t[]){4, 8, 4, 4, 8, 4, 4, 4, 4}), 9);
    ck_assert_str_eq(ir_str(m, attention(m, 0), IR_KEY_promote), "none");
}
END_TEST

START_TEST(bare_attention_has_no_first_layer) {
    ir_module *m = build("attention: {tokens: 128, heads: 1, head_dim: 9}\n", 0);
    ck_assert(policy_apply(load("all: {ratios: {0: .28, 4: .414, 8: .306}, pinned: [7, 3]}\n"), m, D));
    INTS(m, 0, IR_KEY_ratios, 280000000, 414000000, 306000000);
    INTS(m, 0, IR_KEY_pinned, 3, 7);
    ck_assert(policy_apply(load("all: {ratios: {0: .28, 4: .414, 8: .306}, pinned: [-1, 7, 127, -128, -2]}\n"), m, D));
    INTS(m, 0, IR_KEY_pinned, 0, 7, 126, 127);
    ck_assert(policy_apply(policy_uniform(A, 4), m, D));
    INTS(m, 0, IR_KEY_ratios, 0, 1000000000, 0);
    ck_assert_ptr_null(ir_get(m, attention(m, 0), IR_KEY_pinned));
    ck_assert(policy_apply(policy_uniform(A, 8), m, D));
    INTS(m, 0, IR_KEY_ratios, 0, 0, 1000000000);
}
END_TEST

START_TEST(mixed_layers) {
    ir_module *m = build(STACK(3, ""), 6);
    ck_assert(policy_apply(load("layers:\n- token_bits: [8, 8, 4, 0, 8, 8]\n- counts: {0: 2, 4: 3, 8: 1}\n"
                                "- ratios: {0: .5, 8: .5}\nimportance: sum\n"),
                           m, D));
    EXPECT_NO_ERROR();
    INTS(m, 1, IR_KEY_counts, 2, 3, 1);
    INTS(m, 2, IR_KEY_ratios, 500000000, 0, 500000000);
    ck_assert_str_eq(ir_str(m, attention(m, 2), IR_KEY_importance_rule), "sum");
    ck_assert_uint_eq(diag_count(D, DIAG_REMARK), 0);
}
END_TEST

START_TEST(bits_after_uniform_layers) {
    ir_module *m = build(STACK(3, ""), 3);
    ck_assert(policy_apply(load("layers:\n- token_bits: [8, 0, 8]\n- counts: {0: 1, 4: 2}\n- token_bits: [4, 0, 8]\n"),
                           m, D));
    EXPECT_NO_ERROR();
    ck_assert(!policy_apply(load("layers:\n- token_bits: [8, 0, 8]\n- counts: {0: 1, 4: 2}\n- token_bits: [4, 4, 8]\n"),
                            m, D));
    EXPECT_ERROR("give token 1 4 bits, but it was pruned before");
}
END_TEST

START_TEST(rule_of_the_model_stays) {
    ir_module *m = build(STACK(1, ", importance: sum"), 6);
    ck_assert(policy_apply(policy_uniform(A, 8), m, D));
    ck_assert_str_eq(ir_str(m, attention(m, 0), IR_KEY_importance_rule), "sum");
    ck_assert(policy_apply(load("all: {ratios: {8: 1}}\nimportance: mean\n"), m, D));
    ck_assert_str_eq(ir_str(m, attention(m, 0), IR_KEY_importance_rule), "mean");
    ck_assert(policy_apply(load("all: {ratios: {8: 1}}\nimportance: random5\n"), m, D));
    ck_assert_str_eq(ir_str(m, attention(m, 0), IR_KEY_importance_rule), "random5");
}
END_TEST

START_TEST(the_last_tokens_are_pinned) {
    ir_module *m = build(STACK(2, ""), 10);
    const policy *p = load("all: {ratios: {0: .2, 4: .3, 8: .5}, pinned: [1, -2]}\n");
    ck_assert(policy_apply(policy_pin_last(A, p, 3), m, D));
    INTS(m, 1, IR_KEY_pinned, 1, 7, 8, 9);
    ck_assert(policy_apply(p, m, D));
    INTS(m, 1, IR_KEY_pinned, 1, 8);
    p = load("layers:\n- token_bits: [8, 8, 8, 8, 8, 8, 8, 8, 8, 4]\n- ratios: {4: 1}\n");
    ck_assert(policy_apply(policy_pin_last(A, p, 1), m, D));
    ck_assert_ptr_null(ir_get(m, attention(m, 0), IR_KEY_pinned));
    INTS(m, 1, IR_KEY_pinned, 9);
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(pooled_token_is_pinned) {
    ir_module *m = build(STACK(2, ", pooling: last"), 10);
    ck_assert(policy_apply(load("all: {ratios: {0: .5, 4: .2, 8: .3}, pinned: [4]}\n"), m, D));
    INTS(m, 1, IR_KEY_pinned, 4, 9);
    m = build(STACK(2, ", pooling: first"), 10);
    ck_assert(policy_apply(load("all: {ratios: {0: .5, 4: .2, 8: .3}, pinned: [0, 4]}\n"), m, D));
    INTS(m, 1, IR_KEY_pinned, 0, 4);
    ck_assert(policy_apply(load("all: {ratios: {0: .5, 4: .2, 8: .3}, pinned: [6, 4]}\n"), m, D));
    INTS(m, 1, IR_KEY_pinned, 0, 4, 6);
    ck_assert(policy_apply(load("all: {ratios: {0: .5, 4: .5}}\n"), m, D));
    ck_assert_ptr_null(ir_get(m, attention(m, 1), IR_KEY_pinned));
}
END_TEST

START_TEST(unreadable) {
    static const char *const cases[][2] = {
        {"name: x\n", "a policy must have `layers`"},
        {"all: {ratios: {8: 1}}\nlayers: []\n", "either `layers`"},
        {"layers: []\n", "layers has 0 rows"},
        {"layers: {ratios: {8: 1}}\n", "is no range of layers"},
        {"all: {}\n", "`all` must have one of ratios, counts and token_bits"},
        {"all: {ratio: {8: 1}}\n", "unknown key 'ratio' in `all`; did you mean 'ratios'?"},
        {"all: {ratios: {8: 1}, counts: {8: 1}}\n", "`all` has both ratios and counts"},
        {"all: {ratios: {4: .5, 8: .6}}\n", "the ratios sum to 1.1; they must sum to 1"},
        {"all: {ratios: {16: 1}}\n", "ratios has the key '16'; a token has 0, 4 or 8 bits"},
        {"all: {ratios: {4: 1.5, 8: -.5}}\n", "the ratio at 4 bits must be a number from 0 to 1, not '1.5'"},
        {"layers:\n- counts: {8: x}\n", "the count at 8 bits must be a whole number"},
        {"layers:\n- token_bits: [4, 5]\n", "the bits of token 1 must be 0, 4 or 8, not '5'"},
        {"layers:\n- token_bits: []\n", "token_bits has 0 entries"},
        {"layers:\n- {token_bits: [8], pinned: [0]}\n", "pinned cannot stand beside token_bits"},
        {"all: {ratios: {8: 1}, pinned: [1, 1]}\n", "token 1 is pinned twice"},
        {"all: {ratios: {8: 1}, pinned: [x]}\n", "a pinned token must be a whole number"},
        {"all: {ratios: {8: 1}}\nimportance: max\n",
         "importance must be previous, mean, sum, random0, random1, random2, random3, random4, random5, random6, "
         "random7, probe, streamed or late, not 'max'; did you mean 'mean'?"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: max}\n", "importance must be previous, mean, sum"},
        {"all: {ratios: {8: 1}}\nimportance: {}\n", "importance must have a rule"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: probe, by: 4}\n", "unknown key 'by' in importance"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: sum, per: head}\n",
         "only `probe` and `late` choose a set of keys for each key/value head"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: probe, per: token}\nprune: keys\n", "per must be layer or head"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: probe, per: head}\n", "write `prune: keys` beside it"},
        {"all: {ratios: {8: 1}}\nimportance: probe\n", "`probe` chooses among the keys of all tokens"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: late, per: head}\n", "`late` chooses among the keys of all tokens"},
        {"all: {ratios: {8: 1}}\nimportance: {rule: probe}\nprune: rows\n", "write `prune: keys` beside it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(!load(cases[i][0]), "accepted: %s", cases[i][0]);
        EXPECT_ERROR(cases[i][1]);
    }
}
END_TEST

START_TEST(impossible) {
    static const char *const cases[][2] = {
        {"layers:\n- ratios: {8: 1}\n", "the policy has 1 row in `layers`, but model 'model' has 3 attention layers"},
        {"layers:\n- counts: {8: 10}\n- counts: {0: 5, 8: 5}\n- counts: {0: 4, 8: 6}\n",
         "layer 2 keeps 6 tokens, but layer 1 has only 5 left"},
        {"layers:\n- ratios: {8: 1}\n- ratios: {0: .5, 8: .5}\n- ratios: {0: .4, 8: .6}\n",
         "layer 2 keeps 6 tokens, but layer 1 has only 5 left"},
        {"layers:\n- ratios: {8: 1}\n- counts: {0: 5, 8: 6}\n- ratios: {8: 1}\n",
         "sum to 11; they must sum to the 10 tokens"},
        {"layers:\n- counts: {8: 9}\n- ratios: {8: 1}\n- ratios: {8: 1}\n", "counts of layer 0 sum to 9"},
        {"all: {ratios: {0: 1}}\n", "layer 1 keeps none of the 10 tokens"},
        {"all: {token_bits: [8, 8]}\n", "token_bits of layer 0 has 2 entries; the sequence has 10 tokens"},
        {"all: {token_bits: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}\n", "layer 0 keeps none"},
        {"layers:\n- ratios: {8: 1}\n- ratios: {4: .9, 8: .1}\n- token_bits: [8, 8, 8, 8, 8, 8, 8, 8, 8, 8]\n",
         "token_bits of layer 2 come after layer 1, where importance chooses"},
        {"layers:\n- token_bits: [0, 8, 8, 8, 8, 8, 8, 8, 8, 8]\n- token_bits: [4, 8, 8, 8, 8, 8, 8, 8, 8, 0]\n- "
         "ratios: {8: 1}\n",
         "give token 0 4 bits, but it was pruned before"},
        {"layers:\n- token_bits: [0, 8, 8, 8, 8, 8, 8, 8, 8, 8]\n- {counts: {0: 5, 8: 5}, pinned: [0]}\n- ratios: {8: "
         "1}\n",
         "layer 1 pins token 0, which was pruned before"},
        {"layers:\n- token_bits: [0, 8, 8, 8, 8, 8, 8, 8, 8, 8]\n- ratios: {8: 1}\n- ratios: {8: 1}\n",
         "layer 1 keeps 10 tokens, but layer 0 has only 9 left"},
        {"all: {ratios: {0: .5, 8: .5}, pinned: [10]}\n", "pins token 10, but the sequence has only tokens 0 to 9"},
        {"all: {ratios: {0: .5, 8: .5}, pinned: [-11]}\n", "pins token -11, but the sequence has only tokens 0 to 9"},
        {"all: {ratios: {0: .8, 8: .2}, pinned: [1, 2, 3]}\n", "layer 1 pins 3 tokens, but keeps only 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ir_module *m = build(STACK(3, ""), 10);
        policy *p = load(cases[i][0]);
        ck_assert_msg(p, "unreadable: %s: %s", cases[i][0], first_error());
        ck_assert_msg(!policy_apply(p, m, D), "accepted: %s", cases[i][0]);
        ck_assert_uint_gt(first_place().line, 0);
        EXPECT_ERROR(cases[i][1]);
    }
}
END_TEST

START_TEST(mutations) {
    static const char text[] =
        "name: p\nlayers:\n- token_bits: [8, 4, 0, 8]\n- {counts: {0: 2, 4: 1, 8: 1}, pinned: [0]}\n"
        "- ratios: {0: .5, 4: .25, 8: .25}\nimportance: sum\n";
    uint64_t seed = 99;
    printf("mutations: seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 1000; i++) {
        char changed[512];
        size_t n = mutate(&seed, text, sizeof text - 1, changed, sizeof changed);
        ir_module *m = build(STACK(3, ""), 4);
        const char *path = put_bytes("fuzz.yaml", changed, n);
        D = diag_new(A, NULL);
        policy *p = policy_load(A, D, path);
        check_verdict(p != NULL, i);
        if (p)
            check_verdict(policy_apply(p, m, D), i);
    }
}
END_TEST

TEST_MAIN("policy", averages_on_bert, shipped, bare_attention_has_no_first_layer, mixed_layers,
          bits_after_uniform_layers, rule_of_the_model_stays, the_last_tokens_are_pinned, pooled_token_is_pinned,
          unreadable, impossible, mutations)
