/* Cost model: the engines beside the arrays, and bytes of blocks on chip. */
#include <string.h>

#include "passes/cost_model.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"
#include "runtime/numerics/probe.h"
#include "runtime/sim/layout.h"

uint64_t cost_dram(const cost_model *c, uint64_t bytes) {
    return dtq_machine_dram_cycles(c->machine, bytes);
}

uint64_t cost_softmax(const cost_model *c, uint32_t rows, uint32_t cols) {
    return rows * dtq_ceil_div(cols, c->machine->softmax_lanes);
}

uint64_t cost_importance(const cost_model *c, uint32_t rows, uint32_t keys) {
    return rows * dtq_ceil_div(keys, c->machine->topk_accumulate_lanes);
}

uint64_t cost_topk(const cost_model *c, uint32_t keys, uint32_t kept, bool select) {
    uint64_t lanes = c->machine->topk_lanes;
    if (!select)
        return dtq_ceil_div(keys, lanes);
    return c->machine->topk_passes * (dtq_ceil_div(keys, lanes) + dtq_ceil_div(kept, lanes));
}

uint64_t cost_head_passes(const dtq_machine *machine) {
    return dtq_ceil_div(machine->topk_passes, 2);
}

uint64_t cost_choose_head(const cost_model *c, uint32_t queries, uint32_t keys, uint32_t kept) {
    const uint64_t lanes = c->machine->topk_lanes;
    return cost_importance(c, queries, keys) +
           cost_head_passes(c->machine) * (dtq_ceil_div(keys, lanes) + dtq_ceil_div(kept, lanes));
}

cost_result cost_probe(cost_model *c, uint32_t queries, uint32_t keys, uint32_t head_dim, unsigned walk) {
    uint8_t *rows = cost_reserve(c, &c->weights, (size_t)queries + keys, 1), *cols = rows + queries;
    memset(rows, DTQ_PROBE_QUERY_BITS, queries);
    memset(cols, DTQ_PROBE_KEY_BITS, keys);
    return cost_qk(c, rows, queries, cols, keys, head_dim, walk);
}

uint64_t cost_probe_bytes(uint32_t queries, uint32_t keys, uint32_t head_dim) {
    return sizeof(float) * ((uint64_t)queries + keys) + queries * dtq_row_bytes(head_dim, DTQ_PROBE_QUERY_BITS) +
           keys * dtq_row_bytes(head_dim, DTQ_PROBE_KEY_BITS);
}

uint64_t cost_block_bytes(const uint8_t *bits, uint32_t rows, uint32_t head_dim, bool class_scales) {
    uint64_t high = cost_count_high(bits, rows);
    uint64_t scales = sizeof(float) * (class_scales ? 2 * (uint64_t)head_dim : (uint64_t)rows);
    return scales + high * dtq_row_bytes(head_dim, 8) + (rows - high) * dtq_row_bytes(head_dim, 4);
}

uint64_t cost_scores_bytes(uint32_t rows, uint32_t cols) {
    return sizeof(int32_t) * (uint64_t)rows * cols + sizeof(float) * ((uint64_t)rows + cols);
}

uint64_t cost_probs_bytes(uint32_t rows, uint32_t keys, bool causal) {
    enum { ROW_HEADER = 16 };
    return rows * (ROW_HEADER + (uint64_t)keys * (causal ? 2 : 1));
}

uint64_t cost_out_bytes(uint32_t rows, uint32_t head_dim, bool only) {
    return (only ? 4 : 8) * (uint64_t)rows * head_dim;
}
