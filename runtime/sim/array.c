/* Systolic arrays: Q.K^T and P.V on the codes in the buffers. An array computes sums of integers, so the order of its
 * tiles and steps leaves no trace in the result and the whole block is multiplied at once; time is wavefront.c's. */
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels_attention.h"
#include "runtime/machine_members.h"
#include "runtime/numerics/late.h"
#include "runtime/sim/hardware.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"

static uint64_t padded(uint64_t n) {
    return (n + DTQ_DOTS_PAD - 1) / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
}

/** Unpacks rows of codes to int16 [rows][depth], zeros behind head_dim. `codes`: head_dim bytes of working memory. */
static void unpack_rows(const uint8_t *packed, const uint8_t *bits, uint64_t rows, uint32_t head_dim, uint64_t depth,
                        int8_t *codes, int16_t *out) {
    for (uint64_t i = 0; i < rows; i++, out += depth) {
        dtq_unpack_row(packed, head_dim, bits[i], codes);
        packed += dtq_row_bytes(head_dim, bits[i]);
        for (uint32_t c = 0; c < head_dim; c++)
            out[c] = codes[c];
        memset(out + head_dim, 0, (depth - head_dim) * sizeof *out);
    }
}

/** Scores in tiles that are left out become numbers that would be seen in the result if anybody read them. */
static void forget_hidden(const dtq_sim *sim, const dtq_instr *in, int32_t *scores) {
    const dtq_clusters c = dtq_layer_clusters(&sim->stream->layers[DTQ_GET(in, QK, layer)]);
    const bool turned = DTQ_GET(in, QK, turned) != 0;
    const uint32_t height = (uint32_t)(turned ? sim->machine->vssa_cols : sim->machine->vssa_rows);
    const uint32_t width = (uint32_t)(turned ? sim->machine->vssa_rows : sim->machine->vssa_cols);
    const uint32_t first = (uint32_t)DTQ_GET(in, QK, row), count = (uint32_t)DTQ_GET(in, QK, rows);
    const uint32_t col = (uint32_t)DTQ_GET(in, QK, col), cols = (uint32_t)DTQ_GET(in, QK, cols);
    for (uint32_t done = 0; c.count > 0 && done < count; done += height) {
        const uint32_t rows = count - done < height ? count - done : height;
        const dtq_hidden tiles = dtq_hidden_tiles(dtq_hidden_from(&c, first + done, rows, col, cols), cols, width);
        for (uint64_t i = done; i < done + rows; i++)
            for (uint32_t j = tiles.from * width; j < cols && j < tiles.to * width; j++)
                scores[i * cols + j] = INT32_MAX;
    }
}

bool dtq_sim_qk(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, QK, layer), head_dim = sim->stream->layers[layer].head_dim;
    const uint64_t rows = DTQ_GET(in, QK, rows), cols = DTQ_GET(in, QK, cols), depth = padded(head_dim);
    const uint8_t *q_bits = dtq_sim_bits(sim, layer, DTQ_Q), *k_bits = dtq_sim_bits(sim, layer, DTQ_K);
    if (!q_bits || !k_bits)
        return dtq_sim_not_ready(layer, e);
    const uint64_t bytes = rows * cols * sizeof(int32_t) + (rows + cols + 1) * depth * sizeof(int16_t);
    int32_t *scores = dtq_sim_scratch(sim, bytes);
    if (!scores)
        return dtq_sim_no_memory(bytes, e);
    int16_t *q = (int16_t *)(scores + rows * cols), *k = q + rows * depth;
    int8_t *codes = (int8_t *)(k + cols * depth);
    const uint8_t *q_block = sim->space[DTQ_SPACE_Q] + DTQ_GET(in, QK, q);
    const uint8_t *k_block = sim->space[DTQ_SPACE_K] + DTQ_GET(in, QK, k);
    const uint64_t row_scales = rows * sizeof(float), col_scales = cols * sizeof(float);
    unpack_rows(q_block + row_scales, q_bits + DTQ_GET(in, QK, row), rows, head_dim, depth, codes, q);
    unpack_rows(k_block + col_scales, k_bits + DTQ_GET(in, QK, col), cols, head_dim, depth, codes, k);
    dtq_dots(q, rows, k, cols, depth, scores);
    forget_hidden(sim, in, scores);
    const dtq_rtl_matmul m = {.rows = (uint32_t)rows,
                              .cols = (uint32_t)cols,
                              .depth = head_dim,
                              .turned = DTQ_GET(in, QK, turned) != 0,
                              .serpentine = DTQ_GET(in, QK, serpentine) != 0,
                              .left_signed = true,
                              .left = q,
                              .right = k,
                              .left_stride = depth,
                              .right_stride = depth,
                              .left_bits = q_bits + DTQ_GET(in, QK, row),
                              .right_bits = k_bits + DTQ_GET(in, QK, col),
                              .low = scores};
    const dtq_clusters clusters = dtq_layer_clusters(&sim->stream->layers[layer]);
    if (!dtq_hardware_matmul(sim, layer, &m, &clusters, DTQ_GET(in, QK, row), DTQ_GET(in, QK, col), e))
        return false;
    uint8_t *s = sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, QK, s);
    memcpy(s, scores, rows * cols * sizeof(int32_t));
    memcpy(s + rows * cols * sizeof(int32_t), q_block, row_scales);
    memcpy(s + rows * cols * sizeof(int32_t) + row_scales, k_block, col_scales);
    return true;
}

/* ---- P.V ------------------------------------------------------------------------------------------------------- */

enum { LOW_CLASS, HIGH_CLASS, CLASSES };

/** Operands of one precision class of V, compacted: the keys of the class one behind the other. */
typedef struct {
    uint64_t keys, depth; /* how many, and padded */
    int16_t *p;           /* [rows][depth] */
    int16_t *v;           /* [head_dim][depth]: transposed, so that both operands run along the keys */
} class_operands;

static unsigned class_of(uint8_t bits) {
    return bits == 8 ? HIGH_CLASS : LOW_CLASS;
}

static void gather_values(const uint8_t *packed, const uint8_t *bits, uint64_t keys, uint32_t head_dim, int8_t *codes,
                          class_operands operands[CLASSES]) {
    uint64_t at[CLASSES] = {0};
    for (uint64_t j = 0; j < keys; j++) {
        class_operands *o = &operands[class_of(bits[j])];
        dtq_unpack_row(packed, head_dim, bits[j], codes);
        packed += dtq_row_bytes(head_dim, bits[j]);
        int16_t *column = o->v + at[class_of(bits[j])]++;
        for (uint32_t c = 0; c < head_dim; c++)
            column[c * o->depth] = codes[c];
    }
}

/** What a row of P has at a slot's column, whatever slots its columns are of; all of it is added to *z. */
static void pick_probs(const uint8_t *codes, const uint32_t *ids, unsigned p_bits, uint64_t keys, uint8_t *row,
                       uint32_t *z) {
    *z = 0;
    for (uint64_t j = 0; j < keys; j++) {
        row[j] = dtq_late_code(codes[ids[j]], p_bits);
        *z += row[j];
    }
}

static void gather_probs(const uint8_t *row, const uint8_t *bits, uint64_t keys, uint64_t i,
                         class_operands operands[CLASSES]) {
    int16_t *at[CLASSES];
    for (unsigned precision = 0; precision < CLASSES; precision++)
        at[precision] = operands[precision].p + i * operands[precision].depth;
    for (uint64_t j = 0; j < keys;) {
        const uint8_t run_bits = bits[j];
        int16_t *out = at[class_of(run_bits)];
        uint64_t end = j;
        while (end < keys && bits[end] == run_bits)
            end++;
        for (uint64_t n = 0; n < end - j; n++)
            out[n] = row[j + n];
        at[class_of(run_bits)] += end - j;
        j = end;
    }
}

/** One channel of one row: from the sums of both classes to the attention's output. */
static float finish_channel(const dtq_layer *l, int32_t low, int32_t high, const uint8_t *v_scales, uint32_t c,
                            const dtq_prob_row *p) {
    if (p->z == 0)
        return 0.0f;
    if (dtq_folds(l)) {
        const float r = p->r == 0.0f ? 1.0f : p->r;
        const int32_t sum = (int32_t)((uint32_t)low + (uint32_t)high);
        return ((float)sum * r) / (float)p->z;
    }
    float low_scale, high_scale;
    memcpy(&low_scale, v_scales + sizeof(float) * c, sizeof(float));
    memcpy(&high_scale, v_scales + sizeof(float) * ((uint64_t)l->head_dim + c), sizeof(float));
    float o = (float)low * low_scale;
    o = o + (float)high * high_scale;
    return o / (float)p->z;
}

/** `z`: sums of the rows of P, or NULL: those that softmax left. */
static void finish(const dtq_layer *l, const int32_t *sums, uint64_t rows, const uint8_t *v_scales,
                   const uint8_t *p_block, const uint32_t *z, uint8_t *o) {
    const int32_t *low = sums, *high = sums + rows * l->head_dim;
    for (uint64_t i = 0; i < rows; i++) {
        dtq_prob_row head;
        memcpy(&head, p_block + i * sizeof head, sizeof head);
        head.z = z ? z[i] : head.z;
        for (uint32_t c = 0; c < l->head_dim; c++, o += sizeof(float)) {
            const float out = finish_channel(l, *low++, *high++, v_scales, c, &head);
            memcpy(o, &out, sizeof out);
        }
    }
}

/** Cuts the instruction's scratch memory: sums [CLASSES][rows][head_dim], operands by class, and behind `codes` a row
 *  of P. NULL after an error. */
static int32_t *cut_scratch(dtq_sim *sim, uint64_t rows, uint64_t head_dim, class_operands operands[CLASSES],
                            int8_t **codes, dtq_error *e) {
    const uint64_t sums = CLASSES * rows * head_dim;
    uint64_t bytes = sums * sizeof(int32_t) + head_dim + rows * sizeof(uint32_t) + operands[0].keys + operands[1].keys;
    for (unsigned precision = 0; precision < CLASSES; precision++) {
        operands[precision].depth = padded(operands[precision].keys);
        bytes += (rows + head_dim) * operands[precision].depth * sizeof(int16_t);
    }
    int32_t *scratch = dtq_sim_scratch(sim, bytes);
    if (!scratch) {
        (void)dtq_sim_no_memory(bytes, e);
        return NULL;
    }
    int16_t *at = (int16_t *)(scratch + sums + rows); /* behind sums of the rows of P */
    for (unsigned precision = 0; precision < CLASSES; precision++) {
        const uint64_t codes_of_class = (rows + head_dim) * operands[precision].depth;
        memset(at, 0, codes_of_class * sizeof *at);
        operands[precision].p = at;
        operands[precision].v = at + rows * operands[precision].depth;
        at += codes_of_class;
    }
    *codes = (int8_t *)at;
    return scratch;
}

/** The same product in hardware, where both classes of keys go through an array in the order of their slots. */
static bool in_hardware(dtq_sim *sim, const dtq_instr *in, const uint8_t *p_bits, const uint8_t *v_bits,
                        const class_operands operands[CLASSES], int32_t *sums, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, PV, layer), dim = sim->stream->layers[layer].head_dim;
    const uint64_t rows = DTQ_GET(in, PV, rows), keys = DTQ_GET(in, PV, cols);
    if (!sim->rtl)
        return true;
    const size_t bytes = (rows + dim) * keys * sizeof(int16_t);
    int16_t *p = malloc(bytes);
    if (!p)
        return dtq_sim_no_memory(bytes, e);
    int16_t *v = p + rows * keys;
    uint64_t at[CLASSES] = {0};
    for (uint64_t j = 0; j < keys; j++) {
        const class_operands *o = &operands[class_of(v_bits[j])];
        const uint64_t place = at[class_of(v_bits[j])]++;
        for (uint64_t i = 0; i < rows; i++)
            p[i * keys + j] = o->p[i * o->depth + place];
        for (uint32_t c = 0; c < dim; c++)
            v[c * keys + j] = o->v[c * o->depth + place];
    }
    const dtq_rtl_matmul m = {.rows = (uint32_t)rows,
                              .cols = dim,
                              .depth = (uint32_t)keys,
                              .turned = DTQ_GET(in, PV, turned) != 0,
                              .serpentine = DTQ_GET(in, PV, serpentine) != 0,
                              .along_k = true,
                              .by_class = true,
                              .left = p,
                              .right = v,
                              .left_stride = keys,
                              .right_stride = keys,
                              .left_bits = p_bits + DTQ_GET(in, PV, row),
                              .right_bits = v_bits,
                              .low = sums,
                              .high = sums + rows * dim};
    const dtq_clusters clusters = dtq_layer_clusters(&sim->stream->layers[layer]);
    const bool ok = dtq_hardware_matmul(sim, layer, &m, &clusters, DTQ_GET(in, PV, row), DTQ_GET(in, PV, col), e);
    free(p);
    return ok;
}

bool dtq_sim_pv(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, PV, layer);
    const dtq_layer *l = &sim->stream->layers[layer];
    const uint64_t rows = DTQ_GET(in, PV, rows), col = DTQ_GET(in, PV, col), keys = DTQ_GET(in, PV, cols);
    const uint64_t flags = DTQ_GET(in, PV, flags), dim = l->head_dim, sums_bytes = 2 * rows * dim * sizeof(int32_t);
    const uint64_t all = dtq_cols(l); /* of P */
    const bool late = dtq_lates(l);
    const uint32_t kv_head = (uint32_t)DTQ_GET(in, PV, head) / (l->heads / l->kv_heads);
    const uint8_t *bits = dtq_sim_bits(sim, layer, DTQ_V), *p_bits = dtq_sim_bits(sim, layer, DTQ_P);
    if (!bits || !p_bits || (late && !dtq_slots_ready(sim->x, layer, kv_head)))
        return dtq_sim_not_ready(layer, e);
    bits += col;
    class_operands operands[CLASSES] = {0};
    for (uint64_t j = 0; j < keys; j++)
        operands[class_of(bits[j])].keys++;
    int8_t *codes;
    int32_t *sums = cut_scratch(sim, rows, dim, operands, &codes, e);
    if (!sums)
        return false;
    uint32_t *z = (uint32_t *)sums + CLASSES * rows * dim;
    const uint8_t *p_block = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, PV, p);
    const uint8_t *v_block = sim->space[DTQ_SPACE_V] + DTQ_GET(in, PV, v);
    uint8_t *o = sim->space[DTQ_SPACE_OUT] + DTQ_GET(in, PV, o);
    const uint64_t scale_bytes = sizeof(float) * (dtq_folds(l) ? keys : 2 * dim);
    const uint8_t *probs =
        p_block + rows * sizeof(dtq_prob_row) + (dtq_folds(l) ? rows * all : 0) + (late ? 0 : col - dtq_first_key(l));
    gather_values(v_block + scale_bytes, bits, keys, l->head_dim, codes, operands);
    uint8_t *picked = (uint8_t *)codes + dim;
    for (uint64_t i = 0; i < rows; i++) {
        const uint8_t *row = probs + i * all;
        if (late) {
            pick_probs(row, dtq_slot_ids(sim->x, layer, kv_head) + col, p_bits[DTQ_GET(in, PV, row) + i], keys, picked,
                       &z[i]);
            row = picked;
        }
        gather_probs(row, bits, keys, i, operands);
    }
    for (unsigned precision = 0; precision < CLASSES; precision++) {
        const class_operands *c = &operands[precision];
        dtq_dots(c->p, rows, c->v, dim, c->depth, sums + precision * rows * dim);
    }
    if (!in_hardware(sim, in, p_bits, bits, operands, sums, e))
        return false;
    if (flags == DTQ_PV_MIDDLE || flags == DTQ_PV_LAST) {
        for (uint64_t i = 0; i < 2 * rows * dim; i++) {
            int32_t before;
            memcpy(&before, o + i * sizeof before, sizeof before);
            sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)before);
        }
    }
    if (flags == DTQ_PV_LAST || flags == DTQ_PV_ONLY)
        finish(l, sums, rows, v_block, p_block, late ? z : NULL, o);
    else
        memcpy(o, sums, sums_bytes);
    return true;
}
