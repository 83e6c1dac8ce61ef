/* reorder-tokens: fixes which token sits in which slot. Where the policy or the absence of a choice makes it static the
 * permutation is written down in `ids`; elsewhere the top-k of the layer before writes it at run time, ascending by
 * original id inside each cluster and among the muted ones, whose token_bits are 0. */
#include <string.h>

#include "passes/layer.h"
#include "passes/pass_list.h"

enum { ANY = 12 }; /* 4 | 8 */

static uint32_t append_class(const uint8_t *bits, size_t count, uint8_t wanted, int64_t *ids, uint32_t n) {
    for (size_t id = 0; id < count; id++)
        if (bits[id] == wanted || (bits[id] & wanted))
            ids[n++] = (int64_t)id;
    return n;
}

/** What the policy asked for has become what the layer has: takes it away, so that it stands there once. Returns the
 *  token_bits, of no runs if there were none. */
static ir_attr forget_policy(ir_module *m, size_t op) {
    static const ir_key done[] = {IR_KEY_ratios, IR_KEY_counts,  IR_KEY_token_bits,
                                  IR_KEY_prune,  IR_KEY_cluster, IR_KEY_promote};
    const ir_attr *token_bits = ir_get(m, op, IR_KEY_token_bits);
    const ir_attr kept = token_bits ? *token_bits : (ir_attr){0};
    for (size_t i = 0; i < sizeof done / sizeof *done; i++)
        ir_unset(m, op, done[i]);
    return kept;
}

bool pass_reorder_tokens(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_ATTENTION)
            continue;
        const ir_attr policy = forget_policy(m, op), *token_bits = policy.count ? &policy : NULL;
        long long index = (long long)ir_int(m, op, IR_KEY_index, 0);
        if (!token_bits) {
            if (layer_read(ctx->arena, m, op).by_own)
                diag_remark(ctx->diag, m->ops[op].loc, "reorder-tokens",
                            "layer %lld: the token-id table is written by the layer's own %s", index,
                            ir_by_late(m, op) ? "probabilities" : "probe");
            else
                diag_remark(ctx->diag, m->ops[op].loc, "reorder-tokens",
                            "layer %lld: the token-id table is written by the top-k of layer %lld", index, index - 1);
            continue;
        }
        size_t count;
        const uint8_t *bits = ir_runs_expand(ctx->arena, token_bits, &count);
        int64_t *ids = arena_alloc(ctx->arena, (count + 1) * sizeof *ids);
        const char *order = ir_str(m, op, IR_KEY_order);
        uint32_t n = 0;
        bool muted = ir_int(m, op, IR_KEY_muted, 0) != 0, high_first = strcmp(order, "high-first") == 0;
        if (muted && !high_first)
            n = append_class(bits, count, 0, ids, n);
        if (strcmp(order, "original") == 0) {
            n = append_class(bits, count, ANY, ids, n);
        } else {
            n = append_class(bits, count, high_first ? 8 : 4, ids, n);
            n = append_class(bits, count, high_first ? 4 : 8, ids, n);
        }
        if (muted && high_first)
            n = append_class(bits, count, 0, ids, n);
        ir_set_ints(m, op, IR_KEY_ids, ids, n);
        diag_remark(ctx->diag, m->ops[op].loc, "reorder-tokens", "layer %lld: the permutation is static", index);
    }
    return true;
}
