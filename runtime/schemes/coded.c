/* Matrices of whole numbers with scales (NUMERICS.md, "Integers and scales"). */
#include "runtime/schemes/coded.h"
#include "runtime/entry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Ranges below this count as it, so that no scale is 0. */
static const double least_range = 1e-8;

void dtq_coded_free(dtq_coded *c) {
    if (c) {
        free(c->codes);
        free(c->scales);
        free(c);
    }
}

dtq_coded *dtq_coded_new(const dtq_exec *x, size_t width, dtq_error *e) {
    dtq_coded *c = calloc(1, sizeof *c);
    if (c) {
        c->seq = x->stream->seq;
        c->width = width;
        c->uniform = true;
        c->codes = calloc(c->seq * width + 1, sizeof *c->codes);
        c->scales = malloc((width + 1) * sizeof *c->scales);
    }
    if (!c || !c->codes || !c->scales) {
        dtq_coded_free(c);
        (void)dtq_no_memory(
            e, sizeof *c + (x->stream->seq * width + 1) * sizeof *c->codes + (width + 1) * sizeof *c->scales,
            "%u rows of %zu codes", x->stream->seq, width);
        return NULL;
    }
    return c;
}

void dtq_coded_scale(dtq_coded *c, double scale) {
    c->uniform = true;
    for (size_t i = 0; i < c->width; i++)
        c->scales[i] = scale;
}

/* ---- what stands where ------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const dtq_coded *c) {
    return (uint64_t)c->seq * c->width * sizeof(float);
}

void dtq_coded_forget(dtq_exec *x, uint64_t at, uint64_t bytes) {
    dtq_coded *kept = NULL;
    for (dtq_coded *c = x->scheme_state, *next; c; c = next) {
        next = c->next;
        if (c->at < at + bytes && at < c->at + bytes_of(c)) {
            dtq_coded_free(c);
        } else {
            c->next = kept;
            kept = c;
        }
    }
    x->scheme_state = kept;
}

void dtq_coded_close(dtq_exec *x) {
    for (dtq_coded *c = x->scheme_state, *next; c; c = next) {
        next = c->next;
        dtq_coded_free(c);
    }
    x->scheme_state = NULL;
}

bool dtq_coded_store(dtq_exec *x, dtq_coded *c, uint64_t at, const dtq_rows *r, dtq_error *e) {
    float *dst = c ? dtq_matrix(x, at, c->seq, c->width, e) : NULL;
    if (!dst) {
        dtq_coded_free(c);
        return false;
    }
    for (uint32_t i = 0; i < r->rows; i++) {
        const size_t row = r->ids[i] * c->width;
        for (size_t k = 0; k < c->width; k++)
            dst[row + k] = (float)((double)c->codes[row + k] * c->scales[k]);
    }
    dtq_coded_forget(x, at, bytes_of(c));
    c->at = at;
    c->next = x->scheme_state;
    x->scheme_state = c;
    return true;
}

static const dtq_coded *find(const dtq_exec *x, uint64_t at, size_t width) {
    for (const dtq_coded *c = x->scheme_state; c; c = c->next)
        if (c->at == at && c->width == width)
            return c;
    return NULL;
}

/* ---- quantising -------------------------------------------------------------------------------------------------- */

/* 2^(bits-1) - 1 */
static double most_of(unsigned bits) {
    return (double)(((int64_t)1 << (bits - 1)) - 1);
}

/* The scale of a range, a float32. */
static double scale_of(double largest, unsigned bits) {
    return (double)(float)((largest < least_range ? least_range : largest) / most_of(bits));
}

static double clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

dtq_dyadic dtq_dyadic_of(double quotient) {
    int exponent;
    const double mantissa = frexp(quotient, &exponent) * 0x1p31; /* exact */
    const double below = floor(fabs(mantissa)), m = fabs(mantissa) - below >= 0.5 ? below + 1 : below;
    return (dtq_dyadic){mantissa < 0 ? -m : m, ldexp(1.0, 31 - exponent)};
}

double dtq_dyadic_times(double code, dtq_dyadic q) {
    return rint(code * q.m / q.power);
}

static dtq_coded *from_floats(dtq_exec *x, uint64_t at, size_t width, const dtq_rows *r, unsigned bits, dtq_error *e) {
    const float *src = dtq_matrix(x, at, x->stream->seq, width, e);
    dtq_coded *c = src ? dtq_coded_new(x, width, e) : NULL;
    double largest = 0;
    for (uint32_t i = 0; c && i < r->rows; i++) {
        float own;
        const float *row = src + r->ids[i] * width;
        if (!dtq_do_scale(row, width, 1, 8, &own)) {
            (void)dtq_fail(e, DTQ_BAD_INPUT, "layer %u, token %u: a value is not finite, or 2^50 or more", r->index,
                           r->ids[i]);
            dtq_coded_free(c);
            return NULL;
        }
        for (size_t k = 0; k < width; k++) {
            const double magnitude = fabs((double)row[k]);
            largest = magnitude > largest ? magnitude : largest;
        }
    }
    if (!c)
        return NULL;
    const double scale = scale_of(largest, bits), most = most_of(bits);
    c->bits = bits;
    dtq_coded_scale(c, scale);
    for (uint32_t i = 0; i < r->rows; i++) {
        const size_t row = r->ids[i] * width;
        for (size_t k = 0; k < width; k++)
            c->codes[row + k] = (int64_t)clamp(rint((double)src[row + k] / scale), -most, most - 1);
    }
    return c;
}

static double largest_of(const dtq_coded *a, const dtq_coded *b, const dtq_rows *r) {
    double largest = 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        const size_t row = r->ids[i] * a->width;
        for (size_t k = 0; k < a->width; k++) {
            double value = (double)a->codes[row + k] * a->scales[k];
            value = b ? value + (double)b->codes[row + k] * b->scales[k] : value;
            value = fabs(value);
            largest = value > largest ? value : largest;
        }
    }
    return largest;
}

dtq_coded *dtq_coded_requantise(const dtq_exec *x, const dtq_coded *a, const dtq_coded *b, const dtq_rows *r,
                                unsigned bits, dtq_error *e) {
    dtq_coded *c = a ? dtq_coded_new(x, a->width, e) : NULL;
    if (!c)
        return NULL;
    const double scale = scale_of(largest_of(a, b, r), bits), most = most_of(bits);
    c->bits = bits;
    dtq_coded_scale(c, scale);
    for (size_t k = 0; k < a->width; k++) {
        const dtq_dyadic of_a = dtq_dyadic_of(a->scales[k] / scale);
        const dtq_dyadic of_b = b ? dtq_dyadic_of(b->scales[k] / scale) : of_a;
        for (uint32_t i = 0; i < r->rows; i++) {
            const size_t at = r->ids[i] * a->width + k;
            double code = dtq_dyadic_times((double)a->codes[at], of_a);
            code = b ? code + dtq_dyadic_times((double)b->codes[at], of_b) : code;
            c->codes[at] = (int64_t)(bits <= 16 ? clamp(code, -most - 1, most) : code);
        }
    }
    return c;
}

/* A copy of the rows r. */
static dtq_coded *copy(const dtq_exec *x, const dtq_coded *from, const dtq_rows *r, dtq_error *e) {
    dtq_coded *c = dtq_coded_new(x, from->width, e);
    if (!c)
        return NULL;
    c->bits = from->bits;
    c->uniform = from->uniform;
    memcpy(c->scales, from->scales, from->width * sizeof *c->scales);
    for (uint32_t i = 0; i < r->rows; i++) {
        const size_t row = r->ids[i] * from->width;
        memcpy(c->codes + row, from->codes + row, from->width * sizeof *c->codes);
    }
    return c;
}

dtq_coded *dtq_coded_take_any(dtq_exec *x, uint64_t at, size_t width, const dtq_rows *r, unsigned bits, dtq_error *e) {
    const dtq_coded *found = find(x, at, width);
    return found ? copy(x, found, r, e) : from_floats(x, at, width, r, bits, e);
}

dtq_coded *dtq_coded_take(dtq_exec *x, uint64_t at, size_t width, const dtq_rows *r, unsigned bits, dtq_error *e) {
    const dtq_coded *found = find(x, at, width);
    if (!found)
        return from_floats(x, at, width, r, bits, e);
    return found->uniform && found->bits <= bits ? copy(x, found, r, e)
                                                 : dtq_coded_requantise(x, found, NULL, r, bits, e);
}
