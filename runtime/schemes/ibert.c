/* I-BERT: every instruction of an encoder on whole numbers; the functions are ibert_functions.c's. The bits of each
 * matrix are those of the published model (8 for what is multiplied, 16 for embeddings, 22 for residual sums, 32 for
 * sums of products); ranges of activations are of the run. NUMERICS.md, "I-BERT". */
#include <math.h>
#include <stdlib.h>

#include "runtime/kernels/kernels.h"
#include "runtime/schemes/coded_ops.h"
#include "runtime/schemes/ibert_functions.h"
#include "runtime/schemes/scheme_ops.h"

enum { EMBEDDING_BITS = 16, RESIDUAL_BITS = 22 };

/* A gain smaller than this counts as it: the bias is a whole number of the gain. */
static const double least_gain = 0x1p-20;

static bool embed(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_coded_embed(x, in, EMBEDDING_BITS, e);
}

static bool linear(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_coded_linear(x, in, DTQ_CODES_IBERT, 0, e);
}

static bool add(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_coded_add(x, in, RESIDUAL_BITS, e);
}

static void softmax(const void *context, const int64_t *scores, size_t n, uint32_t *weights) {
    dtq_ibert_softmax(context, scores, n, weights);
}

static bool attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a, dtq_effects *effects,
                   dtq_error *e) {
    (void)effects;
    const dtq_ibert_exp p = dtq_ibert_exp_of(dtq_coded_score_scale(x, src, a));
    const dtq_coded_weights w = {softmax, &p, 0x1p-8, (uint64_t)1 << 24};
    return dtq_coded_attend(x, layer, src, a, &w, e);
}

/* ---- layer norm -------------------------------------------------------------------------------------------------- */

/* The rows of src, normalised, with gain and bias; NULL after an error. */
static dtq_coded *normalised(dtq_exec *x, const dtq_coded *src, const dtq_rows *r, const float *gain, const float *bias,
                             dtq_error *e) {
    const size_t n = src->width;
    dtq_coded *out = dtq_coded_new(x, n, e);
    if (!out)
        return NULL;
    int shift = 0;
    for (uint32_t i = 0; i < r->rows; i++)
        dtq_ibert_norm_shift(src->codes + r->ids[i] * n, n, &shift);
    for (uint32_t i = 0; i < r->rows; i++)
        dtq_ibert_norm(src->codes + r->ids[i] * n, n, shift, out->codes + r->ids[i] * n);
    const double scale = sqrt((double)n) / 0x1p30;
    out->bits = 40;
    out->uniform = false;
    for (size_t k = 0; k < n; k++) {
        double g = (double)gain[k];
        g = fabs(g) >= least_gain ? g : g < 0 ? -least_gain : least_gain;
        const int64_t b = bias ? (int64_t)floor((double)bias[k] / g / scale) : 0;
        out->scales[k] = scale * g;
        for (uint32_t i = 0; i < r->rows; i++)
            out->codes[r->ids[i] * n + k] += b;
    }
    return out;
}

static bool norm(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t width = 0;
    const float *gain, *bias;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, NORM, layer), &r, e) ||
        !dtq_vector(x, DTQ_GET(in, NORM, gamma), UINT64_MAX, &width, &gain, e) ||
        !dtq_vector(x, DTQ_GET(in, NORM, beta), DTQ_NONE(NORM, beta), &width, &bias, e)) {
        return false;
    }
    dtq_coded *src = dtq_coded_take(x, DTQ_GET(in, NORM, src), width, &r, RESIDUAL_BITS, e);
    dtq_coded *whole = src ? normalised(x, src, &r, gain, bias, e) : NULL;
    dtq_coded *out = whole ? dtq_coded_requantise(x, whole, NULL, &r, 8, e) : NULL;
    dtq_coded_free(src);
    dtq_coded_free(whole);
    return dtq_coded_store(x, out, DTQ_GET(in, NORM, dst), &r, e);
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

static void gelu(dtq_coded *c, const dtq_rows *r) {
    for (size_t k = 0; k < c->width; k++) {
        const dtq_ibert_gelu p = dtq_ibert_gelu_of(c->scales[k]);
        for (uint32_t i = 0; i < r->rows; i++) {
            int64_t *code = &c->codes[r->ids[i] * c->width + k];
            *code = dtq_ibert_gelu_at(&p, *code);
        }
        c->scales[k] = p.out_scale;
    }
    c->bits = 63;
}

static void relu(dtq_coded *c, const dtq_rows *r) {
    for (uint32_t i = 0; i < r->rows; i++) {
        for (size_t k = 0; k < c->width; k++) {
            int64_t *code = &c->codes[r->ids[i] * c->width + k];
            *code = (c->scales[k] < 0 ? *code < 0 : *code > 0) ? *code : 0;
        }
    }
}

/* tanh is of the pooler, which the published model leaves in float, too. */
static bool act(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const uint64_t kind = DTQ_GET(in, ACT, kind);
    if (kind == DTQ_ACT_TANH)
        return dtq_coded_act_float(x, in, e);
    if (kind >= DTQ_ACT_SILU)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "i-bert has no definition of silu");
    if (!dtq_rows_of_layer(x, DTQ_GET(in, ACT, layer), &r, e))
        return false;
    dtq_coded *c = dtq_coded_take_any(x, DTQ_GET(in, ACT, src), DTQ_GET(in, ACT, width), &r, RESIDUAL_BITS, e);
    if (!c)
        return false;
    if (kind == DTQ_ACT_RELU)
        relu(c, &r);
    else
        gelu(c, &r);
    return dtq_coded_store(x, c, DTQ_GET(in, ACT, dst), &r, e);
}

const dtq_scheme_ops dtq_ibert_ops = {
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
