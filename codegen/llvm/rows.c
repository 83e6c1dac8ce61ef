/* Kernels on rows of floats: normalisation, activations, sums, gathers (NUMERICS.md, "Host instructions"). */
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/tiles.h"
#include "runtime/numerics/polynomials.h"

static val row_of(emitter *e, val base, val row, uint64_t width) {
    return at_index(e, base, row, 4 * row_stride(width));
}

/* ---- normalisation ---------------------------------------------------------------------------------------------- */

/* x with the lanes behind `width` set to zero: what was subtracted there must not count. */
static val without_padding(emitter *e, val x, val column, uint64_t width) {
    if (width % LANES == 0)
        return x;
    val left = sub(e, i64_of(e, width), column);
    val lanes = spread(e, LLVMBuildTrunc(e->builder, left, e->i32, ""));
    return choose(e, less(e, lane_numbers(e), lanes), x, splat_f(e, 0.0f));
}

/* Rows whose sums run side by side: each is a chain of additions in a fixed order, so one alone waits for itself. */
enum { NORM_ROWS = 4 };

typedef struct {
    uint64_t width;
    float epsilon;
    bool beta;
} norm_shape;

typedef enum { SUM_OF_ROWS, SUM_OF_SQUARES, SUM_OF_DEVIATIONS } row_sum;

/* The 16-lane sums of rows, of their squares, or of the squares of what is left when their means are subtracted. */
static void row_sums(emitter *e, const val *src, unsigned rows, uint64_t width, row_sum what, const val *means,
                     val *sums) {
    var acc[NORM_ROWS];
    for (unsigned r = 0; r < rows; r++)
        acc[r] = var_new(e, e->vf, splat_f(e, 0.0f));
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, row_stride(width)), LANES);
    for (unsigned r = 0; r < rows; r++) {
        val x = load(e, e->vf, at_index(e, src[r], l.index, 4));
        if (what == SUM_OF_DEVIATIONS)
            x = without_padding(e, minus(e, x, means[r]), l.index, width);
        if (what != SUM_OF_ROWS)
            x = times(e, x, x);
        var_set(e, acc[r], plus(e, var_get(e, acc[r]), x));
    }
    loop_end(e, &l);
    for (unsigned r = 0; r < rows; r++)
        sums[r] = sum_tree(e, var_get(e, acc[r]));
}

/* 1 / sqrt(sum / n + epsilon) in all lanes. */
static val inverse_deviation(emitter *e, val sum, val n, float epsilon) {
    val deviation = square_root(e, plus(e, over(e, sum, n), f32_of(e, epsilon)));
    return spread(e, over(e, f32_of(e, 1.0f), deviation));
}

enum { NORM_SRC, NORM_GAMMA, NORM_BETA, NORM_DST, NORM_COUNT, NORM_PARAMS };

static void norm_tile(emitter *e, void *context, val row, unsigned rows) {
    const norm_shape *s = context;
    val n = f32_of(e, (float)s->width), src[NORM_ROWS] = {NULL}, dst[NORM_ROWS], means[NORM_ROWS], inverses[NORM_ROWS];
    for (unsigned r = 0; r < rows; r++) {
        src[r] = row_of(e, arg(e, NORM_SRC), add(e, row, i64_of(e, r)), s->width);
        dst[r] = row_of(e, arg(e, NORM_DST), add(e, row, i64_of(e, r)), s->width);
    }
    row_sums(e, src, rows, s->width, SUM_OF_ROWS, NULL, means);
    for (unsigned r = 0; r < rows; r++)
        means[r] = spread(e, over(e, means[r], n));
    row_sums(e, src, rows, s->width, SUM_OF_DEVIATIONS, means, inverses);
    for (unsigned r = 0; r < rows; r++)
        inverses[r] = inverse_deviation(e, inverses[r], n, s->epsilon);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, row_stride(s->width)), LANES);
    val gamma = load(e, e->vf, at_index(e, arg(e, NORM_GAMMA), l.index, 4));
    val beta = s->beta ? load(e, e->vf, at_index(e, arg(e, NORM_BETA), l.index, 4)) : NULL;
    for (unsigned r = 0; r < rows; r++) {
        val d = minus(e, load(e, e->vf, at_index(e, src[r], l.index, 4)), means[r]);
        val y = times(e, times(e, d, inverses[r]), gamma);
        if (beta)
            y = plus(e, y, beta);
        store(e, y, at_index(e, dst[r], l.index, 4));
    }
    loop_end(e, &l);
}

val emit_norm(emitter *e, uint64_t width, float epsilon, bool beta) {
    const char *name = name_of(e, "norm_%llu_%a%s", (unsigned long long)width, (double)epsilon, beta ? "_beta" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[NORM_PARAMS] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, NORM_PARAMS);
    norm_shape s = {width, epsilon, beta};
    tile_rows(e, arg(e, NORM_COUNT), NORM_ROWS, norm_tile, &s);
    function_end(e);
    return f;
}

enum { RMS_SRC, RMS_GAMMA, RMS_DST, RMS_COUNT, RMS_PARAMS };

static void rmsnorm_tile(emitter *e, void *context, val row, unsigned rows) {
    const norm_shape *s = context;
    val n = f32_of(e, (float)s->width), src[NORM_ROWS] = {NULL}, dst[NORM_ROWS], inverses[NORM_ROWS];
    for (unsigned r = 0; r < rows; r++) {
        src[r] = row_of(e, arg(e, RMS_SRC), add(e, row, i64_of(e, r)), s->width);
        dst[r] = row_of(e, arg(e, RMS_DST), add(e, row, i64_of(e, r)), s->width);
    }
    row_sums(e, src, rows, s->width, SUM_OF_SQUARES, NULL, inverses);
    for (unsigned r = 0; r < rows; r++)
        inverses[r] = inverse_deviation(e, inverses[r], n, s->epsilon);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, row_stride(s->width)), LANES);
    val gamma = load(e, e->vf, at_index(e, arg(e, RMS_GAMMA), l.index, 4));
    for (unsigned r = 0; r < rows; r++) {
        val x = load(e, e->vf, at_index(e, src[r], l.index, 4));
        val y = times(e, times(e, x, inverses[r]), gamma);
        store(e, y, at_index(e, dst[r], l.index, 4));
    }
    loop_end(e, &l);
}

static val emit_whole_rmsnorm(emitter *e, uint64_t width, float epsilon) {
    const char *name = name_of(e, "rmsnorm_%llu_%a", (unsigned long long)width, (double)epsilon);
    if (function_find(e, name))
        return function_find(e, name);
    type params[RMS_PARAMS] = {e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, RMS_PARAMS);
    norm_shape s = {width, epsilon, false};
    tile_rows(e, arg(e, RMS_COUNT), NORM_ROWS, rmsnorm_tile, &s);
    function_end(e);
    return f;
}

/* Copies so many floats, a vector being no part of them. */
static void copy_part(emitter *e, val from, val to, uint64_t part) {
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, part), 1);
    val x = load(e, e->f32, at_index(e, from, l.index, 4));
    store(e, x, at_index(e, to, l.index, 4));
    loop_end(e, &l);
}

/* Parts that no whole number of vectors makes, each by itself in a row of its own. */
static void rmsnorm_copies(emitter *e, uint64_t width, uint64_t part, val whole) {
    const uint64_t stride = 4 * row_stride(width);
    type row = LLVMArrayType2(e->f32, row_stride(part));
    val x = var_new(e, row, NULL).at, y = var_new(e, row, NULL).at;
    loop rows = loop_begin(e, i64_of(e, 0), arg(e, RMS_COUNT), 1);
    val src = at_index(e, arg(e, RMS_SRC), rows.index, stride), dst = at_index(e, arg(e, RMS_DST), rows.index, stride);
    store(e, splat_f(e, 0.0f), at(e, x, i64_of(e, 4 * (row_stride(part) - LANES))));
    loop parts = loop_begin(e, i64_of(e, 0), i64_of(e, width), part);
    copy_part(e, at_index(e, src, parts.index, 4), x, part);
    val args[] = {x, arg(e, RMS_GAMMA), y, i64_of(e, 1)};
    call(e, whole, args, RMS_PARAMS);
    copy_part(e, y, at_index(e, dst, parts.index, 4), part);
    loop_end(e, &parts);
    loop behind =
        loop_begin(e, i64_of(e, width), i64_of(e, row_stride(width)), 1); /* lanes without a column are zeros */
    store(e, f32_of(e, 0.0f), at_index(e, dst, behind.index, 4));
    loop_end(e, &behind);
    loop_end(e, &rows);
}

val emit_rmsnorm(emitter *e, uint64_t width, uint64_t part, float epsilon) {
    val whole = emit_whole_rmsnorm(e, part, epsilon);
    const char *name =
        name_of(e, "rmsnorm_%llu_by_%llu_%a", (unsigned long long)width, (unsigned long long)part, (double)epsilon);
    if (part == width || function_find(e, name))
        return part == width ? whole : function_find(e, name);
    type params[RMS_PARAMS] = {e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, RMS_PARAMS);
    if (part % LANES == 0) { /* parts are rows */
        val count = LLVMBuildMul(e->builder, arg(e, RMS_COUNT), i64_of(e, width / part), "");
        val args[] = {arg(e, RMS_SRC), arg(e, RMS_GAMMA), arg(e, RMS_DST), count};
        call(e, whole, args, RMS_PARAMS);
    } else {
        rmsnorm_copies(e, width, part, whole);
    }
    function_end(e);
    return f;
}

/* ---- activations ------------------------------------------------------------------------------------------------ */

static val polynomial(emitter *e, val x, const float *coefficients, size_t count) {
    val p = splat_f(e, coefficients[0]);
    for (size_t i = 1; i < count; i++)
        p = plus(e, times(e, p, x), splat_f(e, coefficients[i]));
    return p;
}

/* 2^(x LOG2E) for x <= 0 */
static val exp_nonpositive(emitter *e, val x) {
    return exp2_nonpositive(e, times(e, x, splat_f(e, DTQ_LOG2E)));
}

static val negated(emitter *e, val x) {
    return LLVMBuildFNeg(e->builder, x, "");
}

static val gelu(emitter *e, val x) {
    static const float a[] = {DTQ_ERF_A5, DTQ_ERF_A4, DTQ_ERF_A3, DTQ_ERF_A2, DTQ_ERF_A1};
    val one = splat_f(e, 1.0f);
    val z = times(e, magnitude(e, x), splat_f(e, DTQ_SQRT_HALF));
    val t = over(e, one, plus(e, one, times(e, splat_f(e, DTQ_ERF_P), z)));
    val p = times(e, polynomial(e, t, a, sizeof a / sizeof *a), t);
    val half_erfc = times(e, splat_f(e, 0.5f), times(e, p, exp_nonpositive(e, negated(e, times(e, z, z)))));
    val negative = fless(e, x, splat_f(e, 0.0f)), above = minus(e, one, half_erfc);
    return times(e, x, choose(e, negative, half_erfc, above));
}

static val sigmoid(emitter *e, val y) {
    val one = splat_f(e, 1.0f), power = exp_nonpositive(e, negated(e, magnitude(e, y)));
    val numerator = choose(e, fless(e, y, splat_f(e, 0.0f)), power, one);
    return over(e, numerator, plus(e, one, power));
}

static val gelu_tanh(emitter *e, val x) {
    val cube = times(e, times(e, x, x), x);
    val inner = plus(e, x, times(e, splat_f(e, DTQ_GELU_TANH_CUBE), cube));
    return times(e, x, sigmoid(e, times(e, splat_f(e, DTQ_GELU_TANH_SCALE), inner)));
}

static val relu(emitter *e, val x) {
    return choose(e, fgreater_or_nan(e, x, splat_f(e, 0.0f)), x, splat_f(e, 0.0f));
}

static val tanh_of(emitter *e, val x) {
    static const float c[] = {DTQ_TANH_T5, DTQ_TANH_T4, DTQ_TANH_T3, DTQ_TANH_T2, DTQ_TANH_T1};
    val one = splat_f(e, 1.0f), a = magnitude(e, x), z = times(e, x, x);
    val small = plus(e, x, times(e, x, times(e, z, polynomial(e, z, c, sizeof c / sizeof *c))));
    val power = exp_nonpositive(e, times(e, splat_f(e, -2.0f), a));
    val numerator = minus(e, one, power);
    val large = over(e, numerator, plus(e, one, power)); /* not negative: it takes the sign of x */
    val sign = LLVMBuildAnd(e->builder, bits_to_int(e, x), splat_i(e, 0x80000000u), "");
    val with_sign = bits_to_float(e, LLVMBuildOr(e->builder, bits_to_int(e, large), sign, ""));
    return choose(e, fless_or_nan(e, a, splat_f(e, DTQ_TANH_LIMIT)), small, with_sign);
}

static val silu(emitter *e, val x) {
    return times(e, x, sigmoid(e, x));
}

static const struct {
    const char *name;
    val (*of)(emitter *e, val x);
} activations[] = {
    [ACT_GELU] = {"gelu", gelu}, [ACT_GELU_TANH] = {"gelu_tanh", gelu_tanh},
    [ACT_RELU] = {"relu", relu}, [ACT_TANH] = {"tanh", tanh_of},
    [ACT_SILU] = {"silu", silu},
};

val activation_of(emitter *e, activation_kind kind, val x) {
    return activations[kind].of(e, x);
}

val emit_activation(emitter *e, uint64_t width, activation_kind kind) {
    enum { SRC, DST, ROWS, PARAMS };
    const char *name = name_of(e, "%s_%llu", activations[kind].name, (unsigned long long)width);
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    val count = mul(e, arg(e, ROWS), i64_of(e, row_stride(width)));
    loop l = loop_begin(e, i64_of(e, 0), count, LANES);
    val y = activation_of(e, kind, load(e, e->vf, at_index(e, arg(e, SRC), l.index, 4)));
    store(e, y, at_index(e, arg(e, DST), l.index, 4));
    loop_end(e, &l);
    function_end(e);
    return f;
}

/* ---- element by element, and copies
 * -------------------------------------------------------------------------------------------- */

static val emit_pairwise(emitter *e, const char *what, val (*of)(emitter *e, val a, val b), uint64_t width) {
    enum { A, B, DST, ROWS, PARAMS };
    const char *name = name_of(e, "%s_%llu", what, (unsigned long long)width);
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    val count = mul(e, arg(e, ROWS), i64_of(e, row_stride(width)));
    loop l = loop_begin(e, i64_of(e, 0), count, LANES);
    val a = load(e, e->vf, at_index(e, arg(e, A), l.index, 4)), b = load(e, e->vf, at_index(e, arg(e, B), l.index, 4));
    val result = of(e, a, b);
    store(e, result, at_index(e, arg(e, DST), l.index, 4));
    loop_end(e, &l);
    function_end(e);
    return f;
}

val emit_add(emitter *e, uint64_t width) {
    return emit_pairwise(e, "add", plus, width);
}

val emit_multiply(emitter *e, uint64_t width) {
    return emit_pairwise(e, "multiply", times, width);
}

val emit_affine(emitter *e, uint64_t width, bool offset) {
    enum { SRC, GAIN, OFFSET, DST, ROWS, PARAMS };
    const char *name = name_of(e, "affine_%llu%s", (unsigned long long)width, offset ? "_offset" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    loop rows = loop_begin(e, i64_of(e, 0), arg(e, ROWS), 1);
    val src = row_of(e, arg(e, SRC), rows.index, width), dst = row_of(e, arg(e, DST), rows.index, width);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, row_stride(width)), LANES);
    val x = load(e, e->vf, at_index(e, src, l.index, 4));
    val y = times(e, x, load(e, e->vf, at_index(e, arg(e, GAIN), l.index, 4)));
    if (offset)
        y = plus(e, y, load(e, e->vf, at_index(e, arg(e, OFFSET), l.index, 4)));
    store(e, y, at_index(e, dst, l.index, 4));
    loop_end(e, &l);
    loop_end(e, &rows);
    function_end(e);
    return f;
}

val emit_gather(emitter *e, uint64_t width) {
    enum { SRC, DST, FROM, ROWS, PARAMS };
    const char *name = name_of(e, "gather_%llu", (unsigned long long)width);
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    loop rows = loop_begin(e, i64_of(e, 0), arg(e, ROWS), 1);
    val from = LLVMBuildZExt(e->builder, element(e, e->i32, arg(e, FROM), rows.index), e->i64, "");
    val src = row_of(e, arg(e, SRC), from, width), dst = row_of(e, arg(e, DST), rows.index, width);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, row_stride(width)), LANES);
    val x = load(e, e->vf, at_index(e, src, l.index, 4));
    store(e, x, at_index(e, dst, l.index, 4));
    loop_end(e, &l);
    loop_end(e, &rows);
    function_end(e);
    return f;
}
