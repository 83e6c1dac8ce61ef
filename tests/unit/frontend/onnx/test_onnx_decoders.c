/* ONNX: decoders, whose blocks normalise their input: rotary positions as an operator and spelled out, with plain and
 * scaled frequencies, causal masks, grouped heads, gated feed-forward networks, and inputs for tokens of the past. */
#include <math.h>

#include "frontend/models/models.h"
#include "onnx_util.h"

enum { HEAD_DIM = 6, QUERIES = 2 * HEAD_DIM, TABLE = 300, HIDDEN = 8 };
static const double BASE = 10000;

/* What a test does: the last frequency divided, the sign of the half of channels that is turned, keys of one head. */
static double divisor;
static bool spelled, wrong_sign, with_past, visible_future;

static const char *table(const char *name, double (*f)(double), uint64_t columns) {
    buffer t = {0};
    float *values = ARENA_ARRAY(A, float, TABLE *columns);
    for (uint64_t i = 0; i < TABLE * columns; i++) {
        uint64_t pair = i % columns % (HEAD_DIM / 2);
        double frequency = pow(BASE, -2.0 * (double)pair / (double)HEAD_DIM) / (pair == 2 ? divisor : 1);
        values[i] = (float)f((double)(i / columns) * frequency);
    }
    put_number(&t, 1, TABLE);
    put_number(&t, 1, columns);
    put_number(&t, 2, 1);
    put_text(&t, 8, name);
    put_data(&t, 9, values, TABLE * columns * sizeof *values);
    put_message(&graph, 5, &t);
    return name;
}

static const char *matmul(const char *x, const char *name, uint64_t in, uint64_t out) {
    return node("MatMul", x, floats(name, in, out), NULL);
}

static const char *rms(const char *x, const char *name) {
    return node("SimplifiedLayerNormalization", x, floats(name, 1, HIDDEN), NULL);
}

static const char *part_of(const char *x, const char *from, const char *to) {
    return node_of("Slice", NULL, (const char *[]){x, from, to, "last_axis", NULL}, 1, NULL, NULL, 0);
}

/** x cos + (-x2, x1) sin, in heads. */
static const char *turned(const char *x) {
    const int64_t last = -1;
    const char *first = part_of(x, "nought", "half"), *second = part_of(x, "half", "end");
    second = wrong_sign ? second : node("Neg", second, NULL, NULL);
    const char *halves = node_with("Concat", (const char *[]){second, first, NULL}, "axis", &last, 0);
    return node("Add", node("Mul", x, "cos_of_text", NULL), node("Mul", halves, "sin_of_text", NULL), NULL);
}

static const char *attention_spelled(const char *q, const char *k, const char *v) {
    static const int64_t turn[] = {0, 1, 3, 2};
    const char *root = scalar("root", 1 / sqrtf((float)HEAD_DIM));
    q = turned(transpose(node("Reshape", q, "q_sizes", NULL), over));
    k = turned(transpose(node("Reshape", k, "k_sizes", NULL), over));
    v = transpose(node("Reshape", v, "k_sizes", NULL), over);
    k = node("Expand", k, "copies", NULL);
    v = node("Expand", v, "copies", NULL);
    const char *scores = node("Mul", node("MatMul", q, transpose(k, turn), NULL), root, NULL);
    const char *p = node("Softmax", node("Add", scores, "causal", NULL), NULL, NULL);
    return node("Reshape", transpose(node("MatMul", p, v, NULL), over), "q_joined", NULL);
}

static const char *attention_operator(const char *q, const char *k, const char *v) {
    buffer n = {0};
    const char *const in[] = {q, k, v, "past", "past", "lengths", "lengths", "cos", "sin"};
    const struct {
        const char *name;
        uint64_t number;
    } attrs[] = {{"num_heads", 2}, {"kv_num_heads", 1}, {"do_rotary", 1}};
    const char *name = arena_printf(A, "gqa_%zu", node_count++);
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        put_text(&n, 1, with_past || (i != 3 && i != 4) ? in[i] : "");
    put_text(&n, 2, name);
    put_text(&n, 3, name);
    put_text(&n, 4, "GroupQueryAttention");
    put_text(&n, 7, "com.microsoft");
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++) {
        buffer a = {0};
        put_text(&a, 1, attrs[i].name);
        put_number(&a, 3, attrs[i].number);
        put_message(&n, 5, &a);
    }
    put_message(&graph, 1, &n);
    return name;
}

/** Keys of earlier tokens: [n, 1, past, HEAD_DIM]. */
static void past_input(void) {
    buffer v = {0}, t = {0}, tensor = {0}, shape = {0}, any = {0}, one = {0}, dim = {0};
    put_text(&any, 2, "n");
    put_number(&one, 1, 1);
    put_number(&dim, 1, HEAD_DIM);
    put_message(&shape, 1, &any);
    put_message(&shape, 1, &one);
    put_message(&shape, 1, &any);
    put_message(&shape, 1, &dim);
    put_number(&tensor, 1, 1);
    put_message(&tensor, 2, &shape);
    put_message(&t, 1, &tensor);
    put_text(&v, 1, "past");
    put_message(&v, 2, &t);
    put_message(&graph, 11, &v);
}

static void sizes_of_text(void) {
    static const int64_t q_sizes[] = {0, 0, 2, HEAD_DIM}, k_sizes[] = {0, 0, 1, HEAD_DIM}, joined[] = {0, 0, QUERIES},
                         nought[] = {0}, one[] = {1}, half[] = {HEAD_DIM / 2}, end[] = {INT64_MAX}, axis[] = {3},
                         copies[] = {1, 2, 1, 1};
    ints("q_sizes", q_sizes, 4);
    ints("k_sizes", k_sizes, 4);
    ints("q_joined", joined, 3);
    ints("nought", nought, 1);
    ints("one", one, 1);
    ints("half", half, 1);
    ints("end", end, 1);
    ints("last_axis", axis, 1);
    ints("copies", copies, 4);
    const char *length = node("Gather", node("Shape", "input_ids", NULL, NULL), "one", NULL);
    named("Identity", length, "lengths");
    const char *at = node("Range", "nought", length, "one");
    const char *later = node("Less", node("Unsqueeze", at, "one", NULL), node("Unsqueeze", at, "nought", NULL), NULL);
    const char *low = scalar("low", visible_future ? -1 : -INFINITY);
    named("Identity", node("Where", later, low, scalar("none", 0)), "causal");
    if (spelled) {
        named("Identity", node("Slice", table("cos", cos, HEAD_DIM), "nought", length), "cos_of_text");
        named("Identity", node("Slice", table("sin", sin, HEAD_DIM), "nought", length), "sin_of_text");
    } else {
        table("cos", cos, HEAD_DIM / 2);
        table("sin", sin, HEAD_DIM / 2);
    }
}

static buffer decoder_bytes(void) {
    buffer file = {0}, opset = {0};
    value(11, "input_ids", 7);
    if (with_past)
        past_input();
    sizes_of_text();
    const char *x = node("Gather", floats("words", VOCABULARY, HIDDEN), "input_ids", NULL);
    const char *y = rms(x, "norm1");
    const char *q = matmul(y, "q", HIDDEN, QUERIES), *k = matmul(y, "k", HIDDEN, HEAD_DIM),
               *v = matmul(y, "v", HIDDEN, HEAD_DIM);
    y = spelled ? attention_spelled(q, k, v) : attention_operator(q, k, v);
    x = node("Add", x, matmul(y, "o", QUERIES, HIDDEN), NULL);
    y = rms(x, "norm2");
    const char *gate = matmul(y, "gate", HIDDEN, FFN);
    gate = node("Mul", gate, node("Sigmoid", gate, NULL, NULL), NULL);
    y = matmul(node("Mul", gate, matmul(y, "up", HIDDEN, FFN), NULL), "down", FFN, HIDDEN);
    x = rms(node("Add", x, y, NULL), "norm3");
    value(12, matmul(x, "head", HIDDEN, VOCABULARY), 1);
    put_number(&opset, 2, 17);
    put_message(&file, 8, &opset);
    put_message(&file, 7, &graph);
    return file;
}

static const model *read_decoder(void) {
    buffer file = decoder_bytes();
    return model_load(A, D, put_bytes("decoder.onnx", file.data, file.count));
}

static void start(void) {
    begin();
    divisor = 1;
    spelled = wrong_sign = with_past = visible_future = false;
}

START_TEST(reads_a_decoder) {
    for (int i = 0; i < 4; i++) {
        begin_again();
        divisor = 1;
        spelled = i == 1;
        with_past = i == 2;
        divisor = i == 3 ? 8 : 1;
        const model *m = read_decoder();
        ck_assert_msg(m != NULL, "row %d: %s", i, first_error());
        const transformer *t = &m->transformer;
        ck_assert(t->norm == NORM_PRE && t->norm_kind == NORM_RMS && t->causal && t->gated && !t->qkv_bias);
        ck_assert(t->position_kind == POSITION_ROTARY && t->pairing == PAIRING_HALVES && t->rotary_base == BASE);
        ck_assert(t->activation == ACTIVATION_SILU && t->head == HEAD_OWN);
        ck_assert_uint_eq(t->heads, 2);
        ck_assert_uint_eq(t->kv_heads, 1);
        ck_assert_uint_eq(t->head_dim, HEAD_DIM);
        ck_assert(!t->frequencies == (i != 3));
        ck_assert_uint_eq(weight_of(m, "layer.0.key.weight")->cols, HEAD_DIM);
        ck_assert_str_eq(weight_of(m, "rotary")->dtype, "rotary");
    }
}
END_TEST

START_TEST(refuses_what_is_no_rotation) {
    spelled = wrong_sign = true;
    ck_assert_ptr_null(read_decoder());
    ck_assert_msg(some_error("(Concat): joins what are no constants, nor halves of channels"), "%s", first_error());
    begin_again();
    wrong_sign = false;
    visible_future = true; /* scores of later tokens are but lowered */
    ck_assert_ptr_null(read_decoder());
    ck_assert_msg(some_error("(Add): masks tokens otherwise than all later ones"), "%s", first_error());
    begin_again();
    visible_future = spelled = false;
    divisor = -1;
    ck_assert_ptr_null(read_decoder());
    ck_assert_msg(some_error("frequencies that are not above zero"), "%s", first_error());
}
END_TEST

START_TEST(survives_changed_bytes) {
    spelled = _i == 1;
    with_past = _i == 2;
    survive_changed_bytes(decoder_bytes(), false);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_decoders");
    TCase *c = tcase_create("onnx_decoders");
    tcase_add_checked_fixture(c, start, done);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, reads_a_decoder);
    tcase_add_test(c, refuses_what_is_no_rotation);
    tcase_add_loop_test(c, survives_changed_bytes, 0, 3);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
