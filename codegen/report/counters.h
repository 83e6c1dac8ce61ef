/* What the simulator counts while it executes a stream, counted from a module: work, stalls, bytes, elements and the
 * energy they take. Private to codegen/report/. */
#ifndef DTQ_REPORT_COUNTERS_H
#define DTQ_REPORT_COUNTERS_H

#include "codegen/codegen.h"
#include "passes/cost.h"
#include "passes/cost_streamed.h"

/** What reports need to know about a `layer` op. */
typedef struct {
    size_t op; /* of the module */
    uint32_t slots, high, heads, kv_heads, head_dim;
    uint32_t first_key, keys;          /* slots [first_key, first_key + keys) are the keys */
    uint32_t first_col, cols;          /* columns of Q.K^T: the keys; all slots where the layer chooses late */
    uint32_t first_query, queries;     /* the query rows */
    uint32_t next_keys;                /* of the layer after it, 0 for the last */
    dtq_streaming streaming;           /* a window of 0: it does not stream */
    bool causal, folds;                /* folds: value scales into P */
    bool late;                         /* it chooses between softmax and P.V: slots are of values alone */
    dtq_clusters clusters;             /* by which rows skip what their mask hides; none: nothing is skipped */
    uint64_t qk_work, pv_work;         /* of one head: layer_seen_work; of no meaning where nothing is skipped */
    bool known;                        /* the precision of every slot is known at compile time */
    const uint8_t *bits[DTQ_OPERANDS]; /* [slots]; NULL if not known */
    uint8_t *turned;                   /* [slots] of query rows; NULL: none is */
    bool serpentine;
    uint32_t like; /* the first layer that costs the same: the same shape and bits */
} layer_facts;

/** Reads every `layer` op of the module into *out [*count], by index. False after an error. */
bool facts_read(arena *a, diag *d, const ir_module *m, layer_facts **out, size_t *count);

/** 4-bit slots cost 1, 8-bit slots 2: the sum over the slots that have an operand. Exact also where only counts are
 * known. */
uint64_t facts_cost_sum(const layer_facts *l, dtq_operand operand, const dtq_machine *machine);

/** How cost_pv_expected calls the machine's prob_bits. */
int facts_prob8(const dtq_machine *machine);

/** Sums over instructions. Whole numbers, except that they are expectations where precision is not known. */
typedef struct {
    double mac_cycles, stall_cycles, buffer_bytes, dram_bytes, probabilities, topk_elements;
    double linear_tiles, linear_stalled_tiles, linear_stall_ratio_sum, linear_step_cycles; /* of matmuls of linears */
} counters;

/** A block of a layer, as an instruction names it; fields that it does not have are 0. */
typedef struct {
    uint32_t layer, row, rows, col, cols, depth; /* cols of a linear: outputs; depth: its inputs */
    dtq_operand operand;                         /* of a load */
    bool select;                                 /* of a topk */
    unsigned walk;                               /* of a matmul: WALK_… of cost.h */
} counted_block;

/** Counts instructions; remembers blocks it has met, so that the heads of a layer, and layers alike, cost one look-up.
 */
typedef struct counter counter;
counter *counter_new(arena *a, const dtq_machine *machine, cost_model *cost, const layer_facts *layers, size_t count,
                     uint32_t seq);

/** Adds what executing instruction `isa_op` (dtq_opcode) on block `b` counts. b must lie inside its layer. */
void counter_add(counter *c, dtq_opcode isa_op, const counted_block *b, counters *sum);

/** Energy in pJ, by the machine's table, of counts that take `cycles` from the first to the last. */
double counters_energy(const counters *c, double cycles, const dtq_machine *machine);

#endif
