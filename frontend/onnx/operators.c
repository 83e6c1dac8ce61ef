/* Operators of ONNX and what each makes of its operands. The table at the end lists all that are known. */
#include <string.h>

#include "frontend/onnx/term.h"

/** A whole number among floats is a number like any other. */
static const term *number(importer *im, const term *t) {
    return t->kind == TERM_INTS && t->count == 1 && t->ints[0] > DIM_LAST ? term_uniform(im, (double)t->ints[0]) : t;
}

/** Arithmetic of sizes, element by element; one of one element serves all of the other. */
static const term *size_arithmetic(importer *im, char sign) {
    const term *x = im->in[0], *y = im->in[1];
    size_t count = x->count > y->count ? x->count : y->count;
    if ((x->count != count && x->count != 1) || (y->count != count && y->count != 1))
        return term_unknown(im, "its operands have different lengths");
    int64_t *ints = ARENA_ARRAY(im->a, int64_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        int64_t a = x->ints[x->count == 1 ? 0 : i], b = y->ints[y->count == 1 ? 0 : i];
        bool known = a > DIM_LAST && b > DIM_LAST && !(sign == '/' && (b == 0 || b == -1));
        bool keeps = (b == 1 && (sign == '*' || sign == '/')) || (b == 0 && (sign == '+' || sign == '-'));
        bool gives = (a == 1 && sign == '*') || (a == 0 && sign == '+');
        ints[i] = DIM_ANY;
        if (keeps || gives)
            ints[i] = keeps ? a : b;
        else if (sign == '*' && (a == 0 || b == 0))
            ints[i] = 0;
        else if (known && sign == '/')
            ints[i] = a / b;
        else if (known && (sign == '*'   ? __builtin_mul_overflow(a, b, &ints[i])
                           : sign == '+' ? __builtin_add_overflow(a, b, &ints[i])
                                         : __builtin_sub_overflow(a, b, &ints[i])))
            ints[i] = DIM_ANY;
    }
    term *t = term_new(im, TERM_INTS, NULL, NULL);
    t->ints = ints;
    t->count = count;
    t->scalar = x->scalar && y->scalar;
    return t;
}

static const term *arithmetic(importer *im, char sign,
                              const term *(*rows)(importer *im, const term *x, const term *y)) {
    const term *codes = sign == '*'   ? term_scale_codes(im, im->in[0], im->in[1])
                        : sign == '-' ? term_center_codes(im, im->in[0], im->in[1])
                                      : NULL;
    if (codes)
        return codes;
    if (im->in[0]->kind == TERM_INTS && im->in[1]->kind == TERM_INTS)
        return size_arithmetic(im, sign);
    const term *x = number(im, im->in[0]), *y = number(im, im->in[1]);
    if (x->kind == TERM_INTS || y->kind == TERM_INTS)
        return term_unknown(im, "mixes sizes and rows");
    if (x->kind == TERM_UNIFORM && y->kind == TERM_UNIFORM)
        return term_uniform(im, sign == '+'   ? x->number + y->number
                                : sign == '-' ? x->number - y->number
                                : sign == '*' ? x->number * y->number
                                              : x->number / y->number);
    return rows(im, x, y);
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
    const term *exponent = number(im, im->in[1]);
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

/** A mask's sum over its tokens is their number. */
static const term *reduce_sum(importer *im) {
    if (im->in[0]->kind != TERM_UNIFORM || !im->in[0]->ints || im->in[0]->number != 1)
        return term_unknown(im, "a sum over an axis is known only of the mask of tokens");
    int64_t *length = ARENA_NEW(im->a, int64_t);
    term *t = term_new(im, TERM_INTS, NULL, NULL);
    *length = im->seq;
    t->ints = length;
    t->count = 1;
    return t;
}

static const term *reduce_mean(importer *im) {
    size_t count;
    const int64_t *axes = node_ints(im, "axes", 1, &count);
    if (axes && count == 1 && (axes[0] == -1 || axes[0] == 2) && node_int(im, "keepdims", 1) == 1)
        return term_mean(im, im->in[0]);
    if (axes && count == 1 && axes[0] == 1 && node_int(im, "keepdims", 1) == 0 && term_is_rows(im->in[0])) {
        term *t = term_new(im, TERM_POOL, im->in[0], NULL);
        t->function = 1;
        return t;
    }
    return term_unknown(im, "a mean is known over each row, or over all rows");
}

static const term *softmax(importer *im) {
    int64_t axis = node_int(im, "axis", im->graph->opset && im->graph->opset < 13 ? 1 : -1);
    return axis == -1 || axis == 3 ? term_softmax(im, im->in[0])
                                   : term_unknown(im, "a softmax is known only over the last axis");
}

static const term *matmul(importer *im) {
    return term_matmul(im, im->in[0], im->in[1]);
}

static const term *gemm(importer *im) {
    const term *w = im->in[1], *bias = im->in[2];
    if (node_real(im, "alpha", 1) != 1 || node_real(im, "beta", 1) != 1 || node_int(im, "transA", 0) != 0 ||
        w->kind != TERM_WEIGHT || (bias && (bias->kind != TERM_WEIGHT || bias->weight->rank != 1)))
        return term_unknown(im, "a Gemm is known of rows, a constant matrix and a constant vector, without factors");
    return term_linear(im, im->in[0], w->weight, (node_int(im, "transB", 0) != 0) == w->transposed,
                       bias ? bias->weight : NULL);
}

/** What was made of rows stands for codes of them, too: of `x`, which codes were given for. */
static const term *recoded(importer *im, const term *x, const term *made) {
    return x->kind == TERM_CODES && made->kind != TERM_UNKNOWN ? term_new(im, TERM_CODES, made, NULL) : made;
}

static const term *transpose(importer *im) {
    size_t count;
    const int64_t *perm = node_ints(im, "perm", SIZE_MAX, &count);
    const term *x = im->in[0];
    return recoded(im, x, term_transpose(im, x->kind == TERM_CODES ? x->a : x, perm, count));
}

static const term *reshape(importer *im) {
    const term *x = im->in[0], *sizes = im->in[1];
    if (x->kind == TERM_UNIFORM)
        return term_uniform(im, x->number);
    if (x->kind == TERM_INTS || x->kind == TERM_POSITIONS || x->kind == TERM_IDS || x->kind == TERM_TYPES)
        return x;
    return sizes->kind == TERM_INTS ? recoded(im, x, term_reshape(im, x->kind == TERM_CODES ? x->a : x, sizes))
                                    : term_unknown(im, "reshapes to sizes that are not known");
}

static const term *layer_normalization(importer *im) {
    int64_t axis = node_int(im, "axis", -1);
    return axis == -1 || axis == 2 ? node_layernorm(im, im->in[0], 1, 1e-5)
                                   : term_unknown(im, "normalisation is known only of each row");
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
    {"Softmax", softmax, 1},
    {"MatMul", matmul, 2},
    {"Gemm", gemm, 2},
    {"Attention", onnx_attention_rule, 3},
    {"Transpose", transpose, 1},
    {"Reshape", reshape, 2},
    {"LayerNormalization", layer_normalization, 2},
    {NULL, NULL, 0},
};

#define RMS "normalises without a mean, as decoders do; encoders of the BERT family subtract it"
/* Operators that are known to exist and have no place in the IR, and why. */
static const struct {
    const char *op, *reason;
} refused[] = {
    {"SimplifiedLayerNormalization", RMS},
    {"SkipSimplifiedLayerNormalization", RMS},
    {"RMSNormalization", RMS},
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
                                           operators, onnx_split_operators, onnx_quantised_operators,
                                           onnx_shape_operators};
    const onnx_operator *known = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !known; i++)
        known = find(tables[i], n->op);
    return known;
}

/** Operands that only say a size: what does not depend on it takes it unknown. */
static bool may_be_unknown(const char *op, size_t index) {
    return strcmp(op, "ConstantOfShape") == 0 || strcmp(op, "Where") == 0 || strcmp(op, "GatherND") == 0 ||
           (index == 1 && (strcmp(op, "Expand") == 0 || strcmp(op, "Reshape") == 0));
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

const term *onnx_apply(importer *im) {
    const onnx_node *n = im->node;
    const char *reason;
    const onnx_operator *known = rule_of(n, &reason);
    bool rows = im->in[0] && term_is_rows(im->in[0]) && n->output_count == 1;
    if (!known && rows) /* as if it were an activation, to see what is wrong behind it */
        return term_instead(im, reason, term_activation(im, im->in[0], 0));
    if (!known)
        return term_unknown(im, reason);
    if (n->input_count > ONNX_MAX_INPUTS)
        return term_unknown(im, "has more inputs than are read");
    for (size_t i = 0; i < known->least; i++)
        if (!im->in[i])
            return term_unknown(im, "lacks an input");
    for (size_t i = 0; i < n->input_count; i++) {
        if (!im->in[i] && strcmp(n->op, "Concat") == 0)
            return term_unknown(im, "lacks an input");
        if (im->in[i] && im->in[i]->kind == TERM_UNKNOWN && !may_be_unknown(n->op, i))
            return term_unknown(im, NULL);
    }
    return known->rule(im);
}
