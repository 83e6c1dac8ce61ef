/* Kernels that work on rows of numbers, of MiniLM-L6's widths. */
#include "tests/bench/kernels.h"

typedef void quantise_fn(dtq_host_frame *f, const float *src, uint8_t *codes, float *scales, uint64_t rows,
                         uint64_t site, uint64_t slot, const float *limits);
typedef void norm_fn(const float *src, const float *gamma, const float *beta, float *dst, uint64_t rows);
typedef void activation_fn(const float *src, float *dst, uint64_t rows);

enum { ROWS = DTQ_HOST_BLOCK_ROWS, NARROW = 384, WIDE = 1536, KERNELS = 4 };

typedef struct {
    dtq_host_frame frame;
    float *src, *dst, *gamma, *beta, *scales;
    uint8_t *codes;
} operands;

static void call_quantise(void *function, void *context, unsigned turn) {
    operands *x = context;
    (void)turn;
    ((quantise_fn *)function)(&x->frame, x->src, x->codes, x->scales, ROWS, 0, 0, NULL);
}

static void call_norm(void *function, void *context, unsigned turn) {
    const operands *x = context;
    (void)turn;
    ((norm_fn *)function)(x->src, x->gamma, x->beta, x->dst, ROWS);
}

static void call_activation(void *function, void *context, unsigned turn) {
    const operands *x = context;
    (void)turn;
    ((activation_fn *)function)(x->src, x->dst, ROWS);
}

void bench_rows(bench_table *t) {
    operands *x = ARENA_NEW(t->arena, operands);
    x->src = bench_floats(t, ROWS * WIDE);
    x->dst = bench_floats(t, ROWS * WIDE);
    x->gamma = bench_floats(t, WIDE);
    x->beta = bench_floats(t, WIDE);
    x->scales = bench_floats(t, ROWS);
    x->codes = bench_bytes(t, ROWS * WIDE);
    bench_line *lines[KERNELS] = {
        bench_add(t, "quantise 384, 64 rows", call_quantise, x, ROWS * NARROW, 1),
        bench_add(t, "quantise 1536, 64 rows", call_quantise, x, ROWS * WIDE, 1),
        bench_add(t, "norm 384, 64 rows", call_norm, x, ROWS * NARROW, 1),
        bench_add(t, "gelu 1536, 64 rows", call_activation, x, ROWS * WIDE, 1),
    };
    for (unsigned l = 0; l < t->level_count; l++) {
        module *k = module_begin(t->arena, &t->levels[l]);
        module_add(k, emit_quantise(&k->e, NARROW, false));
        module_add(k, emit_quantise(&k->e, WIDE, false));
        module_add(k, emit_norm(&k->e, NARROW, 1e-12f, true));
        module_add(k, emit_activation(&k->e, WIDE, ACT_GELU));
        void *const *f = module_load(k);
        for (int i = 0; i < KERNELS; i++)
            bench_kernel(lines[i], l, f[i], PEAK_NONE);
    }
}
