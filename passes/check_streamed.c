/* Layers that stream in a schedule that was read: from codes at both precisions, block by block and key/value head by
 * head, to the rows that are stored, and the keys that each block leaves. */
#include "passes/check_schedule.h"

/** What a buffer of a layer that streams holds: `operand` of its content, `head` a query head or a key/value head. */
enum { SEEN_CODES, SEEN_QUERIES, SEEN_KEYS, SEEN_VALUES, SEEN_SCORES, SEEN_PROBS, SEEN_VOTES, SEEN_LIST };

/** The instruction under way: its layer, rows and heads. */
typedef struct {
    const layer_info *l;
    const dtq_streaming *rule;
    dtq_seen rows, block; /* its rows, and all of their block */
    int64_t head, kv;     /* query head, where it is of one, and the key/value head that it shares */
} step;

static bool read_step(checker *c, bool of_kv, step *s) {
    s->l = &c->layers[check_int(c, c->k.layer)];
    s->rule = &s->l->streaming;
    const uint32_t n = s->l->slots, row = (uint32_t)check_int(c, c->k.row), rows = (uint32_t)check_int(c, c->k.rows);
    if (!dtq_seen_fits(s->rule, n, row, rows))
        return CHECK_FAIL("slots %u..%u are not of one block of %u tokens", row, row + rows, s->rule->window);
    const uint32_t b = row / s->rule->window, first = dtq_streamed_first(s->rule, b);
    s->rows = dtq_seen_by(s->rule, n, row, rows);
    s->block = dtq_seen_by(s->rule, n, first, dtq_streamed_end(s->rule, n, b) - first);
    s->head = check_int(c, c->k.head);
    s->kv = of_kv ? s->head : s->head / (s->l->heads / s->l->kv_heads);
    return true;
}

static check_content content_of(const step *s, uint8_t stage, int64_t head, const dtq_seen *rows) {
    return (check_content){.holds = HOLDS_SEEN,
                           .operand = stage,
                           .layer = s->l->index,
                           .head = head,
                           .row = rows->row,
                           .rows = rows->rows};
}

/** Operand `index` must hold that stage of these rows. */
static check_content *seen(checker *c, size_t index, const step *s, uint8_t stage, int64_t head, const dtq_seen *rows) {
    static const char *const names[] = {"codes", "queries", "keys", "values", "scores", "probabilities", "votes"};
    check_content *b = check_operand(c, index);
    const check_content want = content_of(s, stage, head, rows);
    if (b->holds == HOLDS_SEEN && b->operand == stage && check_same_rows(b, &want))
        return b;
    CHECK_FAIL("operand %zu must hold the %s of layer %u, head %lld, slots %u..%u", index + 1, names[stage],
               s->l->index, (long long)head, rows->row, rows->row + rows->rows);
    return NULL;
}

static bool makes(checker *c, size_t index, const step *s, uint8_t stage, int64_t head, const dtq_seen *rows,
                  uint64_t bytes) {
    return check_fill(c, index, content_of(s, stage, head, rows)) && check_needs(check_operand(c, index), bytes);
}

static int operand_of(const checker *c) {
    const char letter = *check_word(c, c->k.operand);
    return letter == 'q' ? LAYER_Q : letter == 'k' ? LAYER_K : LAYER_V;
}

static bool check_far_codes(checker *c) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    const int operand = operand_of(c);
    const uint32_t heads = operand == LAYER_Q ? l->heads : l->kv_heads;
    const check_content codes = {.holds = HOLDS_SEEN,
                                 .operand = SEEN_CODES,
                                 .layer = l->index,
                                 .head = operand,
                                 .from = ir_operand(c->m, c->op, 0)};
    return check_reads_matrix(c, 0, check_matrix_bytes(c, (uint64_t)heads * l->head_dim)) && check_fill(c, 1, codes) &&
           check_needs(check_operand(c, 1), dtq_seen_codes_bytes(&l->streaming, l->head_dim, heads, c->m->header.seq));
}

/** The list of a key/value head, when blocks before `block` have run. */
static check_content *list_of(checker *c, size_t index, const step *s, int64_t block) {
    check_content *list = check_operand(c, index);
    const bool begun = list->holds == HOLDS_SEEN && list->operand == SEEN_LIST;
    check_needs(list, 4ull * dtq_streamed_list(s->rule, s->l->slots) + 4);
    if ((list->holds == HOLDS_NOTHING && block <= 1) ||
        (begun && list->layer == s->l->index && list->head == s->kv && (block < 0 || list->keys == block - 1)))
        return list;
    CHECK_FAIL("operand %zu must hold the keys that key/value head %lld of layer %u has kept when slots 0..%u have run",
               index + 1, (long long)s->kv, s->l->index, s->block.row);
    return NULL;
}

static bool check_load_seen(checker *c, const step *s) {
    const int operand = operand_of(c);
    const check_content *codes = check_operand(c, 0);
    const check_progress *p = &c->progress[s->l->index];
    if (codes->holds != HOLDS_SEEN || codes->operand != SEEN_CODES || codes->layer != s->l->index ||
        codes->head != operand)
        return CHECK_FAIL("operand 1 must hold codes of %c at the precision of far keys in layer %u", "qkv"[operand],
                          s -> l -> index);
    if (!p->quantised[operand] || p->from[operand] != codes->from)
        return CHECK_FAIL("no `host.quant` has made codes of %c in layer %u of the floats that `host.far` took",
                          "qkv"[operand], s -> l -> index);
    if (operand == LAYER_Q)
        return list_of(c, 1, s, -1) && makes(c, 2, s, SEEN_QUERIES, s->head, &s->rows,
                                             dtq_seen_load_bytes(s->rule, s->l->head_dim, &s->rows, true));
    return list_of(c, 1, s, s->block.far ? (int64_t)s->block.block : -1) &&
           makes(c, 2, s, operand == LAYER_K ? SEEN_KEYS : SEEN_VALUES, s->head, &s->block,
                 dtq_seen_load_bytes(s->rule, s->l->head_dim, &s->block, false));
}

static bool check_outputs_seen(checker *c, const step *s) {
    check_content rows = content_of(s, 0, s->head, &s->rows);
    rows.holds = HOLDS_SUMS;
    rows.complete = true;
    return seen(c, 0, s, SEEN_PROBS, s->head, &s->rows) && seen(c, 1, s, SEEN_VALUES, s->kv, &s->block) &&
           check_fill(c, 2, rows);
}

/** Votes come row by row, query head by query head. */
static bool check_vote_seen(checker *c, const step *s) {
    const int64_t group = s->l->heads / s->l->kv_heads;
    const int64_t before = (s->head - s->kv * group) * s->block.rows + (s->rows.row - s->block.row);
    const bool first = strcmp(check_word(c, c->k.first), "yes") == 0;
    if (s->block.block == 0)
        return check_fail(c, "rows of block 0 vote on nothing");
    if (!seen(c, 0, s, SEEN_PROBS, s->head, &s->rows))
        return false;
    if (first != (before == 0))
        return CHECK_FAIL("`first` is %s, but votes of the block %s", first ? "yes" : "no",
                          first ? "begin with its first row of the first query head" : "begin here");
    if (first && !makes(c, 1, s, SEEN_VOTES, s->kv, &s->block, 8ull * s->rule->window))
        return false;
    check_content *votes = seen(c, 1, s, SEEN_VOTES, s->kv, &s->block);
    if (votes && votes->keys != before)
        return CHECK_FAIL("operand 2 has the votes of %lld rows, but those of %lld come before these",
                          (long long)votes->keys, (long long)before);
    if (votes)
        votes->keys += s->rows.rows;
    return votes != NULL;
}

static bool check_keep(checker *c, const step *s) {
    const int64_t group = s->l->heads / s->l->kv_heads, b = s->block.block;
    check_progress *p = &c->progress[s->l->index];
    if (s->rows.row != s->block.row || s->rows.rows != s->block.rows || b == 0)
        return check_fail(c, "it is of all rows of a block but the first one");
    const check_content *votes = seen(c, 0, s, SEEN_VOTES, s->kv, &s->block);
    check_content *list = votes ? list_of(c, 1, s, b) : NULL;
    if (!list)
        return false;
    if (votes->keys != group * s->block.rows)
        return CHECK_FAIL("operand 1 has the votes of %lld rows of %lld", (long long)votes->keys,
                          (long long)(group * s->block.rows));
    if (p->kept[s->kv] != b - 1)
        return CHECK_FAIL("key/value head %lld of layer %u has kept keys of block %lld already", (long long)s->kv,
                          s->l->index, (long long)b - 1);
    const check_content first = content_of(s, SEEN_LIST, s->kv, &s->block);
    if (list->holds == HOLDS_NOTHING && !check_fill(c, 1, first))
        return false;
    list->keys = b;
    p->kept[s->kv] = (uint32_t)b;
    return true;
}

bool check_streamed_end(checker *c, const layer_info *l) {
    for (uint32_t g = 0; g < l->kv_heads; g++)
        if (c->progress[l->index].kept[g] + 1 != dtq_streamed_blocks(&l->streaming, l->slots))
            return CHECK_FAIL("behind it the `keep` of key/value head %u in layer %u for block %u is missing", g,
                              l->index, c->progress[l->index].kept[g] + 1);
    return true;
}

bool check_streamed(checker *c, dtq_opcode code) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    step s = {0};
    if (!layer_streams(l))
        return CHECK_FAIL("layer %u does not stream", l->index);
    if (code == DTQ_OP_FAR_CODES)
        return check_far_codes(c);
    if (!read_step(c, code == DTQ_OP_KEEP || (code == DTQ_OP_LOAD_SEEN && operand_of(c) != LAYER_Q), &s))
        return false;
    switch (code) {
    case DTQ_OP_LOAD_SEEN:
        return check_load_seen(c, &s);
    case DTQ_OP_QK_SEEN:
        return seen(c, 0, &s, SEEN_QUERIES, s.head, &s.rows) && seen(c, 1, &s, SEEN_KEYS, s.kv, &s.block) &&
               makes(c, 2, &s, SEEN_SCORES, s.head, &s.rows, dtq_seen_scores_bytes(&s.rows));
    case DTQ_OP_SOFTMAX_SEEN:
        return seen(c, 0, &s, SEEN_SCORES, s.head, &s.rows) && seen(c, 1, &s, SEEN_VALUES, s.kv, &s.block) &&
               makes(c, 2, &s, SEEN_PROBS, s.head, &s.rows, dtq_seen_probs_bytes(&s.rows));
    case DTQ_OP_PV_SEEN:
        return check_outputs_seen(c, &s);
    case DTQ_OP_VOTE_SEEN:
        return check_vote_seen(c, &s);
    default:
        return check_keep(c, &s);
    }
}
