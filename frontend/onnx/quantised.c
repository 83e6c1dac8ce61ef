/* Quantised graphs. Codes in constants are weights with exact values, (code - zero) * scale; codes of rows stand for
 * the rows that they were made of, since a linear's arithmetic is dtqc's own: float32, or int8 of --linear=int8. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

static const char *const NO_CONSTANT = "scale and zero point of a constant must be constants";

static bool is_coded(const onnx_tensor *t) {
    return t && (t->type == ONNX_INT8 || t->type == ONNX_UINT8 || t->type == ONNX_INT32) && t->rank <= 2 && !t->ints;
}

static bool is_constant(const term *t) {
    return t->kind == TERM_WEIGHT || t->kind == TERM_NUMBERS || t->kind == TERM_UNIFORM;
}

static int64_t code(const onnx_tensor *t, uint64_t i) {
    int32_t wide;
    if (t->ints)
        return t->ints[i];
    if (t->type == ONNX_INT32)
        memcpy(&wide, t->data + i * sizeof wide, sizeof wide);
    else
        wide = t->type == ONNX_INT8 ? (int8_t)t->data[i] : t->data[i];
    return wide;
}

/** Takes a zero point, or one of each row or column, to `codes`. NULL, or what is wrong. */
static const char *set_zero(importer *im, onnx_codes *codes, const onnx_tensor *of, const term *zero) {
    const onnx_tensor *t = zero->weight;
    if (zero->kind == TERM_UNIFORM) {
        codes->zero = zero->number;
        return NULL;
    }
    if ((zero->kind != TERM_WEIGHT && zero->kind != TERM_NUMBERS) || !t || t->elements == 0 ||
        t->elements > UINT32_MAX || (t->type != ONNX_INT8 && t->type != ONNX_UINT8 && t->type != ONNX_INT32))
        return NO_CONSTANT;
    bool alike = t->ints || t->data;
    for (uint64_t i = 0; alike && i < t->elements; i++)
        alike = code(t, i) == code(t, 0);
    if (alike) {
        codes->zero = (double)code(t, 0);
        return NULL;
    }
    if (t->ints)
        return arena_printf(im->a, "zero points '%.80s' differ and are int32_data; write them as raw_data", t->name);
    codes->zeros = t;
    return t->type == of->type ? NULL : "zero points must be of the type of the codes";
}

static const char *set_scale(onnx_codes *codes, const term *scale) {
    codes->scaled = true;
    if (scale->kind == TERM_UNIFORM) {
        codes->scale = scale->number;
        return isfinite(scale->number) ? NULL : "its scale is not finite";
    }
    if (scale->kind != TERM_WEIGHT || scale->weight->type != ONNX_FLOAT || scale->weight->codes)
        return NO_CONSTANT;
    codes->scales = scale->weight;
    return NULL;
}

/** By which axis of the constant, as it lies in the file, one of each row or column is: 0, 1; -1 if the sizes say
 * neither. `axis` is of the value, which may be the constant transposed. */
static int axis_of(const onnx_tensor *of, bool transposed, const onnx_tensor *vector, int64_t axis) {
    bool upright = vector->rank == 2 && vector->dims[1] == 1 && vector->dims[0] > 1;
    if (of->rank < 2)
        return vector->elements == of->elements ? 1 : -1;
    axis = upright ? 0 : vector->rank == 2 ? 1 : axis < 0 ? axis + 2 : axis;
    if (axis < 0 || axis > 1)
        return -1;
    axis = transposed ? 1 - axis : axis;
    return vector->elements == of->dims[axis] ? (int)axis : -1;
}

/** A vector for what may be [1, n] or [n, 1]; NULL if the runtime cannot name its place. */
static const onnx_tensor *flat(importer *im, const onnx_tensor *t, const onnx_tensor *of) {
    if (!t->file || !of->file || strcmp(t->file, of->file) != 0 || t->offset == 0)
        return NULL;
    onnx_tensor *vector = ARENA_NEW(im->a, onnx_tensor);
    *vector = *t;
    vector->rank = 1;
    vector->dims[0] = t->elements;
    return vector;
}

/** A constant with these codes, which are only its own, if they fit. */
static const term *coded(importer *im, const term *x, const onnx_tensor *of, onnx_codes *codes, int64_t axis) {
    int by_scale = codes->scales ? axis_of(of, x->transposed, codes->scales, axis) : -2;
    int by_zero = codes->zeros ? axis_of(of, x->transposed, codes->zeros, axis) : -2;
    if (by_scale == -1 || by_zero == -1 || (by_scale >= 0 && by_zero >= 0 && by_scale != by_zero))
        return term_unknown(im, arena_printf(im->a,
                                             "scales or zero points of '%.80s' are neither one nor one of each "
                                             "row or column",
                                             of->name));
    if (codes->scales || codes->zeros)
        codes->by_rows = by_scale == 0 || by_zero == 0;
    const onnx_tensor *scales = codes->scales, *zeros = codes->zeros;
    codes->scales = scales ? flat(im, scales, of) : NULL;
    codes->zeros = zeros ? flat(im, zeros, of) : NULL;
    if (!scales != !codes->scales || !zeros != !codes->zeros)
        return term_unknown(im, "codes, their scales and zero points must lie in one file, scales not at its very "
                                "start; save the model without external data");
    onnx_tensor *t = ARENA_NEW(im->a, onnx_tensor);
    *t = *of;
    t->codes = codes;
    term *out = term_new(im, x->kind == TERM_EMBEDDING ? TERM_EMBEDDING : TERM_WEIGHT, x->a, NULL);
    out->width = x->width;
    out->function = x->function;
    out->number = x->number;
    out->rank = x->rank;
    memcpy(out->dims, x->dims, sizeof out->dims);
    out->transposed = x->transposed;
    out->weight = t;
    return out;
}

static onnx_codes *codes_new(importer *im, const onnx_tensor *of) {
    onnx_codes *codes = ARENA_NEW(im->a, onnx_codes);
    *codes = of->codes ? *of->codes : (onnx_codes){.scale = 1};
    return codes;
}

const term *term_constant_codes(importer *im, const term *x, const term *scale, const term *zero, int64_t axis) {
    if (!is_coded(x->weight) || x->weight->codes || !is_constant(x))
        return term_unknown(im, "its weight is no matrix or vector of int8, uint8 or int32 in raw_data");
    onnx_codes *codes = codes_new(im, x->weight);
    const char *wrong = set_scale(codes, scale);
    wrong = wrong || !zero ? wrong : set_zero(im, codes, x->weight, zero);
    return wrong ? term_unknown(im, wrong) : coded(im, x, x->weight, codes, axis);
}

const term *term_cast_codes(importer *im, const term *x) {
    return x->kind == TERM_WEIGHT && is_coded(x->weight) && !x->weight->codes
               ? coded(im, x, x->weight, codes_new(im, x->weight), 1)
               : NULL;
}

const term *term_center_codes(importer *im, const term *x, const term *y) {
    if (x->kind != TERM_WEIGHT || !x->weight->codes || x->weight->codes->scaled)
        return NULL;
    onnx_codes *codes = codes_new(im, x->weight);
    const char *wrong = set_zero(im, codes, x->weight, y);
    return wrong ? term_unknown(im, wrong) : coded(im, x, x->weight, codes, 1);
}

/** Codes whose scale is not known yet, by a scale. */
static const term *scaled(importer *im, const term *w, const term *scale) {
    onnx_codes *codes = codes_new(im, w->weight);
    const char *wrong = set_scale(codes, scale);
    return wrong ? term_unknown(im, wrong) : coded(im, w, w->weight, codes, 1);
}

/* ---- codes of rows ------------------------------------------------------------------------------------------------
 */

static const term *of_rows(importer *im, term_kind kind, const term *a, const term *b) {
    term *t = term_new(im, kind, a, b);
    t->number = 1;
    return t;
}

/** The scales of a product of codes: of rows and of rows, or of rows and a constant. */
static const term *scale_product(importer *im, const term *x, const term *y) {
    if (x->kind == TERM_CODE_SCALE && y->kind == TERM_CODE_SCALE && !x->b && !y->b)
        return of_rows(im, TERM_CODE_SCALE, x->a, y->a);
    const term *rows = x->kind == TERM_CODE_SCALE ? x : y, *other = rows == x ? y : x;
    if (rows->b || rows->c || (other->kind != TERM_UNIFORM && other->kind != TERM_WEIGHT))
        return term_unknown(im, NO_CONSTANT);
    term *t = term_new(im, TERM_CODE_SCALE, rows->a, NULL);
    t->c = other; /* the weight's */
    return t;
}

static const term *product_of(importer *im, const term *product, const term *scale) {
    if (product->b)
        return scale->b && term_same(product->a, scale->a) && term_same(product->b, scale->b)
                   ? term_matmul(im, product->a, product->b)
                   : term_unknown(im, "scales a product by what are not its operands' scales");
    if (!scale->c || !term_same(product->a, scale->a))
        return term_unknown(im, "scales a product by what are not its operands' scales");
    const term *w = scaled(im, product->c, scale->c);
    return w->kind == TERM_UNKNOWN ? w : term_matmul(im, product->a, w);
}

const term *term_scale_codes(importer *im, const term *x, const term *y) {
    if (x->kind == TERM_CODE_PRODUCT && y->kind == TERM_CODE_SCALE)
        return product_of(im, x, y);
    if (y->kind == TERM_CODE_PRODUCT && x->kind == TERM_CODE_SCALE)
        return product_of(im, y, x);
    if (x->kind == TERM_CODE_SCALE || y->kind == TERM_CODE_SCALE)
        return scale_product(im, x, y);
    const term *w = x->kind == TERM_WEIGHT && x->weight->codes ? x : y, *scale = w == x ? y : x;
    if (w->kind != TERM_WEIGHT || !w->weight->codes || w->weight->codes->scaled)
        return NULL;
    return scaled(im, w, scale);
}

/** Codes, their scale and their zero point. */
static const term *dynamic_quantize_linear(importer *im) {
    const term *x = im->in[0];
    im->codes++;
    im->out[1] = of_rows(im, TERM_CODE_SCALE, x, NULL);
    im->out[2] = of_rows(im, TERM_CODE_ZERO, x, NULL);
    return of_rows(im, TERM_CODES, x, NULL);
}

static const term *quantize_linear(importer *im) {
    const term *x = im->in[0];
    if (is_constant(x))
        return term_unknown(im, "a constant that is quantised when the model runs; quantise it before");
    im->codes++;
    im->fixed_codes++;
    return of_rows(im, TERM_CODES, x, NULL);
}

static const term *dequantize_linear(importer *im) {
    const term *x = im->in[0], *zero = im->in[2];
    if (x->kind == TERM_CODES)
        return x->a;
    if (x->kind != TERM_EMBEDDING)
        return term_constant_codes(im, x, im->in[1], zero, node_int(im, "axis", 1));
    /* Rows of a table of codes: the table could as well be dequantised first. */
    if (im->in[1]->kind != TERM_UNIFORM || !is_coded(x->weight) || x->weight->codes)
        return term_unknown(im, "rows of a table of codes must have one scale");
    onnx_codes *codes = codes_new(im, x->weight);
    const char *wrong = set_scale(codes, im->in[1]);
    wrong = wrong || !zero ? wrong : set_zero(im, codes, x->weight, zero);
    return wrong || codes->zeros ? term_unknown(im, wrong ? wrong : NO_CONSTANT) : coded(im, x, x->weight, codes, 1);
}

/** a, b, zero point of a, zero point of b. */
static const term *matmul_integer(importer *im) {
    const term *x = im->in[0], *y = im->in[1];
    if (x->kind == TERM_CODES && y->kind == TERM_CODES)
        return of_rows(im, TERM_CODE_PRODUCT, x->a, y->a);
    if (x->kind != TERM_CODES || !is_constant(y) || !is_coded(y->weight))
        return term_unknown(im,
                            "a product of codes is known only of rows' codes and a constant, or of two rows' codes");
    onnx_codes *codes = codes_new(im, y->weight);
    const char *wrong = im->in[3] ? set_zero(im, codes, y->weight, im->in[3]) : NULL;
    const term *w = wrong ? term_unknown(im, wrong) : coded(im, y, y->weight, codes, 1);
    term *t = term_new(im, TERM_CODE_PRODUCT, x->a, NULL);
    t->c = w;
    return w->kind == TERM_UNKNOWN ? w : t;
}

/** Rows times the weight of codes `b`, with an optional bias. */
static const term *linear_of(importer *im, const term *rows, const term *scale, const term *zero, const term *bias) {
    const term *w = term_constant_codes(im, im->in[1], scale, zero, 1);
    const term *product = w->kind == TERM_UNKNOWN ? w : term_matmul(im, rows, w);
    return product->kind == TERM_UNKNOWN || !bias ? product : term_add(im, product, bias);
}

/** a, its scale, its zero point, the same of b, scale and zero point of the codes that come out. */
static const term *qlinear_matmul(importer *im) {
    const term *x = im->in[0], *y = im->in[3];
    if (x->kind != TERM_CODES)
        return term_unknown(im, "multiplies what are no codes of rows");
    const term *w = y->kind == TERM_CODES ? y->a : term_constant_codes(im, y, im->in[4], im->in[5], 1);
    const term *product = w->kind == TERM_UNKNOWN ? w : term_matmul(im, x->a, w);
    return product->kind == TERM_UNKNOWN ? product : of_rows(im, TERM_CODES, product, NULL);
}

/** Of com.microsoft: rows, weight, its scale, its zero point, bias. */
static const term *dynamic_quantize_matmul(importer *im) {
    im->codes++;
    return linear_of(im, im->in[0], im->in[2], im->in[3], im->in[4]);
}

/** Of com.microsoft: codes, weight, scale, the weight's scale, zero point, the weight's zero point, bias. */
static const term *matmul_integer_to_float(importer *im) {
    return im->in[0]->kind == TERM_CODES ? linear_of(im, im->in[0]->a, im->in[3], im->in[5], im->in[6])
                                         : term_unknown(im, "multiplies what are no codes of rows");
}

const onnx_operator onnx_quantised_operators[] = {
    {"DynamicQuantizeLinear", dynamic_quantize_linear, 1},
    {"QuantizeLinear", quantize_linear, 2},
    {"DequantizeLinear", dequantize_linear, 2},
    {"MatMulInteger", matmul_integer, 2},
    {"QLinearMatMul", qlinear_matmul, 8},
    {"DynamicQuantizeMatMul", dynamic_quantize_matmul, 3},
    {"MatMulIntegerToFloat", matmul_integer_to_float, 4},
    {NULL, NULL, 0},
};
