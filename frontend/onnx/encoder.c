/* From what an ONNX graph means to a model of ours: an encoder of the BERT family, taken apart from its end. */
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "frontend/onnx/explain.h"

/* Rotary positions end nowhere; a graph does not say how long the texts were that it learned. */
enum { ROTARY_POSITIONS = 2048 };

/** What a weight's place in the model holds, and whether it is stored [inputs][outputs]. */
typedef struct {
    const onnx_tensor *tensor[WEIGHT_ROLES];
    bool transposed[WEIGHT_ROLES];
} weights;

typedef struct {
    importer *im;
    weights whole, *layers; /* from the last */
    size_t count, room;
    struct claim {
        const term *at;
        const char *op;
        size_t block; /* from the last; SIZE_MAX: of no block */
    } *claims;        /* ops of the IR, by name; a block's number is known when all are found */
    size_t claim_count, claim_room;
    bool in_embeddings;
    bool faulty; /* something is wrong that is no reason to stop looking */
    transformer t;
    const term *masked, *scores; /* of all words; NULL: there are none */
    bool positions_known;
    uint32_t masked_activation;
} encoder;

static bool fail(const encoder *e, const term *at, const char *what) {
    const onnx_node *n = at ? at->node : NULL;
    return diag_error(e->im->d, (src_loc){e->im->graph->path, 0, 0},
                      "node \"%.80s\" (%.40s): %s; only encoders of the BERT family and decoders of those of GPT-2 and "
                      "Llama are read",
                      n ? n->name : "", n ? n->op : "input", what);
}

/** As fail, where the rest can still be looked at. */
static void fault(encoder *e, const term *at, const char *what) {
    e->faulty = true;
    fail(e, at, what);
}

/** Notes that the node of `t` makes an op of the IR: of the block that is being read, or of none. */
static void claim(encoder *e, const term *t, const char *op) {
    if (e->claim_count == e->claim_room) {
        size_t room = e->claim_room ? 2 * e->claim_room : 64;
        e->claims = arena_resize(e->im->a, e->claims, e->claim_room * sizeof *e->claims, room * sizeof *e->claims);
        e->claim_room = room;
    }
    e->claims[e->claim_count++] = (struct claim){t, op, e->count && !e->in_embeddings ? e->count - 1 : SIZE_MAX};
}

static void put(weights *w, weight_role role, const onnx_tensor *t, bool transposed) {
    w->tensor[role] = t;
    w->transposed[role] = transposed;
}

static bool take_linear(encoder *e, weights *w, const term *t, weight_role weight, weight_role bias, const char *op) {
    if (t->kind != TERM_LINEAR)
        return fail(e, t, "a linear is expected here");
    put(w, weight, t->weight, t->transposed);
    put(w, bias, t->bias, false);
    claim(e, t, op);
    return true;
}

static bool take_norm(encoder *e, weights *w, const term *t, weight_role gamma, weight_role beta, const char *op) {
    bool without_mean = t->function != 0;
    if (t->kind != TERM_LAYERNORM || without_mean == (t->bias != NULL))
        return fail(e, t, "a layer normalisation with factors and offsets, or one without a mean, is expected here");
    norm_kind kind = without_mean ? NORM_RMS : NORM_LAYER;
    if (e->t.norm_epsilon >= 0 && e->t.norm_kind != kind)
        fault(e, t, "it is of another kind than other normalisations");
    e->t.norm_kind = kind;
    if (e->t.norm_epsilon >= 0 && e->t.norm_epsilon != t->number)
        fault(e, t, "its epsilon differs from that of other normalisations");
    e->t.norm_epsilon = t->number;
    put(w, gamma, t->weight, false);
    put(w, beta, t->bias, false);
    claim(e, t, op);
    return true;
}

/** Of a sum the operand of this kind; the other one goes to `rest`. NULL if it is no such sum. */
static const term *part(const term *sum, term_kind kind, const term **rest) {
    if (sum->kind != TERM_SUM)
        return NULL;
    bool first = sum->a->kind == kind;
    *rest = first ? sum->b : sum->a;
    const term *found = first ? sum->a : sum->b;
    return found->kind == kind ? found : NULL;
}

/** All blocks must be of one size. */
static void same_size(encoder *e, const term *at, uint32_t *size, uint32_t found) {
    if (*size && *size != found)
        fault(e, at, "its width or number of heads differs from that of other blocks");
    *size = found;
}

static bool take_attention(encoder *e, weights *w, const term *norm, const term **below) {
    if (!take_norm(e, w, norm, WEIGHT_ATTENTION_GAMMA, WEIGHT_ATTENTION_BETA, "attention.norm"))
        return false;
    const term *out = part(norm->a, TERM_LINEAR, below);
    if (!out || out->a->kind != TERM_ATTENTION)
        return fail(e, norm->a, "the sum of a block's input and its attention is expected here");
    const term *attention = out->a;
    if (!take_linear(e, w, out, WEIGHT_OUTPUT, WEIGHT_OUTPUT_BIAS, "attention.output") ||
        !take_linear(e, w, attention->a, WEIGHT_QUERY, WEIGHT_QUERY_BIAS, "query") ||
        !take_linear(e, w, attention->b, WEIGHT_KEY, WEIGHT_KEY_BIAS, "key") ||
        !take_linear(e, w, attention->c, WEIGHT_VALUE, WEIGHT_VALUE_BIAS, "value"))
        return false;
    claim(e, attention, "attention");
    if (attention->function || attention->kv_heads != attention->heads)
        fault(e, attention, attention->function ? "hides later tokens" : "has fewer heads of keys than of queries");
    same_size(e, attention, &e->t.heads, attention->heads);
    return (term_same(attention->a->a, *below) && term_same(attention->b->a, *below) &&
            term_same(attention->c->a, *below) && attention->a->width == out->width) ||
           fail(e, attention, "query, key and value must be made of the block's input, and be as wide");
}

static weights *new_layer(encoder *e) {
    if (e->count == e->room) {
        size_t room = e->room ? 2 * e->room : 16;
        e->layers = arena_resize(e->im->a, e->layers, e->room * sizeof *e->layers, room * sizeof *e->layers);
        e->room = room;
    }
    e->layers[e->count] = (weights){0};
    return &e->layers[e->count++];
}

static void same_activation(encoder *e, const term *at, bool gated) {
    if (e->count > 1 && (e->t.activation != at->function || e->t.gated != gated))
        fault(e, at, "its activation differs from that of other blocks");
    e->t.activation = at->function;
    e->t.gated = gated;
    claim(e, at, "ffn.activation");
}

/** The last block above `*x`, which becomes its input. */
static bool take_block(encoder *e, const term **x) {
    weights *w = new_layer(e);
    const term *norm = *x, *middle = NULL;
    if (!take_norm(e, w, norm, WEIGHT_FFN_GAMMA, WEIGHT_FFN_BETA, "ffn.norm"))
        return false;
    const term *down = part(norm->a, TERM_LINEAR, &middle);
    const term *activation = down ? down->a : NULL;
    if (!activation || activation->kind != TERM_ACTIVATION || !term_same(activation->a->a, middle))
        return fail(e, norm->a, "the sum of a block's middle and its feed-forward is expected here");
    same_activation(e, activation, false);
    same_size(e, down, &e->t.hidden, down->width);
    same_size(e, down, &e->t.ffn, activation->a->width);
    return take_linear(e, w, down, WEIGHT_DOWN, WEIGHT_DOWN_BIAS, "ffn.down") &&
           take_linear(e, w, activation->a, WEIGHT_UP, WEIGHT_UP_BIAS, "ffn.up") && take_attention(e, w, middle, x);
}

/* ---- blocks that normalise their input ----------------------------------------------------------------------------
 */

static bool is_attention_branch(const term *x) {
    return x->kind == TERM_LINEAR && x->a->kind == TERM_ATTENTION;
}

static bool is_ffn_branch(const term *x) {
    return x->kind == TERM_LINEAR && (x->a->kind == TERM_ACTIVATION || x->a->kind == TERM_PRODUCT);
}

/** Of a sum the operand that is such a branch; the other one goes to `rest`. NULL if it is no such sum. */
static const term *branch(const term *sum, bool (*is)(const term *x), const term **rest) {
    if (sum->kind != TERM_SUM)
        return NULL;
    *rest = is(sum->b) ? sum->a : sum->b;
    return is(sum->b) ? sum->b : is(sum->a) ? sum->a : NULL;
}

/** Queries or keys before they were turned by their positions. */
static const term *take_rotary(encoder *e, const term *x, const char *op) {
    bool turned = x->kind == TERM_ROTARY;
    position_kind kind = turned ? POSITION_ROTARY : POSITION_LEARNED;
    const char *own = turned ? x->reason : NULL, *others = e->t.frequencies;
    bool first = !e->positions_known;
    e->positions_known = true;
    if (!first &&
        (e->t.position_kind != kind || (turned && (e->t.rotary_base != x->number || e->t.pairing != x->function ||
                                                   !own != !others || (own && strcmp(own, others) != 0)))))
        fault(e, x, "its positions differ from those of other queries and keys");
    e->t.position_kind = kind;
    if (!turned)
        return x;
    e->t.rotary_base = x->number;
    e->t.pairing = x->function;
    e->t.frequencies = own;
    claim(e, x, op);
    return x->a;
}

/** Queries or keys before each head was divided by its root mean square. */
static const term *take_head_norm(encoder *e, weights *w, const term *x, weight_role gamma, const char *op) {
    if (x->kind != TERM_HEADNORM)
        return x;
    if (x->number != e->t.norm_epsilon)
        fault(e, x, "its epsilon differs from that of other normalisations");
    e->t.head_norm = true;
    put(w, gamma, x->weight, false);
    claim(e, x, op);
    return x->a;
}

/** Attention and its input's normalisation, above `below`. */
static bool take_pre_attention(encoder *e, weights *w, const term *out, const term *below) {
    const term *attention = out->a, *q = take_rotary(e, attention->a, "query.rotary"),
               *k = take_rotary(e, attention->b, "key.rotary"), *v = attention->c;
    q = take_head_norm(e, w, q, WEIGHT_QUERY_GAMMA, "query.norm");
    k = take_head_norm(e, w, k, WEIGHT_KEY_GAMMA, "key.norm");
    if (!take_linear(e, w, out, WEIGHT_OUTPUT, WEIGHT_OUTPUT_BIAS, "attention.output") ||
        !take_linear(e, w, q, WEIGHT_QUERY, WEIGHT_QUERY_BIAS, "query") ||
        !take_linear(e, w, k, WEIGHT_KEY, WEIGHT_KEY_BIAS, "key") ||
        !take_linear(e, w, v, WEIGHT_VALUE, WEIGHT_VALUE_BIAS, "value"))
        return false;
    claim(e, attention, "attention");
    bool causal = attention->function != 0;
    if (e->count > 1 && e->t.causal != causal)
        fault(e, attention, "its mask differs from that of other blocks");
    e->t.causal = causal;
    same_size(e, attention, &e->t.heads, attention->heads);
    same_size(e, attention, &e->t.kv_heads, attention->kv_heads);
    same_size(e, attention, &e->t.head_dim, q->width / attention->heads);
    const term *norm = q->a;
    if (!term_same(k->a, norm) || !term_same(v->a, norm) || norm->kind != TERM_LAYERNORM ||
        !term_same(norm->a, below) || v->width != k->width)
        return fail(e, attention, "query, key and value must be made of the block's input, normalised");
    return take_norm(e, w, norm, WEIGHT_ATTENTION_GAMMA, WEIGHT_ATTENTION_BETA, "attention.norm");
}

/** The last block above `*x`, which becomes its input; its branches are of normalised rows, and added to plain ones. */
static bool take_pre_block(encoder *e, const term **x) {
    weights *w = new_layer(e);
    const term *middle, *below, *down = branch(*x, is_ffn_branch, &middle);
    if (!down)
        return fail(e, *x, "the sum of a block's middle and its feed-forward is expected here");
    const term *inner = down->a, *gate = inner, *up = inner->a;
    if (inner->kind == TERM_PRODUCT) {
        bool first = inner->a->kind == TERM_ACTIVATION;
        gate = first ? inner->a : inner->b;
        up = first ? inner->b : inner->a;
        if (gate->kind != TERM_ACTIVATION || up->kind != TERM_LINEAR || gate->a->width != up->width ||
            !term_same(gate->a->a, up->a))
            return fail(e, inner, "the product of an activation and a linear is expected here");
        claim(e, inner, "ffn.multiply");
    }
    same_activation(e, gate, inner != gate);
    same_size(e, down, &e->t.hidden, down->width);
    same_size(e, down, &e->t.ffn, up->width);
    if (!take_linear(e, w, down, WEIGHT_DOWN, WEIGHT_DOWN_BIAS, "ffn.down") ||
        !take_linear(e, w, up, WEIGHT_UP, WEIGHT_UP_BIAS, "ffn.up") ||
        (inner != gate && !take_linear(e, w, gate->a, WEIGHT_GATE, WEIGHT_GATE_BIAS, "ffn.gate")))
        return false;
    if (!take_norm(e, w, up->a, WEIGHT_FFN_GAMMA, WEIGHT_FFN_BETA, "ffn.norm"))
        return false;
    const term *out = branch(middle, is_attention_branch, &below);
    if (!out || !term_same(up->a->a, middle))
        return fail(e, middle, "the sum of a block's input and its attention is expected here");
    *x = below;
    return take_pre_attention(e, w, out, below);
}

/* ---- embeddings ---------------------------------------------------------------------------------------------------
 */

/** One table of the sum: of words, positions or types. */
static bool take_table(encoder *e, const term *t) {
    static const weight_role roles[] = {[INDEX_WORDS] = WEIGHT_WORDS,
                                        [INDEX_TYPES] = WEIGHT_TYPES,
                                        [INDEX_POSITIONS] = WEIGHT_POSITIONS,
                                        [INDEX_FIRST_TYPE] = WEIGHT_TYPES}; /* the type of all tokens is 0 */
    if (t->kind != TERM_EMBEDDING)
        return fail(e, t, "rows of a table are expected here");
    weight_role role = roles[t->function];
    if (e->whole.tensor[role])
        return fail(e, t, "a second table of the same kind");
    uint64_t rows = t->function == INDEX_FIRST_TYPE ? 1 : t->weight->dims[0], first = (uint64_t)t->number;
    if (role == WEIGHT_POSITIONS && first < rows) {
        e->t.first_position = (uint32_t)first;
        rows -= first;
    }
    put(&e->whole, role, first ? onnx_tensor_part(e->im, t->weight, 0, first, rows) : t->weight, false);
    claim(e, t, "embeddings");
    uint32_t limit = role == WEIGHT_WORDS ? MODEL_MAX_VOCABULARY : MODEL_MAX_TOKENS;
    if (rows == 0 || rows > limit)
        return fail(e, t, "a table with no rows, or more than there may be");
    *(role == WEIGHT_WORDS ? &e->t.vocabulary : role == WEIGHT_TYPES ? &e->t.types : &e->t.positions) = (uint32_t)rows;
    return true;
}

static bool take_embeddings(encoder *e, const term *x) {
    const term *left = x;
    if (e->t.norm == NORM_POST) {
        if (!take_norm(e, &e->whole, x, WEIGHT_EMBED_GAMMA, WEIGHT_EMBED_BETA, "embeddings.norm"))
            return false;
        left = x->a;
    }
    for (int tables = 0; left->kind == TERM_SUM; tables++) {
        bool first = left->a->kind == TERM_EMBEDDING;
        if (tables == 2 || !take_table(e, first ? left->a : left->b))
            return tables == 2 ? fail(e, left, "more than three tables are added") : false;
        left = first ? left->b : left->a;
    }
    if (!take_table(e, left))
        return false;
    bool rotary = e->t.position_kind == POSITION_ROTARY;
    return (e->whole.tensor[WEIGHT_WORDS] && rotary != (e->whole.tensor[WEIGHT_POSITIONS] != NULL)) ||
           fail(e, x, "the sum of a table by token ids and one by positions is expected here, or rotary positions");
}

/* ---- weights ------------------------------------------------------------------------------------------------------
 */

/** What the IR calls the type of a weight's elements; NULL if it has no word. */
static const char *dtype_word(const onnx_tensor *t) {
    static const struct {
        int64_t type;
        bool codes;
        const char *word;
    } words[] = {{ONNX_FLOAT, false, "F32"}, {ONNX_FLOAT16, false, "F16"}, {ONNX_BFLOAT16, false, "BF16"},
                 {ONNX_INT8, true, "I8"},    {ONNX_UINT8, true, "U8"},     {ONNX_INT32, true, "I32"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].type == t->type && words[i].codes == (t->codes != NULL))
            return words[i].word;
    return NULL;
}

static bool put_tensor(encoder *e, model *m, const weights *w, weight_role role, uint32_t layer, uint32_t rows,
                       uint32_t cols) {
    const onnx_tensor *from = w->tensor[role];
    const char *name = weight_name(e->im->a, &e->t, role, layer);
    src_loc whole = {e->im->graph->path, 0, 0};
    if (!name && !from)
        return true;
    if (name && role == WEIGHT_ROTARY) {
        m->tensors[m->tensor_count++] = (ir_tensor){.name = name,
                                                    .dtype = "rotary",
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .scale = e->t.rotary_base,
                                                    .frequencies = e->t.frequencies,
                                                    .loc = m->loc};
        return true;
    }
    if (!name || !from)
        return diag_error(e->im->d, whole, "some blocks have a bias where others have none, in layer %u", layer);
    const char *dtype = dtype_word(from);
    uint64_t need = (uint64_t)rows * cols;
    bool transposed = w->transposed[role];
    uint64_t stored_cols = transposed ? rows : cols;
    bool fits = role == WEIGHT_TYPES ? from->elements >= need : from->elements == need;
    if (!dtype || !fits)
        return diag_error(e->im->d, whole,
                          "weight '%.80s' must have %u x %u elements of float32, float16 or bfloat16, or codes with a "
                          "scale",
                          from->name, rows, cols);
    ir_tensor *t = &m->tensors[m->tensor_count++];
    *t = (ir_tensor){.name = name,
                     .file = from->file,
                     .dtype = dtype,
                     .offset = from->offset,
                     .file_bytes = from->file_bytes,
                     .rows = transposed ? cols : rows,
                     .cols = (uint32_t)stored_cols,
                     .stride = from->rank == 2 && from->stride > stored_cols ? (uint32_t)from->stride : 0,
                     .transposed = transposed,
                     .loc = m->loc};
    if (from->codes) {
        t->scale = from->codes->scale;
        t->mean = from->codes->zero;
        t->scales = from->codes->scales ? from->codes->scales->offset : 0;
        t->zeros = from->codes->zeros ? from->codes->zeros->offset : 0;
        t->by_rows = from->codes->by_rows;
    }
    return true;
}

static bool put_tensors(encoder *e, model *m) {
    const transformer *t = &e->t;
    uint32_t rows, cols;
    m->tensors = ARENA_ARRAY(e->im->a, ir_tensor, (size_t)WEIGHT_ROLES * (t->layers + 1));
    bool ok = true;
    for (int r = 0; r < WEIGHT_ROLES && ok; r++) {
        weight_shape(t, (weight_role)r, &rows, &cols);
        ok = weight_in_block((weight_role)r) || put_tensor(e, m, &e->whole, (weight_role)r, 0, rows, cols);
    }
    for (uint32_t layer = 0; layer < t->layers; layer++)
        for (int r = 0; r < WEIGHT_ROLES && ok; r++) {
            weight_shape(t, (weight_role)r, &rows, &cols);
            ok = !weight_in_block((weight_role)r) ||
                 put_tensor(e, m, &e->layers[t->layers - 1 - layer], (weight_role)r, layer, rows, cols);
        }
    return ok;
}

/** True for the normalised sum of rows of tables. */
static bool is_embeddings(const term *norm) {
    const term *x = norm->kind == TERM_LAYERNORM ? norm->a : norm;
    return x->kind == TERM_EMBEDDING ||
           (x->kind == TERM_SUM && (x->a->kind == TERM_EMBEDDING || x->b->kind == TERM_EMBEDDING));
}

static void name_ops(const encoder *e) {
    arena *a = e->im->a;
    for (size_t i = 0; i < e->claim_count; i++) {
        const struct claim *c = &e->claims[i];
        onnx_claim(e->im, c->at,
                   c->block == SIZE_MAX || c->block >= e->count
                       ? c->op
                       : arena_printf(a, "layer.%zu.%s", e->count - 1 - c->block, c->op));
    }
}

/* ---- heads --------------------------------------------------------------------------------------------------------
 */

/** Notes the row that is chosen, which may be at any place behind the blocks: what follows works on each row. */
static void take_pool(encoder *e, const term **x) {
    while ((*x)->kind == TERM_POOL) {
        if (e->t.pooling != POOLING_NONE)
            fault(e, *x, "pools twice");
        e->t.pooling = (*x)->function;
        claim(e, *x, "pool");
        *x = (*x)->a;
    }
}

static uint32_t activation_of(const term *x) {
    return x->kind == TERM_TANH ? ACTIVATION_TANH : x->function;
}

static bool is_activation(const term *x) {
    return (x->kind == TERM_TANH || x->kind == TERM_ACTIVATION) && x->a->kind == TERM_LINEAR;
}

/** A normalisation of the last sum of blocks that normalise their input. */
static bool is_final_norm(const term *norm) {
    const term *rest;
    return norm->kind == TERM_LAYERNORM && branch(norm->a, is_ffn_branch, &rest) && rest->kind == TERM_SUM;
}

/** Scores behind a final normalisation: of all words, by the table of words or another one; or of labels. */
static bool take_scores(encoder *e) {
    const term *x = e->scores;
    if (!x)
        return true;
    const onnx_tensor *words = e->whole.tensor[WEIGHT_WORDS];
    claim(e, x, "logits");
    if (x->width != e->t.vocabulary) {
        e->t.classes = x->width;
        e->t.classifier_bias = x->bias != NULL;
        put(&e->whole, WEIGHT_CLASSIFIER, x->weight, x->transposed);
        put(&e->whole, WEIGHT_CLASSIFIER_BIAS, x->bias, false);
        return true;
    }
    bool tied = x->weight->data && x->weight->data == words->data && !x->transposed;
    e->t.head = tied ? HEAD_TIED : HEAD_OWN;
    if (!tied)
        put(&e->whole, WEIGHT_HEAD, x->weight, x->transposed);
    return !x->bias || fail(e, x, "scores of words have a bias");
}

/** Scores of all words, by the table of words, behind a block of their own: a masked language model's. */
static bool take_masked(encoder *e, const term **x) {
    const term *norm = (*x)->a;
    if (norm->kind != TERM_LAYERNORM || !is_activation(norm->a))
        return false;
    const term *linear = norm->a->a;
    if (linear->width != norm->width || linear->a->kind != TERM_LAYERNORM)
        return false;
    e->t.head = HEAD_MASKED;
    e->masked = *x;
    put(&e->whole, WEIGHT_HEAD_BIAS, (*x)->bias, false);
    e->masked_activation = activation_of(norm->a);
    claim(e, *x, "logits");
    claim(e, norm->a, "masked.activation");
    bool ok = take_norm(e, &e->whole, norm, WEIGHT_MASKED_GAMMA, WEIGHT_MASKED_BETA, "masked.norm") &&
              take_linear(e, &e->whole, linear, WEIGHT_MASKED, WEIGHT_MASKED_BIAS, "masked");
    *x = linear->a;
    return ok;
}

/** What stands behind the blocks, from the end: a row of length one, labels, a pooler, one row of all. */
static bool take_heads(encoder *e, const term **x) {
    if ((*x)->kind == TERM_NORMALIZED) {
        e->t.normalize = true;
        claim(e, *x, "normalize");
        *x = (*x)->a;
    }
    take_pool(e, x);
    if ((*x)->kind == TERM_LINEAR && is_final_norm((*x)->a)) {
        e->scores = *x;
        *x = (*x)->a;
    } else if ((*x)->kind == TERM_LINEAR && !take_masked(e, x) && !e->masked) {
        e->t.classes = (*x)->width;
        e->t.classifier_bias = (*x)->bias != NULL;
        if (!take_linear(e, &e->whole, *x, WEIGHT_CLASSIFIER, WEIGHT_CLASSIFIER_BIAS, "logits"))
            return false;
        *x = (*x)->a;
        take_pool(e, x);
    }
    if (is_activation(*x)) {
        const term *linear = (*x)->a;
        e->t.pooler = true;
        e->t.pooler_activation = activation_of(*x);
        claim(e, *x, "pooler.activation");
        if (!take_linear(e, &e->whole, linear, WEIGHT_POOLER, WEIGHT_POOLER_BIAS, "pooler"))
            return false;
        *x = linear->a;
        if (linear->width != (*x)->width)
            return fail(e, linear, "makes rows of another width than those of the blocks");
        take_pool(e, x);
        if (e->t.pooling == POOLING_NONE)
            return fail(e, linear, "works on every row; a block like this is known only of one row");
    }
    return true;
}

/** The tables of a masked language model's words are one. */
static bool check_masked(encoder *e) {
    const onnx_tensor *words = e->whole.tensor[WEIGHT_WORDS], *head = e->masked ? e->masked->weight : NULL;
    if (!e->masked)
        return true;
    bool tied = head->data && words->data && (!e->masked->transposed ? head->data == words->data : false);
    if (!tied)
        return fail(e, e->masked, "scores words by another matrix than the table of words, or by a copy of it");
    if (e->masked_activation != e->t.activation)
        return fail(e, e->masked, "its activation differs from that of the blocks");
    return true;
}

static bool read_blocks(encoder *e, const term *out) {
    if (is_final_norm(out)) {
        e->t.norm = NORM_PRE;
        if (!take_norm(e, &e->whole, out, WEIGHT_FINAL_GAMMA, WEIGHT_FINAL_BETA, "final.norm"))
            return false;
        out = out->a;
    }
    while (e->count <= MODEL_MAX_LAYERS && !is_embeddings(out))
        if (!(e->t.norm == NORM_PRE ? take_pre_block(e, &out) : take_block(e, &out)))
            return false;
    if (e->count == 0 || e->count > MODEL_MAX_LAYERS)
        return fail(e, out, "no attention, or more layers of it than there may be");
    e->in_embeddings = true;
    if (!take_embeddings(e, out))
        return false;
    if (e->t.heads > MODEL_MAX_HEADS || e->t.hidden > MODEL_MAX_WIDTH || e->t.ffn > MODEL_MAX_FFN)
        return fail(e, out, "more heads, or wider rows, than there may be");
    return !e->faulty;
}

bool encoder_read(importer *im, const term *out, model *m) {
    encoder e = {.im = im, .t = transformer_defaults()};
    e.t.norm_epsilon = -1;
    e.t.types = 0;
    bool ok = take_heads(&e, &out) && read_blocks(&e, out) && check_masked(&e) && take_scores(&e);
    name_ops(&e);
    if (!ok)
        return false;
    e.t.layers = (uint32_t)e.count;
    if (e.t.position_kind == POSITION_ROTARY)
        e.t.positions = ROTARY_POSITIONS;
    e.t.qkv_bias = e.layers[0].tensor[WEIGHT_QUERY_BIAS] != NULL;
    e.t.output_bias = e.layers[0].tensor[WEIGHT_OUTPUT_BIAS] != NULL;
    e.t.linear_bias = e.layers[0].tensor[WEIGHT_UP_BIAS] != NULL;
    if (!transformer_check(im->d, m->loc, &e.t))
        return false;
    m->transformer = e.t;
    return put_tensors(&e, m);
}
