/* Correlations, distances, cross-entropy and what a confusion matrix tells, in double. */
#include "frontend/cli/eval/metrics.h"

#include <math.h>
#include <stdlib.h>

/* ---- correlations ------------------------------------------------------------------------------------------------ */

static double mean(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

double metric_pearson(const double *x, const double *y, size_t n) {
    double mx = mean(x, n), my = mean(y, n), xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        xy += (x[i] - mx) * (y[i] - my);
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

typedef struct {
    double value;
    size_t at;
} placed;

static int ascending(const void *a, const void *b) {
    double x = ((const placed *)a)->value, y = ((const placed *)b)->value;
    return (x > y) - (x < y);
}

double *metric_ranks(arena *a, const double *x, size_t n) {
    placed *sorted = ARENA_ARRAY(a, placed, n + 1);
    double *ranks = ARENA_ARRAY(a, double, n + 1);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (placed){x[i], i};
    qsort(sorted, n, sizeof *sorted, ascending);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && sorted[to].value == sorted[from].value; to++)
            ;
        for (size_t i = from; i < to; i++)
            ranks[sorted[i].at] = (double)(from + 1 + to) / 2;
    }
    return ranks;
}

double metric_spearman(arena *a, const double *x, const double *y, size_t n) {
    return metric_pearson(metric_ranks(a, x, n), metric_ranks(a, y, n), n);
}

/* ---- distances --------------------------------------------------------------------------------------------------- */

double metric_cosine(const float *x, const float *y, size_t n) {
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

double metric_difference(const float *x, const float *y, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)x[i] - (double)y[i]));
    return most;
}

/* log Σ exp x. */
static double log_sum(const float *x, size_t n) {
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

double metric_divergence(const float *x, const float *y, size_t n) {
    double zx = log_sum(x, n), zy = log_sum(y, n), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double px = (double)x[i] - zx, py = (double)y[i] - zy; /* logarithms */
        sum += exp(px) * (px - py);
    }
    return sum;
}

double metric_cross_entropy(const float *logits, size_t n, size_t target) {
    return log_sum(logits, n) - (double)logits[target];
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

double metric_accuracy(const uint64_t *confusion, size_t classes) {
    double right = 0, all = 0;
    for (size_t i = 0; i < classes * classes; i++) {
        all += (double)confusion[i];
        right += i / classes == i % classes ? (double)confusion[i] : 0;
    }
    return right / all;
}

double metric_f1(const uint64_t confusion[4]) {
    double hits = (double)confusion[3], wrong = (double)confusion[1] + (double)confusion[2];
    return hits > 0 ? 2 * hits / (2 * hits + wrong) : 0;
}

double metric_matthews(const uint64_t *confusion, size_t classes) {
    double all = 0, right = 0, both = 0, are = 0, taken = 0;
    for (size_t c = 0; c < classes; c++) {
        double row = 0, column = 0;
        for (size_t i = 0; i < classes; i++) {
            row += (double)confusion[c * classes + i];
            column += (double)confusion[i * classes + c];
        }
        all += row;
        right += (double)confusion[c * classes + c];
        both += row * column;
        are += row * row;
        taken += column * column;
    }
    double spread = (all * all - are) * (all * all - taken);
    return spread > 0 ? (right * all - both) / sqrt(spread) : 0;
}
