/* What the instructions of a probe read and leave, from queries and keys to the choice of a layer's tokens. */
#include "passes/check_schedule.h"

#include "passes/cost.h"

/** What holds something of a probe: codes of all heads, the block of one, its scores, probabilities, the votes. */
enum { PROBE_CODES, PROBE_BLOCK, PROBE_SCORES, PROBE_PROBS, PROBE_VOTES };

bool check_probes(const checker *c, const layer_info *l) {
    for (size_t op = 0; op < c->m->op_count; op++)
        if (c->m->ops[op].code == IR_LAYER && ir_int(c->m, op, IR_KEY_index, -1) == l->index)
            return l->by_probe && !ir_get(c->m, op, IR_KEY_ids);
    return false;
}

/** Operand 1 must hold the stage before; of its head. */
static bool reads_stage(checker *c, uint8_t stage, const layer_info *l, const char *what, int64_t *head) {
    const check_content *b = check_operand(c, 0);
    if (b->holds != HOLDS_PROBE || b->operand != stage || b->layer != l->index)
        return CHECK_FAIL("operand 1 must hold %s of the probe of layer %u", what, l->index);
    *head = b->head;
    return true;
}

static bool leaves_stage(checker *c, uint8_t stage, const layer_info *l, int64_t head, uint64_t bytes) {
    const check_content b = {.holds = HOLDS_PROBE, .operand = stage, .layer = l->index, .head = head};
    return check_fill(c, 1, b) && check_needs(check_operand(c, 1), bytes);
}

/** Queries and keys to codes, before the layer's operands are quantised. */
static bool check_codes_of_probe(checker *c, const layer_info *l, uint64_t block) {
    const check_content b = {.holds = HOLDS_PROBE, .operand = PROBE_CODES, .layer = l->index};
    return check_host_layer(c) && check_reads_matrix(c, 0, check_matrix_bytes(c, (uint64_t)l->heads * l->head_dim)) &&
           check_reads_matrix(c, 1, check_matrix_bytes(c, (uint64_t)l->kv_heads * l->head_dim)) &&
           check_fill(c, 2, b) && check_needs(check_operand(c, 2), l->kv_heads * block);
}

/** Heads vote in their order: the first one clears the votes, each is counted once. */
static bool check_vote(checker *c, const layer_info *l, check_progress *p) {
    const bool first = strcmp(check_word(c, c->k.first), "yes") == 0;
    check_content *votes = check_operand(c, 1);
    int64_t head;
    if (!reads_stage(c, PROBE_PROBS, l, "probabilities", &head))
        return false;
    if (head != p->votes)
        return CHECK_FAIL("head %lld votes, but it is head %u whose vote comes next", (long long)head, p->votes);
    if (first != (head == 0))
        return CHECK_FAIL("`first` is %s, but it is yes for head 0 alone", first ? "yes" : "no");
    if (first && !leaves_stage(c, PROBE_VOTES, l, 0, 8ull * c->m->header.seq))
        return false;
    if (votes->holds != HOLDS_PROBE || votes->operand != PROBE_VOTES || votes->layer != l->index)
        return check_fail(c, "operand 2 must be the votes of this layer");
    p->votes++;
    return true;
}

static bool check_choose(checker *c, const layer_info *l, check_progress *p) {
    int64_t head;
    if (!reads_stage(c, PROBE_VOTES, l, "the votes", &head))
        return false;
    if (p->chosen || p->votes != l->kv_heads)
        return CHECK_FAIL("%u of %u heads of layer %u have voted%s", p->votes, l->kv_heads, l->index,
                          p->chosen ? ", and it has chosen already" : "");
    p->chosen = true;
    return true;
}

bool check_probe(checker *c) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    check_progress *p = &c->progress[l->index];
    const uint32_t seq = c->m->header.seq, queries = l->heads / l->kv_heads;
    const uint64_t block = cost_probe_bytes(queries, seq, l->head_dim);
    int64_t head = check_int(c, c->k.head), none;
    if (!check_probes(c, l))
        return CHECK_FAIL("layer %u does not choose its tokens by a probe", l->index);
    if (l->index != c->next_layer)
        return CHECK_FAIL("`layer` is %u, but it is layer %u whose attention comes next", l->index, c->next_layer);
    switch ((ir_opcode)c->m->ops[c->op].code) {
    case IR_I_PROBE_CODES:
        return check_codes_of_probe(c, l, block);
    case IR_I_LOAD_PROBE:
        return reads_stage(c, PROBE_CODES, l, "the codes", &none) && leaves_stage(c, PROBE_BLOCK, l, head, block);
    case IR_I_PROBE:
        return reads_stage(c, PROBE_BLOCK, l, "the block of a head", &head) &&
               leaves_stage(c, PROBE_SCORES, l, head, 4ull * queries * seq);
    case IR_I_PROBE_SOFTMAX:
        return reads_stage(c, PROBE_SCORES, l, "scores", &head) &&
               leaves_stage(c, PROBE_PROBS, l, head, cost_probs_bytes(queries, seq, false));
    case IR_I_VOTE:
        return check_vote(c, l, p);
    default:
        return check_choose(c, l, p);
    }
}
