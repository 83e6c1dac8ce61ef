/* From a layer that chooses late to instructions. Tables are the key/value heads that choose together: all, or each for
 * itself. Of a table come first the scores and probabilities of all rows, which vote, then its choice, then its values
 * and outputs; probabilities wait on chip in between. So many tables are ahead of the one whose outputs are made as
 * their buffer holds, and work on the arrays goes to whichever is free first. One walk over this order estimates when
 * it is over, for each way to cut rows; another one over the best emits it. */
#include "passes/schedule_late.h"

#include "passes/cost.h"
#include "passes/plan.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

typedef struct {
    pass_context *ctx;
    ir_module *m;
    const instr_keys *keys;
    const layer_info *l;
    const char *source;
    src_loc loc;
    const late_plan *cut;
    bool emits;
    ir_value *p;          /* [heads * chunks] probabilities that wait */
    ir_value importance;  /* of the table that votes */
    uint64_t *qk, *pv;    /* [chunks] cycles on an array */
    uint64_t *array_free; /* [arrays] */
    uint64_t *chosen;     /* [tables] when their keys are known */
    uint64_t load_free, softmax_free, topk_free, store_free;
} late_work;

static uint32_t table_count(const layer_info *l) {
    return l->by_head ? l->kv_heads : 1;
}

static uint32_t heads_of_table(const layer_info *l) {
    return l->heads / table_count(l);
}

static size_t append(const late_work *w, dtq_opcode code, unsigned queue, const ir_value *buffers, size_t count,
                     uint32_t head, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols) {
    size_t op = instr_append(w->m, code, queue, buffers, count, w->source, w->loc);
    instr_set_block(w->m, op, w->keys, w->l->index, head, row, rows, col, cols);
    return op;
}

/** A block of an operand; *done: when it is there, not before `from`. */
static ir_value load(late_work *w, int operand, uint32_t head, uint32_t row, uint32_t rows, uint64_t from,
                     uint64_t *done) {
    static const char *const names[] = {"q", "k", "v"};
    const uint64_t bytes = layer_block_bytes(w->l, operand, row, rows);
    w->load_free = dtq_later(w->load_free, from) + cost_dram(w->ctx->cost, bytes);
    *done = w->load_free + w->m->machine->dram_latency_cycles;
    if (!w->emits)
        return IR_NONE;
    ir_value buffer = instr_buffer(w->m, names[operand], bytes, NULL, w->loc);
    instr_set_text(w->m, append(w, DTQ_OP_LOAD, DTQ_LOAD, &buffer, 1, head, row, rows, 0, 0), w->keys->operand,
                   names[operand]);
    return buffer;
}

/** Which array is free first, and then at work from `ready` on for so many cycles. */
static uint32_t take_array(late_work *w, uint64_t ready, uint64_t cycles, uint64_t *end) {
    const uint32_t array = plan_first_free(w->array_free, (uint32_t)w->m->machine->vssa_arrays, NULL);
    w->array_free[array] = *end = dtq_later(w->array_free[array], ready) + cycles;
    return array;
}

/** Scores and probabilities of a piece, and its votes. */
static void vote(late_work *w, uint32_t head, uint32_t chunk, ir_value k, uint64_t k_ready, bool first) {
    const layer_info *l = w->l;
    const dtq_machine *machine = w->m->machine;
    const uint32_t row = w->cut->chunk[chunk].row, rows = w->cut->chunk[chunk].rows;
    uint64_t q_ready, end;
    ir_value q = load(w, LAYER_Q, head, row, rows, 0, &q_ready);
    const uint32_t array = take_array(w, dtq_later(q_ready, k_ready), w->qk[chunk], &end);
    const uint64_t drain = machine->top_drain == DTQ_DRAIN_IDEAL ? 0 : machine->vssa_rows;
    w->softmax_free = dtq_later(w->softmax_free, end + drain) + cost_softmax(w->ctx->cost, rows, l->cols);
    const uint64_t done = w->softmax_free + machine->softmax_latency_cycles;
    w->topk_free = dtq_later(w->topk_free, done) + cost_importance(w->ctx->cost, rows, l->cols);
    if (!w->emits)
        return;
    ir_value scores = instr_buffer(w->m, "scores", cost_scores_bytes(rows, l->cols), NULL, w->loc);
    ir_value matmul[3] = {q, k, scores};
    size_t op = append(w, DTQ_OP_QK, DTQ_ARRAY0 + array, matmul, 3, head, row, rows, l->col_first, l->cols);
    layer_set_walk(w->m, op, w->keys, l, row);
    ir_value p = instr_buffer(w->m, "probs", cost_probs_bytes(rows, l->cols, false), NULL, w->loc);
    ir_value softmax[3] = {scores, IR_NONE, p};
    op = append(w, DTQ_OP_SOFTMAX, DTQ_SOFTMAX, softmax, 3, head, row, rows, l->col_first, l->cols);
    instr_set_text(w->m, op, w->keys->mode, "full");
    if (first)
        w->importance = instr_buffer(w->m, "importance", 8ull * l->slots, NULL, w->loc);
    ir_value votes[2] = {p, w->importance};
    op = append(w, DTQ_OP_IMPORTANCE, DTQ_TOPK, votes, 2, head, row, rows, 0, 0);
    instr_set_text(w->m, op, w->keys->first, first ? "yes" : "no");
    w->p[(size_t)head * w->cut->chunks + chunk] = p;
}

/** A table up to its choice. */
static void choose(late_work *w, uint32_t table) {
    const layer_info *l = w->l;
    const uint32_t group = l->heads / l->kv_heads, first = table * heads_of_table(l), end = first + heads_of_table(l);
    ir_value k = IR_NONE;
    uint64_t k_ready = 0;
    for (uint32_t head = first; head < end; head++) {
        if (head % group == 0)
            k = load(w, LAYER_K, head / group, l->col_first, l->cols, 0, &k_ready);
        for (uint32_t chunk = 0; chunk < w->cut->chunks; chunk++)
            vote(w, head, chunk, k, k_ready, head == first && chunk == 0);
    }
    w->topk_free += cost_choose_head(w->ctx->cost, 0, l->slots, l->keys);
    w->chosen[table] = w->topk_free + w->m->machine->topk_latency_cycles;
    if (!w->emits)
        return;
    size_t op = instr_append(w->m, DTQ_OP_CHOOSE_LATE, DTQ_TOPK, &w->importance, 1, w->source, w->loc);
    ir_set_int(w->m, op, w->keys->layer, l->index);
    ir_set_int(w->m, op, w->keys->head, table);
}

static void output(late_work *w, uint32_t head, uint32_t chunk, ir_value v, uint64_t v_ready) {
    const layer_info *l = w->l;
    const uint32_t row = w->cut->chunk[chunk].row, rows = w->cut->chunk[chunk].rows;
    uint64_t end;
    const uint32_t array = take_array(w, v_ready, w->pv[chunk], &end);
    w->store_free = dtq_later(w->store_free, end) + cost_dram(w->ctx->cost, 4ull * rows * l->head_dim);
    if (!w->emits)
        return;
    ir_value o = instr_buffer(w->m, "out", cost_out_bytes(rows, l->head_dim, true), NULL, w->loc);
    ir_value matmul[3] = {w->p[(size_t)head * w->cut->chunks + chunk], v, o};
    size_t op = append(w, DTQ_OP_PV, DTQ_ARRAY0 + array, matmul, 3, head, row, rows, l->key_first, l->keys);
    instr_set_text(w->m, op, w->keys->flags, "only");
    layer_set_walk(w->m, op, w->keys, l, row);
    append(w, DTQ_OP_STORE, DTQ_STORE, &o, 1, head, row, rows, 0, 0);
}

/** A table from its choice on. */
static void finish(late_work *w, uint32_t table) {
    const layer_info *l = w->l;
    const uint32_t group = l->heads / l->kv_heads, first = table * heads_of_table(l), end = first + heads_of_table(l);
    ir_value v = IR_NONE;
    uint64_t v_ready = 0;
    for (uint32_t head = first; head < end; head++) {
        if (head % group == 0)
            v = load(w, LAYER_V, head / group, l->key_first, l->keys, w->chosen[table], &v_ready);
        for (uint32_t chunk = 0; chunk < w->cut->chunks; chunk++)
            output(w, head, chunk, v, v_ready);
    }
}

/** The whole layer, cut like that: emitted, or only estimated. Returns when it is about over. */
static uint64_t walk(const late_work *begin, const late_plan *cut, bool emits) {
    late_work w = *begin;
    const layer_info *l = w.l;
    const dtq_machine *machine = w.m->machine;
    arena *a = w.ctx->arena;
    const uint32_t tables = table_count(l);
    w.cut = cut;
    w.emits = emits;
    w.p = ARENA_ARRAY(a, ir_value, (size_t)l->heads * cut->chunks);
    w.qk = ARENA_ARRAY(a, uint64_t, cut->chunks);
    w.pv = ARENA_ARRAY(a, uint64_t, cut->chunks);
    w.array_free = ARENA_ARRAY(a, uint64_t, machine->vssa_arrays);
    w.chosen = ARENA_ARRAY(a, uint64_t, tables);
    for (uint32_t c = 0; c < cut->chunks; c++) {
        const strip *s = &cut->chunk[c];
        w.qk[c] = layer_price(w.ctx->cost, machine, l, true, s->row, s->rows, l->col_first, l->cols).cycles;
        w.pv[c] = layer_price(w.ctx->cost, machine, l, false, s->row, s->rows, l->key_first, l->keys).cycles;
    }
    for (uint32_t table = 0; table < tables && table < cut->ahead; table++)
        choose(&w, table);
    for (uint32_t table = 0; table < tables; table++) {
        finish(&w, table);
        if (table + cut->ahead < tables)
            choose(&w, table + cut->ahead);
    }
    return w.store_free + machine->dram_latency_cycles;
}

/* ---- cuts -------------------------------------------------------------------------------------------------------- */

/** Cuts rows into about `chunks` pieces of whole strips, and wherever a strip cannot go on with the one before. */
static late_plan cut_rows(arena *a, const dtq_machine *m, const strip_list *list, uint32_t chunks) {
    late_plan cut = {.chunk = ARENA_ARRAY(a, strip, list->count)};
    for (uint32_t i = 0; i < list->count; i++) {
        const bool begins = i == 0 || (uint64_t)i * chunks / list->count != (uint64_t)(i - 1) * chunks / list->count;
        if (begins || !strips_join(m, list, i))
            cut.chunk[cut.chunks++] = list->strips[i];
        else
            cut.chunk[cut.chunks - 1].rows += list->strips[i].rows;
    }
    return cut;
}

/** What a cut asks of a buffer, and of which. */
typedef struct {
    const char *what, *buffer;
    uint64_t need, have;
} late_need;

enum { NEEDS = 6 };

static void needs_of(const dtq_machine *m, const layer_info *l, const late_plan *cut, late_need out[NEEDS]) {
    uint32_t rows = 0;
    uint64_t queries = 0;
    for (uint32_t c = 0; c < cut->chunks; c++) {
        const uint64_t bytes = layer_block_bytes(l, LAYER_Q, cut->chunk[c].row, cut->chunk[c].rows);
        rows = cut->chunk[c].rows > rows ? cut->chunk[c].rows : rows;
        queries = bytes > queries ? bytes : queries;
    }
    const late_need needs[NEEDS] = {
        {"the probabilities of all rows, which wait for the choice,", "probs",
         (uint64_t)heads_of_table(l) * cut->chunks * cost_probs_bytes(rows, l->cols, false), m->buffers_probs},
        {"a strip of scores", "scores", cost_scores_bytes(rows, l->cols), m->buffers_scores},
        {"a strip of queries", "q", queries, m->buffers_q},
        {"the keys of a head", "k", layer_block_bytes(l, LAYER_K, l->col_first, l->cols), m->buffers_k},
        {"the values of a head", "v", layer_block_bytes(l, LAYER_V, l->key_first, l->keys), m->buffers_v},
        {"a strip of output", "out", cost_out_bytes(rows, l->head_dim, true), m->buffers_out},
    };
    for (int i = 0; i < NEEDS; i++)
        out[i] = needs[i];
}

static bool fits(const dtq_machine *m, const layer_info *l, late_plan *cut) {
    late_need needs[NEEDS];
    needs_of(m, l, cut, needs);
    for (int i = 0; i < NEEDS; i++)
        if (needs[i].need > needs[i].have)
            return false;
    const uint64_t pieces = (uint64_t)heads_of_table(l) * cut->chunks;
    const uint64_t tables = buffer_fit(needs[0].need / pieces, needs[0].have) / pieces;
    cut->ahead = tables < table_count(l) ? (uint32_t)tables : table_count(l);
    return cut->ahead > 0;
}

/** Names the buffer that even single strips do not fit in. */
static bool report_misfit(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *list,
                          src_loc loc) {
    late_need needs[NEEDS];
    const late_plan whole = cut_rows(ctx->arena, m, list, 1), finest = cut_rows(ctx->arena, m, list, list->count);
    needs_of(m, l, &finest, needs);
    const late_need finest_probs = needs[0];
    late_need of_whole[NEEDS];
    needs_of(m, l, &whole, of_whole);
    needs[0] = of_whole[0].need < finest_probs.need ? of_whole[0] : finest_probs;
    for (int i = 0; i < NEEDS; i++)
        if (needs[i].need > needs[i].have)
            return diag_error(ctx->diag, loc,
                              "layer %u does not fit: %s take%s %llu bytes, buffers.%s has %llu; %llu bytes "
                              "are missing%s",
                              l->index, needs[i].what, i == 0 || i == 3 || i == 4 ? "" : "s",
                              (unsigned long long)needs[i].need, needs[i].buffer, (unsigned long long)needs[i].have,
                              (unsigned long long)(needs[i].need - needs[i].have),
                              i == 0 && !l->by_head && l->kv_heads > 1
                                  ? ", and less waits where each head chooses for itself, with `per: head`"
                                  : "");
    return diag_error(ctx->diag, loc,
                      "layer %u does not fit: probabilities of all its rows wait for the choice, and where they fit, "
                      "the strips of scores do not; buffers.probs has %llu bytes and buffers.scores %llu",
                      l->index, (unsigned long long)m->buffers_probs, (unsigned long long)m->buffers_scores);
}

bool plan_late(pass_context *ctx, ir_module *m, const layer_info *l, const strip_list *strips, src_loc loc,
               late_plan *out) {
    const late_work w = {.ctx = ctx, .m = m, .l = l, .loc = loc};
    *out = (late_plan){.estimate = UINT64_MAX};
    for (uint32_t chunks = 1; chunks <= strips->count; chunks += chunks < 8 ? 1 : chunks / 8) {
        late_plan cut = cut_rows(ctx->arena, m->machine, strips, chunks);
        cut.estimate = fits(m->machine, l, &cut) ? walk(&w, &cut, false) : UINT64_MAX;
        if (cut.estimate < out->estimate)
            *out = cut;
    }
    return out->estimate < UINT64_MAX || report_misfit(ctx, m->machine, l, strips, loc);
}

void schedule_late(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l, const late_plan *plan,
                   const char *source, src_loc loc) {
    const late_work w = {.ctx = ctx, .m = m, .keys = keys, .l = l, .source = source, .loc = loc};
    (void)walk(&w, plan, true);
    diag_remark(ctx->diag, loc, "schedule-tiles",
                "layer %u: %u heads in %u row chunk%s each choose %u of %u keys%s late, %u of %u at once; about %llu "
                "cycles",
                l->index, l->heads, plan->chunks, plan->chunks == 1 ? "" : "s", l->keys, l->slots,
                l->by_head ? " for each key/value head" : "", plan->ahead, table_count(l),
                (unsigned long long)plan->estimate);
}
