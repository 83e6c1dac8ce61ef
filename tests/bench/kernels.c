/* Speed of generated kernels beside the peak of this processor, for tests/bench/host. Operands lie in caches unless a
 * line says otherwise. Usage: bench_kernels [PASSES | peak] */
#include "tests/bench/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bench_line *bench_add(bench_table *t, const char *label, bench_call *how, void *context, double operations,
                      unsigned turns) {
    if (t->count == LINES_MOST || turns > TURNS_MOST)
        abort();
    bench_line *line = &t->lines[t->count++];
    *line = (bench_line){.label = label, .call = how, .context = context, .operations = operations, .turns = turns};
    return line;
}

void bench_kernel(bench_line *line, unsigned level, void *function, peak_kind peak) {
    line->at[level] = (bench_cell){.function = function, .peak = peak};
}

void *bench_bytes(const bench_table *t, size_t bytes) {
    uintptr_t at = (uintptr_t)arena_alloc(t->arena, bytes + 128);
    return (void *)((at + 63) / 64 * 64);
}

float bench_random(bench_table *t) {
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(t->random >> 33) - (1 << 30)) / (float)(1 << 30);
}

float *bench_floats(bench_table *t, size_t count) {
    float *x = bench_bytes(t, count * sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = bench_random(t);
    return x;
}

peak_kind bench_peak_int8(dtq_host_level level) {
    static const peak_kind peaks[DTQ_HOST_LEVELS] = {[DTQ_HOST_V2] = PEAK_PAIRS_128,
                                                     [DTQ_HOST_V3] = PEAK_PAIRS_256,
                                                     [DTQ_HOST_V4] = PEAK_PAIRS_512,
                                                     [DTQ_HOST_VNNI] = PEAK_DOT_512};
    return peaks[level];
}

peak_kind bench_peak_float(dtq_host_level level) {
    static const peak_kind peaks[DTQ_HOST_LEVELS] = {[DTQ_HOST_V2] = PEAK_FLOAT_128,
                                                     [DTQ_HOST_V3] = PEAK_FLOAT_256,
                                                     [DTQ_HOST_V4] = PEAK_FLOAT_512,
                                                     [DTQ_HOST_VNNI] = PEAK_FLOAT_512};
    return peaks[level];
}

/* ---- printing --------------------------------------------------------------------------------------------------- */

static void print_peaks(bursts *peaks) {
    printf("%-34s %8s %8s\n", "peak of one core, between kernels", "best", "median");
    for (peak_kind k = 0; k < PEAKS; k++)
        if (peaks[k].count)
            printf("  %-32s %8.1f %8.1f  %s\n", peak_name(k), bursts_most(&peaks[k]), bursts_median(&peaks[k]),
                   peak_unit(k));
        else
            printf("  %-32s %8s %8s  %s\n", peak_name(k), "-", "-",
                   peak_supported(k) ? "not the peak of a level here" : "not on this processor");
}

/* Rate and share of the peak; nanoseconds of a number where there is no peak. */
static void print_cell(const bench_line *line, const bench_cell *cell) {
    double ns = measured_ns(line, cell);
    if (cell->peak == PEAK_NONE)
        printf("  %7.3f ns     ", ns / line->operations);
    else
        printf("  %7.1f %5.1f %%", line->operations / ns, 100 * line->operations / ns / cell->peak_rate);
}

static void print_lines(const bench_table *t) {
    static const char *const names[DTQ_HOST_LEVELS] = {"portable", "v2", "v3", "v4", "vnni"};
    const unsigned native = t->level_count - 1;
    printf("\n%-50s %9s", "GOP/s and share of the level's peak, or ns a number", "us");
    for (unsigned l = t->level_count; l-- > 0;)
        printf("  %15s", l == native ? arena_printf(t->arena, "native (%s)", names[t->levels[l].level])
                                     : names[t->levels[l].level]);
    printf("\n");
    for (unsigned i = 0; i < t->count; i++) {
        const bench_line *line = &t->lines[i];
        printf("%-51s %9.2f", line->label, measured_ns(line, &line->at[native]) / 1e3);
        for (unsigned l = t->level_count; l-- > 0;)
            print_cell(line, &line->at[l]);
        printf("\n");
    }
}

/* The best of some bursts of every peak, a line each: name, tab, GOP/s or 0. */
static void print_peaks_now(void) {
    enum { BURSTS = 200 };
    for (peak_kind k = 0; k < PEAKS; k++) {
        double best = 0;
        for (int i = 0; i < BURSTS; i++) {
            double rate = peak_burst(k);
            best = rate > best ? rate : best;
        }
        printf("%s\t%.1f\n", peak_name(k), best);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "peak") == 0) {
        print_peaks_now();
        return 0;
    }
    int passes = argc > 1 ? atoi(argv[1]) : 3;
    if (argc > 2 || passes < 1) {
        fprintf(stderr, "usage: bench_kernels [PASSES | peak]\n");
        return 2;
    }
    arena *a = arena_new();
    bench_table *t = ARENA_NEW(a, bench_table);
    bursts *peaks = ARENA_ARRAY(a, bursts, PEAKS);
    t->arena = a;
    t->random = 1;
    t->level_count = module_levels(a, t->levels);
    bench_linears(t);
    bench_attention(t);
    bench_rows(t);
    for (int pass = 0; pass < passes; pass++)
        for (unsigned i = 0; i < t->count; i++)
            for (unsigned l = 0; l < t->level_count; l++)
                measure(&t->lines[i], &t->lines[i].at[l], peaks);
    print_peaks(peaks);
    print_lines(t);
    arena_free(a);
    return 0;
}
