/* Attention: the phases of one strip of 16 query rows of one head, each on its own, and the tasks of a whole layer. All
 * tokens at 8 bits. */
#include <string.h>

#include "codegen/llvm/attention_parts.h"
#include "tests/bench/kernels.h"

typedef void queries_fn(dtq_host_frame *f, strip_memory *strip, const float *q, const float *limits, uint64_t site,
                        uint64_t slot, uint64_t head);
typedef void group_fn(strip_memory *strip, uint64_t row);
typedef void importance_fn(strip_memory *strip, uint64_t *sums);
typedef void values_fn(strip_memory *strip);

enum { HEADS = 12, SLOTS_MOST = 512, BUFFERS = 5 };

/* A layer's input and, once a strip has been worked on, that strip's memory. */
typedef struct {
    attention_shape shape;
    dtq_host_slots slots;
    dtq_host_frame frame;
    void *buffers[BUFFERS];
    uint8_t *scratch[1];
    uint64_t *importance[1], *sums;
    uint64_t items;
} layer;

static strip_memory *strip_of(const layer *x) {
    return (strip_memory *)(void *)x->scratch[0];
}

static void call_queries(void *function, void *context, unsigned turn) {
    layer *x = context;
    (void)turn;
    ((queries_fn *)function)(&x->frame, strip_of(x), x->buffers[x->shape.q], x->slots.limits[DTQ_HOST_Q], 0, 0, 0);
}

/* Scores, or their softmax, of all groups of the strip's rows. */
static void call_groups(void *function, void *context, unsigned turn) {
    const layer *x = context;
    (void)turn;
    for (uint64_t row = 0; row < STRIP_ROWS; row += GROUP_ROWS)
        ((group_fn *)function)(strip_of(x), row);
}

static void call_importance(void *function, void *context, unsigned turn) {
    const layer *x = context;
    (void)turn;
    ((importance_fn *)function)(strip_of(x), x->sums);
}

static void call_values(void *function, void *context, unsigned turn) {
    (void)turn;
    ((values_fn *)function)(strip_of(context));
}

static void call_pack(void *function, void *context, unsigned turn) {
    layer *x = context;
    (void)turn;
    ((dtq_host_task *)function)(&x->frame, 0, 0, x->shape.kv_heads, 0);
}

static void call_strips(void *function, void *context, unsigned turn) {
    layer *x = context;
    (void)turn;
    ((dtq_host_task *)function)(&x->frame, 0, 0, x->items, 0);
}

static layer *make(bench_table *t, uint32_t head_dim, uint32_t slots, bool importance) {
    layer *x = ARENA_NEW(t->arena, layer);
    x->shape = (attention_shape){HEADS, HEADS, head_dim, false, .q = 0, .k = 1, .v = 2, .out = 3, .operands = 4};
    uint32_t *ids = ARENA_ARRAY(t->arena, uint32_t, slots);
    float *limits = bench_floats(t, slots), *levels = bench_floats(t, slots);
    for (uint32_t i = 0; i < slots; i++) {
        ids[i] = i;
        limits[i] = 127;
        levels[i] = 255;
    }
    x->slots = (dtq_host_slots){.slots = slots,
                                .key_slots = slots,
                                .keys = slots,
                                .ids = ids,
                                .key_ids = ids,
                                .key_rows = ids,
                                .limits = {limits, limits, limits, levels}};
    dtq_host_buffer operands = attention_operands_size(&x->shape), scratch = attention_scratch_size(&x->shape);
    for (int b = 0; b < 4; b++)
        x->buffers[b] = bench_floats(t, (size_t)slots * HEADS * head_dim);
    x->buffers[4] = bench_bytes(t, operands.fixed + operands.per_row * slots + operands.per_key * slots);
    x->scratch[0] = bench_bytes(t, scratch.fixed + scratch.per_row * slots + scratch.per_key * slots);
    x->sums = bench_bytes(t, slots * sizeof *x->sums);
    x->importance[0] = x->sums;
    x->frame = (dtq_host_frame){.seq = slots,
                                .layers = &x->slots,
                                .buffers = x->buffers,
                                .scratch = x->scratch,
                                .importance = importance ? x->importance : NULL};
    x->items = (uint64_t)HEADS * (slots / STRIP_ROWS);
    return x;
}

/* The kernels of one level, in this order. */
enum { PACK, STRIPS, QUERIES, SCORES, SOFTMAX, IMPORTANCE, VALUES, KERNELS };

static void compile(bench_table *t, const machine_level *level, const attention_shape *a, void **out) {
    module *k = module_begin(t->arena, level);
    module_add(k, emit_attention_pack(&k->e, a));
    module_add(k, emit_attention_strips(&k->e, a));
    module_add(k, attention_queries(&k->e, a));
    module_add(k, attention_scores(&k->e, a));
    module_add(k, attention_softmax(&k->e, a));
    module_add(k, attention_importance(&k->e));
    module_add(k, attention_values(&k->e, a));
    memcpy(out, module_load(k), KERNELS * sizeof *out);
}

/* Operations of each kernel, or numbers that it works on: of a strip, or of the layer. */
static void count(uint64_t head_dim, uint64_t slots, double out[KERNELS]) {
    uint64_t strip_products = 2 * STRIP_ROWS * slots * head_dim, probabilities = STRIP_ROWS * slots;
    out[PACK] = (double)(2 * HEADS * slots * head_dim);
    out[STRIPS] = (double)(4 * HEADS * slots * slots * head_dim);
    out[QUERIES] = (double)(STRIP_ROWS * head_dim);
    out[SCORES] = out[VALUES] = (double)strip_products;
    out[SOFTMAX] = out[IMPORTANCE] = (double)probabilities;
}

static void add_lines(bench_table *t, uint32_t head_dim, uint32_t slots, void *const (*functions)[KERNELS]) {
    static const struct {
        const char *name;
        bench_call *call;
        int kernel;
        bool products, importance;
    } lines[] = {{"queries of a strip", call_queries, QUERIES, false, true},
                 {"Q.K of a strip", call_groups, SCORES, true, true},
                 {"softmax of a strip", call_groups, SOFTMAX, false, true},
                 {"importance of a strip", call_importance, IMPORTANCE, false, true},
                 {"P.V of a strip", call_values, VALUES, true, true},
                 {"keys and values packed", call_pack, PACK, false, true},
                 {"all strips, importance", call_strips, STRIPS, true, true},
                 {"all strips", call_strips, STRIPS, true, false}};
    layer *x[2] = {make(t, head_dim, slots, false), make(t, head_dim, slots, true)};
    void *const *native = functions[t->level_count - 1];
    for (int i = 0; i < 2; i++) {
        call_pack(native[PACK], x[i], 0);
        call_strips(native[STRIPS], x[i], 0);
    }
    double operations[KERNELS];
    count(head_dim, slots, operations);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int kernel = lines[i].kernel;
        const char *label =
            arena_printf(t->arena, "attention %ux%u, %u tokens: %s", HEADS, head_dim, slots, lines[i].name);
        bench_line *line = bench_add(t, label, lines[i].call, x[lines[i].importance], operations[kernel], 1);
        for (unsigned l = 0; l < t->level_count; l++)
            bench_kernel(line, l, functions[l][kernel],
                         lines[i].products ? bench_peak_int8(t->levels[l].level) : PEAK_NONE);
    }
}

void bench_attention(bench_table *t) {
    static const uint32_t dims[] = {32, 64}, tokens[] = {128, SLOTS_MOST};
    for (int d = 0; d < 2; d++) {
        void *functions[DTQ_HOST_LEVELS][KERNELS] = {{NULL}};
        layer *any = make(t, dims[d], STRIP_ROWS, false);
        for (unsigned l = 0; l < t->level_count; l++)
            compile(t, &t->levels[l], &any->shape, functions[l]);
        for (int n = 0; n < 2; n++)
            add_lines(t, dims[d], tokens[n], (void *const(*)[KERNELS])functions);
    }
}
