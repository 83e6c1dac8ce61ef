/* Matrix products, and attention, recognised in the reshapes, transpositions and products that it is made of. */
#include <math.h>
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/onnx/term.h"

const term *term_linear(importer *im, const term *x, const onnx_tensor *weight, bool transposed,
                        const onnx_tensor *bias) {
    if (x->kind == TERM_TANH && term_is_rows(x->a)) { /* no part of a GELU, after all */
        term *activation = term_new(im, TERM_ACTIVATION, x, NULL);
        activation->a = x->a;
        activation->node = x->node;
        activation->function = ACTIVATION_TANH;
        x = activation;
    }
    bool gated = x->kind == TERM_PRODUCT && term_is_rows(x->a) && term_is_rows(x->b);
    if ((!term_is_rows(x) && !gated) || x->rank < 2 || weight->rank != 2)
        return term_unknown(im, "multiplies a weight that is no matrix, or what are no rows");
    uint64_t inputs = weight->dims[transposed ? 0 : 1], outputs = weight->dims[transposed ? 1 : 0];
    if (outputs == 0 || outputs > UINT32_MAX)
        return term_unknown(im, "multiplies a weight that makes no rows, or too wide ones");
    bool fits = !bias || (bias->rank > 0 && bias->elements == outputs && bias->dims[bias->rank - 1] == outputs);
    const char *wrong = NULL;
    if (!fits)
        wrong = arena_printf(im->a, "bias '%.80s' has %llu elements, the product %llu columns", bias->name,
                             (unsigned long long)bias->elements, (unsigned long long)outputs);
    if (inputs != x->width)
        wrong =
            arena_printf(im->a, "weight '%.80s' is [%llu, %llu], its operand %u wide: they do not fit", weight->name,
                         (unsigned long long)weight->dims[0], (unsigned long long)weight->dims[1], x->width);
    term *t = term_new(im, TERM_LINEAR, x, NULL);
    t->weight = weight;
    t->bias = fits ? bias : NULL;
    t->transposed = transposed;
    t->width = (uint32_t)outputs;
    t->dims[t->rank - 1] = (int64_t)outputs;
    return wrong ? term_instead(im, wrong, t) : t;
}

/** The rows whose heads the view is, with these axes of tokens and of a head's channels. NULL, or what is wrong. */
static const char *heads_along(importer *im, const term *base, const onnx_view *view, uint32_t tokens,
                               uint32_t channels, head_rows *out) {
    onnx_view v = *view;
    view_atom runs[VIEW_ATOMS], channel[VIEW_ATOMS], token[VIEW_ATOMS];
    uint32_t c = view_runs(&v, 1U << channels, channel), t = view_runs(&v, 1U << tokens, token);
    uint32_t n = view_runs(&v, ~(1U << tokens | 1U << channels), runs), width = base->width;
    int64_t rows = term_elements(base) / width, head_dim = c ? channel[0].size : 1;
    bool fits = c <= 1 && (!c || channel[0].step == 1) && v.first < width &&
                (rows == 1 ? t == 0 : t == 1 && token[0].size == rows && token[0].step == width);
    if (!fits || n > 2 || (n == 2 && runs[1].step != 0))
        return "its operands are no rows in heads, or lie in another order";
    bool copied = n && runs[n - 1].step == 0;
    int64_t copies = copied ? runs[n - 1].size : 1, kv = n > copied ? runs[0].size : 1;
    if (kv > 1 && runs[0].step > head_dim)
        return "queries, keys and values of each head lie side by side in its weight: they are no columns at one "
               "distance, and cannot be used where they are; export them as three";
    if (kv > 1 && runs[0].step != head_dim)
        return "its operands are no rows in heads, or lie in another order";
    *out = (head_rows){base, (uint32_t)(kv * copies), (uint32_t)kv, (uint32_t)head_dim};
    if (kv * head_dim == width)
        return v.first == 0 ? NULL : "its operands are no rows in heads, or lie in another order";
    out->rows = term_columns(im, base, (uint64_t)v.first, (uint64_t)(kv * head_dim));
    return out->rows->kind == TERM_UNKNOWN ? out->rows->reason : NULL;
}

static const char *const NO_HEADS =
    "the product of two values is known only of queries and keys in heads, and of probabilities and values";

/** The same of a value whose last two axes are tokens and channels, or channels and tokens if it is turned. */
static const char *heads_of(importer *im, const term *x, bool turned, head_rows *out) {
    const term *base;
    onnx_view v = term_view(x, &base);
    return v.rank < 3 || !term_is_rows(base)
               ? NO_HEADS
               : heads_along(im, base, &v, v.rank - (turned ? 1 : 2), v.rank - (turned ? 2 : 1), out);
}

const char *term_in_heads(importer *im, const term *x, uint32_t *tokens, head_rows *out, onnx_view *view) {
    const term *base;
    *view = term_view(x, &base);
    if (view->rank < 3 || !term_is_rows(base))
        return NO_HEADS;
    for (*tokens = 0; *tokens + 2 < view->rank; ++*tokens)
        for (uint32_t i = 0; i < view->count; i++)
            if (view->atom[i].axis == *tokens && view->atom[i].step == base->width)
                return heads_along(im, base, view, *tokens, view->rank - 1, out);
    return heads_along(im, base, view, view->rank - 2, view->rank - 1, out);
}

const term *term_laid_as(importer *im, const term *rows, const onnx_view *view, uint32_t tokens, double factor) {
    const int64_t dims[3] = {1, im->seq, rows->width};
    layout l = {.base = term_with_dims(im, rows, 3, dims), .factor = factor, .view = *view};
    l.view.first = 0;
    for (uint32_t i = 0; i < view->count; i++)
        if (view->atom[i].axis == tokens)
            l.view.atom[i].step = rows->width;
    return layout_end(im, &l);
}

const term *term_head_norm(importer *im, const term *x, const onnx_tensor *gamma, double epsilon) {
    head_rows h;
    onnx_view v;
    uint32_t tokens;
    const char *wrong = term_in_heads(im, x, &tokens, &h, &v);
    if (!wrong && (h.heads != h.kv_heads || gamma->rank != 1 || gamma->elements != h.head_dim))
        wrong = "normalises heads by factors of another number than their channels";
    if (wrong)
        return term_unknown(im, wrong);
    term *t = term_new(im, TERM_HEADNORM, h.rows, NULL);
    t->heads = h.heads;
    t->weight = gamma;
    t->number = term_decimal(epsilon);
    return term_laid_as(im, t, &v, tokens, 1);
}

/** Scores of queries and keys in heads, or probabilities of values in heads: [batch, heads, seq, head_dim], the batch
 * left out, or joined with the heads. */
static term *in_heads(importer *im, term_kind kind, const term *q, const term *k, const head_rows *of) {
    term *t = term_new(im, kind, q, k);
    t->heads = of->heads;
    t->kv_heads = of->kv_heads;
    return t;
}

static const term *context(importer *im, const term *p, const term *y) {
    head_rows v;
    const char *wrong = heads_of(im, y, false, &v);
    if (!wrong && (v.heads != p->heads || v.head_dim != p->a->width / p->heads))
        wrong = "its operands differ in width or heads";
    if (wrong)
        return term_unknown(im, wrong);
    term *rows = in_heads(im, TERM_ATTENTION, p->a, p->b, &v);
    rows->c = v.rows;
    rows->kv_heads = p->kv_heads < v.kv_heads ? v.kv_heads : p->kv_heads;
    rows->function = p->function;
    int64_t n = p->dims[p->rank - 2], dims[ONNX_MAX_RANK] = {1, n, rows->width};
    static const uint32_t over[] = {1, 0, 2};
    const term *base = term_with_dims(im, rows, 3, dims);
    layout l = {.base = base, .factor = 1, .view = view_of(3, (const int64_t[]){n, v.heads, v.head_dim})};
    view_transpose(&l.view, over);
    memcpy(dims, p->dims, sizeof dims);
    dims[p->rank - 1] = v.head_dim;
    return view_reshape(&l.view, p->rank, dims) ? layout_end(im, &l) : term_unknown(im, "its operands do not fit");
}

const term *term_matmul(importer *im, const term *x, const term *y) {
    double factor = 1;
    x = term_strip(x, &factor);
    if (y->kind == TERM_WEIGHT) {
        const term *linear = term_linear(im, x, y->weight, !y->transposed, NULL);
        return linear->kind == TERM_UNKNOWN ? linear : term_scale(im, linear, factor);
    }
    y = term_strip(y, &factor);
    if (x->kind == TERM_PROBS) {
        const term *rows = context(im, x, y);
        return rows->kind == TERM_UNKNOWN ? rows : term_scale(im, rows, factor);
    }
    head_rows q, k;
    const char *wrong = heads_of(im, x, false, &q);
    wrong = wrong ? wrong : heads_of(im, y, true, &k);
    if (!wrong && (q.heads != k.heads || q.head_dim != k.head_dim || q.kv_heads != q.heads || x->rank != y->rank))
        wrong = "its operands differ in width or heads";
    if (wrong)
        return term_unknown(im, wrong);
    term *t = in_heads(im, TERM_SCORES, q.rows, k.rows, &k);
    t->rank = x->rank;
    memcpy(t->dims, x->dims, sizeof t->dims);
    t->dims[t->rank - 1] = y->dims[y->rank - 1];
    return term_scale(im, t, factor);
}

/* ---- masks --------------------------------------------------------------------------------------------------------
 */

/* What exporters add to scores that no softmax shall see: -inf, the least float, or -10000 as BERT's authors. */
static const double HIDDEN = -1000;

typedef enum { MASK_NONE, MASK_CAUSAL, MASKS } mask_kind;

static bool sees_all(int64_t row, int64_t column) {
    (void)row;
    (void)column;
    return true;
}
static bool sees_earlier(int64_t row, int64_t column) {
    return column <= row;
}

/** Which token sees which, by mask_kind. */
static bool (*const mask_rules[MASKS])(int64_t row, int64_t column) = {sees_all, sees_earlier};

const term *term_mask(importer *im, const term *x, const term *mask) {
    double factor = 1;
    const term *scores = term_strip(x, &factor), *m;
    if (scores->kind != TERM_SCORES || !term_numbers(im, mask, &m))
        return NULL;
    if (m->kind == TERM_UNIFORM)
        return isfinite(m->number) ? x : term_unknown(im, "hides all tokens"); /* a softmax does not see one number */
    int64_t count = term_elements(m), columns = m->rank ? m->dims[m->rank - 1] : 1;
    int64_t rows = m->rank > 1 ? m->dims[m->rank - 2] : 1, n = scores->dims[scores->rank - 1];
    for (unsigned rule = 0; rule < MASKS; rule++) {
        bool fits = columns == n && (rows == n || rows == 1);
        double seen = NAN;
        for (int64_t i = 0; i < count && fits; i++) {
            double number = m->values[i];
            bool sees = mask_rules[rule](i / columns % rows, i % columns);
            fits = sees ? !(number <= HIDDEN) && (isnan(seen) || number == seen) && isfinite(number) : number <= HIDDEN;
            seen = sees ? number : seen;
        }
        if (!fits)
            continue;
        term *t = term_new(im, TERM_SCORES, scores->a, scores->b);
        *t = *scores;
        t->node = im->node;
        t->function = rule > scores->function ? rule : scores->function;
        return term_scale(im, t, factor);
    }
    return term_unknown(im, "masks tokens otherwise than all later ones");
}

/* ---- attention ----------------------------------------------------------------------------------------------------
 */

/** What is wrong with a factor of scores of heads of so many elements; NULL if nothing is. */
static const char *scale_wrong(importer *im, double factor, uint32_t head_dim) {
    double want = 1 / sqrt((double)head_dim);
    return fabs(factor - want) <= im->near * want
               ? NULL
               : arena_printf(im->a, "scores are scaled by %.8g; attention over heads of %u needs %.8g", factor,
                              head_dim, want);
}

const term *term_softmax(importer *im, const term *x) {
    double factor = 1;
    const term *scores = term_strip(x, &factor);
    if (scores->kind != TERM_SCORES)
        return term_unknown(im, "a softmax is known only of scores of queries and keys");
    const char *wrong = scale_wrong(im, factor, scores->a->width / scores->heads);
    term *probs = term_new(im, TERM_PROBS, scores, NULL);
    *probs = *scores;
    probs->kind = TERM_PROBS;
    probs->node = im->node;
    return wrong ? term_instead(im, wrong, probs) : probs;
}

const term *term_attention(importer *im, const term *q, const term *k, const term *v, int64_t heads, double scale) {
    if (!term_is_rows(q) || !term_is_rows(k) || !term_is_rows(v))
        return term_unknown(im, "attention is known only of rows of queries, keys and values");
    if (heads <= 0 || heads > q->width || q->width % heads != 0)
        return term_unknown(im, arena_printf(im->a, "rows of %u do not make %lld heads", q->width, (long long)heads));
    if (q->width != k->width || q->width != v->width)
        return term_unknown(im,
                            arena_printf(im->a, "queries, keys and values are %u, %u and %u wide; they must be alike",
                                         q->width, k->width, v->width));
    const char *wrong = scale != 0 ? scale_wrong(im, scale, q->width / (uint32_t)heads) : NULL;
    term *t = term_new(im, TERM_ATTENTION, q, k);
    t->c = v;
    t->heads = t->kv_heads = (uint32_t)heads;
    return wrong ? term_instead(im, wrong, t) : t;
}

const term *term_grouped_attention(importer *im, const term *q, const term *k, const term *v, int64_t heads,
                                   int64_t kv_heads, double scale) {
    if (q->width % heads != 0 || k->width != q->width / heads * kv_heads || v->width != k->width)
        return term_unknown(im, arena_printf(im->a,
                                             "queries, keys and values are %u, %u and %u wide, which are not "
                                             "%lld, %lld and %lld heads",
                                             q->width, k->width, v->width, (long long)heads, (long long)kv_heads,
                                             (long long)kv_heads));
    const char *wrong = scale != 0 ? scale_wrong(im, scale, q->width / (uint32_t)heads) : NULL;
    term *t = term_new(im, TERM_ATTENTION, q, k);
    t->c = v;
    t->heads = (uint32_t)heads;
    t->kv_heads = (uint32_t)kv_heads;
    t->function = MASK_CAUSAL;
    return wrong ? term_instead(im, wrong, t) : t;
}

/** Keys or values, each head of them copied for all heads of queries that stand on it. */
static const term *copied(importer *im, const term *x, int64_t heads) {
    layout l;
    int64_t own = x->rank == 4 ? x->dims[1] : 0;
    if (own == heads || own <= 0 || heads % own != 0 || !layout_begin(x, &l))
        return x;
    const int64_t one[5] = {x->dims[0], own, 1, x->dims[2], x->dims[3]},
                  all[5] = {x->dims[0], own, heads / own, x->dims[2], x->dims[3]},
                  joined[4] = {x->dims[0], heads, x->dims[2], x->dims[3]};
    return view_reshape(&l.view, 5, one) && view_expand(&l.view, 5, all) && view_reshape(&l.view, 4, joined)
               ? layout_end(im, &l)
               : x;
}

const term *term_attention_of_heads(importer *im, const term *q, const term *k, const term *v, const term *mask,
                                    bool causal, double scale) {
    if (q->rank < 3 || k->rank != q->rank || v->rank != q->rank)
        return term_unknown(im, "attention is known of rows, or of rows in heads");
    int64_t heads = q->rank == 4 ? q->dims[1] : 0;
    const term *keys = term_turn(im, copied(im, k, heads));
    const term *scores = keys->kind == TERM_UNKNOWN ? keys : term_matmul(im, q, keys);
    if (scores->kind == TERM_UNKNOWN)
        return scores;
    double factor = scale != 0 ? scale : 1 / sqrt((double)q->dims[q->rank - 1]);
    const term *masked = mask ? term_mask(im, scores, mask) : scores;
    if (!masked || masked->kind == TERM_UNKNOWN)
        return masked ? masked : term_unknown(im, "its mask depends on more than which tokens are there");
    double inner = 1;
    const term *plain = term_strip(masked, &inner);
    if (causal && plain->kind == TERM_SCORES) {
        term *t = term_new(im, TERM_SCORES, plain->a, plain->b);
        *t = *plain;
        t->function = MASK_CAUSAL;
        plain = t;
    }
    const term *probs = term_softmax(im, term_scale(im, plain, inner * factor));
    return probs->kind == TERM_UNKNOWN ? probs : term_matmul(im, probs, copied(im, v, heads));
}
