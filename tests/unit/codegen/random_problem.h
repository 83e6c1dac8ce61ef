/* Random attention problems on random machines, compiled from a graph built by hand to a program. */
#ifndef DTQ_TEST_RANDOM_PROBLEM_H
#define DTQ_TEST_RANDOM_PROBLEM_H

#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "passes/passes.h"
#include "runtime/machine_members.h"

typedef struct {
    uint64_t state;
} random_source;

static inline uint64_t random_next(random_source *r) {
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/** A number in [lo, hi]. */
static inline uint32_t random_in(random_source *r, uint32_t lo, uint32_t hi) {
    return lo + (uint32_t)(random_next(r) % (hi - lo + 1ull));
}

static inline float random_float(random_source *r) {
    return (float)((double)(random_next(r) >> 40) / (double)(1 << 23) - 1.0);
}

typedef struct {
    dtq_machine machine;
    uint32_t tokens, heads, kv_heads, head_dim;
    bool causal, optimise;
    const char *cluster;
    uint8_t *bits;    /* [tokens], 0, 4 or 8 */
    float *q, *k, *v; /* [heads or kv_heads][tokens][head_dim] */
} random_problem;

static inline float *random_floats(arena *a, random_source *r, size_t n) {
    float *values = ARENA_ARRAY(a, float, n + 1);
    float scale = random_in(r, 0, 3) ? 1.0f : 1000.0f;
    for (size_t i = 0; i < n; i++)
        values[i] = scale * random_float(r);
    return values;
}

/** tight: buffers so small that keys come in blocks, or nothing fits. */
static inline random_problem random_problem_new(arena *a, random_source *r, bool tight) {
    random_problem p = {.tokens = random_in(r, 1, 40),
                        .kv_heads = random_in(r, 1, 3),
                        .head_dim = random_in(r, 1, 12),
                        .causal = random_in(r, 0, 1),
                        .optimise = random_in(r, 0, 1),
                        .cluster = "low-first"};
    dtq_machine_init(&p.machine);
    p.heads = p.kv_heads * random_in(r, 1, 3);
    p.machine.vssa_arrays = random_in(r, 1, 5);
    p.machine.vssa_rows = random_in(r, 1, 9);
    p.machine.vssa_cols = random_in(r, 1, 9);
    p.machine.energy_idle_pj = 0.125; /* exact, so that sums of energies are */
    p.machine.top_drain = random_in(r, 0, 2);
    p.machine.top_prob_bits = random_in(r, 0, 2);
    p.machine.top_prefetch = random_in(r, 0, 1);
    p.machine.dram_gb_per_s = random_in(r, 1, 64);
    if (tight) {
        uint64_t *const sizes[] = {&p.machine.buffers_q,      &p.machine.buffers_k,     &p.machine.buffers_v,
                                   &p.machine.buffers_scores, &p.machine.buffers_probs, &p.machine.buffers_out};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            *sizes[i] = random_in(r, 60, 1200);
    }
    p.bits = ARENA_ARRAY(a, uint8_t, p.tokens);
    uint32_t pruned = random_in(r, 0, 3), high = random_in(r, 0, 8);
    for (uint32_t i = 0; i < p.tokens; i++)
        p.bits[i] = random_in(r, 0, 9) < pruned ? 0 : random_in(r, 0, 8) < high ? 8 : 4;
    p.bits[random_in(r, 0, p.tokens - 1)] = 8;
    p.q = random_floats(a, r, (size_t)p.heads * p.tokens * p.head_dim);
    p.k = random_floats(a, r, (size_t)p.kv_heads * p.tokens * p.head_dim);
    p.v = random_floats(a, r, (size_t)p.kv_heads * p.tokens * p.head_dim);
    return p;
}

/** The problem as a graph: inputs q, k, v, one attention with explicit token_bits, an output. */
static inline ir_module *random_problem_graph(arena *a, const random_problem *p) {
    ir_module *m = ir_module_new(a, IR_GRAPH);
    *m->machine = p->machine;
    m->header.model = "random";
    m->header.seq = m->header.positions = p->tokens;
    m->header.qkv_input = true;
    static const char *const names[] = {"q", "k", "v"};
    ir_value inputs[3];
    src_loc loc = {.file = "random.yaml", .line = 1, .col = 1};
    for (int i = 0; i < 3; i++) {
        ir_type type = {.elem = IR_ELEM_F32, .rank = 2, .dim = {p->tokens, (i ? p->kv_heads : p->heads) * p->head_dim}};
        size_t op = ir_append(m, IR_INPUT, NULL, 0, type, loc);
        ir_set_str(m, op, IR_KEY_name, names[i]);
        inputs[i] = ir_result(m, op);
    }
    size_t op = ir_append(m, IR_ATTENTION, inputs, 3, (ir_type){0}, loc);
    ir_set_str(m, op, IR_KEY_source, "attention");
    ir_set_int(m, op, IR_KEY_index, 0);
    ir_set_int(m, op, IR_KEY_query_heads, p->heads);
    ir_set_int(m, op, IR_KEY_kv_heads, p->kv_heads);
    ir_set_int(m, op, IR_KEY_head_dim, p->head_dim);
    ir_set_str(m, op, IR_KEY_mask, p->causal ? "causal" : "none");
    ir_set_str(m, op, IR_KEY_importance_rule, "mean");
    ir_set_str(m, op, IR_KEY_cluster, p->cluster);
    ir_set_str(m, op, IR_KEY_promote, "none");
    size_t count;
    ir_run *runs = ir_runs_of(a, p->bits, p->tokens, &count);
    ir_set_runs(m, op, IR_KEY_token_bits, runs, count);
    ir_value result = ir_result(m, op);
    ir_append(m, IR_OUTPUT, &result, 1, (ir_type){0}, loc);
    return m;
}

/** The finished stream module, or NULL after an error in `d`. */
static inline ir_module *random_problem_compile(arena *a, diag *d, const random_problem *p) {
    ir_module *m = random_problem_graph(a, p);
    size_t count;
    const char *const *names = passes_pipeline(p->optimise, &count);
    pass_options o = {.optimise = p->optimise, .dump_level = -1};
    return passes_run(a, d, &m, names, count, &o) ? m : NULL;
}

#endif
