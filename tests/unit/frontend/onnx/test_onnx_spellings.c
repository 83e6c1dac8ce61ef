/* ONNX: what is one product in the graph is three in the model, each a part of the weight; operators of com.microsoft;
 * codes with scales; and what --explain says of them. */
#include <math.h>

#include "frontend/models/models.h"
#include "onnx_util.h"

enum { THREE = 3 * WIDTH, FLOAT = sizeof(float) };

/* ---- products of three --------------------------------------------------------------------------------------------
 */

static int64_t parts[3];

static const char *in_heads(const char *rows, const int64_t perm[4]) {
    return transpose(node("Reshape", rows, "heads", NULL), perm);
}

static const char *split_columns(const char *x) {
    const int64_t last = -1;
    const char *rows = linear(x, "qkv", WIDTH, THREE);
    const char *three =
        node_of("Split", NULL, (const char *[]){rows, ints("parts", parts, 3), NULL}, 3, "axis", &last, 0);
    return attention_of_heads(in_heads(three, over), in_heads(output_of(three, 1), across),
                              in_heads(output_of(three, 2), over));
}

/** [batch, seq, 3, heads, head_dim], transposed, gathered; the weight is [outputs][inputs]. */
static const char *gather_parts(const char *x) {
    static const int64_t sizes[] = {0, 0, 3, HEADS, WIDTH / HEADS}, first[] = {2, 0, 3, 1, 4}, turned[] = {0, 1, 3, 2};
    const int64_t yes = 1, zero = 0;
    const char *rows =
        node_of("Gemm", NULL, (const char *[]){x, floats("qkv", THREE, WIDTH), floats("qkv.bias", 1, THREE), NULL}, 1,
                "transB", &yes, 0);
    const char *five = node("Reshape", rows, ints("sizes", sizes, 5), NULL), *heads[3];
    five = node_with("Transpose", (const char *[]){five, NULL, NULL}, "perm", first, 5);
    for (int64_t i = 0; i < 3; i++) {
        const char *one = node_with(
            "Gather", (const char *[]){five, ints(arena_printf(A, "at%d", (int)i), &i, 1), NULL}, "axis", &zero, 0);
        heads[i] = node_with("Squeeze", (const char *[]){one, "zero", NULL}, NULL, NULL, 0);
    }
    return attention_of_heads(heads[0], transpose(heads[1], turned), heads[2]);
}

/** As some exporters write it: for each head its query, key and value side by side. */
static const char *interleaved(const char *x) {
    static const int64_t sizes[] = {0, 0, HEADS, 3 * WIDTH / HEADS};
    const int64_t last = -1;
    const char *rows = node("Reshape", linear(x, "qkv", WIDTH, THREE), ints("sizes", sizes, 4), NULL);
    const char *three = node_of("Split", NULL, (const char *[]){rows, NULL}, 3, "axis", &last, 0);
    return attention_of_heads(transpose(three, over), transpose(output_of(three, 1), across),
                              transpose(output_of(three, 2), over));
}

static const char *contrib_attention(const char *x) {
    const int64_t heads = HEADS;
    return node_of("Attention", "com.microsoft",
                   (const char *[]){x, floats("qkv", WIDTH, THREE), floats("qkv.bias", 1, THREE), "mask", NULL}, 1,
                   "num_heads", &heads, 0);
}

/** Query, key and value are thirds of a weight [inputs][3 outputs], or of [3 outputs][inputs]. */
static void expect_thirds(const model *m, bool columns) {
    static const char *const names[] = {"query", "key", "value"};
    const ir_tensor *first = weight_of(m, "layer.0.query.weight"), *first_bias = weight_of(m, "layer.0.query.bias");
    for (unsigned i = 0; i < 3; i++) {
        const ir_tensor *w = weight_of(m, arena_printf(A, "layer.0.%s.weight", names[i]));
        const ir_tensor *b = weight_of(m, arena_printf(A, "layer.0.%s.bias", names[i]));
        ck_assert_uint_eq(w->offset - first->offset, i * (columns ? WIDTH : WIDTH * WIDTH) * (uint64_t)FLOAT);
        ck_assert_uint_eq(b->offset - first_bias->offset, i * (uint64_t)WIDTH * FLOAT);
        ck_assert_uint_eq(w->stride, columns ? THREE : 0);
        ck_assert(w->transposed == columns);
        ck_assert_uint_eq(w->rows, WIDTH);
        ck_assert_uint_eq(w->cols, WIDTH);
        ck_assert_uint_eq(b->cols, WIDTH);
        ck_assert_uint_eq(b->stride, 0);
    }
}

START_TEST(takes_products_of_three_apart) {
    static const struct {
        const char *(*attention)(const char *x);
        bool columns;
    } rows[] = {{split_columns, true}, {gather_parts, false}, {contrib_attention, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_again();
        parts[0] = parts[1] = parts[2] = WIDTH;
        other_attention = rows[i].attention;
        const model *m = read_encoder();
        ck_assert_str_eq(first_error(), "");
        ck_assert_uint_eq(m->transformer.heads, HEADS);
        expect_thirds(m, rows[i].columns);
    }
}
END_TEST

START_TEST(refuses_parts_that_do_not_fit) {
    static const struct {
        const char *(*attention)(const char *x);
        int64_t parts[3];
        const char *error;
    } rows[] = {
        {split_columns, {WIDTH, WIDTH, WIDTH - 1}, "(Split): its parts make 11 of the 12 that it splits"},
        {split_columns, {WIDTH, WIDTH, WIDTH + 1}, "(Split): its parts are not the 12 that it splits"},
        {split_columns, {WIDTH, -1, WIDTH}, "(Split): its parts are not the 12 that it splits"},
        {interleaved, {0}, "(MatMul): queries, keys and values of each head lie side by side"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_again();
        memcpy(parts, rows[i].parts, sizeof parts);
        other_attention = rows[i].attention;
        ck_assert_ptr_null(read_encoder());
        ck_assert_msg(some_error(rows[i].error), "row %zu: %s", i, first_error());
    }
}
END_TEST

/* ---- masks --------------------------------------------------------------------------------------------------------
 */

static int64_t kept_as[4];

/** 0 to a size of a value, less one. */
static const char *range_of(const char *x, const char *axis) {
    const char *size = node("Gather", node("Shape", x, NULL, NULL), axis, NULL);
    return node("Range", "zero", size, "one_index");
}

/** The mask chosen token by token out of one long row, as exporters write what is indexed by text and position; behind
 * the probabilities a test for NaN, and a reshape to `kept_as`. */
static const char *masked_by_index(const char *x) {
    const int64_t to_bool = 9, axis = 2;
    const char *there = node_with("Cast", (const char *[]){"attention_mask", NULL, NULL}, "to", &to_bool, 0);
    const char *length = node("Gather", node("Shape", there, NULL, NULL), "one_index", NULL);
    const char *text = node("Mul", node("Unsqueeze", range_of(x, "zero"), "one_index", NULL), length, NULL);
    const char *token = node("Unsqueeze", range_of(there, "one_index"), "zero", NULL);
    const char *row = node_with("Flatten", (const char *[]){there, NULL, NULL}, "axis", &axis, 0);
    const char *seen = node("Gather", row, node("Add", token, text, NULL), NULL);
    seen = node("And", node("GreaterOrEqual", token, "zero", NULL), seen, NULL);
    const char *bias = node("Where", seen, scalar("nothing", 0), scalar("lowest", -INFINITY));
    const char *q = transpose(node("Reshape", linear(x, "query", WIDTH, WIDTH), "heads", NULL), over);
    const char *k = transpose(node("Reshape", linear(x, "key", WIDTH, WIDTH), "heads", NULL), across);
    const char *v = transpose(node("Reshape", linear(x, "value", WIDTH, WIDTH), "heads", NULL), over);
    const char *scores = node("Div", node("MatMul", q, k, NULL), scalar("root", scale), NULL);
    const char *p = node("Softmax", node("Add", scores, bias, NULL), NULL, NULL);
    p = node("Where", node("IsNaN", p, NULL, NULL), "nothing", p);
    const char *context = node("Reshape", node("MatMul", p, v, NULL), ints("kept", kept_as, 4), NULL);
    return node("Reshape", transpose(context, over), "joined", NULL);
}

START_TEST(masks_fold_away) {
    static const struct {
        int64_t sizes[4];
        const char *error;
    } rows[] = {
        {{0, -1, 0, WIDTH / HEADS}, NULL},
        {{0, HEADS, -1, WIDTH / HEADS}, NULL},
        {{0, -1, -1, WIDTH / HEADS}, "(Reshape): this reshape neither keeps rows nor splits"},
        {{0, -1, HEADS, WIDTH / HEADS}, "(Reshape): this reshape neither keeps rows nor splits"},
        {{0, HEADS, -1, WIDTH}, "(Reshape): this reshape neither keeps rows nor splits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_again();
        memcpy(kept_as, rows[i].sizes, sizeof kept_as);
        other_attention = masked_by_index;
        const model *m = read_encoder();
        if (!rows[i].error)
            ck_assert_msg(m && m->transformer.heads == HEADS, "row %zu: %s", i, first_error());
        else
            ck_assert_msg(!m && some_error(rows[i].error), "row %zu: %s", i, first_error());
    }
}
END_TEST

static const char *flattened(const char *x) {
    return node("Flatten", x, NULL, NULL);
}

START_TEST(flattens_rows_to_no_rows) {
    other_attention = flattened;
    ck_assert_ptr_null(read_encoder());
    ck_assert_msg(some_error("(MatMul): multiplies a weight that is no matrix, or what are no rows"), "%s",
                  first_error());
}
END_TEST

/* ---- codes --------------------------------------------------------------------------------------------------------
 */

static const char *product_of_codes(const char *x, const char *name, uint64_t in, uint64_t out) {
    const int64_t to_float = 1;
    const char *rows = node_of("DynamicQuantizeLinear", NULL, (const char *[]){x, NULL}, 3, NULL, NULL, 0);
    const char *w = codes(name, in, out, -100),
               *zero = codes(arena_printf(A, "%s.zero", name), 1, out, strcmp(name, "up") == 0 ? 1 : 0);
    const char *product =
        node_of("MatMulInteger", NULL, (const char *[]){rows, w, output_of(rows, 2), zero, NULL}, 1, NULL, NULL, 0);
    const char *scales = node("Mul", output_of(rows, 1), floats(arena_printf(A, "%s.scale", name), 1, out), NULL);
    product = node_with("Cast", (const char *[]){product, NULL, NULL}, "to", &to_float, 0);
    return node("Add", node("Mul", product, scales, NULL), floats(arena_printf(A, "%s.bias", name), 1, out), NULL);
}

static const char *product_of_dequantised(const char *x, const char *name, uint64_t in, uint64_t out) {
    const char *w = node("DequantizeLinear", codes(name, in, out, 7), scalar(arena_printf(A, "%s.scale", name), 0.25F),
                         codes(arena_printf(A, "%s.zero", name), 1, 1, 5));
    const char *rows =
        node("DequantizeLinear", node("QuantizeLinear", x, "one_scale", "no_zero"), "one_scale", "no_zero");
    return node("Add", node("MatMul", rows, w, NULL), floats(arena_printf(A, "%s.bias", name), 1, out), NULL);
}

START_TEST(weights_of_codes_keep_their_values) {
    other_linear = product_of_codes;
    const model *m = read_encoder();
    ck_assert_str_eq(first_error(), "");
    const ir_tensor *up = weight_of(m, "layer.0.ffn.up.weight"), *key = weight_of(m, "layer.0.key.weight");
    ck_assert_str_eq(up->dtype, "I8");
    ck_assert_str_eq(key->dtype, "I8");
    ck_assert(up->transposed && !up->by_rows);
    ck_assert(up->scales != 0 && up->zeros != 0 && key->scales != 0);
    ck_assert_uint_eq(key->zeros, 0);
    ck_assert(key->mean == 0);
    begin_again();
    other_linear = product_of_dequantised;
    scalar("one_scale", 0.5F);
    codes("no_zero", 1, 1, 0);
    ck_assert_ptr_null(read_encoder());
    ck_assert(some_error("6 nodes QuantizeLinear round rows to codes by scales that are fixed in the file"));
    begin_again();
    other_linear = product_of_dequantised;
    scalar("one_scale", 0.5F);
    codes("no_zero", 1, 1, 0);
    diag_ignore_unknown(D);
    m = read_encoder();
    ck_assert_str_eq(first_error(), "");
    up = weight_of(m, "layer.0.ffn.up.weight");
    ck_assert_str_eq(up->dtype, "I8");
    ck_assert(up->scales == 0 && up->zeros == 0 && up->scale == 0.25 && up->mean == 5);
    ck_assert(diag_count(D, DIAG_REMARK) > 0);
}
END_TEST

/* ---- --explain ----------------------------------------------------------------------------------------------------
 */

static const char *explained(void) {
    buffer file = encoder_bytes();
    const char *path = put_bytes("explained.onnx", file.data, file.count);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert(model_explain(A, path, out));
    ck_assert_int_eq(fclose(out), 0);
    const char *kept = arena_strdup(A, text);
    free(text);
    return kept;
}

START_TEST(explains_every_node) {
    parts[0] = parts[1] = parts[2] = WIDTH;
    other_attention = split_columns;
    const char *text = explained();
    static const char *const lines[] = {"(Split): layer.0.query, layer.0.key, layer.0.value\n",
                                        "(Softmax): part of layer.0.attention\n", "(Shape): folded: known when",
                                        "(Gather): embeddings\n", "(Tanh): part of layer.0.ffn.activation\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(text, lines[i]), "%s is not in\n%s", lines[i], text);
    ck_assert_ptr_null(strstr(text, "cannot be taken"));
    begin_again();
    scale = 2;
    text = explained();
    ck_assert_ptr_nonnull(strstr(text, "(Softmax): cannot be taken: scores are scaled by 0.5"));
    ck_assert_ptr_nonnull(strstr(text, "(Shape): folded: known when"));
    ck_assert(!model_explain(A, "model.yaml", stderr));
}
END_TEST

/* ---- changed bytes ------------------------------------------------------------------------------------------------
 */

START_TEST(survives_changed_bytes) {
    parts[0] = parts[1] = parts[2] = WIDTH;
    other_attention = _i == 0   ? split_columns
                      : _i == 1 ? gather_parts
                      : _i == 2 ? contrib_attention
                      : _i == 5 ? masked_by_index
                                : NULL;
    other_linear = _i == 3 ? product_of_codes : _i == 4 ? product_of_dequantised : NULL;
    scalar("one_scale", 0.5F);
    codes("no_zero", 1, 1, 0);
    survive_changed_bytes(encoder_bytes(), false);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_spellings");
    TCase *c = tcase_create("onnx_spellings");
    tcase_add_checked_fixture(c, begin, done);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, takes_products_of_three_apart);
    tcase_add_test(c, refuses_parts_that_do_not_fit);
    tcase_add_test(c, masks_fold_away);
    tcase_add_test(c, flattens_rows_to_no_rows);
    tcase_add_test(c, weights_of_codes_keep_their_values);
    tcase_add_test(c, explains_every_node);
    tcase_add_loop_test(c, survives_changed_bytes, 0, 6);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
