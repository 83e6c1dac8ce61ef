/* Dataflow of probes: what is made of a key/value head goes along with that head, to votes and to the tables of ids. */
#include "runtime/isa/dataflow_rules.h"

/* What a probe has made up to here is of one key/value head, which goes along. */
const char *dtq_flow_read_probe(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t writer) {
    const dtq_instr *in = instr(f, at), *w = instr(f, writer);
    bool same = w && dtq_layer_field(w->op) >= 0 && layer_of(w) == layer_of(in);
    switch (in->op) {
    case DTQ_OP_LOAD_PROBE:
        f->probed[at] = (uint32_t)GET(in, LOAD_PROBE, head);
        return same && w->op == DTQ_OP_PROBE_CODES && GET(w, PROBE_CODES, codes) == GET(in, LOAD_PROBE, codes)
                   ? NULL
                   : "what host.probe made of its layer";
    case DTQ_OP_PROBE:
        if (!same || w->op != DTQ_OP_LOAD_PROBE || GET(w, LOAD_PROBE, dst) != GET(in, PROBE, k))
            return "a block of its layer's probe, loaded there";
        break;
    case DTQ_OP_PROBE_SOFTMAX:
        if (!same || w->op != DTQ_OP_PROBE || GET(w, PROBE, s) != GET(in, PROBE_SOFTMAX, s))
            return "the logits of a probe of its layer";
        break;
    case DTQ_OP_VOTE:
        if (a->memory == DTQ_MEM_IMPORTANCE)
            return same && w->op == DTQ_OP_VOTE && GET(w, VOTE, acc) == GET(in, VOTE, acc)
                       ? NULL
                       : "the votes of its layer so far";
        if (!same || w->op != DTQ_OP_PROBE_SOFTMAX || GET(w, PROBE_SOFTMAX, p) != GET(in, VOTE, p))
            return "the probabilities of a probe of its layer";
        break;
    case DTQ_OP_CHOOSE_HEAD:
        if (!same || w->op != DTQ_OP_PROBE || GET(w, PROBE, s) != GET(in, CHOOSE_HEAD, s) ||
            f->probed[writer] != GET(in, CHOOSE_HEAD, head))
            return "the logits of a probe of its layer and head";
        break;
    default: /* CHOOSE */
        if (!same || w->op != DTQ_OP_VOTE || GET(w, VOTE, acc) != GET(in, CHOOSE, acc))
            return "the votes of its layer";
        return dtq_cover_whole(&f->counted[layer_of(in)], (dtq_piece){0, layer(f, layer_of(in))->kv_heads, 0, 1})
                   ? NULL
                   : "the votes of its layer, of each key/value head once";
    }
    f->probed[at] = f->probed[writer];
    return NULL;
}

const char *dtq_flow_step_vote(dtq_dataflow *f, uint32_t at, uint64_t *missing) {
    dtq_cover *counted = &f->counted[GET(instr(f, at), VOTE, layer)];
    if (GET(instr(f, at), VOTE, first) && counted->count)
        return "it clears the votes of its layer, of which heads have been counted";
    *missing = dtq_cover_add(counted, (dtq_piece){f->probed[at], 1, 0, 1});
    return NULL;
}

const char *dtq_flow_step_choose_head(dtq_dataflow *f, uint32_t at, uint64_t *missing) {
    const dtq_instr *in = instr(f, at);
    *missing = dtq_cover_add(&f->counted[GET(in, CHOOSE_HEAD, layer)],
                             (dtq_piece){(uint32_t)GET(in, CHOOSE_HEAD, head), 1, 0, 1});
    return NULL;
}

/* Whether the ids of a layer are there: whole, or, where its heads choose for themselves, of each head once. */
const char *dtq_flow_read_ids(const dtq_dataflow *f, uint64_t of) {
    const dtq_layer *l = layer(f, of);
    if (dtq_tables(l) == 1 || dtq_lates(l) || dtq_cover_whole(&f->counted[of], (dtq_piece){0, l->kv_heads, 0, 1}))
        return NULL;
    return "the ids of its layer, which each key/value head has chosen once";
}
