/* Rows of activations to codes, in bytes, and a scale for each row (NUMERICS.md, "linear, int8" and "linear, mixed").
 */
#include "codegen/llvm/codes.h"
#include "codegen/llvm/kernels.h"

/* Vectors that one step of a loop over a row takes. */
enum { STEP_MOST = 4 };

static unsigned step_of(uint64_t stride) {
    return stride % (STEP_MOST * LANES) == 0 ? STEP_MOST : 1;
}

static val vector_at(emitter *e, val src, val column, unsigned v) {
    return load(e, e->vf, at(e, at_index(e, src, column, 4), i64_of(e, 64ull * v)));
}

/* The largest magnitude of a row, as bits. */
static val row_maximum(emitter *e, val src, uint64_t stride) {
    unsigned step = step_of(stride);
    var largest[STEP_MOST];
    for (unsigned v = 0; v < step; v++)
        largest[v] = var_new(e, e->vi, splat_i(e, 0));
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, stride), (uint64_t)step * LANES);
    for (unsigned v = 0; v < step; v++) {
        val bits = magnitude_bits(e, vector_at(e, src, l.index, v));
        var_set(e, largest[v], larger_unsigned(e, bits, var_get(e, largest[v])));
    }
    loop_end(e, &l);
    val all = var_get(e, largest[0]);
    for (unsigned v = 1; v < step; v++)
        all = larger_unsigned(e, all, var_get(e, largest[v]));
    return max_lane_unsigned(e, all);
}

/* Codes of a row with 128 added. */
static void row_codes(emitter *e, val src, val codes, uint64_t stride, val scale) {
    unsigned step = step_of(stride);
    var rounded[STEP_MOST];
    val x[STEP_MOST], scales[STEP_MOST], reciprocals[STEP_MOST], code[STEP_MOST];
    for (unsigned v = 0; v < step; v++) {
        rounded[v] = var_new(e, e->vf, NULL);
        scales[v] = v ? scales[0] : spread(e, scale);
        reciprocals[v] = v ? reciprocals[0] : spread(e, over(e, f32_of(e, 1.0f), scale));
    }
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, stride), (uint64_t)step * LANES);
    for (unsigned v = 0; v < step; v++)
        x[v] = vector_at(e, src, l.index, v);
    quantised(e, step, x, scales, reciprocals, rounded, code);
    for (unsigned v = 0; v < step; v++) {
        val biased = LLVMBuildTrunc(e->builder, add(e, code[v], splat_i(e, 128)), e->vb, "");
        store(e, biased, at(e, codes, add(e, l.index, i64_of(e, v * LANES))));
    }
    loop_end(e, &l);
}

val emit_quantise(emitter *e, uint64_t width, bool mixed) {
    enum { FRAME, SRC, CODES, SCALES, ROWS, SITE, SLOT, LIMITS, PARAMS };
    const char *name = name_of(e, mixed ? "quantise_mixed_%llu" : "quantise_%llu", (unsigned long long)width);
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64, e->i64, e->i64, e->ptr};
    val f = function_begin(e, name, e->none, params, PARAMS);
    uint64_t stride = row_stride(width);
    loop rows = loop_begin(e, i64_of(e, 0), arg(e, ROWS), 1);
    val src = at_index(e, arg(e, SRC), rows.index, 4 * stride);
    val codes = at_index(e, arg(e, CODES), rows.index, codes_stride(width));
    val largest = row_maximum(e, src, stride);
    val slot = add(e, arg(e, SLOT), rows.index);
    report_unless_quantisable(e, largest, arg(e, FRAME), arg(e, SITE), slot, i64_of(e, 0));
    val limit = mixed ? element(e, e->f32, arg(e, LIMITS), slot) : f32_of(e, 127.0f);
    val scale = quantisation_scale(e, largest, limit);
    store(e, scale, at_index(e, arg(e, SCALES), rows.index, 4));
    row_codes(e, src, codes, stride, scale);
    loop_end(e, &rows);
    function_end(e);
    return f;
}
