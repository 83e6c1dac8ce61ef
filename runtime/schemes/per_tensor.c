/* Matrices quantised at 8 bits with one scale for all of them (NUMERICS.md, "Schemes"). */
#include "runtime/schemes/per_tensor.h"
#include "runtime/entry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels_codes.h"
#include "runtime/numerics/attention.h"

enum { INPUTS_MAX = 131072 };

bool dtq_per_tensor_scale(const float *x, size_t width, const uint32_t *ids, uint32_t rows, const char *what,
                          float *scale, dtq_error *e) {
    float largest = 0.0f, own;
    for (uint32_t i = 0; i < rows; i++) {
        const float *row = x + (size_t)ids[i] * width;
        if (!dtq_do_scale(row, width, 1, 8, &own))
            return dtq_fail(e, DTQ_BAD_INPUT, "%s, token %u: a value is not finite, or 2^50 or more", what, ids[i]);
        for (size_t c = 0; c < width; c++) {
            const float magnitude = fabsf(row[c]);
            largest = magnitude > largest ? magnitude : largest;
        }
    }
    return dtq_do_scale(&largest, 1, 1, 8, scale);
}

bool dtq_per_tensor_round(float *x, size_t width, const uint32_t *ids, uint32_t rows, const char *what, dtq_error *e) {
    float scale = 1.0f;
    if (!dtq_per_tensor_scale(x, width, ids, rows, what, &scale, e))
        return false;
    for (uint32_t i = 0; i < rows; i++) {
        float *row = x + (size_t)ids[i] * width;
        for (size_t c = 0; c < width; c++)
            row[c] = (float)dtq_do_quantise(row[c], scale, 8) * scale;
    }
    return true;
}

/* ---- embedding --------------------------------------------------------------------------------------------------- */

/* dst = row `row` of the table, or dst += it. */
static bool add_row(const dtq_exec *x, uint64_t table, size_t row, size_t width, bool first, float *dst, dtq_error *e) {
    size_t rows = 0, columns = 0;
    if (!dtq_tensor_shape(x, table, &rows, &columns, e))
        return false;
    if (columns != width || row >= rows) {
        return dtq_fail(e, DTQ_BAD_INPUT, "tensor %s of %zu rows of %zu has no row %zu of %zu",
                        x->program->tensors[table].name, rows, columns, row, width);
    }
    const dtq_coded_weight *w = dtq_weights_coded(x->weights, table, 8, 1, DTQ_CODES_SYMMETRIC, e);
    for (size_t c = 0; w && c < width; c++) {
        const float value = (float)w->codes[row * width + c] * w->scales[row];
        dst[c] = first ? value : dst[c] + value;
    }
    return w != NULL;
}

bool dtq_per_tensor_embed(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t vocabulary = 0, width = 0;
    const uint64_t word = DTQ_GET(in, EMBED, word), position = DTQ_GET(in, EMBED, position);
    const uint64_t type = DTQ_GET(in, EMBED, type);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, EMBED, layer), &r, e) || !dtq_tensor_shape(x, word, &vocabulary, &width, e))
        return false;
    if (!x->input || !x->input->tokens)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes token ids as its input, and there are none");
    float *dst = dtq_matrix(x, DTQ_GET(in, EMBED, dst), x->stream->seq, width, e);
    bool ok = dst != NULL;
    for (uint32_t i = 0; ok && i < r.rows; i++) {
        const uint32_t id = r.ids[i], segment = x->input->segments ? x->input->segments[id] : 0;
        float *to = dst + (size_t)id * width;
        ok = add_row(x, word, x->input->tokens[id], width, true, to, e) &&
             (position == DTQ_NONE(EMBED, position) || add_row(x, position, id, width, false, to, e)) &&
             (type == DTQ_NONE(EMBED, type) || add_row(x, type, segment, width, false, to, e));
    }
    return ok;
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

bool dtq_per_tensor_operand(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, QUANT, layer), &r, e))
        return false;
    const uint64_t operand = DTQ_GET(in, QUANT, operand);
    const size_t width = (size_t)(operand == DTQ_Q ? r.layer->heads : r.layer->kv_heads) * r.layer->head_dim;
    float *src = dtq_matrix(x, DTQ_GET(in, QUANT, src), x->stream->seq, width, e);
    char what[32];
    (void)snprintf(what, sizeof what, "layer %u, operand %c", r.index, "qkv"[operand]);
    return src && dtq_per_tensor_round(src, width, r.slots->ids, r.layer->slots, what, e);
}

bool dtq_per_tensor_attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a,
                           dtq_effects *effects, dtq_error *e) {
    (void)x, (void)layer, (void)src, (void)effects;
    return dtq_do_attention_fp32(a, e);
}

/* ---- linear ------------------------------------------------------------------------------------------------------ */

/* The bias as a whole number of `scale`, within int32. */
static float bias_codes(float bias, float scale) {
    const float c = dtq_do_rne(bias / scale), most = 0x1p31f - 128; /* the largest float below 2^31 */
    return c > most ? most : c < -most ? -most : c;
}

/* From the sums of products to numbers; `total` is the sum of the input's codes. */
static float output_of(const dtq_coded_weight *w, size_t o, int64_t sum, int32_t total, float scale,
                       const float *bias) {
    const float s = scale * w->scales[o];
    if (bias)
        sum += (int64_t)bias_codes(bias[o], s);
    const float y = (float)sum * s;
    return w->shifts ? y + (float)total * (scale * w->shifts[o]) : y;
}

typedef struct {
    size_t inputs, outputs;
    const float *src, *bias;
    float *dst;
} linear;

static bool multiply(dtq_exec *x, const dtq_rows *r, const linear *l, const dtq_coded_weight *w, const char *what,
                     dtq_error *e) {
    float scale = 1.0f;
    if (!dtq_per_tensor_scale(l->src, l->inputs, r->ids, r->rows, what, &scale, e))
        return false;
    int8_t *codes = malloc(r->rows * l->inputs);
    int32_t *sums = malloc(r->rows * l->outputs * sizeof *sums);
    const bool ok = codes && sums;
    for (uint32_t i = 0; ok && i < r->rows; i++)
        for (size_t k = 0; k < l->inputs; k++)
            codes[i * l->inputs + k] = dtq_do_quantise(l->src[r->ids[i] * l->inputs + k], scale, 8);
    if (ok)
        dtq_codes_product(codes, w->codes, r->rows, l->outputs, l->inputs, x->threads, sums);
    for (uint32_t i = 0; ok && i < r->rows; i++) {
        int32_t total = 0;
        for (size_t k = 0; k < l->inputs; k++)
            total += codes[i * l->inputs + k];
        for (size_t o = 0; o < l->outputs; o++)
            l->dst[r->ids[i] * l->outputs + o] = output_of(w, o, sums[i * l->outputs + o], total, scale, l->bias);
    }
    free(codes);
    free(sums);
    return ok || dtq_no_memory(e, r->rows * (l->inputs + l->outputs * sizeof *sums), "an 8-bit linear");
}

bool dtq_per_tensor_linear(dtq_exec *x, const dtq_instr *in, const dtq_per_tensor_form *f, dtq_error *e) {
    dtq_rows r;
    linear l = {0};
    const uint64_t weight = DTQ_GET(in, LINEAR, weight);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, LINEAR, layer), &r, e) ||
        !dtq_tensor_shape(x, weight, &l.outputs, &l.inputs, e) ||
        !dtq_vector(x, DTQ_GET(in, LINEAR, bias), DTQ_NONE(LINEAR, bias), &l.outputs, &l.bias, e)) {
        return false;
    }
    if (l.inputs > INPUTS_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "an 8-bit linear of %zu inputs; at most %d", l.inputs, INPUTS_MAX);
    l.src = dtq_matrix(x, DTQ_GET(in, LINEAR, src), x->stream->seq, l.inputs, e);
    l.dst = l.src ? dtq_matrix(x, DTQ_GET(in, LINEAR, dst), x->stream->seq, l.outputs, e) : NULL;
    const dtq_coded_weight *w = l.dst ? dtq_weights_coded(x->weights, weight, f->bits, f->groups, f->form, e) : NULL;
    char what[160];
    (void)snprintf(what, sizeof what, "layer %u, linear %.100s", r.index, x->program->tensors[weight].name);
    return w && multiply(x, &r, &l, w, what, e) &&
           (!f->requantise || dtq_per_tensor_round(l.dst, l.outputs, r.ids, r.rows, what, e));
}
