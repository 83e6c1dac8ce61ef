/* Attention of a layer that streams, a key/value head at a time: its blocks follow each other, as the keys that a block
 * sees depend on the rows of the block before. Heads are spread over the workers. */
#include "runtime/numerics/streamed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/host/host.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernels_attention.h"

typedef struct {
    const dtq_layer *layer;
    uint64_t number; /* of the layer */
    uint32_t tokens, first_query;
    const float *q, *k, *v; /* rows of queries; rows of keys and values by token */
    float *out;
    size_t q_stride, kv_stride; /* floats of a row */
    uint64_t *votes;            /* [kv_heads][tokens] */
    uint8_t *rooms;             /* [threads][room] */
    size_t room;
} streaming;

/* Keys and their values, in the order in which rows see them: codes of keys as dtq_dots takes them. */
typedef struct {
    int16_t *k;
    int8_t *v;
    float *k_scale, *v_scale;
} keys;

typedef struct {
    keys near, far; /* near: of all tokens; far: of a head's list */
    uint32_t *list;
    int16_t *q;        /* [2]: at the precision of near keys, and of far ones */
    int32_t *sums;     /* [tokens], and those of values [2][head_dim] */
    float *x, *scales; /* [tokens + 1] of a row */
    float *room;       /* [2 (tokens + 1)] */
    uint8_t *codes, *weights;
    int8_t *row;
} workspace;

static size_t depth_of(const dtq_layer *l) {
    return ((size_t)l->head_dim + DTQ_DOTS_PAD - 1) / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
}

/* Places in a worker's room, at `at` or counted only. */
typedef struct {
    uint8_t *at;
    size_t used;
} layout;

static void *take(layout *y, size_t count, size_t size) {
    const size_t from = dtq_host_reserve(&y->used, count, size);
    return y->at ? y->at + from : NULL;
}

static void take_keys(layout *y, const dtq_layer *l, size_t count, keys *k) {
    k->k = take(y, count * depth_of(l), sizeof *k->k);
    k->v = take(y, count * l->head_dim, sizeof *k->v);
    k->k_scale = take(y, count, sizeof *k->k_scale);
    k->v_scale = take(y, count, sizeof *k->v_scale);
}

static size_t lay_out(const dtq_layer *l, size_t n, uint8_t *at, workspace *w) {
    layout y = {at, 0};
    take_keys(&y, l, n, &w->near);
    take_keys(&y, l, n, &w->far);
    w->list = take(&y, n, sizeof *w->list);
    w->q = take(&y, 2 * depth_of(l), sizeof *w->q);
    w->sums = take(&y, n + 2 * (size_t)l->head_dim, sizeof *w->sums);
    w->x = take(&y, n + 1, sizeof *w->x);
    w->scales = take(&y, n + 1, sizeof *w->scales);
    w->room = take(&y, 2 * (n + 1), sizeof *w->room);
    w->codes = take(&y, n + 1, 1);
    w->weights = take(&y, n + 1, 1);
    w->row = take(&y, l->head_dim, 1);
    return y.used;
}

/* ---- operands -------------------------------------------------------------------------------------------------- */

/* A row's codes, widened, zeros behind them. False if it cannot be quantised. */
static bool widen(const dtq_kernels *kernels, const workspace *w, const float *row, const dtq_layer *l, unsigned bits,
                  int16_t *to, float *scale) {
    if (!kernels->quantise_row(row, l->head_dim, bits, w->row, scale))
        return false;
    for (size_t c = 0; c < l->head_dim; c++)
        to[c] = w->row[c];
    memset(to + l->head_dim, 0, (depth_of(l) - l->head_dim) * sizeof *to);
    return true;
}

/* Token `j` as key and value number `at`. What is wrong with either is recorded. */
static bool add_key(dtq_host_frame *f, const streaming *s, const workspace *w, uint32_t kv, uint32_t j, unsigned bits,
                    const keys *to, size_t at) {
    const dtq_layer *l = s->layer;
    const dtq_kernels *kernels = dtq_kernels_choose(false);
    const size_t from = j * s->kv_stride + (size_t)kv * l->head_dim;
    if (!widen(kernels, w, s->k + from, l, bits, to->k + at * depth_of(l), &to->k_scale[at])) {
        dtq_host_bad(f, 3 * s->number + DTQ_HOST_SITE_K, j, kv);
        return false;
    }
    if (!kernels->quantise_row(s->v + from, l->head_dim, bits, to->v + at * l->head_dim, &to->v_scale[at])) {
        dtq_host_bad(f, 3 * s->number + DTQ_HOST_SITE_V, j, kv);
        return false;
    }
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Logits of `count` keys from number `from` on, to where they stand in the row. */
static void score(const streaming *s, const workspace *w, const int16_t *q, float row_scale, const keys *k, size_t from,
                  uint32_t count, float *x, float *scales) {
    dtq_dots(q, 1, k->k + from * depth_of(s->layer), count, depth_of(s->layer), w->sums);
    dtq_logits(w->sums, k->k_scale + from, row_scale, count, x);
    memcpy(scales, k->v_scale + from, count * sizeof *scales);
}

/* Row i of one query head: sees token 0 if it is a sink, tokens near ... i, and `far` of the list. */
static void attend_row(const streaming *s, const workspace *w, uint32_t i, uint32_t head, const float *q_scales) {
    const dtq_layer *l = s->layer;
    const dtq_streaming *rule = &l->streaming;
    const uint32_t b = i / rule->window, first = dtq_streamed_near(rule, b), sink = dtq_streamed_sink(b);
    const uint32_t near = sink + i + 1 - first, far = dtq_streamed_far_keys(rule, b);
    const float c = dtq_do_score_scale(l->head_dim), near_scale = q_scales[0] * c, far_scale = q_scales[1] * c;
    const size_t depth = depth_of(l), d = l->head_dim;
    if (sink != 0)
        score(s, w, w->q, near_scale, &w->near, 0, 1, w->x, w->scales);
    score(s, w, w->q, near_scale, &w->near, first, near - sink, w->x + sink, w->scales + sink);
    score(s, w, w->q + depth, far_scale, &w->far, 0, far, w->x + near, w->scales + near);
    const dtq_streamed_sums sums =
        dtq_streamed_softmax(w->x, w->scales, near, far, dtq_streamed_weight_levels(l), w->room, w->codes, w->weights);
    int32_t *acc = w->sums;
    memset(acc, 0, 2 * d * sizeof *acc);
    dtq_streamed_values(d, w->weights, w->near.v, sink, acc);
    dtq_streamed_values(d, w->weights + sink, w->near.v + (size_t)first * d, near - sink, acc);
    dtq_streamed_values(d, w->weights + near, w->far.v, far, acc + d);
    float *out = s->out + (i - s->first_query) * s->q_stride + (size_t)head * d;
    for (size_t n = 0; n < d; n++)
        out[n] = ((float)acc[n] * sums.near_scale + (float)acc[d + n] * sums.far_scale) / (float)sums.z;
    if (b > 0) {
        uint64_t *votes = s->votes + (size_t)(head / (l->heads / l->kv_heads)) * s->tokens;
        dtq_streamed_vote(w->weights, near, sink, rule->window, votes + first);
    }
}

static bool attend_rows(dtq_host_frame *f, const streaming *s, const workspace *w, uint32_t kv, uint32_t i) {
    const dtq_layer *l = s->layer;
    const dtq_kernels *kernels = dtq_kernels_choose(false);
    const uint32_t group = l->heads / l->kv_heads;
    for (uint32_t head = kv * group; head < (kv + 1) * group; head++) {
        const float *row = s->q + (i - s->first_query) * s->q_stride + (size_t)head * l->head_dim;
        float scales[2];
        if (!widen(kernels, w, row, l, l->streaming.near_bits, w->q, &scales[0])) {
            dtq_host_bad(f, 3 * s->number + DTQ_HOST_SITE_Q, i - s->first_query, head);
            return false;
        }
        (void)widen(kernels, w, row, l, l->streaming.far_bits, w->q + depth_of(l), &scales[1]);
        attend_row(s, w, i, head, scales);
    }
    return true;
}

/* Block b has run: keys of the one before it are chosen, and stand in the list at the precision of far ones. */
static bool choose(dtq_host_frame *f, const streaming *s, const workspace *w, uint32_t kv, uint32_t b) {
    const dtq_streaming *rule = &s->layer->streaming;
    const uint32_t end = dtq_streamed_list_at(rule, b - 1) + dtq_streamed_stay(rule, b - 1);
    const dtq_host *h = f->host;
    const dtq_streamed_head head = {rule, h->input ? &h->input->choice : NULL, (uint32_t)s->number, kv};
    uint32_t i = dtq_streamed_choose(&head, b - 1, s->votes + (size_t)kv * s->tokens, w->list);
    for (; i < end; i++)
        if (!add_key(f, s, w, kv, w->list[i], rule->far_bits, &w->far, i))
            return false;
    return true;
}

static bool run_head(dtq_host_frame *f, const streaming *s, const workspace *w, uint32_t kv) {
    const dtq_streaming *rule = &s->layer->streaming;
    const uint32_t near = dtq_streamed_near(rule, s->first_query / rule->window); /* of the first row */
    for (uint32_t j = 0; j < s->tokens; j = j == 0 && near > 1 ? near : j + 1)
        if (!add_key(f, s, w, kv, j, rule->near_bits, &w->near, j))
            return false;
    for (uint32_t b = 0; b < dtq_streamed_blocks(rule, s->tokens); b++) {
        const uint32_t first = dtq_streamed_first(rule, b), end = dtq_streamed_end(rule, s->tokens, b);
        for (uint32_t i = first < s->first_query ? s->first_query : first; i < end; i++)
            if (!attend_rows(f, s, w, kv, i))
                return false;
        if (b > 0 && end - first == rule->window && end < s->tokens && !choose(f, s, w, kv, b))
            return false;
    }
    return true;
}

static void run_heads(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    const streaming *s = (const streaming *)argument;
    workspace w;
    (void)lay_out(s->layer, s->tokens, s->rooms + worker * s->room, &w);
    for (uint64_t kv = first; kv < last; kv++)
        if (!run_head(f, s, &w, (uint32_t)kv))
            return;
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

/* The new rows of keys and values to where the cache keeps them. */
static void keep_rows(const streaming *s, const float *from, float *to) {
    const size_t width = (size_t)s->layer->kv_heads * s->layer->head_dim;
    for (uint32_t j = s->first_query; j < s->tokens; j++)
        memcpy(to + j * s->kv_stride, from + (j - s->first_query) * s->kv_stride, width * sizeof *to);
}

static bool run_layer(dtq_host_frame *f, streaming *s) {
    dtq_host *h = f->host;
    workspace w;
    const unsigned threads = dtq_host_pool_threads(h->pool);
    s->room = lay_out(s->layer, s->tokens, NULL, &w);
    size_t used = 0;
    (void)dtq_host_reserve(&used, threads, s->room);
    s->rooms = used == SIZE_MAX ? NULL : aligned_alloc(DTQ_HOST_ALIGN, used + (DTQ_HOST_ALIGN - used % DTQ_HOST_ALIGN));
    if (!s->rooms) {
        dtq_host_broken(h, DTQ_NO_MEMORY, "out of memory for streamed attention");
        return false;
    }
    dtq_host_parallel(f, s->layer->kv_heads, 1, 1, run_heads, (uint64_t)s);
    free(s->rooms);
    return true;
}

uint64_t dtq_host_whole(dtq_host_frame *f, uint64_t layer, uint64_t q, uint64_t k, uint64_t v, uint64_t out) {
    dtq_host *h = f->host;
    const uint64_t buffers = h->model->buffer_count;
    if (layer >= h->stream->layer_count || q >= buffers || k >= buffers || v >= buffers || out >= buffers) {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "generated code attends in a layer or a buffer that is not there");
        return 1;
    }
    const dtq_layer *l = &h->stream->layers[layer];
    if (h->device.type) {
        dtq_host_device_attend(h, (uint32_t)layer, h->buffers[q], h->buffers[k], h->buffers[v], h->buffers[out]);
        return 1;
    }
    if (dtq_lates(l)) {
        dtq_host_run_late(f, layer, h->buffers[q], h->buffers[k], h->buffers[v], h->buffers[out]);
        return 1;
    }
    if (!dtq_streams(l))
        return 0;
    streaming s = {.layer = l,
                   .number = layer,
                   .tokens = l->slots,
                   .first_query = l->key_only,
                   .q = h->buffers[q],
                   .k = h->buffers[k],
                   .v = h->buffers[v],
                   .out = h->buffers[out],
                   .q_stride = dtq_host_padded((uint64_t)l->heads * l->head_dim),
                   .kv_stride = dtq_host_padded((uint64_t)l->kv_heads * l->head_dim),
                   .votes = h->votes[layer]};
    if (h->cache) {
        const dtq_cached c = dtq_cache_layer(h->cache, (uint32_t)layer);
        keep_rows(&s, s.k, c.k);
        keep_rows(&s, s.v, c.v);
        s.k = c.k;
        s.v = c.v;
    }
    (void)run_layer(f, &s);
    return 1;
}

/* ---- votes ----------------------------------------------------------------------------------------------------- */

bool dtq_host_votes_begin(dtq_host *h, dtq_error *e) {
    const dtq_stream *s = h->stream;
    size_t all = 0;
    for (uint32_t i = 0; i < s->layer_count; i++)
        all += dtq_streams(&s->layers[i]) ? (size_t)s->layers[i].kv_heads * s->seq : 0;
    h->votes = NULL;
    if (all == 0)
        return true;
    h->votes = calloc(s->layer_count + 1u, sizeof *h->votes);
    uint64_t *at = calloc(all, sizeof *at);
    if (!h->votes || !at) {
        free(at);
        dtq_host_votes_end(h);
        return dtq_no_memory(e, s->layer_count * sizeof *h->votes + all * sizeof *at, "the votes of streamed layers");
    }
    h->votes[s->layer_count] = at; /* all of them lie there */
    for (uint32_t i = 0; i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i];
        h->votes[i] = at;
        at += dtq_streams(l) ? (size_t)l->kv_heads * s->seq : 0;
    }
    dtq_host_votes_reset(h);
    return true;
}

void dtq_host_votes_reset(dtq_host *h) {
    const dtq_stream *s = h->stream;
    for (uint32_t i = 0; h->votes && i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i];
        for (size_t g = 0; dtq_streams(l) && g < l->kv_heads; g++) {
            memset(h->votes[i] + g * s->seq, 0, s->seq * sizeof(uint64_t));
            if (h->cache) {
                memcpy(h->votes[i] + g * s->seq,
                       dtq_cache_layer(h->cache, i).importance + g * dtq_cache_positions(h->cache),
                       l->key_only * sizeof(uint64_t));
            }
        }
    }
}

void dtq_host_votes_keep(const dtq_host *h) {
    const dtq_stream *s = h->stream;
    for (uint32_t i = 0; h->votes && h->cache && i < s->layer_count; i++) {
        for (size_t g = 0; dtq_streams(&s->layers[i]) && g < s->layers[i].kv_heads; g++) {
            memcpy(dtq_cache_layer(h->cache, i).importance + g * dtq_cache_positions(h->cache),
                   h->votes[i] + g * s->seq, s->seq * sizeof(uint64_t));
        }
    }
}

void dtq_host_votes_end(dtq_host *h) {
    if (h->votes)
        free(h->votes[h->stream->layer_count]);
    free((void *)h->votes);
    h->votes = NULL;
}
