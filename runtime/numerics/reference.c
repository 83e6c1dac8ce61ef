/* The reference engine: host work in the order of the stream, and each layer's attention by the scalar reference (or in
 * float32) straight from the matrices that the host would have quantised. No buffers, no tiles, no queues. */
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/finite.h"
#include "runtime/numerics/late.h"
#include "runtime/numerics/noise.h"
#include "runtime/numerics/probe.h"
#include "runtime/numerics/streamed.h"
#include "runtime/schemes/scheme_ops.h"
#include "runtime/sim/layout.h"

/* Heads of a layer that go by one table of token ids. */
typedef struct {
    const uint32_t *ids;   /* [slots] */
    uint32_t first, count; /* key/value heads */
} heads_of_table;

/* Channels [from, from + width) of an operand, whose rows have `stride` of them, of the layer's slots in their order.
 */
static void gather(const dtq_exec *x, uint64_t src, const uint32_t *ids, uint32_t rows, size_t stride, size_t from,
                   size_t width, float *out) {
    for (uint32_t i = 0; i < rows; i++)
        memcpy(out + i * width, x->dram + src + (ids[i] * stride + from) * sizeof(float), width * sizeof(float));
}

static void scatter(dtq_exec *x, const dtq_layer *l, const heads_of_table *h, const dtq_attention *a) {
    const size_t width = (size_t)a->heads * a->head_dim, bytes = width * sizeof(float);
    const size_t stride = (size_t)l->heads * l->head_dim * sizeof(float);
    const size_t from = (size_t)h->first * (l->heads / l->kv_heads) * l->head_dim * sizeof(float);
    for (uint32_t i = 0; i < a->slots; i++) {
        if (i >= a->first_query && i - a->first_query < a->queries)
            memcpy(x->dram + l->out + h->ids[i] * stride + from, a->out + i * width, bytes);
        if (a->importance && !l->cached)
            memcpy(x->dram + l->importance_at + h->ids[i] * sizeof(uint64_t), &a->importance[i], sizeof(uint64_t));
    }
}

/* By the scheme of the program, or in float32. */
static bool attend_by_scheme(dtq_exec *x, const dtq_pending *p, const dtq_attention *a, dtq_error *e) {
    const dtq_scheme_ops *ops = dtq_scheme_ops_of(x);
    if (!ops->attend)
        return x->exact ? dtq_do_attention_fp32(a, e) : dtq_do_attention_ref(a, e);
    if (x->stream->layers[p->layer].cached) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "%s has no definition of attention with a cache",
                        dtq_schemes[x->program->scheme.kind].word);
    }
    dtq_effects *effects = x->effects ? &x->effects[p->layer] : NULL;
    if (effects)
        *effects = (dtq_effects){a->keys, a->heads, 1, 1, 0, 0};
    return ops->attend(x, p->layer, p->src, a, effects, e);
}

static bool stream(dtq_exec *x, const dtq_pending *p, dtq_error *e);
static bool attend_late(dtq_exec *x, const dtq_pending *p, dtq_error *e);

/* Attention of the heads of one table. */
static bool attend_heads(dtq_exec *x, const dtq_pending *p, const heads_of_table *h, dtq_error *e) {
    const dtq_layer *l = &x->stream->layers[p->layer];
    const dtq_slots *t = &x->slots[p->layer];
    const uint32_t n = t->left, group = l->heads / l->kv_heads, d = l->head_dim;
    const uint32_t all = x->exact && !l->cached ? n : dtq_queries(l); /* exact: the last slots */
    const uint32_t queries = all < n ? all : n;
    const size_t q_width = (size_t)h->count * group * d, kv_width = (size_t)h->count * d;
    const size_t q_stride = (size_t)l->heads * d, kv_stride = (size_t)l->kv_heads * d;
    float *floats = malloc(n * (2 * q_width + 2 * kv_width) * sizeof *floats);
    uint64_t *importance = malloc(n * sizeof *importance);
    if (!floats || !importance) {
        free(floats);
        free(importance);
        return dtq_no_memory(e, n * ((2 * q_width + 2 * kv_width) * sizeof *floats + sizeof *importance),
                             "the attention of layer %u", p->layer);
    }
    float *q = floats, *k = q + n * q_width, *v = k + n * kv_width;
    gather(x, p->src[DTQ_Q], h->ids, n, q_stride, (size_t)h->first * group * d, q_width, q);
    gather(x, p->src[DTQ_K], h->ids, n, kv_stride, (size_t)h->first * d, kv_width, k);
    gather(x, p->src[DTQ_V], h->ids, n, kv_stride, (size_t)h->first * d, kv_width, v);
    const bool measured = !x->exact && dtq_measures(l);
    const dtq_attention a = {
        .slots = n,
        .heads = h->count * group,
        .kv_heads = h->count,
        .head_dim = d,
        .kv_head = h->first,
        .first_key = x->exact ? 0 : dtq_first_key(l),
        .keys = x->exact || n < l->slots ? n : dtq_keys(l),
        .first_query = x->exact ? n - queries : dtq_first_query(l),
        .queries = queries,
        .causal = l->causal != 0,
        .importance_rule =
            l->importance == DTQ_IMPORTANCE_MEAN && !l->cached ? DTQ_IMPORTANCE_MEAN : DTQ_IMPORTANCE_SUM,
        .ids = h->ids,
        .bits = {t->bits[DTQ_Q], t->bits[DTQ_K], t->bits[DTQ_V], t->bits[DTQ_P]},
        .q = q,
        .k = k,
        .v = v,
        .out = v + n * kv_width,
        .importance = measured ? importance : NULL,
    };
    const bool disturbed = !x->noise || dtq_noise_add(x->noise, p->layer, &a, q, k, v, e);
    const bool ok = disturbed && attend_by_scheme(x, p, &a, e);
    if (ok) {
        if (measured) {
            if (l->cached)
                dtq_exec_accumulate(x, p->layer, importance + a.first_key);
            dtq_replace_importance(l, p->layer, h->ids + a.first_key, importance + a.first_key);
        }
        scatter(x, l, h, &a);
    } else {
        char why[sizeof e->message];
        memcpy(why, e->message, sizeof why);
        (void)dtq_fail(e, e->status, "layer %u, %s", p->layer, why);
    }
    if (ok && measured)
        dtq_exec_select(x, p->layer, importance + a.first_key);
    free(floats);
    free(importance);
    return ok;
}

static bool attend(dtq_exec *x, const dtq_pending *p, dtq_error *e) {
    const dtq_layer *l = &x->stream->layers[p->layer];
    if (dtq_streams(l) && !x->exact)
        return stream(x, p, e);
    if (dtq_lates(l) && !x->exact)
        return attend_late(x, p, e);
    const uint32_t tables = x->exact ? 1 : dtq_tables(l), count = l->kv_heads / tables;
    for (uint32_t table = 0; table < tables; table++) {
        const heads_of_table h = {dtq_slot_ids(x, p->layer, table), table * count, count};
        if (!attend_heads(x, p, &h, e))
            return false;
    }
    return true;
}

/* Whether nothing is asked of a layer of a rule of its own that this rule does not define. */
static bool is_plain(const dtq_exec *x, uint32_t layer, const char *does, dtq_error *e) {
    if (dtq_scheme_ops_of(x)->attend) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: %s has no definition of attention that %s", layer,
                        dtq_schemes[x->program->scheme.kind].word, does);
    }
    return !x->noise || dtq_fail(e, DTQ_BAD_PROGRAM,
                                 "layer %u: noise falls on tokens by the importance of a layer, which one that "
                                 "%s does not measure",
                                 layer, does);
}

/* A layer that chooses late, straight from the host's matrices. */
static bool attend_late(dtq_exec *x, const dtq_pending *p, dtq_error *e) {
    const dtq_layer *l = &x->stream->layers[p->layer];
    const size_t q_width = (size_t)l->heads * l->head_dim, kv_width = (size_t)l->kv_heads * l->head_dim, n = l->slots;
    const dtq_late a = {.layer = l,
                        .q = (const float *)(const void *)(x->dram + p->src[DTQ_Q]),
                        .k = (const float *)(const void *)(x->dram + p->src[DTQ_K]),
                        .v = (const float *)(const void *)(x->dram + p->src[DTQ_V]),
                        .out = (float *)(void *)(x->dram + l->out),
                        .q_stride = q_width,
                        .kv_stride = kv_width,
                        .out_stride = q_width};
    dtq_operand operand;
    uint32_t token, head;
    if (!is_plain(x, p->layer, "chooses late", e))
        return false;
    if (dtq_late_bad(&a, &operand, &token, &head)) {
        return dtq_fail(e, DTQ_BAD_INPUT,
                        "layer %u, operand %c, head %u, token %u: a value is not finite, or 2^50 or more", p->layer,
                        "qkv"[operand], head, token);
    }
    const uint32_t tables = dtq_tables(l), of_table = l->kv_heads / tables;
    const size_t group = l->heads / l->kv_heads, head_codes = group * n * n;
    const size_t bytes = of_table * head_codes + n * sizeof(uint64_t);
    uint64_t *votes = malloc(bytes);
    if (!votes)
        return dtq_no_memory(e, bytes, "the attention of layer %u", p->layer);
    uint8_t *codes = (uint8_t *)(votes + n);
    bool ok = true;
    for (uint32_t table = 0; ok && table < tables; table++) {
        memset(votes, 0, n * sizeof *votes);
        for (uint32_t g = 0; ok && g < of_table; g++)
            ok = dtq_late_votes(&a, table * of_table + g, codes + g * head_codes, votes, e);
        if (ok) {
            dtq_late_mean(l, votes);
            dtq_exec_choose(x, p->layer, table, votes);
        }
        for (uint32_t g = 0; ok && g < of_table; g++)
            ok = dtq_late_output(&a, table * of_table + g, codes + g * head_codes, dtq_slot_ids(x, p->layer, table), e);
    }
    free(votes);
    return ok;
}

/* A layer that streams, straight from the host's matrices, whose rows are all tokens in their order. */
static bool stream(dtq_exec *x, const dtq_pending *p, dtq_error *e) {
    const dtq_layer *l = &x->stream->layers[p->layer];
    if (!is_plain(x, p->layer, "streams", e))
        return false;
    const dtq_streamed a = {
        .layer = l,
        .tokens = l->slots,
        .first_query = l->key_only,
        .q = (const float *)(const void *)(x->dram + p->src[DTQ_Q]),
        .k = (const float *)(const void *)(x->dram + p->src[DTQ_K]),
        .v = (const float *)(const void *)(x->dram + p->src[DTQ_V]),
        .out = (float *)(void *)(x->dram + l->out),
        .votes = (uint64_t *)(void *)(x->dram + l->importance_at),
        .choice = x->input ? &x->input->choice : NULL,
        .number = p->layer,
    };
    if (dtq_streamed_ref(&a, e))
        return true;
    char why[sizeof e->message];
    memcpy(why, e->message, sizeof why);
    return dtq_fail(e, e->status, "layer %u, %s", p->layer, why);
}

/* Notes where an operand of attention stands; the reference quantises it itself. */
static bool note_operand(dtq_exec *x, const dtq_instr *in, dtq_pending *p, dtq_error *e) {
    const uint64_t layer = DTQ_GET(in, QUANT, layer), operand = DTQ_GET(in, QUANT, operand);
    const uint64_t src = DTQ_GET(in, QUANT, src);
    if (layer >= x->stream->layer_count || operand > DTQ_V ||
        !(x->slots[layer].ready || dtq_lates(&x->stream->layers[layer]))) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "host.quant of operand %llu of layer %llu has nothing to work on",
                        (unsigned long long)operand, (unsigned long long)layer);
    }
    if (p->met != 0 && p->layer != layer) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %llu begins before the operands of layer %u are complete",
                        (unsigned long long)layer, p->layer);
    }
    const dtq_layer *l = &x->stream->layers[layer];
    const uint64_t width = (uint64_t)(operand == DTQ_Q ? l->heads : l->kv_heads) * l->head_dim;
    const uint64_t bytes = x->stream->seq * width * sizeof(float);
    if (bytes > x->stream->dram_bytes || src > x->stream->dram_bytes - bytes || src % sizeof(float) != 0) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %llu: operand %c lies outside of DRAM", (unsigned long long)layer,
                        "qkv"[operand]);
    }
    p->layer = (uint32_t)layer;
    p->met |= 1u << operand;
    p->src[operand] = src;
    if (x->observer) {
        x->observer(x->user, (uint32_t)layer, (dtq_operand)operand, (const float *)(const void *)(x->dram + src),
                    x->stream->seq, (uint32_t)width);
    }
    dtq_host_op *const prepare = dtq_scheme_ops_of(x)->host[DTQ_OP_QUANT];
    return !prepare || prepare(x, in, e);
}

/* What one mean query says of all keys. `probs`: seq bytes to work in. */
static void vote(const dtq_layer *l, const float *x, uint32_t seq, bool first, uint8_t *probs, uint64_t *importance) {
    if (l->importance == DTQ_IMPORTANCE_PROBE_HEADS) {
        dtq_probe_vote_logits(x, seq, first, importance);
    } else {
        const uint32_t z = dtq_probe_softmax(x, seq, probs);
        dtq_probe_vote(probs, z, seq, first, importance);
    }
}

/* The whole probe that a host.probe begins, with the choice that ends it. */
static bool probe(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    if (!dtq_host_exec(x, in, e) || x->exact)
        return x->exact;
    const uint32_t layer = (uint32_t)DTQ_GET(in, PROBE_CODES, layer), seq = x->stream->seq;
    const dtq_layer *l = &x->stream->layers[layer];
    const uint32_t queries = l->heads / l->kv_heads;
    const bool by_head = l->importance == DTQ_IMPORTANCE_PROBE_HEADS;
    const uint64_t bytes = dtq_probe_bytes(l, seq);
    uint64_t *importance = malloc((size_t)seq * (sizeof *importance + queries * sizeof(float) + 1));
    int8_t *codes = malloc(2 * (size_t)l->head_dim);
    const bool ok = importance && codes;
    float *scores = (float *)(importance + seq);
    uint8_t *probs = (uint8_t *)(scores + (size_t)queries * seq);
    for (uint32_t g = 0; ok && g < l->kv_heads; g++) {
        dtq_probe_scores(l, seq, x->dram + DTQ_GET(in, PROBE_CODES, codes) + g * bytes, codes, scores);
        for (uint32_t i = 0; i < queries; i++)
            vote(l, scores + (size_t)i * seq, seq, i == 0 && (g == 0 || by_head), probs, importance);
        if (by_head)
            dtq_exec_choose(x, layer, g, importance);
    }
    if (ok && !by_head)
        dtq_exec_choose(x, layer, 0, importance);
    free(importance);
    free(codes);
    return ok || dtq_no_memory(e, (uint64_t)seq * (sizeof *importance + queries * sizeof(float)),
                               "the probe of layer %u", layer);
}

static bool attend_if_complete(dtq_exec *x, dtq_pending *p, dtq_error *e) {
    if (p->met != 7)
        return true;
    p->met = 0;
    return attend(x, p, e) && (!x->watched || dtq_watch_attention(x, p->layer, e));
}

bool dtq_reference_attend(dtq_exec *x, dtq_pending *p, size_t first, size_t last, dtq_error *e) {
    for (size_t i = first; i < last; i++) {
        const dtq_instr *in = &x->stream->instrs[i];
        if (in->op != DTQ_OP_QUANT && in->op != DTQ_OP_PROBE_CODES)
            continue;
        if (!attend_if_complete(x, p, e) || !(in->op == DTQ_OP_QUANT ? note_operand(x, in, p, e) : probe(x, in, e)))
            return false;
    }
    return attend_if_complete(x, p, e);
}

static bool run(dtq_exec *x, dtq_error *e) {
    const dtq_stream *s = x->stream;
    dtq_pending p = {0};
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        if (in->queue != DTQ_HOST || in->op == DTQ_OP_WAIT || in->op == DTQ_OP_SIGNAL)
            continue;
        if (!attend_if_complete(x, &p, e))
            return false;
        const bool ok = in->op == DTQ_OP_QUANT         ? note_operand(x, in, &p, e)
                        : in->op == DTQ_OP_CODES       ? dtq_linear_exec(x, in, e)
                        : in->op == DTQ_OP_PROBE_CODES ? probe(x, in, e)
                                                       : dtq_host_exec(x, in, e);
        if (!ok || (x->watched && !dtq_watch_instr(x, i, e)))
            return false;
    }
    if (!attend_if_complete(x, &p, e))
        return false;
    if (p.met != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the stream ends before the operands of layer %u are complete", p.layer);
    return true;
}

bool dtq_run_ref(dtq_exec *x, dtq_error *e) {
    const dtq_scheme_ops *ops = dtq_scheme_ops_of(x);
    if (ops->tells) {
        x->effects = calloc(x->stream->layer_count + 1u, sizeof *x->effects);
        if (!x->effects) {
            return dtq_no_memory(e, (x->stream->layer_count + 1u) * sizeof *x->effects, "the effects of %u layers",
                                 x->stream->layer_count);
        }
    }
    const bool ok = run(x, e);
    if (ops->close)
        ops->close(x);
    return ok;
}
