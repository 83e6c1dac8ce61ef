/* Rows of an attention operand on their way from floats to codes. */
#include "codegen/llvm/attention_parts.h"

/* ---- columns ---------------------------------------------------------------------------------------------------- */

enum { UNROLLED_MOST = 8 };

void each_columns(emitter *e, uint64_t columns, columns_body *body, void *context) {
    uint64_t whole = columns / LANES * LANES;
    if (whole <= UNROLLED_MOST * LANES)
        for (uint64_t c = 0; c < whole; c += LANES)
            body(e, context, i64_of(e, c), LANES);
    else {
        loop l = loop_begin(e, i64_of(e, 0), i64_of(e, whole), LANES);
        body(e, context, l.index, LANES);
        loop_end(e, &l);
    }
    if (whole < columns)
        body(e, context, i64_of(e, whole), (unsigned)(columns - whole));
}

val load_columns(emitter *e, val from, unsigned count) {
    if (count == LANES)
        return load(e, e->vf, from);
    val x = splat_f(e, 0.0f);
    for (unsigned i = 0; i < count; i++)
        x = LLVMBuildInsertElement(e->builder, x, element(e, e->f32, from, i64_of(e, i)), i32_of(e, i), "");
    return x;
}

void store_columns(emitter *e, val x, val to, unsigned count) {
    if (count == LANES) {
        store(e, x, to);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        store(e, LLVMBuildExtractElement(e->builder, x, i32_of(e, i), ""), at(e, to, i64_of(e, 4ull * i)));
}

/* ---- magnitudes and scales --------------------------------------------------------------------------------------- */

val magnitude_bits(emitter *e, val x) {
    return bits_and(e, bits_to_int(e, x), splat_i(e, 0x7fffffff));
}

val larger_bits(emitter *e, val a, val b) {
    return choose(e, less(e, a, b), b, a);
}

typedef struct {
    val row;
    var largest;
} search;

static void take_largest(emitter *e, void *context, val column, unsigned count) {
    const search *s = context;
    val bits = magnitude_bits(e, load_columns(e, at_index(e, s->row, column, 4), count));
    var_set(e, s->largest, larger_bits(e, var_get(e, s->largest), bits));
}

val largest_magnitude(emitter *e, val row, uint64_t columns) {
    search s = {row, var_new(e, e->vi, splat_i(e, 0))};
    each_columns(e, columns, take_largest, &s);
    return max_lane_unsigned(e, var_get(e, s.largest));
}

val cannot_be_quantised(emitter *e, val bits) {
    enum { LARGEST = 0x587fffff }; /* the number below 2^50 */
    return less(e, LLVMTypeOf(bits) == e->i32 ? i32_of(e, LARGEST) : splat_i(e, LARGEST), bits);
}

void report_unless_quantisable(emitter *e, val bits, val frame, val site, val slot, val head) {
    branch b = if_begin(e, cannot_be_quantised(e, bits));
    type types[4] = {e->ptr, e->i64, e->i64, e->i64};
    val what[4] = {frame, site, slot, head};
    call(e, external(e, "dtq_host_bad", e->none, types, 4), what, 4);
    if_end(e, &b);
}

val quantisation_scale(emitter *e, val bits, val limit) {
    val m = bits_to_float(e, bits);
    bool scalar = LLVMTypeOf(m) == e->f32;
    val small = scalar ? f32_of(e, 0x1p-50f) : splat_f(e, 0x1p-50f);
    return choose(e, fless(e, m, small), scalar ? f32_of(e, 1.0f) : splat_f(e, 1.0f), over(e, m, limit));
}

/* ---- codes ------------------------------------------------------------------------------------------------------ */

/* By multiplying with the reciprocal wherever that cannot round to another integer than the division does: quotients
 * are at most 127, and the product differs from one by less than 4e-5. Where one of them comes close to a half, which
 * is rare, all are divided. */
void quantised(emitter *e, unsigned count, const val *x, const val *scales, const val *reciprocals, const var *rounded,
               val *codes) {
    val close = NULL;
    for (unsigned n = 0; n < count; n++) {
        val y = times(e, x[n], reciprocals[n]), whole = round_even(e, y);
        var_set(e, rounded[n], whole);
        val here = fgreater(e, magnitude(e, minus(e, y, whole)), splat_f(e, 0.5f - 1e-4f));
        close = close ? bits_or(e, close, here) : here;
    }
    branch b = if_begin(e, any_lane(e, close));
    for (unsigned n = 0; n < count; n++)
        var_set(e, rounded[n], round_even(e, over(e, x[n], scales[n])));
    if_end(e, &b);
    for (unsigned n = 0; n < count; n++)
        codes[n] = to_int(e, var_get(e, rounded[n]));
}
