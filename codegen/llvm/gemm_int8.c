/* Linears in 8 bits: codes times weights that were packed when the model was opened (NUMERICS.md, "linear, int8").
 * Activations are stored with 128 added, because the instruction multiplies unsigned by signed bytes; what that adds to
 * each output, 128 times the sum of its weights, is where accumulators start from. */
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/tiles.h"

enum { CODES, ROW_SCALES, WEIGHT, SCALES, OFFSET, BIAS, RESIDUAL, DST, ROWS, PARAMS };

typedef struct {
    uint64_t inputs, outputs;
    bool bias, residual;
} gemm;

/* Where a panel of weights lies: what the body of a tile needs beside its rows. */
typedef struct {
    const gemm *g;
    val output;           /* its first output */
    val weights;          /* its first group of four inputs */
    unsigned vectors;     /* of outputs */
    uint64_t group_bytes; /* from group to group */
} panel;

static void products(emitter *e, const panel *p, val row, unsigned rows, var acc[][TILE_VECTORS_MOST]) {
    uint64_t codes_bytes = codes_stride(p->g->inputs), groups = (p->g->inputs + 3) / 4;
    val codes = at_index(e, arg(e, CODES), row, codes_bytes);
    /* Where a dot product is one instruction the loop's own would show; elsewhere they do not. */
    unsigned most = e->level == DTQ_HOST_VNNI ? 4 : 1, unroll = groups % most == 0 ? most : 1;
    /* The next panel, a part with each tile of a block of rows, so that no tile waits for it. */
    val next = at(e, at_index(e, p->weights, row, 4 * groups), i64_of(e, groups * p->group_bytes));
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, groups), unroll);
    if (unroll == 4) /* of sixteen groups a line */
        prefetch(e, at_index(e, next, l.index, 16));
    for (unsigned u = 0; u < unroll; u++) {
        val group = add(e, l.index, i64_of(e, u)), from = at_index(e, p->weights, group, p->group_bytes);
        val b[TILE_VECTORS_MOST];
        for (unsigned v = 0; v < p->vectors; v++)
            b[v] = load(e, e->vi, at(e, from, i64_of(e, 64ull * v)));
        for (unsigned r = 0; r < rows; r++) {
            val a = spread(e, load(e, e->i32, at(e, at_index(e, codes, group, 4), i64_of(e, r * codes_bytes))));
            for (unsigned v = 0; v < p->vectors; v++)
                var_set(e, acc[r][v], dot4(e, var_get(e, acc[r][v]), a, b[v]));
        }
    }
    loop_end(e, &l);
}

/* float(acc) * fl(sx * sw) [+ bias] [+ residual] */
static void rescale(emitter *e, const panel *p, val row, unsigned vector, val row_scale, val acc) {
    val output = add(e, p->output, i64_of(e, (uint64_t)vector * LANES));
    val element_at = add(e, mul(e, row, i64_of(e, row_stride(p->g->outputs))), output);
    val scale = times(e, row_scale, load(e, e->vf, at_index(e, arg(e, SCALES), output, 4)));
    val y = times(e, to_float(e, acc), scale);
    if (p->g->bias)
        y = plus(e, y, load(e, e->vf, at_index(e, arg(e, BIAS), output, 4)));
    if (p->g->residual)
        y = plus(e, y, load(e, e->vf, at_index(e, arg(e, RESIDUAL), element_at, 4)));
    store(e, y, at_index(e, arg(e, DST), element_at, 4));
}

static void tile(emitter *e, void *context, val row, unsigned rows) {
    const panel *p = context;
    var acc[TILE_ROWS_MOST][TILE_VECTORS_MOST];
    for (unsigned v = 0; v < p->vectors; v++) {
        val start = load(e, e->vi, at(e, at_index(e, arg(e, OFFSET), p->output, 4), i64_of(e, 64ull * v)));
        for (unsigned r = 0; r < rows; r++)
            acc[r][v] = var_new(e, e->vi, start);
    }
    products(e, p, row, rows, acc);
    for (unsigned r = 0; r < rows; r++) {
        val here = add(e, row, i64_of(e, r));
        val row_scale = spread(e, element(e, e->f32, arg(e, ROW_SCALES), here));
        for (unsigned v = 0; v < p->vectors; v++)
            rescale(e, p, here, v, row_scale, var_get(e, acc[r][v]));
    }
}

/* Tiles of `vectors` vectors of outputs, from vector `first` of the panel at `output` on. */
static void column_of_tiles(emitter *e, const gemm *g, val output, unsigned width, val first, unsigned vectors) {
    val panel_weights = at_index(e, arg(e, WEIGHT), output, (g->inputs + 3) / 4 * 4);
    val weights = at(e, panel_weights, mul(e, first, i64_of(e, 64)));
    panel p = {g, add(e, output, mul(e, first, i64_of(e, LANES))), weights, vectors, 64ull * width};
    tile_rows(e, arg(e, ROWS), tile_int8(e).rows, tile, &p);
}

/* One panel of `width` vectors of outputs. */
static void panel_of(emitter *e, const gemm *g, val output, unsigned width) {
    unsigned vectors = tile_int8(e).vectors, whole = width / vectors * vectors;
    if (whole) {
        loop l = loop_begin(e, i64_of(e, 0), i64_of(e, whole), vectors);
        column_of_tiles(e, g, output, width, l.index, vectors);
        loop_end(e, &l);
    }
    if (whole < width)
        column_of_tiles(e, g, output, width, i64_of(e, whole), width - whole);
}

val emit_gemm_int8(emitter *e, uint64_t inputs, uint64_t outputs, bool bias, bool residual) {
    const char *name = name_of(e, "gemm_int8_%llux%llu%s%s", (unsigned long long)inputs, (unsigned long long)outputs,
                               bias ? "_bias" : "", residual ? "_residual" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS];
    for (int i = 0; i < ROWS; i++)
        params[i] = e->ptr;
    params[ROWS] = e->i64;
    val f = function_begin(e, name, e->none, params, PARAMS);
    gemm g = {inputs, outputs, bias, residual};
    uint64_t whole = outputs / DTQ_HOST_PANEL * DTQ_HOST_PANEL;
    if (whole) {
        loop l = loop_begin(e, i64_of(e, 0), i64_of(e, whole), DTQ_HOST_PANEL);
        panel_of(e, &g, l.index, DTQ_HOST_PANEL / LANES);
        loop_end(e, &l);
    }
    if (whole < outputs)
        panel_of(e, &g, i64_of(e, whole), (unsigned)((outputs - whole + LANES - 1) / LANES));
    function_end(e);
    return f;
}
