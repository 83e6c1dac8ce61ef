/* Coordinates of points. */
#include "frontend/explore/coordinates.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "frontend/explore/random.h"

static size_t width_of(const axis *a) {
    if (a->count == 1)
        return 0;
    if (a->form == AXIS_SHARES)
        return 2;
    return a->form == AXIS_NUMBERS || a->count == 2 ? 1 : a->count;
}

size_t coordinates_count(const space *s) {
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        count += width_of(&s->axes[i]);
    return count;
}

static void put(const axis *a, uint32_t value, double *x) {
    const size_t width = width_of(a);
    if (width == 0)
        return;
    if (a->form == AXIS_SHARES) {
        x[0] = a->shares[value][0];
        x[1] = a->shares[value][2];
    } else if (width == 1) {
        x[0] = (double)value / (double)(a->count - 1);
    } else {
        for (size_t i = 0; i < width; i++)
            x[i] = i == value;
    }
}

void coordinates_of(const space *s, const uint32_t *point, double *x) {
    for (size_t i = 0; i < s->count; i++) {
        put(&s->axes[i], point[i], x);
        x += width_of(&s->axes[i]);
    }
}

static uint32_t nearest_share(const axis *a, double zero, double high) {
    uint32_t best = 0;
    double least = DBL_MAX;
    for (uint32_t i = 0; i < a->count; i++) {
        const double dx = a->shares[i][0] - zero, dy = a->shares[i][2] - high, distance = dx * dx + dy * dy;
        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    return best;
}

static uint32_t nearest(const axis *a, const double *x) {
    const size_t width = width_of(a);
    uint32_t best = 0;
    if (width == 0)
        return 0;
    if (a->form == AXIS_SHARES)
        return nearest_share(a, x[0], x[1]);
    if (width == 1)
        return (uint32_t)fmin(fmax(round(x[0] * (double)(a->count - 1)), 0), (double)(a->count - 1));
    for (uint32_t i = 1; i < width; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

void coordinates_point(const space *s, const double *x, uint32_t *point) {
    for (size_t i = 0; i < s->count; i++) {
        point[i] = nearest(&s->axes[i], x);
        x += width_of(&s->axes[i]);
    }
}

void point_step(const space *s, uint32_t *point, uint64_t *random) {
    const uint32_t at = random_below(random, (uint32_t)s->count);
    const axis *a = &s->axes[at];
    if (a->count == 1)
        return;
    if (a->form == AXIS_SHARES) {
        const double *from = a->shares[point[at]];
        const double reach = .15, dx = (random_unit(random) * 2 - 1) * reach,
                     dy = (random_unit(random) * 2 - 1) * reach;
        point[at] = nearest_share(a, from[0] + dx, from[2] + dy);
    } else if (a->form == AXIS_NUMBERS) {
        const bool up = point[at] == 0 || (point[at] + 1 < a->count && random_unit(random) < .5);
        point[at] += up ? 1 : (uint32_t)-1;
    } else {
        const uint32_t other = random_below(random, (uint32_t)a->count - 1);
        point[at] = other + (other >= point[at]);
    }
}

/* ---- pruning ----------------------------------------------------------------------------------------------------- */

static bool falls(const axis *a) {
    return a->form == AXIS_SHARES && a->kind == AXIS_POLICY_KEY && strncmp(a->path, "layers.", 7) == 0;
}

static bool alike(const axis *a, const axis *b) {
    return a->count == b->count && memcmp(a->shares, b->shares, a->count * sizeof *a->shares) == 0;
}

/* The nearest value that prunes `zero` or more. */
static uint32_t prune_as_much(const axis *a, uint32_t value, double zero) {
    uint32_t best = value;
    double least = DBL_MAX;
    for (uint32_t i = 0; i < a->count; i++) {
        const double dx = a->shares[i][0] - fmax(zero, a->shares[value][0]), dy = a->shares[i][2] - a->shares[value][2];
        const double distance = dx * dx + dy * dy;
        if (a->shares[i][0] >= zero - 1e-12 && distance < least) {
            least = distance;
            best = i;
        }
    }
    return best;
}

void point_settle(const space *s, uint32_t *point) {
    size_t order[AXES_MOST], count = 0;
    bool same = true;
    for (size_t i = 0; i < s->count; i++)
        if (falls(&s->axes[i])) {
            same = same && (count == 0 || alike(&s->axes[order[0]], &s->axes[i]));
            order[count++] = i;
        }
    for (size_t i = 1; i < count; i++) {
        const axis *a = &s->axes[order[i]], *before = &s->axes[order[i - 1]];
        if (!same) {
            const double zero = before->shares[point[order[i - 1]]][0];
            if (a->shares[point[order[i]]][0] < zero)
                point[order[i]] = prune_as_much(a, point[order[i]], zero);
            continue;
        }
        for (size_t k = i; k > 0 && a->shares[point[order[k]]][0] < a->shares[point[order[k - 1]]][0]; k--) {
            const uint32_t moved = point[order[k]];
            point[order[k]] = point[order[k - 1]];
            point[order[k - 1]] = moved;
        }
    }
}
