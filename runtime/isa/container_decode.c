/* Programs from files: the sections of ISA.md, "Container", every bound checked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/hash.h"
#include "runtime/isa/container.h"
#include "runtime/isa/container_text.h"
#include "runtime/isa/program.h"
#include "runtime/machine_members.h"

static const char *const section_names[SECTION_KINDS] = {"PROGRAM", "MACHINE", "STRINGS", "FILES",
                                                         "TENSORS", "STREAM",  "LAYERS",  "TEXT"};

/* The unread part of a section. Reading past its end gives zeros and sets `bad`. */
typedef struct {
    const uint8_t *at, *end;
    bool bad;
    uint32_t **all_tokens; /* 0, 1, 2, ... [DTQ_SLOTS_MAX], for all layers that have all tokens; NULL until one has */
} cursor;

static size_t left(const cursor *c) {
    return (size_t)(c->end - c->at);
}

static uint64_t load_le(const uint8_t *at, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static const uint8_t *get_bytes(cursor *c, size_t bytes) {
    if (c->bad || left(c) < bytes) {
        c->bad = true;
        return NULL;
    }
    c->at += bytes;
    return c->at - bytes;
}

static uint64_t get(cursor *c, unsigned bytes) {
    const uint8_t *at = get_bytes(c, bytes);
    return at ? load_le(at, bytes) : 0;
}

static uint8_t get8(cursor *c) {
    return (uint8_t)get(c, 1);
}

static uint32_t get32(cursor *c) {
    return (uint32_t)get(c, 4);
}

static float get_float(cursor *c) {
    uint32_t bits = get32(c);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A number of things that take at least `least` bytes each, hence bounded by what is left of the section. */
static uint32_t get_count(cursor *c, size_t least) {
    uint32_t count = get32(c);
    if (count > left(c) / least) {
        c->bad = true;
        return 0;
    }
    return count;
}

static const char *get_string(cursor *c, dtq_pool *pool) {
    uint32_t length = get_count(c, 1);
    const uint8_t *at = get_bytes(c, length);
    if (at && memchr(at, 0, length))
        c->bad = true;
    char *copy = c->bad ? NULL : dtq_pool_string(pool, (const char *)at, length);
    if (!copy)
        c->bad = true;
    return copy;
}

/* An array of the pool; marks the section bad if there is no memory, as the caller cannot go on either way. */
static void *get_array(cursor *c, dtq_pool *pool, size_t count, size_t size) {
    void *array = c->bad ? NULL : dtq_pool_alloc(pool, count, size);
    if (!array)
        c->bad = true;
    return array;
}

static bool get_scheme(cursor *c, dtq_pool *pool, dtq_scheme *scheme, dtq_error *e) {
    char why[256];
    const char *text = get_string(c, pool);
    if (!text)
        return true; /* the section is marked */
    if (!dtq_do_scheme_parse(text, scheme, why, sizeof why))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "section PROGRAM: %s: recompile the model with this build", why);
    return scheme->kind != DTQ_SCHEME_MIXED || dtq_fail(e, DTQ_BAD_PROGRAM, "section PROGRAM says the default scheme");
}

static bool get_machine(cursor *c, dtq_machine *m, dtq_error *e) {
    uint32_t length = get_count(c, 1);
    const uint8_t *name = get_bytes(c, length);
    if (!name || length >= sizeof m->name || memchr(name, 0, length))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "section MACHINE: bad name");
    memcpy(m->name, name, length);
    uint32_t count = get32(c);
    if (count != dtq_machine_param_count)
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "section MACHINE has %u parameters, this build knows %zu: recompile the model with this build",
                        count, dtq_machine_param_count);
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        uint64_t bits = get(c, 8);
        memcpy((char *)m + dtq_machine_params[i].offset, &bits, sizeof bits);
    }
    return true;
}

static void get_tensor(cursor *c, dtq_pool *pool, dtq_tensor *t) {
    t->name = get_string(c, pool);
    t->file = get32(c);
    t->offset = get(c, 8);
    t->shape[0] = get32(c);
    t->shape[1] = get32(c);
    t->stride = get32(c);
    t->dtype = get8(c);
    t->transposed = get8(c);
    t->seed = get(c, 8);
    t->mean = get_float(c);
    t->scale = get_float(c);
    t->scales = get(c, 8);
    t->zeros = get(c, 8);
    t->by_rows = get8(c);
    if (t->dtype == DTQ_ROTARY)
        t->frequencies = get_string(c, pool);
}

static void get_stream(cursor *c, dtq_stream *t) {
    t->dram_bytes = get(c, 8);
    t->input = get8(c);
    t->output = get8(c);
    for (unsigned i = 0; i < 3; i++)
        t->input_at[i] = get(c, 8);
    t->output_at = get(c, 8);
    t->output_width = get32(c);
    t->static_cycles = get(c, 8);
}

static uint32_t *get_ids(cursor *c, dtq_pool *pool, uint32_t count) {
    if (count > left(c) / 4)
        c->bad = true;
    uint32_t *ids = get_array(c, pool, count, sizeof *ids);
    for (uint32_t i = 0; ids && i < count; i++)
        ids[i] = get32(c);
    return ids;
}

static uint8_t *get_bits(cursor *c, dtq_pool *pool, uint32_t slots) {
    const uint8_t *packed = get_bytes(c, ((size_t)slots + 7) / 8);
    uint8_t *bits = get_array(c, pool, slots, 1);
    for (uint32_t i = 0; bits && i < slots; i++)
        bits[i] = packed[i / 8] >> i % 8 & 1 ? 8 : 4;
    if (bits && slots % 8 && packed[slots / 8] >> slots % 8)
        c->bad = true;
    return bits;
}

/* The ids of a layer whose tables are `tables`. What could be said shorter is malformed. */
static const uint32_t *get_layer_ids(cursor *c, dtq_pool *pool, unsigned tables, uint32_t slots) {
    if (tables & LAYER_IDS) {
        const uint32_t *ids = get_ids(c, pool, slots);
        if (ids && (counts_up(ids, slots) || (tables & LAYER_ALL_TOKENS)))
            c->bad = true;
        return ids;
    }
    if (!(tables & LAYER_ALL_TOKENS))
        return NULL;
    if (slots > DTQ_SLOTS_MAX)
        c->bad = true;
    if (!*c->all_tokens) {
        *c->all_tokens = get_array(c, pool, DTQ_SLOTS_MAX, sizeof **c->all_tokens);
        for (uint32_t i = 0; *c->all_tokens && i < DTQ_SLOTS_MAX; i++)
            (*c->all_tokens)[i] = i;
    }
    return *c->all_tokens;
}

static void get_layer(cursor *c, dtq_pool *pool, dtq_layer *l, const dtq_layer *before) {
    unsigned tables = get8(c);
    if (tables == LAYER_AGAIN && before) {
        *l = *before; /* the tables, too, which nobody changes */
        return;
    }
    if (tables & ~(unsigned)LAYER_KNOWN)
        c->bad = true;
    l->slots = get32(c);
    l->high = get32(c);
    l->heads = get32(c);
    l->kv_heads = get32(c);
    l->head_dim = get32(c);
    if (tables & LAYER_ROLES) {
        l->muted = get32(c);
        l->key_only = get32(c);
        l->cached = get8(c);
        if (!l->muted && !l->key_only && !l->cached)
            c->bad = true;
    }
    l->causal = get8(c);
    l->order = get8(c);
    l->importance = get8(c);
    l->prob_bits = get8(c);
    if (dtq_streams(l)) {
        l->streaming.window = get32(c);
        l->streaming.kept = get32(c);
        l->streaming.near_bits = get8(c);
        l->streaming.far_bits = get8(c);
    }
    uint64_t *places[] = {&l->q, &l->k, &l->v, &l->q_scale, &l->k_scale, &l->v_scale, &l->out, &l->importance_at};
    for (unsigned i = 0; i < 8; i++)
        *places[i] = get(c, 8);
    l->pinned_count = get_count(c, 4);
    l->pinned = get_ids(c, pool, l->pinned_count);
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        if (tables >> o & 1)
            l->bits[o] = get_bits(c, pool, l->slots);
    l->ids = get_layer_ids(c, pool, tables, l->slots);
    if (!c->bad && before && dtq_layer_same(l, before))
        c->bad = true;
}

/* Reads one section; `t` is its stream for the last three kinds. */
static bool get_section(cursor *c, dtq_pool *pool, dtq_program *p, dtq_stream *t, unsigned kind, dtq_error *e) {
    switch (kind) {
    case PROGRAM:
        p->model = get_string(c, pool);
        p->tokenizer = get_string(c, pool);
        p->lower_case = get8(c);
        p->vocabulary = get32(c);
        p->positions = get32(c);
        return left(c) == 0 || get_scheme(c, pool, &p->scheme, e);
    case MACHINE:
        return get_machine(c, p->machine, e);
    case STRINGS:
        p->string_count = get_count(c, 4);
        p->strings = get_array(c, pool, p->string_count, sizeof *p->strings);
        for (size_t i = 0; !c->bad && i < p->string_count; i++)
            p->strings[i] = get_string(c, pool);
        return true;
    case FILES:
        p->file_count = get_count(c, 28);
        p->files = get_array(c, pool, p->file_count, sizeof *p->files);
        for (size_t i = 0; !c->bad && i < p->file_count; i++) {
            p->files[i].path = get_string(c, pool);
            p->files[i].bytes = get(c, 8);
            p->files[i].hash.low = get(c, 8);
            p->files[i].hash.high = get(c, 8);
        }
        return true;
    case TENSORS:
        p->tensor_count = get_count(c, 42);
        p->tensors = get_array(c, pool, p->tensor_count, sizeof *p->tensors);
        for (size_t i = 0; !c->bad && i < p->tensor_count; i++)
            get_tensor(c, pool, &p->tensors[i]);
        return true;
    case STREAM:
        get_stream(c, t);
        return true;
    case LAYERS:
        t->layer_count = get_count(c, LAYER_BYTES_LEAST);
        t->layers = get_array(c, pool, t->layer_count, sizeof *t->layers);
        for (uint32_t i = 0; !c->bad && i < t->layer_count; i++)
            get_layer(c, pool, &t->layers[i], i ? &t->layers[i - 1] : NULL);
        return true;
    default: { /* TEXT */
        const uint8_t *at = c->at;
        c->at = c->end;
        return dtq_text_decode(at, (size_t)(c->end - at), pool, t, e);
    }
    }
}

static bool header_check(const uint8_t *data, size_t bytes, dtq_error *e) {
    if (bytes < 4 || memcmp(data, "DTQP", 4) != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "not a program: it does not begin with DTQP");
    uint64_t version = bytes >= 8 ? load_le(data + 4, 4) : DTQ_CONTAINER_VERSION;
    if (version != DTQ_CONTAINER_VERSION)
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "container version %" PRIu64 ", this build reads version %d: recompile the model", version,
                        DTQ_CONTAINER_VERSION);
    if (bytes < HEADER_BYTES)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "truncated: %zu bytes do not hold the header", bytes);
    uint64_t total = load_le(data + 8, 8);
    if (total != bytes)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "%s: the header says %" PRIu64 " bytes, there are %zu",
                        total > bytes ? "truncated" : "bytes behind the program", total, bytes);
    if (load_le(data + 16, 8) != dtq_checksum(data + CHECKED_FROM, bytes - CHECKED_FROM))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "damaged: the checksum does not match");
    return true;
}

/* Reads all sections. They lie in their one order, back to back, from the end of the table to the end of the file. */
static bool get_sections(const uint8_t *data, size_t bytes, dtq_pool *pool, dtq_program *p, dtq_error *e) {
    uint64_t sections = load_le(data + 32, 4);
    if (load_le(data + 36, 4) != 0 || sections > (bytes - HEADER_BYTES) / ENTRY_BYTES || sections < STREAM ||
        (sections - STREAM) % STREAM_KINDS)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "bad section table: %" PRIu64 " sections", sections);
    p->stream_count = (size_t)(sections - STREAM) / STREAM_KINDS;
    p->streams = dtq_pool_alloc(pool, p->stream_count, sizeof *p->streams);
    if (!p->streams)
        return dtq_no_memory(e, dtq_pool_wanted(pool), "the program");
    size_t at = (size_t)(HEADER_BYTES + ENTRY_BYTES * sections);
    uint32_t *all_tokens = NULL;
    for (size_t i = 0; i < sections; i++) {
        const uint8_t *entry = data + HEADER_BYTES + ENTRY_BYTES * i;
        dtq_stream *t = i < STREAM ? NULL : &p->streams[(i - STREAM) / STREAM_KINDS];
        unsigned kind = (unsigned)(t ? STREAM + (i - STREAM) % STREAM_KINDS : i);
        uint32_t seq = (uint32_t)load_le(entry + 4, 4);
        if (t && kind == STREAM)
            t->seq = seq;
        uint64_t size = load_le(entry + 16, 8);
        if (load_le(entry, 4) != kind || seq != (t ? t->seq : 0) || load_le(entry + 8, 8) != at || size > bytes - at)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "bad section table: entry %zu is not %s where it belongs", i,
                            section_names[kind]);
        cursor c = {data + at, data + at + size, false, &all_tokens};
        bool ok = get_section(&c, pool, p, t, kind, e);
        if (dtq_pool_wanted(pool))
            return dtq_no_memory(e, dtq_pool_wanted(pool), "section %s (entry %zu)", section_names[kind], i);
        if (!ok)
            return false;
        if (c.bad || left(&c))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "section %s (entry %zu) is malformed at its byte %zu",
                            section_names[kind], i, (size_t)(c.at - (data + at)));
        at += (size_t)size;
    }
    return at == bytes || dtq_fail(e, DTQ_BAD_PROGRAM, "bytes behind the last section");
}

bool dtq_do_program_decode(const uint8_t *data, size_t bytes, dtq_program **out, dtq_error *e) {
    *out = NULL;
    if (!header_check(data, bytes, e))
        return false;
    dtq_pool *pool;
    dtq_program *p = dtq_program_new(&pool, e);
    if (!p)
        return false;
    p->target_hash = load_le(data + 24, 8);
    if (!get_sections(data, bytes, pool, p, e) || !dtq_program_check(p, e)) {
        dtq_program_free(p);
        return false;
    }
    *out = p;
    return true;
}
