/* Measuring kernels beside the peak of their instructions. The clock drifts and other programs come and go, so bursts
 * of both alternate, and the best of each counts: what a kernel's share of the peak is made of was measured within the
 * same milliseconds. */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include "runtime/host/abi.h"
#include "tests/bench/peak.h"

double now_ns(void);

enum { TURNS_MOST = 12, BURSTS_MOST = 4096 };

/** All bursts of a peak, in GOP/s; those behind BURSTS_MOST are dropped. */
typedef struct {
    double of[BURSTS_MOST];
    unsigned count;
} bursts;

/** Sorts them; 0 if there are none. */
double bursts_median(bursts *b);
double bursts_most(bursts *b);

/** Calls a kernel on its operands. `turn` goes from 0 to the line's turns and again, for kernels that go round several
 * operands. */
typedef void bench_call(void *function, void *context, unsigned turn);

/** A kernel at one level. */
typedef struct {
    void *function;
    peak_kind peak;
    double least_ns[TURNS_MOST]; /* of a call, by turn; 0 before the first */
    double peak_rate;            /* the best of bursts between the calls, GOP/s */
} bench_cell;

/** A line of a table: one kernel on the same operands, a cell for each level. */
typedef struct {
    const char *label;
    bench_call *call;
    void *context;
    double operations; /* of one call; of a kernel without peak: numbers that it works on */
    unsigned turns;    /* at most TURNS_MOST */
    bench_cell at[DTQ_HOST_LEVELS];
} bench_line;

/** Measures one cell for some milliseconds more; `peaks` [PEAKS] take the bursts. */
void measure(const bench_line *line, bench_cell *cell, bursts *peaks);

/** Nanoseconds of one call, the best of each turn, on average. */
double measured_ns(const bench_line *line, const bench_cell *cell);

#endif
