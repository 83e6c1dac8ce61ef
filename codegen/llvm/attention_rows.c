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
    for (unsigned i = 0; i < count; i++) {
        val lane = LLVMBuildExtractElement(e->builder, x, i32_of(e, i), "");
        store(e, lane, at(e, to, i64_of(e, 4ull * i)));
    }
}

/* ---- magnitudes -------------------------------------------------------------------------------------------------- */

typedef struct {
    val row;
    var largest;
} search;

static void take_largest(emitter *e, void *context, val column, unsigned count) {
    const search *s = context;
    val bits = magnitude_bits(e, load_columns(e, at_index(e, s->row, column, 4), count));
    var_set(e, s->largest, larger_unsigned(e, var_get(e, s->largest), bits));
}

val largest_magnitude(emitter *e, val row, uint64_t columns) {
    search s = {row, var_new(e, e->vi, splat_i(e, 0))};
    each_columns(e, columns, take_largest, &s);
    return max_lane_unsigned(e, var_get(e, s.largest));
}
