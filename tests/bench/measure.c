/* Measuring kernels beside the peak of their instructions. */
#include "tests/bench/measure.h"

#include <stdlib.h>
#include <time.h>

enum { ROUNDS_LEAST = 2, PEAK_BURSTS = 3 };
static const double burst_ns = 1e5, measure_ns = 15e6, clock_ns = 3e3;

double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bursts_median(bursts *b) {
    qsort(b->of, b->count, sizeof *b->of, ascending);
    return b->count ? b->of[b->count / 2] : 0;
}

double bursts_most(bursts *b) {
    qsort(b->of, b->count, sizeof *b->of, ascending);
    return b->count ? b->of[b->count - 1] : 0;
}

/* Calls that are timed together, so that the clock's own time is small beside theirs. */
static unsigned calls_together(const bench_line *line, const bench_cell *cell) {
    return line->turns > 1 || cell->least_ns[0] == 0 ? 1 : 1 + (unsigned)(clock_ns / cell->least_ns[0]);
}

/* Calls for a while, and every turn at least once. */
static void calls(const bench_line *line, bench_cell *cell) {
    double begun = now_ns(), from = begun;
    do {
        unsigned together = calls_together(line, cell);
        for (unsigned turn = 0; turn < line->turns; turn++) {
            for (unsigned i = 0; i < together; i++)
                line->call(cell->function, line->context, turn);
            double to = now_ns(), ns = (to - from) / together, *least = &cell->least_ns[turn];
            *least = *least == 0 || ns < *least ? ns : *least;
            from = to;
        }
    } while (from - begun < burst_ns);
}

static void peak_bursts(bench_cell *cell, bursts *peak) {
    for (int i = 0; i < PEAK_BURSTS; i++) {
        double rate = peak_burst(cell->peak);
        cell->peak_rate = rate > cell->peak_rate ? rate : cell->peak_rate;
        if (peak->count < BURSTS_MOST)
            peak->of[peak->count++] = rate;
    }
}

void measure(const bench_line *line, bench_cell *cell, bursts *peaks) {
    double begun = now_ns();
    for (int round = 0; round < ROUNDS_LEAST || now_ns() - begun < measure_ns; round++) {
        calls(line, cell);
        if (cell->peak != PEAK_NONE)
            peak_bursts(cell, &peaks[cell->peak]);
    }
}

double measured_ns(const bench_line *line, const bench_cell *cell) {
    double sum = 0;
    for (unsigned turn = 0; turn < line->turns; turn++)
        sum += cell->least_ns[turn];
    return sum / line->turns;
}
