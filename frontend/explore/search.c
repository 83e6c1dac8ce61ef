/* What the methods of a search share. */
#include "frontend/explore/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/explore/coordinates.h"
#include "frontend/explore/random.h"
#include "frontend/explore/sobol.h"

enum { FOR_POINTS = 11, ATTEMPTS = 200 };

const search_method search_methods[] = {
    {"bayes", "a Gaussian process and expected improvement", true, propose_bayes},
    {"random", "points at random", false, propose_random},
    {"grid", "an even grid", false, propose_grid},
    {"evolution", "the best ones crossed and changed", false, propose_evolution},
};

bool search_tried(const search *s, const uint32_t *point, const uint32_t *points, size_t count) {
    const size_t bytes = s->space->count * sizeof *point;
    for (size_t i = 0; i < s->count; i++)
        if (memcmp(s->trials[i].point, point, bytes) == 0)
            return true;
    for (size_t i = 0; i < count; i++)
        if (memcmp(points + i * s->space->count, point, bytes) == 0)
            return true;
    return false;
}

void search_random(const search *s, size_t trial, size_t attempt, uint32_t *point) {
    uint64_t state = random_state(s->seed, FOR_POINTS, trial * ATTEMPTS + attempt);
    for (size_t i = 0; i < s->space->count; i++)
        point[i] = random_below(&state, (uint32_t)s->space->axes[i].count);
    if (s->falls)
        point_settle(s->space, point);
}

void search_sobol(const search *s, size_t index, uint32_t *point) {
    double *x = calloc(s->space->count + 1, sizeof *x);
    if (x)
        sobol_point((uint32_t)index + 1, s->seed + 1, x, s->space->count);
    for (size_t i = 0; i < s->space->count; i++)
        point[i] = x ? (uint32_t)(x[i] * (double)s->space->axes[i].count) : 0;
    free(x);
    if (s->falls)
        point_settle(s->space, point);
}

bool search_take(const search *s, const uint32_t *point, uint32_t *points, size_t *count) {
    if (search_tried(s, point, points, *count) || (s->allowed && !s->allowed(s->context, point)))
        return false;
    memmove(points + *count * s->space->count, point, s->space->count * sizeof *point);
    ++*count;
    return true;
}

size_t search_fill(const search *s, size_t batch, uint32_t *points, size_t count) {
    uint32_t *point = calloc(s->space->count + 1, sizeof *point);
    for (size_t attempt = 0; point && count < batch && attempt < ATTEMPTS; attempt++) {
        search_random(s, s->count + count, attempt, point);
        if (search_take(s, point, points, &count))
            attempt = 0;
    }
    free(point);
    return count;
}

void search_ranks(const search *s, size_t *ranks) {
    double *values = calloc(s->count * s->objectives + 1, sizeof *values);
    for (size_t i = 0; values && i < s->count; i++)
        for (size_t k = 0; k < s->objectives; k++)
            values[i * s->objectives + k] = s->trials[i].values[k];
    if (values)
        pareto_ranks(values, s->count, s->objectives, ranks);
    for (size_t i = 0; i < s->count; i++)
        ranks[i] = !values ? 0 : s->trials[i].feasible || ranks[i] == s->count ? ranks[i] : ranks[i] + s->count;
    for (size_t i = 0; i < s->count; i++)
        if (isnan(s->trials[i].values[0]))
            ranks[i] = 3 * s->count;
    free(values);
}

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
