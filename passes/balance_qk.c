/* balance-qk: evens out the channels of keys before they are quantised. At 4 bits K is the weak operand: a few channels
 * are much larger than the rest, and most of them are large for every token. For constants μ and t of each channel,
 *
 *     K <- (K - μ) / t,   Q <- Q · t
 *
 * changes every score of a query by the same number, q · μ, which the softmax takes out, and nothing else. The
 * constants come with the model (dtqc calibrate): tensors "layer.N.balance.query" (t), "….key" (1/t) and "….shift"
 * (-μ/t). The pass puts the two products right before attention, behind a rotary embedding if there is one. */
#include "passes/pass_list.h"
#include "passes/rebuild.h"

enum { SPARE = 16 /* attributes that the precision passes add to an attention */ };

/* The value whose channels are scaled, and shifted if `shift` is not NULL. */
static ir_value balanced(rebuild *r, size_t op, size_t operand, const char *gain, const char *shift) {
    ir_value from = rebuild_operand(r, op, operand);
    size_t at = ir_append(r->to, IR_AFFINE, &from, 1, r->to->types[from], r->from->ops[op].loc);
    ir_set_str(r->to, at, IR_KEY_tensor, gain);
    if (shift)
        ir_set_str(r->to, at, IR_KEY_bias_tensor, shift);
    ir_set_str(r->to, at, IR_KEY_source, gain);
    return ir_result(r->to, at);
}

/* Shapes: infer-shapes, which has run, sees no op that comes later. */
static bool fits(pass_context *ctx, const ir_module *m, size_t op, size_t operand, const char *name) {
    int index = ir_tensor_find(m, name);
    uint32_t width = m->types[ir_operand(m, op, operand)].dim[1];
    if (index < 0)
        return diag_error(ctx->diag, m->ops[op].loc, "there is no tensor \"%s\" to balance with", name);
    const ir_tensor *t = &m->tensors[index];
    return (t->rows == 1 && t->cols == width) ||
           diag_error(ctx->diag, t->loc.line ? t->loc : m->ops[op].loc,
                      "tensor \"%s\" is [%u, %u]; balancing needs [1, %u] here", name, t->rows, t->cols, width);
}

static bool balance(pass_context *ctx, rebuild *r, size_t op) {
    const ir_module *m = r->from;
    int64_t layer = ir_int(m, op, IR_KEY_index, 0);
    const char *query = ir_balance_tensor(ctx->arena, layer, "query");
    const char *key = ir_balance_tensor(ctx->arena, layer, "key");
    const char *shift = ir_balance_tensor(ctx->arena, layer, "shift");
    if (!fits(ctx, m, op, 0, query) || !fits(ctx, m, op, 1, key) || !fits(ctx, m, op, 1, shift))
        return false;
    ir_value operands[3] = {balanced(r, op, 0, query, NULL), balanced(r, op, 1, key, shift), rebuild_operand(r, op, 2)};
    ir_value result = m->ops[op].result;
    size_t copy = ir_append(r->to, IR_ATTENTION, operands, 3, m->types[result], m->ops[op].loc);
    ir_copy_attrs(r->to, copy, m, op, SPARE);
    r->map[result] = ir_result(r->to, copy);
    diag_remark(ctx->diag, m->ops[op].loc, "balance-qk", "layer %lld: channels of q and k are balanced",
                (long long)layer);
    return true;
}

bool pass_balance_qk(pass_context *ctx, ir_module **module) {
    const ir_module *m = *module;
    if (ir_tensor_find(m, ir_balance_tensor(ctx->arena, 0, "query")) < 0) {
        ctx->idle = true;
        return true;
    }
    rebuild r = rebuild_begin(m, IR_GRAPH);
    r.spare = SPARE;
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code != IR_ATTENTION)
            rebuild_copy(&r, op);
        else if (!balance(ctx, &r, op))
            return false;
    *module = r.to;
    return true;
}
