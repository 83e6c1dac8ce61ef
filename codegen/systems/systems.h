/* Cost models of other attention accelerators, for comparisons: what attention of a model takes on them, in closed form
 * from published descriptions. SYSTEMS.md has every formula, its source and what is not known. Nothing is fitted. */
#ifndef DTQ_SYSTEMS_H
#define DTQ_SYSTEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"
#include "runtime/machine.h"

typedef enum {
#define SYSTEM(id, doc) SYSTEM_##id,
#include "codegen/systems/systems.def"
    SYSTEM_KINDS
} system_kind;

#define SYSTEM_INT(section, name, def, lo, hi, unit, doc)  uint64_t section##_##name;
#define SYSTEM_REAL(section, name, def, lo, hi, unit, doc) double section##_##name;
#define SYSTEM_WORD(section, name, def, last, words, doc)  uint64_t section##_##name;
typedef struct {
#include "codegen/systems/common.def"
} system_common;
typedef struct {
#include "codegen/systems/eyeriss.def"
} system_eyeriss;
typedef struct {
#include "codegen/systems/spatten.def"
} system_spatten;
typedef struct {
#include "codegen/systems/a3.def"
} system_a3;
typedef struct {
#include "codegen/systems/mnnfast.def"
} system_mnnfast;
#undef SYSTEM_INT
#undef SYSTEM_REAL
#undef SYSTEM_WORD

/** Parameters of a system. Every kind begins with the common ones. */
typedef union {
    system_common common;
#define SYSTEM(id, doc) system_##id id;
#include "codegen/systems/systems.def"
} system_params;

/** A kind of system: the word behind `kind:`, and its parameters, which lie at their offsets in a system_params. */
typedef struct {
    const char *name, *doc;
    const dtq_machine_param *params;
    size_t param_count;
} system_info;
extern const system_info system_table[SYSTEM_KINDS];

/** All parameters of `kind` at their defaults. */
void system_init(system_kind kind, system_params *out);

/** Attention of one layer of a model. */
typedef struct {
    uint32_t heads, head_dim;
    uint32_t tokens; /* that the policy keeps; only a system whose own schedule it may replace looks at it */
    bool causal;
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
    double macs, multipliers; /* MACs done; multipliers that there are */
    double register_accesses, network_words, buffer_bytes, dram_bytes, probabilities, topk_elements;
    double utilisation; /* MACs / (multipliers * cycles) */
} system_cost;

/** The cost of a workload on a system. */
system_cost system_price(system_kind kind, const system_params *p, const attention_workload *w);

/** Energy in pJ by part, by the system's table. */
typedef struct {
    double compute, memory, dram, softmax, topk, idle; /* memory: registers, network and buffers */
    double total;
} energy_parts;
energy_parts system_energy(const system_params *p, const system_cost *c);

/** Area in mm2 by the system's table; 0 where it says nothing. */
double system_area(system_kind kind, const system_params *p);

/* ---- one file a system: adds the cost of a workload to a zeroed *c ------------------------------------------------
 */
#define SYSTEM(id, doc) void price_##id(const system_##id *p, const attention_workload *w, system_cost *c);
#include "codegen/systems/systems.def"

/** A matmul as the row-stationary mapper maps it best (eyeriss.c). */
typedef struct {
    uint32_t pixels, channels, filters; /* PEs side by side for each: output rows, reduction, output columns */
    bool swapped;                       /* the right operand is the one that streams */
    double cycles, utilisation;
    double ifmap_words, filter_words, psum_words, hops; /* buffer to array; between neighbours */
} rs_mapping;

/** The fastest mapping of [m, k] by [k, n], of those the one with the least traffic. Every mapping is tried
 *  but those that another is as fast as with fewer PEs. */
rs_mapping rs_map(const system_eyeriss *s, uint32_t m, uint32_t k, uint32_t n);

/** Expected cycles of a quick-select of the k-th of n elements by uniformly random pivots (spatten.c). */
double quickselect_cycles(uint32_t n, uint32_t k, double lanes, double pass_cycles);

#endif
