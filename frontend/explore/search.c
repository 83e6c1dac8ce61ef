/* The methods of a search, and the two that look at no costs. */
#include "frontend/explore/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/explore/coordinates.h"
#include "frontend/explore/random.h"
#include "frontend/explore/sobol.h"

const search_method search_methods[] = {
    {"bayes", "a Gaussian process and expected improvement", true, propose_bayes},
    {"random", "points at random", false, propose_random},
    {"grid", "an even grid", false, propose_grid},
    {"evolution", "the best ones crossed and changed", false, propose_evolution},
};

size_t propose_random(search *s, size_t batch, uint32_t *points) {
    return search_fill(s, batch, points, 0);
}

/* ---- an even grid ------------------------------------------------------------------------------------------------ */

/* Levels of each axis, doubled in turn as long as their product is at most the trials that are wanted. */
static void choose_levels(const search *s, uint32_t *levels, uint64_t *total) {
    *total = 1;
    for (size_t i = 0; i < s->space->count; i++)
        levels[i] = 1;
    for (bool grown = true; grown;) {
        grown = false;
        for (size_t i = 0; i < s->space->count; i++) {
            const uint64_t count = s->space->axes[i].count, now = levels[i];
            const uint64_t next = now * 2 < count ? now * 2 : count;
            if (next == now || *total / now * next > s->wanted)
                continue;
            *total = *total / now * next;
            levels[i] = (uint32_t)next;
            grown = true;
        }
    }
}

size_t propose_grid(search *s, size_t batch, uint32_t *points) {
    uint32_t *levels = calloc(s->space->count + 1, sizeof *levels), *point = calloc(s->space->count + 1, sizeof *point);
    uint64_t total = 0;
    size_t count = 0;
    if (levels && point)
        choose_levels(s, levels, &total);
    for (uint64_t number = 0; number < total && count < batch; number++) {
        uint64_t left = number;
        for (size_t i = s->space->count; i-- > 0;) {
            const uint32_t n = levels[i], at = (uint32_t)(left % n);
            left /= n;
            /* the middle of each part; both ends where all values are walked */
            point[i] = (uint32_t)((2 * (uint64_t)at + 1) * s->space->axes[i].count / (2 * (uint64_t)n));
        }
        if (s->falls)
            point_settle(s->space, point);
        search_take(s, point, points, &count);
    }
    free(levels);
    free(point);
    return search_fill(s, batch, points, count);
}
