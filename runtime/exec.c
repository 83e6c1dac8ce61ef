/* The state that one execution of a stream works on: DRAM image, slot tables, and what is read out of them. */
#include "runtime/exec.h"
#include "runtime/numerics/numerics.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/isa/program.h"

void dtq_bits_from_classes(const dtq_layer *l, const uint8_t *high_flags, uint8_t *const bits[DTQ_OPERANDS]) {
    for (uint32_t i = 0; i < l->slots; i++) {
        /* Read before writing: one of the tables may be the flags themselves. */
        const uint8_t chosen = high_flags[i] ? 8 : 4;
        for (int o = 0; o < DTQ_OPERANDS; o++) {
            if (!bits[o])
                continue;
            const bool fixed = o == DTQ_P && l->prob_bits != DTQ_PROB_ROW;
            bits[o][i] = !fixed ? chosen : l->prob_bits == DTQ_PROB_8 ? 8 : 4;
        }
    }
}

/* The operand tables of a layer that are known only at run time; NULL for the others. */
static void dynamic_bits(const dtq_layer *l, const dtq_slots *t, uint8_t *bits[DTQ_OPERANDS]) {
    for (int o = 0; o < DTQ_OPERANDS; o++)
        bits[o] = !l->bits[o] ? t->bits[o] : NULL;
}

static bool inside(const dtq_stream *s, uint64_t at, uint64_t bytes, uint64_t align) {
    return bytes <= s->dram_bytes && at <= s->dram_bytes - bytes && at % align == 0;
}

/* What host work and output rely on; dtq_verify proves the rest. */
static bool check_layer(const dtq_exec *x, uint32_t layer, dtq_error *e) {
    const dtq_stream *s = x->stream;
    const dtq_layer *l = &s->layers[layer];
    const uint64_t row = (uint64_t)l->heads * l->head_dim * sizeof(float);
    if (l->slots == 0 || l->slots > s->seq || l->high > l->slots || l->kv_heads == 0 || l->head_dim == 0 ||
        l->heads == 0 || l->heads % l->kv_heads != 0) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: %u slots of %u tokens, %u heads for %u key/value heads of %u",
                        layer, l->slots, s->seq, l->heads, l->kv_heads, l->head_dim);
    }
    if (l->muted > l->slots - l->high || l->muted == l->slots) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: %u of its %u slots, %u at 8 bits, cannot be muted", layer,
                        l->muted, l->slots, l->high);
    }
    if (l->key_only >= l->slots || (l->key_only > 0 && (l->muted > 0 || !l->cached)) ||
        (l->key_only > 0 && l->order != DTQ_ORDER_ORIGINAL && dtq_queries(l) > l->high)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: %u of its %u slots cannot be keys only", layer, l->key_only,
                        l->slots);
    }
    if (dtq_chooses(l) && dtq_choice_wrong(s, layer))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: %s", layer, dtq_choice_wrong(s, layer));
    if (layer > 0 && !l->ids && !dtq_chooses(l) && !dtq_selects(&s->layers[layer - 1], l))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u cannot have more slots than the layer that selects them", layer);
    if (dtq_streams(l) && dtq_layer_wrong(l, s->seq))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: %s", layer, dtq_layer_wrong(l, s->seq));
    for (uint32_t i = 0; l->ids && i < l->slots; i++)
        if (l->ids[i] >= s->seq)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: slot %u holds token %u of %u", layer, i, l->ids[i], s->seq);
    if (!inside(s, l->out, s->seq * row, sizeof(float)) ||
        !inside(s, l->importance_at, (uint64_t)dtq_importance_rows(l) * s->seq * sizeof(uint64_t), sizeof(uint64_t))) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: its output or its importance lies outside of DRAM", layer);
    }
    return true;
}

void dtq_choose_without_importance(const dtq_layer *l, uint8_t *high_flags) {
    const uint32_t first = dtq_first_key(l), end = first + dtq_keys(l);
    uint32_t left = l->high;
    memset(high_flags, 0, l->slots);
    for (uint32_t p = 0; p < l->pinned_count; p++) {
        for (uint32_t i = first; i < end && left > 0; i++) {
            if (l->ids[i] == l->pinned[p] && high_flags[i] == 0) {
                high_flags[i] = 1;
                left--;
            }
        }
    }
    for (uint32_t i = first; i < end && left > 0; i++) {
        if (high_flags[i] == 0) {
            high_flags[i] = 1;
            left--;
        }
    }
}

static bool init_slots(dtq_exec *x, uint32_t layer, dtq_error *e) {
    const dtq_layer *l = &x->stream->layers[layer];
    dtq_slots *t = &x->slots[layer];
    const uint32_t n = x->exact ? x->stream->seq : l->slots;
    const uint32_t tables = x->exact ? 1 : dtq_tables(l);
    if (x->exact || !l->ids)
        t->ids = calloc((size_t)n * tables, sizeof *t->ids);
    else
        t->ids = (uint32_t *)l->ids;
    t->left = n;
    bool complete = t->ids != NULL;
    for (int o = 0; o < DTQ_OPERANDS; o++) {
        t->bits[o] = x->exact || !l->bits[o] ? calloc(n, 1) : (uint8_t *)l->bits[o];
        complete = complete && t->bits[o];
    }
    if (!complete)
        return dtq_no_memory(e, n * (tables * sizeof *t->ids + DTQ_OPERANDS), "the slot tables of layer %u", layer);
    if (x->exact) {
        for (uint32_t i = 0; i < n; i++)
            t->ids[i] = i;
        for (int o = 0; o < DTQ_OPERANDS; o++)
            memset(t->bits[o], 8, n);
        t->ready = true;
        return true;
    }
    t->ready = l->ids != NULL;
    bool known = true;
    for (int o = 0; o < DTQ_OPERANDS; o++)
        known = known && l->bits[o];
    if (!t->ready || known)
        return true;
    uint8_t *bits[DTQ_OPERANDS];
    dynamic_bits(l, t, bits);
    uint8_t *flags = NULL;
    for (int o = 0; o < DTQ_OPERANDS && !flags; o++)
        flags = bits[o];
    dtq_choose_without_importance(l, flags);
    dtq_bits_from_classes(l, flags, bits);
    return true;
}

/* [heads][seq][head_dim] as callers give it, to [seq][heads * head_dim] as DRAM holds it. */
static void copy_heads(const float *in, uint32_t seq, uint32_t heads, uint32_t head_dim, float *out) {
    for (uint32_t h = 0; h < heads; h++) {
        for (uint32_t i = 0; i < seq; i++) {
            memcpy(out + ((size_t)i * heads + h) * head_dim, in + ((size_t)h * seq + i) * head_dim,
                   head_dim * sizeof *out);
        }
    }
}

static bool copy_qkv(dtq_exec *x, dtq_error *e) {
    const dtq_stream *s = x->stream;
    const dtq_input *in = x->input;
    if (s->layer_count == 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "a program for q, k and v has no attention layer");
    if (!in->q || !in->k || !in->v)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes q, k and v as its input, and at least one is missing");
    const dtq_layer *l = &s->layers[0];
    const float *const from[3] = {in->q, in->k, in->v};
    for (int o = 0; o < 3; o++) {
        const uint32_t heads = o == DTQ_Q ? l->heads : l->kv_heads;
        if (!inside(s, s->input_at[o], (uint64_t)s->seq * heads * l->head_dim * sizeof(float), sizeof(float)))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "input %c lies outside of DRAM", "qkv"[o]);
        copy_heads(from[o], s->seq, heads, l->head_dim, (float *)(void *)(x->dram + s->input_at[o]));
    }
    return true;
}

static bool take_input(dtq_exec *x, dtq_error *e) {
    if (!x->input)
        return dtq_fail(e, DTQ_BAD_INPUT, "no input given");
    if (x->stream->input == DTQ_INPUT_QKV)
        return copy_qkv(x, e);
    if (!x->input->tokens)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes token ids as its input, and there are none");
    return true;
}

/* Pages that nothing touches cost nothing: a program may claim more DRAM than it uses. */
static bool map_dram(dtq_exec *x, dtq_error *e) {
    const dtq_stream *s = x->stream;
    void *image = MAP_FAILED;
    if (s->dram_bytes < SIZE_MAX) {
        image = mmap(NULL, (size_t)s->dram_bytes + 1, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    if (image == MAP_FAILED)
        return dtq_no_memory(e, s->dram_bytes < SIZE_MAX ? s->dram_bytes + 1 : s->dram_bytes, "a DRAM image");
    x->dram = image;
    return true;
}

static bool fill_slots(dtq_exec *x, dtq_error *e) {
    const dtq_stream *s = x->stream;
    x->slots = calloc(s->layer_count == 0 ? 1 : s->layer_count, sizeof *x->slots);
    x->everyone = malloc((s->seq + (size_t)1) * sizeof *x->everyone);
    if (!x->slots || !x->everyone)
        return dtq_no_memory(e, s->layer_count * sizeof *x->slots + s->seq * sizeof *x->everyone, "the slot tables");
    for (uint32_t i = 0; i < s->seq; i++)
        x->everyone[i] = i;
    for (uint32_t l = 0; l < s->layer_count; l++)
        if (!check_layer(x, l, e) || !init_slots(x, l, e))
            return false;
    return true;
}

/* Unless the caller has said how many. */
static void use_all_cores(dtq_exec *x) {
    if (x->threads == 0) {
        const long cores = sysconf(_SC_NPROCESSORS_ONLN);
        x->threads = cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
    }
}

bool dtq_exec_init(dtq_exec *x, const dtq_program *p, const dtq_stream *s, dtq_weights *w, const dtq_input *input,
                   const dtq_run_options *o, dtq_error *e) {
    *x = (dtq_exec){.program = p, .stream = s, .weights = w, .input = input};
    x->exact = o && o->engine == DTQ_ENGINE_FP32;
    x->threads = o ? o->threads : 0;
    x->observer = o ? o->observer : NULL;
    x->user = o ? o->user : NULL;
    x->noise = o ? o->noise : NULL;
    use_all_cores(x);
    const bool data = !o || !o->timing_only;
    if (fill_slots(x, e) && (!data || (map_dram(x, e) && take_input(x, e))))
        return true;
    dtq_exec_free(x);
    return false;
}

bool dtq_exec_init_part(dtq_exec *x, const dtq_program *p, const dtq_stream *s, const dtq_input *input,
                        unsigned threads, uint8_t *memory, dtq_error *e) {
    *x = (dtq_exec){.program = p, .stream = s, .input = input, .threads = threads};
    x->dram = memory;
    x->lent = memory;
    use_all_cores(x);
    if (fill_slots(x, e) && (memory || map_dram(x, e)))
        return true;
    dtq_exec_free(x);
    return false;
}

void dtq_exec_free(dtq_exec *x) {
    for (uint32_t i = 0; x->slots && i < x->stream->layer_count; i++) {
        const dtq_layer *l = &x->stream->layers[i];
        dtq_slots *t = &x->slots[i];
        if (t->ids != l->ids)
            free(t->ids);
        for (int o = 0; o < DTQ_OPERANDS; o++)
            if (t->bits[o] != l->bits[o])
                free(t->bits[o]);
    }
    free(x->slots);
    free(x->everyone);
    free(x->effects);
    free(x->gone);
    if (x->dram && !x->lent)
        munmap(x->dram, (size_t)x->stream->dram_bytes + 1);
    *x = (dtq_exec){0};
}

/* The slots of a layer, in one of its tables, from tokens [keys] with their importance, beside which there are muted
 * ones [muted]. */
static void choose_slots(dtq_exec *x, uint32_t layer, uint32_t table, uint64_t *importance, const uint32_t *ids,
                         uint32_t keys, const uint32_t *muted_ids, uint32_t muted) {
    const dtq_layer *l = &x->stream->layers[layer];
    dtq_slots *t = &x->slots[layer];
    uint8_t *bits[DTQ_OPERANDS];
    dynamic_bits(l, t, bits);
    uint8_t *flags = NULL;
    for (int o = 0; o < DTQ_OPERANDS && !flags; o++)
        flags = bits[o];
    if (x->input)
        dtq_replace_choice(&x->input->choice, layer, table, ids, keys, importance);
    dtq_select_slots(l, importance, ids, keys, muted_ids, muted, t->ids + (size_t)table * l->slots, flags);
    if (flags)
        dtq_bits_from_classes(l, flags, bits);
    t->chosen++;
    t->ready = t->chosen == dtq_tables(l);
}

void dtq_exec_select(dtq_exec *x, uint32_t layer, uint64_t *importance) {
    if (layer + 1 >= x->stream->layer_count || x->slots[layer + 1].ready || dtq_chooses(&x->stream->layers[layer + 1]))
        return;
    const dtq_layer *l = &x->stream->layers[layer];
    const uint32_t *ids = x->slots[layer].ids;
    const uint32_t first = dtq_first_key(l), keys = dtq_keys(l);
    choose_slots(x, layer + 1, 0, importance, ids + first, keys, ids + (first == 0 ? keys : 0), l->muted);
}

void dtq_exec_choose(dtq_exec *x, uint32_t layer, uint32_t table, uint64_t *importance) {
    const uint32_t seq = x->stream->seq;
    const size_t bytes = seq * sizeof *importance;
    memcpy(x->dram + x->stream->layers[layer].importance_at + table * bytes, importance, bytes);
    choose_slots(x, layer, table, importance, x->everyone, seq, NULL, 0);
}

bool dtq_slots_ready(const dtq_exec *x, uint32_t layer, uint32_t kv_head) {
    const dtq_slots *t = &x->slots[layer];
    return t->ready || (dtq_lates(&x->stream->layers[layer]) && kv_head < t->chosen);
}

const uint32_t *dtq_slot_ids(const dtq_exec *x, uint32_t layer, uint32_t kv_head) {
    const dtq_layer *l = &x->stream->layers[layer];
    const bool own = !x->exact && dtq_tables(l) > 1;
    return x->slots[layer].ids + (own ? (size_t)kv_head * l->slots : 0);
}

bool dtq_exec_leave(dtq_exec *x, uint32_t layer, const uint32_t *ids, uint32_t count, dtq_error *e) {
    const dtq_layer *l = &x->stream->layers[layer];
    dtq_slots *t = &x->slots[layer];
    if (count > l->slots || l->order != DTQ_ORDER_ORIGINAL || l->muted != 0 || l->key_only != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u cannot take %u tokens in their order", layer, count);
    if (t->ids == l->ids) { /* the program's own */
        uint32_t *own = malloc(l->slots * sizeof *own);
        if (!own)
            return dtq_no_memory(e, l->slots * sizeof *own, "the slot tables of layer %u", layer);
        t->ids = own;
    }
    memcpy(t->ids, ids, count * sizeof *ids);
    for (int o = 0; o < DTQ_OPERANDS; o++)
        if (!l->bits[o])
            memset(t->bits[o], 8, l->slots);
    t->left = count;
    t->ready = true;
    return true;
}

void dtq_exec_accumulate(dtq_exec *x, uint32_t layer, uint64_t *importance) {
    const dtq_layer *l = &x->stream->layers[layer];
    const uint32_t *ids = x->slots[layer].ids + dtq_first_key(l);
    for (uint32_t j = 0; j < dtq_keys(l); j++) {
        uint8_t *at = x->dram + l->importance_at + sizeof(uint64_t) * ids[j];
        uint64_t sum;
        memcpy(&sum, at, sizeof sum);
        sum += importance[j];
        memcpy(at, &sum, sizeof sum);
        importance[j] = l->importance == DTQ_IMPORTANCE_MEAN ? sum / (x->stream->seq - ids[j]) : sum;
    }
}

uint8_t dtq_chosen_bits(const dtq_layer *l, const uint8_t *const bits[DTQ_OPERANDS], uint32_t slot) {
    if (slot < dtq_first_key(l) || slot >= dtq_first_key(l) + dtq_keys(l))
        return 0;
    if (l->order == DTQ_ORDER_LOW_FIRST)
        return slot >= l->slots - l->high ? 8 : 4;
    if (l->order == DTQ_ORDER_HIGH_FIRST)
        return slot < l->high ? 8 : 4;
    if (dtq_lates(l)) /* of its operands values alone have slots */
        return bits[DTQ_V][slot];
    return bits[DTQ_Q][slot] == 8 && bits[DTQ_K][slot] == 8 && bits[DTQ_V][slot] == 8 ? 8 : 4;
}

/* What DRAM holds of a token, over all rows of it. */
static uint64_t importance_of(const dtq_exec *x, const dtq_layer *l, uint32_t table, uint32_t id) {
    const uint32_t rows = dtq_importance_rows(l) / dtq_tables(l);
    uint64_t sum = 0;
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t part;
        memcpy(&part, x->dram + l->importance_at + sizeof part * ((size_t)(table + row) * x->stream->seq + id),
               sizeof part);
        sum += part;
    }
    return sum;
}

/* What the slots of one table of a layer tell of their tokens; of several tables the most that one says. */
static void output_table(const dtq_exec *x, uint32_t layer, uint32_t table, dtq_output *out) {
    const dtq_stream *s = x->stream;
    const dtq_layer *l = &s->layers[layer];
    const dtq_slots *t = &x->slots[layer];
    const uint8_t *const bits[] = {t->bits[DTQ_Q], t->bits[DTQ_K], t->bits[DTQ_V], t->bits[DTQ_P]};
    const uint32_t *ids = dtq_slot_ids(x, layer, table);
    for (uint32_t i = 0; i < t->left; i++) {
        const size_t at = (size_t)layer * s->seq + ids[i];
        const uint8_t chosen = x->exact ? 8 : x->gone && x->gone[at] != 0 ? 0 : dtq_chosen_bits(l, bits, i);
        out->bits[at] = chosen > out->bits[at] ? chosen : out->bits[at];
        if (!x->exact) {
            const uint64_t importance = importance_of(x, l, table, ids[i]);
            out->importance[at] = importance > out->importance[at] ? importance : out->importance[at];
        }
    }
}

void dtq_exec_output_tables(const dtq_exec *x, dtq_output *out) {
    for (uint32_t l = 0; l < x->stream->layer_count; l++) {
        const uint32_t tables = x->exact ? 1 : dtq_tables(&x->stream->layers[l]);
        for (uint32_t table = 0; table < tables; table++)
            output_table(x, l, table, out);
    }
}

bool dtq_exec_output(const dtq_exec *x, dtq_output *out, dtq_error *e) {
    const dtq_stream *s = x->stream;
    *out = (dtq_output){0};
    const size_t width = s->output_width;
    const size_t rows = s->output == DTQ_OUTPUT_POOLED ? 1 : s->seq;
    const size_t tables = (size_t)s->layer_count * s->seq;
    if (!inside(s, s->output_at, (uint64_t)rows * width * sizeof(float), sizeof(float)))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the output lies outside of DRAM");
    if (s->output == DTQ_OUTPUT_ATTENTION && s->layer_count != 0 &&
        width != (size_t)s->layers[s->layer_count - 1].heads * s->layers[s->layer_count - 1].head_dim) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the output's width is not that of the attention heads");
    }
    if (s->layer_count == 0 && s->output != DTQ_OUTPUT_POOLED)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "an output for each token needs an attention layer that says which tokens");
    out->data = calloc(rows * width + 1, sizeof *out->data);
    out->importance = calloc(tables + 1, sizeof *out->importance);
    out->bits = calloc(tables + 1, 1);
    if (!out->data || !out->importance || !out->bits) {
        dtq_output_free(out);
        return dtq_no_memory(e, (rows * width + 1) * sizeof *out->data + (tables + 1) * (sizeof *out->importance + 1),
                             "the output");
    }
    out->count = rows * width;
    dtq_exec_output_tables(x, out);
    const float *from = (const float *)(const void *)(x->dram + s->output_at);
    if (s->output == DTQ_OUTPUT_POOLED) {
        memcpy(out->data, from, width * sizeof *from);
        return true;
    }
    const dtq_layer *last = &s->layers[s->layer_count - 1];
    const dtq_slots *t = &x->slots[s->layer_count - 1];
    const uint32_t active = x->exact && !last->cached ? s->seq : dtq_queries(last);
    const uint32_t first = x->exact ? s->seq - active : dtq_first_query(last);
    for (uint32_t i = first; i < first + active && i < t->left; i++) {
        const size_t id = t->ids[i];
        if (s->output == DTQ_OUTPUT_HIDDEN) {
            memcpy(out->data + id * width, from + id * width, width * sizeof *from);
            continue;
        }
        for (size_t h = 0; h < last->heads; h++) {
            memcpy(out->data + (h * s->seq + id) * last->head_dim, from + id * width + h * last->head_dim,
                   last->head_dim * sizeof *from);
        }
    }
    return true;
}

void dtq_output_free(dtq_output *o) {
    free(o->data);
    free(o->importance);
    free(o->bits);
    free(o->effects);
    *o = (dtq_output){0};
}
