/* Points that every method of a search draws, takes and ranks. */
#include "frontend/explore/coordinates.h"
#include "frontend/explore/random.h"
#include "frontend/explore/search.h"
#include "frontend/explore/sobol.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FOR_POINTS = 11, ATTEMPTS = 200 };

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
