/* From a layer that probes to instructions. Heads are spread over the arrays; a row of queries lies along whichever
 * side of an array makes it faster. */
#include "passes/schedule_probe.h"

#include "passes/cost.h"
#include "runtime/machine.h"

/** A layer that probes while it is emitted. */
typedef struct {
    ir_module *m;
    const instr_keys *keys;
    const layer_info *l;
    const char *source;
    src_loc loc;
    ir_value importance; /* IR_NONE where heads choose for themselves */
} probe_work;

static size_t append(const probe_work *w, dtq_opcode code, unsigned queue, const ir_value *buffers, size_t count) {
    size_t op = instr_append(w->m, code, queue, buffers, count, w->source, w->loc);
    ir_set_int(w->m, op, w->keys->layer, w->l->index);
    return op;
}

/** The logits of a head vote for one set of all heads. */
static void emit_vote(probe_work *w, uint32_t head, ir_value scores) {
    const uint32_t seq = w->m->header.seq, queries = w->l->heads / w->l->kv_heads;
    ir_value probs = instr_buffer(w->m, "probs", cost_probs_bytes(queries, seq, false), NULL, w->loc);
    ir_value softmax[2] = {scores, probs};
    append(w, DTQ_OP_PROBE_SOFTMAX, DTQ_SOFTMAX, softmax, 2);
    if (head == 0)
        w->importance = instr_buffer(w->m, "importance", 8ull * seq, NULL, w->loc);
    ir_value votes[2] = {probs, w->importance};
    size_t op = append(w, DTQ_OP_VOTE, DTQ_TOPK, votes, 2);
    instr_set_text(w->m, op, w->keys->first, head == 0 ? "yes" : "no");
}

void schedule_probe(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l, ir_value q,
                    ir_value k, const char *source, src_loc loc) {
    const uint32_t seq = m->header.seq, queries = l->heads / l->kv_heads;
    const uint64_t block = cost_probe_bytes(queries, seq, l->head_dim);
    const uint64_t upright = cost_probe(ctx->cost, queries, seq, l->head_dim, 0).cycles;
    const uint64_t turned = cost_probe(ctx->cost, queries, seq, l->head_dim, WALK_TURNED).cycles;
    probe_work w = {m, keys, l, source, loc, IR_NONE};
    ir_value codes = instr_buffer(m, "dram", block * l->kv_heads, NULL, loc);
    ir_value host[3] = {q, k, codes};
    append(&w, DTQ_OP_PROBE_CODES, DTQ_HOST, host, 3);
    for (uint32_t head = 0; head < l->kv_heads; head++) {
        ir_value keys_block = instr_buffer(m, "k", block, NULL, loc);
        ir_value load[2] = {codes, keys_block};
        size_t op = append(&w, DTQ_OP_LOAD_PROBE, DTQ_LOAD, load, 2);
        ir_set_int(m, op, keys->head, head);
        ir_value scores = instr_buffer(m, "scores", 4ull * queries * seq, NULL, loc);
        ir_value row[2] = {keys_block, scores};
        op = append(&w, DTQ_OP_PROBE, DTQ_ARRAY0 + head % (unsigned)dtq_machine_arrays(m->machine), row, 2);
        if (turned < upright)
            instr_set_text(m, op, keys->turned, "yes");
        if (l->by_head) {
            op = append(&w, DTQ_OP_CHOOSE_HEAD, DTQ_TOPK, &scores, 1);
            ir_set_int(m, op, keys->head, head);
            continue;
        }
        emit_vote(&w, head, scores);
    }
    if (!l->by_head)
        append(&w, DTQ_OP_CHOOSE, DTQ_TOPK, &w.importance, 1);
    diag_remark(ctx->diag, loc, "schedule-tiles",
                "layer %u: %u mean queries choose %u of %u keys%s, each %llu cycles on an array", l->index, l->heads,
                l->keys, seq, l->by_head ? " for each key/value head" : "",
                (unsigned long long)(turned < upright ? turned : upright));
}
