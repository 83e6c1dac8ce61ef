/* Programs to files: the sections of ISA.md, "Container". All numbers little-endian. */
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/hash.h"
#include "runtime/isa/container.h"
#include "runtime/isa/container_text.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/program.h"
#include "runtime/machine_members.h"

typedef struct {
    uint8_t *data;
    size_t bytes, room;
    size_t wanted; /* what there was no memory for: later writes do nothing; 0: all is well */
} sink;

static uint8_t *reserve(sink *s, size_t bytes) {
    if (!s->wanted && s->room - s->bytes < bytes) {
        size_t room = 2 * s->room + bytes + 4096;
        uint8_t *data = realloc(s->data, room);
        if (data) {
            s->data = data;
            s->room = room;
        } else {
            s->wanted = room;
        }
    }
    if (s->wanted)
        return NULL;
    s->bytes += bytes;
    return s->data + s->bytes - bytes;
}

static void store_le(uint8_t *at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void put(sink *s, uint64_t value, unsigned bytes) {
    uint8_t *at = reserve(s, bytes);
    if (at)
        store_le(at, value, bytes);
}

static void put_float(sink *s, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(s, bits, 4);
}

static void put_string(sink *s, const char *text) {
    size_t length = strlen(text);
    put(s, length, 4);
    uint8_t *at = reserve(s, length);
    if (at && length)
        memcpy(at, text, length);
}

static void put_machine(sink *s, const dtq_machine *m) {
    put_string(s, m->name);
    put(s, dtq_machine_param_count, 4);
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        uint64_t bits; /* of a double or an uint64_t */
        memcpy(&bits, (const char *)m + dtq_machine_params[i].offset, sizeof bits);
        put(s, bits, 8);
    }
}

static void put_tensor(sink *s, const dtq_tensor *t) {
    put_string(s, t->name);
    put(s, t->file, 4);
    put(s, t->offset, 8);
    put(s, t->shape[0], 4);
    put(s, t->shape[1], 4);
    put(s, t->stride, 4);
    put(s, t->dtype, 1);
    put(s, t->transposed, 1);
    put(s, t->seed, 8);
    put_float(s, t->mean);
    put_float(s, t->scale);
    put(s, t->scales, 8);
    put(s, t->zeros, 8);
    put(s, t->by_rows, 1);
    if (t->dtype == DTQ_ROTARY)
        put_string(s, t->frequencies ? t->frequencies : "");
}

static void put_stream(sink *s, const dtq_stream *t) {
    put(s, t->dram_bytes, 8);
    put(s, t->input, 1);
    put(s, t->output, 1);
    for (unsigned i = 0; i < 3; i++)
        put(s, t->input_at[i], 8);
    put(s, t->output_at, 8);
    put(s, t->output_width, 4);
    put(s, t->static_cycles, 8);
}

static void put_layer(sink *s, const dtq_layer *l, const dtq_layer *before) {
    if (before && dtq_layer_same(l, before)) {
        put(s, LAYER_AGAIN, 1);
        return;
    }
    unsigned tables = !l->ids ? 0 : counts_up(l->ids, l->slots) ? LAYER_ALL_TOKENS : LAYER_IDS;
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        tables |= l->bits[o] ? 1u << o : 0;
    bool roles = l->muted || l->key_only || l->cached;
    tables |= roles ? LAYER_ROLES : 0;
    put(s, tables, 1);
    const uint32_t counts[] = {l->slots, l->high, l->heads, l->kv_heads, l->head_dim};
    for (unsigned i = 0; i < 5; i++)
        put(s, counts[i], 4);
    if (roles) {
        put(s, l->muted, 4);
        put(s, l->key_only, 4);
        put(s, l->cached, 1);
    }
    put(s, l->causal, 1);
    put(s, l->order, 1);
    put(s, l->importance, 1);
    put(s, l->prob_bits, 1);
    if (dtq_streams(l)) {
        put(s, l->streaming.window, 4);
        put(s, l->streaming.kept, 4);
        put(s, l->streaming.near_bits, 1);
        put(s, l->streaming.far_bits, 1);
    }
    const uint64_t places[] = {l->q, l->k, l->v, l->q_scale, l->k_scale, l->v_scale, l->out, l->importance_at};
    for (unsigned i = 0; i < 8; i++)
        put(s, places[i], 8);
    put(s, l->pinned_count, 4);
    for (uint32_t i = 0; i < l->pinned_count; i++)
        put(s, l->pinned[i], 4);
    for (unsigned o = 0; o < DTQ_OPERANDS; o++) { /* a bit a slot: 1 is eight bits */
        if (!l->bits[o])
            continue;
        for (uint32_t i = 0; i < l->slots; i += 8) {
            unsigned byte = 0;
            for (uint32_t b = 0; b < 8 && i + b < l->slots; b++)
                byte |= (l->bits[o][i + b] == 8 ? 1u : 0) << b;
            put(s, byte, 1);
        }
    }
    for (uint32_t i = 0; (tables & LAYER_IDS) && i < l->slots; i++)
        put(s, l->ids[i], 4);
}

static void put_text(sink *s, const dtq_stream *t) {
    size_t bytes = t->text_bytes;
    if (t->text) {
        uint8_t *to = reserve(s, bytes);
        if (to)
            memcpy(to, t->text, bytes);
        return;
    }
    uint8_t *text = dtq_text_encode(t, &bytes), *at = text ? reserve(s, bytes) : NULL;
    if (at)
        memcpy(at, text, bytes);
    if (!text)
        s->wanted = bytes;
    free(text);
}

/* Writes section `kind` (of stream `t` for the last three). */
static void put_section(sink *s, const dtq_program *p, const dtq_stream *t, unsigned kind) {
    switch (kind) {
    case PROGRAM:
        put_string(s, p->model ? p->model : "");
        put_string(s, p->tokenizer ? p->tokenizer : "");
        put(s, p->lower_case, 1);
        put(s, p->vocabulary, 4);
        put(s, p->positions, 4);
        if (p->scheme.kind != DTQ_SCHEME_MIXED) /* files from before there were others end here, too */
            put_string(s, dtq_do_scheme_text(&p->scheme, (char[DTQ_SCHEME_TEXT_MOST]){0}));
        return;
    case MACHINE:
        put_machine(s, p->machine);
        return;
    case STRINGS:
        put(s, p->string_count, 4);
        for (size_t i = 0; i < p->string_count; i++)
            put_string(s, p->strings[i]);
        return;
    case FILES:
        put(s, p->file_count, 4);
        for (size_t i = 0; i < p->file_count; i++) {
            put_string(s, p->files[i].path);
            put(s, p->files[i].bytes, 8);
            put(s, p->files[i].hash.low, 8);
            put(s, p->files[i].hash.high, 8);
        }
        return;
    case TENSORS:
        put(s, p->tensor_count, 4);
        for (size_t i = 0; i < p->tensor_count; i++)
            put_tensor(s, &p->tensors[i]);
        return;
    case STREAM:
        put_stream(s, t);
        return;
    case LAYERS:
        put(s, t->layer_count, 4);
        for (uint32_t i = 0; i < t->layer_count; i++)
            put_layer(s, &t->layers[i], i ? &t->layers[i - 1] : NULL);
        return;
    default: /* TEXT */
        put_text(s, t);
    }
}

bool dtq_do_program_encode(const dtq_program *p, uint8_t **out, size_t *out_bytes, dtq_error *e) {
    *out = NULL;
    *out_bytes = 0;
    if (!dtq_program_check(p, e))
        return false;
    sink s = {0};
    size_t sections = STREAM + STREAM_KINDS * p->stream_count;
    size_t table = HEADER_BYTES;
    reserve(&s, HEADER_BYTES + ENTRY_BYTES * sections);
    for (size_t i = 0; i < sections; i++) {
        const dtq_stream *t = i < STREAM ? NULL : &p->streams[(i - STREAM) / STREAM_KINDS];
        unsigned kind = (unsigned)(t ? STREAM + (i - STREAM) % STREAM_KINDS : i);
        size_t start = s.bytes;
        put_section(&s, p, t, kind);
        if (s.wanted)
            break;
        uint8_t *entry = s.data + table + ENTRY_BYTES * i;
        store_le(entry, kind, 4);
        store_le(entry + 4, t ? t->seq : 0, 4);
        store_le(entry + 8, start, 8);
        store_le(entry + 16, s.bytes - start, 8);
    }
    if (s.wanted) {
        free(s.data);
        return dtq_no_memory(e, s.wanted, "the program file");
    }
    memcpy(s.data, "DTQP", 4);
    store_le(s.data + 4, DTQ_CONTAINER_VERSION, 4);
    store_le(s.data + 8, s.bytes, 8);
    store_le(s.data + 24, p->target_hash, 8);
    store_le(s.data + 32, sections, 4);
    store_le(s.data + 36, 0, 4);
    store_le(s.data + 16, dtq_checksum(s.data + CHECKED_FROM, s.bytes - CHECKED_FROM), 8);
    *out = s.data;
    *out_bytes = s.bytes;
    return true;
}
