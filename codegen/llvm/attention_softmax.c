/* From scores to probabilities: powers of two, codes, their sum, and in causal layers the weights that carry the scales
 * of V. A score is -infinity where a row does not see a key or there is none. */
#include "codegen/llvm/attention_parts.h"

/* Adding 2^23 to a float in [0, 2^22) rounds it to an integer, ties to even, and leaves that in the low bits. */
static const float rounder = 0x1p23f;
enum { ROUNDER_BITS = 0x4b000000 };

/* One row, and what it gathers. */
typedef struct {
    bool causal;
    val scores, probabilities, weights, value_scales; /* where they lie */
    val largest, levels;                              /* vectors of one number each */
    var sum;                                          /* of codes, by lane, i32 */
    var heaviest;                                     /* weight, by lane */
    val heaviest_inverse, shared;                     /* of the row, then */
    var quotients[BLOCK_VECTORS];
} row_state;

/* Bits of the code of 16 keys: the low byte of each lane. The three bytes above are those of ROUNDER_BITS. */
static val probability(emitter *e, const row_state *s, val key) {
    val from = at_index(e, s->scores, key, 4);
    val t = minus(e, load(e, e->vf, from), s->largest);
    /* Below -9 a power is 0 by definition. At -10 it is so small that its code is 0 as well, at any level. */
    val p = exp2_inside(e, larger_of(e, t, splat_f(e, -10.0f)));
    if (s->causal) {
        val seen = choose(e, fgreater(e, t, splat_f(e, -9.0f)), p, splat_f(e, 0.0f));
        val w = times(e, seen, load(e, e->vf, at_index(e, s->value_scales, key, 4)));
        store(e, w, from);
        var_set(e, s->heaviest, larger_of(e, w, var_get(e, s->heaviest)));
    }
    return bits_to_int(e, plus(e, times(e, p, s->levels), splat_f(e, rounder)));
}

/* Four vectors of rounded numbers as the groups of a block. */
static val grouped(emitter *e, const val *rounded) {
    val codes = sub(e, rounded[0], splat_i(e, ROUNDER_BITS));
    for (unsigned v = 1; v < BLOCK_VECTORS; v++)
        codes = add(e, codes, shifted_left(e, rounded[v], 8 * v));
    return codes;
}

static void probabilities_of_block(emitter *e, const row_state *s, val key) {
    val rounded[BLOCK_VECTORS];
    for (unsigned v = 0; v < BLOCK_VECTORS; v++)
        rounded[v] = probability(e, s, add(e, key, i64_of(e, (uint64_t)v * LANES)));
    val codes = grouped(e, rounded);
    store(e, codes, at(e, s->probabilities, key));
    var_set(e, s->sum, dot4(e, var_get(e, s->sum), codes, splat_i(e, 0x01010101)));
}

static void probabilities_of_tail(emitter *e, const row_state *s, val key) {
    val codes = sub(e, probability(e, s, key), splat_i(e, ROUNDER_BITS));
    store(e, LLVMBuildTrunc(e->builder, codes, e->vb, ""), at(e, s->probabilities, key));
    var_set(e, s->sum, add(e, var_get(e, s->sum), codes));
}

/* w / r times the levels, for `vectors` vectors, by the reciprocal of r wherever that cannot round to another integer
 * than the division does: the product is at most 255 and less than 8e-5 away. */
static void weights_of(emitter *e, const row_state *s, val key, unsigned vectors, val *rounded) {
    val from = at_index(e, s->scores, key, 4), close = NULL, w[BLOCK_VECTORS];
    for (unsigned v = 0; v < vectors; v++) {
        w[v] = load(e, e->vf, at(e, from, i64_of(e, v * 4ull * LANES)));
        val y = times(e, times(e, w[v], s->heaviest_inverse), s->levels);
        val up = plus(e, y, splat_f(e, rounder));
        val off = magnitude(e, minus(e, y, minus(e, up, splat_f(e, rounder))));
        val here = fgreater(e, off, splat_f(e, 0.5f - 2e-4f));
        close = close ? bits_or(e, close, here) : here;
        var_set(e, s->quotients[v], up);
    }
    branch b = if_begin(e, any_lane(e, close));
    for (unsigned v = 0; v < vectors; v++)
        var_set(e, s->quotients[v], plus(e, times(e, over(e, w[v], s->shared), s->levels), splat_f(e, rounder)));
    if_end(e, &b);
    for (unsigned v = 0; v < vectors; v++)
        rounded[v] = bits_to_int(e, var_get(e, s->quotients[v]));
}

static void weights_of_block(emitter *e, const row_state *s, val key) {
    val rounded[BLOCK_VECTORS];
    weights_of(e, s, key, BLOCK_VECTORS, rounded);
    store(e, grouped(e, rounded), at(e, s->weights, key));
}

static void weights_of_tail(emitter *e, const row_state *s, val key) {
    val rounded;
    weights_of(e, s, key, 1, &rounded);
    store(e, LLVMBuildTrunc(e->builder, rounded, e->vb, ""), at(e, s->weights, key));
}

typedef void keys_body(emitter *e, const row_state *s, val key);

static void over_keys(emitter *e, const row_state *s, val strip, keys_body *block, keys_body *tail) {
    loop spans = loop_begin(e, i64_of(e, 0), i64_of(e, SPANS), 1);
    val from = element(e, e->i64, STRIP_AT(e, strip, from), spans.index);
    val to = element(e, e->i64, STRIP_AT(e, strip, to), spans.index);
    val whole = whole_blocks(e, from, to);
    loop l = loop_begin(e, from, whole, BLOCK_KEYS);
    block(e, s, l.index);
    loop_end(e, &l);
    loop t = loop_begin(e, whole, to, LANES);
    tail(e, s, t.index);
    loop_end(e, &t);
    loop_end(e, &spans);
}

/* Z, at least 1 so that it divides; and the signed digits of 2^32 / Z, none for a row that is not there. */
static void store_sum(emitter *e, val strip, val row, val z) {
    z = choose(e, is_equal(e, z, i32_of(e, 0)), i32_of(e, 1), z);
    store(e, to_float(e, z), at_index(e, STRIP_AT(e, strip, sums), row, 4));
    val wide = LLVMBuildZExt(e->builder, z, e->i64, "");
    val inverse = LLVMBuildUDiv(e->builder, i64_of(e, (uint64_t)1 << 32), wide, "");
    /* A byte b and a carry into the next one above it are the digit b - 256: with 128 added first, and then taken off
     * bit by bit. Z is at least 15, so the fourth digit is below 128. */
    val biased = add(e, LLVMBuildTrunc(e->builder, inverse, e->i32, ""), i32_of(e, 0x808080));
    val digits = LLVMBuildXor(e->builder, biased, i32_of(e, 0x808080), "");
    val real = less(e, row, STRIP(e, e->i64, strip, rows));
    digits = choose(e, real, digits, i32_of(e, 0));
    for (unsigned d = 0; d < 4; d++) {
        val digit = LLVMBuildTrunc(e->builder, LLVMBuildLShr(e->builder, digits, i32_of(e, 8 * d), ""), e->i8, "");
        store(e, digit, at(e, STRIP_AT(e, strip, digits), add(e, row, i64_of(e, 16ull * d))));
    }
}

static void share_scale(emitter *e, row_state *s, val strip, val row) {
    val r = max_lane(e, var_get(e, s->heaviest));
    r = choose(e, LLVMBuildFCmp(e->builder, LLVMRealOEQ, r, f32_of(e, 0.0f), ""), f32_of(e, 1.0f), r);
    store(e, r, at_index(e, STRIP_AT(e, strip, shared), row, 4));
    s->shared = spread(e, r);
    s->heaviest_inverse = spread(e, over(e, f32_of(e, 1.0f), r));
}

val attention_softmax(emitter *e, const attention_shape *a) {
    const char *name = name_of(e, "attention_softmax%s", a->causal ? "_causal" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[2] = {e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, 2), strip = arg(e, 0);
    val keys = STRIP(e, e->i64, strip, keys);
    row_state s = {.causal = a->causal, .value_scales = STRIP(e, e->ptr, strip, value_scales)};
    loop rows = loop_begin(e, i64_of(e, 0), i64_of(e, GROUP_ROWS), 1);
    val row = add(e, arg(e, 1), rows.index);
    s.scores = at_index(e, STRIP(e, e->ptr, strip, scores), mul(e, rows.index, keys), 4);
    s.probabilities = at(e, STRIP(e, e->ptr, strip, probabilities), mul(e, row, keys));
    s.weights = at(e, STRIP(e, e->ptr, strip, weights), mul(e, row, keys));
    val largest = load(e, e->vf, at_index(e, STRIP_AT(e, strip, largest), rows.index, 4ull * LANES));
    s.largest = spread(e, max_lane(e, largest));
    s.levels = spread(e, element(e, e->f32, STRIP_AT(e, strip, levels), row));
    s.sum = var_new(e, e->vi, splat_i(e, 0));
    s.heaviest = var_new(e, e->vf, splat_f(e, 0.0f));
    over_keys(e, &s, strip, probabilities_of_block, probabilities_of_tail);
    store_sum(e, strip, row, sum_lanes(e, var_get(e, s.sum)));
    if (a->causal) {
        share_scale(e, &s, strip, row);
        for (unsigned v = 0; v < BLOCK_VECTORS; v++)
            s.quotients[v] = var_new(e, e->vf, NULL);
        over_keys(e, &s, strip, weights_of_block, weights_of_tail);
    }
    loop_end(e, &rows);
    function_end(e);
    return f;
}
