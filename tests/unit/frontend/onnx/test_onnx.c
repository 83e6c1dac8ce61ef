/* ONNX: a small encoder, its bytes written here, reads as the model it is; what is malformed, contradicts or has no
 * place is refused with the node's name. */
#include "frontend/models/models.h"
#include "ir/base/file.h"
#include "onnx_util.h"

/* ---- tests --------------------------------------------------------------------------------------------------------
 */

START_TEST(reads_an_encoder) {
    model *m = read_encoder();
    ck_assert_str_eq(first_error(), "");
    ck_assert_ptr_nonnull(m);
    const transformer *t = &m->transformer;
    ck_assert_uint_eq(t->layers, 1);
    ck_assert_uint_eq(t->hidden, WIDTH);
    ck_assert_uint_eq(t->heads, HEADS);
    ck_assert_uint_eq(t->ffn, FFN);
    ck_assert_uint_eq(t->vocabulary, VOCABULARY);
    ck_assert_uint_eq(t->positions, POSITIONS);
    ck_assert_uint_eq(t->types, 0);
    ck_assert_uint_eq(t->activation, 1);
    ck_assert_uint_eq(t->pooling, POOLING_NONE);
    ck_assert(t->qkv_bias && t->linear_bias);
    ck_assert(t->norm_epsilon == 1e-5);
    const ir_tensor *up = weight_of(m, "layer.0.ffn.up.weight");
    ck_assert(up->transposed);
    ck_assert_uint_eq(up->rows, WIDTH);
    ck_assert_uint_eq(up->cols, FFN);
    float last;
    size_t bytes;
    const char *file = file_read(A, D, up->file, 1 << 20, &bytes);
    memcpy(&last, file + up->offset + sizeof last * (WIDTH * FFN - 1), sizeof last);
    ck_assert(last == WIDTH * FFN - 1);
    ck_assert_uint_eq(up->file_bytes, bytes);
}
END_TEST

START_TEST(names_what_it_does_not_know) {
    new_op = "Mystery";
    for (size_t n = 0; n < 80; n++) { /* whichever number it has */
        graph = (buffer){0};
        node_count = 0;
        changed = arena_printf(A, "Tanh_%zu", n);
        if (!read_encoder())
            break;
    }
    ck_assert_ptr_nonnull(strstr(first_error(), "(Mystery): no operator of this name is known"));
    ck_assert_ptr_nonnull(strstr(first_error(), changed));
}
END_TEST

START_TEST(refuses_widths_that_contradict) {
    changed = "down";
    new_rows = FFN + 1;
    ck_assert_ptr_null(read_encoder());
    ck_assert_ptr_nonnull(strstr(first_error(), "(MatMul): weight 'down' is [9, 4], its operand 8 wide"));
}
END_TEST

START_TEST(refuses_another_scale) {
    scale = 2;
    ck_assert_ptr_null(read_encoder());
    ck_assert_ptr_nonnull(strstr(first_error(), "(Softmax): scores are scaled by 0.5"));
}
END_TEST

START_TEST(names_all_that_is_wrong_at_once) {
    scale = 2;
    changed = "down";
    new_rows = FFN + 1;
    ck_assert_ptr_null(read_encoder());
    ck_assert(some_error("(Softmax): scores are scaled by 0.5"));
    ck_assert(!some_error("no operator of this name"));
    ck_assert(some_error("(MatMul): weight 'down' is [9, 4], its operand 8 wide"));
}
END_TEST

static const char *mysterious(const char *x, const char *name, uint64_t in, uint64_t out) {
    const char *w = floats(name, in, out), *b = floats(arena_printf(A, "%s.bias", name), 1, out);
    return node("Mystery", node("Add", node("MatMul", x, w, NULL), b, NULL), NULL, NULL);
}

START_TEST(sees_what_is_wrong_behind_an_operator_that_it_does_not_know) {
    other_linear = mysterious;
    changed = "down";
    new_rows = FFN + 1;
    ck_assert_ptr_null(read_encoder());
    ck_assert_uint_eq(diag_count(D, DIAG_ERROR), 7);
    ck_assert(some_error("(Mystery): no operator of this name is known"));
    ck_assert(some_error("(MatMul): weight 'down' is [9, 4], its operand 8 wide"));
}
END_TEST

START_TEST(refuses_every_truncation) {
    buffer file = encoder_bytes();
    for (size_t n = 0; n < file.count; n++) {
        diag *d = diag_new(A, NULL);
        ck_assert_ptr_null(model_from_onnx_bytes(A, d, "cut.onnx", file.data, n));
        ck_assert_uint_gt(diag_count(d, DIAG_ERROR), 0);
    }
}
END_TEST

START_TEST(survives_changed_bytes) {
    survive_changed_bytes(encoder_bytes(), true);
}
END_TEST

/** A graph in an attribute in a graph …: bodies are not entered. */
START_TEST(does_not_follow_nesting) {
    buffer inner = {0};
    put_text(&inner, 2, "innermost");
    for (int i = 0; i < 300; i++) {
        buffer attr = {0}, n = {0}, outer = {0};
        put_text(&attr, 1, "body");
        put_message(&attr, 6, &inner);
        put_text(&n, 4, "Loop");
        put_text(&n, 2, "out");
        put_message(&n, 5, &attr);
        put_message(&outer, 1, &n);
        inner = outer;
    }
    graph = inner;
    value(12, "out", 1);
    buffer file = {0};
    put_message(&file, 7, &graph);
    ck_assert_ptr_null(model_from_onnx_bytes(A, D, "deep.onnx", file.data, file.count));
    ck_assert_ptr_nonnull(strstr(first_error(), "(Loop): control flow depends on data"));
}
END_TEST

START_TEST(keeps_weights_beside_the_model) {
    static const char *const wrong[] = {"../secret", "/etc/passwd", "", "a/../../b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        buffer t = {0}, entry = {0}, file = {0}, all = {0};
        diag *d = diag_new(A, NULL);
        put_text(&entry, 1, "location");
        put_text(&entry, 2, wrong[i]);
        put_text(&t, 8, "w");
        put_number(&t, 2, 1);
        put_message(&t, 13, &entry);
        put_number(&t, 14, 1);
        put_message(&all, 5, &t);
        put_message(&file, 7, &all);
        ck_assert_ptr_null(model_from_onnx_bytes(A, d, "x.onnx", file.data, file.count));
        ck_assert_ptr_nonnull(strstr(diag_at(d, 0)->message, "that must be a name beside the model"));
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx");
    TCase *c = tcase_create("onnx");
    tcase_add_checked_fixture(c, begin, done);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, reads_an_encoder);
    tcase_add_test(c, names_what_it_does_not_know);
    tcase_add_test(c, refuses_widths_that_contradict);
    tcase_add_test(c, refuses_another_scale);
    tcase_add_test(c, names_all_that_is_wrong_at_once);
    tcase_add_test(c, sees_what_is_wrong_behind_an_operator_that_it_does_not_know);
    tcase_add_test(c, refuses_every_truncation);
    tcase_add_test(c, survives_changed_bytes);
    tcase_add_test(c, does_not_follow_nesting);
    tcase_add_test(c, keeps_weights_beside_the_model);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
