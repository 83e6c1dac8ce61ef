/* Attention of a layer with the rule `streamed` by the scalar reference: plain loops, token by token. */
#include "runtime/numerics/streamed.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/numerics/attention.h"

/* ---- the choice ------------------------------------------------------------------------------------------------ */

enum { MOST = 65536 }; /* tokens of a block */

/* As many keys as by votes, the newest ones up to the end of block b. */
static void choose_newest(const dtq_streaming *s, uint32_t b, uint32_t *list) {
    const uint32_t count = dtq_streamed_list_at(s, b) + dtq_streamed_stay(s, b);
    const uint32_t first = dtq_streamed_first(s, b) + s->window - count;
    for (uint32_t i = 0; i < count; i++)
        list[i] = first + i;
}

static void choose_drawn(const dtq_streamed_head *h, const uint32_t *ids, uint32_t count, uint32_t stay,
                         uint32_t *list) {
    uint64_t drawn[MOST];
    dtq_replace_choice(h->choice, h->layer, h->kv, ids, count, drawn);
    dtq_select(drawn, ids, count, NULL, 0, stay, stay, DTQ_ORDER_LOW_FIRST, list, NULL);
}

uint32_t dtq_streamed_choose(const dtq_streamed_head *h, uint32_t b, const uint64_t *votes, uint32_t *list) {
    const dtq_streaming *s = h->rule;
    const dtq_choice_kind kind = h->choice ? h->choice->kind : DTQ_CHOICE_IMPORTANCE;
    if (kind == DTQ_CHOICE_WINDOW) {
        choose_newest(s, b, list);
        return 0;
    }
    uint32_t ids[MOST];
    const uint32_t first = b == 0 ? 1 : dtq_streamed_first(s, b); /* token 0 stays without a choice */
    const uint32_t end = dtq_streamed_first(s, b) + s->window, count = end - first;
    const uint32_t stay = dtq_streamed_stay(s, b), at = dtq_streamed_list_at(s, b);
    for (uint32_t i = 0; i < count; i++)
        ids[i] = first + i;
    if (kind == DTQ_CHOICE_RANDOM)
        choose_drawn(h, ids, count, stay, list + at);
    else
        dtq_select(votes + first, ids, count, NULL, 0, stay, stay, DTQ_ORDER_LOW_FIRST, list + at, NULL);
    return at;
}

float dtq_streamed_weight_levels(const dtq_layer *l) {
    const unsigned bits = dtq_streamed_prob_bits(l->prob_bits, l->streaming.near_bits);
    return bits == 4 ? 15.0f : 255.0f;
}

uint64_t dtq_streamed_importance(const uint64_t *votes, uint32_t kv_heads, uint32_t tokens, uint32_t j) {
    uint64_t sum = 0;
    for (size_t g = 0; g < kv_heads; g++)
        sum += votes[g * tokens + j];
    return sum;
}

/* ---- the definition -------------------------------------------------------------------------------------------- */

enum { NEAR, FAR, ZONES };

/* Codes of an operand in both precisions, by token and head. */
typedef struct {
    int8_t *codes[ZONES];
    float *scales[ZONES];
} operand;

typedef struct {
    const dtq_streamed *a;
    operand q, k, v;
    uint32_t *lists; /* [kv_heads][tokens]: each head's far keys, block by block */
    uint32_t *keys;  /* [tokens] that a row sees, near ones first */
    uint8_t *zones;  /* [tokens] of these keys */
    float *x;        /* [tokens] their scores, then weights */
    void *memory;
} work;

static void quantise(const float *in, uint32_t from, uint32_t to, uint32_t heads, uint32_t dim, const dtq_streaming *s,
                     const operand *out) {
    for (size_t at = (size_t)from * heads; at < (size_t)to * heads; at++) {
        for (unsigned zone = NEAR; zone < ZONES; zone++) {
            const unsigned bits = zone == FAR ? s->far_bits : s->near_bits;
            (void)dtq_do_scale(in + at * dim, dim, 1, bits, &out->scales[zone][at]);
            for (size_t c = 0; c < dim; c++)
                out->codes[zone][at * dim + c] = dtq_do_quantise(in[at * dim + c], out->scales[zone][at], bits);
        }
    }
}

/* The keys that token i sees for a key/value head. */
static uint32_t keys_of(work *w, uint32_t i, uint32_t kv) {
    const dtq_streaming *s = &w->a->layer->streaming;
    const uint32_t b = i / s->window, near = dtq_streamed_near(s, b), far = dtq_streamed_far_keys(s, b);
    uint32_t count = 0;
    if (dtq_streamed_sink(b))
        w->keys[count++] = 0;
    for (uint32_t j = near; j <= i; j++)
        w->keys[count++] = j;
    memset(w->zones, NEAR, count);
    memset(w->zones + count, FAR, far);
    memcpy(w->keys + count, w->lists + (size_t)kv * w->a->tokens, far * sizeof *w->keys);
    return count + far;
}

static float score_row(work *w, uint32_t i, uint32_t head, uint32_t kv, uint32_t count) {
    const dtq_layer *l = w->a->layer;
    const size_t d = l->head_dim, row = (size_t)i * l->heads + head;
    float largest = 0.0f;
    for (uint32_t n = 0; n < count; n++) {
        const unsigned zone = w->zones[n];
        const size_t key = (size_t)w->keys[n] * l->kv_heads + kv;
        int32_t sum = 0;
        for (size_t c = 0; c < d; c++)
            sum += (int32_t)w->q.codes[zone][row * d + c] * w->k.codes[zone][key * d + c];
        const float row_scale = w->q.scales[zone][row] * dtq_do_score_scale(l->head_dim);
        w->x[n] = (float)sum * (row_scale * w->k.scales[zone][key]);
        largest = n == 0 || w->x[n] > largest ? w->x[n] : largest;
    }
    return largest;
}

/* A row of block b votes, by the weights of its near keys, on those of the block before. */
static void vote(const work *w, uint32_t b, const uint8_t *weights, uint32_t count, uint64_t *votes) {
    uint64_t sum = 1;
    for (uint32_t n = 0; n < count; n++)
        sum += w->zones[n] == NEAR ? weights[n] : 0;
    for (uint32_t n = 0; n < count; n++) {
        if (w->zones[n] == NEAR && w->keys[n] / w->a->layer->streaming.window + 1 == b) {
            const uint64_t share = weights[n] * (((uint64_t)1 << 32) / sum) >> 16;
            votes[w->keys[n]] += share * share;
        }
    }
}

static void attend_row(work *w, uint32_t i, uint32_t head) {
    const dtq_layer *l = w->a->layer;
    const uint32_t kv = head / (l->heads / l->kv_heads), count = keys_of(w, i, kv), b = i / l->streaming.window;
    const float largest = score_row(w, i, head, kv, count);
    float r[ZONES] = {0.0f, 0.0f};
    uint32_t z = 0;
    uint8_t *weights = w->zones + w->a->tokens;
    for (uint32_t n = 0; n < count; n++) {
        const float t = w->x[n] - largest, e = t > -9.0f ? dtq_do_exp2(t) : 0.0f;
        const unsigned zone = w->zones[n];
        z += (uint32_t)dtq_do_rne(e * (float)DTQ_STREAMED_LEVELS);
        w->x[n] = e * w->v.scales[zone][(size_t)w->keys[n] * l->kv_heads + kv];
        r[zone] = w->x[n] > r[zone] ? w->x[n] : r[zone];
    }
    for (uint32_t n = 0; n < count; n++) {
        const float shared = r[w->zones[n]] == 0.0f ? 1.0f : r[w->zones[n]];
        weights[n] = (uint8_t)dtq_do_rne((w->x[n] / shared) * dtq_streamed_weight_levels(l));
    }
    float *out = w->a->out + ((size_t)i * l->heads + head) * l->head_dim;
    for (size_t c = 0; c < l->head_dim; c++) {
        int32_t acc[ZONES] = {0, 0};
        for (uint32_t n = 0; n < count; n++) {
            const unsigned zone = w->zones[n];
            acc[zone] +=
                (int32_t)weights[n] * w->v.codes[zone][((size_t)w->keys[n] * l->kv_heads + kv) * l->head_dim + c];
        }
        const float near = (float)acc[NEAR] * (r[NEAR] == 0.0f ? 1.0f : r[NEAR]);
        const float far = (float)acc[FAR] * (r[FAR] == 0.0f ? 1.0f : r[FAR]);
        out[c] = (near + far) / (float)z;
    }
    vote(w, b, weights, count, w->a->votes + (size_t)kv * w->a->tokens);
}

/* Block b has run: block b - 1 is far from the next one on. */
static void choose(work *w, uint32_t b) {
    const dtq_streaming *s = &w->a->layer->streaming;
    for (size_t g = 0; b > 0 && g < w->a->layer->kv_heads; g++) {
        const dtq_streamed_head head = {s, w->a->choice, w->a->number, (uint32_t)g};
        (void)dtq_streamed_choose(&head, b - 1, w->a->votes + g * w->a->tokens, w->lists + g * w->a->tokens);
    }
}

/* What each of them takes, one behind the other, in bytes that keep floats aligned. */
static bool work_init(work *w, const dtq_streamed *a, dtq_error *e) {
    const dtq_layer *l = a->layer;
    const size_t n = a->tokens, q = n * l->heads, kv = n * l->kv_heads, d = l->head_dim;
    const size_t floats = ZONES * (q + 2 * kv) + n, words = kv + n, bytes = 2 * n + ZONES * (q + 2 * kv) * d;
    *w = (work){.a = a};
    w->memory = malloc((floats + words) * sizeof(float) + bytes);
    if (!w->memory) {
        return dtq_no_memory(e, (floats + words) * sizeof(float) + bytes, "a streamed attention layer of %u tokens",
                             a->tokens);
    }
    w->x = w->memory;
    float *at = w->x + n;
    w->lists = (uint32_t *)(void *)(w->x + floats);
    w->keys = w->lists + kv;
    w->zones = (uint8_t *)(w->keys + n);
    int8_t *codes = (int8_t *)(w->zones + 2 * n);
    for (unsigned zone = NEAR; zone < ZONES; zone++) {
        operand *const operands[3] = {&w->q, &w->k, &w->v};
        for (int o = 0; o < 3; o++) {
            const size_t rows = o == DTQ_Q ? q : kv;
            operands[o]->scales[zone] = at;
            operands[o]->codes[zone] = codes;
            at += rows;
            codes += rows * d;
        }
    }
    return true;
}

static bool check(const dtq_streamed *a, dtq_error *e) {
    const float *const in[3] = {a->q, a->k, a->v};
    for (int o = 0; o < 3; o++) {
        const size_t heads = o == DTQ_Q ? a->layer->heads : a->layer->kv_heads;
        for (size_t at = o == DTQ_Q ? a->first_query * heads : 0; at < a->tokens * heads; at++) {
            float scale;
            if (!dtq_do_scale(in[o] + at * a->layer->head_dim, a->layer->head_dim, 1, 8, &scale)) {
                return dtq_fail(e, DTQ_BAD_INPUT,
                                "operand %c, head %zu, token %zu: a value is not finite, or 2^50 or more", "qkv"[o],
                                at % heads, at / heads);
            }
        }
    }
    return true;
}

bool dtq_streamed_ref(const dtq_streamed *a, dtq_error *e) {
    const dtq_layer *l = a->layer;
    const dtq_streaming *s = &l->streaming;
    work w;
    if (!check(a, e) || !work_init(&w, a, e))
        return false;
    quantise(a->q, a->first_query, a->tokens, l->heads, l->head_dim, s, &w.q);
    quantise(a->k, 0, a->tokens, l->kv_heads, l->head_dim, s, &w.k);
    quantise(a->v, 0, a->tokens, l->kv_heads, l->head_dim, s, &w.v);
    for (uint32_t b = 0; b < dtq_streamed_blocks(s, a->tokens); b++) {
        const uint32_t end = dtq_streamed_end(s, a->tokens, b);
        uint32_t i = dtq_streamed_first(s, b);
        for (i = i < a->first_query ? a->first_query : i; i < end; i++)
            for (uint32_t head = 0; head < l->heads; head++)
                attend_row(&w, i, head);
        if (end - dtq_streamed_first(s, b) == s->window)
            choose(&w, b);
    }
    free(w.memory);
    return true;
}
