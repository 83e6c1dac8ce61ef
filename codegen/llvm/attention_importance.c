/* Importance: for each key the sum over a strip's rows of its code times 2^32 / Z. The factor is below 2^29: four
 * digits of signed bytes, so that it is four dot products over groups of four rows, exact in 32 bits for a strip. */
#include "codegen/llvm/attention_parts.h"

enum { DIGITS = 4 };

typedef struct {
    val strip, probabilities, keys, groups; /* groups of four rows */
    val sums;                               /* u64 by key */
} share;

/* Codes of four rows, as they are stored from `key` on, and the digits of their factors. */
static void load_group(emitter *e, const share *s, val group, val key, type of, val *codes, val *digits) {
    val row = mul(e, group, i64_of(e, GROUP_ROWS)), from = at(e, s->probabilities, add(e, mul(e, row, s->keys), key));
    for (unsigned r = 0; r < GROUP_ROWS; r++)
        codes[r] = load(e, of, at(e, from, mul(e, s->keys, i64_of(e, r))));
    for (unsigned d = 0; d < DIGITS; d++) {
        val table = STRIP_AT(e, s->strip, digits), place = add(e, row, i64_of(e, 16ull * d));
        digits[d] = spread(e, load(e, e->i32, at(e, table, place)));
    }
}

/* Byte r of lane l: byte `byte` of lane l of row r. */
static val transposed(emitter *e, const val *codes, unsigned byte) {
    val x = NULL;
    for (unsigned r = 0; r < GROUP_ROWS; r++) {
        val moved = byte < r ? shifted_left(e, codes[r], 8 * (r - byte)) : shifted_right(e, codes[r], 8 * (byte - r));
        moved = bits_and(e, moved, splat_i(e, 0xffu << 8 * r));
        x = x ? bits_or(e, x, moved) : moved;
    }
    return x;
}

/* Byte r of lane l: code l of row r. */
static val interleaved(emitter *e, const val *codes) {
    val x = NULL;
    for (unsigned r = 0; r < GROUP_ROWS; r++) {
        val moved = shifted_left(e, LLVMBuildZExt(e->builder, codes[r], e->vi, ""), 8 * r);
        x = x ? bits_or(e, x, moved) : moved;
    }
    return x;
}

/* Sums of digits to sums, added to those of 16 keys. */
static void add_sums(emitter *e, const share *s, val key, const var *acc) {
    val digits[4];
    for (int i = 0; i < 4; i++)
        digits[i] = var_get(e, acc[i]);
    val low = add(e, digits[0], shifted_left(e, digits[1], 8));
    val high = add(e, digits[2], shifted_left(e, digits[3], 8));
    val sixteen[LANES];
    for (int i = 0; i < LANES; i++)
        sixteen[i] = i64_of(e, 16);
    high = LLVMBuildShl(e->builder, LLVMBuildSExt(e->builder, high, e->vu, ""), LLVMConstVector(sixteen, LANES), "");
    val sum = add(e, high, LLVMBuildSExt(e->builder, low, e->vu, "")), to = at_index(e, s->sums, key, 8);
    store(e, add(e, load(e, e->vu, to), sum), to);
}

static void start(emitter *e, var *acc) {
    for (unsigned d = 0; d < DIGITS; d++)
        acc[d] = var_new(e, e->vi, splat_i(e, 0));
}

static void multiply(emitter *e, const var *acc, val codes, const val *digits) {
    for (unsigned d = 0; d < DIGITS; d++)
        var_set(e, acc[d], dot4(e, var_get(e, acc[d]), codes, digits[d]));
}

/* Vectors [first, first + count) of a block. */
static void vectors_of_block(emitter *e, const share *s, val key, unsigned first, unsigned count) {
    var acc[BLOCK_VECTORS][DIGITS];
    for (unsigned v = 0; v < count; v++)
        start(e, acc[v]);
    loop rows = loop_begin(e, i64_of(e, 0), s->groups, 1);
    val codes[GROUP_ROWS], digits[DIGITS];
    load_group(e, s, rows.index, key, e->vi, codes, digits);
    for (unsigned v = 0; v < count; v++)
        multiply(e, acc[v], transposed(e, codes, first + v), digits);
    loop_end(e, &rows);
    for (unsigned v = 0; v < count; v++)
        add_sums(e, s, add(e, key, i64_of(e, (uint64_t)(first + v) * LANES)), acc[v]);
}

static void tail(emitter *e, const share *s, val key) {
    var acc[DIGITS];
    start(e, acc);
    loop rows = loop_begin(e, i64_of(e, 0), s->groups, 1);
    val codes[GROUP_ROWS], digits[DIGITS];
    load_group(e, s, rows.index, key, e->vb, codes, digits);
    multiply(e, acc, interleaved(e, codes), digits);
    loop_end(e, &rows);
    add_sums(e, s, key, acc);
}

val attention_importance(emitter *e) {
    const char *name = name_of(e, "attention_importance");
    if (function_find(e, name))
        return function_find(e, name);
    type params[2] = {e->ptr, e->ptr};
    val f = function_begin(e, name, e->none, params, 2), strip = arg(e, 0);
    val rows = round_up(e, STRIP(e, e->i64, strip, rows), GROUP_ROWS);
    share s = {strip, STRIP(e, e->ptr, strip, probabilities), STRIP(e, e->i64, strip, keys),
               LLVMBuildUDiv(e->builder, rows, i64_of(e, GROUP_ROWS), ""), arg(e, 1)};
    /* As many as leave the registers room for what they are made of. */
    unsigned together = e->level == DTQ_HOST_V2 || e->level == DTQ_HOST_V3 ? 1 : BLOCK_VECTORS / 2;
    loop spans = loop_begin(e, i64_of(e, 0), i64_of(e, SPANS), 1);
    val from = element(e, e->i64, STRIP_AT(e, strip, from), spans.index);
    val to = element(e, e->i64, STRIP_AT(e, strip, to), spans.index);
    val whole = whole_blocks(e, from, to);
    loop blocks = loop_begin(e, from, whole, BLOCK_KEYS);
    for (unsigned v = 0; v < BLOCK_VECTORS; v += together)
        vectors_of_block(e, &s, blocks.index, v, together);
    loop_end(e, &blocks);
    loop tails = loop_begin(e, whole, to, LANES);
    tail(e, &s, tails.index);
    loop_end(e, &tails);
    loop_end(e, &spans);
    function_end(e);
    return f;
}
