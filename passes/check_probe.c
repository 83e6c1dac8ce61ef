/* Probes of a schedule that was read: from all queries and keys of a layer to the choice of its slots. What each step
 * makes is of one key/value head, which goes along; every head is counted, and the choice made, once, before the codes
 * of the layer's operands. */
#include "passes/check_schedule.h"

/** What a buffer of a probe holds: `operand` of its content. */
enum { PROBE_CODES, PROBE_KEYS, PROBE_LOGITS, PROBE_PROBS, PROBE_VOTES };

/** Operand `index` must hold that stage of a probe of this layer. */
static check_content *probed(checker *c, size_t index, uint8_t stage) {
    static const char *const names[] = {"codes", "keys", "logits", "probabilities", "votes"};
    check_content *b = check_operand(c, index);
    const int64_t layer = check_int(c, c->k.layer);
    if (b->holds == HOLDS_PROBE && b->operand == stage && b->layer == layer)
        return b;
    CHECK_FAIL("operand %zu must hold the %s of a probe of layer %lld", index + 1, names[stage], (long long)layer);
    return NULL;
}

static bool makes(checker *c, size_t index, uint8_t stage, int64_t head, uint64_t bytes) {
    check_content made = {.holds = HOLDS_PROBE, .operand = stage, .layer = check_int(c, c->k.layer), .head = head};
    return check_fill(c, index, made) && check_needs(check_operand(c, index), bytes);
}

/** A head is counted once. */
static bool count_head(checker *c, const layer_info *l, int64_t head) {
    uint8_t *counted = &c->progress[l->index].counted[(size_t)head * l->slots];
    if (*counted)
        return CHECK_FAIL("key/value head %lld of layer %u is counted twice", (long long)head, l->index);
    *counted = 1;
    return true;
}

static bool all_heads(checker *c, const layer_info *l) {
    for (uint32_t head = 0; head < l->kv_heads; head++)
        if (!c->progress[l->index].counted[(size_t)head * l->slots])
            return CHECK_FAIL("key/value head %u of layer %u has not been counted", head, l->index);
    return true;
}

static bool check_vote(checker *c, const layer_info *l) {
    const check_content *probs = probed(c, 0, PROBE_PROBS);
    check_content *votes = check_operand(c, 1);
    const bool first = strcmp(check_word(c, c->k.first), "yes") == 0;
    if (!probs || !count_head(c, l, probs->head))
        return false;
    if (first != (votes->holds == HOLDS_NOTHING))
        return CHECK_FAIL("`first` is %s, but votes of this layer %s", first ? "yes" : "no",
                          first ? "stand there already" : "have not begun");
    return first ? makes(c, 1, PROBE_VOTES, -1, 8ull * c->m->header.seq) : probed(c, 1, PROBE_VOTES) != NULL;
}

static bool check_choice(checker *c, const layer_info *l, bool by_head) {
    const check_content *from = probed(c, 0, by_head ? PROBE_LOGITS : PROBE_VOTES);
    check_progress *p = &c->progress[l->index];
    if (!from || p->chosen)
        return from && CHECK_FAIL("layer %u has chosen its tokens before", l->index);
    if (by_head && from->head != check_int(c, c->k.head))
        return CHECK_FAIL("operand 1 holds the logits of key/value head %lld", (long long)from->head);
    if (by_head) { /* the last head's choice completes the layer's */
        if (!count_head(c, l, from->head))
            return false;
        p->chosen = ++p->heads == l->kv_heads;
        return true;
    }
    p->chosen = all_heads(c, l);
    return p->chosen;
}

bool check_probe(checker *c, dtq_opcode code) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    const uint64_t seq = c->m->header.seq, queries = l->heads / l->kv_heads,
                   width = (uint64_t)l->kv_heads * l->head_dim;
    const uint64_t block = cost_probe_bytes((uint32_t)queries, (uint32_t)seq, l->head_dim);
    const bool by_head = code == DTQ_OP_CHOOSE_HEAD, shared = code >= DTQ_OP_PROBE_SOFTMAX && !by_head;
    const check_content *from;
    if (!l->by_probe || check_has_ids(c, l->index))
        return CHECK_FAIL("layer %u does not choose its tokens by a probe", l->index);
    if (l->by_head ? shared : by_head)
        return CHECK_FAIL("%s of layer %u choose for themselves", l->by_head ? "heads" : "no heads", l->index);
    switch (code) {
    case DTQ_OP_PROBE_CODES:
        return check_host_layer(c) && check_reads_matrix(c, 0, check_matrix_bytes(c, queries * width)) &&
               check_reads_matrix(c, 1, check_matrix_bytes(c, width)) &&
               makes(c, 2, PROBE_CODES, -1, block * l->kv_heads);
    case DTQ_OP_LOAD_PROBE:
        return probed(c, 0, PROBE_CODES) && makes(c, 1, PROBE_KEYS, check_int(c, c->k.head), block);
    case DTQ_OP_PROBE:
        from = probed(c, 0, PROBE_KEYS);
        return from && makes(c, 1, PROBE_LOGITS, from->head, sizeof(float) * queries * seq);
    case DTQ_OP_PROBE_SOFTMAX:
        from = probed(c, 0, PROBE_LOGITS);
        return from && makes(c, 1, PROBE_PROBS, from->head, cost_probs_bytes((uint32_t)queries, (uint32_t)seq, false));
    case DTQ_OP_VOTE:
        return check_vote(c, l);
    default:
        return check_choice(c, l, by_head);
    }
}
