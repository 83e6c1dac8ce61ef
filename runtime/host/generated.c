/* Generated models: opening them, running them. */
#include "runtime/host/host.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/finite.h"

/* ---- variants -------------------------------------------------------------------------------------------------- */

static const char *const level_names[DTQ_HOST_LEVELS] = {[DTQ_HOST_PORTABLE] = "any processor",
                                                         [DTQ_HOST_V2] = "x86-64-v2",
                                                         [DTQ_HOST_V3] = "x86-64-v3",
                                                         [DTQ_HOST_V4] = "x86-64-v4",
                                                         [DTQ_HOST_VNNI] = "x86-64-v4 with avx512vnni"};

dtq_host_level dtq_host_detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v2"))
        return DTQ_HOST_PORTABLE;
    if (!__builtin_cpu_supports("x86-64-v3"))
        return DTQ_HOST_V2;
    if (!__builtin_cpu_supports("x86-64-v4"))
        return DTQ_HOST_V3;
    return __builtin_cpu_supports("avx512vnni") ? DTQ_HOST_VNNI : DTQ_HOST_V4;
#else
    return DTQ_HOST_PORTABLE;
#endif
}

static bool choose_variant(dtq_host *h, unsigned levels, dtq_error *e) {
    const unsigned can = (unsigned)dtq_host_detect() + 1;
    const unsigned below = levels != 0 && levels < can ? levels : can;
    const dtq_host_model *m = h->model;
    for (uint64_t i = 0; i < m->variant_count && m->variants[i].level < below; i++)
        h->variant = &m->variants[i];
    if (h->variant)
        return true;
    const uint64_t least = m->variant_count != 0 ? m->variants[0].level : DTQ_HOST_LEVELS;
    return dtq_fail(e, DTQ_BAD_INPUT, "the model was generated for %s, and this is %s",
                    least < DTQ_HOST_LEVELS ? level_names[least] : "no processor", level_names[below - 1]);
}

/* ---- memory of runs -------------------------------------------------------------------------------------------- */

/* Memory that is laid out twice: without a base, to learn its size, then with it. */
typedef struct {
    uint8_t *base;
    size_t used;
} layout;

static void *take(layout *y, size_t count, size_t size) {
    const size_t at = dtq_host_reserve(&y->used, count, size);
    return y->base ? y->base + at : NULL;
}

static void *take_buffer(layout *y, const dtq_host *h, const dtq_host_buffer *b) {
    /* Three parts in a row are one buffer: each is taken in whole cache lines. */
    void *at = take(y, (size_t)b->fixed, 1);
    (void)take(y, h->slot_room, (size_t)b->per_row);
    (void)take(y, h->key_room, (size_t)b->per_key);
    return at;
}

static void lay_out_tables(layout *y, dtq_host *h, uint32_t layer) {
    /* A model may be run by plans other than its own: of each key/value head there is room. */
    const dtq_layer *l = &h->plan->streams[0].layers[layer];
    const size_t heads = l->causal != 0 ? 1 : l->kv_heads;
    dtq_host_tables t = {.ids = take(y, h->slot_room, sizeof *t.ids),
                         .from = take(y, h->slot_room, sizeof *t.from),
                         .key_ids = take(y, heads * h->key_room, sizeof *t.key_ids),
                         .rank = take(y, h->slot_room, sizeof *t.rank),
                         .key_rows = take(y, heads * h->slot_room, sizeof *t.key_rows),
                         .key_slot_ids = take(y, heads * h->slot_room, sizeof *t.key_slot_ids),
                         .key_rank = take(y, heads * h->slot_room, sizeof *t.key_rank)};
    dtq_host_slots s = {.ids = t.ids, .from = t.from, .key_ids = t.key_ids, .key_rows = t.key_rows};
    for (int o = 0; o < DTQ_HOST_OPERANDS; o++) {
        t.limits[o] = take(y, heads * h->slot_room, sizeof *t.limits[o]);
        s.limits[o] = t.limits[o];
    }
    if (y->base) {
        h->tables[layer] = t;
        h->layers[layer] = s;
    }
}

static void lay_out(layout *y, dtq_host *h, uint32_t layers) {
    const dtq_host_model *m = h->model;
    const unsigned threads = dtq_host_pool_threads(h->pool);
    h->layers = take(y, layers, sizeof *h->layers);
    h->tables = take(y, layers, sizeof *h->tables);
    h->buffers = take(y, (size_t)m->buffer_count, sizeof *h->buffers);
    h->scratch = take(y, threads, sizeof *h->scratch);
    h->importance = take(y, threads, sizeof *h->importance);
    for (uint32_t l = 0; l < layers; l++)
        lay_out_tables(y, h, l);
    h->ascending = take(y, h->slot_room, sizeof *h->ascending);
    h->slot_of = take(y, h->slot_room, sizeof *h->slot_of);
    h->values = take(y, h->slot_room, sizeof *h->values);
    h->chosen_ids = take(y, h->slot_room, sizeof *h->chosen_ids);
    h->chosen_high = take(y, h->slot_room, 1);
    for (int o = 0; o < DTQ_OPERANDS; o++)
        h->chosen_bits[o] = take(y, h->slot_room, 1);
    for (unsigned w = 0; w < threads; w++) {
        void *sums = take(y, h->key_room, sizeof **h->importance);
        void *scratch = take_buffer(y, h, &h->variant->scratch);
        if (y->base) {
            h->importance[w] = sums;
            h->scratch[w] = scratch;
        }
    }
    for (uint64_t b = 0; b < m->buffer_count; b++) {
        void *at = take_buffer(y, h, &m->buffers[b]);
        if (y->base)
            h->buffers[b] = at;
    }
}

/* For the longest stream: a shorter one touches less of it. */
static bool map_runs(dtq_host *h, dtq_error *e) {
    uint32_t seq = 0;
    for (size_t i = 0; i < h->plan->stream_count; i++)
        seq = h->plan->streams[i].seq > seq ? h->plan->streams[i].seq : seq;
    h->slot_room = dtq_host_padded(seq);
    /* Two classes of keys waste less than two vectors. */
    h->key_room = h->slot_room + DTQ_HOST_LANES;
    const uint32_t layers = h->plan->streams[0].layer_count;
    layout y = {0};
    lay_out(&y, h, layers);
    if (!dtq_host_memory_map(&h->run_memory, y.used, e))
        return false;
    y = (layout){.base = h->run_memory.at};
    lay_out(&y, h, layers);
    h->frame = (dtq_host_frame){.layers = h->layers,
                                .ascending = h->ascending,
                                .buffers = h->buffers,
                                .weights = h->weight_table,
                                .scratch = h->scratch,
                                .host = h};
    return true;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static bool open_model(dtq_host *h, const dtq_program *plan, const dtq_host_options *o, dtq_error *e) {
    const dtq_host_model *m = h->model;
    if (m->abi != DTQ_HOST_ABI) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the model was generated for runtime interface %llu, and this is %d",
                        (unsigned long long)m->abi, DTQ_HOST_ABI);
    }
    if (!choose_variant(h, o->levels, e))
        return false;
    if (!plan && !m->plan)
        return dtq_fail(e, DTQ_BAD_INPUT, "the model carries no plan, and none is given");
    if (!plan && !dtq_do_program_decode(m->plan, (size_t)m->plan_bytes, &h->own_plan, e))
        return false;
    h->plan = plan ? plan : h->own_plan;
    if (!dtq_host_check(m, h->plan, !plan, e))
        return false;
    const dtq_weights_options weights = {
        .directory = o->directory, .known = o->known, .threads = o->threads, .copy = o->copy};
    h->weights = dtq_do_weights_open_with(h->plan, &weights, e);
    h->pool = h->weights ? dtq_host_pool_open(o->threads, e) : NULL;
    h->frame.host = h;
    return h->pool && dtq_host_prepare(h, o->store, e) && dtq_host_tables_open(h, e) && map_runs(h, e) &&
           dtq_host_device_open(h, o, e);
}

dtq_host *dtq_do_host_open(const dtq_host_model *model, const dtq_program *plan, const dtq_host_options *options,
                           dtq_error *e) {
    static const dtq_host_options defaults;
    dtq_host *h = calloc(1, sizeof *h);
    if (!h) {
        (void)dtq_no_memory(e, sizeof *h, "a model");
        return NULL;
    }
    h->model = model;
    h->allow_nonfinite = options && options->allow_nonfinite;
    (void)pthread_mutex_init(&h->lock, NULL);
    if (!open_model(h, plan, options ? options : &defaults, e)) {
        dtq_host_close(h);
        return NULL;
    }
    return h;
}

void dtq_host_close(dtq_host *h) {
    if (!h)
        return;
    dtq_host_device_close(h);
    dtq_host_pool_close(h->pool);
    dtq_host_memory_unmap(&h->run_memory);
    dtq_host_tables_close(h);
    dtq_host_memory_unmap(&h->weight_memory);
    free((void *)h->weight_table);
    dtq_weights_close(h->weights);
    dtq_program_free(h->own_plan);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

bool dtq_host_unchanged(const dtq_host *h, dtq_error *e) {
    return dtq_weights_unchanged(h->weights, e);
}

dtq_host_level dtq_host_chosen(const dtq_host *h) {
    return (dtq_host_level)h->variant->level;
}

const dtq_program *dtq_host_plan(const dtq_host *h) {
    return h->plan;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static bool check_run_input(const dtq_stream *s, const dtq_input *in, dtq_error *e) {
    if (!in)
        return dtq_fail(e, DTQ_BAD_INPUT, "no input given");
    if (s->input == DTQ_INPUT_QKV && (!in->q || !in->k || !in->v))
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes q, k and v as its input, and at least one is missing");
    if (s->input == DTQ_INPUT_TOKENS && !in->tokens)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes token ids as its input, and there are none");
    return true;
}

static bool make_output(const dtq_stream *s, bool want_importance, dtq_output *out, dtq_error *e) {
    const size_t rows = s->output == DTQ_OUTPUT_POOLED ? 1 : s->seq;
    const size_t tables = (size_t)s->layer_count * s->seq;
    *out = (dtq_output){.count = rows * s->output_width};
    out->data = calloc(out->count, sizeof *out->data);
    out->importance = want_importance ? calloc(tables, sizeof *out->importance) : NULL;
    out->bits = calloc(tables, 1);
    if (!out->data || !out->bits || (want_importance && !out->importance)) {
        const size_t bytes = out->count * sizeof *out->data + tables * (sizeof *out->importance + 1);
        dtq_output_free(out);
        return dtq_no_memory(e, bytes, "the output");
    }
    return true;
}

/* Rows [first, last) of layer 0, operand `argument`: the token's channels of all heads, and +0 behind them. */
static void gather_rows(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)worker;
    const dtq_host *h = f->host;
    const dtq_layer *l = &h->stream->layers[0];
    const float *const inputs[] = {h->input->q, h->input->k, h->input->v};
    const size_t heads = argument == DTQ_Q ? l->heads : l->kv_heads, dim = l->head_dim, width = heads * dim;
    const size_t stride = dtq_host_padded(width);
    float *to = (float *)h->buffers[h->model->input_buffers[argument]] + first * stride;
    for (uint64_t i = first; i < last; i++, to += stride) {
        const float *from = inputs[argument] + f->layers[0].ids[i] * dim;
        for (size_t head = 0; head < heads; head++)
            memcpy(to + head * dim, from + head * f->seq * dim, dim * sizeof *to);
        memset(to + width, 0, (stride - width) * sizeof *to);
    }
}

bool dtq_do_host_run(dtq_host *h, uint32_t seq, const dtq_input *in, bool want_importance, dtq_output *out,
                     dtq_error *e) {
    const dtq_stream *s = dtq_program_stream(h->plan, seq);
    if (!s) {
        *out = (dtq_output){0};
        return dtq_fail(e, DTQ_BAD_INPUT, "the model has no plan for %u tokens", seq);
    }
    return dtq_do_host_run_stream(h, s, in, NULL, want_importance, out, e);
}

/* Sums of importance are kept with the output until the run has succeeded. */
static void keep_sums(const dtq_host *h) {
    const dtq_stream *s = h->stream;
    for (uint32_t l = 0; l < s->layer_count; l++) {
        const size_t at = (size_t)l * s->seq;
        if (dtq_streams(&s->layers[l])) /* their votes are kept by head */
            continue;
        uint64_t *to = dtq_cache_layer(h->cache, l).importance;
        for (uint32_t id = 0; id < s->seq; id++)
            to[id] = h->output->bits[at + id] != 0 ? h->output->importance[at + id] : to[id];
    }
    dtq_cache_advance(h->cache, s->seq);
}

/* What a run that has succeeded leaves: in the cache, and of the output what is wanted. */
static void keep(dtq_host *h) {
    if (h->device.type) {
        if (!dtq_host_device_end(h, &h->device.error)) {
            dtq_host_broken(h, h->device.error.status, h->device.error.message);
            return;
        }
    } else if (h->cache) {
        keep_sums(h);
        dtq_host_votes_keep(h);
    }
    if (!h->want_importance) {
        free(h->output->importance);
        h->output->importance = NULL;
    }
}

/* Layer 0 of a run, and the rows of its slots where they are an input. */
static void begin(dtq_host *h) {
    enum { ROWS_AT_ONCE = 64 };
    dtq_host_begin(h);
    for (uint64_t o = DTQ_Q; h->stream->input == DTQ_INPUT_QKV && o <= DTQ_V; o++)
        dtq_host_parallel(&h->frame, h->frame.layers[0].slots, 1, ROWS_AT_ONCE, gather_rows, o);
}

/* Runs once more, with every step behind the last attention watched: up to there numbers that are not finite are
 * refused where they are quantised. */
static void find_nonfinite(dtq_host *h) {
    const dtq_stream *s = h->stream;
    const size_t tables = (size_t)s->layer_count * s->seq;
    memset(h->output->data, 0, h->output->count * sizeof *h->output->data);
    memset(h->output->bits, 0, tables);
    if (h->output->importance)
        memset(h->output->importance, 0, tables * sizeof *h->output->importance);
    h->frame.watched = 1;
    dtq_host_votes_reset(h);
    if (!dtq_host_device_begin(h, &h->device.error)) {
        dtq_host_broken(h, h->device.error.status, h->device.error.message);
        return;
    }
    begin(h);
    h->variant->run(&h->frame);
    if (h->frame.failed == 0) {
        dtq_host_broken(h, DTQ_NOT_FINITE,
                        "the output has numbers that are not finite; no step of the model made them");
    }
}

static bool run_stream(dtq_host *h, const dtq_stream *s, const dtq_input *in, dtq_cache *cache, bool want_importance,
                       dtq_output *out, dtq_error *e) {
    const uint32_t seq = s->seq;
    if (seq > h->slot_room)
        return dtq_fail(e, DTQ_BAD_INPUT, "%u tokens, and the model has a plan for %zu at most", seq, h->slot_room);
    if (!check_run_input(s, in, e) || !dtq_host_check_stream(h->plan, s, e) || !dtq_cache_fits(cache, s, e))
        return false;
    dtq_host_pool_wake(h->pool);
    if (!make_output(s, want_importance || cache || h->device.type, out, e))
        return false;
    h->stream = s;
    h->input = in;
    h->output = out;
    h->want_importance = want_importance;
    h->cache = cache;
    h->failure = (dtq_host_failure){0};
    dtq_host_frame *f = &h->frame;
    f->seq = seq;
    f->tokens = in->tokens;
    f->segments = in->segments;
    f->output = out->data;
    f->failed = 0;
    if (!dtq_host_votes_begin(h, e) || !dtq_host_device_begin(h, e)) {
        dtq_host_votes_end(h);
        dtq_output_free(out);
        return false;
    }
    begin(h);
    f->watched = 0;
    h->variant->run(f);
    if (f->failed == 0 && !h->allow_nonfinite && !dtq_all_finite(out->data, out->count))
        find_nonfinite(h);
    if (f->failed == 0)
        keep(h);
    dtq_host_votes_end(h);
    if (f->failed == 0)
        return true;
    dtq_host_report(h, e);
    dtq_output_free(out);
    return false;
}

bool dtq_do_host_run_stream(dtq_host *h, const dtq_stream *s, const dtq_input *in, dtq_cache *cache,
                            bool want_importance, dtq_output *out, dtq_error *e) {
    *out = (dtq_output){0};
    if (!dtq_turn_take(&h->turn, "this instance of the model", e))
        return false;
    bool ok = dtq_turn_take(dtq_cache_turn(cache), "this cache of keys and values", e);
    if (ok) {
        ok = run_stream(h, s, in, cache, want_importance, out, e);
        dtq_turn_end(dtq_cache_turn(cache));
    }
    dtq_turn_end(&h->turn);
    return ok;
}
