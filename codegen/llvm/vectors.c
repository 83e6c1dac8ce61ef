/* Writing LLVM IR: vectors of 16 lanes, and what NUMERICS.md defines on them. */
#include "codegen/llvm/emitter.h"
#include "runtime/numerics/polynomials.h"

static val splat_const(val x) {
    val lanes[LANES];
    for (int i = 0; i < LANES; i++)
        lanes[i] = x;
    return LLVMConstVector(lanes, LANES);
}

val splat_f(emitter *e, float x) {
    return splat_const(f32_of(e, x));
}

val splat_i(emitter *e, uint32_t x) {
    return splat_const(i32_of(e, x));
}

val spread(emitter *e, val scalar) {
    type t = LLVMVectorType(LLVMTypeOf(scalar), LANES);
    val one = LLVMBuildInsertElement(e->builder, LLVMGetPoison(t), scalar, i32_of(e, 0), "");
    return LLVMBuildShuffleVector(e->builder, one, LLVMGetPoison(t), LLVMConstNull(e->vi), "");
}

val lane_numbers(emitter *e) {
    val lanes[LANES];
    for (uint32_t i = 0; i < LANES; i++)
        lanes[i] = i32_of(e, i);
    return LLVMConstVector(lanes, LANES);
}

/* ---- conversions ------------------------------------------------------------------------------------------------ */

static type like(emitter *e, val x, type vector, type scalar) {
    (void)e;
    return LLVMGetTypeKind(LLVMTypeOf(x)) == LLVMVectorTypeKind ? vector : scalar;
}

val to_float(emitter *e, val x) {
    return LLVMBuildSIToFP(e->builder, x, like(e, x, e->vf, e->f32), "");
}

val to_int(emitter *e, val x) {
    return LLVMBuildFPToSI(e->builder, x, like(e, x, e->vi, e->i32), "");
}

val bits_to_float(emitter *e, val x) {
    return LLVMBuildBitCast(e->builder, x, like(e, x, e->vf, e->f32), "");
}

val bits_to_int(emitter *e, val x) {
    return LLVMBuildBitCast(e->builder, x, like(e, x, e->vi, e->i32), "");
}

static val unary(emitter *e, const char *name, size_t length, val x) {
    type t = LLVMTypeOf(x);
    val f = LLVMGetIntrinsicDeclaration(e->module, LLVMLookupIntrinsicID(name, length), &t, 1);
    return call(e, f, &x, 1);
}

val round_even(emitter *e, val x) {
    return unary(e, "llvm.roundeven", 14, x);
}

val square_root(emitter *e, val x) {
    return unary(e, "llvm.sqrt", 9, x);
}

val magnitude(emitter *e, val x) {
    return unary(e, "llvm.fabs", 9, x);
}

/* ---- comparisons ------------------------------------------------------------------------------------------------ */

val fgreater(emitter *e, val a, val b) {
    return LLVMBuildFCmp(e->builder, LLVMRealOGT, a, b, "");
}

val fless(emitter *e, val a, val b) {
    return LLVMBuildFCmp(e->builder, LLVMRealOLT, a, b, "");
}

val choose(emitter *e, val condition, val a, val b) {
    return LLVMBuildSelect(e->builder, condition, a, b, "");
}

val larger_of(emitter *e, val a, val b) {
    return choose(e, fgreater(e, a, b), a, b);
}

val fgreater_or_nan(emitter *e, val a, val b) {
    return LLVMBuildFCmp(e->builder, LLVMRealUGT, a, b, "");
}

val fless_or_nan(emitter *e, val a, val b) {
    return LLVMBuildFCmp(e->builder, LLVMRealULT, a, b, "");
}

/* ---- across lanes ----------------------------------------------------------------------------------------------- */

val shuffle(emitter *e, val a, val b, const unsigned *lanes, unsigned count) {
    val mask[64];
    for (unsigned i = 0; i < count; i++)
        mask[i] = i32_of(e, lanes[i]);
    return LLVMBuildShuffleVector(e->builder, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)), LLVMConstVector(mask, count),
                                  "");
}

/* Halves the lanes until one is left: lane l takes in lane l + half. */
static val reduce(emitter *e, val x, val (*combine)(emitter *e, val a, val b)) {
    static const unsigned lanes[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (unsigned half = LANES / 2; half >= 1; half /= 2) {
        val low = shuffle(e, x, NULL, lanes, half), high = shuffle(e, x, NULL, lanes + half, half);
        x = combine(e, low, high);
    }
    return LLVMBuildExtractElement(e->builder, x, i32_of(e, 0), "");
}

val sum_tree(emitter *e, val x) {
    return reduce(e, x, plus);
}

val max_lane(emitter *e, val x) {
    return reduce(e, x, larger_of);
}

val larger_unsigned(emitter *e, val a, val b) {
    return choose(e, less(e, a, b), b, a);
}

val max_lane_unsigned(emitter *e, val x) {
    return reduce(e, x, larger_unsigned);
}

val any_lane(emitter *e, val condition) {
    val bits = LLVMBuildBitCast(e->builder, condition, e->i16, "");
    return LLVMBuildICmp(e->builder, LLVMIntNE, bits, LLVMConstInt(e->i16, 0, false), "");
}

/* ---- 2^t -------------------------------------------------------------------------------------------------------- */

val exp2_inside(emitter *e, val t) {
    static const float coefficients[] = {DTQ_EXP2_C4, DTQ_EXP2_C3, DTQ_EXP2_C2, DTQ_EXP2_C1, 1.0f};
    val i = round_even(e, t), f = minus(e, t, i);
    val p = splat_f(e, DTQ_EXP2_C5);
    for (size_t c = 0; c < sizeof coefficients / sizeof *coefficients; c++)
        p = plus(e, times(e, p, f), splat_f(e, coefficients[c]));
    /* times 2^i: p is in [0.7, 1.5] and the result is no subnormal, so adding to the exponent is that product */
    val exponent = LLVMBuildShl(e->builder, to_int(e, i), splat_i(e, 23), "");
    return bits_to_float(e, add(e, bits_to_int(e, p), exponent));
}

val exp2_nonpositive(emitter *e, val t) {
    val least = splat_f(e, -126.0f);
    val inside = fgreater(e, t, least), power = exp2_inside(e, larger_of(e, t, least));
    return choose(e, inside, power, splat_f(e, 0.0f));
}
