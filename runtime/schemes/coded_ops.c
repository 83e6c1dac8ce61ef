/* Host instructions and attention on matrices of codes (NUMERICS.md, "Integers and scales"). */
#include "runtime/schemes/coded_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels_codes.h"
#include "runtime/numerics/attention.h"
#include "runtime/schemes/scheme_ops.h"

enum { INPUTS_MAX = 131072 };

/* ---- embedding --------------------------------------------------------------------------------------------------- */

typedef enum { WORD, TYPE, POSITION } table_kind;

/* The rows of a table that the tokens choose. */
static dtq_coded *rows_of_table(dtq_exec *x, uint64_t table, table_kind kind, size_t width, const dtq_rows *r,
                                dtq_error *e) {
    size_t rows = 0, columns = 0;
    if (!dtq_tensor_shape(x, table, &rows, &columns, e))
        return NULL;
    const dtq_coded_weight *w = dtq_weights_coded(x->weights, table, 8, 1, DTQ_CODES_IBERT, e);
    dtq_coded *c = w ? dtq_coded_new(x, width, e) : NULL;
    for (uint32_t i = 0; c && i < r->rows; i++) {
        const uint32_t id = r->ids[i], segment = x->input->segments ? x->input->segments[id] : 0;
        const size_t row = kind == WORD ? x->input->tokens[id] : kind == TYPE ? segment : id;
        if (columns != width || row >= rows) {
            (void)dtq_fail(e, DTQ_BAD_INPUT, "token %u: tensor %s of %zu rows of %zu has no row %zu of %zu", id,
                           x->program->tensors[table].name, rows, columns, row, width);
            dtq_coded_free(c);
            return NULL;
        }
        for (size_t k = 0; k < width; k++)
            c->codes[id * width + k] = w->codes[row * width + k];
    }
    if (c) {
        c->bits = 8;
        dtq_coded_scale(c, (double)w->scales[0]);
    }
    return c;
}

/* sum + the rows of a table, which takes the place of the sum; true if the table is `none`. */
static bool add_table(dtq_exec *x, dtq_coded **sum, uint64_t table, uint64_t none, table_kind kind, const dtq_rows *r,
                      unsigned bits, dtq_error *e) {
    if (table == none)
        return true;
    dtq_coded *rows = rows_of_table(x, table, kind, (*sum)->width, r, e);
    dtq_coded *both = rows ? dtq_coded_requantise(x, *sum, rows, r, bits, e) : NULL;
    dtq_coded_free(rows);
    if (both) {
        dtq_coded_free(*sum);
        *sum = both;
    }
    return both != NULL;
}

bool dtq_coded_embed(dtq_exec *x, const dtq_instr *in, unsigned bits, dtq_error *e) {
    dtq_rows r;
    size_t vocabulary = 0, width = 0;
    const uint64_t word = DTQ_GET(in, EMBED, word);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, EMBED, layer), &r, e) || !dtq_tensor_shape(x, word, &vocabulary, &width, e))
        return false;
    if (!x->input || !x->input->tokens)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes token ids as its input, and there are none");
    dtq_coded *sum = rows_of_table(x, word, WORD, width, &r, e);
    const bool ok = sum && add_table(x, &sum, DTQ_GET(in, EMBED, type), DTQ_NONE(EMBED, type), TYPE, &r, bits, e) &&
                    add_table(x, &sum, DTQ_GET(in, EMBED, position), DTQ_NONE(EMBED, position), POSITION, &r, bits, e);
    if (!ok) {
        dtq_coded_free(sum);
        return false;
    }
    return dtq_coded_store(x, sum, DTQ_GET(in, EMBED, dst), &r, e);
}

/* ---- linear ------------------------------------------------------------------------------------------------------ */

/* The sums of products with their biases, at the scales of the outputs. */
static dtq_coded *multiply(dtq_exec *x, const dtq_coded *src, const dtq_coded_weight *w, const float *bias,
                           const dtq_rows *r, dtq_error *e) {
    dtq_coded *out = dtq_coded_new(x, w->outputs, e);
    int8_t *codes = malloc(r->rows * w->inputs + 1);
    int32_t *sums = malloc((r->rows * w->outputs + 1) * sizeof *sums);
    if (!out || !codes || !sums) {
        dtq_coded_free(out);
        free(codes);
        free(sums);
        if (out) { /* else the reason is told */
            (void)dtq_no_memory(e, r->rows * (w->inputs + w->outputs * sizeof *sums) + 1 + sizeof *sums,
                                "a linear layer of codes");
        }
        return NULL;
    }
    for (uint32_t i = 0; i < r->rows; i++)
        for (size_t k = 0; k < w->inputs; k++)
            codes[i * w->inputs + k] = (int8_t)src->codes[r->ids[i] * w->inputs + k];
    dtq_codes_product(codes, w->codes, r->rows, w->outputs, w->inputs, x->threads, sums);
    out->bits = 32;
    out->uniform = false;
    for (size_t o = 0; o < w->outputs; o++) {
        const double scale = out->scales[o] = (double)w->scales[o] * src->scales[0];
        double b = bias ? rint((double)bias[o] / scale) : 0;
        b = b > 0x1p31 - 2 ? 0x1p31 - 2 : b < 1 - 0x1p31 ? 1 - 0x1p31 : b;
        for (uint32_t i = 0; i < r->rows; i++)
            out->codes[r->ids[i] * w->outputs + o] = (int64_t)sums[i * w->outputs + o] + (int64_t)b;
    }
    free(codes);
    free(sums);
    return out;
}

bool dtq_coded_linear(dtq_exec *x, const dtq_instr *in, dtq_code_form form, unsigned bits, dtq_error *e) {
    dtq_rows r;
    size_t outputs = 0, inputs = 0;
    const float *bias;
    const uint64_t weight = DTQ_GET(in, LINEAR, weight);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, LINEAR, layer), &r, e) ||
        !dtq_tensor_shape(x, weight, &outputs, &inputs, e) ||
        !dtq_vector(x, DTQ_GET(in, LINEAR, bias), DTQ_NONE(LINEAR, bias), &outputs, &bias, e)) {
        return false;
    }
    if (inputs > INPUTS_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "an 8-bit linear of %zu inputs; at most %d", inputs, INPUTS_MAX);
    const dtq_coded_weight *w = dtq_weights_coded(x->weights, weight, 8, 0, form, e);
    dtq_coded *src = w ? dtq_coded_take(x, DTQ_GET(in, LINEAR, src), inputs, &r, 8, e) : NULL;
    dtq_coded *out = src ? multiply(x, src, w, bias, &r, e) : NULL;
    dtq_coded_free(src);
    if (out && bits != 0) {
        dtq_coded *whole = out;
        out = dtq_coded_requantise(x, whole, NULL, &r, bits, e);
        dtq_coded_free(whole);
    }
    return dtq_coded_store(x, out, DTQ_GET(in, LINEAR, dst), &r, e);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

bool dtq_coded_add(dtq_exec *x, const dtq_instr *in, unsigned bits, dtq_error *e) {
    dtq_rows r;
    const size_t width = DTQ_GET(in, ADD, width);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, ADD, layer), &r, e))
        return false;
    dtq_coded *a = dtq_coded_take_any(x, DTQ_GET(in, ADD, a), width, &r, bits, e);
    dtq_coded *b = a ? dtq_coded_take_any(x, DTQ_GET(in, ADD, b), width, &r, bits, e) : NULL;
    dtq_coded *sum = b ? dtq_coded_requantise(x, a, b, &r, bits, e) : NULL;
    dtq_coded_free(a);
    dtq_coded_free(b);
    return dtq_coded_store(x, sum, DTQ_GET(in, ADD, dst), &r, e);
}

bool dtq_coded_pool(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_coded_forget(x, DTQ_GET(in, POOL, dst), DTQ_GET(in, POOL, width) * sizeof(float));
    return dtq_host_mixed(x, in, e);
}

bool dtq_coded_normalize(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_coded_forget(x, DTQ_GET(in, NORMALIZE, dst), DTQ_GET(in, NORMALIZE, width) * sizeof(float));
    return dtq_host_mixed(x, in, e);
}

bool dtq_coded_act_float(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_coded_forget(x, DTQ_GET(in, ACT, dst), x->stream->seq * DTQ_GET(in, ACT, width) * sizeof(float));
    return dtq_host_mixed(x, in, e);
}

bool dtq_coded_undefined(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    return dtq_fail(e, DTQ_BAD_PROGRAM, "%s has no definition of %s", dtq_schemes[x->program->scheme.kind].word,
                    dtq_ops[in->op].mnemonic);
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

bool dtq_coded_operand(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, QUANT, layer), &r, e))
        return false;
    const bool is_query = DTQ_GET(in, QUANT, operand) == DTQ_Q;
    const size_t width = (size_t)(is_query ? r.layer->heads : r.layer->kv_heads) * r.layer->head_dim;
    dtq_coded *c = dtq_coded_take(x, DTQ_GET(in, QUANT, src), width, &r, 8, e);
    return dtq_coded_store(x, c, DTQ_GET(in, QUANT, src), &r, e);
}

static const dtq_coded *operand_at(const dtq_exec *x, uint64_t at) {
    const dtq_coded *c = x->scheme_state;
    while (c && c->at != at)
        c = c->next;
    return c;
}

double dtq_coded_score_scale(const dtq_exec *x, const uint64_t src[3], const dtq_attention *a) {
    const dtq_coded *q = operand_at(x, src[DTQ_Q]), *k = operand_at(x, src[DTQ_K]);
    return q && k ? q->scales[0] * k->scales[0] / sqrt((double)a->head_dim) : 0.0;
}

/* Working memory of one row. */
typedef struct {
    int64_t *scores;
    uint32_t *weights, *keys; /* keys: slots of those that the query sees */
} row_memory;

/* The keys that the query in slot i sees, and their scores. */
static size_t score_row(const dtq_attention *a, const dtq_coded *q, const dtq_coded *k, size_t i, size_t head,
                        const row_memory *m) {
    const size_t kv = head / (a->heads / a->kv_heads), d = a->head_dim;
    const int64_t *query = q->codes + ((size_t)a->ids[i] * a->heads + head) * d;
    size_t seen = 0;
    for (uint32_t j = a->first_key; j < a->first_key + a->keys; j++) {
        if (a->causal && a->ids[j] > a->ids[i])
            continue;
        const int64_t *key = k->codes + ((size_t)a->ids[j] * a->kv_heads + kv) * d;
        int64_t sum = 0;
        for (size_t c = 0; c < d; c++)
            sum += query[c] * key[c];
        m->keys[seen] = j;
        m->scores[seen++] = sum;
    }
    return seen;
}

static void attend_row(const dtq_attention *a, const dtq_coded *const operands[3], dtq_coded *out, size_t i,
                       size_t head, const dtq_coded_weights *w, const row_memory *m) {
    const size_t kv = head / (a->heads / a->kv_heads), d = a->head_dim;
    int64_t *to = out->codes + ((size_t)a->ids[i] * a->heads + head) * d;
    memset(to, 0, d * sizeof *to);
    const size_t seen = score_row(a, operands[DTQ_Q], operands[DTQ_K], i, head, m);
    if (seen > 0)
        w->softmax(w->context, m->scores, seen, m->weights);
    for (size_t j = 0; j < seen; j++) {
        const int64_t *v = operands[DTQ_V]->codes + ((size_t)a->ids[m->keys[j]] * a->kv_heads + kv) * d;
        for (size_t c = 0; c < d; c++)
            to[c] += (int64_t)m->weights[j] * v[c];
        if (a->importance)
            a->importance[m->keys[j]] += m->weights[j] * w->importance;
    }
    for (size_t c = 0; c < d; c++)
        a->out[(i * a->heads + head) * d + c] = (float)((double)to[c] * out->scales[0]);
}

bool dtq_coded_attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a,
                      const dtq_coded_weights *w, dtq_error *e) {
    const dtq_coded *const operands[3] = {operand_at(x, src[DTQ_Q]), operand_at(x, src[DTQ_K]),
                                          operand_at(x, src[DTQ_V])};
    dtq_rows r;
    if (!operands[DTQ_Q] || !operands[DTQ_K] || !operands[DTQ_V])
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the operands of attention are not in codes");
    if (!dtq_rows_of_layer(x, layer, &r, e))
        return false;
    row_memory m = {malloc(a->slots * sizeof *m.scores), malloc(a->slots * sizeof *m.weights),
                    malloc(a->slots * sizeof *m.keys)};
    dtq_coded *out = dtq_coded_new(x, (size_t)a->heads * a->head_dim, e);
    const bool ok = m.scores && m.weights && m.keys && out;
    if (ok) {
        out->bits = 32;
        dtq_coded_scale(out, w->value_scale * operands[DTQ_V]->scales[0]);
        if (a->importance)
            memset(a->importance, 0, a->slots * sizeof *a->importance);
        for (size_t head = 0; head < a->heads; head++)
            for (uint32_t i = a->first_query; i < a->first_query + a->queries; i++)
                attend_row(a, operands, out, i, head, w, &m);
        dtq_importance_finish(a);
    }
    free(m.scores);
    free(m.weights);
    free(m.keys);
    if (!ok) {
        if (!out)
            return false;
        dtq_coded_free(out);
        return dtq_no_memory(e, a->slots * (sizeof *m.scores + sizeof *m.weights + sizeof *m.keys),
                             "an attention layer of %u tokens", a->slots);
    }
    return dtq_coded_store(x, out, x->stream->layers[layer].out, &r, e);
}
