/* The graph of a transformer and its weights. */
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend_util.h"

static ir_module *build(const char *more, const model_options *o) {
    const char *text = arena_printf(
        A, "transformer: {layers: 2, hidden: 8, heads: 4, ffn: 24, vocabulary: 50, positions: 20%s}\n", more);
    model *m = model_load(A, D, put("tiny.yaml", text));
    EXPECT_NO_ERROR();
    return model_build(m, A, D, o);
}

static const model_options plain = {.seq = 0, .arithmetic = "fp32", .cluster = true};

/** Sources of all ops, comma-separated, in order. */
static const char *sources(const ir_module *m) {
    const char *all = "";
    for (size_t i = 0; i < m->op_count; i++) {
        const char *s = ir_str(m, i, IR_KEY_source);
        all = arena_printf(A, "%s%s%s", all, i ? " " : "", s ? s : ir_info((ir_opcode)m->ops[i].code)->spelling);
    }
    return all;
}

static size_t op_of(const ir_module *m, const char *source) {
    for (size_t i = 0; i < m->op_count; i++) {
        const char *s = ir_str(m, i, IR_KEY_source);
        if (s ? strcmp(s, source) == 0 : m->ops[i].code == IR_OUTPUT && strcmp(source, "output") == 0)
            return i;
    }
    ck_abort_msg("no op %s", source);
    return 0;
}

/** The source of the op that makes an operand. */
static const char *maker(const ir_module *m, const char *source, size_t operand) {
    return ir_str(m, m->defs[ir_operand(m, op_of(m, source), operand)], IR_KEY_source);
}

#define BLOCK_POST(n)                                                                                                  \
    "layer." #n ".query layer." #n ".key layer." #n ".value layer." #n ".attention layer." #n ".attention.output "     \
    "layer." #n ".attention.add layer." #n ".attention.norm layer." #n ".ffn.up layer." #n ".ffn.activation "          \
    "layer." #n ".ffn.down layer." #n ".ffn.add layer." #n ".ffn.norm "
#define BLOCK_PRE(n)                                                                                                   \
    "layer." #n ".attention.norm layer." #n ".query layer." #n ".key layer." #n ".value layer." #n ".attention "       \
    "layer." #n ".attention.output layer." #n ".attention.add layer." #n ".ffn.norm layer." #n ".ffn.up "              \
    "layer." #n ".ffn.activation layer." #n ".ffn.down layer." #n ".ffn.add "

START_TEST(post_norm) {
    ir_module *m = build(", types: 2, pooling: mean, normalize: true", &plain);
    ck_assert_str_eq(sources(m),
                     "input embeddings embeddings.norm " BLOCK_POST(0) BLOCK_POST(1) "pool normalize output");
    ck_assert_str_eq(maker(m, "layer.0.query", 0), "embeddings.norm");
    ck_assert_str_eq(maker(m, "layer.0.attention", 1), "layer.0.key");
    ck_assert_str_eq(maker(m, "layer.0.attention.add", 1), "embeddings.norm");
    ck_assert_str_eq(maker(m, "layer.0.attention.norm", 0), "layer.0.attention.add");
    ck_assert_str_eq(maker(m, "layer.0.ffn.up", 0), "layer.0.attention.norm");
    ck_assert_str_eq(maker(m, "layer.0.ffn.add", 0), "layer.0.ffn.down");
    ck_assert_str_eq(maker(m, "layer.0.ffn.add", 1), "layer.0.attention.norm");
    ck_assert_str_eq(maker(m, "layer.0.ffn.norm", 0), "layer.0.ffn.add");
    ck_assert_str_eq(maker(m, "pool", 0), "layer.1.ffn.norm");
    ck_assert_str_eq(maker(m, "output", 0), "normalize");
    ck_assert_str_eq(maker(m, "layer.1.value", 0), "layer.0.ffn.norm");
    ck_assert_str_eq(ir_str(m, op_of(m, "embeddings"), IR_KEY_type_tensor), "embeddings.type");
    ck_assert_str_eq(ir_str(m, op_of(m, "layer.1.ffn.up"), IR_KEY_bias_tensor), "layer.1.ffn.up.bias");
    ck_assert_int_eq(ir_int(m, op_of(m, "layer.1.ffn.up"), IR_KEY_outputs, 0), 24);
}
END_TEST

START_TEST(pre_norm) {
    model_options o = {.seq = 7, .arithmetic = "int8", .cluster = false};
    ir_module *m = build(", norm: pre, causal: true, activation: gelu_tanh, kv_heads: 2, qkv_bias: false", &o);
    ck_assert_str_eq(sources(m), "input embeddings " BLOCK_PRE(0) BLOCK_PRE(1) "final.norm output");
    ck_assert_str_eq(maker(m, "layer.0.query", 0), "layer.0.attention.norm");
    ck_assert_str_eq(maker(m, "layer.0.attention.add", 1), "embeddings");
    ck_assert_str_eq(maker(m, "layer.0.ffn.norm", 0), "layer.0.attention.add");
    ck_assert_str_eq(maker(m, "layer.0.ffn.up", 0), "layer.0.ffn.norm");
    ck_assert_str_eq(maker(m, "layer.0.ffn.add", 1), "layer.0.attention.add");
    ck_assert_str_eq(maker(m, "final.norm", 0), "layer.1.ffn.add");
    ck_assert_str_eq(maker(m, "layer.1.attention.norm", 0), "layer.0.ffn.add");
    ck_assert_ptr_null(ir_get(m, op_of(m, "embeddings"), IR_KEY_type_tensor));
    ck_assert_ptr_null(ir_get(m, op_of(m, "layer.0.key"), IR_KEY_bias_tensor));
    ck_assert_int_eq(ir_int(m, op_of(m, "layer.0.key"), IR_KEY_outputs, 0), 4);
    ck_assert_str_eq(ir_str(m, op_of(m, "layer.0.key"), IR_KEY_arithmetic), "int8");
    size_t a = op_of(m, "layer.1.attention");
    ck_assert_int_eq(ir_int(m, a, IR_KEY_index, -1), 1);
    ck_assert_int_eq(ir_int(m, a, IR_KEY_query_heads, -1), 4);
    ck_assert_int_eq(ir_int(m, a, IR_KEY_kv_heads, -1), 2);
    ck_assert_int_eq(ir_int(m, a, IR_KEY_head_dim, -1), 2);
    ck_assert_str_eq(ir_str(m, a, IR_KEY_mask), "causal");
    ck_assert_str_eq(ir_str(m, a, IR_KEY_cluster), "none");
    ck_assert_str_eq(ir_str(m, op_of(m, "layer.0.ffn.activation"), IR_KEY_function), "gelu_tanh");
    ck_assert_uint_eq(m->types[0].elem, IR_ELEM_U32);
    ck_assert_uint_eq(m->types[0].dim[0], 7);
}
END_TEST

#define LLAMA                                                                                                          \
    ", norm: pre, norm_kind: rms, position_kind: rotary, gated: true, causal: true, qkv_bias: false, linear_bias: "    \
    "false"

START_TEST(decoders) {
    ir_module *m =
        build(LLAMA ", head_dim: 6, kv_heads: 2, rotary_base: 500, rotary_pairs: adjacent, head: tied", &plain);
    ck_assert_str_eq(arena_strndup(A, sources(m), strcspn(sources(m), "1")),
                     "input embeddings layer.0.attention.norm layer.0.query layer.0.key layer.0.value "
                     "layer.0.query.rotary layer.0.key.rotary layer.0.attention layer.0.attention.output "
                     "layer.0.attention.add layer.0.ffn.norm layer.0.ffn.gate layer.0.ffn.activation layer.0.ffn.up "
                     "layer.0.ffn.multiply layer.0.ffn.down layer.0.ffn.add layer.");
    ck_assert_str_eq(maker(m, "layer.0.attention", 0), "layer.0.query.rotary");
    ck_assert_str_eq(maker(m, "layer.0.attention", 1), "layer.0.key.rotary");
    ck_assert_str_eq(maker(m, "layer.0.attention", 2), "layer.0.value");
    ck_assert_str_eq(maker(m, "layer.0.ffn.multiply", 0), "layer.0.ffn.activation");
    ck_assert_str_eq(maker(m, "layer.0.ffn.multiply", 1), "layer.0.ffn.up");
    ck_assert_str_eq(maker(m, "layer.0.ffn.activation", 0), "layer.0.ffn.gate");
    ck_assert_str_eq(maker(m, "output", 0), "logits");
    ck_assert_int_eq(m->ops[op_of(m, "final.norm")].code, IR_RMSNORM);
    ck_assert_str_eq(ir_str(m, op_of(m, "logits"), IR_KEY_tensor), "embeddings.word");
    ck_assert_int_eq(ir_int(m, op_of(m, "logits"), IR_KEY_outputs, 0), 50);
    ck_assert_int_eq(ir_int(m, op_of(m, "layer.1.query"), IR_KEY_outputs, 0), 24);
    ck_assert_int_eq(ir_int(m, op_of(m, "layer.1.key"), IR_KEY_outputs, 0), 12);
    size_t turn = op_of(m, "layer.1.key.rotary");
    ck_assert_str_eq(ir_str(m, turn, IR_KEY_pairing), "adjacent");
    ck_assert_int_eq(ir_int(m, turn, IR_KEY_head_dim, 0), 6);
    const ir_tensor *table = &m->tensors[ir_tensor_find(m, ir_str(m, turn, IR_KEY_tensor))];
    ck_assert_str_eq(table->dtype, "rotary");
    ck_assert(table->rows == 20 && table->cols == 6 && table->scale == 500);
    ck_assert_ptr_null(ir_get(m, op_of(m, "embeddings"), IR_KEY_position_tensor));
    m = build(LLAMA ", head: own", &plain);
    ck_assert_str_eq(ir_str(m, op_of(m, "logits"), IR_KEY_tensor), "head.weight");
}
END_TEST

/** What a classifier computes comes before a row is chosen: every engine works on rows. */
START_TEST(classifiers) {
    ir_module *m = build(", pooling: first, pooler: true, classes: 3", &plain);
    ck_assert_str_eq(maker(m, "pooler.activation", 0), "pooler");
    ck_assert_str_eq(maker(m, "logits", 0), "pooler.activation");
    ck_assert_str_eq(maker(m, "pool", 0), "logits");
    ck_assert_str_eq(maker(m, "output", 0), "pool");
    ck_assert_int_eq(ir_int(m, op_of(m, "logits"), IR_KEY_outputs, 0), 3);
}
END_TEST

START_TEST(what_does_not_go_together) {
    static const char *const cases[][2] = {
        {"position_kind: rotary, hidden: 9, heads: 3", "heads of an even number of channels"},
        {"position_kind: rotary, hidden: 8, heads: 4, rotary_base: 0.5", "rotary_base"},
        {"hidden: 8, heads: 4, pooling: mean, classes: 2", "a classifier works on one token's row"},
        {"hidden: 8, heads: 4, pooler: true", "pooler works on one token's row"},
        {"hidden: 8, heads: 4, pooling: first, head: tied", "pooling must be none"},
        {"hidden: 8, heads: 4, classes: 2, head: tied", "classes 0"},
        {"hidden: 8, heads: 4, head_dim: 60000", "4 heads of 60000 channels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_ptr_null(
            model_load(A, D, put("m.yaml", arena_printf(A, "transformer: {layers: 1, %s}\n", cases[i][0]))));
        EXPECT_ERROR(cases[i][1]);
    }
}
END_TEST

/** Every attribute that names a tensor names one of the table, and every tensor of the table is named. */
START_TEST(weights_are_those_referred_to) {
    static const char *const variants[] = {"",
                                           ", types: 3, pooling: first",
                                           ", norm: pre, kv_heads: 1",
                                           LLAMA ", head: own",
                                           LLAMA ", head: tied",
                                           ", pooling: first, pooler: true, classes: 2",
                                           ", qkv_bias: false, linear_bias: false"};
    static const unsigned keys[] = {IR_KEY_tensor, IR_KEY_bias_tensor, IR_KEY_position_tensor, IR_KEY_type_tensor};
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        ir_module *m = build(variants[v], &plain);
        bool *used = ARENA_ARRAY(A, bool, m->tensor_count);
        for (size_t i = 0; i < m->op_count; i++)
            for (size_t k = 0; k < 4; k++) {
                const char *name = ir_str(m, i, keys[k]);
                int t = name ? ir_tensor_find(m, name) : -1;
                ck_assert_msg(!name || t >= 0, "no tensor %s", name);
                if (name)
                    used[t] = true;
            }
        for (size_t t = 0; t < m->tensor_count; t++)
            ck_assert_msg(used[t], "%s: %s is not used", variants[v], m->tensors[t].name);
    }
}
END_TEST

START_TEST(synthetic_weights) {
    ir_module *m = build("", &plain), *again = build("", &plain);
    for (size_t i = 0; i < m->tensor_count; i++) {
        const ir_tensor *t = &m->tensors[i];
        ck_assert_str_eq(t->dtype, "synthetic");
        ck_assert_ptr_null(t->file);
        ck_assert_uint_eq(t->seed, again->tensors[i].seed);
        ck_assert(t->scale > 0 && t->scale < 2);
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(t->seed, m->tensors[k].seed);
    }
    const ir_tensor *up = &m->tensors[ir_tensor_find(m, "layer.1.ffn.up.weight")];
    ck_assert_uint_eq(up->rows, 24);
    ck_assert_uint_eq(up->cols, 8);
    ck_assert_double_eq_tol(up->scale, 0.6123724, 1e-6);
    const ir_tensor *gamma = &m->tensors[ir_tensor_find(m, "layer.0.ffn.norm.weight")];
    ck_assert_uint_eq(gamma->rows, 1);
    ck_assert_double_eq(gamma->mean, 1);
}
END_TEST

START_TEST(one_reading_many_lengths) {
    model *m = model_load(A, D, "examples/models/minilm.yaml");
    for (uint32_t seq = 1; seq <= 512; seq *= 8) {
        model_options o = {.seq = seq, .arithmetic = "fp32", .cluster = true};
        ir_module *g = model_build(m, A, D, &o);
        ck_assert_uint_eq(g->header.seq, seq);
        ck_assert_uint_eq(g->types[0].dim[0], seq);
        ck_assert_uint_eq(g->header.positions, 512);
        ck_assert_uint_eq(g->header.vocabulary, 30522);
    }
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(examples_verify_and_read_back) {
    static const char *const names[] = {"bert-base", "bert-large", "gpt2-small", "gpt2-medium",
                                        "minilm",    "llama-tiny", "fig5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        model *m = model_load(A, D, arena_printf(A, "examples/models/%s.yaml", names[i]));
        ir_module *g = model_build(m, A, D, &plain);
        ck_assert(policy_apply(policy_uniform(A, 8), g, D));
        ck_assert(ir_verify(g, D));
        char *text = NULL;
        size_t bytes;
        FILE *out = open_memstream(&text, &bytes);
        ir_print(g, out);
        fclose(out);
        ir_module *back = ir_parse(A, D, "text", text, bytes);
        free(text);
        EXPECT_NO_ERROR();
        ck_assert(ir_equal(g, back));
    }
}
END_TEST

TEST_MAIN("transformer", post_norm, pre_norm, decoders, classifiers, what_does_not_go_together,
          weights_are_those_referred_to, synthetic_weights, one_reading_many_lengths, examples_verify_and_read_back)
