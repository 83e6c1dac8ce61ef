/* What the matmuls of a layer cost by the cost model, without a schedule. REPORT.md defines every number. */
#include "codegen/report/price.h"

#include <string.h>

#include "runtime/machine_members.h"

/** One matmul of one head: its blocks of one orientation, one after the other. */
static cost_expectation price_blocks(cost_model *cost, const layer_facts *l, bool is_pv) {
    cost_expectation sum = {0};
    const uint32_t last = l->first_query + l->queries;
    for (uint32_t row = l->first_query, end; row < last; row = end) {
        bool turned = l->turned && l->turned[row];
        for (end = row + 1; end < last && (l->turned && l->turned[end]) == turned; end++) {}
        unsigned walk = (turned ? WALK_TURNED : 0) | (l->serpentine ? WALK_SERPENTINE : 0);
        const cost_mask mask = {&l->clusters, row, is_pv ? l->first_key : l->first_col},
                        *masked = l->clusters.count ? &mask : NULL;
        cost_result r = is_pv ? cost_pv_masked(cost, l->bits[DTQ_P] + row, end - row, l->bits[DTQ_V] + l->first_key,
                                               l->keys, l->head_dim, walk, masked)
                              : cost_qk_masked(cost, l->bits[DTQ_Q] + row, end - row, l->bits[DTQ_K] + l->first_col,
                                               l->cols, l->head_dim, walk, masked);
        sum.tiles += (double)r.tiles;
        sum.stalled_tiles += (double)r.stalled_tiles;
        sum.stall_ratio_sum += r.stall_ratio_sum;
        sum.step_cycles += r.step_cycles;
        sum.cycles += (double)r.cycles;
    }
    return sum;
}

/** The same of a layer that streams: its blocks, cut as the schedule cuts them. */
static report_matmul price_streamed(const dtq_machine *machine, cost_model *cost, const layer_facts *l, bool is_pv) {
    const dtq_streaming *s = &l->streaming;
    const streamed_cut cut = cost_streamed_cut(cost, machine, s, l->slots, l->head_dim);
    const unsigned prob_bits = (unsigned)machine->top_prob_bits, walk = cut.turned ? WALK_TURNED : 0;
    report_matmul out = {0};
    double ratios = 0, work = 0, tiles = 0;
    for (uint32_t row = 0, rows; row < l->slots; row += rows) {
        const uint32_t left = dtq_streamed_end(s, l->slots, row / s->window) - row;
        rows = left < cut.rows ? left : cut.rows;
        const dtq_seen seen = dtq_seen_by(s, l->slots, row, rows);
        const cost_result r = cost_seen(cost, s, &seen, l->head_dim, prob_bits, !is_pv, walk);
        out.iterations += (double)r.tiles * l->heads;
        out.stalled_iterations += (double)r.stalled_tiles * l->heads;
        out.step_cycles += r.step_cycles * l->heads;
        out.cycles += (double)r.cycles * l->heads;
        ratios += r.stall_ratio_sum;
        work += (double)r.mac_cycles * l->heads;
        tiles += (double)cost_seen_tiles(machine, s, &seen, l->head_dim, !is_pv, cut.turned) * l->heads;
    }
    out.stall_ratio_mean = ratios * l->heads / out.iterations;
    out.bound_cycles = work / (double)dtq_machine_pes(machine);
    out.tile_bound_cycles = tiles / (double)machine->vssa_arrays;
    return out;
}

report_matmul price_matmul(const dtq_machine *machine, cost_model *cost, const layer_facts *l, bool is_pv) {
    if (l->streaming.window)
        return price_streamed(machine, cost, l, is_pv);
    cost_expectation one;
    if (l->known) {
        one = price_blocks(cost, l, is_pv);
    } else {
        one = is_pv ? cost_pv_expected(cost, l->slots, l->high, facts_prob8(machine), 0, l->slots, 0, l->slots,
                                       l->head_dim)
                    : cost_qk_expected(cost, l->slots, l->high, 0, l->slots, 0, l->slots, l->head_dim);
    }
    /* The bound is of the work that the policy asks for: promotions do not raise it. */
    layer_facts chosen = *l;
    if (!l->late) { /* who chooses late promotes nothing */
        memset(chosen.bits, 0, sizeof chosen.bits);
        chosen.known = false;
    }
    const uint64_t rows = facts_cost_sum(&chosen, is_pv ? DTQ_P : DTQ_Q, machine);
    const uint64_t columns = facts_cost_sum(&chosen, is_pv ? DTQ_V : DTQ_K, machine);
    const bool masked = l->clusters.count != 0;
    const double work = masked ? (double)(is_pv ? l->pv_work : l->qk_work) * l->heads
                               : (double)rows * (double)columns * l->head_dim * l->heads;
    const cost_counts counts = {.queries = l->queries,
                                .high_queries = rows - l->queries,
                                .high_probs = rows - l->queries,
                                .keys = is_pv ? l->keys : l->cols,
                                .high_keys = columns - (is_pv ? l->keys : l->cols),
                                .head_dim = l->head_dim};
    const uint64_t tiles = is_pv ? cost_pv_tiles(machine, &counts) : cost_qk_tiles(machine, &counts);
    const double bound = work / (double)dtq_machine_pes(machine);
    return (report_matmul){.iterations = one.tiles * l->heads,
                           .stalled_iterations = one.stalled_tiles * l->heads,
                           .stall_ratio_mean = one.tiles > 0 ? one.stall_ratio_sum / one.tiles : 0,
                           .step_cycles = one.step_cycles * l->heads,
                           .cycles = one.cycles * l->heads,
                           .bound_cycles = bound,
                           .tile_bound_cycles =
                               masked ? bound : (double)(tiles * l->heads) / (double)machine->vssa_arrays};
}
