/* Evolution: parents of the best ranks by tournament, crossed and changed (after NSGA-II, Deb et al. 2002, without
 * crowding). */
#include <stdlib.h>
#include <string.h>

#include "frontend/explore/coordinates.h"
#include "frontend/explore/random.h"
#include "frontend/explore/search.h"

enum { FOR_CHILDREN = 21, FIRST_MOST = 16, ATTEMPTS = 64, ROUNDS = 2 };

static const uint32_t *parent(const search *s, const size_t *ranks, uint64_t *random) {
    size_t best = random_below(random, (uint32_t)s->count);
    for (int i = 0; i < ROUNDS; i++) {
        const size_t other = random_below(random, (uint32_t)s->count);
        best = ranks[other] < ranks[best] ? other : best;
    }
    return s->trials[best].point;
}

static void child(const search *s, const size_t *ranks, uint64_t *random, uint32_t *out) {
    const uint32_t *x = parent(s, ranks, random), *y = parent(s, ranks, random);
    for (size_t i = 0; i < s->space->count; i++)
        out[i] = random_unit(random) < .5 ? x[i] : y[i];
    do
        point_step(s->space, out, random);
    while (random_unit(random) < .5);
    if (s->falls)
        point_settle(s->space, out);
}

size_t propose_evolution(search *s, size_t batch, uint32_t *points) {
    const size_t first = s->wanted / 4 < FIRST_MOST ? s->wanted / 4 + 1 : FIRST_MOST;
    size_t count = 0, *ranks = calloc(s->count + 1, sizeof *ranks);
    uint32_t *point = calloc(s->space->count + 1, sizeof *point);
    if (ranks)
        search_ranks(s, ranks);
    for (size_t attempt = 0; ranks && point && count < batch && attempt < ATTEMPTS; attempt++) {
        const size_t trial = s->count + count;
        uint64_t random = random_state(s->seed, FOR_CHILDREN, trial * ATTEMPTS + attempt);
        if (trial < first)
            search_sobol(s, trial + attempt * s->wanted, point);
        else if (s->count == 0) /* a batch larger than the first generation */
            break;
        else
            child(s, ranks, &random, point);
        if (search_take(s, point, points, &count))
            attempt = 0;
    }
    free(ranks);
    free(point);
    return search_fill(s, batch, points, count);
}
