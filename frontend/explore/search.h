/* The loop of a search: a method proposes points, they are measured, and what came of them is what it proposes by. */
#ifndef DTQ_EXPLORE_SEARCH_H
#define DTQ_EXPLORE_SEARCH_H

#include "frontend/explore/pareto.h"
#include "frontend/explore/space.h"
#include "frontend/explore/surrogate.h"

enum { BATCH_MOST = 256 };

/** What is known of a point: objectives, all the less the better; NaN of a point that failed. */
typedef struct {
    uint32_t *point; /* [space->count] */
    double values[OBJECTIVES_MOST];
    bool feasible; /* keeps to all constraints */
} search_trial;

typedef struct {
    const space *space;
    uint64_t seed;
    bool falls; /* pruned tokens do not come back: point_settle */
    size_t objectives;
    size_t wanted; /* trials in all */
    size_t count;
    search_trial *trials;                 /* [wanted] */
    const surrogate_functions *surrogate; /* of the method that needs one */
    /** Whether a point may keep to what is known without measuring; NULL: any. */
    bool (*allowed)(void *context, const uint32_t *point);
    void *context;
} search;

typedef struct {
    const char *name, *doc;
    bool needs_surrogate;
    /** Proposes `batch` points, each [space->count], for trials count, count + 1 and so on; fewer if there are no more
     * that were not tried. Returns how many. */
    size_t (*propose)(search *s, size_t batch, uint32_t *points);
} search_method;

/** In the order of --method's words. */
extern const search_method search_methods[];

/** Whether trials, or the first `count` of `points`, have the point. */
bool search_tried(const search *s, const uint32_t *point, const uint32_t *points, size_t count);
/** A point at random, settled; by the seed, the trial's number and the attempt alone. */
void search_random(const search *s, size_t trial, size_t attempt, uint32_t *point);
/** A point of Sobol's sequence, settled. */
void search_sobol(const search *s, size_t index, uint32_t *point);
/** Puts `point` into points[*count], unless it was tried or is not allowed. */
bool search_take(const search *s, const uint32_t *point, uint32_t *points, size_t *count);
/** Fills `points` up to `batch` with points at random that were not tried; how many there are then. */
size_t search_fill(const search *s, size_t batch, uint32_t *points, size_t count);

/** How trials stand to each other by all objectives: as pareto_ranks, behind all feasible ones those that are not, and
 * behind these those that failed. */
void search_ranks(const search *s, size_t *ranks);

size_t propose_random(search *s, size_t batch, uint32_t *points);
size_t propose_grid(search *s, size_t batch, uint32_t *points);
size_t propose_evolution(search *s, size_t batch, uint32_t *points);
size_t propose_bayes(search *s, size_t batch, uint32_t *points);

#endif
