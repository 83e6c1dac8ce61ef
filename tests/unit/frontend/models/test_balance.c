/* Balancing constants: from ranges to a file, and from the file to a model. */
#include <math.h>

#include "frontend/files/safetensors.h"
#include "frontend/models/models.h"
#include "frontend_util.h"

static const float *numbers(const safetensors *s, const char *name, size_t count) {
    const st_tensor *t = safetensors_find(s, name);
    ck_assert_msg(t, "there is no %s", name);
    ck_assert_uint_eq(t->bytes, count * sizeof(float));
    return (const float *)(const void *)(s->data + t->offset);
}

/* Two key/value heads of two channels, two query heads each. */
static const char *write_two_layers(void) {
    static const double mean[] = {10, 0, 0, -1};
    static const float least[] = {2, -16, 0, -1}, largest[] = {14, 1, 0, 15}, query[] = {1, 16, 3, 0};
    const balance_range layers[2] = {{4, mean, least, largest, query}, {4, mean, least, largest, query}};
    const char *path = put("balance.safetensors", "");
    ck_assert(balance_write(A, D, path, layers, 2, 4, 2));
    return path;
}

START_TEST(constants_follow_the_formula) {
    safetensors *s = safetensors_open(A, D, write_two_layers());
    ck_assert_uint_eq(s->count, 6);
    const float *q = numbers(s, "layer.1.balance.query", 8), *k = numbers(s, "layer.1.balance.key", 4);
    const float *shift = numbers(s, "layer.1.balance.shift", 4);
    const double t[4] = {pow(8, .75), pow(16, .75) / pow(16, .25), 1, 1}; /* nothing was seen of the last two */
    for (int c = 0; c < 4; c++) {
        ck_assert_double_eq_tol((double)k[c], 1 / t[c], 1e-6);
        for (int g = 0; g < 2; g++)
            ck_assert_double_eq_tol((double)q[c / 2 * 4 + g * 2 + c % 2], t[c], 1e-5);
    }
    ck_assert_double_eq_tol((double)shift[0], -10 / t[0], 1e-5);
    ck_assert(shift[1] == 0 && shift[2] == 0);
    ck_assert_double_eq_tol((double)shift[3], 1, 1e-6);
    safetensors_close(s);
}
END_TEST

START_TEST(a_model_takes_its_own_constants) {
    static const char text[] = "transformer: {layers: 2, hidden: 8, heads: 4, kv_heads: 2, ffn: 24, vocabulary: 50, "
                               "positions: 20}\n";
    const char *path = write_two_layers();
    model *m = model_load(A, D, put("tiny.yaml", text));
    ck_assert(model_balance(m, A, D, path));
    const model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    ir_module *graph = model_build(m, A, D, &o);
    EXPECT_NO_ERROR();
    ck_assert_int_ge(ir_tensor_find(graph, "layer.1.balance.shift"), 0);
    const ir_tensor *t = &graph->tensors[ir_tensor_find(graph, "layer.0.balance.query")];
    ck_assert_uint_eq(t->cols, 8);
    ck_assert_str_eq(t->file, path);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    const char *path = write_two_layers();
    model *m = model_load(
        A, D,
        put("other.yaml", "transformer: {layers: 2, hidden: 8, heads: 4, ffn: 24, vocabulary: 50, positions: 20}\n"));
    ck_assert(!model_balance(m, A, D, path));
    EXPECT_ERROR("tensor 'layer.0.balance.key' is no F32 [8], as 'other' needs: it was calibrated for another model");
    m = model_load(
        A, D,
        put("deep.yaml",
            "transformer: {layers: 3, hidden: 8, heads: 4, kv_heads: 2, ffn: 24, vocabulary: 50, positions: 20}\n"));
    ck_assert(!model_balance(m, A, D, path));
    EXPECT_ERROR("lacks the tensor 'layer.2.balance.query'; balance 'deep' with what dtqc calibrate wrote for it");
    m = model_load(A, D, put("bare.yaml", "attention: {tokens: 9, heads: 1, head_dim: 4}\n"));
    ck_assert(!model_balance(m, A, D, path));
    EXPECT_ERROR("'bare' is a bare attention: whoever makes its q and k balances them");
}
END_TEST

TEST_MAIN("balance", constants_follow_the_formula, a_model_takes_its_own_constants, what_does_not_fit_is_refused)
