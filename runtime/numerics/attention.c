/* One attention layer by the scalar reference: the definition that the simulator, generated code and every fast kernel
 * must equal bit for bit (NUMERICS.md, "Attention"). Plain loops in slot order; speed is no concern here. */
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/numerics/attention.h"

enum { LOW_CLASS, HIGH_CLASS, CLASSES };

static size_t first_key(const dtq_attention *a) {
    return a->keys == 0 ? 0 : a->first_key;
}

static size_t end_of_keys(const dtq_attention *a) {
    return a->keys == 0 ? a->slots : (size_t)a->first_key + a->keys;
}

static size_t first_query(const dtq_attention *a) {
    return a->queries == 0 ? 0 : a->first_query;
}

static size_t end_of_queries(const dtq_attention *a) {
    return a->queries == 0 ? a->slots : (size_t)a->first_query + a->queries;
}

static unsigned class_of(uint8_t bits) {
    return bits == 4 ? LOW_CLASS : HIGH_CLASS;
}

/* Working memory of one layer, in slot order. What belongs to keys is not set where a slot is none. */
typedef struct {
    int8_t *q, *k, *v;        /* codes, shaped as the inputs */
    float *q_scale, *k_scale; /* [slots][heads], [slots][kv_heads] */
    float *v_scale;           /* [CLASSES][kv_heads][head_dim]; causal: [slots][kv_heads] */
    float *x;                 /* [slots] scores of one row; causal: then the weights w */
    uint8_t *prob, *weight;   /* [slots] of one row: the softmax, and what multiplies V */
    uint64_t *importance;     /* [slots] */
} work;

static void work_free(work *w) {
    free(w->q);
    free(w->k);
    free(w->v);
    free(w->q_scale);
    free(w->k_scale);
    free(w->v_scale);
    free(w->x);
    free(w->prob);
    free(w->weight);
    free(w->importance);
}

static bool work_init(work *w, const dtq_attention *a, dtq_error *e) {
    const size_t n = a->slots, q_row = (size_t)a->heads * a->head_dim, kv_row = (size_t)a->kv_heads * a->head_dim;
    *w = (work){
        .q = malloc(n * q_row),
        .k = malloc(n * kv_row),
        .v = malloc(n * kv_row),
        .q_scale = malloc(n * a->heads * sizeof(float)),
        .k_scale = malloc(n * a->kv_heads * sizeof(float)),
        .v_scale = malloc((a->causal ? n * a->kv_heads : CLASSES * kv_row) * sizeof(float)),
        .x = malloc(n * sizeof(float)),
        .prob = malloc(n),
        .weight = malloc(n),
        .importance = calloc(n, sizeof(uint64_t)),
    };
    if (!w->q || !w->k || !w->v || !w->q_scale || !w->k_scale || !w->v_scale || !w->x || !w->prob || !w->weight ||
        !w->importance) {
        work_free(w);
        const size_t floats = n * (a->heads + a->kv_heads + 1) + (a->causal ? n * a->kv_heads : CLASSES * kv_row);
        return dtq_no_memory(e, n * (q_row + 2 * kv_row + 2 + sizeof(uint64_t)) + floats * sizeof(float),
                             "an attention layer of %u tokens", a->slots);
    }
    return true;
}

/* q, k and causal v: a scale for each token and head. */
static void quantise_rows(const float *in, size_t from, size_t to, uint32_t heads, uint32_t dim, const uint8_t *bits,
                          int8_t *codes, float *scales) {
    for (size_t i = from; i < to; i++) {
        for (size_t h = 0; h < heads; h++) {
            const size_t at = i * heads + h;
            (void)dtq_do_scale(in + at * dim, dim, 1, bits[i], &scales[at]);
            for (size_t c = 0; c < dim; c++)
                codes[at * dim + c] = dtq_do_quantise(in[at * dim + c], scales[at], bits[i]);
        }
    }
}

/* v without a mask: a scale for each precision class and channel, over all keys of the class. */
static void quantise_classes(const dtq_attention *a, work *w) {
    const size_t width = (size_t)a->kv_heads * a->head_dim;
    for (size_t c = 0; c < width; c++) {
        float largest[CLASSES] = {0, 0};
        for (size_t i = first_key(a); i < end_of_keys(a); i++) {
            const float v = a->v[i * width + c];
            float *m = &largest[class_of(a->bits[DTQ_V][i])];
            const float magnitude = v < 0 ? -v : v;
            *m = magnitude > *m ? magnitude : *m;
        }
        for (unsigned class = 0; class < CLASSES; class ++)
            (void)dtq_do_scale(&largest[class], 1, 1, class == LOW_CLASS ? 4 : 8, &w->v_scale[class * width + c]);
        for (size_t i = first_key(a); i < end_of_keys(a); i++) {
            const uint8_t bits = a->bits[DTQ_V][i];
            w->v[i * width + c] = dtq_do_quantise(a->v[i * width + c], w->v_scale[class_of(bits) * width + c], bits);
        }
    }
}

static bool sees(const dtq_attention *a, size_t i, size_t j) {
    return !a->causal || a->ids[j] <= a->ids[i];
}

/* The scores of query slot i, and the largest among the keys it sees. Returns how many it sees. */
static uint32_t score_row(const dtq_attention *a, work *w, size_t i, size_t head, float *largest) {
    const size_t kv = head / (a->heads / a->kv_heads);
    const int8_t *q = w->q + (i * a->heads + head) * a->head_dim;
    const float row_scale = w->q_scale[i * a->heads + head] * dtq_do_score_scale(a->head_dim);
    uint32_t seen = 0;
    for (size_t j = first_key(a); j < end_of_keys(a); j++) {
        const int8_t *k = w->k + (j * a->kv_heads + kv) * a->head_dim;
        int32_t s = 0;
        for (size_t c = 0; c < a->head_dim; c++)
            s += (int32_t)q[c] * k[c];
        w->x[j] = (float)s * (row_scale * w->k_scale[j * a->kv_heads + kv]);
        if (sees(a, i, j)) {
            *largest = seen == 0 || w->x[j] > *largest ? w->x[j] : *largest;
            seen++;
        }
    }
    return seen;
}

/* From scores to probabilities ê; returns Z, their sum. In a causal layer also the weights ŵ, which carry the scales of
 * V, and *r, the scale they share. */
static uint32_t softmax_row(const dtq_attention *a, work *w, size_t i, size_t kv, float largest, float *r) {
    const float levels = a->bits[DTQ_P][i] == 4 ? 15.0f : 255.0f;
    uint32_t z = 0;
    *r = 0.0f;
    for (size_t j = first_key(a); j < end_of_keys(a); j++) {
        const float t = w->x[j] - largest;
        const float p = sees(a, i, j) && t > -9.0f ? dtq_do_exp2(t) : 0.0f;
        w->prob[j] = (uint8_t)dtq_do_rne(p * levels);
        w->weight[j] = w->prob[j];
        z += w->prob[j];
        if (a->causal) {
            w->x[j] = p * w->v_scale[j * a->kv_heads + kv];
            *r = w->x[j] > *r ? w->x[j] : *r;
        }
    }
    *r = *r == 0.0f ? 1.0f : *r;
    for (size_t j = first_key(a); a->causal && j < end_of_keys(a); j++)
        w->weight[j] = (uint8_t)dtq_do_rne((w->x[j] / *r) * levels);
    return z;
}

static float output_element(const dtq_attention *a, const work *w, size_t kv, size_t c, uint32_t z, float r) {
    const size_t width = (size_t)a->kv_heads * a->head_dim, channel = kv * a->head_dim + c;
    int32_t acc[CLASSES] = {0, 0};
    for (size_t j = first_key(a); j < end_of_keys(a); j++) {
        const unsigned class = a->causal ? LOW_CLASS : class_of(a->bits[DTQ_V][j]);
        acc[class] += (int32_t)w->weight[j] * w->v[j * width + channel];
    }
    if (a->causal)
        return ((float)acc[LOW_CLASS] * r) / (float)z;
    float o = 0.0f;
    for (unsigned class = 0; class < CLASSES; class ++)
        o = o + (float)acc[class] * w->v_scale[class * width + channel];
    return o / (float)z;
}

static void attend_row(const dtq_attention *a, work *w, size_t i, size_t head) {
    const size_t kv = head / (a->heads / a->kv_heads);
    float *out = a->out + (i * a->heads + head) * a->head_dim;
    memset(out, 0, a->head_dim * sizeof *out);
    float largest = 0.0f, r = 1.0f;
    if (score_row(a, w, i, head, &largest) == 0)
        return;
    const uint32_t z = softmax_row(a, w, i, kv, largest, &r);
    for (size_t c = 0; c < a->head_dim; c++)
        out[c] = output_element(a, w, kv, c, z, r);
    const uint64_t inverse = ((uint64_t)1 << 32) / z;
    for (size_t j = first_key(a); j < end_of_keys(a); j++)
        w->importance[j] += w->prob[j] * inverse;
}

/* How many query slots see key slot j. */
static uint64_t rows_that_see(const dtq_attention *a, size_t j) {
    uint64_t rows = 0;
    for (size_t i = first_query(a); i < end_of_queries(a); i++)
        rows += sees(a, i, j);
    return rows;
}

static bool is_key(const dtq_attention *a, size_t slot) {
    return slot >= first_key(a) && slot < end_of_keys(a);
}

static bool is_query(const dtq_attention *a, size_t slot) {
    return slot >= first_query(a) && slot < end_of_queries(a);
}

void dtq_importance_finish(const dtq_attention *a) {
    for (size_t j = 0; a->importance && a->importance_rule == DTQ_IMPORTANCE_MEAN && j < a->slots; j++) {
        const uint64_t rows = is_key(a, j) ? rows_that_see(a, j) : 1;
        a->importance[j] = rows == 0 ? 0 : a->importance[j] / rows;
    }
}

bool dtq_attention_check(const dtq_attention *a, dtq_error *e) {
    if (a->slots == 0 || a->heads == 0 || a->kv_heads == 0 || a->head_dim == 0 || a->heads % a->kv_heads != 0) {
        return dtq_fail(e, DTQ_BAD_INPUT, "%u tokens, %u heads for %u key/value heads of %u channels make no attention",
                        a->slots, a->heads, a->kv_heads, a->head_dim);
    }
    if (a->first_key > a->slots || a->keys > a->slots - a->first_key) {
        return dtq_fail(e, DTQ_BAD_INPUT, "keys %u to %u are not among %u tokens", a->first_key, a->first_key + a->keys,
                        a->slots);
    }
    if (a->first_query > a->slots || a->queries > a->slots - a->first_query) {
        return dtq_fail(e, DTQ_BAD_INPUT, "queries %u to %u are not among %u tokens", a->first_query,
                        a->first_query + a->queries, a->slots);
    }
    const float *const in[3] = {a->q, a->k, a->v};
    for (int o = 0; o < 3; o++) {
        const size_t heads = o == DTQ_Q ? a->heads : a->kv_heads;
        for (size_t at = 0; at < a->slots * heads; at++) {
            float scale;
            const bool used = o == DTQ_Q ? is_query(a, at / heads) : is_key(a, at / heads);
            if (used && !dtq_do_scale(in[o] + at * a->head_dim, a->head_dim, 1, 8, &scale)) {
                return dtq_fail(e, DTQ_BAD_INPUT,
                                "operand %c, head %zu, token %u: a value is not finite, or 2^50 or more", "qkv"[o],
                                at % heads + (size_t)a->kv_head * (heads / a->kv_heads), a->ids[at / heads]);
            }
        }
    }
    return true;
}

bool dtq_do_attention_ref(const dtq_attention *a, dtq_error *e) {
    work w;
    if (!dtq_attention_check(a, e) || !work_init(&w, a, e))
        return false;
    quantise_rows(a->q, first_query(a), end_of_queries(a), a->heads, a->head_dim, a->bits[DTQ_Q], w.q, w.q_scale);
    quantise_rows(a->k, first_key(a), end_of_keys(a), a->kv_heads, a->head_dim, a->bits[DTQ_K], w.k, w.k_scale);
    if (a->causal)
        quantise_rows(a->v, first_key(a), end_of_keys(a), a->kv_heads, a->head_dim, a->bits[DTQ_V], w.v, w.v_scale);
    else
        quantise_classes(a, &w);
    for (size_t head = 0; head < a->heads; head++)
        for (size_t i = first_query(a); i < end_of_queries(a); i++)
            attend_row(a, &w, i, head);
    if (a->importance) {
        memcpy(a->importance, w.importance, a->slots * sizeof *a->importance);
        dtq_importance_finish(a);
    }
    work_free(&w);
    return true;
}
