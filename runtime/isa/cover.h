/* Whether pieces make up a whole, each place of it once; private to runtime/isa/. */
#ifndef DTQRT_ISA_COVER_H
#define DTQRT_ISA_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A rectangle: outer [outer, outer + outers), inner [inner, inner + inners). */
typedef struct {
    uint32_t outer, outers, inner, inners;
} dtq_piece;

/** Pieces in the order in which they came, until they are asked for. All zero to begin with. */
typedef struct {
    dtq_piece *pieces;
    size_t count, room;
    size_t whole; /* how many there were when they last made up the whole; 0: never */
} dtq_cover;

/** Adds a piece; 0, or how many bytes there were not. */
uint64_t dtq_cover_add(dtq_cover *c, dtq_piece piece);
void dtq_cover_clear(dtq_cover *c);
void dtq_cover_free(dtq_cover *c);

/** True if the pieces cut `whole` into strips of the outer range and each strip into parts of the inner one, so that
 *  each place lies in exactly one piece. Sorts the pieces; asked again without new ones it answers at once. */
bool dtq_cover_whole(dtq_cover *c, dtq_piece whole);

#endif
