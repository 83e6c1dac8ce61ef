/* skip-masked: causal layers leave out what no query may see, whatever tokens the run selects (runtime/masked.h): tiles
 * of Q.K^T, steps of P.V, and what softmax and importance would read of them. No bit of a result depends on it. Layers
 * that stream say by themselves what they compute, and those that choose late have scores of all tokens; where
 * precision is known only at run time, all tiles are issued. */
#include "passes/layer.h"
#include "passes/pass_list.h"

bool pass_skip_masked(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_ATTENTION)
            continue;
        const layer_info before = layer_read(ctx->arena, m, op);
        if (!before.causal || layer_streams(&before) || ir_by_late(m, op) || !before.is_static)
            continue;
        ir_set_str(m, op, IR_KEY_masked_tiles, "skipped");
        const layer_info l = layer_read(ctx->arena, m, op);
        const uint64_t seen = dtq_pairs_seen(&l.clusters, l.query_first, l.queries, l.key_first, l.keys);
        diag_remark(ctx->diag, m->ops[op].loc, "skip-masked",
                    "layer %u: %llu of %llu pairs of a query and a key can be seen; tiles without any are left out",
                    l.index, (unsigned long long)seen, (unsigned long long)l.queries * l.keys);
    }
    return true;
}
