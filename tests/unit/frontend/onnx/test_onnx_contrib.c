/* ONNX: the encoder by ONNX Runtime's own operators alone, in floats and in codes. */
#include "frontend/models/models.h"
#include "onnx_util.h"

static const char *const OWN = "com.microsoft";

/** A node of com.microsoft. */
static const char *own(const char *op, const char *const in[], int outputs) {
    return node_of(op, OWN, in, outputs, NULL, NULL, 0);
}

static const char *with_heads(const char *op, const char *const in[]) {
    const int64_t heads = HEADS;
    return node_of(op, OWN, in, 1, "num_heads", &heads, 0);
}

static const char *vector(const char *name, uint64_t width) {
    return floats(name, 1, width);
}

/** SkipLayerNormalization: the bias is the product's, whichever operand that is. */
static const char *norm_of_sum(const char *x, const char *y, const char *name, const char *bias) {
    const char *gamma = vector(arena_printf(A, "%s.gamma", name), WIDTH),
               *beta = vector(arena_printf(A, "%s.beta", name), WIDTH);
    return own("SkipLayerNormalization", (const char *[]){x, y, gamma, beta, bias, NULL}, 4);
}

static void inputs(void) {
    value(11, "input_ids", 6);
    value(11, "attention_mask", 6);
}

static void write_floats(void) {
    inputs();
    const char *x =
        own("EmbedLayerNormalization",
            (const char *[]){"input_ids", "", floats("words", VOCABULARY, WIDTH), floats("positions", POSITIONS, WIDTH),
                             "", vector("gamma", WIDTH), vector("beta", WIDTH), "attention_mask", NULL},
            2);
    const char *qkv = floats("qkv", WIDTH, 3 * WIDTH), *bias = vector("qkv.bias", 3 * WIDTH);
    const char *rows = with_heads("Attention", (const char *[]){x, qkv, bias, output_of(x, 1), NULL});
    const char *product = node("MatMul", rows, floats("output", WIDTH, WIDTH), NULL);
    const char *middle = norm_of_sum(x, product, "attention", vector("output.bias", WIDTH));
    const char *up =
        own("BiasGelu",
            (const char *[]){node("MatMul", middle, floats("up", WIDTH, FFN), NULL), vector("up.bias", FFN), NULL}, 1);
    const char *down = own("FusedMatMul", (const char *[]){up, floats("down", FFN, WIDTH), NULL}, 1);
    value(12, norm_of_sum(down, middle, "ffn", vector("down.bias", WIDTH)), 1);
}

static void write_codes(void) {
    inputs();
    const char *s = scalar("scale", 0.5F), *z = codes("zero", 1, 1, 0);
    const char *x =
        own("QEmbedLayerNormalization",
            (const char *[]){"input_ids", "", codes("words", VOCABULARY, WIDTH, 9),
                             codes("positions", POSITIONS, WIDTH, 1), "", codes("gamma", 1, WIDTH, 4),
                             codes("beta", 1, WIDTH, 2), "attention_mask", s, s, "", s, s, z, z, "", z, z, NULL},
            2);
    const char *q = node_of("DynamicQuantizeLinear", NULL, (const char *[]){x, NULL}, 3, NULL, NULL, 0);
    const char *rows =
        with_heads("QAttention", (const char *[]){q, codes("qkv", WIDTH, 3 * WIDTH, -50), vector("qkv.bias", 3 * WIDTH),
                                                  output_of(q, 1), vector("qkv.scale", 3 * WIDTH), output_of(x, 1),
                                                  output_of(q, 2), z, NULL});
    q = node_of("DynamicQuantizeLinear", NULL, (const char *[]){rows, NULL}, 3, NULL, NULL, 0);
    const char *product = own("MatMulIntegerToFloat",
                              (const char *[]){q, codes("output", WIDTH, WIDTH, 7), output_of(q, 1), s, output_of(q, 2),
                                               z, vector("output.bias", WIDTH), NULL},
                              1);
    const char *middle = norm_of_sum(product, x, "attention", NULL);
    const char *up = own("DynamicQuantizeMatMul",
                         (const char *[]){middle, codes("up", WIDTH, FFN, 3), vector("up.scale", FFN),
                                          codes("up.zero", 1, FFN, 1), vector("up.bias", FFN), NULL},
                         1);
    up = node("QuantizeLinear", own("FastGelu", (const char *[]){up, NULL}, 1), s, z);
    const char *down =
        node_of("QLinearMatMul", NULL, (const char *[]){up, s, z, codes("down", FFN, WIDTH, 5), s, z, s, z, NULL}, 1,
                NULL, NULL, 0);
    down = node("Add", node("DequantizeLinear", down, s, z), vector("down.bias", WIDTH), NULL);
    value(12, norm_of_sum(down, middle, "ffn", NULL), 1);
}

/** The model that one of the above writes. */
static buffer bytes_of(void (*write)(void)) {
    buffer file = {0}, opset = {0};
    write();
    put_number(&opset, 2, 17);
    put_message(&file, 8, &opset);
    put_message(&file, 7, &graph);
    return file;
}

static model *read_model(void (*write)(void)) {
    buffer file = bytes_of(write);
    return model_load(A, D, put_bytes("own.onnx", file.data, file.count));
}

START_TEST(reads_their_encoder) {
    const model *m = read_model(write_floats);
    ck_assert_str_eq(first_error(), "");
    const transformer *t = &m->transformer;
    ck_assert_uint_eq(t->layers, 1);
    ck_assert_uint_eq(t->heads, HEADS);
    ck_assert_uint_eq(t->activation, 0);
    ck_assert_uint_eq(t->types, 0);
    ck_assert(t->qkv_bias && t->linear_bias && t->norm_epsilon == 1e-12);
    ck_assert_uint_eq(weight_of(m, "layer.0.value.weight")->stride, 3 * WIDTH);
    ck_assert_uint_eq(weight_of(m, "layer.0.ffn.down.weight")->rows, FFN);
}
END_TEST

START_TEST(reads_their_encoder_in_codes) {
    diag_ignore_unknown(D); /* a scale of rows is fixed */
    const model *m = read_model(write_codes);
    ck_assert_str_eq(first_error(), "");
    ck_assert_uint_eq(m->transformer.activation, 1);
    static const char *const names[] = {"embeddings.word",       "embeddings.norm.weight",
                                        "layer.0.query.weight",  "layer.0.attention.output.weight",
                                        "layer.0.ffn.up.weight", "layer.0.ffn.down.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_str_eq(weight_of(m, names[i])->dtype, "I8");
    const ir_tensor *q = weight_of(m, "layer.0.query.weight"), *v = weight_of(m, "layer.0.value.weight");
    ck_assert_uint_eq(v->offset - q->offset, 2 * WIDTH);
    ck_assert_uint_eq(v->scales - q->scales, 2 * WIDTH * sizeof(float));
    ck_assert(weight_of(m, "layer.0.ffn.up.weight")->zeros != 0);
    ck_assert(weight_of(m, "embeddings.word")->scale == 0.5);
}
END_TEST

/** What is asked for beyond the attention of encoders is refused. */
START_TEST(refuses_attention_of_decoders) {
    const int64_t yes = 1;
    inputs();
    const char *words = node("Gather", floats("words", VOCABULARY, WIDTH), "input_ids", NULL);
    value(12,
          node_of("Attention", OWN, (const char *[]){words, floats("qkv", WIDTH, 3 * WIDTH), NULL}, 1, "unidirectional",
                  &yes, 0),
          1);
    buffer file = {0};
    put_message(&file, 7, &graph);
    ck_assert_ptr_null(model_from_onnx_bytes(A, D, "causal.onnx", file.data, file.count));
    ck_assert(some_error("(Attention): is causal; encoders of the BERT family see all tokens"));
}
END_TEST

START_TEST(survives_changed_bytes) {
    survive_changed_bytes(bytes_of(_i ? write_codes : write_floats), false);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_contrib");
    TCase *c = tcase_create("onnx_contrib");
    tcase_add_checked_fixture(c, begin, done);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, reads_their_encoder);
    tcase_add_test(c, reads_their_encoder_in_codes);
    tcase_add_test(c, refuses_attention_of_decoders);
    tcase_add_loop_test(c, survives_changed_bytes, 0, 2);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
