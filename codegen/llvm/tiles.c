/* Register tiles of products, by the registers of each level. */
#include "codegen/llvm/tiles.h"

static const tile_shape int8_tiles[DTQ_HOST_LEVELS] = {
    [DTQ_HOST_PORTABLE] = {4, 4}, /* of the machine that the C is compiled for nothing is known but that it is 64-bit */
    [DTQ_HOST_V2] = {1, 1},       /* 16 registers of 128 bits */
    [DTQ_HOST_V3] = {2, 1},       /* 16 registers of 256 bits */
    [DTQ_HOST_V4] = {4, 2},       [DTQ_HOST_VNNI] = {4, 4},
};

static const tile_shape float_tiles[DTQ_HOST_LEVELS] = {
    [DTQ_HOST_PORTABLE] = {4, 4}, [DTQ_HOST_V2] = {2, 1},   [DTQ_HOST_V3] = {2, 2},
    [DTQ_HOST_V4] = {4, 4},       [DTQ_HOST_VNNI] = {4, 4},
};

tile_shape tile_int8(const emitter *e) {
    return int8_tiles[e->level];
}

tile_shape tile_float(const emitter *e) {
    return float_tiles[e->level];
}

void tile_rows(emitter *e, val rows, unsigned most, tile_body *body, void *context) {
    val done = i64_of(e, 0);
    for (unsigned m = most; m >= 1; m = m > 4 ? 4 : m / 2) {
        val left = sub(e, rows, done);
        val whole = sub(e, left, LLVMBuildURem(e->builder, left, i64_of(e, m), ""));
        val end = add(e, done, whole);
        loop l = loop_begin(e, done, end, m);
        body(e, context, l.index, m);
        loop_end(e, &l);
        done = end;
    }
}
