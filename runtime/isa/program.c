/* Programs as a whole: making and freeing them, and the invariants that the container guarantees. */
#include "runtime/isa/program.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/isa/isa.h"
#include "runtime/machine_members.h"

dtq_program *dtq_program_new(dtq_pool **pool, dtq_error *e) {
    *pool = dtq_pool_new();
    dtq_program *p = *pool ? dtq_pool_alloc(*pool, 1, sizeof *p) : NULL;
    if (p)
        p->machine = dtq_pool_alloc(*pool, 1, sizeof *p->machine);
    if (!p || !p->machine) {
        dtq_no_memory(e, *pool ? dtq_pool_wanted(*pool) : sizeof *p, "a program");
        dtq_pool_free(*pool);
        return NULL;
    }
    p->memory = *pool;
    return p;
}

void dtq_program_free(dtq_program *p) {
    if (p && p->memory)
        dtq_pool_free(p->memory); /* p itself lives there */
}

bool dtq_program_file_has_weights(const dtq_program *p, size_t file) {
    for (size_t i = 0; i < p->tensor_count; i++)
        if (p->tensors[i].file == file)
            return true;
    return false;
}

const dtq_stream *dtq_program_stream(const dtq_program *p, uint32_t seq) {
    for (size_t i = 0; i < p->stream_count; i++)
        if (p->streams[i].seq == seq)
            return &p->streams[i];
    return NULL;
}

static bool machine_check(const dtq_program *p, dtq_error *e) {
    if (!p->machine)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "machine: there is none");
    if (!memchr(p->machine->name, 0, sizeof p->machine->name))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "machine: the name has no end");
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *m = &dtq_machine_params[i];
        double value = dtq_machine_get(p->machine, m);
        if (!(value >= m->lo && value <= m->hi))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "machine: %s.%s is %g, outside %g..%g", m->section, m->name, value,
                            m->lo, m->hi);
    }
    uint64_t hash = dtq_machine_hash(p->machine);
    if (hash != p->target_hash)
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "compiled for another target: the program says hash %016" PRIx64
                        ", its machine parameters have %016" PRIx64,
                        p->target_hash, hash);
    return true;
}

const char *dtq_tensor_wrong(const dtq_program *p, const dtq_tensor *t) {
    if (!t->name)
        return "it has no name";
    if (t->file != UINT32_MAX && t->file >= p->file_count)
        return "its file does not exist";
    return dtq_tensor_layout_wrong(t);
}

static bool tensors_check(const dtq_program *p, dtq_error *e) {
    for (size_t i = 0; i < p->tensor_count; i++) {
        const dtq_tensor *t = &p->tensors[i];
        const char *wrong = dtq_tensor_wrong(p, t);
        if (wrong)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %zu \"%.100s\": %s", i, t->name ? t->name : "", wrong);
    }
    return true;
}

static const char *ids_wrong(const uint32_t *ids, uint32_t n, uint32_t seq) {
    uint8_t seen[DTQ_SLOTS_MAX / 8] = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] >= seq)
            return "a token id is not below seq";
        if (seen[ids[i] / 8] >> ids[i] % 8 & 1)
            return "a token id stands twice";
        seen[ids[i] / 8] = (uint8_t)(seen[ids[i] / 8] | 1u << ids[i] % 8);
    }
    return NULL;
}

/* Before a layer chooses late nobody knows which token is which: all rows are alike, and all columns. */
static const char *late_wrong(const dtq_layer *l) {
    if (!dtq_by_late(l))
        return NULL;
    if (l->cached)
        return "`late` counts the votes of all rows, which a step does not have";
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        for (uint32_t i = 1; o != DTQ_V && l->bits[o] && i < l->slots; i++)
            if (l->bits[o][i] != l->bits[o][0])
                return "a layer that chooses late has queries, keys or rows of probabilities of two precisions";
    return NULL;
}

const char *dtq_choice_wrong(const dtq_stream *s, uint32_t layer) {
    const dtq_layer *l = &s->layers[layer];
    const char *late = late_wrong(l);
    if (late)
        return late;
    if (dtq_by_probe(l) && (l->causal || l->cached))
        return "a probe is of all tokens, which a causal layer does not see";
    if (l->slots != s->seq || (layer > 0 && s->layers[layer - 1].slots != s->seq))
        return "it chooses among all tokens, and not all are rows of it and of the layer before";
    for (unsigned o = 0; l->importance != DTQ_IMPORTANCE_PROBE && o < DTQ_OPERANDS; o++)
        if (!l->bits[o])
            return dtq_by_late(l) ? "precisions of a layer that chooses late must be known before it does"
                                  : "heads that choose for themselves share the precisions of their slots, which must "
                                    "be known";
    return NULL;
}

/* Where rows skip what the order of slots hides from them, slots have that order. */
static const char *skipping_wrong(const dtq_layer *l) {
    if (l->causal != DTQ_CAUSAL_SKIPS)
        return NULL;
    if (dtq_streams(l) || dtq_by_late(l))
        return "`streamed` and `late` say by themselves what is left out";
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        if (!l->bits[o])
            return "what is left out follows from precisions of slots, which must be known";
    const dtq_clusters c = dtq_layer_clusters(l);
    for (uint32_t i = 0; l->ids && i < c.count; i++)
        for (uint32_t slot = c.edge[i] + 1; slot < c.edge[i + 1]; slot++)
            if (l->ids[slot] <= l->ids[slot - 1])
                return "token ids do not ascend inside each cluster";
    return NULL;
}

static const char *streaming_wrong(const dtq_layer *l, uint32_t seq) {
    const dtq_streaming *s = &l->streaming;
    if (!dtq_streams(l))
        return s->window || s->kept || s->near_bits || s->far_bits ? "a window is of the rule `streamed`" : NULL;
    if (!s->window || s->window > DTQ_SLOTS_MAX || s->kept > s->window)
        return "its window has no tokens or too many, or keeps more keys than it has";
    if ((s->near_bits != 4 && s->near_bits != 8) || (s->far_bits != 4 && s->far_bits != 8))
        return "keys near or far are at neither 4 nor 8 bits";
    if (!l->causal || l->slots != seq || l->muted || !l->ids)
        return "`streamed` is of a causal layer of all tokens, none of them muted";
    for (uint32_t i = 0; i < l->slots; i++) {
        if (l->ids[i] != i)
            return "`streamed` is of tokens in their order";
        for (unsigned o = 0; o < DTQ_OPERANDS; o++)
            if (!l->bits[o] || (o != DTQ_P && l->bits[o][i] != s->near_bits))
                return "its slots are not all at the precision of near keys";
    }
    return NULL;
}

const char *dtq_layer_wrong(const dtq_layer *l, uint32_t seq) {
    if (l->slots == 0 || l->slots > seq)
        return "slots is not in 1..seq";
    if (l->high > l->slots)
        return "more high-precision tokens than slots";
    if (l->muted > l->slots - l->high || l->muted == l->slots)
        return "muted is not below the slots, or takes 8-bit ones";
    if (l->cached > 1 || (l->cached && !l->causal))
        return "cached is no known word, or without a causal mask";
    if (l->key_only >= l->slots || (l->key_only && (l->muted || !l->cached)))
        return "key_only is not below the slots, beside muted ones, or without a cache";
    if (l->key_only && l->order != DTQ_ORDER_ORIGINAL && dtq_queries(l) > l->high)
        return "the queries are not all 8-bit";
    if (l->kv_heads == 0 || l->heads > DTQ_HEADS_MAX || l->heads < l->kv_heads || l->heads % l->kv_heads)
        return "heads is not a multiple of kv_heads, or neither is in 1..4096";
    if (l->head_dim == 0 || l->head_dim > DTQ_HEAD_DIM_MAX)
        return "head_dim is not in 1..65536";
    if (l->causal > DTQ_CAUSAL_SKIPS || l->order > DTQ_ORDER_ORIGINAL || l->importance >= DTQ_IMPORTANCE_RULES ||
        l->prob_bits > DTQ_PROB_4)
        return "causal, order, importance or prob_bits is no known word";
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        for (uint32_t i = 0; l->bits[o] && i < l->slots; i++)
            if (l->bits[o][i] != 4 && l->bits[o][i] != 8)
                return "a precision is neither 4 nor 8";
    for (uint32_t i = 0; i < l->pinned_count; i++)
        if (l->pinned[i] >= seq || (i && l->pinned[i] <= l->pinned[i - 1]))
            return "pinned ids are not ascending or not below seq";
    const char *wrong = streaming_wrong(l, seq);
    if (!wrong && l->ids)
        wrong = ids_wrong(l->ids, l->slots, seq);
    return wrong ? wrong : skipping_wrong(l);
}

static bool same_bytes(const void *a, const void *b, size_t bytes) {
    return a == b || (a && b && memcmp(a, b, bytes) == 0);
}

bool dtq_layer_same(const dtq_layer *a, const dtq_layer *b) {
    bool same = a->slots == b->slots && a->high == b->high && a->muted == b->muted && a->key_only == b->key_only &&
                a->cached == b->cached && a->heads == b->heads && a->kv_heads == b->kv_heads &&
                a->head_dim == b->head_dim && a->causal == b->causal && a->order == b->order &&
                a->importance == b->importance && a->streaming.window == b->streaming.window &&
                a->streaming.kept == b->streaming.kept && a->streaming.near_bits == b->streaming.near_bits &&
                a->streaming.far_bits == b->streaming.far_bits && a->prob_bits == b->prob_bits && a->q == b->q &&
                a->k == b->k && a->v == b->v && a->q_scale == b->q_scale && a->k_scale == b->k_scale &&
                a->v_scale == b->v_scale && a->out == b->out && a->importance_at == b->importance_at &&
                a->pinned_count == b->pinned_count && same_bytes(a->ids, b->ids, a->slots * sizeof *a->ids) &&
                (!a->pinned_count || same_bytes(a->pinned, b->pinned, a->pinned_count * sizeof *a->pinned));
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        same = same && same_bytes(a->bits[o], b->bits[o], a->slots);
    return same;
}

dtq_field_limits dtq_field_limits_find(void) {
    dtq_field_limits l = {{{0}}};
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++)
        for (unsigned i = 0; i < dtq_ops[op].field_count; i++) {
            const dtq_field_info *f = &dtq_ops[op].fields[i];
            const bool words = f->kind == DTQ_KIND_ENUM || f->kind == DTQ_KIND_FLAG;
            const uint64_t ones = dtq_ones(f->bits), last = words ? dtq_enum_count(f) - 1 : ones;
            l.most[op][i] = last < ones ? last : ones;
        }
    return l;
}

bool dtq_instr_within(const dtq_field_limits *l, const dtq_instr *in) {
    if (in->op >= DTQ_OP_COUNT || !dtq_queue_serves(in->queue, dtq_ops[in->op].engine_class))
        return false;
    bool good = true;
    for (unsigned i = 0; i < dtq_ops[in->op].field_count; i++)
        good &= in->f[i] <= l->most[in->op][i];
    return good;
}

bool dtq_stream_check(const dtq_program *p, const dtq_stream *s, dtq_error *e) {
    if (s->seq == 0 || s->seq > DTQ_SLOTS_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "a stream for %u tokens: not in 1..%d", s->seq, DTQ_SLOTS_MAX);
    if (s->input > DTQ_INPUT_QKV || s->output > DTQ_OUTPUT_ATTENTION)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u: unknown kind of input or output", s->seq);
    for (uint32_t i = 0; i < s->layer_count; i++) {
        const char *wrong =
            i && dtq_layer_same(&s->layers[i], &s->layers[i - 1]) ? NULL : dtq_layer_wrong(&s->layers[i], s->seq);
        if (wrong)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u, layer %u: %s", s->seq, i, wrong);
    }
    if (s->text) /* dtq_stream_write has seen its instructions */
        return s->text_strings <= p->string_count ||
               dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u: its sources name a string that is not there", s->seq);
    const dtq_field_limits limits = dtq_field_limits_find();
    for (size_t i = 0; i < s->count; i++) {
        dtq_error why;
        if (!dtq_instr_within(&limits, &s->instrs[i]) && !dtq_instr_check(&s->instrs[i], &why))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u, instruction %zu: %s", s->seq, i, why.message);
    }
    for (size_t i = 0; s->sources && i < s->count; i++)
        if (s->sources[i].op >= p->string_count || (s->sources[i].line && s->sources[i].file >= p->string_count))
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "stream %u, instruction %zu: its source names a string that is not there", s->seq, i);
    return true;
}

bool dtq_facts_check(const dtq_program *p, dtq_error *e) {
    if (!machine_check(p, e))
        return false;
    char why[256];
    if (!dtq_do_scheme_check(&p->scheme, why, sizeof why))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "scheme: %s", why);
    if (p->lower_case > 1)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "lower_case is not 0 or 1");
    for (size_t i = 0; i < p->string_count; i++)
        if (!p->strings[i])
            return dtq_fail(e, DTQ_BAD_PROGRAM, "string %zu is missing", i);
    for (size_t i = 0; i < p->file_count; i++)
        if (!p->files[i].path)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "file %zu has no path", i);
    return tensors_check(p, e);
}

bool dtq_program_check(const dtq_program *p, dtq_error *e) {
    if (!dtq_facts_check(p, e))
        return false;
    for (size_t i = 0; i < p->stream_count; i++) {
        if (i && p->streams[i].seq <= p->streams[i - 1].seq)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "streams are not in ascending order of seq");
        if (!dtq_stream_check(p, &p->streams[i], e))
            return false;
    }
    return true;
}
