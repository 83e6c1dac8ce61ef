/* Dataflow of layers that stream: blocks of rows, the near keys they see, the far ones that the block before kept. */
#include "runtime/isa/dataflow_rules.h"

/* Whether w is of the same layer, query head and rows. */
static bool same_rows(const dtq_instr *w, unsigned op, const dtq_instr *in) {
    return w && w->op == op && layer_of(w) == layer_of(in) && head_of(w) == head_of(in) && row_of(w) == row_of(in) &&
           end_of(w) == end_of(in);
}

/* Whether w loads the keys or values that the rows of `in` see. */
static bool loads_seen(const dtq_layer *l, const dtq_instr *w, unsigned operand, const dtq_instr *in, uint64_t at) {
    return w && w->op == DTQ_OP_LOAD_SEEN && GET(w, LOAD_SEEN, operand) == operand && layer_of(w) == layer_of(in) &&
           head_of(w) == shared_head(l, head_of(in)) &&
           row_of(w) / l->streaming.window == row_of(in) / l->streaming.window && GET(w, LOAD_SEEN, dst) == at;
}

/* Whether a load reads there the codes or the scales that host.quant makes, whatever else lies there. */
static bool is_near(const dtq_dataflow *f, const dtq_layer *l, const dtq_instr *in, uint64_t address) {
    const uint64_t codes[] = {l->q, l->k, l->v}, scales[] = {l->q_scale, l->k_scale, l->v_scale};
    const uint64_t operand = GET(in, LOAD_SEEN, operand), row = head_of(in) * f->stream->seq;
    return address == codes[operand] + row * l->head_dim || address == scales[operand] + 4 * row;
}

static const char *read_load_seen(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    const dtq_layer *l = layer(f, layer_of(in));
    if (is_near(f, l, in, a->address))
        return w && w->op == DTQ_OP_QUANT && GET(w, QUANT, layer) == layer_of(in) &&
                       GET(w, QUANT, operand) == GET(in, LOAD_SEEN, operand)
                   ? NULL
                   : "codes and scales that host.quant made of its layer and operand";
    if (a->address == GET(in, LOAD_SEEN, codes) && w && w->op == DTQ_OP_FAR_CODES)
        return layer_of(w) == layer_of(in) && GET(w, FAR_CODES, operand) == GET(in, LOAD_SEEN, operand) &&
                       GET(w, FAR_CODES, codes) == a->address
                   ? NULL
                   : "what host.far made of its layer and operand";
    return a->address == GET(in, LOAD_SEEN, list) && w && w->op == DTQ_OP_KEEP && layer_of(w) == layer_of(in) &&
                   head_of(w) == head_of(in) && end_of(w) == row_of(in) && GET(w, KEEP, list) == a->address
               ? NULL
               : "codes and scales that host.far made of its layer and operand, and the far keys of its head, up to "
                 "the "
                 "block before, that keep chose";
}

/* Votes come row by row, head by head: each goes on where the one before has ended. */
static const char *read_vote_seen(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    const dtq_layer *l = layer(f, layer_of(in));
    if (a->memory == DTQ_MEM_PROBS)
        return same_rows(w, DTQ_OP_SOFTMAX_SEEN, in) && GET(w, SOFTMAX_SEEN, p) == GET(in, VOTE_SEEN, p)
                   ? NULL
                   : "the probabilities of its layer, head and rows";
    const bool votes = w && w->op == DTQ_OP_VOTE_SEEN && layer_of(w) == layer_of(in) &&
                       GET(w, VOTE_SEEN, acc) == GET(in, VOTE_SEEN, acc);
    const uint64_t block = row_of(in) / l->streaming.window, first = block * l->streaming.window;
    const bool goes_on =
        votes && row_of(w) / l->streaming.window == block &&
        shared_head(l, head_of(w)) == shared_head(l, head_of(in)) &&
        (head_of(w) == head_of(in) ? end_of(w) == row_of(in)
                                   : head_of(w) + 1 == head_of(in) && row_of(in) == first &&
                                         end_of(w) == dtq_streamed_end(&l->streaming, l->slots, (uint32_t)block));
    return goes_on ? NULL : "the votes of its block and key/value head, up to the row before";
}

static const char *read_keep(const dtq_dataflow *f, const dtq_instr *in, const dtq_instr *w) {
    const dtq_layer *l = layer(f, layer_of(in));
    const uint64_t group = l->heads / l->kv_heads;
    return w && w->op == DTQ_OP_VOTE_SEEN && layer_of(w) == layer_of(in) &&
                   head_of(w) == (head_of(in) + 1) * group - 1 && end_of(w) == end_of(in) &&
                   GET(w, VOTE_SEEN, acc) == GET(in, KEEP, acc)
               ? NULL
               : "the votes of all rows of its block, for its key/value head";
}

/* A list grows block by block: in front of what keep adds to it stands what the block before has left. */
bool dtq_flow_goes_on(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    const dtq_streaming *s = &layer(f, layer_of(in))->streaming;
    return a->address != GET(in, KEEP, list) || dtq_streamed_list_at(s, (uint32_t)(row_of(in) / s->window) - 1) == 0 ||
           (w && w->op == DTQ_OP_KEEP && layer_of(w) == layer_of(in) && head_of(w) == head_of(in) &&
            end_of(w) == row_of(in) && GET(w, KEEP, list) == GET(in, KEEP, list));
}

/* Where votes begin: with the first row of a block, of the first query head that shares the keys. */
const char *dtq_flow_step_vote_seen(const dtq_dataflow *f, const dtq_instr *in) {
    const dtq_layer *l = layer(f, layer_of(in));
    const bool begins = row_of(in) % l->streaming.window == 0 && head_of(in) % (l->heads / l->kv_heads) == 0;
    return begins == (GET(in, VOTE_SEEN, first) != 0) ? NULL
                                                      : "first: yes where the votes of a block begin, and there alone";
}

const char *dtq_flow_read_seen(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    const dtq_layer *l = layer(f, layer_of(in));
    switch (in->op) {
    case DTQ_OP_LOAD_SEEN:
        return read_load_seen(f, in, a, w);
    case DTQ_OP_QK_SEEN:
        if (a->memory == DTQ_MEM_Q)
            return same_rows(w, DTQ_OP_LOAD_SEEN, in) && GET(w, LOAD_SEEN, operand) == DTQ_Q &&
                           GET(w, LOAD_SEEN, dst) == GET(in, QK_SEEN, q)
                       ? NULL
                       : "the queries of its layer, head and rows, loaded there";
        return loads_seen(l, w, DTQ_K, in, GET(in, QK_SEEN, k)) ? NULL : "the keys that its rows see, loaded there";
    case DTQ_OP_SOFTMAX_SEEN:
        if (a->memory == DTQ_MEM_V)
            return loads_seen(l, w, DTQ_V, in, GET(in, SOFTMAX_SEEN, v))
                       ? NULL
                       : "the values of what its rows see, loaded there";
        return same_rows(w, DTQ_OP_QK_SEEN, in) && GET(w, QK_SEEN, s) == GET(in, SOFTMAX_SEEN, s)
                   ? NULL
                   : "the scores of its layer, head and rows";
    case DTQ_OP_PV_SEEN:
        if (a->memory == DTQ_MEM_V)
            return loads_seen(l, w, DTQ_V, in, GET(in, PV_SEEN, v)) ? NULL
                                                                    : "the values of what its rows see, loaded there";
        return same_rows(w, DTQ_OP_SOFTMAX_SEEN, in) && GET(w, SOFTMAX_SEEN, p) == GET(in, PV_SEEN, p)
                   ? NULL
                   : "the probabilities of its layer, head and rows";
    case DTQ_OP_VOTE_SEEN:
        return read_vote_seen(f, in, a, w);
    default:
        return read_keep(f, in, w);
    }
}
