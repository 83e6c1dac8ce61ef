/* Matrix products, and attention, recognised in the reshapes, transpositions and products that it is made of. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

static const double SCALE_NEAR = 1e-5;

const term *term_linear(importer *im, const term *x, const onnx_tensor *weight, bool transposed,
                        const onnx_tensor *bias) {
    if (!term_is_rows(x) || weight->rank != 2)
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
    return wrong ? term_instead(im, wrong, t) : t;
}

term *term_in_heads(importer *im, term_kind kind, const term *a, const term *b, const term *from) {
    term *t = term_new(im, kind, a, b);
    t->c = from->c;
    t->width = from->width;
    t->heads = from->heads;
    return t;
}

const term *term_matmul(importer *im, const term *x, const term *y) {
    if (y->kind == TERM_WEIGHT)
        return term_linear(im, x, y->weight, !y->transposed, NULL);
    double factor = 1;
    x = term_strip(x, &factor);
    y = term_strip(y, &factor);
    bool fits = x->width == y->width && x->heads == y->heads;
    if (x->kind == TERM_HEADS && y->kind == TERM_KEYS && fits)
        return term_scale(im, term_in_heads(im, TERM_SCORES, x->a, y->a, x), factor);
    if (x->kind == TERM_PROBS && y->kind == TERM_HEADS && fits) {
        term *t = term_in_heads(im, TERM_CONTEXT, x->a, x->b, x);
        t->c = y->a;
        return term_scale(im, t, factor);
    }
    return term_unknown(im, fits ? "the product of two values is known only of queries and keys in heads, and of "
                                   "probabilities and values"
                                 : "its operands differ in width or heads");
}

/** What is wrong with a factor of scores of heads of so many elements; NULL if nothing is. */
static const char *scale_wrong(importer *im, double factor, uint32_t head_dim) {
    double want = 1 / sqrt((double)head_dim);
    return fabs(factor - want) <= SCALE_NEAR * want
               ? NULL
               : arena_printf(im->a, "scores are scaled by %.8g; attention over heads of %u needs %.8g", factor,
                              head_dim, want);
}

const term *term_softmax(importer *im, const term *x) {
    double factor = 1;
    const term *scores = term_strip(x, &factor);
    if (scores->kind != TERM_SCORES)
        return term_unknown(im, "a softmax is known only of scores of queries and keys");
    const char *wrong = scale_wrong(im, factor, scores->width / scores->heads);
    const term *probs = term_in_heads(im, TERM_PROBS, scores->a, scores->b, scores);
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
    t->heads = (uint32_t)heads;
    return wrong ? term_instead(im, wrong, t) : t;
}

const term *term_transpose(importer *im, const term *x, const int64_t *perm, size_t rank) {
    static const struct {
        int64_t perm[4];
        term_kind from, to;
    } known[] = {
        {{0, 2, 1, 3}, TERM_SPLIT, TERM_HEADS}, {{0, 2, 3, 1}, TERM_SPLIT, TERM_KEYS},
        {{0, 1, 3, 2}, TERM_HEADS, TERM_KEYS},  {{0, 1, 3, 2}, TERM_KEYS, TERM_HEADS},
        {{0, 2, 1, 3}, TERM_HEADS, TERM_SPLIT}, {{0, 2, 1, 3}, TERM_CONTEXT, TERM_MERGING},
    };
    if (x->kind == TERM_WEIGHT && x->weight->rank == 2 && (rank == 0 || (rank == 2 && perm[0] == 1 && perm[1] == 0))) {
        term *t = term_new(im, TERM_WEIGHT, NULL, NULL);
        t->weight = x->weight;
        t->transposed = !x->transposed;
        return t;
    }
    double factor = 1;
    const term *inner = term_strip(x, &factor), *in_parts = term_transpose_parts(im, inner, perm, rank);
    if (in_parts)
        return term_scale(im, in_parts, factor);
    if (rank == 3 && perm[0] == 0 && perm[1] == 2 && perm[2] == 1 &&
        (inner->kind == TERM_FLAT_HEADS || inner->kind == TERM_FLAT_KEYS))
        return term_scale(im,
                          term_in_heads(im, inner->kind == TERM_FLAT_HEADS ? TERM_FLAT_KEYS : TERM_FLAT_HEADS, inner->a,
                                        inner->b, inner),
                          factor);
    for (size_t i = 0; i < sizeof known / sizeof *known && rank == 4; i++) {
        if (known[i].from != inner->kind || memcmp(known[i].perm, perm, sizeof known[i].perm) != 0)
            continue;
        return term_scale(im, term_in_heads(im, known[i].to, inner->a, inner->b, inner), factor);
    }
    return term_unknown(im, "this transposition is none of those that attention makes");
}

/* ---- reshapes ---------------------------------------------------------------------------------------------------- */

static bool is_row_count(const importer *im, int64_t dim) {
    return dim <= DIM_LAST || dim == 0 || dim == -1 || dim == 1 || dim == im->seq;
}

static const term *split(importer *im, const term *x, int64_t heads, int64_t head_dim) {
    int64_t width = x->width;
    heads = heads == -1 && head_dim > 0 ? width / head_dim : heads;
    head_dim = head_dim == -1 && heads > 0 ? width / heads : head_dim;
    if (heads <= 0 || head_dim <= 0 || heads > width || head_dim > width || heads * head_dim != width)
        return term_unknown(im, arena_printf(im->a, "rows of %u do not make %lld heads of %lld", x->width,
                                             (long long)heads, (long long)head_dim));
    term *t = term_new(im, TERM_SPLIT, x, NULL);
    t->heads = (uint32_t)heads;
    return t;
}

/** Batch and heads as one axis, or again as two. */
static const term *flatten(importer *im, const term *x, const int64_t *dims) {
    static const term_kind to[][2] = {{TERM_HEADS, TERM_FLAT_HEADS},
                                      {TERM_KEYS, TERM_FLAT_KEYS},
                                      {TERM_FLAT_HEADS, TERM_HEADS},
                                      {TERM_FLAT_KEYS, TERM_KEYS}};
    bool keys = x->kind == TERM_KEYS || x->kind == TERM_FLAT_KEYS, flat = x->kind >= TERM_FLAT_HEADS;
    const int64_t *last = dims + (flat ? 2 : 1), head_dim = x->width / x->heads;
    int64_t seq = last[keys ? 1 : 0], dim = last[keys ? 0 : 1];
    if (!is_row_count(im, seq) || dim != head_dim)
        return term_unknown(im, "this reshape of heads changes their sizes");
    size_t i = 0;
    while (to[i][0] != x->kind)
        i++;
    return term_in_heads(im, to[i][1], x->a, x->b, x);
}

/** True if a value of these sizes has them already: each is said again, kept by 0, or one is left to the others. */
static bool is_shape_of(importer *im, const term *x, const term *sizes) {
    const term *own = term_shape(im, x);
    size_t left = 0, n = sizes->count;
    bool same = own->kind == TERM_INTS && own->count == n;
    for (size_t i = 0; same && i < n; i++) {
        int64_t dim = sizes->ints[i];
        left += dim == -1;
        same = (dim == own->ints[i] && dim != DIM_ANY) || dim == 0 || dim == -1;
    }
    return same && left <= 1;
}

const term *term_reshape(importer *im, const term *x, const term *shape) {
    size_t n = shape->count;
    const int64_t *dims = shape->ints;
    double factor = 1;
    const term *inner = term_strip(x, &factor), *out = NULL;
    if (is_shape_of(im, inner, shape))
        return x;
    bool rows = n >= 2;
    for (size_t i = 0; rows && i + 2 < n; i++)
        rows = is_row_count(im, dims[i]);
    bool merges = n == 3 && dims[0] == -1 && (inner->kind == TERM_HEADS || inner->kind == TERM_KEYS);
    bool unmerges = n == 4 && (inner->kind == TERM_FLAT_HEADS || inner->kind == TERM_FLAT_KEYS) &&
                    (dims[1] == inner->heads || dims[1] == -1);
    bool keeps = rows && is_row_count(im, dims[n - 2]) && (dims[n - 1] == inner->width || dims[n - 1] == -1);
    if (term_is_rows(inner) && keeps && n <= 3)
        out = inner;
    else if (term_is_rows(inner) && rows && n == 4)
        out = split(im, inner, dims[2], dims[3]);
    else if (term_is_rows(inner) && n == 5 && is_row_count(im, dims[0]) && is_row_count(im, dims[1]))
        out = term_in_parts(im, inner, dims + 2);
    else if (merges || unmerges)
        out = flatten(im, inner, dims);
    else if (inner->kind == TERM_MERGING && keeps && n <= 3)
        out = term_in_heads(im, TERM_ATTENTION, inner->a, inner->b, inner);
    return out ? term_scale(im, out, factor)
               : term_unknown(im, "this reshape neither keeps rows nor splits them into "
                                  "heads nor joins heads");
}

const term *term_shape(importer *im, const term *x) {
    double factor = 1;
    x = term_strip(x, &factor);
    int64_t head_dim = x->heads ? x->width / x->heads : 0, heads = x->heads;
    int64_t dims[4] = {im->batch, im->seq, x->width, 0};
    size_t count = 3;
    if (x->kind == TERM_UNIFORM && !x->ints)
        return term_unknown(im, "the shape of a constant that depends on the input is not followed");
    if (x->kind == TERM_IDS || x->kind == TERM_TYPES || x->kind == TERM_POSITIONS || x->kind == TERM_UNIFORM) {
        count = 2;
    } else if (x->kind >= TERM_SPLIT && x->kind <= TERM_MERGING) {
        const int64_t split_dims[4] = {im->batch, im->seq, heads, head_dim},
                      head_dims[4] = {im->batch, heads, im->seq, head_dim},
                      key_dims[4] = {im->batch, heads, head_dim, im->seq},
                      score_dims[4] = {im->batch, heads, im->seq, im->seq};
        const int64_t *from = x->kind == TERM_SPLIT || x->kind == TERM_MERGING  ? split_dims
                              : x->kind == TERM_KEYS                            ? key_dims
                              : x->kind == TERM_SCORES || x->kind == TERM_PROBS ? score_dims
                                                                                : head_dims;
        memcpy(dims, from, sizeof dims);
        count = 4;
    } else if (!term_is_rows(x)) {
        return term_unknown(im, "the shape of this value is not known");
    }
    int64_t *ints = ARENA_ARRAY(im->a, int64_t, count);
    memcpy(ints, dims, count * sizeof *ints);
    term *t = term_new(im, TERM_INTS, NULL, NULL);
    t->ints = ints;
    t->count = count;
    return t;
}
