/* bounds (analysis): the work of both matmuls over all PEs, (sum c_q)(sum c_k) d + (sum c_p)(sum c_v) d for each head,
 * at the precisions that the policy asks for. No schedule of the layer's attention is shorter. Promotions are the
 * compiler's own choice and do not raise the bound; precision that is known only at run time is counted exactly too,
 * since the work depends on the counts alone. A remark adds what whole tiles take at least (cost_tiles.c). */
#include "passes/cost.h"
#include "passes/cost_streamed.h"
#include "passes/layer.h"
#include "passes/pass_list.h"
#include "runtime/machine_members.h"

bool pass_bounds(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    uint64_t pes = dtq_machine_pes(m->machine);
    for (size_t op = 0; op < m->op_count; op++) {
        if (!layer_declares((ir_opcode)m->ops[op].code))
            continue;
        layer_info l = layer_read(ctx->arena, m, op);
        uint64_t key = 4ull * l.keys + 4ull * l.high; /* bits, as chosen; queries of a step have 8 */
        uint64_t query = l.queries < l.slots ? 8ull * l.queries : 4ull * l.slots + 4ull * l.high;
        bool by_token = m->machine->top_prob_bits == DTQ_PROB_ROW;
        uint64_t row = by_token ? query : (uint64_t)l.queries * layer_prob_bits(m->machine, 0);
        if (l.late) { /* queries, keys and rows of P are of one precision each */
            query = layer_bit_sum(&l, LAYER_Q, m->machine);
            row = layer_bit_sum(&l, LAYER_P, m->machine);
        }
        uint64_t column = l.late ? layer_bit_sum(&l, LAYER_K, m->machine) : key;
        uint64_t work = query * column + row * key;
        work = work / 16 * l.head_dim * l.heads; /* PE-cycles: 16 bit products each */
        if (l.clusters.count)
            work = l.heads *
                   (layer_seen_work(ctx->arena, m, op, &l, true) + layer_seen_work(ctx->arena, m, op, &l, false));
        if (layer_streams(&l))
            work = l.heads * cost_streamed_work(&l.streaming, l.slots, l.head_dim, (unsigned)m->machine->top_prob_bits);
        uint64_t cycles = (work + pes - 1) / pes;
        ir_set_int(m, op, IR_KEY_bound_cycles, (int64_t)cycles);
        if (layer_streams(&l) || l.clusters.count) {
            diag_remark(ctx->diag, m->ops[op].loc, "bounds",
                        "layer %u: no schedule on %llu PEs takes less than %llu cycles", l.index,
                        (unsigned long long)pes, (unsigned long long)cycles);
            continue;
        }
        cost_counts counts = {.queries = l.queries,
                              .high_queries = query / 4 - l.queries,
                              .high_probs = row / 4 - l.queries,
                              .keys = l.keys,
                              .high_keys = l.high,
                              .head_dim = l.head_dim};
        cost_counts columns = counts;
        columns.keys = l.cols;
        columns.high_keys = column / 4 - l.cols;
        uint64_t tiles = l.heads * (cost_qk_tiles(m->machine, &columns) + cost_pv_tiles(m->machine, &counts));
        diag_remark(ctx->diag, m->ops[op].loc, "bounds",
                    "layer %u: no schedule on %llu PEs takes less than %llu cycles, none of whole tiles less than %llu",
                    l.index, (unsigned long long)pes, (unsigned long long)cycles,
                    (unsigned long long)((tiles + m->machine->vssa_arrays - 1) / m->machine->vssa_arrays));
    }
    return true;
}
