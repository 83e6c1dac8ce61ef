/* What tests/bench/kernels.c measures: the levels, and lines of its table with the operands that kernels work on. */
#ifndef TESTS_BENCH_KERNELS_H
#define TESTS_BENCH_KERNELS_H

#include "tests/bench/measure.h"
#include "tests/bench/module.h"

enum { LINES_MOST = 96 };

typedef struct {
    arena *arena;
    machine_level levels[MACHINE_LEVELS_MOST]; /* the last is this processor, with all that LLVM knows of it */
    unsigned level_count;
    bench_line lines[LINES_MOST];
    unsigned count;
    uint64_t random;
} bench_table;

/** Adds a line, whose kernel is still to be given for each level. */
bench_line *bench_add(bench_table *t, const char *label, bench_call *how, void *context, double operations,
                      unsigned turns);
void bench_kernel(bench_line *line, unsigned level, void *function, peak_kind peak);

/** Numbers in (-1, 1). */
float bench_random(bench_table *t);
/** Memory for operands in the table's arena, aligned to 64, of zeros or of random numbers. */
void *bench_bytes(const bench_table *t, size_t bytes);
float *bench_floats(bench_table *t, size_t count);

/** The peak of products of bytes, and of floats, at a level. */
peak_kind bench_peak_int8(dtq_host_level level);
peak_kind bench_peak_float(dtq_host_level level);

/* Each adds its lines. */
void bench_linears(bench_table *t);
void bench_attention(bench_table *t);
void bench_rows(bench_table *t);

#endif
