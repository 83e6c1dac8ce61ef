/* Rotation of pairs of channels by the angles of a token's position (NUMERICS.md, "Host instructions"). */
#include "codegen/llvm/kernels.h"

enum { SRC, TABLE, IDS, DST, ROWS, PARAMS };

/* Channels that one vector takes: as many as divide the run that vectors must not cross. */
static unsigned lanes_for(uint64_t run) {
    unsigned lanes = LANES;
    while (run % lanes)
        lanes /= 2;
    return lanes;
}

static type lanes_of(emitter *e, unsigned lanes) {
    return lanes == 1 ? e->f32 : LLVMVectorType(e->f32, lanes);
}

/* Lane l of the result is lane of[l] of `x`, or, from `count` on, of `y`. */
static val permute(emitter *e, val x, val y, unsigned lanes, unsigned (*of)(unsigned lane, unsigned lanes)) {
    unsigned order[LANES];
    for (unsigned l = 0; l < lanes; l++)
        order[l] = of(l, lanes);
    return shuffle(e, x, y, order, lanes);
}

static unsigned partner(unsigned lane, unsigned lanes) {
    (void)lanes;
    return lane ^ 1;
}

static unsigned twice(unsigned lane, unsigned lanes) {
    (void)lanes;
    return lane / 2;
}

/* Even lanes of the first vector, odd ones of the second. */
static unsigned in_turn(unsigned lane, unsigned lanes) {
    return lane % 2 ? lane + lanes : lane;
}

/* Channels c and c + head_dim / 2 of the head at `src`. */
static void turn_halves(emitter *e, val src, val angles, val dst, uint64_t head_dim) {
    uint64_t half = head_dim / 2;
    unsigned lanes = lanes_for(half);
    type of = lanes_of(e, lanes);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, half), lanes);
    val near = at_index(e, src, l.index, 4), to = at_index(e, dst, l.index, 4), row = at_index(e, angles, l.index, 4);
    val behind = i64_of(e, 4 * half);
    val a = load(e, of, near), b = load(e, of, at(e, near, behind));
    val c = load(e, of, row), s = load(e, of, at(e, row, behind));
    val ac = times(e, a, c), bs = times(e, b, s);
    store(e, minus(e, ac, bs), to);
    val bc = times(e, b, c), as = times(e, a, s), sum = plus(e, bc, as);
    store(e, sum, at(e, to, behind));
    loop_end(e, &l);
}

/* Channels 2 p and 2 p + 1. */
static void turn_neighbours(emitter *e, val src, val angles, val dst, uint64_t head_dim) {
    unsigned lanes = lanes_for(head_dim); /* even, as head_dim is */
    type of = lanes_of(e, lanes), half_of = lanes_of(e, lanes / 2);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, head_dim), lanes);
    val row = at_index(e, angles, LLVMBuildLShr(e->builder, l.index, i64_of(e, 1), ""), 4);
    val cosines = load(e, half_of, row), sines = load(e, half_of, at(e, row, i64_of(e, 2 * head_dim)));
    if (lanes == 2) { /* one pair: scalars to be spread */
        val two = LLVMGetPoison(of), zero = i32_of(e, 0);
        cosines = LLVMBuildInsertElement(e->builder, two, cosines, zero, "");
        sines = LLVMBuildInsertElement(e->builder, two, sines, zero, "");
    }
    val c = permute(e, cosines, NULL, lanes, twice), s = permute(e, sines, NULL, lanes, twice);
    val x = load(e, of, at_index(e, src, l.index, 4)), other = permute(e, x, NULL, lanes, partner);
    val straight = times(e, x, c), across = times(e, other, s);
    val first = minus(e, straight, across), second = plus(e, straight, across);
    val y = permute(e, first, second, lanes, in_turn);
    store(e, y, at_index(e, dst, l.index, 4));
    loop_end(e, &l);
}

val emit_rotary(emitter *e, uint64_t width, uint64_t head_dim, channel_pairs pairs) {
    bool halves = pairs == PAIRS_HALVES;
    const char *name = name_of(e, "rotary_%llu_%llu_%s", (unsigned long long)width, (unsigned long long)head_dim,
                               halves ? "halves" : "adjacent");
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    uint64_t stride = 4 * row_stride(width);
    loop rows = loop_begin(e, i64_of(e, 0), arg(e, ROWS), 1);
    val id = LLVMBuildZExt(e->builder, element(e, e->i32, arg(e, IDS), rows.index), e->i64, "");
    val angles = at_index(e, arg(e, TABLE), id, 4 * head_dim);
    val src = at_index(e, arg(e, SRC), rows.index, stride), dst = at_index(e, arg(e, DST), rows.index, stride);
    if (width % LANES) /* lanes behind the last column are zeros */
        store(e, splat_f(e, 0.0f), at(e, dst, i64_of(e, stride - 4 * LANES)));
    loop heads = loop_begin(e, i64_of(e, 0), i64_of(e, width), head_dim);
    val from = at_index(e, src, heads.index, 4), to = at_index(e, dst, heads.index, 4);
    (halves ? turn_halves : turn_neighbours)(e, from, angles, to, head_dim);
    loop_end(e, &heads);
    loop_end(e, &rows);
    function_end(e);
    return f;
}
