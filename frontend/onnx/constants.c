/* Constants of a graph: their elements as float64, and those of weights where they are asked for. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

static double half(uint16_t bits, int exponent_bits) {
    int mantissa_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1), mantissa = bits & ((1 << mantissa_bits) - 1);
    double size = exponent == 2 * bias + 1 ? (mantissa ? NAN : INFINITY)
                  : exponent               ? ldexp(1 + ldexp(mantissa, -mantissa_bits), exponent - bias)
                                           : ldexp(mantissa, 1 - bias - mantissa_bits);
    return bits >> 15 ? -size : size;
}

double onnx_element(const onnx_tensor *t, uint64_t i) {
    const uint8_t *at = t->data + i * onnx_type_bytes(t->type);
    float f;
    double r;
    uint16_t u16;
    int32_t i32;
    int64_t i64;
    switch (t->type) {
    case ONNX_FLOAT:
        memcpy(&f, at, sizeof f);
        return (double)f;
    case ONNX_DOUBLE:
        memcpy(&r, at, sizeof r);
        return r;
    case ONNX_FLOAT16:
    case ONNX_BFLOAT16:
        memcpy(&u16, at, sizeof u16);
        return half(u16, t->type == ONNX_FLOAT16 ? 5 : 8);
    case ONNX_INT32:
        memcpy(&i32, at, sizeof i32);
        return i32;
    case ONNX_INT64:
        memcpy(&i64, at, sizeof i64);
        return (double)i64;
    case ONNX_INT8:
        return (int8_t)*at;
    default:
        return *at;
    }
}

int64_t term_elements(const term *t) {
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(n, t->dims[i], &n))
            return INT64_MAX;
    return n;
}

const term *term_numbers_new(importer *im, uint32_t rank, const int64_t *dims, int64_t type, const double *values) {
    term *t = term_new(im, TERM_NUMBERS, NULL, NULL);
    t->type = type;
    t->rank = rank;
    memcpy(t->dims, dims, rank * sizeof *dims);
    int64_t count = term_elements(t);
    bool alike = count > 0;
    for (int64_t i = 1; i < count && alike; i++)
        alike = values[i] == values[0];
    if (alike) {
        t->kind = TERM_UNIFORM;
        t->number = values[0];
    } else {
        t->values = values;
    }
    return t;
}

const term *term_uniform_of(importer *im, uint32_t rank, const int64_t *dims, int64_t type, double number) {
    term *t = term_new(im, TERM_UNIFORM, NULL, NULL);
    t->type = type;
    t->number = number;
    t->rank = rank;
    memcpy(t->dims, dims, rank * sizeof *dims);
    return t;
}

double term_weight_at(const term *t, int64_t i) {
    const onnx_tensor *w = t->weight;
    uint64_t columns = w->rank ? w->dims[w->rank - 1] : 1, skip = w->rank == 2 && w->stride ? w->stride : columns;
    uint64_t at = (uint64_t)i;
    return w->ints ? (double)w->ints[at] : onnx_element(w, columns ? at / columns * skip + at % columns : at);
}

static const term *loaded(importer *im, const onnx_tensor *t, uint32_t rank, const int64_t *dims) {
    double *values = ARENA_ARRAY(im->a, double, t->elements + 1);
    uint64_t columns = t->rank ? t->dims[t->rank - 1] : 1, skip = t->rank == 2 && t->stride ? t->stride : columns;
    for (uint64_t i = 0; i < t->elements; i++)
        values[i] = t->ints ? (double)t->ints[i] : onnx_element(t, columns ? i / columns * skip + i % columns : i);
    return term_numbers_new(im, rank, dims, t->type, values);
}

const term *term_constant(importer *im, const onnx_tensor *t) {
    bool real = onnx_type_is_real(t->type), here = t->data || t->ints || t->elements == 0;
    term *out = term_new(im, TERM_WEIGHT, NULL, NULL);
    int64_t dims[ONNX_MAX_RANK] = {0};
    for (uint32_t i = 0; i < t->rank; i++)
        dims[i] = (int64_t)t->dims[i];
    if (here && ((real && t->elements == 1) || (onnx_type_is_whole(t->type) && t->elements <= ONNX_MAX_INTS)))
        *out = *loaded(im, t, t->rank, dims);
    out->weight = t;
    return term_with_dims(im, out, t->rank, dims);
}

bool term_numbers(importer *im, const term *t, const term **out) {
    const onnx_tensor *w = t->weight;
    *out = t;
    if (t->kind != TERM_WEIGHT)
        return t->kind == TERM_NUMBERS || t->kind == TERM_UNIFORM;
    if (w->codes || w->elements > ONNX_MAX_FOLD || (!w->data && !w->ints && w->elements) ||
        (!onnx_type_is_real(w->type) && !onnx_type_is_whole(w->type) && w->type != ONNX_INT8 && w->type != ONNX_UINT8))
        return false;
    if (!t->transposed) {
        *out = loaded(im, w, t->rank, t->dims);
        return true;
    }
    int64_t stored[2] = {(int64_t)w->dims[0], (int64_t)w->dims[1]};
    const term *upright = loaded(im, w, 2, stored);
    *out = term_turn(im, upright);
    if (t->rank != 2 && (*out)->kind != TERM_UNKNOWN)
        *out = term_with_dims(im, *out, t->rank, t->dims);
    return (*out)->kind != TERM_UNKNOWN;
}
