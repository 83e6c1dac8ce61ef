/* schedule-tiles: from tiles to the instructions of every engine, in one order that is a valid sequential execution.
 * The plan (plan.c) has spread heads and row chunks over the arrays; here each step of it becomes loads, Q.K^T,
 * softmax, importance, P.V and stores, with a buffer for everything that passes between engines. Addresses and tokens
 * come later. lower-layers emits the layer table and the host's work alone. */
#include <string.h>

#include "passes/lower_host.h"
#include "passes/lower_linear.h"
#include "passes/pass_list.h"
#include "passes/plan.h"
#include "passes/schedule_late.h"
#include "passes/schedule_probe.h"
#include "passes/schedule_streamed.h"
#include "runtime/machine_members.h"

typedef struct {
    pass_context *ctx;
    rebuild *r;
    ir_module *m; /* r->to */
    instr_keys keys;
    host_lowering host;
    ir_value *regions; /* DRAM buffers of all layers, [8] each: see layer op */
    uint32_t layer_count;
    plan_followers followers; /* of the first layer */
    layer_info planned;       /* the layer that `plan` was made for; layers alike share it */
    strip_list strips;        /* and its strips */
    layer_plan plan;
    late_plan late;      /* its plan instead, if it chooses late */
    size_t first, end;   /* ops of all steps of the plan, as the last layer that has it carries them out */
    ir_value importance; /* among them */
} emitter;

enum {
    REGION_Q,
    REGION_K,
    REGION_V,
    REGION_Q_SCALE,
    REGION_K_SCALE,
    REGION_V_SCALE,
    REGION_OUT,
    REGION_IMPORTANCE,
    REGIONS
};

/** Work of one layer while it is emitted. */
typedef struct {
    layer_info l;
    const layer_plan *plan;
    const char *source;
    src_loc loc;
    ir_value *k, *v; /* resident blocks by key/value head, IR_NONE if not loaded */
    ir_value *p;     /* probabilities of units under way [heads * chunks] */
    ir_value importance;
    bool first_importance;
    uint64_t *array_busy; /* [arrays] cycles of what is issued, where keys come in blocks */
} layer_work;

static ir_value emit_load(emitter *e, layer_work *w, int operand, uint32_t head, uint32_t row, uint32_t rows) {
    static const char *const names[] = {"q", "k", "v"};
    ir_value buffer = instr_buffer(e->m, names[operand], layer_block_bytes(&w->l, operand, row, rows), NULL, w->loc);
    size_t op = instr_append(e->m, DTQ_OP_LOAD, DTQ_LOAD, &buffer, 1, w->source, w->loc);
    instr_set_text(e->m, op, e->keys.operand, names[operand]);
    instr_set_block(e->m, op, &e->keys, w->l.index, head, row, rows, 0, 0);
    return buffer;
}

static ir_value emit_qk(emitter *e, layer_work *w, const plan_step *s, ir_value q, ir_value k, uint32_t row,
                        uint32_t rows, uint32_t col, uint32_t cols) {
    ir_value scores = instr_buffer(e->m, "scores", cost_scores_bytes(rows, cols), NULL, w->loc);
    ir_value buffers[3] = {q, k, scores};
    size_t op = instr_append(e->m, DTQ_OP_QK, DTQ_ARRAY0 + s->array, buffers, 3, w->source, w->loc);
    instr_set_block(e->m, op, &e->keys, w->l.index, s->head, row, rows, col, cols);
    layer_set_walk(e->m, op, &e->keys, &w->l, row);
    return scores;
}

static void emit_softmax(emitter *e, layer_work *w, const plan_step *s, const char *mode, ir_value scores, ir_value v,
                         ir_value p, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols) {
    ir_value buffers[3] = {scores, v, p};
    size_t op = instr_append(e->m, DTQ_OP_SOFTMAX, DTQ_SOFTMAX, buffers, 3, w->source, w->loc);
    instr_set_text(e->m, op, e->keys.mode, mode);
    instr_set_block(e->m, op, &e->keys, w->l.index, s->head, row, rows, col, cols);
}

static void emit_importance(emitter *e, layer_work *w, const plan_step *s, ir_value p, uint32_t row, uint32_t rows) {
    if (w->l.by_own)
        return;
    if (w->first_importance)
        w->importance = instr_buffer(e->m, "importance", 8ull * w->l.keys, NULL, w->loc);
    ir_value buffers[2] = {p, w->importance};
    size_t op = instr_append(e->m, DTQ_OP_IMPORTANCE, DTQ_TOPK, buffers, 2, w->source, w->loc);
    instr_set_block(e->m, op, &e->keys, w->l.index, s->head, row, rows, 0, 0);
    instr_set_text(e->m, op, e->keys.first, w->first_importance ? "yes" : "no");
    w->first_importance = false;
}

static void emit_pv(emitter *e, layer_work *w, const plan_step *s, const char *flags, ir_value p, ir_value v,
                    ir_value o, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols) {
    ir_value buffers[3] = {p, v, o};
    size_t op = instr_append(e->m, DTQ_OP_PV, DTQ_ARRAY0 + s->array, buffers, 3, w->source, w->loc);
    instr_set_text(e->m, op, e->keys.flags, flags);
    instr_set_block(e->m, op, &e->keys, w->l.index, s->head, row, rows, col, cols);
    layer_set_walk(e->m, op, &e->keys, &w->l, row);
}

static void emit_store(emitter *e, layer_work *w, const plan_step *s, ir_value o, uint32_t row, uint32_t rows) {
    size_t op = instr_append(e->m, DTQ_OP_STORE, DTQ_STORE, &o, 1, w->source, w->loc);
    instr_set_block(e->m, op, &e->keys, w->l.index, s->head, row, rows, 0, 0);
}

static ir_value probs_buffer(emitter *e, const layer_work *w, uint32_t rows) {
    return instr_buffer(e->m, "probs", cost_probs_bytes(rows, w->l.keys, w->l.causal), NULL, w->loc);
}

/** Q.K^T, softmax and importance of a unit whose keys are all resident. */
static void emit_scores_of_unit(emitter *e, layer_work *w, const plan_step *s) {
    uint32_t row = w->plan->chunk[s->chunk].row, rows = w->plan->chunk[s->chunk].rows, col = w->l.key_first,
             n = w->l.keys;
    uint32_t kv = s->head / (w->l.heads / w->l.kv_heads);
    if (w->k[kv] == IR_NONE)
        w->k[kv] = emit_load(e, w, LAYER_K, kv, col, n);
    if (w->l.causal && w->v[kv] == IR_NONE)
        w->v[kv] = emit_load(e, w, LAYER_V, kv, col, n);
    ir_value q = emit_load(e, w, LAYER_Q, s->head, row, rows);
    ir_value scores = emit_qk(e, w, s, q, w->k[kv], row, rows, col, n);
    ir_value p = probs_buffer(e, w, rows);
    emit_softmax(e, w, s, "full", scores, w->l.causal ? w->v[kv] : IR_NONE, p, row, rows, col, n);
    emit_importance(e, w, s, p, row, rows);
    w->p[(size_t)s->head * w->plan->chunks + s->chunk] = p;
}

static void emit_output_of_unit(emitter *e, layer_work *w, const plan_step *s) {
    uint32_t row = w->plan->chunk[s->chunk].row, rows = w->plan->chunk[s->chunk].rows, col = w->l.key_first,
             n = w->l.keys;
    uint32_t kv = s->head / (w->l.heads / w->l.kv_heads);
    if (w->v[kv] == IR_NONE)
        w->v[kv] = emit_load(e, w, LAYER_V, kv, col, n);
    ir_value o = instr_buffer(e->m, "out", cost_out_bytes(rows, w->l.head_dim, true), NULL, w->loc);
    emit_pv(e, w, s, "only", w->p[(size_t)s->head * w->plan->chunks + s->chunk], w->v[kv], o, row, rows, col, n);
    emit_store(e, w, s, o, row, rows);
}

/** Strips that are issued together against keys in blocks, each with its own queries, probabilities and sums. */
typedef struct {
    const plan_step *steps;
    size_t count;
    ir_value *q, *p, *o; /* [count] */
    ir_value *scores;    /* [blocks][count] what the plan keeps of them; IR_NONE: not there yet */
    uint32_t head;       /* the first key/value head of the wave */
    uint32_t *array;     /* [count] of P.V, chosen with its first block */
    ir_value *values;    /* [blocks][wave_heads] by key/value head, as scores */
} wave_work;

/** A block of keys. */
typedef struct {
    uint32_t number, col, cols;
    ir_value *v; /* [wave_heads] by key/value head from the wave's first on; IR_NONE if the pass needs no values */
} key_block;

/** Of which of the wave's key/value heads a step is. */
static uint32_t head_of_wave(const layer_work *w, const wave_work *v, size_t step) {
    return v->steps[step].head / (w->l.heads / w->l.kv_heads) - v->head;
}

static ir_value *no_values(emitter *e, size_t count) {
    ir_value *values = ARENA_ARRAY(e->ctx->arena, ir_value, count);
    for (size_t i = 0; i < count; i++)
        values[i] = IR_NONE;
    return values;
}

/** Counts a matmul of a strip and a block to the array that takes it. */
static void count_busy(emitter *e, layer_work *w, bool qk, uint32_t array, uint32_t row, uint32_t rows, uint32_t col,
                       uint32_t cols) {
    w->array_busy[array] += layer_price(e->ctx->cost, e->r->from->machine, &w->l, qk, row, rows, col, cols).cycles;
}

/** The arrays that a wave's P.V goes to, one for each strip: those that are free first. */
static void choose_arrays(emitter *e, layer_work *w, const wave_work *v) {
    const uint32_t arrays = (uint32_t)e->r->from->machine->vssa_arrays;
    bool *taken = ARENA_ARRAY(e->ctx->arena, bool, arrays);
    for (size_t i = 0; i < v->count; i++) {
        v->array[i] = w->plan->spreads ? plan_first_free(w->array_busy, arrays, taken) : v->steps[i].array;
        taken[v->array[i]] = true;
    }
}

static void emit_block_pv(emitter *e, layer_work *w, const wave_work *v, const key_block *b) {
    if (b->number == 0)
        choose_arrays(e, w, v);
    uint32_t last = w->plan->blocks - 1;
    const char *flags = last == 0 ? "only" : b->number == 0 ? "first" : b->number == last ? "last" : "middle";
    for (size_t i = 0; i < v->count; i++) {
        uint32_t row = w->plan->chunk[v->steps[i].chunk].row, rows = w->plan->chunk[v->steps[i].chunk].rows;
        if (b->number == 0)
            v->o[i] = instr_buffer(e->m, "out", cost_out_bytes(rows, w->l.head_dim, last == 0), NULL, w->loc);
        plan_step s = v->steps[i];
        s.array = v->array[i];
        emit_pv(e, w, &s, flags, v->p[i], b->v[head_of_wave(w, v, i)], v->o[i], row, rows, b->col, b->cols);
        count_busy(e, w, false, s.array, row, rows, b->col, b->cols);
    }
}

/** Passes the scores of block `number` against all strips to softmax, with loads of what is not on chip. */
static key_block emit_block(emitter *e, layer_work *w, const wave_work *v, const char *mode, uint32_t number,
                            bool load_values) {
    const layer_plan *plan = w->plan;
    const uint32_t done = number * plan->block;
    ir_value *kept = v->scores + number * v->count, *k = no_values(e, plan->wave_heads);
    key_block b = {.number = number, .col = w->l.key_first + done};
    b.v = plan->keeps_values ? v->values + (size_t)number * plan->wave_heads : no_values(e, plan->wave_heads);
    b.cols = w->l.keys - done < plan->block ? w->l.keys - done : plan->block;
    for (size_t i = 0; i < v->count; i++) {
        const uint32_t h = head_of_wave(w, v, i);
        if (kept[i] == IR_NONE && k[h] == IR_NONE)
            k[h] = emit_load(e, w, LAYER_K, v->head + h, b.col, b.cols);
        if (load_values && b.v[h] == IR_NONE)
            b.v[h] = emit_load(e, w, LAYER_V, v->head + h, b.col, b.cols);
    }
    bool folds = w->l.causal && strcmp(mode, "max") != 0; /* value scales into the weights */
    for (size_t i = 0; i < v->count; i++) {
        plan_step s = v->steps[i];
        const uint32_t h = head_of_wave(w, v, i);
        uint32_t row = plan->chunk[s.chunk].row, rows = plan->chunk[s.chunk].rows;
        ir_value scores = kept[i];
        if (scores == IR_NONE) {
            if (plan->spreads)
                s.array = plan_first_free(w->array_busy, (uint32_t)e->r->from->machine->vssa_arrays, NULL);
            scores = emit_qk(e, w, &s, v->q[i], k[h], row, rows, b.col, b.cols);
            count_busy(e, w, true, s.array, row, rows, b.col, b.cols);
        }
        if (plan->keeps_scores)
            kept[i] = scores;
        if (v->p[i] == IR_NONE)
            v->p[i] = probs_buffer(e, w, rows);
        emit_softmax(e, w, &s, mode, scores, folds ? b.v[h] : IR_NONE, v->p[i], row, rows, b.col, b.cols);
    }
    return b;
}

/** The last pass: probabilities and, if there is room, P.V of a block while softmax works on the next; with it the
 * first pass of the wave that follows, if one is given. */
static void emit_last_pass(emitter *e, layer_work *w, const wave_work *v, const wave_work *following) {
    key_block before = emit_block(e, w, v, "exp", 0, true);
    for (uint32_t b = 1; b <= w->plan->blocks; b++) {
        const bool more = b < w->plan->blocks;
        key_block next = {0};
        if (more && w->plan->pipelined)
            next = emit_block(e, w, v, "exp", b, true);
        emit_block_pv(e, w, v, &before);
        if (following)
            emit_block(e, w, following, "max", b - 1, false);
        if (more && !w->plan->pipelined)
            next = emit_block(e, w, v, "exp", b, true);
        before = next;
    }
}

/** Loads the queries of a wave of strips. */
static wave_work begin_wave(emitter *e, layer_work *w, const plan_step *steps, size_t count) {
    arena *a = e->ctx->arena;
    wave_work v = {.steps = steps,
                   .count = count,
                   .q = ARENA_ARRAY(a, ir_value, count),
                   .p = no_values(e, count),
                   .o = no_values(e, count),
                   .scores = no_values(e, count * w->plan->blocks),
                   .head = steps[0].head / (w->l.heads / w->l.kv_heads),
                   .array = ARENA_ARRAY(a, uint32_t, count),
                   .values = no_values(e, (size_t)w->plan->wave_heads * w->plan->blocks)};
    for (size_t i = 0; i < count; i++) {
        uint32_t row = w->plan->chunk[steps[i].chunk].row, rows = w->plan->chunk[steps[i].chunk].rows;
        v.q[i] = emit_load(e, w, LAYER_Q, steps[i].head, row, rows);
    }
    return v;
}

static void end_wave(emitter *e, layer_work *w, const wave_work *v) {
    for (size_t i = 0; i < v->count; i++) {
        const plan_step *s = &v->steps[i];
        uint32_t row = w->plan->chunk[s->chunk].row, rows = w->plan->chunk[s->chunk].rows;
        emit_importance(e, w, s, v->p[i], row, rows);
        emit_store(e, w, s, v->o[i], row, rows);
    }
}

/** Waves of strips whose keys come in blocks: passes over the scores for the maximum and, if causal, for the largest
 *  folded weight, then the one that computes. */
static void emit_waves(emitter *e, layer_work *w) {
    const layer_plan *plan = w->plan;
    w->array_busy = ARENA_ARRAY(e->ctx->arena, uint64_t, e->r->from->machine->vssa_arrays);
    wave_work v = {0};
    for (size_t i = 0, end; i < plan->step_count; i = end) {
        end = plan_wave_end(plan, &w->l, i);
        if (i == 0 || !plan->overlaps) {
            v = begin_wave(e, w, &plan->steps[i], end - i);
            for (uint32_t b = 0; b < plan->blocks; b++)
                emit_block(e, w, &v, "max", b, false);
        }
        for (uint32_t b = 0; b < plan->blocks && w->l.causal; b++)
            emit_block(e, w, &v, "wmax", b, true);
        const bool more = plan->overlaps && end < plan->step_count;
        wave_work following = {0};
        if (more)
            following = begin_wave(e, w, &plan->steps[end], plan_wave_end(plan, &w->l, end) - end);
        emit_last_pass(e, w, &v, more ? &following : NULL);
        end_wave(e, w, &v);
        v = more ? following : v;
    }
}

static void emit_quants(emitter *e, const layer_info *l, size_t op) {
    static const char *const names[] = {"q", "k", "v"};
    const ir_module *from = e->r->from;
    for (size_t i = 0; i < 3; i++) {
        ir_value src = rebuild_operand(e->r, op, i);
        if (l->cached && i > 0 && !ir_str(e->m, e->m->defs[src], IR_KEY_name)) /* a name: it stays through the run */
            ir_set_str(e->m, e->m->defs[src], IR_KEY_name,
                       arena_printf(e->ctx->arena, "cache.%s.%u", names[i], l->index));
        size_t quant =
            instr_append(e->m, DTQ_OP_QUANT, DTQ_HOST, &src, 1, ir_str(from, op, IR_KEY_source), from->ops[op].loc);
        ir_set_int(e->m, quant, e->keys.layer, l->index);
        instr_set_text(e->m, quant, e->keys.operand, names[i]);
    }
}

/** What comes behind attention works on its output, on the tokens of the next layer. */
static void leave_layer(emitter *e, const layer_info *l, size_t op) {
    e->r->map[e->r->from->ops[op].result] = e->regions[l->index * REGIONS + REGION_OUT];
    e->host.layer = l->index + 1 < e->layer_count ? l->index + 1 : l->index;
}

/** Whether the layer after `index` takes its tokens from this layer's top-k. */
static bool next_selects(const ir_module *tile, uint32_t index) {
    for (size_t op = 0; op < tile->op_count; op++)
        if (tile->ops[op].code == IR_SELECT && ir_int(tile, op, IR_KEY_index, -1) == (int64_t)index + 1)
            return tile->ops[op].operand_count == 1;
    return false;
}

static void emit_steps(emitter *e, layer_work *w) {
    const layer_plan *plan = w->plan;
    w->k = ARENA_ARRAY(e->ctx->arena, ir_value, w->l.kv_heads);
    w->v = ARENA_ARRAY(e->ctx->arena, ir_value, w->l.kv_heads);
    for (uint32_t h = 0; h < w->l.kv_heads; h++)
        w->k[h] = w->v[h] = IR_NONE;
    w->p = ARENA_ARRAY(e->ctx->arena, ir_value, (size_t)w->l.heads * plan->chunks);
    if (plan->wave) {
        emit_waves(e, w);
        return;
    }
    for (const plan_step *s = plan->steps, *end = s + plan->step_count; s < end; s++)
        if (s->kind == PLAN_QK)
            emit_scores_of_unit(e, w, s);
        else
            emit_output_of_unit(e, w, s);
}

/** The same steps for another layer: instructions say its number and its name in the model. */
static void repeat_steps(emitter *e, layer_work *w) {
    ir_module *m = e->m;
    const size_t copy = ir_append_copies(m, e->first, e->end, w->loc);
    for (size_t op = copy; op < m->op_count; op++) {
        if (m->ops[op].code == IR_BUFFER)
            continue;
        for (ir_attr *attr = &m->attrs[m->ops[op].attrs], *end = attr + m->ops[op].attr_count; attr < end; attr++)
            if (attr->key == e->keys.layer)
                attr->i = w->l.index;
            else if (attr->key == IR_KEY_source)
                attr->s = w->source;
    }
    if (!w->l.by_own)
        w->importance = m->ops[copy + (m->defs[e->importance] - e->first)].result;
}

/** Carries the plan out, which is new or that of the layer before. */
static void emit_plan(emitter *e, layer_work *w, bool is_new) {
    const size_t first = e->m->op_count;
    if (is_new || !w->source || e->first == e->end)
        emit_steps(e, w);
    else
        repeat_steps(e, w);
    e->first = first;
    e->end = e->m->op_count;
    e->importance = w->importance;
}

static bool importance_fits(const emitter *e, const layer_work *w) {
    const uint32_t measured = w->l.by_own ? w->l.slots : w->l.keys;
    const uint64_t have = e->r->from->machine->buffers_importance;
    return (uint64_t)measured * 8 <= have ||
           diag_error(e->ctx->diag, w->loc,
                      "layer %u does not fit: importance of %u tokens takes %llu bytes, buffers.importance has %llu",
                      w->l.index, measured, 8ull * measured, (unsigned long long)have);
}

static bool emit_layer(emitter *e, size_t op) {
    const ir_module *from = e->r->from;
    layer_work w = {.l = layer_read(e->ctx->arena, from, op),
                    .source = ir_str(from, op, IR_KEY_source),
                    .loc = from->ops[op].loc,
                    .first_importance = true};
    if (layer_streams(&w.l)) {
        const ir_value operands[3] = {rebuild_operand(e->r, op, 0), rebuild_operand(e->r, op, 1),
                                      rebuild_operand(e->r, op, 2)};
        emit_quants(e, &w.l, op);
        const bool ok = schedule_streamed(e->ctx, e->m, &e->keys, &w.l, operands, w.source, w.loc);
        leave_layer(e, &w.l, op);
        return ok;
    }
    const strip_list strips = strips_read(e->ctx->arena, from, op, &w.l);
    const bool is_new = !layer_alike(&e->planned, &w.l) || !strips_alike(&e->strips, &strips);
    if (is_new && !(w.l.late ? plan_late(e->ctx, e->m, &w.l, &strips, w.loc, &e->late)
                             : plan_layer(e->ctx, from->machine, &w.l, &strips, e->followers, w.loc, &e->plan)))
        return false;
    e->planned = is_new ? w.l : e->planned;
    e->strips = is_new ? strips : e->strips;
    if (!importance_fits(e, &w))
        return false;
    if (w.l.late) {
        emit_quants(e, &w.l, op);
        schedule_late(e->ctx, e->m, &e->keys, &w.l, &e->late, w.source, w.loc);
        leave_layer(e, &w.l, op);
        return true;
    }
    const layer_plan plan = e->plan;
    w.plan = &e->plan;
    if (from->ops[from->defs[ir_operand(from, op, 3)]].operand_count == 2)
        schedule_probe(e->ctx, e->m, &e->keys, &w.l, rebuild_operand(e->r, op, 0), rebuild_operand(e->r, op, 1),
                       w.source, w.loc);
    emit_quants(e, &w.l, op);
    emit_plan(e, &w, is_new);
    if (!w.l.by_own) {
        size_t topk = instr_append(e->m, DTQ_OP_TOPK, DTQ_TOPK, &w.importance, 1, w.source, w.loc);
        ir_set_int(e->m, topk, e->keys.layer, w.l.index);
        instr_set_text(e->m, topk, e->keys.select, next_selects(from, w.l.index) ? "yes" : "no");
    }

    leave_layer(e, &w.l, op);
    if (plan.wave)
        diag_remark(e->ctx->diag, w.loc, "schedule-tiles",
                    "layer %u: keys do not fit on chip: %u block%s of %u keys of %u head%s in %d passes%s, %u rows at "
                    "a time on "
                    "%u array%s",
                    w.l.index, plan.blocks, plan.blocks == 1 ? "" : "s", plan.block, plan.wave_heads,
                    plan.wave_heads == 1 ? "" : "s", w.l.causal ? 3 : 2,
                    plan.keeps_scores ? " over the same scores" : "", plan.chunk[0].rows, plan.wave,
                    plan.wave == 1 ? "" : "s");
    else
        diag_remark(e->ctx->diag, w.loc, "schedule-tiles",
                    "layer %u: %u heads in %u row chunk%s each over %llu arrays, about %llu cycles", w.l.index,
                    w.l.heads, plan.chunks, plan.chunks == 1 ? "" : "s", (unsigned long long)from->machine->vssa_arrays,
                    (unsigned long long)plan.estimate);
    return true;
}

/** Declares the layers with their DRAM regions. Codes and scales are shared: a layer's are dead when the next writes.
 */
static void declare_layers(emitter *e, ir_opcode code) {
    const ir_module *from = e->r->from;
    uint64_t seq = from->header.seq, shared[REGION_OUT] = {0};
    for (size_t op = 0; op < from->op_count; op++) {
        if (from->ops[op].code != code)
            continue;
        layer_info l = layer_read(e->ctx->arena, from, op);
        uint64_t kv = l.kv_heads, d = l.head_dim;
        uint64_t bytes[REGION_OUT] = {l.heads * seq * d, kv * seq * d, (l.late ? 2 : 1) * kv * seq * d,
                                      l.heads * seq * 4, kv * seq * 4, l.folds ? kv * seq * 4 : kv * d * 8};
        for (int i = 0; i < REGION_OUT; i++)
            shared[i] = bytes[i] > shared[i] ? bytes[i] : shared[i];
        e->layer_count++;
    }
    ir_value common[REGION_OUT];
    for (int i = 0; i < REGION_OUT && e->layer_count; i++)
        common[i] = instr_buffer(e->m, "dram", shared[i], NULL, (src_loc){0});
    e->regions = ARENA_ARRAY(e->ctx->arena, ir_value, (size_t)e->layer_count * REGIONS + 1);
    for (size_t op = 0; op < from->op_count; op++) {
        if (from->ops[op].code != code)
            continue;
        layer_info l = layer_read(e->ctx->arena, from, op);
        ir_value *regions = e->regions + l.index * REGIONS;
        memcpy(regions, common, sizeof common);
        regions[REGION_OUT] = instr_buffer(e->m, "dram", 4 * seq * l.heads * l.head_dim, NULL, from->ops[op].loc);
        size_t select = code == IR_TILES ? from->defs[ir_operand(from, op, 3)] : op;
        const uint64_t tables = ir_importance_rows(from, op, ir_get(from, select, IR_KEY_ids) != NULL);
        regions[REGION_IMPORTANCE] = instr_buffer(e->m, "dram", 8 * seq * tables, NULL, from->ops[op].loc);
        size_t layer = ir_append(e->m, IR_LAYER, regions, REGIONS, (ir_type){0}, from->ops[op].loc);
        layer_copy_attrs(e->m, layer, from, op, layer_keys, layer_key_count);
        ir_unset(e->m, layer, IR_KEY_source); /* its instructions have it */
        static const unsigned ids_key[] = {IR_KEY_ids};
        layer_copy_attrs(e->m, layer, from, select, ids_key, 1);
    }
}

static emitter begin(pass_context *ctx, rebuild *r, ir_opcode layers) {
    emitter e = {.ctx = ctx, .r = r, .m = r->to, .keys = instr_keys_find()};
    e.host = (host_lowering){.ctx = ctx, .r = r};
    declare_layers(&e, layers);
    return e;
}

/** The layers behind the first one, if nothing but token ids makes one wait for the one before. */
static plan_followers followers_read(const ir_module *m, uint32_t layer_count) {
    plan_followers f = {layer_count ? layer_count - 1 : 0, false};
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code == IR_SELECT)
            f.choose |= m->ops[op].operand_count > 0;
        if (m->ops[op].code == IR_TILES && ir_by_own(m, op))
            f.layers = 0;
    }
    if (m->machine->top_prefetch != DTQ_PREFETCH_IDS || m->machine->top_linear != DTQ_LINEAR_HOST)
        f.layers = 0;
    return f;
}

bool pass_schedule_tiles(pass_context *ctx, ir_module **module) {
    rebuild r = rebuild_begin(*module, IR_SCHEDULE);
    emitter e = begin(ctx, &r, IR_TILES);
    e.host.keys = &e.keys;
    e.followers = followers_read(r.from, e.layer_count);
    const layer_info *layers = linear_layers(ctx->arena, r.from);
    for (size_t op = 0; op < r.from->op_count; op++) {
        switch ((ir_opcode)r.from->ops[op].code) {
        case IR_TILES:
            if (!emit_layer(&e, op))
                return false;
            break;
        case IR_SELECT:
        case IR_TILE_QK:
        case IR_TILE_SOFTMAX:
        case IR_TILE_IMPORTANCE:
        case IR_TILE_PV:
        case IR_TILE_TOPK:
        case IR_TILE_BLOCK:
            break; /* strips_read has read them with their tile.attention */
        case IR_LINEAR:
            if (linear_on_arrays(r.from, op) ? !lower_linear(&e.host, layers, op) : !lower_host_op(&e.host, op))
                return false;
            break;
        default:
            if (!lower_host_op(&e.host, op))
                return false;
        }
    }
    *module = r.to;
    return true;
}

/* lower-layers: for systems whose machine is no array of ours. Attention is the layer table's alone. */
bool pass_lower_layers(pass_context *ctx, ir_module **module) {
    rebuild r = rebuild_begin(*module, IR_SCHEDULE);
    emitter e = begin(ctx, &r, IR_ATTENTION);
    e.host.keys = &e.keys;
    for (size_t op = 0; op < r.from->op_count; op++) {
        if (r.from->ops[op].code == IR_ATTENTION) {
            layer_info l = layer_read(ctx->arena, r.from, op);
            if (l.by_own && !ir_get(r.from, op, IR_KEY_ids))
                return diag_error(ctx->diag, r.from->ops[op].loc,
                                  "layer %u chooses its own tokens, which the compared systems do not", l.index);
            emit_quants(&e, &l, op);
            leave_layer(&e, &l, op);
        } else if (!lower_host_op(&e.host, op)) {
            return false;
        }
    }
    *module = r.to;
    return true;
}
