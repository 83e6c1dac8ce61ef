/* What the host queue makes of the operands of attention: codes of q, k and v, of probes, and of far keys. */
#include "runtime/numerics/host_operands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/kernels/kernels.h"
#include "runtime/numerics/host_rows.h"
#include "runtime/numerics/probe.h"
#include "runtime/sim/layout.h"

typedef struct {
    const dtq_kernels *kernels;
    const dtq_rows *rows;
    const uint8_t *bits; /* [slots] of the operand */
    const uint32_t *ids; /* [slots], as heads [first_head, end_head) have them */
    uint32_t first, end; /* slots that have the operand */
    uint32_t first_head, end_head;
    uint32_t seq, heads;
    const float *src; /* [seq][heads * head_dim] */
    uint8_t *codes;   /* [heads][seq][head_dim] */
    float *scales;
    char letter;
} quant;

static bool bad_operand(const quant *q, size_t head, uint32_t id, dtq_error *e) {
    return dtq_fail(e, DTQ_BAD_INPUT,
                    "layer %u, operand %c, head %zu, token %u: a value is not finite, or 2^50 or more", q->rows->index,
                    q->letter, head, id);
}

/* A scale for each token and head. */
static bool quant_rows(const quant *q, int8_t *scratch, dtq_error *e) {
    const size_t dim = q->rows->layer->head_dim;
    for (uint32_t i = q->first; i < q->end; i++) {
        const uint32_t id = q->ids[i];
        for (size_t h = q->first_head; h < q->end_head; h++) {
            const size_t at = h * q->seq + id;
            if (!q->kernels->quantise_row(q->src + ((size_t)id * q->heads + h) * dim, dim, q->bits[i], scratch,
                                          &q->scales[at])) {
                return bad_operand(q, h, id, e);
            }
            dtq_pack_row(scratch, (uint32_t)dim, q->bits[i], q->codes + at * dim);
        }
    }
    return true;
}

/* v without a mask: a scale for each precision class, head and channel. `largest` is float [2][heads * head_dim]. */
static bool quant_classes(const quant *q, float *largest, int8_t *scratch, dtq_error *e) {
    const size_t dim = q->rows->layer->head_dim, width = q->heads * dim;
    const size_t from = q->first_head * dim, end = q->end_head * dim;
    for (uint32_t i = q->first; i < q->end; i++) {
        const float *row = q->src + q->ids[i] * width;
        float *m = largest + (q->bits[i] == 4 ? 0 : width);
        for (size_t c = from; c < end; c++) {
            const float a = fabsf(row[c]);
            if (!(a < 0x1p50f))
                return bad_operand(q, c / dim, q->ids[i], e);
            m[c] = a > m[c] ? a : m[c];
        }
    }
    for (size_t c = from; c < end; c++) {
        (void)dtq_do_scale(&largest[c], 1, 1, 4, &q->scales[c]);
        (void)dtq_do_scale(&largest[width + c], 1, 1, 8, &q->scales[width + c]);
    }
    for (uint32_t i = q->first; i < q->end; i++) {
        const uint32_t id = q->ids[i];
        const float *scales = q->scales + (q->bits[i] == 4 ? 0 : width);
        for (size_t h = q->first_head; h < q->end_head; h++) {
            q->kernels->quantise_by(q->src + id * width + h * dim, scales + h * dim, dim, q->bits[i], scratch);
            dtq_pack_row(scratch, (uint32_t)dim, q->bits[i], q->codes + (h * q->seq + id) * dim);
        }
    }
    return true;
}

/* v of a layer that chooses late: all tokens at 4 bits, and behind these all at 8, each by scales of all of them. */
static bool quant_both(quant *q, float *largest, int8_t *scratch, dtq_error *e) {
    static const uint8_t precisions[2] = {4, 8};
    uint8_t *bits = malloc(q->end);
    bool ok = bits || dtq_no_memory(e, q->end, "quantisation");
    q->bits = bits;
    for (int class = 0; ok && class < 2; class ++) {
        memset(bits, precisions[class], q->end);
        ok = quant_classes(q, largest, scratch, e);
        q->codes += (uint64_t)q->heads * q->seq * q->rows->layer->head_dim;
    }
    free(bits);
    return ok;
}

bool dtq_queue_quant(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const uint64_t operand = DTQ_GET(in, QUANT, operand);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, QUANT, layer), &r, e))
        return false;
    if (operand > DTQ_V)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "operand %llu is not quantised by the host", (unsigned long long)operand);
    const bool late = !x->exact && dtq_lates(r.layer);
    if (!r.slots->ready && !late)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "host.quant of layer %u before its tokens are chosen", r.index);
    const dtq_layer *l = r.layer;
    const uint64_t codes_at[] = {l->q, l->k, l->v}, scales_at[] = {l->q_scale, l->k_scale, l->v_scale};
    const uint32_t heads = operand == DTQ_Q ? l->heads : l->kv_heads, seq = x->stream->seq;
    const size_t width = (size_t)heads * l->head_dim;
    const bool classes = operand == DTQ_V && (late || !dtq_folds(l));
    const size_t parts = late && operand == DTQ_V ? 2 : 1;
    const float *src = dtq_matrix(x, DTQ_GET(in, QUANT, src), seq, width, e);
    float *scales = !src      ? NULL
                    : classes ? dtq_matrix(x, scales_at[operand], 2, width, e)
                              : dtq_matrix(x, scales_at[operand], heads, seq, e);
    if (!scales)
        return false;
    if (parts * seq * width > x->stream->dram_bytes ||
        codes_at[operand] > x->stream->dram_bytes - parts * seq * width) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: the codes of operand %c lie outside of DRAM", r.index,
                        "qkv"[operand]);
    }
    float *largest = classes ? calloc(2 * width, sizeof *largest) : NULL;
    int8_t *scratch = malloc(l->head_dim);
    bool ok = scratch && (!classes || largest);
    const bool is_query = operand == DTQ_Q;
    const uint32_t first = is_query ? dtq_first_query(l) : dtq_first_col(l);
    quant q = {.kernels = dtq_kernels_choose(x->scalar),
               .rows = &r,
               .bits = r.slots->bits[operand],
               .first = first,
               .end = first + (is_query ? dtq_queries(l) : dtq_cols(l)),
               .seq = seq,
               .heads = heads,
               .src = src,
               .codes = x->dram + codes_at[operand],
               .scales = scales,
               .letter = "qkv"[operand]};
    if (!ok)
        (void)dtq_no_memory(e, l->head_dim + 2 * width * sizeof *largest, "quantisation");
    const uint32_t tables = x->exact || late ? 1 : dtq_tables(l);
    for (uint32_t table = 0; ok && table < tables; table++) {
        q.ids = late ? x->everyone : dtq_slot_ids(x, r.index, table);
        q.first_head = heads / tables * table;
        q.end_head = heads / tables * (table + 1);
        ok = parts > 1 ? quant_both(&q, largest, scratch, e)
             : classes ? quant_classes(&q, largest, scratch, e)
                       : quant_rows(&q, scratch, e);
    }
    free(largest);
    free(scratch);
    return ok;
}

/* ---- the probe ----------------------------------------------------------------------------------------------- */

static bool probe_rows(const dtq_exec *x, const dtq_rows *r, uint64_t at, uint32_t heads, char letter,
                       const float **rows, dtq_error *e) {
    const size_t width = (size_t)heads * r->layer->head_dim;
    uint32_t token, head;
    *rows = dtq_matrix(x, at, x->stream->seq, width, e);
    if (!*rows)
        return false;
    if (dtq_probe_bad(*rows, width, x->stream->seq, heads, r->layer->head_dim, &token, &head)) {
        return dtq_fail(e, DTQ_BAD_INPUT,
                        "layer %u, operand %c, head %u, token %u: a value is not finite, or 2^50 or more", r->index,
                        letter, head, token);
    }
    return true;
}

bool dtq_queue_probe(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const float *q, *k;
    if (x->exact) /* every token stays */
        return true;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, PROBE_CODES, layer), &r, e))
        return false;
    const dtq_layer *l = r.layer;
    const uint64_t at = DTQ_GET(in, PROBE_CODES, codes), bytes = dtq_probe_bytes(l, x->stream->seq);
    if (!dtq_probes(l))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u does not choose its tokens by a probe", r.index);
    if (bytes > x->stream->dram_bytes / l->kv_heads || at > x->stream->dram_bytes - l->kv_heads * bytes)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: the codes of its probe lie outside of DRAM", r.index);
    if (!probe_rows(x, &r, DTQ_GET(in, PROBE_CODES, q), l->heads, 'q', &q, e) ||
        !probe_rows(x, &r, DTQ_GET(in, PROBE_CODES, k), l->kv_heads, 'k', &k, e)) {
        return false;
    }
    float *scratch = malloc(l->head_dim * (sizeof(float) + 1));
    if (!scratch)
        return dtq_no_memory(e, l->head_dim * (sizeof(float) + 1), "a probe");
    for (uint32_t g = 0; g < l->kv_heads; g++) {
        dtq_probe_codes(dtq_kernels_choose(x->scalar), l, x->stream->seq, g, q, (size_t)l->heads * l->head_dim, k,
                        (size_t)l->kv_heads * l->head_dim, x->dram + at + g * bytes, scratch);
    }
    free(scratch);
    return true;
}

/* Scales of all heads and tokens, then their rows. */
bool dtq_queue_far(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const uint64_t operand = DTQ_GET(in, FAR_CODES, operand), at = DTQ_GET(in, FAR_CODES, codes);
    if (x->exact)
        return true;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, FAR_CODES, layer), &r, e))
        return false;
    const dtq_layer *l = r.layer;
    const uint32_t heads = operand == DTQ_Q ? l->heads : l->kv_heads, n = x->stream->seq, d = l->head_dim;
    if (!dtq_streams(l) || operand > DTQ_V)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u does not stream, or host.far is of no operand", r.index);
    const uint64_t bytes = dtq_seen_codes_bytes(&l->streaming, d, heads, n),
                   row_bytes = dtq_row_bytes(d, l->streaming.far_bits);
    if (bytes > x->stream->dram_bytes || at > x->stream->dram_bytes - bytes)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: the codes of far keys lie outside of DRAM", r.index);
    const float *src;
    if (!probe_rows(x, &r, DTQ_GET(in, FAR_CODES, src), heads, "qkv"[operand], &src, e))
        return false;
    int8_t *codes = malloc(d);
    if (!codes)
        return dtq_no_memory(e, d, "codes of far keys");
    uint8_t *scales = x->dram + at, *rows = scales + sizeof(float) * (uint64_t)heads * n;
    for (size_t i = 0; i < (size_t)heads * n; i++) {
        float scale = 1.0f;
        (void)dtq_kernels_choose(x->scalar)->quantise_row(src + (i % n * heads + i / n) * d, d, l->streaming.far_bits,
                                                          codes, &scale);
        memcpy(scales + i * sizeof scale, &scale, sizeof scale);
        dtq_pack_row(codes, d, l->streaming.far_bits, rows + i * row_bytes);
    }
    free(codes);
    return true;
}
