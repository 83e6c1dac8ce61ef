/* Cost models of other attention accelerators, for comparisons: what attention of a model takes on them, in closed form
 * from published descriptions. SYSTEMS.md has every formula, its source and what is not known. Nothing is fitted. */
#ifndef DTQ_SYSTEMS_H
#define DTQ_SYSTEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"
#include "runtime/run.h"
#include "runtime/systems/systems.h"

/** What a layer did in a run, in the place of parameters that depend on data. */
typedef struct {
    double tokens, heads;         /* that were computed */
    double candidates, survivors; /* scores and values of a query, in the mean, of all its tokens */
    double refetched;             /* of the queries */
} system_measured;

/** Attention of one layer of a model. */
typedef struct {
    uint32_t heads, head_dim;
    uint32_t tokens; /* that the policy keeps; only a system whose own schedule it may replace looks at it */
    bool causal;
    const system_measured *measured; /* or NULL */
} attention_layer;

/** Attention of a model. */
typedef struct {
    uint32_t seq; /* tokens of the input */
    size_t layer_count;
    const attention_layer *layers;
} attention_workload;

/** The workload of a module whose `layer` ops exist (after assign-precision and later). False after an error. */
bool attention_workload_read(arena *a, diag *d, const ir_module *m, attention_workload *out);

/** Dense-equivalent operations: 2 for each MAC of both matmuls, nothing pruned and nothing masked. */
double attention_dense_ops(const attention_workload *w);

/** What a workload takes. Cycles are those of each part by itself; `cycles` is the whole, by the system's own rule for
 *  what runs under what. Counts are means where a parameter is a share. */
typedef struct {
    double qk_cycles, pv_cycles, softmax_cycles, topk_cycles, dram_cycles, latency_cycles, cycles;
    double macs, multipliers; /* MACs done; multipliers that there are for them */
    double search_products;   /* other multiplications, on multipliers of their own */
    double register_accesses, network_words, buffer_bytes, dram_bytes, probabilities, topk_elements;
    double utilisation; /* MACs / (multipliers * cycles) */
} system_cost;

/** The cost of a workload on a system. */
system_cost system_price(dtq_system_kind kind, const dtq_system_params *p, const attention_workload *w);

/** Energy in pJ by part, by the system's table. */
typedef struct {
    double compute, memory, dram, softmax, topk, idle; /* memory: registers, network and buffers */
    double total;
} energy_parts;
energy_parts system_energy(const dtq_system_params *p, const system_cost *c);

/** What a run took. */
typedef struct {
    system_cost cost;
    energy_parts energy;
    double clock_ghz;
    double tokens; /* that were keys, mean over the layers */
} system_run;
/** Prices a run of a stream of a system's program; `effects` [layers] as dtq_output has them, or NULL: by the
 *  parameters alone. False without memory, or if the program is no system's. */
bool system_price_run(const dtq_program *p, const dtq_stream *s, const dtq_effects *effects, system_run *out);

/** Area in mm2 by the system's table; 0 where it says nothing. */
double system_area(dtq_system_kind kind, const dtq_system_params *p);

/* ---- one file a system: adds the cost of a workload to a zeroed *c ------------------------------------------------
 */
#define SYSTEM(id, doc) void price_##id(const dtq_system_##id *p, const attention_workload *w, system_cost *c);
#include "runtime/systems/systems.def"

/** A matmul as the row-stationary mapper maps it best (eyeriss.c). */
typedef struct {
    uint32_t pixels, channels, filters; /* PEs side by side for each: output rows, reduction, output columns */
    bool swapped;                       /* the right operand is the one that streams */
    double cycles, utilisation;
    double ifmap_words, filter_words, psum_words, hops; /* buffer to array; between neighbours */
} rs_mapping;

/** The fastest mapping of [m, k] by [k, n], of those the one with the least traffic. Every mapping is tried
 *  but those that another is as fast as with fewer PEs. */
rs_mapping rs_map(const dtq_system_eyeriss *s, uint32_t m, uint32_t k, uint32_t n);

/** Expected cycles of a quick-select of the k-th of n elements by uniformly random pivots (spatten.c). */
double quickselect_cycles(uint32_t n, uint32_t k, double lanes, double pass_cycles);

#endif
