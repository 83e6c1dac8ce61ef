/* From a layer that probes to instructions. Heads are spread over the arrays; a row of queries lies along whichever
 * side of an array makes it faster. */
#include "passes/schedule_probe.h"

#include "passes/cost.h"

void schedule_probe(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l, ir_value q,
                    ir_value k, const char *source, src_loc loc) {
    const uint32_t seq = m->header.seq, queries = l->heads / l->kv_heads;
    const uint64_t block = cost_probe_bytes(queries, seq, l->head_dim);
    const uint64_t upright = cost_probe(ctx->cost, queries, seq, l->head_dim, 0).cycles;
    const uint64_t turned = cost_probe(ctx->cost, queries, seq, l->head_dim, WALK_TURNED).cycles;
    ir_value codes = instr_buffer(m, "dram", block * l->kv_heads, NULL, loc);
    ir_value importance = IR_NONE; /* each buffer stands in front of the op that names it first */
    ir_value host[3] = {q, k, codes};
    ir_set_int(m, instr_append(m, DTQ_OP_PROBE_CODES, DTQ_HOST, host, 3, source, loc), keys->layer, l->index);
    for (uint32_t head = 0; head < l->kv_heads; head++) {
        ir_value keys_block = instr_buffer(m, "k", block, NULL, loc);
        ir_value load[2] = {codes, keys_block};
        size_t op = instr_append(m, DTQ_OP_LOAD_PROBE, DTQ_LOAD, load, 2, source, loc);
        ir_set_int(m, op, keys->layer, l->index);
        ir_set_int(m, op, keys->head, head);
        ir_value scores = instr_buffer(m, "scores", 4ull * queries * seq, NULL, loc);
        ir_value row[2] = {keys_block, scores};
        const unsigned array = DTQ_ARRAY0 + head % (unsigned)m->machine.vssa_arrays;
        op = instr_append(m, DTQ_OP_PROBE, array, row, 2, source, loc);
        ir_set_int(m, op, keys->layer, l->index);
        if (turned < upright)
            instr_set_text(m, op, keys->turned, "yes");
        ir_value probs = instr_buffer(m, "probs", cost_probs_bytes(queries, seq, false), NULL, loc);
        ir_value softmax[2] = {scores, probs};
        op = instr_append(m, DTQ_OP_PROBE_SOFTMAX, DTQ_SOFTMAX, softmax, 2, source, loc);
        ir_set_int(m, op, keys->layer, l->index);
        if (head == 0)
            importance = instr_buffer(m, "importance", 8ull * seq, NULL, loc);
        ir_value votes[2] = {probs, importance};
        op = instr_append(m, DTQ_OP_VOTE, DTQ_TOPK, votes, 2, source, loc);
        ir_set_int(m, op, keys->layer, l->index);
        instr_set_text(m, op, keys->first, head == 0 ? "yes" : "no");
    }
    size_t op = instr_append(m, DTQ_OP_CHOOSE, DTQ_TOPK, &importance, 1, source, loc);
    ir_set_int(m, op, keys->layer, l->index);
    diag_remark(ctx->diag, loc, "schedule-tiles",
                "layer %u: %u mean queries choose %u of %u keys, each %llu cycles on an array", l->index, l->heads,
                l->keys, seq, (unsigned long long)(turned < upright ? turned : upright));
}
