/* Attention of a layer with the rule `late` by the scalar reference: plain loops, key by key. */
#include "runtime/numerics/late.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/numerics/attention.h"

enum { LOW_CLASS, HIGH_CLASS, CLASSES };

bool dtq_late_bad(const dtq_late *a, dtq_operand *operand, uint32_t *token, uint32_t *head) {
    const dtq_layer *l = a->layer;
    const float *const in[3] = {a->q, a->k, a->v};
    for (int o = DTQ_Q; o <= DTQ_V; o++) {
        const uint32_t heads = o == DTQ_Q ? l->heads : l->kv_heads;
        const size_t stride = o == DTQ_Q ? a->q_stride : a->kv_stride;
        for (uint32_t i = 0; i < l->slots; i++) {
            for (uint32_t h = 0; h < heads; h++) {
                float scale;
                if (!dtq_do_scale(in[o] + i * stride + (size_t)h * l->head_dim, l->head_dim, 1, 8, &scale)) {
                    *operand = (dtq_operand)o;
                    *token = i;
                    *head = h;
                    return true;
                }
            }
        }
    }
    return false;
}

/* Rows of one head, each with its scale. */
static void quantise(const float *in, size_t stride, const dtq_layer *l, unsigned bits, int8_t *codes, float *scales) {
    for (size_t i = 0; i < l->slots; i++) {
        (void)dtq_do_scale(in + i * stride, l->head_dim, 1, bits, &scales[i]);
        for (size_t c = 0; c < l->head_dim; c++)
            codes[i * l->head_dim + c] = dtq_do_quantise(in[i * stride + c], scales[i], bits);
    }
}

/* How many keys, from the first token on, a row sees. */
static uint32_t seen_by(const dtq_layer *l, uint32_t i) {
    return l->causal ? i + 1 : l->slots;
}

/* Codes of row i [tokens] from its logits x; returns their sum. */
static uint32_t softmax_row(const dtq_layer *l, uint32_t i, const float *x, uint8_t *codes) {
    const uint32_t seen = seen_by(l, i);
    float largest = x[0];
    for (uint32_t j = 1; j < seen; j++)
        largest = x[j] > largest ? x[j] : largest;
    uint32_t z = 0;
    for (uint32_t j = 0; j < l->slots; j++) {
        const float t = j < seen ? x[j] - largest : -9.0f;
        codes[j] = (uint8_t)dtq_do_rne((t > -9.0f ? dtq_do_exp2(t) : 0.0f) * (float)DTQ_LATE_LEVELS);
        z += codes[j];
    }
    return z;
}

bool dtq_late_votes(const dtq_late *a, uint32_t kv_head, uint8_t *codes, uint64_t *votes, dtq_error *e) {
    const dtq_layer *l = a->layer;
    const size_t n = l->slots, d = l->head_dim, group = l->heads / l->kv_heads;
    float *k_scale = malloc(n * (3 * sizeof *k_scale + 2 * d));
    if (!k_scale)
        return dtq_no_memory(e, n * (3 * sizeof *k_scale + 2 * d), "the scores of a layer that chooses late");
    float *q_scale = k_scale + n, *x = q_scale + n;
    int8_t *k = (int8_t *)(x + n), *q = k + n * d;
    quantise(a->k + kv_head * d, a->kv_stride, l, l->bits[DTQ_K][0], k, k_scale);
    for (size_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
        quantise(a->q + head * d, a->q_stride, l, l->bits[DTQ_Q][0], q, q_scale);
        for (uint32_t i = 0; i < n; i++, codes += n) {
            const float row_scale = q_scale[i] * dtq_do_score_scale(l->head_dim);
            for (size_t j = 0; j < n; j++) {
                int32_t s = 0;
                for (size_t c = 0; c < d; c++)
                    s += (int32_t)q[i * d + c] * k[j * d + c];
                x[j] = (float)s * (row_scale * k_scale[j]);
            }
            const uint64_t inverse = ((uint64_t)1 << 32) / softmax_row(l, i, x, codes);
            for (size_t j = 0; j < n; j++)
                votes[j] += codes[j] * inverse;
        }
    }
    free(k_scale);
    return true;
}

/* Values of one head: scales [CLASSES][head_dim] over all tokens, and the codes of the slots that are keys. */
static void quantise_values(const dtq_late *a, uint32_t kv_head, const uint32_t *ids, float *scales, int8_t *codes) {
    const dtq_layer *l = a->layer;
    const size_t d = l->head_dim, first = dtq_first_key(l);
    for (size_t c = 0; c < d; c++) {
        const float *channel = a->v + kv_head * d + c;
        (void)dtq_do_scale(channel, l->slots, a->kv_stride, 4, &scales[c]);
        (void)dtq_do_scale(channel, l->slots, a->kv_stride, 8, &scales[d + c]);
        for (size_t j = 0; j < dtq_keys(l); j++) {
            const unsigned bits = l->bits[DTQ_V][first + j];
            codes[j * d + c] =
                dtq_do_quantise(channel[ids[first + j] * a->kv_stride], scales[bits == 4 ? c : d + c], bits);
        }
    }
}

static void output_row(const dtq_late *a, const uint8_t *codes, unsigned bits, const uint32_t *ids,
                       const float *v_scales, const int8_t *v, float *out) {
    const dtq_layer *l = a->layer;
    const size_t d = l->head_dim, first = dtq_first_key(l);
    for (size_t c = 0; c < d; c++) {
        int32_t acc[CLASSES] = {0, 0};
        uint32_t z = 0;
        for (size_t j = 0; j < dtq_keys(l); j++) {
            const uint8_t p = dtq_late_code(codes[ids[first + j]], bits);
            acc[l->bits[DTQ_V][first + j] == 4 ? LOW_CLASS : HIGH_CLASS] += (int32_t)p * v[j * d + c];
            z += p;
        }
        float o = 0.0f;
        for (unsigned class = 0; class < CLASSES; class ++)
            o = o + (float)acc[class] * v_scales[class * d + c];
        out[c] = z == 0 ? 0.0f : o / (float)z;
    }
}

bool dtq_late_output(const dtq_late *a, uint32_t kv_head, const uint8_t *codes, const uint32_t *ids, dtq_error *e) {
    const dtq_layer *l = a->layer;
    const size_t n = l->slots, d = l->head_dim, group = l->heads / l->kv_heads;
    float *scales = malloc(d * (CLASSES * sizeof *scales + n));
    if (!scales)
        return dtq_no_memory(e, d * (CLASSES * sizeof *scales + n), "the values of a layer that chooses late");
    int8_t *v = (int8_t *)(scales + CLASSES * d);
    quantise_values(a, kv_head, ids, scales, v);
    for (size_t head = kv_head * group; head < (kv_head + 1) * group; head++)
        for (size_t i = 0; i < n; i++, codes += n)
            output_row(a, codes, l->bits[DTQ_P][i], ids, scales, v, a->out + i * a->out_stride + head * d);
    free(scales);
    return true;
}
