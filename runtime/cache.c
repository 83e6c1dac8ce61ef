/* What generation keeps from run to run: keys and values as the host has made them, and sums of importance. Copies go
 * in before a run and out after it; the engines themselves see a DRAM image like any other. */
#include <stdlib.h>
#include <string.h>

#include "runtime/exec.h"
#include "runtime/host/abi.h"
#include "runtime/turn.h"

typedef struct {
    uint32_t kv_width, stride; /* floats of a row of k or v, and from one to the next */
    uint32_t sums;             /* rows of importance */
    dtq_cached at;
} cached_layer;

struct dtq_cache {
    dtq_turn turn; /* of the run that uses it */
    uint32_t positions, length, layer_count;
    cached_layer *layers;
};

/* All that a cache takes. */
static uint64_t cache_bytes(const dtq_stream *s, uint32_t positions) {
    uint64_t bytes = sizeof(dtq_cache) + (s->layer_count + 1u) * sizeof(cached_layer);
    for (uint32_t i = 0; i < s->layer_count; i++) {
        const uint64_t stride = dtq_host_padded((uint64_t)s->layers[i].kv_heads * s->layers[i].head_dim);
        bytes += 2 * (positions * stride + 1) * sizeof(float) +
                 ((uint64_t)dtq_importance_rows(&s->layers[i]) * positions + 1) * sizeof(uint64_t);
    }
    return bytes;
}

dtq_cache *dtq_cache_open(const dtq_program *p, uint32_t positions, dtq_error *e) {
    const dtq_stream *s = p->stream_count == 0 ? NULL : &p->streams[0];
    dtq_cache *c = calloc(1, sizeof *c);
    if (c && s)
        c->layers = calloc(s->layer_count + 1u, sizeof *c->layers);
    bool ok = c && s && c->layers;
    for (uint32_t i = 0; ok && i < s->layer_count; i++) {
        cached_layer *l = &c->layers[c->layer_count++];
        l->kv_width = s->layers[i].kv_heads * s->layers[i].head_dim;
        l->stride = (uint32_t)dtq_host_padded(l->kv_width);
        l->sums = dtq_importance_rows(&s->layers[i]);
        const size_t floats = (size_t)positions * l->stride;
        l->at = (dtq_cached){.k = calloc(floats + 1, sizeof(float)),
                             .v = calloc(floats + 1, sizeof(float)),
                             .importance = calloc((size_t)l->sums * positions + 1, sizeof(uint64_t))};
        ok = l->at.k && l->at.v && l->at.importance;
    }
    if (ok) {
        c->positions = positions;
        return c;
    }
    dtq_cache_close(c);
    if (!s)
        (void)dtq_fail(e, DTQ_BAD_PROGRAM, "a program without streams has no layers to keep");
    else
        (void)dtq_no_memory(e, cache_bytes(s, positions), "the keys and values of %u tokens", positions);
    return NULL;
}

void dtq_cache_close(dtq_cache *c) {
    for (uint32_t i = 0; c && i < c->layer_count; i++) {
        free(c->layers[i].at.k);
        free(c->layers[i].at.v);
        free(c->layers[i].at.importance);
    }
    if (c)
        free(c->layers);
    free(c);
}

dtq_turn *dtq_cache_turn(dtq_cache *c) {
    return c ? &c->turn : NULL;
}

uint32_t dtq_cache_length(const dtq_cache *c) {
    return c->length;
}

void dtq_cache_clear(dtq_cache *c) {
    for (uint32_t i = 0; i < c->layer_count; i++)
        memset(c->layers[i].at.importance, 0, (size_t)c->layers[i].sums * c->positions * sizeof(uint64_t));
    c->length = 0;
}

void dtq_cache_advance(dtq_cache *c, uint32_t length) {
    c->length = length;
}

uint32_t dtq_cache_positions(const dtq_cache *c) {
    return c->positions;
}

dtq_cached dtq_cache_layer(const dtq_cache *c, uint32_t layer) {
    return c->layers[layer].at;
}

uint32_t dtq_stream_queries(const dtq_stream *s) {
    return s->layer_count != 0 && s->layers[0].cached ? dtq_queries(&s->layers[0]) : s->seq;
}

bool dtq_cache_fits(const dtq_cache *c, const dtq_stream *s, dtq_error *e) {
    const uint32_t before = s->seq - dtq_stream_queries(s);
    if (!c) {
        return before == 0 ||
               dtq_fail(e, DTQ_BAD_INPUT, "the program goes on behind %u tokens and needs their cache", before);
    }
    if (c->layer_count != s->layer_count || s->seq > c->positions) {
        return dtq_fail(e, DTQ_BAD_INPUT, "a cache of %u layers for %u tokens, and a program of %u layers for %u",
                        c->layer_count, c->positions, s->layer_count, s->seq);
    }
    for (uint32_t i = 0; i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i];
        if (!l->cached || c->layers[i].kv_width != l->kv_heads * l->head_dim ||
            c->layers[i].sums != dtq_importance_rows(l) || s->seq - before != dtq_queries(l)) {
            return dtq_fail(e, DTQ_BAD_INPUT, "layer %u is not of the cache: it is compiled without one, or for others",
                            i);
        }
    }
    return c->length == before ||
           dtq_fail(e, DTQ_BAD_INPUT, "the cache holds %u tokens, and the program wants %u", c->length, before);
}

/* Where host.quant takes an operand of a layer from: float [seq][kv_width]. NULL if it does not lie in DRAM. */
static uint8_t *rows_in_dram(const dtq_exec *x, const dtq_instr *in, uint32_t *layer) {
    const dtq_stream *s = x->stream;
    if (in->op != DTQ_OP_QUANT || DTQ_GET(in, QUANT, operand) == DTQ_Q || DTQ_GET(in, QUANT, layer) >= s->layer_count)
        return NULL;
    *layer = (uint32_t)DTQ_GET(in, QUANT, layer);
    const dtq_layer *l = &s->layers[*layer];
    const uint64_t bytes = (uint64_t)s->seq * l->kv_heads * l->head_dim * sizeof(float), at = DTQ_GET(in, QUANT, src);
    return bytes <= s->dram_bytes && at <= s->dram_bytes - bytes ? x->dram + at : NULL;
}

bool dtq_cache_load(const dtq_cache *c, dtq_exec *x, dtq_error *e) {
    const dtq_stream *s = x->stream;
    if (!dtq_cache_fits(c, s, e))
        return false;
    for (size_t i = 0; c && i < s->count; i++) {
        uint32_t layer;
        uint8_t *rows = rows_in_dram(x, &s->instrs[i], &layer);
        if (!rows)
            continue;
        const cached_layer *l = &c->layers[layer];
        const float *from = DTQ_GET(&s->instrs[i], QUANT, operand) == DTQ_K ? l->at.k : l->at.v;
        for (uint32_t row = 0; row < c->length; row++) {
            memcpy(rows + (size_t)row * l->kv_width * sizeof(float), from + (size_t)row * l->stride,
                   l->kv_width * sizeof(float));
        }
    }
    for (uint32_t i = 0; c && i < s->layer_count; i++) {
        for (size_t row = 0; row < c->layers[i].sums; row++) {
            memcpy(x->dram + s->layers[i].importance_at + row * s->seq * sizeof(uint64_t),
                   c->layers[i].at.importance + row * c->positions, c->length * sizeof(uint64_t));
        }
    }
    return true;
}

void dtq_cache_store(dtq_cache *c, const dtq_exec *x) {
    const dtq_stream *s = x->stream;
    for (size_t i = 0; i < s->count; i++) {
        uint32_t layer;
        const uint8_t *rows = rows_in_dram(x, &s->instrs[i], &layer);
        if (!rows)
            continue;
        const cached_layer *l = &c->layers[layer];
        float *to = DTQ_GET(&s->instrs[i], QUANT, operand) == DTQ_K ? l->at.k : l->at.v;
        for (uint32_t row = c->length; row < s->seq; row++) {
            memcpy(to + (size_t)row * l->stride, rows + (size_t)row * l->kv_width * sizeof(float),
                   l->kv_width * sizeof(float));
        }
    }
    for (uint32_t i = 0; !x->exact && i < s->layer_count; i++) {
        for (size_t row = 0; row < c->layers[i].sums; row++) {
            memcpy(c->layers[i].at.importance + row * c->positions,
                   x->dram + s->layers[i].importance_at + row * s->seq * sizeof(uint64_t), s->seq * sizeof(uint64_t));
        }
    }
    c->length = s->seq;
}
