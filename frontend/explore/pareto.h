/* Points of several objectives, all the less the better: which are best, and how much they command. */
#ifndef DTQ_EXPLORE_PARETO_H
#define DTQ_EXPLORE_PARETO_H

#include <stdbool.h>
#include <stddef.h>

enum { OBJECTIVES_MOST = 8 };

/** Marks the points of values [count][objectives] that no other dominates: none is as good in all and better in one. Of
 *  equal points the first is marked. A point with a NaN is not. */
void pareto_front(const double *values, size_t count, size_t objectives, bool *on);

/** The front that each point would be on if those before it were taken away, from 0; count for one with a NaN. */
void pareto_ranks(const double *values, size_t count, size_t objectives, size_t *ranks);

/** The volume that the points dominate up to `reference` [objectives], exactly: by slices of the last objective
 *  ("hypervolume by slicing objectives", While et al. 2006). */
double pareto_hypervolume(const double *values, size_t count, size_t objectives, const double *reference);

#endif
