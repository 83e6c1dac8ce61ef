/* ONNX models written byte by byte: a small encoder, whose parts a test may write otherwise. */
#ifndef DTQ_TEST_ONNX_UTIL_H
#define DTQ_TEST_ONNX_UTIL_H

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "frontend/onnx/import.h"
#include "frontend_util.h"

/* ---- writing protocol buffers -------------------------------------------------------------------------------------
 */

typedef struct {
    uint8_t *data;
    size_t count, room;
} buffer;

static inline void put_byte(buffer *b, uint8_t byte) {
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 256;
        b->data = arena_resize(A, b->data, b->room, room);
        b->room = room;
    }
    b->data[b->count++] = byte;
}

static inline void put_varint(buffer *b, uint64_t n) {
    for (; n >= 0x80; n >>= 7)
        put_byte(b, (uint8_t)(n | 0x80));
    put_byte(b, (uint8_t)n);
}

static inline void put_number(buffer *b, unsigned field, uint64_t n) {
    put_varint(b, field << 3);
    put_varint(b, n);
}

static inline void put_data(buffer *b, unsigned field, const void *data, size_t bytes) {
    put_varint(b, field << 3 | 2);
    put_varint(b, bytes);
    for (size_t i = 0; i < bytes; i++)
        put_byte(b, ((const uint8_t *)data)[i]);
}

static inline void put_text(buffer *b, unsigned field, const char *text) {
    put_data(b, field, text, strlen(text));
}

static inline void put_message(buffer *b, unsigned field, const buffer *message) {
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

static inline const char *floats(const char *name, uint64_t rows, uint64_t cols) {
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

static inline const char *scalar(const char *name, float value) {
    buffer t = {0};
    put_number(&t, 2, 1);
    put_text(&t, 8, name);
    put_data(&t, 4, &value, sizeof value); /* float_data, packed */
    put_message(&graph, 5, &t);
    return name;
}

static inline const char *ints(const char *name, const int64_t *values, size_t count) {
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

/** A node of some inputs, NULL behind the last, and some outputs, with an attribute of whole numbers or one
 * number; returns its first output's name, to which the others add `.1`, `.2`. */
static inline const char *node_of(const char *op, const char *domain, const char *const in[], int outputs,
                                  const char *attr, const int64_t *list, size_t count) {
    buffer n = {0};
    const char *name = arena_printf(A, "%s_%zu", op, node_count++);
    for (int i = 0; in[i]; i++)
        put_text(&n, 1, in[i]);
    put_text(&n, 2, name);
    for (int i = 1; i < outputs; i++)
        put_text(&n, 2, arena_printf(A, "%s.%d", name, i));
    put_text(&n, 3, name);
    if (domain)
        put_text(&n, 7, domain);
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

static inline const char *node_with(const char *op, const char *const in[3], const char *attr, const int64_t *list,
                                    size_t count) {
    return node_of(op, NULL, (const char *[]){in[0], in[1], in[2], NULL}, 1, attr, list, count);
}

static inline const char *node(const char *op, const char *x, const char *y, const char *z) {
    return node_with(op, (const char *[]){x, y, z}, NULL, NULL, 0);
}

static inline const char *transpose(const char *x, const int64_t perm[4]) {
    return node_with("Transpose", (const char *[]){x, NULL, NULL}, "perm", perm, 4);
}

static inline void value(unsigned field, const char *name, uint64_t type) {
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

/** Output `i` of the node that node_of returned. */
static inline const char *output_of(const char *name, int i) {
    return i ? arena_printf(A, "%s.%d", name, i) : name;
}

/** A constant of int8 codes; zero: of the codes 0, a zero point for each. */
static inline const char *codes(const char *name, uint64_t rows, uint64_t cols, int8_t first) {
    buffer t = {0};
    int8_t *c = ARENA_ARRAY(A, int8_t, rows *cols + 1);
    for (size_t i = 0; i < rows * cols; i++)
        c[i] = first ? (int8_t)(first + (int)(i % 3)) : 0;
    if (rows > 1)
        put_number(&t, 1, rows);
    put_number(&t, 1, cols);
    put_number(&t, 2, 3);
    put_text(&t, 8, name);
    put_data(&t, 9, c, rows * cols);
    put_message(&graph, 5, &t);
    return name;
}

/** What a test does to parts of the encoder: its linears, and its attention from x to the rows of all heads; NULL: as
 * below. */
static const char *(*other_linear)(const char *x, const char *name, uint64_t in, uint64_t out);
static const char *(*other_attention)(const char *x);
/* What stands behind the blocks, rows of positions, and what is added to scores; NULL: nothing, and as below. */
static const char *(*other_end)(const char *x);
static const char *(*other_positions)(void);
static const char *(*other_mask)(void);

static inline const char *linear(const char *x, const char *name, uint64_t in, uint64_t out) {
    if (other_linear)
        return other_linear(x, name, in, out);
    const char *w = floats(name, in, out), *b = floats(arena_printf(A, "%s.bias", name), 1, out);
    return node("Add", node("MatMul", x, w, NULL), b, NULL);
}

static inline const char *norm(const char *x, const char *name) {
    return node("LayerNormalization", x, floats(arena_printf(A, "%s.gamma", name), 1, WIDTH),
                floats(arena_printf(A, "%s.beta", name), 1, WIDTH));
}

/** Layer normalisation from means, the variance by a product. */
static inline const char *norm_of_means(const char *x, const char *name) {
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
static inline const char *gelu_tanh(const char *x) {
    const char *cube = node("Mul", x, node("Mul", x, x, NULL), NULL);
    const char *sum = node("Add", x, node("Mul", cube, scalar("c3", 0.044715F), NULL), NULL);
    const char *t = node("Tanh", node("Mul", sum, scalar("c1", 0.7978846F), NULL), NULL, NULL);
    return node("Mul", node("Mul", scalar("half", 0.5F), x, NULL), node("Add", t, scalar("one", 1), NULL), NULL);
}

/** A node of one input whose output has a name of its own. */
static inline void named(const char *op, const char *x, const char *output) {
    buffer n = {0};
    put_text(&n, 1, x);
    put_text(&n, 2, output);
    put_text(&n, 4, op);
    put_message(&graph, 1, &n);
}

static const int64_t over[4] = {0, 2, 1, 3}, across[4] = {0, 2, 3, 1};

/** Attention of queries, keys (turned) and values in heads, as rows. */
static inline const char *attention_of_heads(const char *q, const char *k, const char *v) {
    const char *scores = node("Div", node("MatMul", q, k, NULL), scalar("root", scale), NULL);
    const char *p = node("Softmax", node("Add", scores, "mask", NULL), NULL, NULL);
    return node("Reshape", transpose(node("MatMul", p, v, NULL), over), "joined", NULL);
}

static inline const char *attention(const char *x) {
    const char *q = transpose(node("Reshape", linear(x, "query", WIDTH, WIDTH), "heads", NULL), over);
    const char *k = transpose(node("Reshape", linear(x, "key", WIDTH, WIDTH), "heads", NULL), across);
    const char *v = transpose(node("Reshape", linear(x, "value", WIDTH, WIDTH), "heads", NULL), over);
    return attention_of_heads(q, k, v);
}

static inline void write_encoder(void) {
    static const int64_t heads[] = {0, 0, HEADS, WIDTH / HEADS}, joined[] = {0, 0, WIDTH}, zero = 0, one[] = {1};
    value(11, "input_ids", 7);
    value(11, "attention_mask", 7);
    ints("heads", heads, 4);
    ints("joined", joined, 3);
    ints("zero", &zero, 1);
    ints("one_index", one, 1);
    const char *words = node("Gather", floats("words", VOCABULARY, WIDTH), "input_ids", NULL);
    const char *length = node("Gather", node("Shape", "input_ids", NULL, NULL), "one_index", NULL);
    const char *table = floats("positions", POSITIONS, WIDTH);
    const char *positions = other_positions ? other_positions() : node("Slice", table, "zero", length);
    const char *x = norm_of_means(node("Add", words, positions, NULL), "embeddings");
    const int64_t to_float = 1;
    const char *mask = node_with("Cast", (const char *[]){"attention_mask", NULL, NULL}, "to", &to_float, 0);
    mask = node("Mul", node("Sub", scalar("1", 1), mask, NULL), scalar("-10000", -10000), NULL);
    named("Identity", other_mask ? other_mask() : mask, "mask");
    const char *context = other_attention ? other_attention(x) : attention(x);
    x = norm(node("Add", linear(context, "output", WIDTH, WIDTH), x, NULL), "attention");
    x = norm(node("Add", x, linear(gelu_tanh(linear(x, "up", WIDTH, FFN)), "down", FFN, WIDTH), NULL), "ffn");
    value(12, other_end ? other_end(x) : x, 1);
}

static inline void begin(void) {
    fresh();
    graph = (buffer){0};
    node_count = 0;
    changed = new_op = NULL;
    other_linear = NULL;
    other_attention = NULL;
    other_end = NULL;
    other_positions = other_mask = NULL;
    new_rows = 0;
    scale = 1.41421356F;
}

/** Forgets what a test wrote so far. */
static inline void begin_again(void) {
    done();
    begin();
}

static inline buffer encoder_bytes(void) {
    buffer file = {0}, opset = {0};
    write_encoder();
    put_number(&opset, 2, 17);
    put_message(&file, 8, &opset);
    put_message(&file, 7, &graph);
    return file;
}

static inline model *read_encoder(void) {
    buffer file = encoder_bytes();
    return model_load(A, D, put_bytes("small.onnx", file.data, file.count));
}

/** The weight of this name, which must be there. */
static inline const ir_tensor *weight_of(const model *m, const char *name) {
    for (size_t i = 0; i < m->tensor_count; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    ck_abort_msg("there is no weight %s", name);
    return NULL;
}

/** True if one of the errors says this. */
static inline bool some_error(const char *what) {
    for (size_t i = 0; i < diag_total(D); i++)
        if (strstr(diag_at(D, i)->message, what))
            return true;
    return false;
}

/** Keeps a model for the fuzzer, in $DTQ_SEEDS if that is set. */
static inline void keep_seed(buffer file) {
    const char *directory = getenv("DTQ_SEEDS");
    FILE *out = directory ? fopen(arena_printf(A, "%s/%zu.onnx", directory, file.count), "wb") : NULL;
    if (!out)
        return;
    fwrite(file.data, 1, file.count, out);
    fclose(out);
}

/** Any one byte changed, in a bit or in three: a model or an error, never both or neither. */
static inline void survive_changed_bytes(buffer file, bool thorough) {
    keep_seed(file);
    for (size_t i = 0; i < file.count; i++)
        for (unsigned bit = thorough ? 0 : (unsigned)i % 8; bit < 8; bit += thorough ? 3 : 8) {
            arena *a = arena_new();
            diag *d = diag_new(a, NULL);
            file.data[i] ^= (uint8_t)(1 << bit);
            const model *m = model_from_onnx_bytes(a, d, "changed.onnx", file.data, file.count);
            ck_assert(!m == (diag_count(d, DIAG_ERROR) > 0));
            file.data[i] ^= (uint8_t)(1 << bit);
            arena_free(a);
        }
}

#endif
