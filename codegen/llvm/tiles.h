/* Register tiles of products: how many rows and vectors of outputs are kept in registers at once. Private to
 * codegen/llvm.
 *
 * Sixteen vector accumulators hide the latency of the multiply-add and leave room for operands in 32 registers. Where a
 * vector of 16 lanes takes two registers of 16, or four, tiles are smaller, so that inner loops do not spill. */
#ifndef DTQ_CODEGEN_LLVM_TILES_H
#define DTQ_CODEGEN_LLVM_TILES_H

#include "codegen/llvm/emitter.h"

enum { TILE_ROWS_MOST = 8, TILE_VECTORS_MOST = 4 };

typedef struct {
    unsigned rows, vectors;
} tile_shape;

/** The largest tile of products of bytes, and of floats, at the emitter's level. */
tile_shape tile_int8(const emitter *e);
tile_shape tile_float(const emitter *e);

/** Calls `body` on tiles that cover `rows` (a value) by `vectors`: rows in tiles of shape.rows, then of half as many,
 * down to one. */
typedef void tile_body(emitter *e, void *context, val row, unsigned rows);
void tile_rows(emitter *e, val rows, unsigned most, tile_body *body, void *context);

#endif
