/* Operators of ONNX and what each makes of its operands. The table at the end lists all that are known. */
#include <string.h>

#include "frontend/onnx/term.h"

/** Arithmetic on rows, to which a constant may be broadcast. */
static const term *arithmetic(importer *im, char sign,
                              const term *(*rows)(importer *im, const term *x, const term *y)) {
    const term *x = im->in[0], *y = im->in[1];
    const term *codes = sign == '*' ? term_scale_codes(im, x, y) : sign == '-' ? term_center_codes(im, x, y) : NULL;
    if (codes)
        return codes;
    const term *folded = onnx_fold(im);
    if (folded)
        return folded;
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    bool fits = term_broadcast(x, y, &rank, dims);
    const term *masked = sign == '+' ? term_mask(im, x, y) : NULL;
    masked = masked || sign != '+' ? masked : term_mask(im, y, x);
    const term *out = masked ? masked : rows(im, x, y);
    return fits ? term_with_dims(im, out, rank, dims) : out;
}

static const term *add(importer *im) {
    return arithmetic(im, '+', term_add);
}
static const term *subtract(importer *im) {
    return arithmetic(im, '-', term_subtract);
}
static const term *multiply(importer *im) {
    return arithmetic(im, '*', term_multiply);
}
static const term *divide(importer *im) {
    return arithmetic(im, '/', term_divide);
}
static const term *power(importer *im) {
    const term *exponent = im->in[1];
    return exponent->kind == TERM_UNIFORM ? term_power(im, im->in[0], exponent->number)
                                          : term_unknown(im, "the exponent must be a constant");
}
static const term *square_root(importer *im) {
    return term_power(im, im->in[0], 0.5);
}
static const term *reciprocal(importer *im) {
    return term_power(im, im->in[0], -1);
}
static const term *negate(importer *im) {
    return term_scale(im, im->in[0], -1);
}

static const term *function(importer *im, term_kind kind) {
    return term_new(im, kind, im->in[0], NULL);
}
static const term *erf_of(importer *im) {
    return function(im, TERM_ERF);
}
static const term *tanh_of(importer *im) {
    return function(im, TERM_TANH);
}
static const term *sigmoid(importer *im) {
    return function(im, TERM_SIGMOID);
}

static const term *gelu(importer *im) {
    const onnx_attr *approximate = onnx_attribute(im->node, "approximate");
    return node_activation(im, approximate && approximate->s && strcmp(approximate->s, "tanh") == 0);
}
static const term *relu(importer *im) {
    return node_activation(im, 2);
}

/** Over elements of rows, or over rows. The sum is as many means. */
static const term *reduced(importer *im, bool sum, const term *x) {
    size_t count;
    const int64_t *axes = node_ints(im, "axes", 1, &count);
    int64_t axis = axes && count == 1 ? axes[0] < 0 ? axes[0] + x->rank : axes[0] : -1, dims[ONNX_MAX_RANK];
    bool keep = node_int(im, "keepdims", 1) != 0;
    uint32_t rank = 0;
    if (axis < 0 || axis >= x->rank || (axis != x->rank - 1 && axis != x->rank - 2))
        return term_unknown(im, "a mean or a sum is known only of each row's elements, or of all rows");
    bool of_rows = axis != x->rank - 1;
    const term *out;
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != axis || keep)
            dims[rank++] = i == axis ? 1 : x->dims[i];
    double factor = 1;
    const term *rows = term_strip(x, &factor);
    if (of_rows && (!term_is_rows(rows) || x->dims[axis] * x->dims[axis + 1] != term_elements(x)))
        return term_unknown(im, "a mean or a sum over tokens is known only of rows");
    if (of_rows) {
        term *pool = term_new(im, TERM_POOL, rows, NULL);
        pool->function = 1;
        out = pool;
    } else {
        out = term_mean(im, x);
        factor = 1;
    }
    out = term_with_dims(im, out, rank, dims);
    return out->kind == TERM_UNKNOWN ? out : term_scale(im, out, sum ? factor * (double)x->dims[axis] : factor);
}
static const term *reduce_sum(importer *im) {
    return reduced(im, true, im->in[0]);
}
static const term *reduce_mean(importer *im) {
    return reduced(im, false, im->in[0]);
}
/** The square root of the sum of squares. */
static const term *reduce_length(importer *im) {
    const term *sum = reduced(im, true, term_power(im, im->in[0], 2));
    return sum->kind == TERM_UNKNOWN ? sum : term_power(im, sum, 0.5);
}
static const term *reduce_squares(importer *im) {
    return reduced(im, true, term_power(im, im->in[0], 2));
}
static const term *normalized(importer *im) {
    int64_t axis = node_int(im, "axis", -1);
    const term *x = im->in[0];
    return node_int(im, "p", 2) == 2 && term_is_rows(x) && (axis == -1 || axis == x->rank - 1)
               ? term_new(im, TERM_NORMALIZED, x, NULL)
               : term_unknown(im, "a normalisation by length is known only of rows");
}

/** No less than a small number: guards a quotient. */
static const term *no_less(importer *im, const term *x, const term *least) {
    if (!least || least->kind != TERM_UNIFORM || !(least->number >= 0 && least->number <= 1e-6))
        return term_unknown(im, "a limit is known only of what divides: a number from 0 to 1e-6");
    term *t = term_new(im, TERM_CLIP, x, NULL);
    t->number = least->number;
    return t;
}
static const term *clip(importer *im) {
    const onnx_attr *least = onnx_attribute(im->node, "min");
    if (im->in[2] || onnx_attribute(im->node, "max"))
        return term_unknown(im, "limits rows from above");
    return no_less(im, im->in[0], least && least->has_float ? term_uniform(im, (double)least->f) : im->in[1]);
}
static const term *maximum(importer *im) {
    bool first = im->in[1] && im->in[1]->kind == TERM_UNIFORM;
    return no_less(im, im->in[first ? 0 : 1], im->in[first ? 1 : 0]);
}

static const term *same(importer *im) {
    return im->in[0];
}

static const term *cast(importer *im) {
    const term *x = im->in[0];
    int64_t to = node_int(im, "to", 0);
    const term *codes = to == ONNX_FLOAT ? term_cast_codes(im, x) : NULL;
    const term *folded = codes ? codes : onnx_fold(im);
    if (folded)
        return folded;
    bool real = to == ONNX_FLOAT || to == ONNX_DOUBLE || to == ONNX_FLOAT16 || to == ONNX_BFLOAT16;
    if (x->kind == TERM_IDS || x->kind == TERM_TYPES || real)
        return x; /* rows are float32 throughout */
    return term_unknown(im, "rows are float32; they cannot become another type");
}

/** By a constant: one of two, or scores of which a constant masks some. */
static const term *where(importer *im) {
    const term *c, *x = im->in[1], *y = im->in[2];
    const term *folded = onnx_fold(im);
    if (folded)
        return folded;
    if (!term_numbers(im, im->in[0], &c))
        return term_unknown(im,
                            im->in[0]->kind == TERM_UNKNOWN ? NULL : "chooses by what is not the same for all texts");
    if (c->kind == TERM_UNIFORM) {
        const term *taken = c->number != 0 ? x : y;
        uint32_t rank;
        int64_t dims[ONNX_MAX_RANK];
        bool fits = taken->kind != TERM_UNKNOWN && term_broadcast(c, taken, &rank, dims);
        return fits                          ? term_with_dims(im, taken, rank, dims)
               : taken->kind == TERM_UNKNOWN ? term_unknown(im, NULL)
                                             : taken;
    }
    bool first = x->kind == TERM_SCORES || (x->kind == TERM_SCALE && x->a->kind == TERM_SCORES);
    const term *rows = first ? x : y, *other = first ? y : x;
    const term *saved[3] = {im->in[0], im->in[1], im->in[2]};
    im->in[0] = c;
    im->in[first ? 1 : 2] = term_uniform(im, 0);
    const term *mask = other->kind == TERM_UNKNOWN ? NULL : onnx_fold(im), *out = NULL;
    memcpy(im->in, saved, sizeof saved);
    if (mask && mask->kind != TERM_UNKNOWN)
        out = term_mask(im, rows, mask);
    return out ? out : term_unknown(im, "chooses between what are no scores and a mask");
}

/** Ids are those of tokens that are there: none is the padding that they are compared with. */
static const term *equal(importer *im) {
    const term *folded = onnx_fold(im), *x = im->in[0], *y = im->in[1];
    if (folded)
        return folded;
    const term *ids = x->kind == TERM_IDS ? x : y, *number = ids == x ? y : x;
    if (ids->kind != TERM_IDS || number->kind != TERM_UNIFORM || (im->has_padding && im->padding != number->number))
        return term_unknown(im, "compares what is not the same for all texts");
    im->has_padding = true;
    im->padding = number->number;
    term *t = term_new(im, TERM_UNIFORM, NULL, NULL);
    t->type = ONNX_BOOL;
    return term_with_dims(im, t, ids->rank, ids->dims);
}

/** Probabilities of a row that sees a token are numbers, and every row sees itself. */
static const term *is_nan(importer *im) {
    if (im->in[0]->kind != TERM_PROBS)
        return term_unknown(im, "only of probabilities it is known that they are numbers");
    term *t = term_new(im, TERM_UNIFORM, NULL, NULL);
    t->type = ONNX_BOOL;
    return term_with_dims(im, t, im->in[0]->rank, im->in[0]->dims);
}

static const term *softmax(importer *im) {
    int64_t axis = node_int(im, "axis", im->graph->opset && im->graph->opset < 13 ? 1 : -1);
    return axis == -1 || axis == im->in[0]->rank - 1 ? term_softmax(im, im->in[0])
                                                     : term_unknown(im, "a softmax is known only over the last axis");
}

static const term *matmul(importer *im) {
    return term_matmul(im, im->in[0], im->in[1]);
}

const term *onnx_gemm_rule(importer *im) {
    const term *w = im->in[1], *bias = im->in[2];
    if (node_real(im, "alpha", 1) != 1 || node_real(im, "beta", 1) != 1 || node_int(im, "transA", 0) != 0 ||
        w->kind != TERM_WEIGHT || (bias && (bias->kind != TERM_WEIGHT || bias->weight->rank != 1)))
        return term_unknown(im, "a Gemm is known of rows, a constant matrix and a constant vector, without factors");
    return term_linear(im, im->in[0], w->weight, (node_int(im, "transB", 0) != 0) == w->transposed,
                       bias ? bias->weight : NULL);
}

static const term *layer_normalization(importer *im) {
    int64_t axis = node_int(im, "axis", -1);
    return axis == -1 || axis == im->in[0]->rank - 1 ? node_layernorm(im, im->in[0], 1, 1e-5)
                                                     : term_unknown(im, "normalisation is known only of each row");
}

static const term *rms_normalization(importer *im) {
    int64_t axis = node_int(im, "axis", -1);
    return axis == -1 || axis == im->in[0]->rank - 1 ? node_rmsnorm(im, im->in[0], 1, 1e-5)
                                                     : term_unknown(im, "normalisation is known only of each row");
}

/** X, cosines, sines, positions. */
static const term *rotary_embedding(importer *im) {
    return node_int(im, "rotary_embedding_dim", 0) != 0
               ? term_unknown(im, "turns some channels only")
               : term_rotary(im, im->in[0], node_int(im, "num_heads", 0), im->in[1], im->in[2], im->in[3],
                             node_int(im, "interleaved", 0) != 0);
}

/** Rows of two values side by side: halves of a rotation; an empty one, as of no past, has nothing to add. */
static const term *join(importer *im) {
    const term *only = NULL, *x = im->in[0], *y = im->in[1];
    size_t full = 0;
    for (size_t i = 0; i < im->node->input_count; i++) {
        if (im->in[i] && term_elements(im->in[i]) == 0)
            continue;
        full++;
        only = im->in[i];
    }
    if (full == 1 && only)
        return only;
    int64_t axis = node_int(im, "axis", 0);
    bool last = x && y && im->node->input_count == 2 && (axis == -1 || axis == x->rank - 1);
    const term *halves = last ? term_rotated_halves(im, x, y) : NULL;
    return halves ? halves : term_unknown(im, "joins what are no constants, nor halves of channels to be turned");
}

static const onnx_operator operators[] = {
    {"Add", add, 2},
    {"Sub", subtract, 2},
    {"Mul", multiply, 2},
    {"Div", divide, 2},
    {"Pow", power, 2},
    {"Sqrt", square_root, 1},
    {"Reciprocal", reciprocal, 1},
    {"Neg", negate, 1},
    {"Erf", erf_of, 1},
    {"Tanh", tanh_of, 1},
    {"Sigmoid", sigmoid, 1},
    {"Gelu", gelu, 1},
    {"Relu", relu, 1},
    {"ReduceMean", reduce_mean, 1},
    {"ReduceSum", reduce_sum, 1},
    {"ReduceL2", reduce_length, 1},
    {"ReduceSumSquare", reduce_squares, 1},
    {"LpNormalization", normalized, 1},
    {"Clip", clip, 1},
    {"Max", maximum, 2},
    {"Identity", same, 1},
    {"Dropout", same, 1},
    {"Cast", cast, 1},
    {"Where", where, 3},
    {"Equal", equal, 2},
    {"IsNaN", is_nan, 1},
    {"Softmax", softmax, 1},
    {"MatMul", matmul, 2},
    {"Gemm", onnx_gemm_rule, 2},
    {"Attention", onnx_attention_rule, 3},
    {"LayerNormalization", layer_normalization, 2},
    {"RMSNormalization", rms_normalization, 2},
    {"SimplifiedLayerNormalization", rms_normalization, 2},
    {"RotaryEmbedding", rotary_embedding, 3},
    {"Concat", join, 1},
    {NULL, NULL, 0},
};

/* Operators that are known to exist and have no place in the IR, and why. */
static const struct {
    const char *op, *reason;
} refused[] = {
    {"MatMulNBits", "weights of 4 bits in blocks have no place in a program; keep int8, float16 or float32"},
    {"If", "control flow depends on data; a program's steps are known before it runs"},
    {"Loop", "control flow depends on data; a program's steps are known before it runs"},
};

static const onnx_operator *find(const onnx_operator *table, const char *op) {
    for (; table->op; table++)
        if (strcmp(table->op, op) == 0)
            return table;
    return NULL;
}

/** The rule of an operator. Those of com.microsoft include the standard ones; where both have a name, theirs counts. */
static const onnx_operator *find_any(const onnx_node *n) {
    const onnx_operator *const tables[] = {strcmp(n->domain, "com.microsoft") == 0 ? onnx_contrib_operators : operators,
                                           operators, onnx_layout_operators, onnx_quantised_operators};
    const onnx_operator *known = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !known; i++)
        known = find(tables[i], n->op);
    return known;
}

/** Operators that may be taken although an operand is unknown: where a constant does not choose it. */
static bool may_be_unknown(const char *op) {
    return strcmp(op, "Where") == 0;
}

/** The rule of the node's operator; NULL if there is none, and why. */
static const onnx_operator *rule_of(const onnx_node *n, const char **reason) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i].op, n->op) == 0) {
            *reason = refused[i].reason;
            return NULL;
        }
    bool domain = !*n->domain || strcmp(n->domain, "ai.onnx") == 0 || strcmp(n->domain, "com.microsoft") == 0;
    *reason = domain ? "no operator of this name is known" : "operators of its domain are not known";
    return domain ? find_any(n) : NULL;
}

/** True where codes and their scales meet: a weight, though both are constants. */
static bool known_of_codes(const importer *im, const char *op) {
    return (strcmp(op, "Mul") == 0 || strcmp(op, "Sub") == 0) && im->in[0] && im->in[1];
}

static bool is_layout(const onnx_operator *known) {
    return known && known->rule == find(onnx_layout_operators, "Gather")->rule;
}

const term *onnx_apply(importer *im) {
    const onnx_node *n = im->node;
    const char *reason;
    const onnx_operator *known = rule_of(n, &reason);
    bool folds = onnx_folds(n->op), rows = im->in[0] && term_is_rows(im->in[0]) && n->output_count == 1;
    if (!known && !folds && rows) /* as if it were an activation, to see what is wrong behind it */
        return term_instead(im, reason, term_activation(im, im->in[0], 0));
    if (!known && !folds)
        return term_unknown(im, reason);
    if (n->input_count > ONNX_MAX_INPUTS)
        return term_unknown(im, "has more inputs than are read");
    for (size_t i = 0; known && i < known->least; i++)
        if (!im->in[i])
            return term_unknown(im, "lacks an input");
    for (size_t i = 0; i < n->input_count; i++)
        if (im->in[i] && im->in[i]->kind == TERM_UNKNOWN && !may_be_unknown(n->op))
            return term_unknown(im, NULL);
    bool own = known && (known->rule == where || known->rule == cast || known->rule == equal);
    const term *folded = folds && !own && !known_of_codes(im, n->op) && !is_layout(known) ? onnx_fold(im) : NULL;
    if (folded)
        return folded;
    return known ? known->rule(im)
                 : term_unknown(im, "is known of constants only, and its operands depend on the text");
}
