/* The section TEXT: see ISA.md, "Text section". Stretches that repeat what stands before them say what is other than
 * there, once the layer has been counted on and strings are as far apart as for the instruction before. */
#include "runtime/isa/container_text.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/isa/isa.h"
#include "runtime/isa/repeats.h"

enum {
    SOURCE_WORDS = 10,
    SOURCE_OP = 0,
    SOURCE_LAYER = 4,
    SOURCE_BYTES = 4 * SOURCE_WORDS,
    MASK_BITS = DTQ_FIELDS_MAX + SOURCE_WORDS,
    NUMBER_MOST = 10,                            /* bytes of a number */
    RECORD_MOST = (1 + MASK_BITS) * NUMBER_MOST, /* bytes of an instruction, with its source */
    STRETCH_MOST = 3 * NUMBER_MOST,              /* of what precedes them */
    HEAD_BYTES = 5
};

/* A source as its words. */
typedef struct {
    uint32_t word[SOURCE_WORDS];
} words;

_Static_assert(sizeof(words) == sizeof(dtq_source), "a source is its ten words");

static words words_of(const dtq_source *s) {
    words w;
    memcpy(&w, s, sizeof w);
    return w;
}

/* By opcode: the field that is a layer, or DTQ_FIELDS_MAX. */
typedef struct {
    uint8_t field[DTQ_OP_COUNT];
} layer_fields;

static layer_fields layer_fields_find(void) {
    layer_fields all;
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++) {
        all.field[op] = DTQ_FIELDS_MAX;
        for (uint8_t f = 0; f < dtq_ops[op].field_count; f++)
            if (dtq_ops[op].fields[f].kind == DTQ_KIND_LAYER)
                all.field[op] = f;
    }
    return all;
}

/* What instructions of a stretch are expected to differ by from those they repeat. */
typedef struct {
    uint64_t layer;  /* added to layers */
    uint32_t string; /* added to the op of a source: what it was for the instruction before */
    bool exact;      /* the source of the instruction before was what was expected, but for its op */
} shift;

static void expect_instr(const dtq_instr *before, uint8_t layer_field, const shift *by, dtq_instr *out) {
    *out = *before;
    if (layer_field < DTQ_FIELDS_MAX)
        out->f[layer_field] += by->layer;
}

static words expect_source(words w, const shift *by) {
    w.word[SOURCE_OP] += by->string;
    if (w.word[SOURCE_LAYER] != UINT32_MAX)
        w.word[SOURCE_LAYER] += (uint32_t)by->layer;
    return w;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *data;
    size_t bytes, room;
    size_t wanted; /* what there was no memory for; 0: all is well */
} sink;

/* Room for `most` bytes at the end; NULL if there is no memory. */
static uint8_t *room_for(sink *s, size_t most) {
    if (s->room - s->bytes < most) {
        size_t room = 2 * s->room + most + 4096;
        uint8_t *data = s->wanted ? NULL : realloc(s->data, room);
        if (!data) {
            s->wanted = s->wanted ? s->wanted : room;
            return NULL;
        }
        s->data = data;
        s->room = room;
    }
    return s->data + s->bytes;
}

/* Seven bits a byte, the lowest first; the highest bit of a byte says that another follows. */
static uint8_t *put_number(uint8_t *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* A difference: small ones of both signs are small numbers. */
static uint64_t fold(uint64_t difference) {
    return difference << 1 ^ (difference >> 63 ? UINT64_MAX : 0);
}

/* An instruction and its row of the source map, or NULL. */
typedef struct {
    const dtq_instr *in;
    const dtq_source *source;
} record;

/* Where the instructions come from: a stream that has them, or their maker. */
typedef struct {
    sink out;
    dtq_stream *t;
    const dtq_stream_maker *maker; /* or NULL */
    dtq_field_limits limits;       /* of what the maker makes */
    dtq_error *error;
    bool failed; /* the maker did, or made what is no instruction */
} writer;

static bool record_at(writer *w, size_t i, record *r) {
    if (!w->maker) {
        *r = (record){&w->t->instrs[i], w->t->sources ? &w->t->sources[i] : NULL};
        return true;
    }
    w->failed = w->failed || !w->maker->make(w->maker->of, i, &r->in, &r->source);
    return !w->failed;
}

/* What the maker made is an instruction, as dtq_stream_check asks of a stream that has its own. `old`: one that was
 * looked at before, or NULL. */
static bool check_made(writer *w, size_t i, const record *r, const dtq_instr *old) {
    dtq_error why;
    if (!w->maker)
        return true;
    if (r->in != old && !dtq_instr_within(&w->limits, r->in) && !dtq_instr_check(r->in, &why)) {
        w->failed = true;
        return dtq_fail(w->error, DTQ_BAD_PROGRAM, "stream %u, instruction %zu: %s", w->t->seq, i, why.message);
    }
    const uint32_t last = r->source->line && r->source->file > r->source->op ? r->source->file : r->source->op;
    if (last >= w->t->text_strings)
        w->t->text_strings = last + 1;
    return true;
}

static void put_literal(writer *w, size_t i) {
    record r;
    uint8_t *at =
        record_at(w, i, &r) && check_made(w, i, &r, NULL) ? room_for(&w->out, DTQ_INSTR_BYTES + SOURCE_BYTES) : NULL;
    if (!at)
        return;
    dtq_store_instr(r.in, at);
    w->out.bytes += DTQ_INSTR_BYTES;
    if (!r.source)
        return;
    const words source = words_of(r.source);
    at += DTQ_INSTR_BYTES;
    for (unsigned k = 0; k < SOURCE_BYTES; k++)
        at[k] = (uint8_t)(source.word[k / 4] >> 8 * (k % 4));
    w->out.bytes += SOURCE_BYTES;
}

/* What an instruction, or its source, differs by from what is expected of it. */
typedef struct {
    uint64_t change[MASK_BITS];
    unsigned count, mask;
} changes;

static void instr_changes(const dtq_instr *in, const dtq_instr *before, uint8_t layer_field, const shift *by,
                          changes *c) {
    const unsigned fields = dtq_ops[in->op].field_count;
    for (unsigned f = 0; f < fields; f++) {
        const uint64_t change = in->f[f] - before->f[f] - (f == layer_field ? by->layer : 0);
        c->change[c->count] = fold(change);
        c->count += change != 0;
        c->mask |= (unsigned)(change != 0) << f;
    }
}

static void source_changes(words is, words expected, changes *c) {
    for (unsigned k = 0; k < SOURCE_WORDS; k++) {
        const int32_t change = (int32_t)(is.word[k] - expected.word[k]);
        c->change[c->count] = fold((uint64_t)(int64_t)change);
        c->count += change != 0;
        c->mask |= (unsigned)(change != 0) << (DTQ_FIELDS_MAX + k);
    }
}

static bool same_words(const words *a, const words *b) {
    uint64_t x[SOURCE_WORDS / 2], y[SOURCE_WORDS / 2], differ = 0;
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    for (unsigned k = 0; k < SOURCE_WORDS / 2; k++)
        differ |= x[k] ^ y[k];
    return !differ;
}

static void put_changes(writer *w, size_t i, size_t distance, const layer_fields *layers, shift *by) {
    changes c;
    c.count = c.mask = 0;
    record now, old;
    if (!record_at(w, i, &now) || !record_at(w, i - distance, &old) || !check_made(w, i, &now, old.in))
        return;
    const uint8_t layer_field = layers->field[now.in->op];
    if (now.in != old.in || (layer_field < DTQ_FIELDS_MAX && by->layer))
        instr_changes(now.in, old.in, layer_field, by, &c);
    by->exact = true;
    if (now.source) {
        const words is = words_of(now.source), expected = expect_source(words_of(old.source), by);
        if (!same_words(&is, &expected)) {
            source_changes(is, expected, &c);
            by->exact = c.mask >> DTQ_FIELDS_MAX == 1u << SOURCE_OP;
        }
        by->string += is.word[SOURCE_OP] - expected.word[SOURCE_OP];
    }
    uint8_t *at = room_for(&w->out, RECORD_MOST);
    if (!at)
        return;
    at = put_number(at, c.mask);
    for (unsigned k = 0; k < c.count; k++)
        at = put_number(at, c.change[k]);
    w->out.bytes = (size_t)(at - w->out.data);
}

/* An instruction that is as expected. */
static void put_nothing(writer *w) {
    uint8_t *at = room_for(&w->out, 1);
    if (at) {
        *at = 0;
        w->out.bytes++;
    }
}

/* By how much the first instruction of a stretch that has a layer counts it on. */
static uint64_t layer_step(writer *w, const dtq_repeat *r, const layer_fields *layers, const uint16_t *shapes) {
    for (size_t i = r->first; i < r->first + r->count; i++) {
        const uint8_t f = layers->field[shapes[i] & 0xff];
        record now, old;
        if (f < DTQ_FIELDS_MAX)
            return record_at(w, i, &now) && record_at(w, i - r->distance, &old) ? now.in->f[f] - old.in->f[f] : 0;
    }
    return 0;
}

static bool wrong(const writer *w) {
    return w->failed || w->out.wanted;
}

/* Whether an instruction behind the first of a stretch is the one that it repeats, and both sources are those of the
 * instructions before them, which were as expected: then it is, too. */
static bool goes_on(const writer *w, const dtq_repeat *r, size_t i, const shift *by) {
    return w->maker && by->exact && i > r->first && w->maker->goes_on(w->maker->of, i, r->distance);
}

static void put_stretch(writer *w, const dtq_repeat *r, const layer_fields *layers, const uint16_t *shapes) {
    shift by = {.layer = r->distance ? layer_step(w, r, layers, shapes) : 0};
    uint8_t *at = room_for(&w->out, STRETCH_MOST);
    if (!at)
        return;
    at = put_number(at, r->count);
    at = put_number(at, r->distance);
    if (r->distance)
        at = put_number(at, fold(by.layer));
    w->out.bytes = (size_t)(at - w->out.data);
    for (size_t i = r->first; i < r->first + r->count && !wrong(w); i++)
        if (!r->distance)
            put_literal(w, i);
        else if (!goes_on(w, r, i, &by))
            put_changes(w, i, r->distance, layers, &by);
        else
            put_nothing(w);
}

/* The section; NULL if there is no memory, with *bytes what was wanted, or if the writer has failed. */
static uint8_t *encode(writer *w, size_t *bytes) {
    const layer_fields layers = layer_fields_find();
    const dtq_stream *t = w->t;
    dtq_repeats *walk = dtq_repeats_begin(t->count);
    uint8_t *head = walk ? room_for(&w->out, HEAD_BYTES) : NULL;
    if (head) {
        uint16_t *shapes = dtq_repeats_shapes(walk);
        if (w->maker)
            w->maker->shapes(w->maker->of, shapes);
        for (size_t i = 0; !w->maker && i < t->count; i++)
            shapes[i] = (uint16_t)(t->instrs[i].op | t->instrs[i].queue << 8);
        for (unsigned i = 0; i < 4; i++)
            head[i] = (uint8_t)(t->count >> 8 * i);
        head[4] = w->maker || t->sources;
        w->out.bytes = HEAD_BYTES;
        for (dtq_repeat r; !wrong(w) && dtq_repeats_next(walk, &r);)
            put_stretch(w, &r, &layers, shapes);
    }
    dtq_repeats_end(walk);
    if (head && !wrong(w)) {
        *bytes = w->out.bytes;
        return w->out.data;
    }
    free(w->out.data);
    *bytes = w->out.wanted ? w->out.wanted : dtq_repeats_bytes(t->count);
    return NULL;
}

uint8_t *dtq_text_encode(const dtq_stream *t, size_t *bytes) {
    dtq_stream stream = *t; /* its instructions are there, and nothing of it is written to */
    writer w = {.t = &stream};
    return encode(&w, bytes);
}

bool dtq_stream_write(dtq_stream *t, const dtq_stream_maker *maker, dtq_error *e) {
    writer w = {.t = t, .maker = maker, .limits = dtq_field_limits_find(), .error = e};
    size_t bytes;
    e->message[0] = '\0';
    t->text_strings = 0;
    t->text = encode(&w, &bytes);
    t->text_bytes = t->text ? bytes : 0;
    return t->text || (w.failed ? false : dtq_no_memory(e, bytes, "stream %u, section TEXT", t->seq));
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *at, *end;
    bool bad;
} cursor;

static uint64_t get_number(cursor *c) {
    uint64_t value = 0;
    for (unsigned shift_by = 0; shift_by < 64; shift_by += 7) {
        if (c->at == c->end)
            break;
        const uint8_t byte = *c->at++;
        value |= (uint64_t)(byte & 0x7f) << shift_by;
        if (!(byte & 0x80))
            return value;
    }
    c->bad = true;
    return 0;
}

static uint64_t unfold(uint64_t folded) {
    return folded >> 1 ^ (folded & 1 ? UINT64_MAX : 0);
}

static const uint8_t *get_bytes(cursor *c, size_t bytes) {
    if (c->bad || (size_t)(c->end - c->at) < bytes) {
        c->bad = true;
        return NULL;
    }
    c->at += bytes;
    return c->at - bytes;
}

static bool get_literal(cursor *c, dtq_stream *t, size_t i, dtq_error *e) {
    dtq_error why;
    const uint8_t *at = get_bytes(c, DTQ_INSTR_BYTES);
    if (!at)
        return true; /* the section is marked */
    if (!dtq_decode(at, &t->instrs[i], &why))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u, instruction %zu: %s", t->seq, i, why.message);
    at = t->sources ? get_bytes(c, SOURCE_BYTES) : NULL;
    words w = {{0}};
    for (unsigned k = 0; at && k < SOURCE_BYTES; k++)
        w.word[k / 4] |= (uint32_t)at[k] << 8 * (k % 4);
    if (at)
        memcpy(&t->sources[i], &w, sizeof w);
    return true;
}

static void get_changes(cursor *c, dtq_stream *t, size_t i, size_t distance, uint8_t layer_field, shift *by) {
    dtq_instr *in = &t->instrs[i];
    uint64_t mask = get_number(c);
    expect_instr(in - distance, layer_field, by, in);
    if (mask >> (t->sources ? MASK_BITS : DTQ_FIELDS_MAX) ||
        (mask & dtq_ones(DTQ_FIELDS_MAX)) >> dtq_ops[in->op].field_count) {
        c->bad = true;
        return;
    }
    for (unsigned f = 0; f < dtq_ops[in->op].field_count; f++, mask >>= 1)
        if (mask & 1)
            in->f[f] += unfold(get_number(c));
    if (!t->sources)
        return;
    mask >>= DTQ_FIELDS_MAX - dtq_ops[in->op].field_count;
    words w = expect_source(words_of(&t->sources[i - distance]), by);
    const uint32_t expected_op = w.word[SOURCE_OP];
    for (unsigned k = 0; mask; k++, mask >>= 1)
        if (mask & 1)
            w.word[k] += (uint32_t)unfold(get_number(c));
    by->string += w.word[SOURCE_OP] - expected_op;
    memcpy(&t->sources[i], &w, sizeof w);
}

static bool get_stretches(cursor *c, dtq_stream *t, dtq_error *e) {
    const layer_fields layers = layer_fields_find();
    for (size_t i = 0; i < t->count && !c->bad;) {
        const uint64_t count = get_number(c), distance = get_number(c);
        shift by = {.layer = distance ? unfold(get_number(c)) : 0};
        if (count == 0 || count > t->count - i || distance > i) {
            c->bad = true;
            break;
        }
        for (const size_t end = i + (size_t)count; i < end && !c->bad; i++)
            if (distance)
                get_changes(c, t, i, (size_t)distance, layers.field[t->instrs[i - (size_t)distance].op], &by);
            else if (!get_literal(c, t, i, e))
                return false;
    }
    c->bad |= c->at != c->end;
    return true;
}

/* What was read is written again: a program has one encoding. */
static bool is_canonical(const uint8_t *data, size_t bytes, const dtq_stream *t, dtq_error *e) {
    size_t again_bytes;
    uint8_t *again = dtq_text_encode(t, &again_bytes);
    if (!again)
        return dtq_no_memory(e, again_bytes, "stream %u, section TEXT", t->seq);
    const bool same = again_bytes == bytes && memcmp(again, data, bytes) == 0;
    free(again);
    return same || dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u: section TEXT says in a longer way what it says", t->seq);
}

bool dtq_text_decode(const uint8_t *data, size_t bytes, dtq_pool *pool, dtq_stream *t, dtq_error *e) {
    cursor c = {data, data + bytes, false};
    const uint8_t *head = get_bytes(&c, HEAD_BYTES);
    t->count = 0;
    for (unsigned i = 0; head && i < 4; i++)
        t->count |= (size_t)head[i] << 8 * i;
    if (!head || head[4] > 1 || t->count > bytes - HEAD_BYTES) /* an instruction takes a byte at least */
        return dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u: section TEXT is malformed at its start", t->seq);
    t->instrs = dtq_pool_alloc(pool, t->count, sizeof *t->instrs);
    t->sources = head[4] && t->instrs ? dtq_pool_alloc(pool, t->count, sizeof *t->sources) : NULL;
    if (!t->instrs || (head[4] && !t->sources)) {
        t->count = 0;
        return true;
    }
    if (!get_stretches(&c, t, e))
        return false;
    if (c.bad)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "stream %u: section TEXT is malformed at its byte %zu", t->seq,
                        (size_t)(c.at - data));
    return is_canonical(data, bytes, t, e);
}
