/* ONNX: what stands behind the blocks of an encoder, and what is folded before them: positions that are computed of
 * token ids, masks of later tokens and of far ones. */
#include <math.h>

#include "frontend/models/models.h"
#include "ir/base/file.h"
#include "onnx_util.h"

enum { CLASSES = 3 };

/* ---- ends ---------------------------------------------------------------------------------------------------------
 */

static const char *row_of(const char *x, int64_t row) {
    const int64_t axis = 1;
    const char *one = node_with("Gather", (const char *[]){x, ints("row", &row, 1), NULL}, "axis", &axis, 0);
    return node_with("Squeeze", (const char *[]){one, "one_index", NULL}, NULL, NULL, 0);
}

static const char *pooler(const char *x, const char *op) {
    const char *y = node("MatMul", x, floats("pooler", WIDTH, WIDTH), NULL);
    return node(op, node("Add", y, floats("pooler.bias", 1, WIDTH), NULL), NULL, NULL);
}

static const char *classifier(const char *x) {
    return node("Add", node("MatMul", x, floats("classes", WIDTH, CLASSES), NULL), floats("classes.bias", 1, CLASSES),
                NULL);
}

static const char *sequence_classes(const char *x) {
    return classifier(pooler(row_of(x, 0), "Tanh"));
}

static const char *relu_classes(const char *x) {
    return classifier(pooler(row_of(x, 0), "Relu"));
}

static const char *token_classes(const char *x) {
    return classifier(x);
}

/** Scores of first and of last tokens of an answer: two outputs. */
static const char *spans(const char *x) {
    const int64_t last = -1, two = 2;
    const char *y = node("Add", node("MatMul", x, floats("spans", WIDTH, 2), NULL), floats("spans.bias", 1, 2), NULL);
    const char *parts = node_of("Split", NULL, (const char *[]){y, NULL}, 2, "axis", &last, 0);
    ints("last", &two, 1);
    value(12, node("Squeeze", parts, "last", NULL), 1);
    return node("Squeeze", output_of(parts, 1), "last", NULL);
}

static const char *third_row(const char *x) {
    return row_of(x, 2); /* the last one, of a text of three */
}

static const char *pooled_rows(const char *x) {
    return pooler(x, "Tanh");
}

static const char *sigmoid_of_classes(const char *x) {
    return node("Sigmoid", sequence_classes(x), NULL, NULL);
}

/** Means by a mask, as sentence-transformers computes them, of length one. */
static const char *mean_of_length_one(const char *x) {
    const int64_t one = 1, two = 2, to_float = 1;
    const char *mask = node("Unsqueeze", "attention_mask", ints("two", &two, 1), NULL);
    mask = node("Expand", mask, node("Shape", x, NULL, NULL), NULL);
    mask = node_with("Cast", (const char *[]){mask, NULL, NULL}, "to", &to_float, 0);
    const char *sum = node("Mul", x, mask, NULL);
    sum = node_with("ReduceSum", (const char *[]){sum, ints("tokens", &one, 1), NULL}, "keepdims", &(int64_t){0}, 0);
    const char *count = node_with("ReduceSum", (const char *[]){mask, "tokens", NULL}, "keepdims", &(int64_t){0}, 0);
    const char *mean = node("Div", sum, node("Clip", count, scalar("few", 1e-9F), NULL), NULL);
    const char *length = node("ReduceL2", mean, "tokens", NULL);
    length = node("Expand", node("Clip", length, scalar("short", 1e-12F), NULL), node("Shape", mean, NULL, NULL), NULL);
    return node("Div", mean, length, NULL);
}

/** As the last, where the file has a number of tokens. */
static const char *mean_of_three(const char *x) {
    const int64_t one = 1;
    const char *sum = node("ReduceSum", x, ints("tokens", &one, 1), NULL);
    return node("Div", sum, scalar("three", 3), NULL);
}

START_TEST(keeps_heads) {
    static const struct {
        const char *(*end)(const char *x);
        pooling_kind pooling;
        bool pooler, normalize;
        uint32_t classes, activation;
        const char *error;
    } rows[] = {
        {sequence_classes, POOLING_FIRST, true, false, CLASSES, ACTIVATION_TANH, NULL},
        {relu_classes, POOLING_FIRST, true, false, CLASSES, ACTIVATION_RELU, NULL},
        {token_classes, POOLING_NONE, false, false, CLASSES, 0, NULL},
        {spans, POOLING_NONE, false, false, 2, 0, NULL},
        {mean_of_length_one, POOLING_MEAN, false, true, 0, 0, NULL},
        {third_row, 0, false, false, 0, 0, "is another model of 5 tokens than of 3: node \"Gather"},
        {mean_of_three, 0, false, false, 0, 0, "is another model of 5 tokens than of 3: "},
        {pooled_rows, 0, false, false, 0, 0, "works on every row; a block like this is known only of one row"},
        {sigmoid_of_classes, 0, false, false, 0, 0, "(Sigmoid): "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_again();
        other_end = rows[i].end;
        const model *m = read_encoder();
        if (rows[i].error) {
            ck_assert_msg(!m && some_error(rows[i].error), "row %zu: %s", i, first_error());
            continue;
        }
        ck_assert_msg(m != NULL, "row %zu: %s", i, first_error());
        const transformer *t = &m->transformer;
        ck_assert_uint_eq(t->pooling, rows[i].pooling);
        ck_assert(t->pooler == rows[i].pooler && t->normalize == rows[i].normalize);
        ck_assert_uint_eq(t->classes, rows[i].classes);
        if (t->pooler)
            ck_assert_uint_eq(t->pooler_activation, rows[i].activation);
        if (t->classes)
            ck_assert_uint_eq(weight_of(m, "classifier.weight")->cols, rows[i].classes);
    }
}
END_TEST

/* ---- positions ----------------------------------------------------------------------------------------------------
 */

static int64_t padding, added;

/** As RoBERTa counts: tokens that are no padding, up to each, and one number more. */
static const char *counted_positions(void) {
    const int64_t to_int = 7;
    const char *there = node("Not", node("Equal", "input_ids", ints("padding", &padding, 1), NULL), NULL, NULL);
    there = node_with("Cast", (const char *[]){there, NULL, NULL}, "to", &to_int, 0);
    const char *count = node("Mul", node("CumSum", there, "one_index", NULL), there, NULL);
    return node("Gather", "positions", node("Add", count, ints("added", &added, 1), NULL), NULL);
}

START_TEST(counts_positions_behind_padding) {
    static const struct {
        int64_t padding, added;
        const char *error;
    } rows[] = {
        {1, 1, NULL},
        {0, 1, "compares token ids with 0, which is not the padding before its positions"},
        {2, 2, "the rows of a table must be chosen by token ids, token types or positions"}, /* there are but five */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_again();
        padding = rows[i].padding;
        added = rows[i].added;
        other_positions = counted_positions;
        const model *m = read_encoder();
        if (rows[i].error) {
            ck_assert_msg(!m && some_error(rows[i].error), "row %zu: %s", i, first_error());
            continue;
        }
        ck_assert_msg(m != NULL, "row %zu: %s", i, first_error());
        ck_assert_uint_eq(m->transformer.first_position, 2);
        ck_assert_uint_eq(m->transformer.positions, POSITIONS - 2);
        const ir_tensor *table = weight_of(m, "embeddings.position");
        ck_assert_uint_eq(table->rows, POSITIONS - 2);
        float first;
        size_t bytes;
        const char *file = file_read(A, D, table->file, 1 << 20, &bytes);
        memcpy(&first, file + table->offset, sizeof first);
        ck_assert(first == 2 * WIDTH);
    }
}
END_TEST

/* ---- masks --------------------------------------------------------------------------------------------------------
 */

/** Tokens that are `most` or more behind, or ahead, are hidden. */
static const char *distances(void) {
    const int64_t one = 1;
    const char *length = node("Gather", node("Shape", "input_ids", NULL, NULL), "one_index", NULL);
    const char *at = node("Range", "zero", length, ints("by", &one, 1));
    return node("Sub", node("Unsqueeze", at, "zero", NULL), node("Unsqueeze", at, "one_index", NULL), NULL);
}

static const char *causal(void) {
    const char *later = node("Greater", distances(), "zero", NULL);
    return node("Where", later, scalar("low", -3.4e38F), scalar("none", 0));
}

static const char *window(void) {
    const int64_t far = 3;
    const char *near = node("Less", node("Abs", distances(), NULL, NULL), ints("far", &far, 1), NULL);
    return node("Where", near, scalar("none", 0), scalar("low", -INFINITY));
}

START_TEST(refuses_masks_by_name) {
    other_mask = causal;
    ck_assert_ptr_null(read_encoder());
    ck_assert_msg(some_error("hides later tokens"), "%s", first_error());
    begin_again();
    other_mask = window; /* of three tokens it hides none */
    ck_assert_ptr_null(read_encoder());
    ck_assert_msg(some_error("is another model of 5 tokens than of 3: ") && some_error("masks tokens otherwise"), "%s",
                  first_error());
}
END_TEST

START_TEST(survives_changed_bytes) {
    other_end = _i == 0 ? mean_of_length_one : _i == 1 ? sequence_classes : NULL;
    padding = added = 1;
    other_positions = _i == 2 ? counted_positions : NULL;
    other_mask = _i == 3 ? window : NULL;
    survive_changed_bytes(encoder_bytes(), false);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_heads");
    TCase *c = tcase_create("onnx_heads");
    tcase_add_checked_fixture(c, begin, done);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, keeps_heads);
    tcase_add_test(c, counts_positions_behind_padding);
    tcase_add_test(c, refuses_masks_by_name);
    tcase_add_loop_test(c, survives_changed_bytes, 0, 4);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
