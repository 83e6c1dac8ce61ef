/* Linears in float32: every output is the 16-lane dot product of a row and a row of weights (NUMERICS.md, "linear,
 * fp32"), product and sum rounded apart. A tile keeps one vector of lane sums for each of its outputs; at the end
 * vectors are halved in pairs, which adds lanes l and l + 8, then l + 4, 2, 1 as the definition does, and leaves sums
 * side by side. */
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/tiles.h"

enum { SRC, WEIGHT, BIAS, RESIDUAL, DST, ROWS, PARAMS };

typedef struct {
    uint64_t inputs, outputs;
    bool bias, residual;
    val output;       /* first of the tile */
    unsigned columns; /* outputs of the tile */
} gemm;

/* Adds the upper half of each group of `size` lanes to its lower half, of both vectors, and puts a's results before
 * b's: groups of size / 2, those of a first. */
static val halve(emitter *e, val a, val b, unsigned size) {
    unsigned low[LANES], high[LANES], n = 0;
    for (unsigned group = 0; group < 2 * LANES; group += size)
        for (unsigned i = 0; i < size / 2; i++) {
            low[n] = group + i;
            high[n++] = group + size / 2 + i;
        }
    val lower = shuffle(e, a, b, low, LANES), upper = shuffle(e, a, b, high, LANES);
    return plus(e, lower, upper);
}

/* Sums of `count` (1, 2, 4, 8 or 16) vectors' lanes, in the first lanes of one vector. */
static val sums_of(emitter *e, val *x, unsigned count) {
    unsigned size = LANES;
    for (; count > 1; count /= 2, size /= 2)
        for (unsigned i = 0; i < count / 2; i++)
            x[i] = halve(e, x[2 * i], x[2 * i + 1], size);
    for (; size > 1; size /= 2)
        x[0] = halve(e, x[0], LLVMGetPoison(e->vf), size);
    return x[0];
}

static void products(emitter *e, const gemm *g, val row, unsigned rows, var acc[][TILE_VECTORS_MOST]) {
    uint64_t stride = 4 * row_stride(g->inputs);
    val src = at_index(e, arg(e, SRC), row, stride), weight = at_index(e, arg(e, WEIGHT), g->output, stride);
    /* Weights of the next tile's outputs, one output's with each tile of rows, so that none waits for memory. */
    const unsigned most = tile_float(e).rows;
    val part = LLVMBuildURem(e->builder, row, i64_of(e, (uint64_t)most * g->columns), "");
    part = LLVMBuildUDiv(e->builder, part, i64_of(e, most), "");
    val next = at_index(e, at(e, weight, i64_of(e, g->columns * stride)), part, stride);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, row_stride(g->inputs)), LANES);
    if (g->columns > 1)
        prefetch(e, at_index(e, next, l.index, 4));
    val w[TILE_VECTORS_MOST], here = at_index(e, src, l.index, 4), weights = at_index(e, weight, l.index, 4);
    for (unsigned c = 0; c < g->columns; c++)
        w[c] = load(e, e->vf, at(e, weights, i64_of(e, c * stride)));
    for (unsigned r = 0; r < rows; r++) {
        val x = load(e, e->vf, at(e, here, i64_of(e, r * stride)));
        for (unsigned c = 0; c < g->columns; c++) {
            val so_far = var_get(e, acc[r][c]);
            var_set(e, acc[r][c], plus(e, so_far, times(e, x, w[c])));
        }
    }
    loop_end(e, &l);
}

/* sum [+ bias] [+ residual] of one output */
static void finish(emitter *e, const gemm *g, val sum, val row, unsigned column) {
    val output = add(e, g->output, i64_of(e, column));
    val to = add(e, mul(e, row, i64_of(e, row_stride(g->outputs))), output);
    if (g->bias)
        sum = plus(e, sum, element(e, e->f32, arg(e, BIAS), output));
    if (g->residual)
        sum = plus(e, sum, element(e, e->f32, arg(e, RESIDUAL), to));
    store(e, sum, at_index(e, arg(e, DST), to, 4));
}

static void tile(emitter *e, void *context, val row, unsigned rows) {
    const gemm *g = context;
    var acc[TILE_ROWS_MOST][TILE_VECTORS_MOST];
    val all[TILE_ROWS_MOST * TILE_VECTORS_MOST] = {NULL};
    for (unsigned r = 0; r < rows; r++)
        for (unsigned c = 0; c < g->columns; c++)
            acc[r][c] = var_new(e, e->vf, splat_f(e, 0.0f));
    products(e, g, row, rows, acc);
    for (unsigned r = 0; r < rows; r++)
        for (unsigned c = 0; c < g->columns; c++)
            all[r * g->columns + c] = var_get(e, acc[r][c]);
    val sums = sums_of(e, all, rows * g->columns);
    for (unsigned r = 0; r < rows; r++)
        for (unsigned c = 0; c < g->columns; c++) {
            val sum = LLVMBuildExtractElement(e->builder, sums, i32_of(e, r * g->columns + c), "");
            finish(e, g, sum, add(e, row, i64_of(e, r)), c);
        }
}

val emit_gemm_float(emitter *e, uint64_t inputs, uint64_t outputs, bool bias, bool residual) {
    const char *name = name_of(e, "gemm_float_%llux%llu%s%s", (unsigned long long)inputs, (unsigned long long)outputs,
                               bias ? "_bias" : "", residual ? "_residual" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS];
    for (int i = 0; i < ROWS; i++)
        params[i] = e->ptr;
    params[ROWS] = e->i64;
    val f = function_begin(e, name, e->none, params, PARAMS);
    if (outputs % LANES) { /* lanes behind the last column hold zeros */
        loop rows = loop_begin(e, i64_of(e, 0), arg(e, ROWS), 1);
        val last = add(e, mul(e, rows.index, i64_of(e, row_stride(outputs))), i64_of(e, row_stride(outputs) - LANES));
        store(e, splat_f(e, 0.0f), at_index(e, arg(e, DST), last, 4));
        loop_end(e, &rows);
    }
    tile_shape most = tile_float(e);
    uint64_t whole = outputs / most.vectors * most.vectors;
    gemm g = {.inputs = inputs, .outputs = outputs, .bias = bias, .residual = residual, .columns = most.vectors};
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, whole), most.vectors);
    g.output = l.index;
    tile_rows(e, arg(e, ROWS), most.rows, tile, &g);
    loop_end(e, &l);
    for (g.columns = 1; whole < outputs; whole++) {
        g.output = i64_of(e, whole);
        tile_rows(e, arg(e, ROWS), most.rows, tile, &g);
    }
    function_end(e);
    return f;
}
