/* What the instructions of attention read, and what they leave: blocks of q, k and v, scores, probabilities, sums. */
#include "passes/check_schedule.h"

/** Reads a block of an operand that a load brought. */
static bool reads_block(checker *c, size_t index, uint8_t which, int64_t head, int64_t row, int64_t rows) {
    static const char *const names[] = {"queries", "keys", "values"};
    check_content *b = check_operand(c, index);
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    check_content want = {.layer = l->index, .head = head, .row = row, .rows = rows};
    if (b->holds != HOLDS_BLOCK || b->operand != which || !check_same_rows(b, &want))
        return CHECK_FAIL("operand %zu must hold %s of layer %lld, head %lld, slots %lld..%lld", index + 1,
                          names[which], (long long)want.layer, (long long)head, (long long)row,
                          (long long)(row + rows));
    return check_needs(b, layer_block_bytes(l, which, (uint32_t)row, (uint32_t)rows));
}

bool check_load(checker *c) {
    check_content b = check_block(c, HOLDS_BLOCK);
    const layer_info *l = &c->layers[b.layer];
    const char letter = *check_word(c, c->k.operand);
    b.operand = letter == 'q' ? LAYER_Q : letter == 'k' ? LAYER_K : LAYER_V;
    b.col = b.cols = 0;
    if (!c->progress[b.layer].quantised[b.operand])
        return CHECK_FAIL("no `host.quant` has made codes of %c in layer %lld before", letter, (long long)b.layer);
    const check_progress *p = &c->progress[b.layer];
    if (l->late && b.operand == LAYER_V && !p->chosen && (!l->by_head || b.head >= p->heads))
        return CHECK_FAIL("layer %lld has not chosen its values of head %lld before", (long long)b.layer,
                          (long long)b.head);
    return check_fill(c, 0, b) &&
           check_needs(check_operand(c, 0), layer_block_bytes(l, b.operand, (uint32_t)b.row, (uint32_t)b.rows));
}

static int64_t kv_head(const layer_info *l, int64_t head) {
    return head / (l->heads / l->kv_heads);
}

bool check_qk(checker *c) {
    check_content b = check_block(c, HOLDS_SCORES);
    const layer_info *l = &c->layers[b.layer];
    return reads_block(c, 0, LAYER_Q, b.head, b.row, b.rows) &&
           reads_block(c, 1, LAYER_K, kv_head(l, b.head), b.col, b.cols) && check_fill(c, 2, b) &&
           check_needs(check_operand(c, 2), cost_scores_bytes((uint32_t)b.rows, (uint32_t)b.cols));
}

enum { MODE_FULL, MODE_MAX, MODE_WMAX, MODE_EXP };

static int mode_of(const char *text) {
    return strcmp(text, "full") == 0   ? MODE_FULL
           : strcmp(text, "max") == 0  ? MODE_MAX
           : strcmp(text, "wmax") == 0 ? MODE_WMAX
                                       : MODE_EXP;
}

/** Passes over the keys in their order; each begins where the one before has ended. */
static bool advance(checker *c, check_content *p, int mode, const check_content *b, const layer_info *l) {
    int64_t keys = l->cols, first = l->col_first;
    if (l->late && mode != MODE_FULL)
        return CHECK_FAIL("layer %u chooses late: mode must be full", l->index);
    if (mode == MODE_FULL ? b->cols != keys || b->col != first : b->col != first + p->passes[mode])
        return CHECK_FAIL("mode %s comes to keys %lld..%lld, but here it is to go on at %lld", check_word(c, c->k.mode),
                          (long long)b->col, (long long)(b->col + b->cols), (long long)(first + p->passes[mode]));
    if (mode == MODE_WMAX && !l->folds)
        return check_fail(c, "mode wmax is of causal layers");
    if ((mode == MODE_WMAX && p->passes[MODE_MAX] != keys) ||
        (mode == MODE_EXP && p->passes[l->folds ? MODE_WMAX : MODE_MAX] != keys))
        return check_fail(c, "the pass over all keys that comes before its own has not ended");
    p->passes[mode] += b->cols;
    p->complete = p->passes[MODE_FULL] == keys || p->passes[MODE_EXP] == keys;
    return true;
}

bool check_softmax(checker *c) {
    check_content b = check_block(c, HOLDS_PROBS), *s = check_operand(c, 0), *p = check_operand(c, 2);
    const layer_info *l = &c->layers[b.layer];
    const int mode = mode_of(check_word(c, c->k.mode));
    if (s->holds != HOLDS_SCORES || !check_same_rows(s, &b) || s->col != b.col || s->cols != b.cols)
        return check_fail(c, "operand 1 must hold the scores of these rows and keys");
    check_needs(s, cost_scores_bytes((uint32_t)b.rows, (uint32_t)b.cols));
    bool folds = l->folds && mode != MODE_MAX;
    if (folds != (check_operand(c, 1) != NULL))
        return CHECK_FAIL("operand 2 must %s",
                          folds ? "hold the values of these keys, whose scales it folds in" : "be `_`");
    if (folds && !reads_block(c, 1, LAYER_V, kv_head(l, b.head), b.col, b.cols))
        return false;
    if ((mode == MODE_FULL || mode == MODE_MAX) && p->holds == HOLDS_NOTHING) {
        check_content empty = b;
        empty.col = empty.cols = 0;
        if (!check_fill(c, 2, empty))
            return false;
    }
    if (p->holds != HOLDS_PROBS || !check_same_rows(p, &b) || p->complete)
        return check_fail(c, "operand 3 must be the probabilities of these rows, not yet complete");
    check_needs(p, cost_probs_bytes((uint32_t)b.rows, l->cols, l->folds));
    return advance(c, p, mode, &b, l);
}

static bool reads_probs(checker *c, const check_content *b, int64_t keys) {
    const layer_info *l = &c->layers[b->layer];
    check_content *p = check_operand(c, 0);
    int64_t there = p->passes[MODE_FULL] > p->passes[MODE_EXP] ? p->passes[MODE_FULL] : p->passes[MODE_EXP];
    if (p->holds != HOLDS_PROBS || !check_same_rows(p, b) || there < keys)
        return CHECK_FAIL("operand 1 must hold probabilities of head %lld, slots %lld..%lld, for the first %lld keys",
                          (long long)b->head, (long long)b->row, (long long)(b->row + b->rows), (long long)keys);
    return check_needs(p, cost_probs_bytes((uint32_t)b->rows, l->cols, l->folds));
}

bool check_pv(checker *c) {
    check_content b = check_block(c, HOLDS_SUMS), *o = check_operand(c, 2);
    const layer_info *l = &c->layers[b.layer];
    const char *flags = check_word(c, c->k.flags);
    const int64_t done = b.col - l->key_first, all = l->keys;
    bool only = strcmp(flags, "only") == 0, first = only || strcmp(flags, "first") == 0;
    bool last = only || strcmp(flags, "last") == 0;
    if (!reads_probs(c, &b, l->late ? l->cols : done + b.cols) ||
        !reads_block(c, 1, LAYER_V, kv_head(l, b.head), b.col, b.cols))
        return false;
    if (first != (done == 0) || last != (done + b.cols == all))
        return CHECK_FAIL("`flags` is %s, but keys %lld..%lld are %s of the layer's %lld", flags, (long long)b.col,
                          (long long)(b.col + b.cols),
                          done == 0              ? (b.cols == all ? "all" : "the first")
                          : done + b.cols == all ? "the last"
                                                 : "in the middle",
                          (long long)all);
    if (first && !check_fill(c, 2, b))
        return false;
    if (o->holds != HOLDS_SUMS || !check_same_rows(o, &b) || o->complete || o->keys != done)
        return check_fail(c, "operand 3 must hold the sums of these rows over the keys before");
    o->keys += b.cols;
    o->complete = o->keys == all;
    return check_needs(o, cost_out_bytes((uint32_t)b.rows, l->head_dim, only));
}

/** Notes that rows of a head are done; false if one of them was before. */
static bool mark_rows(checker *c, uint8_t *done, const check_content *b, const char *what) {
    uint8_t *head = done + (size_t)b->head * c->layers[b->layer].slots;
    for (int64_t row = b->row; row < b->row + b->rows; row++) {
        if (head[row])
            return CHECK_FAIL("slot %lld of head %lld in layer %lld is %s twice", (long long)row, (long long)b->head,
                              (long long)b->layer, what);
        head[row] = 1;
    }
    return true;
}

bool check_store(checker *c) {
    check_content b = check_block(c, HOLDS_SUMS), *o = check_operand(c, 0);
    if (o->holds != HOLDS_SUMS || !check_same_rows(o, &b) || !o->complete)
        return CHECK_FAIL("operand 1 must hold the finished output of head %lld, slots %lld..%lld", (long long)b.head,
                          (long long)b.row, (long long)(b.row + b.rows));
    check_needs(o, cost_out_bytes((uint32_t)b.rows, c->layers[b.layer].head_dim, true));
    return mark_rows(c, c->progress[b.layer].stored, &b, "stored");
}

/** What stands for the sums of the key/value heads that choose together, of which that of query head `head` is one. */
static int64_t of_table(const layer_info *l, int64_t head) {
    return l->by_head ? -1 - kv_head(l, head) : -1;
}

bool check_importance(checker *c) {
    check_content b = check_block(c, HOLDS_SUMS), *sums = check_operand(c, 1);
    const layer_info *l = &c->layers[b.layer];
    bool first = strcmp(check_word(c, c->k.first), "yes") == 0;
    if (l->by_own && !l->late)
        return check_fail(c, "a layer that chooses its own tokens before its scores measures no importance");
    const int64_t of = l->late ? of_table(l, b.head) : -1;
    if (!reads_probs(c, &b, l->cols))
        return false;
    if (first != (sums->holds == HOLDS_NOTHING))
        return CHECK_FAIL("`first` is %s, but sums of this layer %s", first ? "yes" : "no",
                          first ? "stand there already" : "have not begun");
    if (first && !check_fill(c, 1, (check_content){.holds = HOLDS_SUMS, .layer = b.layer, .head = of}))
        return false;
    if (sums->holds != HOLDS_SUMS || sums->head != of || sums->layer != b.layer)
        return check_fail(c, "operand 2 must be the importance of this layer");
    check_needs(sums, 8ull * l->cols);
    return mark_rows(c, c->progress[b.layer].counted, &b, "counted");
}

/** Whether all query rows of heads [first, end) are marked; else which is not. */
static bool check_heads(checker *c, const layer_info *l, uint32_t first, uint32_t end, const uint8_t *done,
                        const char *what) {
    for (uint32_t head = first; head < end; head++)
        for (uint32_t row = l->query_first; row < l->query_first + l->queries; row++)
            if (!done[(size_t)head * l->slots + row])
                return CHECK_FAIL("slot %u of head %u in layer %u has not been %s", row, head, l->index, what);
    return true;
}

bool check_all_rows(checker *c, const layer_info *l, const uint8_t *done, const char *what) {
    return check_heads(c, l, 0, l->heads, done, what);
}

bool check_choose_late(checker *c) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    const int64_t table = check_int(c, c->k.head);
    check_progress *p = &c->progress[l->index];
    const uint32_t tables = l->by_head ? l->kv_heads : 1, of = l->heads / tables;
    check_content *sums = check_operand(c, 0);
    if (!l->late)
        return CHECK_FAIL("layer %u does not choose late", l->index);
    if (table != p->heads || p->chosen)
        return CHECK_FAIL("layer %u chooses once, or for each key/value head in their order", l->index);
    if (sums->holds != HOLDS_SUMS || sums->head != -1 - table || sums->layer != l->index)
        return check_fail(c, "operand 1 must be the importance of this layer");
    if (!check_heads(c, l, (uint32_t)table * of, ((uint32_t)table + 1) * of, p->counted, "counted"))
        return false;
    p->chosen = ++p->heads == tables;
    return check_needs(sums, 8ull * l->slots);
}

bool check_topk(checker *c) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    check_progress *p = &c->progress[l->index];
    check_content *sums = check_operand(c, 0);
    bool chooses = l->index + 1 < c->layer_count && !check_has_ids(c, l->index + 1) && !c->layers[l->index + 1].by_own;
    if (l->by_own)
        return CHECK_FAIL("layer %u chooses its own tokens, and measures nothing for the next", l->index);
    if (p->finished)
        return CHECK_FAIL("layer %u has had its `topk`", l->index);
    if (sums->holds != HOLDS_SUMS || sums->head != -1 || sums->layer != l->index)
        return check_fail(c, "operand 1 must be the importance of this layer");
    if (!check_all_rows(c, l, p->counted, "counted"))
        return false;
    if (chooses != (strcmp(check_word(c, c->k.select), "yes") == 0))
        return CHECK_FAIL("`select` must be %s: layer %u %s", chooses ? "yes" : "no", l->index + 1,
                          chooses ? "takes its tokens from here" : "does not take its tokens from here");
    p->finished = true;
    return check_needs(sums, 8ull * l->keys);
}
