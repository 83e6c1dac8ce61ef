/* Attention on a device: generated code comes with rows of queries, keys and values, the host's queue of the stream is
 * followed up to where the next work of generated code begins, and rows of the output go back. */
#include <stdlib.h>
#include <string.h>

#include "runtime/host/host.h"
#include "runtime/isa/instruction.h"

/* Whether an instruction of the host makes what the device reads; other work of the host is generated code's. */
static bool makes_codes(const dtq_instr *in) {
    return in->op == DTQ_OP_QUANT || in->op == DTQ_OP_PROBE_CODES || in->op == DTQ_OP_FAR_CODES;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static bool check_stream(const dtq_stream *s, dtq_error *e) {
    if (s->count == 0) {
        return dtq_fail(e, DTQ_BAD_INPUT,
                        "the plan for %u tokens has no instructions for a device; compile the model with "
                        "--attention=device",
                        s->seq);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->instrs[i].op == DTQ_OP_CODES) {
            return dtq_fail(e, DTQ_BAD_INPUT,
                            "the program multiplies weights on the arrays (`linear: vssa`), and generated code brings "
                            "a device attention alone; use a target without it, or the simulator");
        }
    }
    return true;
}

bool dtq_host_device_open(dtq_host *h, const dtq_host_options *o, dtq_error *e) {
    dtq_host_device *d = &h->device;
    const dtq_device *type = o->device ? o->device : h->model->attention != 0 ? &dtq_simulator : NULL;
    if (!type)
        return true;
    if (type->abi != DTQ_DEVICE_ABI) {
        return dtq_fail(e, DTQ_BAD_INPUT, "the device has version %llu of the interface, and this is %d",
                        (unsigned long long)type->abi, DTQ_DEVICE_ABI);
    }
    for (size_t i = 0; i < h->plan->stream_count; i++)
        if (!check_stream(&h->plan->streams[i], e))
            return false;
    d->threads = o->threads;
    d->want_events = o->want_events;
    if (!type->open(o->device_user, h->plan, &d->device, e))
        return false;
    d->type = type;
    return true;
}

void dtq_host_device_close(dtq_host *h) {
    dtq_exec_free(&h->device.x);
    dtq_stats_free(&h->device.stats);
    if (h->device.type)
        h->device.type->close(h->device.device);
}

/* ---- a run ----------------------------------------------------------------------------------------------------- */

bool dtq_host_device_begin(dtq_host *h, dtq_error *e) {
    dtq_host_device *d = &h->device;
    if (!d->type)
        return true;
    uint8_t *memory = NULL;
    const dtq_device_run run = {d->threads, d->want_events, h->input->choice};
    dtq_exec_free(&d->x);
    dtq_stats_free(&d->stats);
    d->stats = (dtq_stats){0};
    d->next = 0;
    d->input = (dtq_input){.choice = h->input->choice};
    if (!check_stream(h->stream, e) || !d->type->begin(d->device, h->stream, &run, &memory, e))
        return false;
    if (!memory || (uintptr_t)memory % sizeof(uint64_t) != 0)
        return dtq_fail(e, DTQ_BAD_INPUT, "device %s has no memory, or its memory is not aligned", d->type->name);
    return dtq_exec_init_part(&d->x, h->plan, h->stream, &d->input, d->threads, memory, e) &&
           (!h->cache || dtq_cache_load(h->cache, &d->x, e));
}

/* Whether the tables of a layer are known here; those that the device has chosen since are copied. */
static bool take_slots(dtq_host_device *d, uint32_t layer, dtq_error *e) {
    const dtq_layer *l = &d->x.stream->layers[layer];
    dtq_slots *t = &d->x.slots[layer];
    for (; !t->ready && t->chosen < dtq_tables(l); t->chosen++) {
        dtq_device_slots s = {0};
        if (!d->type->slots(d->device, layer, t->chosen, &s, e))
            return false;
        if (!s.ids)
            return true;
        memcpy(t->ids + (size_t)t->chosen * l->slots, s.ids, l->slots * sizeof *t->ids);
        for (int o = 0; o < DTQ_OPERANDS; o++)
            if (!l->bits[o])
                memcpy(t->bits[o], s.bits[o], l->slots);
    }
    t->ready = true;
    return true;
}

/* What a device says is not trusted: ids index rows here. */
static bool check_slots(const dtq_host_device *d, uint32_t layer, dtq_error *e) {
    const dtq_layer *l = &d->x.stream->layers[layer];
    const dtq_slots *t = &d->x.slots[layer];
    const size_t all = (size_t)l->slots * dtq_tables(l);
    for (size_t i = 0; t->ready && i < all; i++) {
        if (t->ids[i] >= d->x.stream->seq) {
            return dtq_fail(e, DTQ_BAD_INPUT, "device %s: layer %u, slot %zu holds token %u of %u", d->type->name,
                            layer, i, t->ids[i], d->x.stream->seq);
        }
    }
    return true;
}

/* A layer on its way through the host's queue. */
typedef struct {
    dtq_host *host;
    uint32_t layer;
    const float *rows[3]; /* of q, k, v, in host order */
    unsigned met;         /* bit o: operand o has been quantised */
    unsigned placed;      /* bit o: its rows are in the device's memory */
} passage;

/* Rows of an operand to where the host's instructions read them: float [seq][width] by original id. */
static bool place_rows(passage *p, dtq_operand o, uint64_t at, dtq_error *e) {
    dtq_host *h = p->host;
    const dtq_layer *l = &h->stream->layers[p->layer];
    const size_t width = (size_t)(o == DTQ_Q ? l->heads : l->kv_heads) * l->head_dim, stride = dtq_host_padded(width);
    const uint64_t bytes = h->stream->seq * width * sizeof(float);
    if (bytes > h->stream->dram_bytes || at > h->stream->dram_bytes - bytes || at % sizeof(float) != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: operand %c lies outside of DRAM", p->layer, "qkv"[o]);
    if ((p->placed >> o & 1) != 0)
        return true;
    float *to = (float *)(void *)(h->device.x.dram + at);
    const dtq_host_slots *t = &h->layers[p->layer];
    for (uint64_t i = 0; i < t->slots; i++)
        memcpy(to + t->ids[i] * width, p->rows[o] + i * stride, width * sizeof *to);
    p->placed |= 1u << o;
    return true;
}

static bool place_operands(passage *p, const dtq_instr *in, dtq_error *e) {
    if (in->op == DTQ_OP_PROBE_CODES) {
        return place_rows(p, DTQ_Q, DTQ_GET(in, PROBE_CODES, q), e) &&
               place_rows(p, DTQ_K, DTQ_GET(in, PROBE_CODES, k), e);
    }
    if (in->op == DTQ_OP_FAR_CODES)
        return place_rows(p, (dtq_operand)DTQ_GET(in, FAR_CODES, operand), DTQ_GET(in, FAR_CODES, src), e);
    const dtq_operand o = (dtq_operand)DTQ_GET(in, QUANT, operand);
    p->met |= 1u << o;
    return place_rows(p, o, DTQ_GET(in, QUANT, src), e);
}

static uint64_t layer_of(const dtq_instr *in) {
    return in->op == DTQ_OP_PROBE_CODES ? DTQ_GET(in, PROBE_CODES, layer)
           : in->op == DTQ_OP_FAR_CODES ? DTQ_GET(in, FAR_CODES, layer)
                                        : DTQ_GET(in, QUANT, layer);
}

/* One instruction of the host's queue that is not generated code's. */
static bool follow(passage *p, size_t i, dtq_error *e) {
    dtq_host_device *d = &p->host->device;
    const dtq_instr *in = &d->x.stream->instrs[i];
    if (in->op == DTQ_OP_WAIT)
        return d->type->wait(d->device, i, e);
    if (in->op == DTQ_OP_SIGNAL)
        return d->type->signal(d->device, i, e);
    if (layer_of(in) != p->layer) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: operands of layer %llu in the place of those of layer %u",
                        i, (unsigned long long)layer_of(in), p->layer);
    }
    return take_slots(d, p->layer, e) && check_slots(d, p->layer, e) && place_operands(p, in, e) &&
           dtq_host_exec(&d->x, in, e);
}

/* Follows the host's queue through the layer's operands, and up to the work behind its attention or to the end. */
static bool pass(passage *p, dtq_error *e) {
    enum { ALL = 7 };
    dtq_host_device *d = &p->host->device;
    const dtq_stream *s = d->x.stream;
    for (; d->next < s->count; d->next++) {
        const dtq_instr *in = &s->instrs[d->next];
        if (in->queue != DTQ_HOST)
            continue;
        const bool followed = in->op == DTQ_OP_WAIT || in->op == DTQ_OP_SIGNAL || makes_codes(in);
        if (!followed && p->met == ALL)
            return true;
        if (followed && !follow(p, d->next, e))
            return false;
    }
    if (p->met != ALL)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the stream ends before the operands of layer %u are complete", p->layer);
    return d->type->finish(d->device, &d->stats, e);
}

static void take_rows(const passage *p, float *out) {
    const dtq_host *h = p->host;
    const dtq_layer *l = &h->stream->layers[p->layer];
    const size_t width = (size_t)l->heads * l->head_dim, stride = dtq_host_padded(width);
    const float *from = (const float *)(const void *)(h->device.x.dram + l->out);
    const dtq_host_slots *t = &h->layers[p->layer];
    for (uint64_t i = 0; i < t->slots; i++) {
        memcpy(out + i * stride, from + t->ids[i] * width, width * sizeof *out);
        memset(out + i * stride + width, 0, (stride - width) * sizeof *out);
    }
}

void dtq_host_device_attend(dtq_host *h, uint32_t layer, const float *q, const float *k, const float *v, float *out) {
    passage p = {.host = h, .layer = layer, .rows = {q, k, v}};
    dtq_host_device *d = &h->device;
    bool ok = pass(&p, &d->error);
    /* A layer that chooses late has done so now, and so have those that choose for the next one. */
    for (uint32_t l = layer; ok && l <= layer + 1 && l < h->stream->layer_count; l++)
        ok = take_slots(d, l, &d->error) && check_slots(d, l, &d->error);
    if (ok)
        take_rows(&p, out);
    else
        dtq_host_broken(h, d->error.status, d->error.message);
}

/* The rest of the host's queue, behind the last work of generated code. */
static bool follow_rest(dtq_host *h, dtq_error *e) {
    dtq_host_device *d = &h->device;
    const dtq_stream *s = d->x.stream;
    if (d->next == s->count) /* pass() has finished the run */
        return true;
    for (; d->next < s->count; d->next++) {
        const dtq_instr *in = &s->instrs[d->next];
        if (in->queue == DTQ_HOST && ((in->op == DTQ_OP_WAIT && !d->type->wait(d->device, d->next, e)) ||
                                      (in->op == DTQ_OP_SIGNAL && !d->type->signal(d->device, d->next, e)))) {
            return false;
        }
    }
    return d->type->finish(d->device, &d->stats, e);
}

bool dtq_host_device_end(dtq_host *h, dtq_error *e) {
    dtq_host_device *d = &h->device;
    const dtq_stream *s = h->stream;
    if (!follow_rest(h, e))
        return false;
    const size_t tables = (size_t)s->layer_count * s->seq;
    memset(h->output->importance, 0, tables * sizeof *h->output->importance);
    memset(h->output->bits, 0, tables);
    dtq_exec_output_tables(&d->x, h->output);
    if (h->cache)
        dtq_cache_store(h->cache, &d->x);
    return true;
}

bool dtq_host_stats(dtq_host *h, dtq_stats *out) {
    *out = h->device.stats;
    h->device.stats = (dtq_stats){0};
    return h->device.type;
}
