/* Fronts and hypervolumes. */
#include "frontend/explore/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool dominates(const double *x, const double *y, size_t n) {
    bool better = false;
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] <= y[i]))
            return false;
        better = better || x[i] < y[i];
    }
    return better;
}

static bool has_nan(const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return true;
    return false;
}

typedef struct {
    const double *values;
    size_t objectives;
} order;

/* By the first objective, then the second and so on; equal points by their place. */
static int lexicographic(const void *a, const void *b, void *context) {
    const order *o = context;
    const size_t i = *(const size_t *)a, k = *(const size_t *)b;
    const double *x = o->values + i * o->objectives, *y = o->values + k * o->objectives;
    for (size_t n = 0; n < o->objectives; n++)
        if (x[n] != y[n])
            return x[n] < y[n] ? -1 : 1;
    return (i > k) - (i < k);
}

/* The front of those that are not `gone`. What dominates a point stands before it in lexicographic order, so that each
 * is compared with the front so far alone. */
static void front_of(const double *v, size_t count, size_t n, const bool *gone, bool *on) {
    size_t *sorted = calloc(count + 1, sizeof *sorted), *front = calloc(count + 1, sizeof *front);
    size_t used = 0, found = 0;
    for (size_t i = 0; i < count; i++) {
        on[i] = false;
        if (sorted && front && !(gone && gone[i]) && !has_nan(v + i * n, n))
            sorted[used++] = i;
    }
    order o = {v, n};
    if (used)
        qsort_r(sorted, used, sizeof *sorted, lexicographic, &o);
    for (size_t i = 0; i < used; i++) {
        const double *x = v + sorted[i] * n;
        bool best = true;
        for (size_t k = 0; k < found && best; k++)
            best = !dominates(v + front[k] * n, x, n) && memcmp(v + front[k] * n, x, n * sizeof *v) != 0;
        if (best) {
            on[sorted[i]] = true;
            front[found++] = sorted[i];
        }
    }
    free(sorted);
    free(front);
}

void pareto_front(const double *values, size_t count, size_t objectives, bool *on) {
    front_of(values, count, objectives, NULL, on);
}

void pareto_ranks(const double *values, size_t count, size_t objectives, size_t *ranks) {
    bool *gone = calloc(count + 1, sizeof *gone), *on = calloc(count + 1, sizeof *on);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ranks[i] = count;
        left += !has_nan(values + i * objectives, objectives);
    }
    for (size_t rank = 0; gone && on && left > 0; rank++) {
        front_of(values, count, objectives, gone, on);
        for (size_t i = 0; i < count; i++)
            if (on[i]) {
                ranks[i] = rank;
                gone[i] = true;
                left--;
            }
    }
    free(gone);
    free(on);
}

/* Ascending in the objective `at`; few points, so that insertion will do. */
static void sort_by(const double **points, size_t count, size_t at) {
    for (size_t i = 1; i < count; i++) {
        const double *x = points[i];
        size_t k = i;
        for (; k > 0 && points[k - 1][at] > x[at]; k--)
            points[k] = points[k - 1];
        points[k] = x;
    }
}

/* Between neighbours in the last objective the slice is the volume of all points up to there in the others. */
static double volume(const double **points, size_t count, size_t n, const double *reference) {
    if (n == 1) {
        double least = reference[0];
        for (size_t i = 0; i < count; i++)
            least = fmin(least, points[i][0]);
        return reference[0] - least;
    }
    const double **sorted = calloc(count + 1, sizeof *sorted);
    double sum = 0;
    if (!sorted)
        return NAN;
    for (size_t i = 0; i < count; i++)
        sorted[i] = points[i];
    sort_by(sorted, count, n - 1);
    for (size_t i = 0; i < count; i++) {
        const double next = i + 1 < count ? fmin(sorted[i + 1][n - 1], reference[n - 1]) : reference[n - 1];
        const double height = next - sorted[i][n - 1];
        if (height > 0) {
            const double **below = calloc(i + 1, sizeof *below);
            if (below)
                memcpy(below, sorted, (i + 1) * sizeof *below);
            sum += below ? height * volume(below, i + 1, n - 1, reference) : (double)NAN;
            free(below);
        }
    }
    free(sorted);
    return sum;
}

double pareto_hypervolume(const double *values, size_t count, size_t objectives, const double *reference) {
    const double **points = calloc(count + 1, sizeof *points);
    size_t used = 0;
    if (!points)
        return NAN;
    for (size_t i = 0; i < count; i++) {
        const double *x = values + i * objectives;
        bool inside = !has_nan(x, objectives);
        for (size_t k = 0; k < objectives && inside; k++)
            inside = x[k] < reference[k];
        if (inside)
            points[used++] = x;
    }
    const double v = volume(points, used, objectives, reference);
    free(points);
    return v;
}
