/* bops (analysis): bit operations of each layer's attention, MACs x bits x bits (paper, Eq. 2), 16 for each 4-bit by
 * 4-bit step of a PE. */
#include "passes/cost_streamed.h"
#include "passes/layer.h"
#include "passes/pass_list.h"
#include "runtime/machine_members.h"

bool pass_bops(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++) {
        if (!layer_declares((ir_opcode)m->ops[op].code))
            continue;
        layer_info l = layer_read(ctx->arena, m, op);
        uint64_t bits = layer_bit_sum(&l, LAYER_Q, m->machine) * layer_bit_sum(&l, LAYER_K, m->machine) +
                        layer_bit_sum(&l, LAYER_P, m->machine) * layer_bit_sum(&l, LAYER_V, m->machine);
        if (l.clusters.count) /* only pairs that can be seen */
            bits = layer_pair_bits(&l, l.bits[LAYER_Q], l.bits[LAYER_K]) +
                   layer_pair_bits(&l, l.bits[LAYER_P], l.bits[LAYER_V]);
        if (layer_streams(&l)) /* a PE-cycle is 16 of them */
            bits = 16 * cost_streamed_work(&l.streaming, l.slots, 1, (unsigned)m->machine->top_prob_bits);
        ir_set_int(m, op, IR_KEY_bops, (int64_t)(bits * l.head_dim * l.heads));
    }
    return true;
}
