/* Points of a space as coordinates from 0 to 1, which a surrogate measures distances in, and back. */
#ifndef DTQ_EXPLORE_COORDINATES_H
#define DTQ_EXPLORE_COORDINATES_H

#include "frontend/explore/space.h"

/** Coordinates of a point: none for an axis of one value; one for numbers, by their place in the order, and for two
 *  choices; one for each of more choices; two for shares, those of 0 and of 8 bits. */
size_t coordinates_count(const space *s);
void coordinates_of(const space *s, const uint32_t *point, double *x);
/** The point whose coordinates are nearest. */
void coordinates_point(const space *s, const double *x, uint32_t *point);

/** Moves one axis of a point to a neighbour: the next number or share, another choice. */
void point_step(const space *s, uint32_t *point, uint64_t *random);

/** Puts rows of layers in an order that pruning allows where pruned tokens do not come back: none prunes less than one
 *  before it. Axes of shares of `layers` that have the same values are sorted by what they prune, so that points at
 * random stay evenly spread; others take the nearest share that prunes as much as the one before. */
void point_settle(const space *s, uint32_t *point);

#endif
