/* Which keys a layer keeps, found in the layer itself: plain loops, shared by all engines. */
#include "runtime/numerics/probe.h"

#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/numerics/numerics.h"
#include "runtime/sim/layout.h"

static uint32_t queries_of(const dtq_layer *l) {
    return l->heads / l->kv_heads;
}

/* The mean of one head's queries: channel by channel, ascending by id. */
static void mean_query(const float *q, size_t stride, uint32_t seq, uint32_t d, float *mean) {
    memset(mean, 0, d * sizeof *mean);
    for (uint32_t i = 0; i < seq; i++)
        for (uint32_t c = 0; c < d; c++)
            mean[c] = mean[c] + q[i * stride + c];
    for (uint32_t c = 0; c < d; c++)
        mean[c] = mean[c] / (float)seq;
}

void dtq_probe_codes(const dtq_kernels *kernels, const dtq_layer *l, uint32_t seq, uint32_t kv_head, const float *q,
                     size_t q_stride, const float *k, size_t k_stride, uint8_t *block, void *scratch) {
    const uint32_t queries = queries_of(l), d = l->head_dim;
    float *mean = scratch;
    int8_t *codes = (int8_t *)(mean + d);
    uint8_t *scales = block, *rows = block + sizeof(float) * ((uint64_t)queries + seq);
    for (uint32_t i = 0; i < queries; i++, scales += sizeof(float), rows += d) {
        float scale = 1.0f;
        mean_query(q + ((size_t)kv_head * queries + i) * d, q_stride, seq, d, mean);
        (void)kernels->quantise_row(mean, d, DTQ_PROBE_QUERY_BITS, codes, &scale);
        memcpy(scales, &scale, sizeof scale);
        dtq_pack_row(codes, d, DTQ_PROBE_QUERY_BITS, rows);
    }
    const uint64_t row_bytes = dtq_row_bytes(d, DTQ_PROBE_KEY_BITS);
    for (uint32_t j = 0; j < seq; j++, scales += sizeof(float), rows += row_bytes) {
        float scale = 1.0f;
        (void)kernels->quantise_row(k + j * k_stride + (size_t)kv_head * d, d, DTQ_PROBE_KEY_BITS, codes, &scale);
        memcpy(scales, &scale, sizeof scale);
        dtq_pack_row(codes, d, DTQ_PROBE_KEY_BITS, rows);
    }
}

bool dtq_probe_bad(const float *rows, size_t stride, uint32_t seq, uint32_t heads, uint32_t head_dim, uint32_t *token,
                   uint32_t *head) {
    for (*token = 0; *token < seq; ++*token) {
        for (*head = 0; *head < heads; ++*head) {
            float scale;
            if (!dtq_do_scale(rows + *token * stride + (size_t)*head * head_dim, head_dim, 1, 8, &scale))
                return true;
        }
    }
    return false;
}

void dtq_probe_scores(const dtq_layer *l, uint32_t seq, const uint8_t *block, int8_t *codes, float *x) {
    const uint32_t queries = queries_of(l), d = l->head_dim;
    const float score_scale = dtq_do_score_scale(d);
    const uint64_t row_bytes = dtq_row_bytes(d, DTQ_PROBE_KEY_BITS);
    const uint8_t *scales = block, *q_rows = block + sizeof(float) * ((uint64_t)queries + seq);
    const uint8_t *k_rows = q_rows + (uint64_t)queries * d;
    int8_t *key = codes + d;
    for (uint32_t i = 0; i < queries; i++) {
        float row_scale;
        memcpy(&row_scale, scales + sizeof(float) * i, sizeof row_scale);
        row_scale = row_scale * score_scale;
        dtq_unpack_row(q_rows + (uint64_t)i * d, d, DTQ_PROBE_QUERY_BITS, codes);
        for (uint32_t j = 0; j < seq; j++) {
            float key_scale;
            int32_t s = 0;
            memcpy(&key_scale, scales + sizeof(float) * ((uint64_t)queries + j), sizeof key_scale);
            dtq_unpack_row(k_rows + j * row_bytes, d, DTQ_PROBE_KEY_BITS, key);
            for (uint32_t c = 0; c < d; c++)
                s += (int32_t)codes[c] * key[c];
            x[(size_t)i * seq + j] = (float)s * (row_scale * key_scale);
        }
    }
}

void dtq_probe_vote_logits(const float *x, uint32_t seq, bool first, uint64_t *importance) {
    float largest = x[0];
    for (uint32_t j = 1; j < seq; j++)
        largest = x[j] > largest ? x[j] : largest;
    for (uint32_t j = 0; j < seq; j++) {
        const float below = largest - x[j]; /* +0 or more: such floats order as their bits do */
        uint32_t bits;
        memcpy(&bits, &below, sizeof bits);
        const uint64_t vote = (UINT64_C(1) << 31) - bits;
        importance[j] = first || vote > importance[j] ? vote : importance[j];
    }
}

uint32_t dtq_probe_softmax(const float *x, uint32_t seq, uint8_t *codes) {
    enum { LEVELS = 255 };
    float largest = x[0];
    uint32_t z = 0;
    for (uint32_t j = 1; j < seq; j++)
        largest = x[j] > largest ? x[j] : largest;
    for (uint32_t j = 0; j < seq; j++) {
        const float t = x[j] - largest;
        codes[j] = (uint8_t)dtq_do_rne((t > -9.0f ? dtq_do_exp2(t) : 0.0f) * (float)LEVELS);
        z += codes[j];
    }
    return z;
}

void dtq_probe_vote(const uint8_t *codes, uint32_t z, uint32_t seq, bool first, uint64_t *importance) {
    const uint64_t reciprocal = (UINT64_C(1) << 32) / z;
    for (uint32_t j = 0; j < seq; j++) {
        const uint64_t vote = codes[j] * reciprocal;
        importance[j] = first || vote > importance[j] ? vote : importance[j];
    }
}
