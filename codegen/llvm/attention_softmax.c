/* From scores to probabilities: powers of two, codes, their sum, and in causal layers the weights that carry the scales
 * of V. A score is -infinity where a row does not see a key or there is none. */
#include <float.h>

#include "codegen/llvm/attention_parts.h"
#include "runtime/numerics/polynomials.h"

/* Adding 2^23 to a float in [0, 2^22) rounds it to an integer, ties to even, and leaves that in the low bits. */
static const float rounder = 0x1p23f;
enum { ROUNDER_BITS = 0x4b000000 };

/* ---- powers ----------------------------------------------------------------------------------------------------- */

/* How many vectors are worked on side by side. Each is a long chain of operations, and a processor finds work that does
 * not wait only if it is near; but where registers are few, one vector fills them. */
static unsigned side_by_side(const emitter *e) {
    return e->level == DTQ_HOST_V2 || e->level == DTQ_HOST_V3 ? 1 : BLOCK_VECTORS;
}

/* 2^t of `count` vectors, t in [-10, 0]: exp2_inside, step by step for all of them. */
static void powers(emitter *e, unsigned count, const val *t, val *p) {
    static const float coefficients[] = {DTQ_EXP2_C4, DTQ_EXP2_C3, DTQ_EXP2_C2, DTQ_EXP2_C1, 1.0f};
    val i[BLOCK_VECTORS], f[BLOCK_VECTORS];
    for (unsigned v = 0; v < count; v++)
        i[v] = round_even(e, t[v]);
    for (unsigned v = 0; v < count; v++)
        f[v] = minus(e, t[v], i[v]);
    for (unsigned v = 0; v < count; v++)
        p[v] = splat_f(e, DTQ_EXP2_C5);
    for (size_t c = 0; c < sizeof coefficients / sizeof *coefficients; c++) {
        for (unsigned v = 0; v < count; v++)
            p[v] = times(e, p[v], f[v]);
        for (unsigned v = 0; v < count; v++)
            p[v] = plus(e, p[v], splat_f(e, coefficients[c]));
    }
    /* i in the place of the exponent: by a product, as shifts compete with additions for the same units of a processor
     * and there are many more of these than products. */
    for (unsigned v = 0; v < count; v++)
        i[v] = times(e, i[v], splat_f(e, 0x1p23f));
    for (unsigned v = 0; v < count; v++) {
        val bits = bits_to_int(e, p[v]);
        p[v] = bits_to_float(e, add(e, bits, to_int(e, i[v])));
    }
}

/* A vector of keys of one row. */
typedef struct {
    val scores;          /* where they lie; causal: and where weights go */
    val largest, levels; /* the row's, in all lanes */
    val value_scales;    /* causal: where they lie */
    var heaviest;        /* causal: weight, by lane */
} key_vector;

/* Codes: in the low byte of each lane. The three bytes above are those of ROUNDER_BITS. */
static void probabilities(emitter *e, bool causal, unsigned count, const key_vector *x, val *rounded) {
    val t[BLOCK_VECTORS], near[BLOCK_VECTORS], p[BLOCK_VECTORS];
    for (unsigned v = 0; v < count; v++)
        t[v] = minus(e, load(e, e->vf, x[v].scores), x[v].largest);
    /* Below -9 a power is 0 by definition. At -10 it is so small that its code is 0 as well, at any level. Of numbers
     * that are not positive, the larger one has the smaller bits. */
    for (unsigned v = 0; v < count; v++) {
        val bits = bits_to_int(e, t[v]);
        near[v] = bits_to_float(e, smaller(e, bits, bits_to_int(e, splat_f(e, -10.0f))));
    }
    powers(e, count, near, p);
    for (unsigned v = 0; causal && v < count; v++) {
        val seen = choose(e, fgreater(e, t[v], splat_f(e, -9.0f)), p[v], splat_f(e, 0.0f));
        val w = times(e, seen, load(e, e->vf, x[v].value_scales));
        store(e, w, x[v].scores);
        var_set(e, x[v].heaviest, larger_of(e, w, var_get(e, x[v].heaviest)));
    }
    for (unsigned v = 0; v < count; v++)
        rounded[v] = times(e, p[v], x[v].levels);
    for (unsigned v = 0; v < count; v++)
        rounded[v] = bits_to_int(e, plus(e, rounded[v], splat_f(e, rounder)));
}

/* Four vectors of rounded numbers as the groups of a block. */
static val grouped(emitter *e, const val *rounded) {
    val codes = sub(e, rounded[0], splat_i(e, ROUNDER_BITS));
    for (unsigned v = 1; v < BLOCK_VECTORS; v++)
        codes = add(e, codes, shifted_left(e, rounded[v], 8 * v));
    return codes;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* The group of rows at work. */
typedef struct {
    bool causal;
    val strip, keys;
    val scores, probabilities, weights, gathered; /* of its first row */
    val value_scales;
} row_group;

/* One of them, and what it gathers. */
typedef struct {
    bool causal;
    key_vector lanes; /* at key 0 */
    val probabilities, weights;
    var sum;             /* of codes, by lane, i32 */
    val shared, inverse; /* causal: r and 1 / r, in all lanes */
    var quotients[BLOCK_VECTORS];
} row;

/* `number` in the group is a value. The row's score maximum is that of lanes, or found already. */
static row row_at(emitter *e, const row_group *g, val first, val number) {
    val place = mul(e, number, g->keys), by_lane = mul(e, number, i64_of(e, 4ull * LANES));
    row r = {.causal = g->causal, .probabilities = at(e, g->probabilities, place), .weights = at(e, g->weights, place)};
    r.lanes.scores = at_index(e, g->scores, place, 4);
    r.lanes.largest = load(e, e->vf, at(e, STRIP_AT(e, g->strip, largest), by_lane));
    val levels = STRIP_AT(e, g->strip, levels);
    r.lanes.levels = spread(e, element(e, e->f32, levels, add(e, first, number)));
    r.lanes.value_scales = g->value_scales;
    r.sum = var_new(e, e->vi, NULL);
    r.lanes.heaviest = var_new(e, e->vf, NULL);
    return r;
}

static void load_gathered(emitter *e, const row_group *g, const row *r, val number) {
    val by_lane = mul(e, number, i64_of(e, 4ull * LANES));
    var_set(e, r->sum, load(e, e->vi, at(e, g->gathered, by_lane)));
    if (g->causal)
        var_set(e, r->lanes.heaviest, load(e, e->vf, at(e, STRIP_AT(e, g->strip, heaviest), by_lane)));
}

static void store_gathered(emitter *e, const row_group *g, const row *r, val number) {
    val by_lane = mul(e, number, i64_of(e, 4ull * LANES));
    val sum = var_get(e, r->sum);
    store(e, sum, at(e, g->gathered, by_lane));
    if (g->causal) {
        val heaviest = var_get(e, r->lanes.heaviest);
        store(e, heaviest, at(e, STRIP_AT(e, g->strip, heaviest), by_lane));
    }
}

static key_vector lanes_at(emitter *e, const row *r, val key) {
    key_vector x = r->lanes;
    x.scores = at_index(e, x.scores, key, 4);
    x.value_scales = at_index(e, x.value_scales, key, 4);
    return x;
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

typedef void keys_body(emitter *e, void *context, val key);

/* Calls `block` for whole blocks and `tail` for the vectors behind them, each unless NULL. */
static void over_keys(emitter *e, val strip, keys_body *block, keys_body *tail, void *context) {
    loop spans = loop_begin(e, i64_of(e, 0), i64_of(e, SPANS), 1);
    val from = element(e, e->i64, STRIP_AT(e, strip, from), spans.index);
    val to = element(e, e->i64, STRIP_AT(e, strip, to), spans.index);
    val whole = whole_blocks(e, from, to);
    if (block) {
        loop l = loop_begin(e, from, whole, BLOCK_KEYS);
        block(e, context, l.index);
        loop_end(e, &l);
    }
    if (tail) {
        loop l = loop_begin(e, whole, to, LANES);
        tail(e, context, l.index);
        loop_end(e, &l);
    }
    loop_end(e, &spans);
}

static void probabilities_of_block(emitter *e, void *context, val key) {
    const row *r = context;
    val rounded[BLOCK_VECTORS];
    key_vector x[BLOCK_VECTORS];
    for (unsigned v = 0; v < BLOCK_VECTORS; v++)
        x[v] = lanes_at(e, r, add(e, key, i64_of(e, (uint64_t)v * LANES)));
    for (unsigned v = 0; v < BLOCK_VECTORS; v += side_by_side(e))
        probabilities(e, r->causal, side_by_side(e), x + v, rounded + v);
    val codes = grouped(e, rounded);
    store(e, codes, at(e, r->probabilities, key));
    var_set(e, r->sum, dot4(e, var_get(e, r->sum), codes, splat_i(e, 0x01010101)));
}

typedef struct {
    unsigned count;
    row rows[GROUP_ROWS];
} row_set;

/* In tails it is rows that are side by side. */
static void probabilities_of_tail(emitter *e, void *context, val key) {
    const row_set *s = context;
    val rounded[GROUP_ROWS];
    key_vector x[GROUP_ROWS];
    for (unsigned r = 0; r < s->count; r++)
        x[r] = lanes_at(e, &s->rows[r], key);
    probabilities(e, s->rows[0].causal, s->count, x, rounded);
    for (unsigned r = 0; r < s->count; r++) {
        const row *here = &s->rows[r];
        val codes = sub(e, rounded[r], splat_i(e, ROUNDER_BITS));
        val bytes = LLVMBuildTrunc(e->builder, codes, e->vb, "");
        store(e, bytes, at(e, here->probabilities, key));
        var_set(e, here->sum, add(e, var_get(e, here->sum), codes));
    }
}

/* w / r times the levels, for `count` vectors, by the reciprocal of r wherever that cannot round to another integer
 * than the division does: the product is at most 255 and less than 8e-5 away. */
static void weights_of(emitter *e, const row *r, val key, unsigned count, val *rounded) {
    val from = at_index(e, r->lanes.scores, key, 4), close = NULL, w[BLOCK_VECTORS];
    for (unsigned v = 0; v < count; v++) {
        w[v] = load(e, e->vf, at(e, from, i64_of(e, v * 4ull * LANES)));
        val y = times(e, times(e, w[v], r->inverse), r->lanes.levels);
        val up = plus(e, y, splat_f(e, rounder));
        val off = magnitude(e, minus(e, y, minus(e, up, splat_f(e, rounder))));
        val here = fgreater(e, off, splat_f(e, 0.5f - 2e-4f));
        close = close ? bits_or(e, close, here) : here;
        var_set(e, r->quotients[v], up);
    }
    branch b = if_begin(e, any_lane(e, close));
    for (unsigned v = 0; v < count; v++) {
        val y = times(e, over(e, w[v], r->shared), r->lanes.levels);
        var_set(e, r->quotients[v], plus(e, y, splat_f(e, rounder)));
    }
    if_end(e, &b);
    for (unsigned v = 0; v < count; v++)
        rounded[v] = bits_to_int(e, var_get(e, r->quotients[v]));
}

static void weights_of_block(emitter *e, void *context, val key) {
    const row *r = context;
    val rounded[BLOCK_VECTORS];
    weights_of(e, r, key, BLOCK_VECTORS, rounded);
    val bytes = grouped(e, rounded);
    store(e, bytes, at(e, r->weights, key));
}

static void weights_of_tail(emitter *e, void *context, val key) {
    const row *r = context;
    val rounded;
    weights_of(e, r, key, 1, &rounded);
    val bytes = LLVMBuildTrunc(e->builder, rounded, e->vb, "");
    store(e, bytes, at(e, r->weights, key));
}

/* ---- the group -------------------------------------------------------------------------------------------------- */

static void blocks_of_rows(emitter *e, const row_group *g, val first) {
    loop rows = loop_begin(e, i64_of(e, 0), i64_of(e, GROUP_ROWS), 1);
    row r = row_at(e, g, first, rows.index);
    /* A row that sees nothing has no maximum; any number takes its scores to -infinity. */
    r.lanes.largest = spread(e, larger_of(e, max_lane(e, r.lanes.largest), f32_of(e, -FLT_MAX)));
    store(e, r.lanes.largest, at_index(e, STRIP_AT(e, g->strip, largest), rows.index, 4ull * LANES));
    var_set(e, r.sum, splat_i(e, 0));
    var_set(e, r.lanes.heaviest, splat_f(e, 0.0f));
    over_keys(e, g->strip, probabilities_of_block, NULL, &r);
    store_gathered(e, g, &r, rows.index);
    loop_end(e, &rows);
}

static void tails_of_rows(emitter *e, const row_group *g, val first) {
    row_set s = {.count = side_by_side(e)};
    for (unsigned begin = 0; begin < GROUP_ROWS; begin += s.count) {
        for (unsigned r = 0; r < s.count; r++) {
            s.rows[r] = row_at(e, g, first, i64_of(e, begin + r));
            load_gathered(e, g, &s.rows[r], i64_of(e, begin + r));
        }
        over_keys(e, g->strip, NULL, probabilities_of_tail, &s);
        for (unsigned r = 0; r < s.count; r++)
            store_gathered(e, g, &s.rows[r], i64_of(e, begin + r));
    }
}

/* r, the scale of a row's weights, and the weights. */
static void weigh(emitter *e, const row_group *g, row *r, val number) {
    val shared = max_lane(e, var_get(e, r->lanes.heaviest));
    shared = choose(e, LLVMBuildFCmp(e->builder, LLVMRealOEQ, shared, f32_of(e, 0.0f), ""), f32_of(e, 1.0f), shared);
    store(e, shared, at_index(e, STRIP_AT(e, g->strip, shared), number, 4));
    r->shared = spread(e, shared);
    r->inverse = spread(e, over(e, f32_of(e, 1.0f), shared));
    for (unsigned v = 0; v < BLOCK_VECTORS; v++)
        r->quotients[v] = var_new(e, e->vf, NULL);
    over_keys(e, g->strip, weights_of_block, weights_of_tail, r);
}

static void weigh_rows(emitter *e, const row_group *g, val first) {
    loop rows = loop_begin(e, i64_of(e, 0), i64_of(e, GROUP_ROWS), 1);
    row r = row_at(e, g, first, rows.index);
    load_gathered(e, g, &r, rows.index);
    weigh(e, g, &r, add(e, first, rows.index));
    loop_end(e, &rows);
}

val attention_softmax(emitter *e, const attention_shape *a) {
    const char *name = name_of(e, "attention_softmax%s", a->causal ? "_causal" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[2] = {e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, 2), strip = arg(e, 0), first = arg(e, 1);
    val keys = STRIP(e, e->i64, strip, keys), place = mul(e, first, keys);
    row_group g = {a->causal, strip, keys, .scores = STRIP(e, e->ptr, strip, scores)};
    g.probabilities = at(e, STRIP(e, e->ptr, strip, probabilities), place);
    g.weights = at(e, STRIP(e, e->ptr, strip, weights), place);
    g.gathered = at_index(e, STRIP_AT(e, strip, gathered), first, 4ull * LANES);
    g.value_scales = STRIP(e, e->ptr, strip, value_scales);
    blocks_of_rows(e, &g, first);
    tails_of_rows(e, &g, first);
    if (a->causal)
        weigh_rows(e, &g, first);
    function_end(e);
    return f;
}
