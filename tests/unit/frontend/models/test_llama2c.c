/* Checkpoints of llama2.c. */
#include "frontend/models/models.h"
#include "frontend_util.h"

/* dim, hidden, layers, heads, kv_heads, vocabulary, positions */
enum { DIM, FFN, LAYERS, HEADS, KV_HEADS, VOCABULARY, POSITIONS, NUMBERS };
static const int32_t usual[NUMBERS] = {8, 12, 2, 4, 2, 10, 5};

/** Floats behind the header of `h`, of which each is what it should be. */
static size_t floats_of(const int32_t *h) {
    size_t dim = (size_t)h[DIM], kv = dim / 4 * 2, ffn = 12, layers = 2, tokens = 10;
    size_t layer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * ffn * dim;
    return tokens * dim * (h[VOCABULARY] < 0 ? 2 : 1) + layers * layer + dim + 5 * 2;
}

static const char *put_checkpoint(const int32_t *h, size_t floats) {
    size_t bytes = NUMBERS * 4 + floats * 4;
    uint8_t *data = arena_alloc(A, bytes);
    memset(data, 0, bytes);
    memcpy(data, h, NUMBERS * 4);
    return put_bytes("m.bin", data, bytes);
}

static ir_module *build(const model *m) {
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    return model_build(m, A, D, &o);
}

static void check_at(const ir_module *g, const char *name, uint64_t floats, uint32_t rows, uint32_t cols) {
    int i = ir_tensor_find(g, name);
    ck_assert_msg(i >= 0, "no tensor %s", name);
    const ir_tensor *t = &g->tensors[i];
    ck_assert_msg(t->offset == 28 + 4 * floats && t->rows == rows && t->cols == cols && strcmp(t->dtype, "F32") == 0,
                  "%s: [%u, %u] at float %g", name, t->rows, t->cols, (double)(t->offset - 28) / 4);
}

START_TEST(tensors_in_their_order) {
    int32_t own[NUMBERS];
    model *m = model_load(A, D, put_checkpoint(usual, floats_of(usual)));
    EXPECT_NO_ERROR();
    ck_assert_ptr_null(model_vocabulary(m));
    ck_assert_uint_eq(model_positions(m), 5);
    ir_module *g = build(m);
    check_at(g, "embeddings.word", 0, 10, 8);
    check_at(g, "layer.0.attention.norm.weight", 80, 1, 8);
    check_at(g, "layer.1.attention.norm.weight", 88, 1, 8);
    check_at(g, "layer.1.query.weight", 96 + 64, 8, 8);
    check_at(g, "layer.0.key.weight", 96 + 128, 4, 8);
    check_at(g, "layer.1.value.weight", 96 + 128 + 64 + 32, 4, 8);
    check_at(g, "layer.0.ffn.gate.weight", 352 + 128 + 16, 12, 8);
    check_at(g, "layer.0.ffn.down.weight", 496 + 192, 8, 12);
    check_at(g, "layer.1.ffn.up.weight", 496 + 384 + 96, 12, 8);
    check_at(g, "final.norm.weight", 496 + 576, 1, 8);
    ck_assert_int_eq(ir_tensor_find(g, "head.weight"), -1);
    memcpy(own, usual, sizeof own);
    own[VOCABULARY] = -10;
    put("tokenizer.bin", "x");
    m = model_load(A, D, put_checkpoint(own, floats_of(own)));
    EXPECT_NO_ERROR();
    check_at(build(m), "head.weight", 496 + 576 + 8 + 10, 10, 8);
    ck_assert_str_eq(model_vocabulary(m), arena_printf(A, "%s/tokenizer.bin", scratch));
    put("tok10.bin", "x");
    m = model_load(A, D, put_checkpoint(own, floats_of(own)));
    ck_assert_str_eq(model_vocabulary(m), arena_printf(A, "%s/tok10.bin", scratch));
}
END_TEST

START_TEST(refused) {
    static const struct {
        int index;
        int32_t value;
        const char *message;
    } cases[] = {
        {DIM, 0, "0 channels"},
        {DIM, 0x616b3432, "channels, 1 to"}, /* "ak42": the second version */
        {FFN, -1, "-1 FFN channels"},
        {LAYERS, 5000, "5000 layers"},
        {HEADS, 3, "8 channels in 3"},
        {KV_HEADS, 3, "3 of keys"},
        {HEADS, 8, "whole heads of pairs"},
        {VOCABULARY, 0, "0 tokens"},
        {VOCABULARY, INT32_MIN, "tokens"},
        {POSITIONS, 70000, "70000 positions"},
        {VOCABULARY, -10, "has 4388 bytes, but a checkpoint of llama2.c with this header has 4708"},
        {LAYERS, 4000, "with this header has"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t h[NUMBERS];
        memcpy(h, usual, sizeof h);
        h[cases[i].index] = cases[i].value;
        ck_assert_ptr_null(model_load(A, D, put_checkpoint(h, floats_of(usual))));
        EXPECT_ERROR(cases[i].message);
    }
    ck_assert_ptr_null(model_load(A, D, put("m.bin", "short")));
    EXPECT_ERROR("shorter than the header");
    ck_assert_ptr_null(model_load(A, D, put_checkpoint(usual, floats_of(usual) - 1)));
    EXPECT_ERROR("has 4384 bytes");
    ck_assert_ptr_null(model_load(A, D, put_checkpoint(usual, floats_of(usual) + 1)));
    EXPECT_ERROR("has 4392 bytes");
    ck_assert_ptr_null(model_load(A, D, arena_printf(A, "%s/absent.bin", scratch)));
    EXPECT_ERROR("No such file");
}
END_TEST

TEST_MAIN("llama2c", tensors_in_their_order, refused)
