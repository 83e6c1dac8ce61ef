/* Model descriptions in YAML. */
#include "frontend/files/safetensors.h"
#include "frontend/models/models.h"
#include "frontend_util.h"

static model *load(const char *text) {
    return model_load(A, D, put("model.yaml", text));
}

static ir_module *build(const model *m, uint32_t seq) {
    model_options o = {.seq = seq, .cluster = true};
    return model_build(m, A, D, &o);
}

START_TEST(bare_attention) {
    model *m = model_load(A, D, "examples/models/fig5.yaml");
    EXPECT_NO_ERROR();
    ck_assert(model_is_attention(m));
    ck_assert_str_eq(model_name(m), "fig5");
    ck_assert_uint_eq(model_positions(m), 9);
    ck_assert_ptr_null(model_vocabulary(m));
    ir_module *g = build(m, 0);
    ck_assert_uint_eq(g->header.seq, 9);
    ck_assert(g->header.qkv_input);
    ck_assert_uint_eq(g->op_count, 5);
    ck_assert_int_eq(g->ops[3].code, IR_ATTENTION);
    ck_assert_int_eq(ir_int(g, 3, IR_KEY_head_dim, 0), 9);
    ck_assert_str_eq(ir_str(g, 3, IR_KEY_mask), "none");
    ck_assert_uint_eq(g->types[0].elem, IR_ELEM_F32);
    ck_assert_uint_eq(g->types[0].dim[1], 9);
    ck_assert_uint_eq(build(m, 4096)->header.seq, 4096);
}
END_TEST

START_TEST(grouped_heads) {
    ir_module *g = build(load("attention: {tokens: 4, heads: 6, kv_heads: 2, head_dim: 5, causal: true}\n"), 0);
    ck_assert_uint_eq(g->types[0].dim[1], 30);
    ck_assert_uint_eq(g->types[1].dim[1], 10);
    ck_assert_uint_eq(g->types[2].dim[1], 10);
    ck_assert_int_eq(ir_int(g, 3, IR_KEY_kv_heads, 0), 2);
    ck_assert_str_eq(ir_str(g, 3, IR_KEY_mask), "causal");
}
END_TEST

START_TEST(shipped) {
    static const struct {
        const char *name;
        uint32_t seq, positions;
        size_t layers;
    } models[] = {{"bert-base", 128, 512, 12},
                  {"bert-large", 128, 512, 24},
                  {"gpt2-small", 1024, 1024, 12},
                  {"gpt2-medium", 1024, 1024, 24},
                  {"minilm", 128, 512, 6}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        model *m = model_load(A, D, arena_printf(A, "examples/models/%s.yaml", models[i].name));
        EXPECT_NO_ERROR();
        ck_assert_str_eq(model_name(m), models[i].name);
        ck_assert_uint_eq(model_positions(m), models[i].positions);
        ir_module *g = build(m, 0);
        ck_assert_uint_eq(g->header.seq, models[i].seq);
        size_t layers = 0;
        for (size_t k = 0; k < g->op_count; k++)
            layers += g->ops[k].code == IR_ATTENTION;
        ck_assert_uint_eq(layers, models[i].layers);
    }
}
END_TEST

START_TEST(tokenizer_beside_the_model) {
    model *m = load("transformer: {layers: 1, hidden: 4, heads: 2}\ntokenizer: {vocab: v.txt, lower_case: false}\n");
    EXPECT_NO_ERROR();
    ck_assert_str_eq(model_vocabulary(m), arena_printf(A, "%s/v.txt", scratch));
    ck_assert(!model_lower_case(m));
    m = load("transformer: {layers: 1, hidden: 4, heads: 2}\ntokenizer: {vocab: /abs/v.txt}\n");
    ck_assert_str_eq(model_vocabulary(m), "/abs/v.txt");
    ck_assert(model_lower_case(m));
}
END_TEST

START_TEST(refused) {
    static const char *const cases[][2] = {
        {"name: x\n", "a model has either `transformer`"},
        {"attention: {tokens: 1, head_dim: 1}\ntransformer: {layers: 1, hidden: 4, heads: 2}\n", "not both"},
        {"- 1\n", "the file must be a mapping"},
        {"transfomer: {}\n", "unknown key 'transfomer' in the file; did you mean 'transformer'?"},
        {"transformer: {layers: 1, hidden: 4}\n", "transformer lacks the key 'heads'"},
        {"transformer: {layers: 0, hidden: 4, heads: 2}\n",
         "transformer.layers must be a whole number from 1 to 4095, not '0'"},
        {"transformer: {layers: 1, hidden: 5, heads: 2}\n",
         "hidden is 5 and heads 2: hidden must be a multiple of heads"},
        {"transformer: {layers: 1, hidden: 6, heads: 3, kv_heads: 2}\n", "heads must be a multiple of kv_heads"},
        {"transformer: {layers: 1, hidden: 4, heads: 2, activation: gelu_tan}\n", "did you mean 'gelu_tanh'?"},
        {"transformer: {layers: 1, hidden: 4, heads: 2, causal: maybe}\n", "transformer.causal must be true or false"},
        {"transformer: {layers: 1, hidden: 4, heads: 2, normalize: true}\n", "pooling must be mean, first or last"},
        {"transformer: {layers: 1, hidden: 4, heads: 2}\ntokens: 513\n",
         "tokens is 513, but the model has positions for 512"},
        {"transformer: {layers: 1, hidden: 4, heads: 2}\nweights: {seed: 1, safetensors: x}\n",
         "both safetensors and seed"},
        {"transformer: {layers: 1, hidden: 4, heads: 2}\nweights: {seed: -1}\n", "weights.seed must be a whole number"},
        {"transformer: {layers: 1, hidden: 4, heads: 2}\nweights: {prefix: bert.}\n",
         "no use without weights.safetensors"},
        {"transformer: {layers: 1, hidden: 4, heads: 2}\nweights: {safetensors: none.safetensors}\n",
         "there is no file"},
        {"transformer: {layers: 1, hidden: 4, heads: 2}\ntokenizer: {}\n", "tokenizer lacks the key 'vocab'"},
        {"attention: {tokens: 65537, head_dim: 1}\n", "attention.tokens must be a whole number from 1 to 65536"},
        {"attention: {tokens: 3}\n", "attention lacks the key 'head_dim'"},
        {"attention: {tokens: 3, heads: 3, kv_heads: 2, head_dim: 4}\n", "heads must be a multiple of kv_heads"},
        {"attention: {tokens: 3, head_dim: 4}\nweights: {seed: 1}\n", "`weights` has no use beside `attention`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(!load(cases[i][0]), "accepted: %s", cases[i][0]);
        EXPECT_ERROR(cases[i][1]);
    }
    ck_assert_ptr_null(model_load(A, D, "/nonexistent.yaml"));
    EXPECT_ERROR("No such file");
}
END_TEST

START_TEST(too_long) {
    model *m = load("transformer: {layers: 1, hidden: 4, heads: 2, positions: 10}\n");
    ck_assert_uint_eq(build(m, 0)->header.seq, 10);
    ck_assert_ptr_null(build(m, 11));
    EXPECT_ERROR("a sequence of 11 tokens does not fit: model 'model' has positions for 10");
    m = load("attention: {tokens: 3, head_dim: 4}\n");
    ck_assert_ptr_null(build(m, 65537));
    EXPECT_ERROR("a sequence of 65537 tokens does not fit");
}
END_TEST

START_TEST(mutations) {
    static const char *const seeds[] = {
        "name: m\ntransformer: {layers: 2, hidden: 8, heads: 2, kv_heads: 1, ffn: 9, activation: relu,\n  norm: pre, "
        "causal: true, "
        "positions: 20, pooling: mean, normalize: true}\ntokens: 7\nweights: {seed: 3}\n",
        "attention: {tokens: 9, heads: 4, kv_heads: 2, head_dim: 9, causal: true}\n"};
    uint64_t seed = 31;
    printf("mutations: seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 2000; i++) {
        const char *text = seeds[i % 2];
        char changed[512];
        size_t n = mutate(&seed, text, strlen(text), changed, sizeof changed);
        const char *path = put_bytes("fuzz.yaml", changed, n);
        arena *whole = A;
        A = arena_new();
        D = diag_new(A, NULL);
        model *m = model_load(A, D, path);
        check_verdict(m != NULL, i);
        if (m)
            check_verdict(build(m, 0) != NULL, i);
        arena_free(A);
        A = whole;
    }
    D = diag_new(A, NULL);
}
END_TEST

/** A safetensors file with all tensors of a module by their own names; vectors have one dimension. */
static void put_own_weights(const ir_module *m, const char *name) {
    static const float zeros[256];
    st_output *outputs = ARENA_ARRAY(A, st_output, m->tensor_count);
    for (size_t i = 0; i < m->tensor_count; i++) {
        const ir_tensor *t = &m->tensors[i];
        ck_assert_uint_le((uint64_t)t->rows * t->cols, 256);
        bool vector = strstr(t->name, "bias") || strstr(t->name, "norm");
        outputs[i] = (st_output){.name = t->name,
                                 .dtype = "F32",
                                 .rank = vector ? 1 : 2,
                                 .shape = {vector ? t->cols : t->rows, t->cols},
                                 .data = zeros,
                                 .bytes = 4ull * t->rows * t->cols};
    }
    ck_assert(safetensors_write(D, arena_printf(A, "%s/%s", scratch, name), outputs, m->tensor_count));
}

START_TEST(weights_by_own_names) {
    static const char *const norms[] = {"pre", "post"};
    for (size_t n = 0; n < 2; n++) {
        const char *text =
            arena_printf(A,
                         "transformer: {layers: 2, hidden: 8, heads: 2, ffn: 16, norm: %s, positions: 9, "
                         "vocabulary: 11, types: 0, causal: true}\n",
                         norms[n]);
        ir_module *synthetic = build(load(text), 4);
        put_own_weights(synthetic, "own.safetensors");
        ir_module *read = build(load(arena_printf(A, "%sweights: {safetensors: own.safetensors}\n", text)), 4);
        EXPECT_NO_ERROR();
        ck_assert_uint_eq(read->tensor_count, synthetic->tensor_count);
        for (size_t i = 0; i < read->tensor_count; i++) {
            ck_assert_str_eq(read->tensors[i].name, synthetic->tensors[i].name);
            ck_assert_str_eq(read->tensors[i].dtype, "F32");
            ck_assert_uint_eq(read->tensors[i].rows, synthetic->tensors[i].rows);
        }
    }
}
END_TEST

TEST_MAIN("model_yaml", bare_attention, weights_by_own_names, grouped_heads, shipped, tokenizer_beside_the_model,
          refused, too_long, mutations)
