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

val magnitudes_by_lane(emitter *e, val row, uint64_t columns) {
    search s = {row, var_new(e, e->vi, splat_i(e, 0))};
    each_columns(e, columns, take_largest, &s);
    return var_get(e, s.largest);
}

val largest_magnitude(emitter *e, val row, uint64_t columns) {
    return max_lane_unsigned(e, magnitudes_by_lane(e, row, columns));
}

val cannot_be_quantised(emitter *e, val bits) {
    enum { LARGEST = 0x587fffff }; /* the number below 2^50 */
    return less(e, LLVMTypeOf(bits) == e->i32 ? i32_of(e, LARGEST) : splat_i(e, LARGEST), bits);
}

void report(emitter *e, val frame, val site, val slot, val head) {
    type types[4] = {e->ptr, e->i64, e->i64, e->i64};
    val what[4] = {frame, site, slot, head};
    call(e, external(e, "dtq_host_bad", e->none, types, 4), what, 4);
}

val quantisation_scale(emitter *e, val bits, val limit) {
    val m = bits_to_float(e, bits);
    return choose(e, fless(e, m, splat_f(e, 0x1p-50f)), splat_f(e, 1.0f), over(e, m, limit));
}

/* ---- rows by sixteen -------------------------------------------------------------------------------------------- */

val across(emitter *e, val vectors[LANES], val (*combine)(emitter *e, val a, val b)) {
    for (unsigned half = LANES / 2; half >= 1; half /= 2) {
        unsigned low[LANES], high[LANES];
        for (unsigned l = 0; l < LANES; l++) {
            unsigned from = l & half ? LANES : 0; /* lanes with this bit are of the second vector */
            low[l] = from + (l & ~half);
            high[l] = from + (l | half);
        }
        for (unsigned v = 0; v < half; v++) {
            val a = vectors[v], b = vectors[v + half];
            vectors[v] = combine(e, shuffle(e, a, b, low, LANES), shuffle(e, a, b, high, LANES));
        }
    }
    return vectors[0];
}

static void report_rows(emitter *e, const row_batch *b) {
    loop rows = loop_begin(e, i64_of(e, 0), b->count, 1);
    val row = at_index(e, b->rows, rows.index, b->stride);
    branch bad = if_begin(e, cannot_be_quantised(e, largest_magnitude(e, row, b->columns)));
    report(e, b->frame, b->site, add(e, b->slot, rows.index), b->head);
    if_end(e, &bad);
    loop_end(e, &rows);
}

val row_scales(emitter *e, const row_batch *b) {
    val gathered = STRIP_AT(e, b->memory, gathered), limits = STRIP_AT(e, b->memory, limits), by_row[LANES];
    for (unsigned r = 0; r < LANES; r++)
        store(e, splat_i(e, 0), at(e, gathered, i64_of(e, 4ull * LANES * r)));
    store(e, splat_f(e, 1.0f), limits);
    loop rows = loop_begin(e, i64_of(e, 0), b->count, 1);
    val magnitudes = magnitudes_by_lane(e, at_index(e, b->rows, rows.index, b->stride), b->columns);
    store(e, magnitudes, at_index(e, gathered, rows.index, 4ull * LANES));
    store(e, element(e, e->f32, b->limits, rows.index), at_index(e, limits, rows.index, 4));
    loop_end(e, &rows);
    for (unsigned r = 0; r < LANES; r++)
        by_row[r] = load(e, e->vi, at(e, gathered, i64_of(e, 4ull * LANES * r)));
    val largest = across(e, by_row, larger_bits);
    branch bad = if_begin(e, any_lane(e, cannot_be_quantised(e, largest)));
    report_rows(e, b);
    if_end(e, &bad);
    val scales = quantisation_scale(e, largest, load(e, e->vf, limits));
    store(e, scales, STRIP_AT(e, b->memory, units));
    store(e, over(e, splat_f(e, 1.0f), scales), STRIP_AT(e, b->memory, reciprocals));
    return scales;
}

/* ---- codes ------------------------------------------------------------------------------------------------------ */

/* By multiplying with the reciprocal wherever that cannot round to another integer than the division does: quotients
 * are at most 127, and the product differs from one by less than 4e-5. The rare vector that comes close to a half
 * divides.
 */
val quantised(emitter *e, val x, val scale, val reciprocal, var rounded) {
    val y = times(e, x, reciprocal), whole = round_even(e, y);
    var_set(e, rounded, whole);
    val close = fgreater(e, magnitude(e, minus(e, y, whole)), splat_f(e, 0.5f - 1e-4f));
    branch b = if_begin(e, any_lane(e, close));
    var_set(e, rounded, round_even(e, over(e, x, scale)));
    if_end(e, &b);
    return to_int(e, var_get(e, rounded));
}
