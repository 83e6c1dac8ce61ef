/* Memory: the on-chip buffers of a run, and the proof that no instruction leaves them. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine_members.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"

bool dtq_sim_no_memory(uint64_t bytes, dtq_error *e) {
    return dtq_no_memory(e, bytes, "the simulator");
}

bool dtq_sim_not_ready(uint32_t layer, dtq_error *e) {
    return dtq_fail(e, DTQ_BAD_PROGRAM, "slots of layer %u are used before they are selected", layer);
}

static const char *const space_names[DTQ_SPACES] = {"q", "k", "v", "scores", "probs", "out", "importance"};

static uint64_t space_limit(const dtq_machine *m, dtq_space space) {
    const uint64_t limits[DTQ_SPACES] = {m->buffers_q,     m->buffers_k,   m->buffers_v,         m->buffers_scores,
                                         m->buffers_probs, m->buffers_out, m->buffers_importance};
    return limits[space];
}

/* ---- the buffer accesses of each instruction ------------------------------------------------------------------- */

#define COUNT(in, op, field) ((uint32_t)DTQ_GET(in, op, field))

static uint64_t load_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_block_bytes(l, (dtq_operand)DTQ_GET(in, LOAD, operand), COUNT(in, LOAD, row), COUNT(in, LOAD, rows));
}
static uint64_t qk_q_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_block_bytes(l, DTQ_Q, COUNT(in, QK, row), COUNT(in, QK, rows));
}
static uint64_t qk_k_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_block_bytes(l, DTQ_K, COUNT(in, QK, col), COUNT(in, QK, cols));
}
static uint64_t qk_s_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)l;
    return dtq_scores_bytes(COUNT(in, QK, rows), COUNT(in, QK, cols));
}
static uint64_t softmax_s_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)l;
    return dtq_scores_bytes(COUNT(in, SOFTMAX, rows), COUNT(in, SOFTMAX, cols));
}
static uint64_t softmax_v_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_block_bytes(l, DTQ_V, COUNT(in, SOFTMAX, col), COUNT(in, SOFTMAX, cols));
}
static uint64_t softmax_p_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_probs_bytes(l, COUNT(in, SOFTMAX, rows));
}
static uint64_t pv_p_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_probs_bytes(l, COUNT(in, PV, rows));
}
static uint64_t pv_v_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_block_bytes(l, DTQ_V, COUNT(in, PV, col), COUNT(in, PV, cols));
}
static uint64_t pv_o_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_out_bytes(l, COUNT(in, PV, rows), DTQ_GET(in, PV, flags) == DTQ_PV_ONLY);
}
static uint64_t store_o_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_out_bytes(l, COUNT(in, STORE, rows), true);
}
static uint64_t importance_p_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_probs_bytes(l, COUNT(in, IMPORTANCE, rows));
}
static uint64_t accumulator_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)in;
    return sizeof(uint64_t) * (uint64_t)dtq_cols(l);
}

static uint64_t load_rows_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_rows_bytes(l, COUNT(in, LOAD_ROWS, row), COUNT(in, LOAD_ROWS, rows), COUNT(in, LOAD_ROWS, depth));
}
static uint64_t load_weights_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)l;
    return dtq_weights_bytes(COUNT(in, LOAD_WEIGHTS, cols), COUNT(in, LOAD_WEIGHTS, depth));
}
static uint64_t matmul_x_bytes(const dtq_layer *l, const dtq_instr *in) {
    return dtq_rows_bytes(l, COUNT(in, MATMUL, row), COUNT(in, MATMUL, rows), COUNT(in, MATMUL, depth));
}
static uint64_t matmul_w_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)l;
    return dtq_weights_bytes(COUNT(in, MATMUL, cols), COUNT(in, MATMUL, depth));
}
static uint64_t matmul_o_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)l;
    return sizeof(float) * DTQ_GET(in, MATMUL, rows) * DTQ_GET(in, MATMUL, cols);
}
static uint64_t store_rows_o_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)l;
    return sizeof(float) * DTQ_GET(in, STORE_ROWS, rows) * DTQ_GET(in, STORE_ROWS, cols);
}

/* Of layers that probe all tokens are slots. */
static uint64_t probe_block_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)in;
    return dtq_probe_bytes(l, l->slots);
}
static uint64_t probe_scores_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)in;
    return sizeof(float) * (uint64_t)(l->heads / l->kv_heads) * l->slots;
}
static uint64_t probe_probs_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)in;
    return dtq_probe_probs_bytes(l, l->slots);
}
static uint64_t probe_accumulator_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)in;
    return sizeof(uint64_t) * (uint64_t)l->slots;
}

/* Of layers that stream: rows and what they see, as fields of the instruction say. */
#define SEEN(l, in, op) dtq_seen_by(&(l)->streaming, (l)->slots, COUNT(in, op, row), COUNT(in, op, rows))
static uint64_t load_seen_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, LOAD_SEEN);
    return dtq_seen_load_bytes(&l->streaming, l->head_dim, &b, DTQ_GET(in, LOAD_SEEN, operand) == DTQ_Q);
}
static uint64_t qk_seen_q_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, QK_SEEN);
    return dtq_seen_load_bytes(&l->streaming, l->head_dim, &b, true);
}
static uint64_t qk_seen_k_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, QK_SEEN);
    return dtq_seen_load_bytes(&l->streaming, l->head_dim, &b, false);
}
static uint64_t qk_seen_s_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, QK_SEEN);
    return dtq_seen_scores_bytes(&b);
}
static uint64_t softmax_seen_s_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, SOFTMAX_SEEN);
    return dtq_seen_scores_bytes(&b);
}
static uint64_t softmax_seen_v_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, SOFTMAX_SEEN);
    return dtq_seen_load_bytes(&l->streaming, l->head_dim, &b, false);
}
static uint64_t softmax_seen_p_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, SOFTMAX_SEEN);
    return dtq_seen_probs_bytes(&b);
}
static uint64_t pv_seen_p_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, PV_SEEN);
    return dtq_seen_probs_bytes(&b);
}
static uint64_t pv_seen_v_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, PV_SEEN);
    return dtq_seen_load_bytes(&l->streaming, l->head_dim, &b, false);
}
static uint64_t pv_seen_o_bytes(const dtq_layer *l, const dtq_instr *in) {
    return sizeof(float) * DTQ_GET(in, PV_SEEN, rows) * l->head_dim;
}
static uint64_t vote_seen_p_bytes(const dtq_layer *l, const dtq_instr *in) {
    const dtq_seen b = SEEN(l, in, VOTE_SEEN);
    return dtq_seen_probs_bytes(&b);
}
static uint64_t voted_bytes(const dtq_layer *l, const dtq_instr *in) {
    (void)in;
    return sizeof(uint64_t) * (uint64_t)l->streaming.window;
}

/** One BUF operand: where it points to and how many bytes from there the instruction may touch. */
static const struct {
    uint8_t op, field;
    dtq_space space; /* of LOAD: that of its operand */
    uint64_t (*bytes)(const dtq_layer *l, const dtq_instr *in);
} buffer_operands[] = {
    {DTQ_OP_LOAD, DTQ_F(LOAD, dst), DTQ_SPACE_Q, load_bytes},
    {DTQ_OP_QK, DTQ_F(QK, q), DTQ_SPACE_Q, qk_q_bytes},
    {DTQ_OP_QK, DTQ_F(QK, k), DTQ_SPACE_K, qk_k_bytes},
    {DTQ_OP_QK, DTQ_F(QK, s), DTQ_SPACE_SCORES, qk_s_bytes},
    {DTQ_OP_SOFTMAX, DTQ_F(SOFTMAX, s), DTQ_SPACE_SCORES, softmax_s_bytes},
    {DTQ_OP_SOFTMAX, DTQ_F(SOFTMAX, v), DTQ_SPACE_V, softmax_v_bytes},
    {DTQ_OP_SOFTMAX, DTQ_F(SOFTMAX, p), DTQ_SPACE_PROBS, softmax_p_bytes},
    {DTQ_OP_PV, DTQ_F(PV, p), DTQ_SPACE_PROBS, pv_p_bytes},
    {DTQ_OP_PV, DTQ_F(PV, v), DTQ_SPACE_V, pv_v_bytes},
    {DTQ_OP_PV, DTQ_F(PV, o), DTQ_SPACE_OUT, pv_o_bytes},
    {DTQ_OP_STORE, DTQ_F(STORE, o), DTQ_SPACE_OUT, store_o_bytes},
    {DTQ_OP_IMPORTANCE, DTQ_F(IMPORTANCE, p), DTQ_SPACE_PROBS, importance_p_bytes},
    {DTQ_OP_IMPORTANCE, DTQ_F(IMPORTANCE, acc), DTQ_SPACE_IMPORTANCE, accumulator_bytes},
    {DTQ_OP_TOPK, DTQ_F(TOPK, acc), DTQ_SPACE_IMPORTANCE, accumulator_bytes},
    {DTQ_OP_LOAD_ROWS, DTQ_F(LOAD_ROWS, x), DTQ_SPACE_Q, load_rows_bytes},
    {DTQ_OP_LOAD_WEIGHTS, DTQ_F(LOAD_WEIGHTS, w), DTQ_SPACE_K, load_weights_bytes},
    {DTQ_OP_MATMUL, DTQ_F(MATMUL, x), DTQ_SPACE_Q, matmul_x_bytes},
    {DTQ_OP_MATMUL, DTQ_F(MATMUL, w), DTQ_SPACE_K, matmul_w_bytes},
    {DTQ_OP_MATMUL, DTQ_F(MATMUL, o), DTQ_SPACE_OUT, matmul_o_bytes},
    {DTQ_OP_STORE_ROWS, DTQ_F(STORE_ROWS, o), DTQ_SPACE_OUT, store_rows_o_bytes},
    {DTQ_OP_LOAD_PROBE, DTQ_F(LOAD_PROBE, dst), DTQ_SPACE_K, probe_block_bytes},
    {DTQ_OP_PROBE, DTQ_F(PROBE, k), DTQ_SPACE_K, probe_block_bytes},
    {DTQ_OP_PROBE, DTQ_F(PROBE, s), DTQ_SPACE_SCORES, probe_scores_bytes},
    {DTQ_OP_PROBE_SOFTMAX, DTQ_F(PROBE_SOFTMAX, s), DTQ_SPACE_SCORES, probe_scores_bytes},
    {DTQ_OP_PROBE_SOFTMAX, DTQ_F(PROBE_SOFTMAX, p), DTQ_SPACE_PROBS, probe_probs_bytes},
    {DTQ_OP_VOTE, DTQ_F(VOTE, p), DTQ_SPACE_PROBS, probe_probs_bytes},
    {DTQ_OP_VOTE, DTQ_F(VOTE, acc), DTQ_SPACE_IMPORTANCE, probe_accumulator_bytes},
    {DTQ_OP_CHOOSE, DTQ_F(CHOOSE, acc), DTQ_SPACE_IMPORTANCE, probe_accumulator_bytes},
    {DTQ_OP_CHOOSE_HEAD, DTQ_F(CHOOSE_HEAD, s), DTQ_SPACE_SCORES, probe_scores_bytes},
    {DTQ_OP_CHOOSE_LATE, DTQ_F(CHOOSE_LATE, acc), DTQ_SPACE_IMPORTANCE, accumulator_bytes},
    {DTQ_OP_LOAD_SEEN, DTQ_F(LOAD_SEEN, dst), DTQ_SPACE_Q, load_seen_bytes},
    {DTQ_OP_QK_SEEN, DTQ_F(QK_SEEN, q), DTQ_SPACE_Q, qk_seen_q_bytes},
    {DTQ_OP_QK_SEEN, DTQ_F(QK_SEEN, k), DTQ_SPACE_K, qk_seen_k_bytes},
    {DTQ_OP_QK_SEEN, DTQ_F(QK_SEEN, s), DTQ_SPACE_SCORES, qk_seen_s_bytes},
    {DTQ_OP_SOFTMAX_SEEN, DTQ_F(SOFTMAX_SEEN, s), DTQ_SPACE_SCORES, softmax_seen_s_bytes},
    {DTQ_OP_SOFTMAX_SEEN, DTQ_F(SOFTMAX_SEEN, v), DTQ_SPACE_V, softmax_seen_v_bytes},
    {DTQ_OP_SOFTMAX_SEEN, DTQ_F(SOFTMAX_SEEN, p), DTQ_SPACE_PROBS, softmax_seen_p_bytes},
    {DTQ_OP_PV_SEEN, DTQ_F(PV_SEEN, p), DTQ_SPACE_PROBS, pv_seen_p_bytes},
    {DTQ_OP_PV_SEEN, DTQ_F(PV_SEEN, v), DTQ_SPACE_V, pv_seen_v_bytes},
    {DTQ_OP_PV_SEEN, DTQ_F(PV_SEEN, o), DTQ_SPACE_OUT, pv_seen_o_bytes},
    {DTQ_OP_VOTE_SEEN, DTQ_F(VOTE_SEEN, p), DTQ_SPACE_PROBS, vote_seen_p_bytes},
    {DTQ_OP_VOTE_SEEN, DTQ_F(VOTE_SEEN, acc), DTQ_SPACE_IMPORTANCE, voted_bytes},
    {DTQ_OP_KEEP, DTQ_F(KEEP, acc), DTQ_SPACE_IMPORTANCE, voted_bytes},
};

/* ---- checks ---------------------------------------------------------------------------------------------------- */

static bool check_layer(const dtq_sim *sim, uint32_t index, dtq_error *e) {
    const dtq_stream *s = sim->stream;
    const dtq_layer *l = &s->layers[index];
    if (l->slots == 0 || l->slots > 65536 || l->slots > s->seq || l->high > l->slots || l->muted > l->slots - l->high ||
        l->muted == l->slots || l->heads == 0 || l->kv_heads == 0 || l->heads % l->kv_heads || l->head_dim == 0 ||
        l->head_dim > 65536) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: impossible numbers of slots, heads or channels", index);
    }
    if (l->key_only >= l->slots || (l->key_only && (l->muted || !l->cached)) ||
        (l->key_only && l->order != DTQ_ORDER_ORIGINAL && dtq_queries(l) > l->high)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: impossible numbers of queries", index);
    }
    for (unsigned o = 0; o < DTQ_OPERANDS; o++) {
        for (uint32_t i = 0; l->bits[o] && i < l->slots; i++)
            if (l->bits[o][i] != 4 && l->bits[o][i] != 8)
                return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: slot %u has %u bits", index, i, l->bits[o][i]);
    }
    for (uint32_t i = 0; l->ids && i < l->slots; i++)
        if (l->ids[i] >= s->seq)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: slot %u has token %u of %u", index, i, l->ids[i], s->seq);
    const uint64_t codes = (uint64_t)s->seq * l->head_dim, scales = (uint64_t)s->seq * sizeof(float);
    const uint64_t v_scales =
        dtq_folds(l) ? l->kv_heads * scales : 2 * sizeof(float) * l->kv_heads * (uint64_t)l->head_dim;
    const struct {
        uint64_t at, bytes;
    } regions[] = {
        {l->q, l->heads * codes},
        {l->k, l->kv_heads * codes},
        {l->v, (dtq_lates(l) ? 2 : 1) * l->kv_heads * codes},
        {l->q_scale, l->heads * scales},
        {l->k_scale, l->kv_heads * scales},
        {l->v_scale, v_scales},
        {l->out, l->heads * codes * sizeof(float)},
        {l->importance_at, (uint64_t)dtq_importance_rows(l) * s->seq * sizeof(uint64_t)},
    };
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        if (regions[i].at > s->dram_bytes || regions[i].bytes > s->dram_bytes - regions[i].at) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: a region of DRAM ends behind its %llu bytes", index,
                            (unsigned long long)s->dram_bytes);
        }
    }
    return true;
}

static bool bad_field(size_t index, const dtq_op_info *op, unsigned field, uint64_t value, dtq_error *e) {
    return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: %s: %s %llu is out of range", index, op->mnemonic,
                    op->fields[field].name, (unsigned long long)value);
}

/** Whether a layer and the DRAM of an instruction are those of a probe. */
static bool probe_fits(const dtq_sim *sim, const dtq_instr *in, const dtq_layer *l) {
    const dtq_stream *s = sim->stream;
    if (in->op < DTQ_OP_LOAD_PROBE || in->op > DTQ_OP_CHOOSE_HEAD)
        return true;
    const uint64_t bytes = l->kv_heads * dtq_probe_bytes(l, s->seq);
    const uint64_t at = in->op == DTQ_OP_LOAD_PROBE ? DTQ_GET(in, LOAD_PROBE, codes) : 0;
    const bool by_head = l->importance == DTQ_IMPORTANCE_PROBE_HEADS;
    const bool shared = in->op == DTQ_OP_PROBE_SOFTMAX || in->op == DTQ_OP_VOTE || in->op == DTQ_OP_CHOOSE;
    return dtq_probes(l) && l->slots == s->seq && !(by_head ? shared : in->op == DTQ_OP_CHOOSE_HEAD) &&
           (in->op != DTQ_OP_LOAD_PROBE || (bytes <= s->dram_bytes && at <= s->dram_bytes - bytes));
}

/** Whether an instruction is one that a layer that chooses late has, or that others have. */
static bool late_fits(const dtq_instr *in, const dtq_layer *l) {
    switch (in->op) {
    case DTQ_OP_CHOOSE_LATE:
        return dtq_lates(l) && DTQ_GET(in, CHOOSE_LATE, head) < dtq_tables(l);
    case DTQ_OP_SOFTMAX:
        return !dtq_lates(l) ||
               (DTQ_GET(in, SOFTMAX, mode) == DTQ_SOFTMAX_FULL && DTQ_GET(in, SOFTMAX, cols) == dtq_cols(l));
    case DTQ_OP_PV:
        return !dtq_lates(l) || (DTQ_GET(in, PV, flags) == DTQ_PV_ONLY && DTQ_GET(in, PV, cols) == dtq_keys(l));
    case DTQ_OP_TOPK:
        return !dtq_lates(l);
    default:
        return true;
    }
}

static bool in_dram(const dtq_stream *s, uint64_t at, uint64_t bytes) {
    return bytes <= s->dram_bytes && at <= s->dram_bytes - bytes;
}

/** Whether a layer, its rows and the DRAM of an instruction are those of a layer that streams; others are of none. */
static bool streaming_fits(const dtq_sim *sim, const dtq_instr *in, const dtq_layer *l) {
    const dtq_stream *s = sim->stream;
    if (in->op < DTQ_OP_LOAD_SEEN || in->op > DTQ_OP_KEEP)
        return true;
    if (!dtq_streams(l) || l->streaming.window == 0 || l->cached || l->slots != s->seq)
        return false;
    const dtq_streaming *r = &l->streaming;
    const unsigned row_field = in->op == DTQ_OP_LOAD_SEEN ? DTQ_F(LOAD_SEEN, row) : DTQ_F(QK_SEEN, row);
    const uint32_t row = (uint32_t)in->f[row_field], rows = (uint32_t)in->f[row_field + 1];
    const uint64_t list = sizeof(uint32_t) * (uint64_t)dtq_streamed_list(r, s->seq);
    const bool whole =
        in->op == DTQ_OP_KEEP || (in->op == DTQ_OP_LOAD_SEEN && DTQ_GET(in, LOAD_SEEN, operand) != DTQ_Q);
    if (!(whole ? dtq_seen_is_block : dtq_seen_fits)(r, l->slots, row, rows))
        return false;
    if (in->op == DTQ_OP_LOAD_SEEN) {
        const uint32_t heads = DTQ_GET(in, LOAD_SEEN, operand) == DTQ_Q ? l->heads : l->kv_heads;
        return in_dram(s, DTQ_GET(in, LOAD_SEEN, codes), dtq_seen_codes_bytes(r, l->head_dim, heads, s->seq)) &&
               in_dram(s, DTQ_GET(in, LOAD_SEEN, list), list);
    }
    const bool votes = in->op == DTQ_OP_VOTE_SEEN || in->op == DTQ_OP_KEEP;
    return (!votes || row >= r->window) && (in->op != DTQ_OP_KEEP || in_dram(s, DTQ_GET(in, KEEP, list), list));
}

/** Whether rows of a linear, in codes or in floats, lie in DRAM, and the block inside the rows. */
static bool rows_in_dram(const dtq_sim *sim, const dtq_instr *in) {
    const dtq_stream *s = sim->stream;
    uint64_t at = 0, bytes = 0;
    bool inside = true;
    if (in->op == DTQ_OP_LOAD_ROWS) {
        at = DTQ_GET(in, LOAD_ROWS, codes);
        bytes = dtq_codes_bytes(s->seq, COUNT(in, LOAD_ROWS, width));
        inside = DTQ_GET(in, LOAD_ROWS, input) % 2 == 0 && DTQ_GET(in, LOAD_ROWS, depth) > 0 &&
                 DTQ_GET(in, LOAD_ROWS, input) + DTQ_GET(in, LOAD_ROWS, depth) <= DTQ_GET(in, LOAD_ROWS, width);
    } else if (in->op == DTQ_OP_STORE_ROWS) {
        at = DTQ_GET(in, STORE_ROWS, dst);
        bytes = sizeof(float) * (uint64_t)s->seq * DTQ_GET(in, STORE_ROWS, width);
        inside = DTQ_GET(in, STORE_ROWS, cols) > 0 &&
                 DTQ_GET(in, STORE_ROWS, output) + DTQ_GET(in, STORE_ROWS, cols) <= DTQ_GET(in, STORE_ROWS, width);
    } else if (in->op == DTQ_OP_MATMUL) {
        inside = DTQ_GET(in, MATMUL, cols) > 0 && DTQ_GET(in, MATMUL, depth) > 0;
    }
    return inside && bytes <= s->dram_bytes && at <= s->dram_bytes - bytes;
}

/** Checks layer, head and slot ranges by the kinds of the operands. A COUNT belongs to the SLOT before it. */
static bool check_fields(const dtq_sim *sim, size_t index, const dtq_layer **layer, dtq_error *e) {
    const dtq_instr *in = &sim->stream->instrs[index];
    const dtq_op_info *op = &dtq_ops[in->op];
    *layer = NULL;
    for (unsigned f = 0; f < op->field_count; f++) {
        if (op->fields[f].kind == DTQ_KIND_LAYER) {
            if (in->f[f] >= sim->stream->layer_count)
                return bad_field(index, op, f, in->f[f], e);
            *layer = &sim->stream->layers[in->f[f]];
        }
    }
    const bool key_or_value = in->op == DTQ_OP_LOAD_PROBE || in->op == DTQ_OP_CHOOSE_HEAD ||
                              in->op == DTQ_OP_CHOOSE_LATE ||
                              (in->op == DTQ_OP_LOAD && DTQ_GET(in, LOAD, operand) != DTQ_Q);
    const bool of_kv_head = key_or_value || in->op == DTQ_OP_KEEP ||
                            (in->op == DTQ_OP_LOAD_SEEN && DTQ_GET(in, LOAD_SEEN, operand) != DTQ_Q);
    for (unsigned f = 0; *layer && f < op->field_count; f++) {
        const uint64_t value = in->f[f];
        const dtq_field_kind kind = op->fields[f].kind;
        if (kind == DTQ_KIND_SLOT) {
            const bool of_keys = key_or_value || strcmp(op->fields[f].name, "col") == 0;
            const bool of_values =
                in->op == DTQ_OP_PV || (of_keys && in->op == DTQ_OP_LOAD && DTQ_GET(in, LOAD, operand) == DTQ_V);
            const uint64_t first = !of_keys    ? dtq_first_query(*layer)
                                   : of_values ? dtq_first_key(*layer)
                                               : dtq_first_col(*layer);
            const uint64_t end = first + (!of_keys    ? dtq_queries(*layer)
                                          : of_values ? dtq_keys(*layer)
                                                      : dtq_cols(*layer));
            if (value < first || value >= end || in->f[f + 1] > end - value)
                return bad_field(index, op, f, value, e);
        }
        if ((kind == DTQ_KIND_HEAD && value >= (of_kv_head ? (*layer)->kv_heads : (*layer)->heads)) ||
            (kind == DTQ_KIND_SLOT && value >= (*layer)->slots) ||
            (kind == DTQ_KIND_COUNT && (value == 0 || value > (*layer)->slots - in->f[f - 1]))) {
            return bad_field(index, op, f, value, e);
        }
    }
    if (*layer && !probe_fits(sim, in, *layer)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: %s of a layer that does not probe, or it leaves DRAM",
                        index, op->mnemonic);
    }
    if (*layer && !late_fits(in, *layer)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "instruction %zu: %s: the layer does not choose late, or does and this is of another one",
                        index, op->mnemonic);
    }
    if (*layer && !streaming_fits(sim, in, *layer)) {
        return dtq_fail(
            e, DTQ_BAD_PROGRAM,
            "instruction %zu: %s of a layer that does not stream, of rows that are no block's, or it leaves "
            "DRAM",
            index, op->mnemonic);
    }
    if (!rows_in_dram(sim, in)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: %s leaves DRAM, or the linear's inputs or outputs", index,
                        op->mnemonic);
    }
    if (in->op == DTQ_OP_LOAD && DTQ_GET(in, LOAD, operand) > DTQ_V)
        return bad_field(index, op, DTQ_F(LOAD, operand), DTQ_GET(in, LOAD, operand), e);
    if (in->op == DTQ_OP_TOPK && DTQ_GET(in, TOPK, select) && DTQ_GET(in, TOPK, layer) + 1 >= sim->stream->layer_count)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: selects slots for a layer that is not there", index);
    return true;
}

/** Checks that the buffer operands end inside their buffers and raises `touched` to their ends. */
static bool check_buffers(const dtq_sim *sim, size_t index, const dtq_layer *l, uint64_t *touched, dtq_error *e) {
    const dtq_instr *in = &sim->stream->instrs[index];
    for (size_t i = 0; i < sizeof buffer_operands / sizeof buffer_operands[0]; i++) {
        if (buffer_operands[i].op != in->op)
            continue;
        const unsigned field = buffer_operands[i].field;
        const dtq_field_info *info = &dtq_ops[in->op].fields[field];
        const uint64_t at = in->f[field];
        if (at == dtq_field_none(info)) {
            /* only a softmax has an operand it can do without */
            if (in->op == DTQ_OP_SOFTMAX && field == DTQ_F(SOFTMAX, v) &&
                (!dtq_folds(l) || DTQ_GET(in, SOFTMAX, mode) == DTQ_SOFTMAX_MAX)) {
                continue;
            }
            return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: %s needs an address for %s", index,
                            dtq_ops[in->op].mnemonic, info->name);
        }
        const dtq_space space = in->op == DTQ_OP_LOAD        ? (dtq_space)DTQ_GET(in, LOAD, operand)
                                : in->op == DTQ_OP_LOAD_SEEN ? (dtq_space)DTQ_GET(in, LOAD_SEEN, operand)
                                                             : buffer_operands[i].space;
        const uint64_t bytes = buffer_operands[i].bytes(l, in), limit = space_limit(sim->machine, space);
        if (at > limit || bytes > limit - at) {
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "instruction %zu: %s: %s at %llu takes %llu bytes, but buffer %s has %llu", index,
                            dtq_ops[in->op].mnemonic, info->name, (unsigned long long)at, (unsigned long long)bytes,
                            space_names[space], (unsigned long long)limit);
        }
        touched[space] = at + bytes > touched[space] ? at + bytes : touched[space];
    }
    return true;
}

/* ---- allocation ------------------------------------------------------------------------------------------------ */

bool dtq_memory_init(dtq_sim *sim, dtq_error *e) {
    uint64_t touched[DTQ_SPACES] = {0};
    for (uint32_t i = 0; i < sim->stream->layer_count; i++)
        if (!check_layer(sim, i, e))
            return false;
    for (size_t i = 0; i < sim->stream->count; i++) {
        const dtq_instr *in = &sim->stream->instrs[i];
        const dtq_layer *layer;
        if (!check_fields(sim, i, &layer, e) || (layer && !check_buffers(sim, i, layer, touched, e)))
            return false;
        const bool on_array = dtq_ops[in->op].engine_class == DTQ_CLASS_ARRAY;
        if (in->op > DTQ_OP_SIGNAL && (on_array ? in->queue < DTQ_ARRAY0 : in->queue != dtq_ops[in->op].engine_class)) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: %s on a queue of another engine", i,
                            dtq_ops[in->op].mnemonic);
        }
    }
    for (unsigned s = 0; sim->functional && s < DTQ_SPACES; s++)
        if (touched[s] && !(sim->space[s] = calloc(touched[s], 1)))
            return dtq_no_memory(e, touched[s], "buffer %s", space_names[s]);
    return true;
}

void dtq_memory_free(dtq_sim *sim) {
    for (unsigned s = 0; s < DTQ_SPACES; s++) {
        free(sim->space[s]);
        sim->space[s] = NULL;
    }
    for (uint32_t i = 0; sim->drawn && i < sim->stream->layer_count; i++)
        free(sim->drawn[i]);
    free(sim->drawn);
    free(sim->scratch);
    sim->drawn = NULL;
    sim->scratch = NULL;
}

void *dtq_sim_scratch(dtq_sim *sim, size_t bytes) {
    enum { ALIGNMENT = 64 };
    if (bytes > sim->scratch_bytes) {
        free(sim->scratch);
        sim->scratch_bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        sim->scratch = aligned_alloc(ALIGNMENT, sim->scratch_bytes);
        if (!sim->scratch)
            sim->scratch_bytes = 0;
    }
    return sim->scratch;
}

/* ---- precisions ------------------------------------------------------------------------------------------------ */

/** A uniformly random choice of the layer's `high` slots, by selection sampling, as bits of all operands. */
static uint8_t *draw_bits(const dtq_sim *sim, uint32_t layer) {
    const dtq_layer *l = &sim->stream->layers[layer];
    uint8_t *bits = malloc((DTQ_OPERANDS + 1) * (size_t)l->slots);
    if (!bits)
        return NULL;
    uint8_t *classes = bits + DTQ_OPERANDS * (size_t)l->slots;
    uint64_t state = sim->seed + layer;
    uint32_t high = l->high;
    for (uint32_t i = 0; i < l->slots; i++) {
        classes[i] = dtq_splitmix64(&state) % (l->slots - i) < high;
        high -= classes[i];
    }
    uint8_t *const operands[DTQ_OPERANDS] = {bits, bits + l->slots, bits + 2 * (size_t)l->slots,
                                             bits + 3 * (size_t)l->slots};
    dtq_bits_from_classes(l, classes, operands);
    return bits;
}

const uint8_t *dtq_sim_bits(dtq_sim *sim, uint32_t layer, dtq_operand operand) {
    const dtq_layer *l = &sim->stream->layers[layer];
    if (l->bits[operand])
        return l->bits[operand];
    if (sim->functional) {
        const dtq_slots *slots = &sim->x->slots[layer];
        return slots->ready ? slots->bits[operand] : NULL;
    }
    if (!sim->drawn && !(sim->drawn = calloc(sim->stream->layer_count, sizeof *sim->drawn)))
        return NULL;
    if (!sim->drawn[layer])
        sim->drawn[layer] = draw_bits(sim, layer);
    return sim->drawn[layer] ? sim->drawn[layer] + operand * (size_t)l->slots : NULL;
}

bool dtq_sim_no_bits(const dtq_sim *sim, uint32_t layer, dtq_error *e) {
    if (sim->functional)
        return dtq_sim_not_ready(layer, e);
    const dtq_stream *s = sim->stream; /* without data they are drawn when they are asked for */
    return dtq_sim_no_memory(s->layer_count * sizeof *sim->drawn + (DTQ_OPERANDS + 1) * (size_t)s->layers[layer].slots,
                             e);
}
