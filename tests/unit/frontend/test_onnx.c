/* ONNX: a small encoder, its bytes written here, reads as the model it is; what is malformed, contradicts or has no
 * place is refused with the node's name. */
#include "frontend/model.h"
#include "frontend/onnx/import.h"
#include "frontend_util.h"

/* ---- writing protocol buffers -------------------------------------------------------------------------------------
 */

typedef struct {
    uint8_t *data;
    size_t count, room;
} buffer;

static void put_byte(buffer *b, uint8_t byte) {
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 256;
        b->data = arena_resize(A, b->data, b->room, room);
        b->room = room;
    }
    b->data[b->count++] = byte;
}

static void put_varint(buffer *b, uint64_t n) {
    for (; n >= 0x80; n >>= 7)
        put_byte(b, (uint8_t)(n | 0x80));
    put_byte(b, (uint8_t)n);
}

static void put_number(buffer *b, unsigned field, uint64_t n) {
    put_varint(b, field << 3);
    put_varint(b, n);
}

static void put_data(buffer *b, unsigned field, const void *data, size_t bytes) {
    put_varint(b, field << 3 | 2);
    put_varint(b, bytes);
    for (size_t i = 0; i < bytes; i++)
        put_byte(b, ((const uint8_t *)data)[i]);
}

static void put_text(buffer *b, unsigned field, const char *text) {
    put_data(b, field, text, strlen(text));
}

static void put_message(buffer *b, unsigned field, const buffer *message) {
    put_data(b, field, message->data, message->count);
}

/* ---- writing graphs -----------------------------------------------------------------------------------------------
 */

enum { WIDTH = 4, HEADS = 2, FFN = 8, VOCABULARY = 6, POSITIONS = 5 };

static buffer graph;
static size_t node_count;
/* What a test does to the model: the name of a node whose operator, or of a constant whose rows, are others. */
static const char *changed, *new_op;
static uint64_t new_rows;
static float scale;

static const char *floats(const char *name, uint64_t rows, uint64_t cols) {
    buffer t = {0};
    rows = changed && strcmp(changed, name) == 0 && new_rows ? new_rows : rows;
    float *f = ARENA_ARRAY(A, float, rows *cols + 1);
    for (size_t i = 0; i < rows * cols; i++)
        f[i] = (float)i;
    if (rows > 1)
        put_number(&t, 1, rows);
    put_number(&t, 1, cols);
    put_number(&t, 2, 1);
    put_text(&t, 8, name);
    put_data(&t, 9, f, rows * cols * sizeof *f);
    put_message(&graph, 5, &t);
    return name;
}

static const char *scalar(const char *name, float value) {
    buffer t = {0};
    put_number(&t, 2, 1);
    put_text(&t, 8, name);
    put_data(&t, 4, &value, sizeof value); /* float_data, packed */
    put_message(&graph, 5, &t);
    return name;
}

static const char *ints(const char *name, const int64_t *values, size_t count) {
    buffer t = {0}, packed = {0};
    put_number(&t, 1, count);
    put_number(&t, 2, 7);
    put_text(&t, 8, name);
    for (size_t i = 0; i < count; i++)
        put_varint(&packed, (uint64_t)values[i]);
    put_message(&t, 7, &packed);
    put_message(&graph, 5, &t);
    return name;
}

/** A node of up to three inputs, with an attribute of whole numbers or one number; returns its output's name. */
static const char *node_with(const char *op, const char *const in[3], const char *attr, const int64_t *list,
                             size_t count) {
    buffer n = {0};
    const char *name = arena_printf(A, "%s_%zu", op, node_count++);
    for (int i = 0; i < 3; i++)
        if (in[i])
            put_text(&n, 1, in[i]);
    put_text(&n, 2, name);
    put_text(&n, 3, name);
    put_text(&n, 4, changed && new_op && strcmp(changed, name) == 0 ? new_op : op);
    if (attr) {
        buffer a = {0};
        put_text(&a, 1, attr);
        if (count == 0)
            put_number(&a, 3, (uint64_t)*list);
        for (size_t i = 0; i < count; i++)
            put_number(&a, 8, (uint64_t)list[i]);
        put_message(&n, 5, &a);
    }
    put_message(&graph, 1, &n);
    return name;
}

static const char *node(const char *op, const char *x, const char *y, const char *z) {
    return node_with(op, (const char *[]){x, y, z}, NULL, NULL, 0);
}

static const char *transpose(const char *x, const int64_t perm[4]) {
    return node_with("Transpose", (const char *[]){x, NULL, NULL}, "perm", perm, 4);
}

static void value(unsigned field, const char *name, uint64_t type) {
    buffer v = {0}, t = {0}, tensor = {0}, shape = {0}, dim = {0};
    put_text(&dim, 2, "n");
    put_message(&shape, 1, &dim);
    put_message(&shape, 1, &dim);
    put_number(&tensor, 1, type);
    put_message(&tensor, 2, &shape);
    put_message(&t, 1, &tensor);
    put_text(&v, 1, name);
    put_message(&v, 2, &t);
    put_message(&graph, field, &v);
}

static const char *linear(const char *x, const char *name, uint64_t in, uint64_t out) {
    const char *w = floats(name, in, out), *b = floats(arena_printf(A, "%s.bias", name), 1, out);
    return node("Add", node("MatMul", x, w, NULL), b, NULL);
}

static const char *norm(const char *x, const char *name) {
    return node("LayerNormalization", x, floats(arena_printf(A, "%s.gamma", name), 1, WIDTH),
                floats(arena_printf(A, "%s.beta", name), 1, WIDTH));
}

/** Layer normalisation from means, the variance by a product. */
static const char *norm_of_means(const char *x, const char *name) {
    const int64_t last = -1;
    const char *mean = node_with("ReduceMean", (const char *[]){x, NULL, NULL}, "axes", &last, 1);
    const char *c = node("Sub", x, mean, NULL), *square = node("Mul", c, c, NULL);
    const char *variance = node_with("ReduceMean", (const char *[]){square, NULL, NULL}, "axes", &last, 1);
    const char *deviation = node("Sqrt", node("Add", variance, scalar("epsilon", 1e-5F), NULL), NULL, NULL);
    const char *y =
        node("Mul", floats(arena_printf(A, "%s.gamma", name), 1, WIDTH), node("Div", c, deviation, NULL), NULL);
    return node("Add", y, floats(arena_printf(A, "%s.beta", name), 1, WIDTH), NULL);
}

/** x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. */
static const char *gelu_tanh(const char *x) {
    const char *cube = node("Mul", x, node("Mul", x, x, NULL), NULL);
    const char *sum = node("Add", x, node("Mul", cube, scalar("c3", 0.044715F), NULL), NULL);
    const char *t = node("Tanh", node("Mul", sum, scalar("c1", 0.7978846F), NULL), NULL, NULL);
    return node("Mul", node("Mul", scalar("half", 0.5F), x, NULL), node("Add", t, scalar("one", 1), NULL), NULL);
}

static void write_encoder(void) {
    static const int64_t heads[] = {0, 0, HEADS, WIDTH / HEADS}, joined[] = {0, 0, WIDTH}, zero = 0, one[] = {1};
    static const int64_t over[4] = {0, 2, 1, 3}, across[4] = {0, 2, 3, 1};
    value(11, "input_ids", 7);
    value(11, "attention_mask", 7);
    ints("heads", heads, 4);
    ints("joined", joined, 3);
    ints("zero", &zero, 1);
    ints("one_index", one, 1);
    const char *words = node("Gather", floats("words", VOCABULARY, WIDTH), "input_ids", NULL);
    const char *length = node("Gather", node("Shape", "input_ids", NULL, NULL), "one_index", NULL);
    const char *positions = node("Slice", floats("positions", POSITIONS, WIDTH), "zero", length);
    const char *x = norm_of_means(node("Add", words, positions, NULL), "embeddings");
    const int64_t to_float = 1;
    const char *mask = node_with("Cast", (const char *[]){"attention_mask", NULL, NULL}, "to", &to_float, 0);
    mask = node("Mul", node("Sub", scalar("1", 1), mask, NULL), scalar("-10000", -10000), NULL);
    const char *q = transpose(node("Reshape", linear(x, "query", WIDTH, WIDTH), "heads", NULL), over);
    const char *k = transpose(node("Reshape", linear(x, "key", WIDTH, WIDTH), "heads", NULL), across);
    const char *v = transpose(node("Reshape", linear(x, "value", WIDTH, WIDTH), "heads", NULL), over);
    const char *scores = node("Div", node("MatMul", q, k, NULL), scalar("root", scale), NULL);
    const char *p = node("Softmax", node("Add", scores, mask, NULL), NULL, NULL);
    const char *context = node("Reshape", transpose(node("MatMul", p, v, NULL), over), "joined", NULL);
    x = norm(node("Add", linear(context, "output", WIDTH, WIDTH), x, NULL), "attention");
    x = norm(node("Add", x, linear(gelu_tanh(linear(x, "up", WIDTH, FFN)), "down", FFN, WIDTH), NULL), "ffn");
    value(12, x, 1);
}

static void begin(void) {
    fresh();
    graph = (buffer){0};
    node_count = 0;
    changed = new_op = NULL;
    new_rows = 0;
    scale = 1.41421356F;
}

static buffer encoder_bytes(void) {
    buffer file = {0}, opset = {0};
    write_encoder();
    put_number(&opset, 2, 17);
    put_message(&file, 8, &opset);
    put_message(&file, 7, &graph);
    return file;
}

static model *read_encoder(void) {
    buffer file = encoder_bytes();
    return model_load(A, D, put_bytes("small.onnx", file.data, file.count));
}

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
    const ir_tensor *up = NULL;
    for (size_t i = 0; i < m->tensor_count; i++)
        up = strcmp(m->tensors[i].name, "layer.0.ffn.up.weight") == 0 ? &m->tensors[i] : up;
    ck_assert_ptr_nonnull(up);
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

START_TEST(refuses_every_truncation) {
    buffer file = encoder_bytes();
    for (size_t n = 0; n < file.count; n++) {
        diag *d = diag_new(A, NULL);
        ck_assert_ptr_null(model_from_onnx_bytes(A, d, "cut.onnx", file.data, n));
        ck_assert_uint_gt(diag_count(d, DIAG_ERROR), 0);
    }
}
END_TEST

/** Any one byte changed: a model or an error, never both or neither. */
START_TEST(survives_changed_bytes) {
    buffer file = encoder_bytes();
    for (size_t i = 0; i < file.count; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            arena *a = arena_new();
            diag *d = diag_new(a, NULL);
            file.data[i] ^= (uint8_t)(1 << bit);
            const model *m = model_from_onnx_bytes(a, d, "changed.onnx", file.data, file.count);
            ck_assert(!m == (diag_count(d, DIAG_ERROR) > 0));
            file.data[i] ^= (uint8_t)(1 << bit);
            arena_free(a);
        }
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
