/* From floats to codes (NUMERICS.md, "Quantisation"): what linears and attention share. */
#include "codegen/llvm/codes.h"

val magnitude_bits(emitter *e, val x) {
    return LLVMBuildAnd(e->builder, bits_to_int(e, x), splat_i(e, 0x7fffffff), "");
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
    val is_small = fless(e, m, small), scale = over(e, m, limit);
    return choose(e, is_small, scalar ? f32_of(e, 1.0f) : splat_f(e, 1.0f), scale);
}

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
        close = close ? LLVMBuildOr(e->builder, close, here, "") : here;
    }
    branch b = if_begin(e, any_lane(e, close));
    for (unsigned n = 0; n < count; n++)
        var_set(e, rounded[n], round_even(e, over(e, x[n], scales[n])));
    if_end(e, &b);
    for (unsigned n = 0; n < count; n++)
        codes[n] = to_int(e, var_get(e, rounded[n]));
}
