/* Linears, in 8 bits and in float32, of the dimensions of MiniLM-L6 and BERT-Base. Blocks of 64 rows are what models
 * call them with. */
#include "tests/bench/kernels.h"

typedef void int8_fn(const uint8_t *codes, const float *row_scales, const int8_t *weight, const float *scales,
                     const int32_t *offset, const float *bias, const float *residual, float *dst, uint64_t rows);
typedef void float_fn(const float *src, const float *weight, const float *bias, const float *residual, float *dst,
                      uint64_t rows);

/* STRIDE: from one set of weights to the next, so that nothing that a kernel fetches ahead is what follows it. */
enum { SETS = 12, STRIDE = 5, ROWS_MOST = 128 };

/* Operands of one linear; weights in several sets, of which each call takes another. */
typedef struct {
    size_t rows, weight_count;
    uint8_t *codes;
    int8_t *weights;
    int32_t *offset;
    float *src, *float_weight, *scales, *row_scales, *bias, *dst;
} linear;

static void call_int8(void *function, void *context, unsigned turn) {
    const linear *x = context;
    ((int8_fn *)function)(x->codes, x->row_scales, x->weights + turn * STRIDE % SETS * x->weight_count, x->scales,
                          x->offset, x->bias, NULL, x->dst, x->rows);
}

static void call_float(void *function, void *context, unsigned turn) {
    const linear *x = context;
    (void)turn;
    ((float_fn *)function)(x->src, x->float_weight, x->bias, NULL, x->dst, x->rows);
}

static linear *make(bench_table *t, size_t inputs, size_t outputs) {
    linear *x = ARENA_NEW(t->arena, linear);
    x->weight_count = inputs * outputs;
    x->codes = bench_bytes(t, ROWS_MOST * codes_stride(inputs));
    x->weights = bench_bytes(t, SETS * x->weight_count);
    for (size_t i = 0; i < ROWS_MOST * codes_stride(inputs); i++)
        x->codes[i] = (uint8_t)(128.0f + 100.0f * bench_random(t));
    for (size_t i = 0; i < SETS * x->weight_count; i++)
        x->weights[i] = (int8_t)(127.0f * bench_random(t));
    x->offset = bench_bytes(t, outputs * sizeof *x->offset);
    x->src = bench_floats(t, ROWS_MOST * inputs);
    x->float_weight = bench_floats(t, x->weight_count);
    x->scales = bench_floats(t, outputs);
    x->row_scales = bench_floats(t, ROWS_MOST);
    x->bias = bench_floats(t, outputs);
    x->dst = bench_floats(t, ROWS_MOST * outputs);
    return x;
}

static linear *with_rows(const bench_table *t, const linear *x, size_t rows) {
    linear *copy = ARENA_NEW(t->arena, linear);
    *copy = *x;
    copy->rows = rows;
    return copy;
}

/* Lines of one shape: number of rows, sets of weights. */
static const struct {
    size_t rows;
    unsigned sets;
} ways[] = {{64, 1}, {128, 1}, {64, SETS}, {128, SETS}};
enum { WAYS = sizeof ways / sizeof *ways };

static const size_t shapes[][2] = {{384, 384}, {384, 1536}, {1536, 384}, {768, 768}, {768, 3072}, {3072, 768}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static bench_line *line_int8(bench_table *t, const linear *x, const size_t *shape, int way) {
    size_t rows = ways[way].rows;
    const char *label = arena_printf(t->arena, "int8 %zux%zu, %zu rows%s", shape[0], shape[1], rows,
                                     ways[way].sets > 1 ? ", 12 sets of weights" : "");
    double operations = 2.0 * (double)(rows * shape[0] * shape[1]);
    return bench_add(t, label, call_int8, with_rows(t, x, rows), operations, ways[way].sets);
}

static bench_line *line_float(bench_table *t, const linear *x, const size_t *shape) {
    size_t rows = ways[0].rows;
    const char *label = arena_printf(t->arena, "fp32 %zux%zu, %zu rows", shape[0], shape[1], rows);
    return bench_add(t, label, call_float, with_rows(t, x, rows), 2.0 * (double)(rows * shape[0] * shape[1]), 1);
}

void bench_linears(bench_table *t) {
    bench_line *int8[SHAPES][WAYS], *floats[SHAPES];
    linear *x[SHAPES];
    for (size_t s = 0; s < SHAPES; s++) {
        x[s] = make(t, shapes[s][0], shapes[s][1]);
        for (int w = 0; w < WAYS; w++)
            int8[s][w] = line_int8(t, x[s], shapes[s], w);
    }
    for (size_t s = 0; s < SHAPES; s++)
        floats[s] = line_float(t, x[s], shapes[s]);
    for (unsigned l = 0; l < t->level_count; l++) {
        module *k = module_begin(t->arena, &t->levels[l]);
        for (size_t s = 0; s < SHAPES; s++) {
            module_add(k, emit_gemm_int8(&k->e, shapes[s][0], shapes[s][1], true, false));
            module_add(k, emit_gemm_float(&k->e, shapes[s][0], shapes[s][1], true, false));
        }
        void *const *f = module_load(k);
        for (size_t s = 0; s < SHAPES; s++) {
            for (int w = 0; w < WAYS; w++)
                bench_kernel(int8[s][w], l, f[2 * s], bench_peak_int8(t->levels[l].level));
            bench_kernel(floats[s], l, f[2 * s + 1], bench_peak_float(t->levels[l].level));
        }
    }
}
