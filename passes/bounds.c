/* bounds (analysis): the work of both matmuls over all PEs, (sum c_q)(sum c_k) d + (sum c_p)(sum c_v) d for each head.
 * No schedule of the layer's attention is shorter. Precision that is known only at run time is counted exactly too: the
 * work depends on the counts alone. */
#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/pass_list.h"

bool pass_bounds(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    uint64_t pes = dtq_machine_pes(&m->machine);
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_ATTENTION)
            continue;
        layer_info l = layer_read(ctx->arena, m, op);
        uint64_t work = layer_bit_sum(&l, LAYER_Q, &m->machine) * layer_bit_sum(&l, LAYER_K, &m->machine) +
                        layer_bit_sum(&l, LAYER_P, &m->machine) * layer_bit_sum(&l, LAYER_V, &m->machine);
        work = work / 16 * l.head_dim * l.heads; /* PE-cycles: 16 bit products each */
        uint64_t cycles = (work + pes - 1) / pes;
        ir_set_int(m, op, IR_KEY_bound_cycles, (int64_t)cycles);
        diag_remark(ctx->diag, m->ops[op].loc, "bounds", "layer %u: no schedule on %llu PEs takes less than %llu cycles",
                    l.index, (unsigned long long)pes, (unsigned long long)cycles);
    }
    return true;
}
