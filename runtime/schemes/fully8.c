/* Fully 8-bit: "Towards Fully 8-bit Integer Inference for the Transformer Model" (Lin et al., IJCAI 2020, arXiv
 * 2009.08034): polynomial attention, L1 layer norm, codes of 8 bits between all instructions. The paper trains models
 * so; what a model that was not loses is to be measured. NUMERICS.md, "Fully 8-bit". */
#include <math.h>
#include <stdlib.h>

#include "runtime/entry.h"
#include "runtime/kernels/kernels.h"
#include "runtime/schemes/coded_ops.h"
#include "runtime/schemes/scheme_ops.h"

static bool embed(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_coded_embed(x, in, 8, e);
}

static bool linear(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_coded_linear(x, in, DTQ_CODES_SYMMETRIC, 8, e);
}

static bool add(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_coded_add(x, in, 8, e);
}

/* ---- polynomial attention ---------------------------------------------------------------------------------------- */

typedef struct {
    int64_t bias; /* in codes of the scores */
    unsigned degree;
} polynomial;

/* w = max(0, score + bias)^degree over their sum, in parts of 255. The base of the power has 8 bits, of the row's own
 * range, which the quotient does not depend on. */
static void weigh(const void *context, const int64_t *scores, size_t n, uint32_t *weights) {
    const polynomial *p = context;
    int64_t largest = 0;
    for (size_t j = 0; j < n; j++)
        largest = scores[j] + p->bias > largest ? scores[j] + p->bias : largest;
    uint64_t sum = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t j = 0; j < n; j++) {
            const int64_t shifted = scores[j] + p->bias;
            /* Where no score is positive, all are alike. */
            const uint64_t base = largest == 0 ? 1 : shifted <= 0 ? 0 : (uint64_t)(shifted * 255 / largest);
            uint64_t power = 1;
            for (unsigned i = 0; i < p->degree; i++)
                power *= base;
            if (pass == 0)
                sum += power;
            else
                weights[j] = (uint32_t)((power * 255 + sum / 2) / sum);
        }
    }
}

static bool attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a, dtq_effects *effects,
                   dtq_error *e) {
    (void)effects;
    const double *values = x->program->scheme.values;
    const double bias = rint(values[DTQ_SCHEME_PARAM(FULLY8, bias)] / dtq_coded_score_scale(x, src, a));
    const polynomial p = {(int64_t)(bias < 0x1p40 ? bias : 0x1p40), (unsigned)values[DTQ_SCHEME_PARAM(FULLY8, degree)]};
    const dtq_coded_weights w = {weigh, &p, 1.0 / 255, ((uint64_t)1 << 32) / 255};
    return dtq_coded_attend(x, layer, src, a, &w, e);
}

/* ---- L1 layer norm ----------------------------------------------------------------------------------------------- */

/* Deviations from the mean over their mean magnitude, in parts of 2^15. */
static void normalise(const int64_t *codes, size_t n, int64_t *out) {
    int64_t sum = 0, magnitude = 0;
    for (size_t i = 0; i < n; i++)
        sum += codes[i];
    const int64_t mean = (int64_t)rint((double)sum / (double)n);
    for (size_t i = 0; i < n; i++) {
        out[i] = codes[i] - mean;
        magnitude += out[i] < 0 ? -out[i] : out[i];
    }
    for (size_t i = 0; i < n; i++)
        out[i] = magnitude == 0 ? 0 : out[i] * ((int64_t)n << 15) / magnitude;
}

static bool norm(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    /* The mean magnitude of a normal distribution is sqrt(2 / pi) of its standard deviation. */
    static const double scale = 0x1.988453p-1 / 0x1p15;
    dtq_rows r;
    size_t n = 0;
    const float *gain, *bias;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, NORM, layer), &r, e) ||
        !dtq_vector(x, DTQ_GET(in, NORM, gamma), UINT64_MAX, &n, &gain, e) ||
        !dtq_vector(x, DTQ_GET(in, NORM, beta), DTQ_NONE(NORM, beta), &n, &bias, e)) {
        return false;
    }
    dtq_coded *src = dtq_coded_take(x, DTQ_GET(in, NORM, src), n, &r, 8, e);
    dtq_coded *whole = src ? dtq_coded_new(x, n, e) : NULL;
    for (uint32_t i = 0; whole && i < r.rows; i++)
        normalise(src->codes + r.ids[i] * n, n, whole->codes + r.ids[i] * n);
    for (size_t k = 0; whole && k < n; k++) {
        double g = (double)gain[k] * scale;
        g = fabs(g) >= 0x1p-35 ? g : g < 0 ? -0x1p-35 : 0x1p-35;
        const int64_t b = bias ? (int64_t)rint((double)bias[k] / g) : 0;
        whole->scales[k] = g;
        for (uint32_t i = 0; i < r.rows; i++)
            whole->codes[r.ids[i] * n + k] += b;
    }
    dtq_coded *out = whole ? dtq_coded_requantise(x, whole, NULL, &r, 8, e) : NULL;
    dtq_coded_free(src);
    dtq_coded_free(whole);
    return dtq_coded_store(x, out, DTQ_GET(in, NORM, dst), &r, e);
}

/* ---- activations: tables of the 256 codes ------------------------------------------------------------------------ */

enum { CODES = 256, FIRST = -128 };

static bool act(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const uint64_t kind = DTQ_GET(in, ACT, kind);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, ACT, layer), &r, e))
        return false;
    if (kind > DTQ_ACT_SILU)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "activation %llu does not exist", (unsigned long long)kind);
    dtq_coded *c = dtq_coded_take(x, DTQ_GET(in, ACT, src), DTQ_GET(in, ACT, width), &r, 8, e);
    if (!c)
        return false;
    float from[CODES], to[CODES], scale;
    for (int i = 0; i < CODES; i++)
        from[i] = (float)((double)(i + FIRST) * c->scales[0]);
    dtq_kernels_scalar.act((dtq_act)kind, from, CODES, to);
    if (!dtq_do_scale(to, CODES, 1, 8, &scale)) {
        dtq_coded_free(c);
        return dtq_fail(e, DTQ_BAD_INPUT, "layer %u: a value is not finite, or 2^50 or more", r.index);
    }
    for (uint32_t i = 0; i < r.rows; i++) {
        for (size_t k = 0; k < c->width; k++) {
            int64_t *code = &c->codes[r.ids[i] * c->width + k];
            *code = dtq_do_quantise(to[*code - FIRST], scale, 8);
        }
    }
    dtq_coded_scale(c, (double)scale);
    return dtq_coded_store(x, c, DTQ_GET(in, ACT, dst), &r, e);
}

const dtq_scheme_ops dtq_fully8_ops = {
    .attend = attend,
    .host = {[DTQ_OP_EMBED] = embed,
             [DTQ_OP_LINEAR] = linear,
             [DTQ_OP_NORM] = norm,
             [DTQ_OP_ACT] = act,
             [DTQ_OP_ADD] = add,
             [DTQ_OP_QUANT] = dtq_coded_operand,
             [DTQ_OP_POOL] = dtq_coded_pool,
             [DTQ_OP_NORMALIZE] = dtq_coded_normalize,
             [DTQ_OP_CODES] = dtq_host_mixed},
    .other = dtq_coded_undefined,
    .close = dtq_coded_close,
};
