/* From a layer that streams to instructions. Blocks follow each other, all key/value heads of one before the next
 * block: a head's far keys are chosen while the others' rows are on the arrays. Rows of a block are cut into as many as
 * an array takes, dealt out to the arrays in turn; outputs follow some units (a block of a head) behind the scores, as
 * many as there is room for keys and values of, so that no array waits for a softmax. */
#include "passes/schedule_streamed.h"

#include "passes/cost_streamed.h"
#include "runtime/machine_members.h"

enum { BEHIND_MOST = 4 };

/** A block of one key/value head. */
typedef struct {
    uint32_t block, kv;
    ir_value v, *p; /* p: [heads of the group * pieces] */
} unit;

typedef struct {
    pass_context *ctx;
    ir_module *m;
    const instr_keys *keys;
    const layer_info *l;
    const char *source;
    src_loc loc;
    streamed_cut cut;
    ir_value codes[3], *lists; /* lists: by key/value head */
    uint32_t array;            /* the next one in turn */
} work;

static uint32_t group_of(const work *w) {
    return w->l->heads / w->l->kv_heads;
}

static dtq_seen block_of(const work *w, uint32_t b) {
    const uint32_t row = dtq_streamed_first(&w->l->streaming, b);
    return dtq_seen_by(&w->l->streaming, w->l->slots, row, dtq_streamed_end(&w->l->streaming, w->l->slots, b) - row);
}

static uint32_t pieces_of(const work *w, const dtq_seen *b) {
    return (b->rows + w->cut.rows - 1) / w->cut.rows;
}

static dtq_seen piece_of(const work *w, const dtq_seen *b, uint32_t piece) {
    const uint32_t done = piece * w->cut.rows, left = b->rows - done;
    return dtq_seen_by(&w->l->streaming, w->l->slots, b->row + done, left < w->cut.rows ? left : w->cut.rows);
}

static size_t append(work *w, dtq_opcode code, unsigned queue, const ir_value *buffers, size_t count, uint32_t head,
                     const dtq_seen *b) {
    const size_t op = instr_append(w->m, code, queue, buffers, count, w->source, w->loc);
    instr_set_block(w->m, op, w->keys, w->l->index, head, b->row, b->rows, 0, 0);
    return op;
}

static ir_value load(work *w, int operand, uint32_t head, uint32_t kv, const dtq_seen *b) {
    static const char *const names[] = {"q", "k", "v"};
    const uint64_t bytes = dtq_seen_load_bytes(&w->l->streaming, w->l->head_dim, b, operand == LAYER_Q);
    if (w->lists[kv] == IR_NONE) /* one to spare, as none may be empty */
        w->lists[kv] =
            instr_buffer(w->m, "dram", 4ull * dtq_streamed_list(&w->l->streaming, w->l->slots) + 4, NULL, w->loc);
    const ir_value buffers[3] = {w->codes[operand], w->lists[kv],
                                 instr_buffer(w->m, names[operand], bytes, NULL, w->loc)};
    instr_set_text(w->m, append(w, DTQ_OP_LOAD_SEEN, DTQ_LOAD, buffers, 3, head, b), w->keys->operand, names[operand]);
    return buffers[2];
}

static unsigned next_array(work *w) {
    return DTQ_ARRAY0 + w->array++ % (uint32_t)w->m->machine->vssa_arrays;
}

static void emit_scores(work *w, unit *u) {
    const dtq_seen b = block_of(w, u->block);
    const uint32_t pieces = pieces_of(w, &b), group = group_of(w);
    const ir_value k = load(w, LAYER_K, u->kv, u->kv, &b);
    u->v = load(w, LAYER_V, u->kv, u->kv, &b);
    u->p = ARENA_ARRAY(w->ctx->arena, ir_value, (size_t)group * pieces);
    ir_value acc = IR_NONE;
    for (uint32_t i = 0; i < group * pieces; i++) {
        const dtq_seen rows = piece_of(w, &b, i % pieces);
        const uint32_t head = u->kv * group + i / pieces;
        const ir_value q = load(w, LAYER_Q, head, u->kv, &rows);
        const ir_value scores_of[3] = {q, k, instr_buffer(w->m, "scores", dtq_seen_scores_bytes(&rows), NULL, w->loc)};
        const size_t qk = append(w, DTQ_OP_QK_SEEN, next_array(w), scores_of, 3, head, &rows);
        if (w->cut.turned)
            instr_set_text(w->m, qk, w->keys->turned, "yes");
        u->p[i] = instr_buffer(w->m, "probs", dtq_seen_probs_bytes(&rows), NULL, w->loc);
        const ir_value softmax[3] = {scores_of[2], u->v, u->p[i]};
        append(w, DTQ_OP_SOFTMAX_SEEN, DTQ_SOFTMAX, softmax, 3, head, &rows);
        if (u->block == 0)
            continue;
        if (i == 0)
            acc = instr_buffer(w->m, "importance", 8ull * w->l->streaming.window, NULL, w->loc);
        const ir_value votes[2] = {u->p[i], acc};
        instr_set_text(w->m, append(w, DTQ_OP_VOTE_SEEN, DTQ_TOPK, votes, 2, head, &rows), w->keys->first,
                       i == 0 ? "yes" : "no");
    }
    const ir_value keep[2] = {acc, w->lists[u->kv]};
    if (u->block > 0)
        append(w, DTQ_OP_KEEP, DTQ_TOPK, keep, 2, u->kv, &b);
}

static void emit_outputs(work *w, const unit *u) {
    const dtq_seen b = block_of(w, u->block);
    const uint32_t pieces = pieces_of(w, &b), group = group_of(w);
    for (uint32_t i = 0; i < group * pieces; i++) {
        const dtq_seen rows = piece_of(w, &b, i % pieces);
        const uint32_t head = u->kv * group + i / pieces;
        const ir_value buffers[3] = {u->p[i], u->v,
                                     instr_buffer(w->m, "out", 4ull * rows.rows * w->l->head_dim, NULL, w->loc)};
        const size_t pv = append(w, DTQ_OP_PV_SEEN, next_array(w), buffers, 3, head, &rows);
        if (w->cut.turned)
            instr_set_text(w->m, pv, w->keys->turned, "yes");
        append(w, DTQ_OP_STORE, DTQ_STORE, &buffers[2], 1, head, &rows);
    }
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/** Units whose outputs may be behind: what they keep on chip must fit beside what the next one needs. */
static uint32_t behind_of(const work *w) {
    const dtq_machine *m = w->m->machine;
    const dtq_seen b = block_of(w, dtq_streamed_blocks(&w->l->streaming, w->l->slots) - 1);
    const dtq_seen most = {b.block, b.row, w->l->streaming.window < w->l->slots ? w->l->streaming.window : w->l->slots,
                           2 * w->l->streaming.window + 1, b.far};
    dtq_seen piece = most;
    piece.rows = most.rows < w->cut.rows ? most.rows : w->cut.rows;
    const uint64_t pieces = (uint64_t)group_of(w) * pieces_of(w, &most);
    const uint64_t keys = dtq_seen_load_bytes(&w->l->streaming, w->l->head_dim, &most, false);
    const uint64_t units = least(buffer_fit(keys, m->buffers_v),
                                 buffer_fit(dtq_seen_probs_bytes(&piece), m->buffers_probs) / (pieces ? pieces : 1));
    return units < 3 ? 0 : (uint32_t)least(units - 2, BEHIND_MOST);
}

static void emit_far_codes(work *w, const ir_value operands[3]) {
    static const char *const names[] = {"q", "k", "v"};
    const uint32_t n = w->m->header.seq;
    for (int o = 0; o < 3; o++) {
        const uint32_t heads = o == LAYER_Q ? w->l->heads : w->l->kv_heads;
        w->codes[o] =
            instr_buffer(w->m, "dram", dtq_seen_codes_bytes(&w->l->streaming, w->l->head_dim, heads, n), NULL, w->loc);
        const ir_value buffers[2] = {operands[o], w->codes[o]};
        const size_t op = instr_append(w->m, DTQ_OP_FAR_CODES, DTQ_HOST, buffers, 2, w->source, w->loc);
        ir_set_int(w->m, op, w->keys->layer, w->l->index);
        instr_set_text(w->m, op, w->keys->operand, names[o]);
    }
}

bool schedule_streamed(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l,
                       const ir_value operands[3], const char *source, src_loc loc) {
    const uint32_t blocks = dtq_streamed_blocks(&l->streaming, l->slots), units = blocks * l->kv_heads;
    work w = {.ctx = ctx, .m = m, .keys = keys, .l = l, .source = source, .loc = loc};
    w.cut = cost_streamed_cut(ctx->cost, m->machine, &l->streaming, l->slots, l->head_dim);
    w.lists = ARENA_ARRAY(ctx->arena, ir_value, l->kv_heads);
    emit_far_codes(&w, operands);
    for (uint32_t g = 0; g < l->kv_heads; g++)
        w.lists[g] = IR_NONE;
    unit *all = ARENA_ARRAY(ctx->arena, unit, units);
    const uint32_t behind = behind_of(&w);
    for (uint32_t i = 0; i < units + behind; i++) {
        if (i < units) {
            all[i] = (unit){.block = i / l->kv_heads, .kv = i % l->kv_heads};
            emit_scores(&w, &all[i]);
        }
        if (i >= behind)
            emit_outputs(&w, &all[i - behind]);
    }
    diag_remark(ctx->diag, loc, "schedule-tiles",
                "layer %u: %u blocks of %u tokens, %u rows at a time%s; of each block %u keys stay; outputs %u blocks "
                "behind",
                l->index, blocks, l->streaming.window, w.cut.rows, w.cut.turned ? ", turned" : "", l->streaming.kept,
                behind);
    return true;
}
