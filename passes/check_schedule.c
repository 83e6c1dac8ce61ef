/* Whether a schedule that was read does the work of its layers: a symbolic execution of the list. Every buffer stands
 * for what it holds, as the instruction that fills it says; every reader must expect exactly that; at the end each
 * query row of each head has been counted and stored once, and each product of a linear. So an edited schedule computes
 * what the model says, in another order or elsewhere, or it is refused where it stops to. */
#include <string.h>

#include "passes/derived.h"
#include "passes/instr.h"
#include "passes/linear.h"

/** What a buffer holds: a block of an operand, of scores, probabilities, sums; of linears rows, weights, products. */
typedef enum {
    HOLDS_NOTHING,
    HOLDS_BLOCK,
    HOLDS_SCORES,
    HOLDS_PROBS,
    HOLDS_SUMS,
    HOLDS_PRODUCTS,
    HOLDS_MATRIX
} holding;

typedef struct {
    uint8_t holds, operand; /* operand: of a block 0 q, 1 k, 2 v, 3 rows of a linear, 4 weights */
    int64_t layer, head, row, rows, col, cols;
    int64_t passes[4]; /* of probabilities: keys seen so far by softmax in mode full, max, wmax, exp */
    int64_t keys;      /* of sums: keys added so far; of products: inputs */
    const char *weight;
    bool complete;
    int64_t need; /* bytes */
    bool used, is_input;
} content;

typedef struct {
    bool quantised[3], finished;
    uint8_t *counted, *stored; /* [heads][slots] */
} progress;

/** A linear on the arrays: its codes, and what of its result has been stored. */
typedef struct {
    ir_value codes, result;
    const char *weight, *bias;
    int64_t layer, inputs, outputs, stored;
    uint8_t *done; /* [slots][outputs] */
} linear_work;

typedef struct {
    pass_context *ctx;
    const ir_module *m;
    instr_keys k;
    layer_info *layers;
    progress *progress;
    uint32_t layer_count, next_layer;
    content *contents;
    linear_work linear;
    ir_value output;
    size_t op;
} check;

static bool fail(check *c, const char *what) {
    return diag_error(c->ctx->diag, c->m->ops[c->op].loc, "`%s`: %s",
                      ir_info((ir_opcode)c->m->ops[c->op].code)->spelling, what);
}

#define FAIL(...) fail(c, arena_printf(c->ctx->arena, __VA_ARGS__))

static int64_t get(const check *c, unsigned key) {
    return ir_int(c->m, c->op, key, 0);
}

static const char *word(const check *c, unsigned key) {
    const char *text = ir_str(c->m, c->op, key);
    return text ? text : "";
}

static content *operand(check *c, size_t index) {
    ir_value v = ir_operand(c->m, c->op, index);
    return v == IR_NONE ? NULL : &c->contents[v];
}

static bool needs(content *b, uint64_t bytes) {
    b->need = (int64_t)bytes > b->need ? (int64_t)bytes : b->need;
    return true;
}

/** The block that the op works on: layer, head, rows and keys. */
static content block_of(const check *c, uint8_t holds) {
    return (content){.holds = holds,
                     .layer = get(c, c->k.layer),
                     .head = get(c, c->k.head),
                     .row = get(c, c->k.row),
                     .rows = get(c, c->k.rows),
                     .col = get(c, c->k.col),
                     .cols = get(c, c->k.cols)};
}

/** Fills a buffer that holds nothing yet: buffers are not used again, the passes behind decide what shares memory. */
static bool fill(check *c, size_t index, content what) {
    content *b = operand(c, index);
    if (b->holds != HOLDS_NOTHING)
        return FAIL("operand %zu holds something already; give it a buffer of its own", index + 1);
    what.need = b->need;
    what.used = b->used;
    what.is_input = b->is_input;
    *b = what;
    return true;
}

static bool same_rows(const content *b, const content *want) {
    return b->layer == want->layer && b->head == want->head && b->row == want->row && b->rows == want->rows;
}

/** Reads a block of an operand that a load brought. */
static bool reads_block(check *c, size_t index, uint8_t which, int64_t head, int64_t row, int64_t rows) {
    static const char *const names[] = {"queries", "keys", "values"};
    content *b = operand(c, index);
    const layer_info *l = &c->layers[get(c, c->k.layer)];
    content want = {.layer = l->index, .head = head, .row = row, .rows = rows};
    if (b->holds != HOLDS_BLOCK || b->operand != which || !same_rows(b, &want))
        return FAIL("operand %zu must hold %s of layer %lld, head %lld, slots %lld..%lld", index + 1, names[which],
                    (long long)want.layer, (long long)head, (long long)row, (long long)(row + rows));
    return needs(b, layer_block_bytes(l, which, (uint32_t)row, (uint32_t)rows));
}

static bool check_load(check *c) {
    content b = block_of(c, HOLDS_BLOCK);
    const layer_info *l = &c->layers[b.layer];
    const char letter = *word(c, c->k.operand);
    b.operand = letter == 'q' ? LAYER_Q : letter == 'k' ? LAYER_K : LAYER_V;
    b.col = b.cols = 0;
    if (!c->progress[b.layer].quantised[b.operand])
        return FAIL("no `host.quant` has made codes of %c in layer %lld before", letter, (long long)b.layer);
    return fill(c, 0, b) && needs(operand(c, 0), layer_block_bytes(l, b.operand, (uint32_t)b.row, (uint32_t)b.rows));
}

static int64_t kv_head(const layer_info *l, int64_t head) {
    return head / (l->heads / l->kv_heads);
}

static bool check_qk(check *c) {
    content b = block_of(c, HOLDS_SCORES);
    const layer_info *l = &c->layers[b.layer];
    return reads_block(c, 0, LAYER_Q, b.head, b.row, b.rows) &&
           reads_block(c, 1, LAYER_K, kv_head(l, b.head), b.col, b.cols) && fill(c, 2, b) &&
           needs(operand(c, 2), cost_scores_bytes((uint32_t)b.rows, (uint32_t)b.cols));
}

enum { MODE_FULL, MODE_MAX, MODE_WMAX, MODE_EXP };

static int mode_of(const char *text) {
    return strcmp(text, "full") == 0   ? MODE_FULL
           : strcmp(text, "max") == 0  ? MODE_MAX
           : strcmp(text, "wmax") == 0 ? MODE_WMAX
                                       : MODE_EXP;
}

/** Passes over the keys in their order; each begins where the one before has ended. */
static bool advance(check *c, content *p, int mode, const content *b, const layer_info *l) {
    int64_t keys = l->keys, first = l->key_first;
    if (mode == MODE_FULL ? b->cols != keys || b->col != first : b->col != first + p->passes[mode])
        return FAIL("mode %s comes to keys %lld..%lld, but here it is to go on at %lld", word(c, c->k.mode),
                    (long long)b->col, (long long)(b->col + b->cols), (long long)(first + p->passes[mode]));
    if (mode == MODE_WMAX && !l->causal)
        return fail(c, "mode wmax is of causal layers");
    if ((mode == MODE_WMAX && p->passes[MODE_MAX] != keys) ||
        (mode == MODE_EXP && p->passes[l->causal ? MODE_WMAX : MODE_MAX] != keys))
        return fail(c, "the pass over all keys that comes before its own has not ended");
    p->passes[mode] += b->cols;
    p->complete = p->passes[MODE_FULL] == keys || p->passes[MODE_EXP] == keys;
    return true;
}

static bool check_softmax(check *c) {
    content b = block_of(c, HOLDS_PROBS), *s = operand(c, 0), *p = operand(c, 2);
    const layer_info *l = &c->layers[b.layer];
    const int mode = mode_of(word(c, c->k.mode));
    if (s->holds != HOLDS_SCORES || !same_rows(s, &b) || s->col != b.col || s->cols != b.cols)
        return fail(c, "operand 1 must hold the scores of these rows and keys");
    needs(s, cost_scores_bytes((uint32_t)b.rows, (uint32_t)b.cols));
    bool folds = l->causal && mode != MODE_MAX;
    if (folds != (operand(c, 1) != NULL))
        return FAIL("operand 2 must %s", folds ? "hold the values of these keys, whose scales it folds in" : "be `_`");
    if (folds && !reads_block(c, 1, LAYER_V, kv_head(l, b.head), b.col, b.cols))
        return false;
    if ((mode == MODE_FULL || mode == MODE_MAX) && p->holds == HOLDS_NOTHING) {
        content empty = b;
        empty.col = empty.cols = 0;
        if (!fill(c, 2, empty))
            return false;
    }
    if (p->holds != HOLDS_PROBS || !same_rows(p, &b) || p->complete)
        return fail(c, "operand 3 must be the probabilities of these rows, not yet complete");
    needs(p, cost_probs_bytes((uint32_t)b.rows, l->keys, l->causal));
    return advance(c, p, mode, &b, l);
}

static bool reads_probs(check *c, const content *b, int64_t keys) {
    const layer_info *l = &c->layers[b->layer];
    content *p = operand(c, 0);
    int64_t there = p->passes[MODE_FULL] > p->passes[MODE_EXP] ? p->passes[MODE_FULL] : p->passes[MODE_EXP];
    if (p->holds != HOLDS_PROBS || !same_rows(p, b) || there < keys)
        return FAIL("operand 1 must hold probabilities of head %lld, slots %lld..%lld, for the first %lld keys",
                    (long long)b->head, (long long)b->row, (long long)(b->row + b->rows), (long long)keys);
    return needs(p, cost_probs_bytes((uint32_t)b->rows, l->keys, l->causal));
}

static bool check_pv(check *c) {
    content b = block_of(c, HOLDS_SUMS), *o = operand(c, 2);
    const layer_info *l = &c->layers[b.layer];
    const char *flags = word(c, c->k.flags);
    const int64_t done = b.col - l->key_first, all = l->keys;
    bool only = strcmp(flags, "only") == 0, first = only || strcmp(flags, "first") == 0;
    bool last = only || strcmp(flags, "last") == 0;
    if (!reads_probs(c, &b, done + b.cols) || !reads_block(c, 1, LAYER_V, kv_head(l, b.head), b.col, b.cols))
        return false;
    if (first != (done == 0) || last != (done + b.cols == all))
        return FAIL("`flags` is %s, but keys %lld..%lld are %s of the layer's %lld", flags, (long long)b.col,
                    (long long)(b.col + b.cols),
                    done == 0              ? (b.cols == all ? "all" : "the first")
                    : done + b.cols == all ? "the last"
                                           : "in the middle",
                    (long long)all);
    if (first && !fill(c, 2, b))
        return false;
    if (o->holds != HOLDS_SUMS || !same_rows(o, &b) || o->complete || o->keys != done)
        return fail(c, "operand 3 must hold the sums of these rows over the keys before");
    o->keys += b.cols;
    o->complete = o->keys == all;
    return needs(o, cost_out_bytes((uint32_t)b.rows, l->head_dim, only));
}

/** Notes that rows of a head are done; false if one of them was before. */
static bool mark_rows(check *c, uint8_t *done, const content *b, const char *what) {
    uint8_t *head = done + (size_t)b->head * c->layers[b->layer].slots;
    for (int64_t row = b->row; row < b->row + b->rows; row++) {
        if (head[row])
            return FAIL("slot %lld of head %lld in layer %lld is %s twice", (long long)row, (long long)b->head,
                        (long long)b->layer, what);
        head[row] = 1;
    }
    return true;
}

static bool check_store(check *c) {
    content b = block_of(c, HOLDS_SUMS), *o = operand(c, 0);
    if (o->holds != HOLDS_SUMS || !same_rows(o, &b) || !o->complete)
        return FAIL("operand 1 must hold the finished output of head %lld, slots %lld..%lld", (long long)b.head,
                    (long long)b.row, (long long)(b.row + b.rows));
    needs(o, cost_out_bytes((uint32_t)b.rows, c->layers[b.layer].head_dim, true));
    return mark_rows(c, c->progress[b.layer].stored, &b, "stored");
}

static bool check_importance(check *c) {
    content b = block_of(c, HOLDS_SUMS), *sums = operand(c, 1);
    const layer_info *l = &c->layers[b.layer];
    bool first = strcmp(word(c, c->k.first), "yes") == 0;
    if (!reads_probs(c, &b, l->keys))
        return false;
    if (first != (sums->holds == HOLDS_NOTHING))
        return FAIL("`first` is %s, but sums of this layer %s", first ? "yes" : "no",
                    first ? "stand there already" : "have not begun");
    if (first && !fill(c, 1, (content){.holds = HOLDS_SUMS, .layer = b.layer, .head = -1}))
        return false;
    if (sums->holds != HOLDS_SUMS || sums->head != -1 || sums->layer != b.layer)
        return fail(c, "operand 2 must be the importance of this layer");
    needs(sums, 8ull * l->keys);
    return mark_rows(c, c->progress[b.layer].counted, &b, "counted");
}

/** Whether all query rows of all heads are marked; else which is not. */
static bool all_rows(check *c, const layer_info *l, const uint8_t *done, const char *what) {
    for (uint32_t head = 0; head < l->heads; head++)
        for (uint32_t row = l->query_first; row < l->query_first + l->queries; row++)
            if (!done[(size_t)head * l->slots + row])
                return FAIL("slot %u of head %u in layer %u has not been %s", row, head, l->index, what);
    return true;
}

static bool has_ids(const check *c, uint32_t layer) {
    for (size_t op = 0; op < c->m->op_count; op++)
        if (c->m->ops[op].code == IR_LAYER && ir_int(c->m, op, IR_KEY_index, -1) == layer)
            return ir_get(c->m, op, IR_KEY_ids) != NULL;
    return false;
}

static bool check_topk(check *c) {
    const layer_info *l = &c->layers[get(c, c->k.layer)];
    progress *p = &c->progress[l->index];
    content *sums = operand(c, 0);
    bool chooses = l->index + 1 < c->layer_count && !has_ids(c, l->index + 1);
    if (p->finished)
        return FAIL("layer %u has had its `topk`", l->index);
    if (sums->holds != HOLDS_SUMS || sums->head != -1 || sums->layer != l->index)
        return fail(c, "operand 1 must be the importance of this layer");
    if (!all_rows(c, l, p->counted, "counted"))
        return false;
    if (chooses != (strcmp(word(c, c->k.select), "yes") == 0))
        return FAIL("`select` must be %s: layer %u %s", chooses ? "yes" : "no", l->index + 1,
                    chooses ? "takes its tokens from here" : "does not take its tokens from here");
    p->finished = true;
    return needs(sums, 8ull * l->keys);
}

/* ---- the host, matrices in DRAM ---------------------------------------------------------------------------------- */

/** Host work is on the tokens of the layer whose attention comes next, behind the last on those of the last. */
static bool check_layer_of_host(check *c) {
    if (!ir_get(c->m, c->op, c->k.layer) || !c->layer_count)
        return true;
    uint32_t want = c->next_layer < c->layer_count ? c->next_layer : c->layer_count - 1;
    return get(c, c->k.layer) == want ||
           FAIL("`layer` is %lld, but rows are those of layer %u here", (long long)get(c, c->k.layer), want);
}

static bool reads_matrix(check *c, size_t index, uint64_t bytes) {
    content *b = operand(c, index);
    if (b->holds != HOLDS_MATRIX && !b->is_input)
        return FAIL("operand %zu holds nothing yet", index + 1);
    if (b->rows && b->rows != (int64_t)bytes)
        return FAIL("operand %zu holds %lld bytes, but it reads %llu", index + 1, (long long)b->rows,
                    (unsigned long long)bytes);
    return needs(b, bytes);
}

static bool writes_matrix(check *c, size_t index, uint64_t bytes) {
    return fill(c, index, (content){.holds = HOLDS_MATRIX, .rows = (int64_t)bytes}) && needs(operand(c, index), bytes);
}

static const ir_tensor *tensor(const check *c, unsigned key) {
    const char *name = word(c, key);
    int index = *name ? ir_tensor_find(c->m, name) : -1;
    return index < 0 ? NULL : &c->m->tensors[index];
}

static uint64_t matrix_bytes(const check *c, uint64_t width) {
    return 4ull * c->m->header.seq * width;
}

static uint64_t outputs_of(const ir_tensor *t) {
    return t->transposed ? t->cols : t->rows;
}

static uint64_t inputs_of(const ir_tensor *t) {
    return t->transposed ? t->rows : t->cols;
}

/** Whose name keeps its memory through the run: a key or value that is cached. */
static bool check_cache_name(check *c, const layer_info *l, int which) {
    static const char *const names[] = {"q", "k", "v"};
    size_t def = c->m->defs[ir_operand(c->m, c->op, 0)];
    const char *name = ir_str(c->m, def, IR_KEY_name);
    if (c->contents[ir_operand(c->m, c->op, 0)].is_input)
        return true;
    bool cached = l->cached && which > 0;
    const char *want = arena_printf(c->ctx->arena, "cache.%s.%u", names[which], l->index);
    bool output = name && strncmp(name, "output.", 7) == 0;
    return output || (cached ? name && strcmp(name, want) == 0 : !name) ||
           FAIL("operand 1 must %s%s%s, for it %s", cached ? "be named \"" : "have no name", cached ? want : "",
                cached ? "\"" : "", cached ? "stays through the run" : "is no cache");
}

static bool check_quant(check *c) {
    const layer_info *l = &c->layers[get(c, c->k.layer)];
    const char letter = *word(c, c->k.operand);
    int which = letter == 'q' ? LAYER_Q : letter == 'k' ? LAYER_K : LAYER_V;
    progress *p = &c->progress[l->index];
    if (p->quantised[which])
        return FAIL("codes of %c in layer %u are made twice", letter, l->index);
    if (l->index != c->next_layer)
        return FAIL("`layer` is %u, but it is layer %u whose attention comes next", l->index, c->next_layer);
    p->quantised[which] = true;
    if (p->quantised[0] && p->quantised[1] && p->quantised[2])
        c->next_layer++;
    return check_cache_name(c, l, which) &&
           reads_matrix(c, 0, matrix_bytes(c, (uint64_t)(which ? l->kv_heads : l->heads) * l->head_dim));
}

static bool reads_and_writes(check *c, uint64_t in, uint64_t out) {
    return reads_matrix(c, 1, matrix_bytes(c, in)) && writes_matrix(c, 0, matrix_bytes(c, out));
}

static bool check_host(check *c, dtq_opcode code) {
    const ir_tensor *t;
    uint64_t width = (uint64_t)get(c, c->k.width);
    if (!check_layer_of_host(c))
        return false;
    switch (code) {
    case DTQ_OP_EMBED:
        return writes_matrix(c, 0, matrix_bytes(c, tensor(c, c->k.word)->cols));
    case DTQ_OP_LINEAR:
        t = tensor(c, c->k.weight);
        return reads_and_writes(c, inputs_of(t), outputs_of(t));
    case DTQ_OP_NORM:
    case DTQ_OP_RMSNORM:
        t = tensor(c, c->k.gamma);
        return reads_and_writes(c, t->cols, t->cols);
    case DTQ_OP_AFFINE:
        t = tensor(c, c->k.gain);
        return reads_and_writes(c, t->cols, t->cols);
    case DTQ_OP_ROTARY:
    case DTQ_OP_ACT:
        return reads_and_writes(c, width, width);
    case DTQ_OP_ADD:
    case DTQ_OP_MUL:
        return reads_matrix(c, 1, matrix_bytes(c, width)) && reads_matrix(c, 2, matrix_bytes(c, width)) &&
               writes_matrix(c, 0, matrix_bytes(c, width));
    case DTQ_OP_POOL:
        return reads_matrix(c, 1, matrix_bytes(c, width)) && writes_matrix(c, 0, 4 * width);
    default: /* normalize */
        return reads_matrix(c, 1, 4 * width) && writes_matrix(c, 0, 4 * width);
    }
}

/* ---- linears on the arrays --------------------------------------------------------------------------------------- */

static bool ends_linear(check *c) {
    const linear_work *w = &c->linear;
    if (!w->weight)
        return true;
    const layer_info *l = &c->layers[w->layer];
    return w->stored == (int64_t)l->queries * w->outputs ||
           FAIL("before it %lld of %lld products of the linear of \"%s\" have been stored", (long long)w->stored,
                (long long)((int64_t)l->queries * w->outputs), w->weight);
}

static bool check_codes(check *c) {
    const ir_tensor *t = tensor(c, c->k.weight);
    uint64_t in = inputs_of(t), out = outputs_of(t);
    if (!ends_linear(c) || !check_layer_of_host(c) || !reads_matrix(c, 1, matrix_bytes(c, in)))
        return false;
    const int64_t layer = get(c, c->k.layer);
    c->linear = (linear_work){.codes = ir_operand(c->m, c->op, 2),
                              .result = ir_operand(c->m, c->op, 0),
                              .weight = t->name,
                              .bias = word(c, c->k.bias),
                              .layer = layer,
                              .inputs = (int64_t)in,
                              .outputs = (int64_t)out};
    c->linear.done = ARENA_ARRAY(c->ctx->arena, uint8_t, (size_t)c->layers[layer].slots *out);
    uint64_t bytes = (uint64_t)c->m->header.seq * (in + 4);
    return writes_matrix(c, 0, matrix_bytes(c, out)) && writes_matrix(c, 2, bytes);
}

static bool in_linear(check *c) {
    if (!c->linear.weight)
        return fail(c, "no `host.codes` has begun a linear before");
    return get(c, c->k.layer) == c->linear.layer ||
           FAIL("`layer` is not that of its linear, %lld", (long long)c->linear.layer);
}

static bool check_load_rows(check *c) {
    content b = block_of(c, HOLDS_BLOCK);
    b.operand = 3;
    b.col = get(c, c->k.input);
    b.cols = get(c, c->k.depth);
    if (!in_linear(c))
        return false;
    if (ir_operand(c->m, c->op, 0) != c->linear.codes || get(c, c->k.width) != c->linear.inputs)
        return FAIL("operand 1 and `width` must be the codes and the %lld inputs of its linear",
                    (long long)c->linear.inputs);
    if (b.col + b.cols > c->linear.inputs)
        return fail(c, "it leaves the inputs of its linear");
    return fill(c, 1, b) && needs(operand(c, 1), linear_rows_bytes(&c->layers[b.layer], (uint32_t)b.row,
                                                                   (uint32_t)b.rows, (uint32_t)b.cols));
}

static bool check_load_weights(check *c) {
    content b = {.holds = HOLDS_BLOCK,
                 .operand = 4,
                 .layer = get(c, c->k.layer),
                 .row = get(c, c->k.output),
                 .rows = get(c, c->k.cols),
                 .col = get(c, c->k.input),
                 .cols = get(c, c->k.depth),
                 .weight = word(c, c->k.weight)};
    if (!in_linear(c))
        return false;
    if (strcmp(b.weight, c->linear.weight) != 0 || strcmp(word(c, c->k.bias), c->linear.bias) != 0)
        return FAIL("`weight` and `bias` must be those of its linear, \"%s\" and \"%s\"", c->linear.weight,
                    c->linear.bias);
    if (b.row + b.rows > c->linear.outputs || b.col + b.cols > c->linear.inputs)
        return fail(c, "it leaves the weights of its linear");
    return fill(c, 0, b) && needs(operand(c, 0), linear_weights_bytes((uint32_t)b.rows, (uint32_t)b.cols));
}

static bool check_matmul(check *c) {
    content *x = operand(c, 0), *w = operand(c, 1), *o = operand(c, 2), b = block_of(c, HOLDS_PRODUCTS);
    const char *flags = word(c, c->k.flags);
    bool only = strcmp(flags, "only") == 0, first = only || strcmp(flags, "first") == 0;
    bool last = only || strcmp(flags, "last") == 0;
    int64_t depth = get(c, c->k.depth);
    if (!in_linear(c))
        return false;
    if (x->holds != HOLDS_BLOCK || x->operand != 3 || x->row != b.row || x->rows != b.rows || x->cols != depth)
        return fail(c, "operand 1 must hold these rows and inputs");
    if (w->holds != HOLDS_BLOCK || w->operand != 4 || w->rows != b.cols || w->col != x->col || w->cols != depth)
        return fail(c, "operand 2 must hold the weights of these inputs, and as many outputs");
    needs(x, linear_rows_bytes(&c->layers[b.layer], (uint32_t)b.row, (uint32_t)b.rows, (uint32_t)depth));
    needs(w, linear_weights_bytes((uint32_t)b.cols, (uint32_t)depth));
    if (first != (x->col == 0) || last != (x->col + depth == c->linear.inputs))
        return FAIL("`flags` is %s, but its inputs are %lld..%lld of %lld", flags, (long long)x->col,
                    (long long)(x->col + depth), (long long)c->linear.inputs);
    b.col = w->row;
    if (first && !fill(c, 2, b))
        return false;
    if (o->holds != HOLDS_PRODUCTS || !same_rows(o, &b) || o->col != b.col || o->cols != b.cols || o->keys != x->col)
        return fail(c, "operand 3 must hold the sums of these rows and outputs over the inputs before");
    o->keys += depth;
    o->complete = last;
    return needs(o, 4ull * (uint64_t)b.rows * (uint64_t)b.cols);
}

static bool check_store_rows(check *c) {
    content *o = operand(c, 0), b = block_of(c, HOLDS_PRODUCTS);
    b.col = get(c, c->k.output);
    if (!in_linear(c))
        return false;
    if (o->holds != HOLDS_PRODUCTS || !o->complete || !same_rows(o, &b) || o->col != b.col || o->cols != b.cols)
        return fail(c, "operand 1 must hold the finished products of these rows and outputs");
    if (ir_operand(c->m, c->op, 1) != c->linear.result || get(c, c->k.width) != c->linear.outputs)
        return FAIL("operand 2 and `width` must be the result and the %lld outputs of its linear",
                    (long long)c->linear.outputs);
    needs(o, 4ull * (uint64_t)b.rows * (uint64_t)b.cols);
    for (int64_t row = b.row; row < b.row + b.rows; row++)
        for (int64_t col = b.col; col < b.col + b.cols; col++) {
            uint8_t *done = &c->linear.done[row * c->linear.outputs + col];
            if (*done)
                return FAIL("output %lld of slot %lld is stored twice", (long long)col, (long long)row);
            *done = 1;
            c->linear.stored++;
        }
    return true;
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

/** A buffer stands in front of the op that first names it, among those that this op names first, in the order of its
 *  operands; named inputs stand behind the layers. So that where it stands means nothing else. */
static bool check_places(check *c) {
    const ir_module *m = c->m;
    size_t pending[32], count = 0, at = 0;
    bool begun = false, inputs = false;
    for (c->op = 0; c->op < m->op_count; c->op++) {
        ir_opcode code = (ir_opcode)m->ops[c->op].code;
        if (code == IR_BUFFER) {
            const char *name = ir_str(m, c->op, IR_KEY_name);
            bool input = m->header.qkv_input && name && strlen(name) == 1 && strchr("qkv", *name);
            c->contents[m->ops[c->op].result].is_input = input;
            if (input && begun)
                return fail(c, "an input stands in front of all instructions");
            inputs = inputs || input;
            if (input)
                continue;
            if (count == sizeof pending / sizeof *pending)
                return fail(c, "a buffer stands in front of the op that first names it");
            pending[count++] = c->op;
            continue;
        }
        if (code == IR_I_WAIT || code == IR_I_SIGNAL)
            continue;
        begun = begun || code != IR_LAYER;
        if ((begun || inputs) && code == IR_LAYER)
            return fail(c, "layers are declared in front of inputs and instructions");
        at = 0;
        for (size_t i = 0; i < m->ops[c->op].operand_count; i++) {
            content *b = operand(c, i);
            if (!b || b->used)
                continue;
            b->used = true;
            if (b->is_input && code != IR_LAYER)
                continue;
            if (at >= count || m->ops[pending[at]].result != ir_operand(m, c->op, i)) {
                c->op = at < count ? pending[at] : c->op;
                return fail(c, "buffers stand in front of the op that names them first, in the order of its operands");
            }
            at++;
        }
        if (at < count) {
            c->op = pending[at];
            return fail(c, "the op behind it does not name it; a buffer stands in front of the op that first does");
        }
        count = 0;
    }
    if (count) {
        c->op = pending[0];
        return fail(c, "no op names it");
    }
    return true;
}

static bool check_names(check *c) {
    static const char *const outputs[] = {"output.pooled", "output.hidden", "output.attention"};
    bool inputs[3] = {false}, output = false;
    for (c->op = 0; c->op < c->m->op_count; c->op++) {
        const char *name = c->m->ops[c->op].code == IR_BUFFER ? ir_str(c->m, c->op, IR_KEY_name) : NULL;
        if (!name)
            continue;
        bool known = strncmp(name, "cache.", 6) == 0; /* check_cache_name */
        for (int i = 0; i < 3; i++) {
            if (strcmp(name, outputs[i]) == 0) {
                if (output)
                    return fail(c, "there are two outputs");
                known = output = true;
                c->output = c->m->ops[c->op].result;
            }
            if (c->m->header.qkv_input && strlen(name) == 1 && *name == "qkv"[i]) {
                if (inputs[i])
                    return fail(c, "the input is there twice");
                known = inputs[i] = true;
            }
        }
        if (!known)
            return FAIL("its name, \"%s\", is not that of an input, an output or a cache", name);
    }
    const src_loc start = {c->m->text_file, 1, 1};
    if (!output)
        return diag_error(c->ctx->diag, start,
                          "no buffer is the output; name one output.pooled, .hidden or .attention");
    for (int i = 0; i < 3 && c->m->header.qkv_input; i++)
        if (!inputs[i])
            return diag_error(c->ctx->diag, start, "no buffer is the input %c; name it", "qkv"[i]);
    return true;
}

static bool check_bytes(check *c) {
    for (size_t v = 0; v < c->m->value_count; v++) {
        c->op = c->m->defs[v];
        int64_t bytes = ir_int(c->m, c->op, IR_KEY_bytes, 0);
        if (bytes != c->contents[v].need)
            return FAIL("`bytes` is %lld, but what it holds takes %lld", (long long)bytes,
                        (long long)c->contents[v].need);
    }
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/** Regions of the layer: shared ones are as large as the largest layer needs. */
static void declare(check *c) {
    const layer_info *l = &c->layers[ir_int(c->m, c->op, IR_KEY_index, 0)];
    uint64_t seq = c->m->header.seq, q = l->heads * seq, kv = l->kv_heads * seq, d = l->head_dim;
    const uint64_t bytes[] = {q * d,     kv * d, kv * d, 4 * q, 4 * kv, l->causal ? 4 * kv : 8ull * l->kv_heads * d,
                              4 * q * d, 8 * seq};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        needs(operand(c, i), bytes[i]);
    operand(c, 6)->holds = HOLDS_MATRIX;
    operand(c, 6)->rows = (int64_t)bytes[6];
}

static bool check_op(check *c) {
    switch ((ir_opcode)c->m->ops[c->op].code) {
    case IR_BUFFER:
    case IR_I_WAIT:
    case IR_I_SIGNAL:
        return true;
    case IR_LAYER:
        declare(c);
        return true;
    case IR_I_LOAD:
        return check_load(c);
    case IR_I_QK:
        return check_qk(c);
    case IR_I_SOFTMAX:
        return check_softmax(c);
    case IR_I_PV:
        return check_pv(c);
    case IR_I_STORE:
        return check_store(c);
    case IR_I_IMPORTANCE:
        return check_importance(c);
    case IR_I_TOPK:
        return check_topk(c);
    case IR_I_QUANT:
        return check_quant(c);
    case IR_I_CODES:
        return check_codes(c);
    case IR_I_LOAD_ROWS:
        return check_load_rows(c);
    case IR_I_LOAD_WEIGHTS:
        return check_load_weights(c);
    case IR_I_MATMUL:
        return check_matmul(c);
    case IR_I_STORE_ROWS:
        return check_store_rows(c);
    default:
        return check_host(c, (dtq_opcode)IR_ISA_OP(c->m->ops[c->op].code));
    }
}

/** At the end all layers are done. A system's layers have no work here but their codes. */
static bool check_end(check *c) {
    bool of_system = ir_pass_ran(c->m, "lower-layers");
    c->op = c->m->op_count - 1;
    for (uint32_t i = 0; i < c->layer_count; i++) {
        const progress *p = &c->progress[i];
        for (int o = 0; o < 3; o++)
            if (!p->quantised[o])
                return FAIL("behind it a `host.quant` of %c in layer %u is missing", "qkv"[o], i);
        if (of_system)
            continue;
        if (!p->finished)
            return FAIL("behind it the `topk` of layer %u is missing", i);
        if (!all_rows(c, &c->layers[i], p->stored, "stored"))
            return false;
    }
    return ends_linear(c) &&
           (c->contents[c->output].holds == HOLDS_MATRIX || fail(c, "nothing has written the output"));
}

bool schedule_holds(pass_context *ctx, const ir_module *m) {
    check *c = ARENA_NEW(ctx->arena, check);
    *c = (check){.ctx = ctx, .m = m, .k = instr_keys_find()};
    for (size_t op = 0; op < m->op_count; op++)
        c->layer_count += m->ops[op].code == IR_LAYER;
    c->layers = ARENA_ARRAY(ctx->arena, layer_info, c->layer_count + 1);
    c->progress = ARENA_ARRAY(ctx->arena, progress, c->layer_count + 1);
    c->contents = ARENA_ARRAY(ctx->arena, content, m->value_count + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_LAYER)
            continue;
        layer_info l = layer_read(ctx->arena, m, op);
        c->layers[l.index] = l;
        progress *p = &c->progress[l.index];
        p->counted = ARENA_ARRAY(ctx->arena, uint8_t, (size_t)l.heads *l.slots);
        p->stored = ARENA_ARRAY(ctx->arena, uint8_t, (size_t)l.heads *l.slots);
    }
    if (!check_names(c) || !check_places(c))
        return false;
    for (c->op = 0; c->op < m->op_count; c->op++)
        if (!check_op(c))
            return false;
    return check_end(c) && check_bytes(c);
}
