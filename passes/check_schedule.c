/* Whether a schedule that was read does the work of its layers: a symbolic execution of the list. Every buffer stands
 * for what it holds, as the instruction that fills it says; every reader must expect exactly that; at the end each
 * query row of each head has been counted and stored once, and each product of a linear. So an edited schedule computes
 * what the model says, in another order or elsewhere, or it is refused where it stops to. */
#include "passes/check_schedule.h"

/** Regions of the layer: shared ones are as large as the largest layer needs. */
static void check_layer(checker *c) {
    const layer_info *l = &c->layers[ir_int(c->m, c->op, IR_KEY_index, 0)];
    uint64_t seq = c->m->header.seq, q = l->heads * seq, kv = l->kv_heads * seq, d = l->head_dim;
    const uint64_t bytes[] = {q * d,
                              kv * d,
                              (l->late ? 2 : 1) * kv * d,
                              4 * q,
                              4 * kv,
                              l->folds ? 4 * kv : 8ull * l->kv_heads * d,
                              4 * q * d,
                              8 * seq * ir_importance_rows(c->m, c->op, ir_get(c->m, c->op, IR_KEY_ids) != NULL)};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        check_needs(check_operand(c, i), bytes[i]);
    check_operand(c, 6)->holds = HOLDS_MATRIX;
    check_operand(c, 6)->rows = (int64_t)bytes[6];
}

static bool check_op(checker *c) {
    switch ((ir_opcode)c->m->ops[c->op].code) {
    case IR_BUFFER:
    case IR_I_WAIT:
    case IR_I_SIGNAL:
        return true;
    case IR_LAYER:
        check_layer(c);
        return true;
    case IR_I_LOAD:
        return check_load(c);
    case IR_I_QK:
        return check_qk(c);
    case IR_I_SOFTMAX:
        return check_softmax(c);
    case IR_I_PV:
        return check_pv(c);
    case IR_I_STORE:
        return check_store(c);
    case IR_I_IMPORTANCE:
        return check_importance(c);
    case IR_I_TOPK:
        return check_topk(c);
    case IR_I_CHOOSE_LATE:
        return check_choose_late(c);
    case IR_I_QUANT:
        return check_quant(c);
    case IR_I_PROBE_CODES:
    case IR_I_LOAD_PROBE:
    case IR_I_PROBE:
    case IR_I_PROBE_SOFTMAX:
    case IR_I_VOTE:
    case IR_I_CHOOSE:
    case IR_I_CHOOSE_HEAD:
        return check_probe(c, (dtq_opcode)IR_ISA_OP(c->m->ops[c->op].code));
    case IR_I_FAR_CODES:
    case IR_I_LOAD_SEEN:
    case IR_I_QK_SEEN:
    case IR_I_SOFTMAX_SEEN:
    case IR_I_PV_SEEN:
    case IR_I_VOTE_SEEN:
    case IR_I_KEEP:
        return check_streamed(c, (dtq_opcode)IR_ISA_OP(c->m->ops[c->op].code));
    case IR_I_CODES:
        return check_codes(c);
    case IR_I_LOAD_ROWS:
        return check_load_rows(c);
    case IR_I_LOAD_WEIGHTS:
        return check_load_weights(c);
    case IR_I_MATMUL:
        return check_matmul(c);
    case IR_I_STORE_ROWS:
        return check_store_rows(c);
    default:
        return check_host(c, (dtq_opcode)IR_ISA_OP(c->m->ops[c->op].code));
    }
}

/** At the end all layers are done. A system's layers have no work here but their codes. */
static bool check_end(checker *c) {
    bool of_system = ir_pass_ran(c->m, "lower-layers");
    c->op = c->m->op_count - 1;
    for (uint32_t i = 0; i < c->layer_count; i++) {
        const check_progress *p = &c->progress[i];
        for (int o = 0; o < 3; o++)
            if (!p->quantised[o])
                return CHECK_FAIL("behind it a `host.quant` of %c in layer %u is missing", "qkv"[o], i);
        if (of_system)
            continue;
        const layer_info *l = &c->layers[i];
        if (l->late && !p->chosen)
            return CHECK_FAIL("behind it a `choose.late` of layer %u is missing", i);
        if (layer_streams(l)) {
            if (!check_streamed_end(c, l))
                return false;
        } else if (!p->finished && !l->by_own)
            return CHECK_FAIL("behind it the `topk` of layer %u is missing", i);
        if (!check_all_rows(c, &c->layers[i], p->stored, "stored"))
            return false;
    }
    return check_linear_ends(c) &&
           (c->contents[c->output].holds == HOLDS_MATRIX || check_fail(c, "nothing has written the output"));
}

bool schedule_holds(pass_context *ctx, const ir_module *m) {
    checker *c = ARENA_NEW(ctx->arena, checker);
    *c = (checker){.ctx = ctx, .m = m, .k = instr_keys_find()};
    for (size_t op = 0; op < m->op_count; op++)
        c->layer_count += m->ops[op].code == IR_LAYER;
    c->layers = ARENA_ARRAY(ctx->arena, layer_info, c->layer_count + 1);
    c->progress = ARENA_ARRAY(ctx->arena, check_progress, c->layer_count + 1);
    c->contents = ARENA_ARRAY(ctx->arena, check_content, m->value_count + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_LAYER)
            continue;
        layer_info l = layer_read(ctx->arena, m, op);
        c->layers[l.index] = l;
        check_progress *p = &c->progress[l.index];
        p->counted = ARENA_ARRAY(ctx->arena, uint8_t, (size_t)l.heads *l.slots);
        p->stored = ARENA_ARRAY(ctx->arena, uint8_t, (size_t)l.heads *l.slots);
        p->kept = ARENA_ARRAY(ctx->arena, uint32_t, l.kv_heads);
    }
    if (!check_names(c) || !check_places(c))
        return false;
    for (c->op = 0; c->op < m->op_count; c->op++)
        if (!check_op(c))
            return false;
    return check_end(c) && check_bytes(c);
}
