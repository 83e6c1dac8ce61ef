/* Arithmetic on rows: sums, factors, layer normalisation and activations, whatever way they are written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/term.h"

enum { SAME_DEPTH = 6 };

term *term_new(importer *im, term_kind kind, const term *a, const term *b) {
    term *t = ARENA_NEW(im->a, term);
    t->kind = kind;
    t->a = a;
    t->b = b;
    t->node = im->node;
    if (a) {
        t->width = a->width;
        t->heads = a->heads;
        t->kv_heads = a->kv_heads;
        t->rank = a->rank;
        memcpy(t->dims, a->dims, sizeof t->dims);
    }
    return t;
}

const term *term_with_dims(importer *im, const term *t, uint32_t rank, const int64_t *dims) {
    if (t->kind == TERM_UNKNOWN || (t->rank == rank && memcmp(t->dims, dims, rank * sizeof *dims) == 0))
        return t;
    term *copy = ARENA_NEW(im->a, term);
    *copy = *t;
    copy->rank = rank;
    memmove(copy->dims, dims, rank * sizeof *dims);
    return copy;
}

const term *term_uniform(importer *im, double number) {
    term *t = term_new(im, TERM_UNIFORM, NULL, NULL);
    t->type = ONNX_FLOAT;
    t->number = number;
    return t;
}

const term *term_unknown(importer *im, const char *reason) {
    term *t = term_new(im, TERM_UNKNOWN, NULL, NULL);
    t->reason = reason;
    return t;
}

const term *term_instead(importer *im, const char *reason, const term *output) {
    term *t = ARENA_NEW(im->a, term);
    t->kind = TERM_UNKNOWN;
    t->reason = reason;
    t->node = im->node;
    t->a = im->problems;
    im->problems = t;
    return output;
}

const term *term_strip(const term *t, double *factor) {
    if (t->kind != TERM_SCALE)
        return t;
    *factor *= t->number;
    return t->a;
}

/** The same constant, or the same part of one. */
static bool same_tensor(const onnx_tensor *x, const onnx_tensor *y) {
    return x == y ||
           (x && y && x->data && x->data == y->data && x->type == y->type && x->rank == y->rank &&
            x->stride == y->stride && x->codes == y->codes && memcmp(x->dims, y->dims, x->rank * sizeof *x->dims) == 0);
}

static bool same_within(const term *x, const term *y, int depth) {
    if (x == y)
        return true;
    if (!x || !y || depth == 0 || x->kind != y->kind || x->number != y->number || !same_tensor(x->weight, y->weight) ||
        !same_tensor(x->bias, y->bias) || x->width != y->width || x->heads != y->heads || x->function != y->function ||
        x->kind == TERM_UNKNOWN || x->kind == TERM_NUMBERS || x->kind == TERM_VIEW)
        return false;
    return same_within(x->a, y->a, depth - 1) && same_within(x->b, y->b, depth - 1) &&
           same_within(x->c, y->c, depth - 1);
}

bool term_same(const term *x, const term *y) {
    return same_within(x, y, SAME_DEPTH);
}

bool term_is_rows(const term *t) {
    return t->kind >= TERM_EMBEDDING && t->kind <= TERM_NORMALIZED;
}

static bool near(const importer *im, double x, double y) {
    return fabs(x - y) <= im->near * fabs(y);
}

static bool is_vector(const term *t, uint32_t width) {
    return t->kind == TERM_WEIGHT && t->weight->rank > 0 && t->weight->elements == width &&
           t->weight->dims[t->weight->rank - 1] == width;
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

const term *term_activation(importer *im, const term *x, uint32_t function) {
    term *t = term_new(im, TERM_ACTIVATION, x, NULL);
    t->function = function;
    return t;
}

/** x + 0.044715 x^3, times sqrt(2 / pi). */
static bool is_tanh_argument(const importer *im, const term *t, const term *x) {
    if (t->kind != TERM_SCALE || !near(im, t->number, 0.7978845608028654) || t->a->kind != TERM_SUM)
        return false;
    const term *sum = t->a, *cubic = term_same(sum->a, x) ? sum->b : sum->a;
    return (term_same(sum->a, x) || term_same(sum->b, x)) && cubic->kind == TERM_SCALE &&
           near(im, cubic->number, 0.044715) && cubic->a->kind == TERM_POWER && cubic->a->number == 3 &&
           term_same(cubic->a->a, x);
}

/** x * (1 + erf(x / sqrt 2)) / 2, and the same with tanh. */
static const term *match_gelu(importer *im, const term *x, const term *gate) {
    if (gate->kind != TERM_SHIFT || gate->number != 1)
        return NULL;
    const term *f = gate->a;
    if (f->kind == TERM_ERF && f->a->kind == TERM_SCALE && near(im, f->a->number, 0.7071067811865476) &&
        term_same(f->a->a, x))
        return term_activation(im, x, 0);
    if (f->kind == TERM_TANH && is_tanh_argument(im, f->a, x))
        return term_activation(im, x, 1);
    return NULL;
}

/* ---- sums and products ------------------------------------------------------------------------------------------- */

const term *term_scale(importer *im, const term *x, double factor) {
    if (x->kind == TERM_UNIFORM || x->kind == TERM_NUMBERS || x->kind == TERM_WEIGHT)
        return x; /* folded before it could have a factor */
    if (x->kind == TERM_SCALE) {
        factor *= x->number;
        x = x->a;
    }
    if (factor == 1)
        return x;
    if (x->kind == TERM_PRODUCT && near(im, factor, 0.5)) {
        const term *gelu = match_gelu(im, x->a, x->b);
        gelu = gelu ? gelu : match_gelu(im, x->b, x->a);
        if (gelu)
            return gelu;
    }
    term *t = term_new(im, TERM_SCALE, x, NULL);
    t->number = factor;
    return t;
}

static const term *shift(importer *im, const term *x, double by) {
    const term *inner = x->kind == TERM_SCALE ? x->a : x;
    if (inner->kind == TERM_SCORES && isfinite(by))
        return x; /* a softmax does not see what is added to all scores */
    if (by == 0)
        return x;
    /* (erf + 1) / 2 is written erf / 2 + 1/2, too. */
    if (x->kind == TERM_SCALE && near(im, x->number, by))
        return term_scale(im, shift(im, x->a, 1), x->number);
    term *t = term_new(im, TERM_SHIFT, x, NULL);
    t->number = by;
    return t;
}

static const term *add_vector(importer *im, const term *x, const term *vector) {
    bool linear = x->kind == TERM_LINEAR, norm = x->kind == TERM_LAYERNORM && !x->function;
    if ((!linear && !norm) || x->bias || !is_vector(vector, x->width))
        return term_unknown(im, "a constant is added to what is neither a product nor a normalised row of its width");
    term *t = term_new(im, x->kind, x->a, NULL);
    const onnx_node *node = t->node;
    *t = *x;
    t->node = node;
    t->bias = vector->weight;
    return t;
}

const term *term_add(importer *im, const term *x, const term *y) {
    const term *turned = term_turn_whole(im, x, y);
    if (turned)
        return turned;
    if (x->kind == TERM_UNIFORM || x->kind == TERM_WEIGHT) {
        const term *t = x;
        x = y;
        y = t;
    }
    if (y->kind == TERM_UNIFORM)
        return shift(im, x, y->number);
    const term *rows = y->kind == TERM_WEIGHT ? term_table_rows(im, y, x->width) : NULL;
    if (y->kind == TERM_WEIGHT && !rows)
        return add_vector(im, x, y);
    y = rows ? rows : y;
    if (y->kind == TERM_NUMBERS)
        return term_unknown(im, "adds a vector that the graph computes; fold constants first");
    if (x->width != y->width)
        return term_instead(
            im, arena_printf(im->a, "its operands are %u and %u wide; a sum needs equal shapes", x->width, y->width),
            term_new(im, TERM_SUM, x, y));
    return term_new(im, TERM_SUM, x, y);
}

const term *term_table_rows(importer *im, const term *t, uint32_t width) {
    const onnx_tensor *table = t->table ? t->table : t->weight;
    if (t->transposed || table->rank != 2 || table->dims[1] != width || im->seq == 1 || t->rank < 2 ||
        t->dims[t->rank - 2] != im->seq || term_elements(t) != im->seq * (int64_t)width)
        return NULL;
    term *rows = term_new(im, TERM_EMBEDDING, NULL, NULL);
    rows->node = t->node ? t->node : im->node;
    rows->function = INDEX_POSITIONS;
    rows->weight = table;
    rows->number = t->table ? t->number : 0;
    rows->width = width;
    return term_with_dims(im, rows, t->rank, t->dims);
}

const term *term_subtract(importer *im, const term *x, const term *y) {
    if (y->kind == TERM_MEAN && term_same(y->a, x))
        return term_new(im, TERM_CENTERED, x, NULL);
    if (y->kind == TERM_UNIFORM)
        return shift(im, x, -y->number);
    return term_unknown(im, "a difference is known only of a row and its mean");
}

const term *term_without_mean(importer *im, const term *norm) {
    term *t = term_new(im, norm->kind, norm->a, NULL);
    const onnx_node *node = t->node;
    *t = *norm;
    t->node = node;
    t->function = 1;
    return norm->kind == TERM_UNKNOWN ? norm : t;
}

static const term *multiply_vector(importer *im, const term *x, const term *vector) {
    if (x->kind == TERM_NORMED && x->function && x->a->kind == TERM_VIEW)
        return term_head_norm(im, x->a, vector->weight, x->number);
    if (x->kind != TERM_NORMED || !is_vector(vector, x->width))
        return term_unknown(im, "a vector multiplies what is no normalised row of its width");
    const term *norm = term_layernorm(im, x->a, vector->weight, NULL, x->number);
    return x->function ? term_without_mean(im, norm) : norm;
}

const term *term_multiply(importer *im, const term *x, const term *y) {
    if (x->kind == TERM_UNIFORM || x->kind == TERM_WEIGHT) {
        const term *t = x;
        x = y;
        y = t;
    }
    if (y->kind == TERM_UNIFORM)
        return term_scale(im, x, y->number);
    const term *turning = term_turn_part(im, x, y);
    if (turning)
        return turning;
    if (y->kind == TERM_WEIGHT)
        return multiply_vector(im, x, y);
    if (y->kind == TERM_NUMBERS)
        return term_unknown(im, "multiplies by a vector that the graph computes; fold constants first");
    double factor = 1;
    if (x->kind == TERM_SCALE) {
        factor *= x->number;
        x = x->a;
    }
    if (y->kind == TERM_SCALE) {
        factor *= y->number;
        y = y->a;
    }
    if (x->kind == TERM_SIGMOID && term_same(x->a, y))
        return term_scale(im, term_activation(im, y, 3), factor);
    if (y->kind == TERM_SIGMOID && term_same(y->a, x))
        return term_scale(im, term_activation(im, x, 3), factor);
    if (term_same(x, y))
        return term_scale(im, term_power(im, x, 2), factor);
    if (x->kind == TERM_POWER && term_same(x->a, y))
        return term_scale(im, term_power(im, y, x->number + 1), factor);
    if (y->kind == TERM_POWER && term_same(y->a, x))
        return term_scale(im, term_power(im, x, y->number + 1), factor);
    if (y->kind == TERM_POWER && y->number < 0)
        return term_scale(im, term_divide(im, x, term_power(im, y->a, -y->number)), factor);
    if (x->width != y->width)
        return term_unknown(im, arena_printf(im->a, "its operands are %u and %u wide", x->width, y->width));
    return term_scale(im, term_new(im, TERM_PRODUCT, x, y), factor);
}

double term_decimal(double number) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", number);
    double written = strtod(text, NULL);
    return (float)written == (float)number ? written : number;
}

/* ---- layer normalisation ----------------------------------------------------------------------------------------- */

const term *term_power(importer *im, const term *x, double exponent) {
    /* The square root of a square is no such power: it has lost the sign. */
    if (x->kind == TERM_POWER && (exponent == -1 || (exponent == floor(exponent) && x->number == floor(x->number)))) {
        exponent *= x->number;
        x = x->a;
    }
    if (exponent == 1)
        return x;
    term *t = term_new(im, TERM_POWER, x, NULL);
    t->number = exponent;
    return t;
}

/** The square root of the sum of a row's squares, maybe with a little added. */
static bool is_length(const term *y, const term *x) {
    if (y->kind != TERM_POWER || y->number != 0.5)
        return false;
    const term *sum = y->a->kind == TERM_SHIFT && fabs(y->a->number) <= 1e-6 ? y->a->a : y->a;
    sum = sum->kind == TERM_CLIP ? sum->a : sum;
    return sum->kind == TERM_SCALE && sum->number == (double)x->width && sum->a->kind == TERM_MEAN &&
           sum->a->a->kind == TERM_POWER && sum->a->a->number == 2 && term_same(sum->a->a->a, x);
}

const term *term_divide(importer *im, const term *x, const term *y) {
    if (y->kind == TERM_UNIFORM)
        return term_scale(im, x, 1 / y->number);
    if (y->kind == TERM_NUMBERS || y->kind == TERM_WEIGHT)
        return term_unknown(im, "divides by a vector");
    bool root = y->kind == TERM_POWER && y->number == 0.5;
    const term *length = y->kind == TERM_CLIP ? y->a : y;
    if (is_length(length, x))
        return term_new(im, TERM_NORMALIZED, x, NULL);
    const term *shifted = root ? y->a : y, *variance = shifted->kind == TERM_SHIFT ? shifted->a : shifted;
    if (root && x->kind == TERM_CENTERED && variance->kind == TERM_VARIANCE && term_same(variance->a, x->a)) {
        term *t = term_new(im, TERM_NORMED, x->a, NULL);
        t->number = shifted == variance ? 0 : shifted->number;
        return t;
    }
    if (root && variance->kind == TERM_MEAN && variance->a->kind == TERM_POWER && variance->a->number == 2 &&
        term_same(variance->a->a, x)) {
        term *t = term_new(im, TERM_NORMED, x, NULL);
        t->number = shifted == variance ? 0 : shifted->number;
        t->function = 1;
        return t;
    }
    if (x->kind == TERM_UNIFORM)
        return term_scale(im, term_power(im, y, -1), x->number);
    return term_unknown(im, "a quotient is known only of a centered row and its deviation, or by a constant");
}

const term *term_mean(importer *im, const term *x) {
    if (x->kind == TERM_POWER && x->number == 2 && x->a->kind == TERM_CENTERED)
        return term_new(im, TERM_VARIANCE, x->a->a, NULL);
    bool squares = x->kind == TERM_POWER && x->number == 2 && (term_is_rows(x->a) || x->a->kind == TERM_VIEW);
    return term_is_rows(x) || squares ? term_new(im, TERM_MEAN, x, NULL)
                                      : term_unknown(im, "a mean is known only of rows and of their squares");
}

const term *term_layernorm(importer *im, const term *x, const onnx_tensor *gamma, const onnx_tensor *beta,
                           double epsilon) {
    if (!term_is_rows(x))
        return term_unknown(im, "a normalisation is known only of rows");
    term *t = term_new(im, TERM_LAYERNORM, x, NULL);
    t->weight = gamma;
    t->bias = beta;
    t->number = term_decimal(epsilon);
    if (gamma->elements != x->width || (beta && beta->elements != x->width))
        return term_instead(im,
                            arena_printf(im->a, "normalises rows of %u with %llu factors and %llu offsets", x->width,
                                         (unsigned long long)gamma->elements,
                                         (unsigned long long)(beta ? beta->elements : gamma->elements)),
                            t);
    return t;
}
