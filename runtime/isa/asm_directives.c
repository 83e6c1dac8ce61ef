/* Assembler: the directives, which make everything of a program but its instructions. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/isa/asm.h"
#include "runtime/isa/directives.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/program.h"
#include "runtime/machine_members.h"

/* ["title"] key=value … into `object`. */
static bool take_attrs(assembler *a, const dtq_directive *d, void *object) {
    const dtq_token start = a->token;
    const char *text;
    if (d->titled) {
        if (!dtq_asm_string(a, d->titled, &text, NULL))
            return false;
        memcpy((char *)object + d->title, &text, sizeof text);
    }
    for (unsigned i = 0; i < d->count; i++)
        if (!d->attrs[i].required)
            dtq_attr_set(object, &d->attrs[i], d->attrs[i].absent);
    uint64_t seen = 0;
    while (a->token.kind == DTQ_TOKEN_WORD) {
        const dtq_token key = a->token;
        const dtq_attr *attr = NULL;
        dtq_suggest s;
        dtq_suggest_init(&s, key.text, key.length);
        for (unsigned i = 0; i < d->count && !attr; i++) {
            if (dtq_token_is(&key, d->attrs[i].key))
                attr = &d->attrs[i];
            dtq_suggest_offer(&s, d->attrs[i].key, strlen(d->attrs[i].key));
        }
        if (!attr)
            return dtq_asm_unknown(a, &key, "key", &s);
        if (seen >> (attr - d->attrs) & 1)
            return dtq_asm_fail(a, &key, "%s stands twice", attr->key);
        seen |= (uint64_t)1 << (attr - d->attrs);
        dtq_asm_advance(a);
        if (!dtq_asm_expect_mark(a, '='))
            return false;
        uint64_t value = 0;
        double real = 0;
        bool ok = true;
        if (attr->kind == DTQ_ATTR_STRING) {
            ok = dtq_asm_string(a, attr->key, &text, NULL);
            if (ok)
                memcpy((char *)object + attr->offset, &text, sizeof text);
        } else if (attr->kind == DTQ_ATTR_F32) {
            ok = dtq_asm_real(a, attr->key, true, &real);
            float single = (float)real;
            memcpy((char *)object + attr->offset, &single, sizeof single);
        } else {
            ok = attr->kind == DTQ_ATTR_WORD ? dtq_asm_word(a, attr->key, attr->words, &value)
                                             : dtq_asm_whole(a, attr->key, dtq_ones(8u * attr->bytes), &value);
            if (ok)
                dtq_attr_set(object, attr, value);
        }
        if (!ok)
            return false;
    }
    for (unsigned i = 0; i < d->count; i++)
        if (d->attrs[i].required && !(seen >> i & 1))
            return dtq_asm_fail(a, a->token.line == start.line ? &a->token : &start, "%s needs %s=", d->name,
                                d->attrs[i].key);
    return true;
}

static bool take_version(assembler *a) {
    const dtq_token t = a->token;
    uint64_t version;
    if (!dtq_asm_whole(a, "version", UINT32_MAX, &version))
        return false;
    a->versioned = true;
    return version == DTQ_CONTAINER_VERSION ||
           dtq_asm_fail(a, &t, "version %" PRIu64 ", this build reads version %d", version, DTQ_CONTAINER_VERSION);
}

/* .machine "name", or .machine section.key = value */
static bool take_machine(assembler *a) {
    const dtq_token t = a->token;
    dtq_machine *m = a->program->machine;
    if (t.kind == DTQ_TOKEN_STRING) {
        const char *name;
        size_t length;
        if (!dtq_asm_string(a, "the machine's name", &name, &length))
            return false;
        if (length >= sizeof m->name)
            return dtq_asm_fail(a, &t, "a machine's name has at most %zu bytes", sizeof m->name - 1);
        memset(m->name, 0, sizeof m->name);
        memcpy(m->name, name, length);
        return true;
    }
    if (t.kind != DTQ_TOKEN_WORD)
        return dtq_asm_expected(a, "a machine parameter");
    dtq_suggest s;
    dtq_suggest_init(&s, t.text, t.length);
    char keys[64][64];
    for (size_t i = 0; i < dtq_machine_param_count && i < 64; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        bool top = strcmp(p->section, "top") == 0;
        snprintf(keys[i], sizeof keys[i], "%s%s%s", top ? "" : p->section, top ? "" : ".", p->name);
        dtq_suggest_offer(&s, keys[i], strlen(keys[i]));
        if (!dtq_token_is(&t, keys[i]))
            continue;
        dtq_asm_advance(a);
        if (!dtq_asm_expect_mark(a, '='))
            return false;
        const dtq_token at = a->token;
        double value = 0;
        uint64_t index = 0;
        if (p->kind == DTQ_PARAM_ENUM) {
            if (!dtq_asm_word(a, keys[i], p->words, &index))
                return false;
            value = (double)index;
        } else if (!dtq_asm_real(a, keys[i], false, &value)) {
            return false;
        }
        if (!(value >= p->lo && value <= p->hi) || (p->kind == DTQ_PARAM_INT && value != rint(value)))
            return dtq_asm_fail(a, &at, "%s is a %s in %.15g..%.15g, not %.*s", keys[i],
                                p->kind == DTQ_PARAM_INT ? "whole number" : "number", p->lo, p->hi, dtq_asm_shown(&at),
                                at.text);
        dtq_machine_set(m, p, value);
        return true;
    }
    return dtq_asm_unknown(a, &t, "machine parameter", &s);
}

bool dtq_asm_add_string(assembler *a, const char *text, size_t length) {
    dtq_program *p = a->program;
    if (!dtq_asm_grow(a, &p->strings, p->string_count, sizeof *p->strings))
        return false;
    if (!dtq_names_add(&a->strings, text, length, (uint32_t)p->string_count))
        return dtq_asm_no_memory(a);
    p->strings[p->string_count++] = text;
    return true;
}

static bool take_string_row(assembler *a) {
    const char *text;
    size_t length;
    return dtq_asm_string(a, "a string", &text, &length) && dtq_asm_add_string(a, text, length);
}

static bool take_file(assembler *a) {
    dtq_program *p = a->program;
    return dtq_asm_grow(a, &p->files, p->file_count, sizeof *p->files) &&
           take_attrs(a, &dtq_directive_file, &p->files[p->file_count++]);
}

static bool take_tensor(assembler *a) {
    dtq_program *p = a->program;
    const dtq_token at = a->token;
    if (!dtq_asm_grow(a, &p->tensors, p->tensor_count, sizeof *p->tensors))
        return false;
    dtq_tensor *t = &p->tensors[p->tensor_count];
    if (!take_attrs(a, &dtq_directive_tensor, t))
        return false;
    const char *wrong = dtq_tensor_wrong(p, t);
    if (wrong)
        return dtq_asm_fail(a, &at, "tensor: %s", wrong);
    return dtq_names_add(&a->tensors, t->name, strlen(t->name), (uint32_t)p->tensor_count++) || dtq_asm_no_memory(a);
}

/* Ends the layer being read: its tables can no longer change. */
bool dtq_asm_close_layer(assembler *a) {
    const char *wrong = a->layer ? dtq_layer_wrong(a->layer, a->stream->seq) : NULL;
    a->layer = NULL;
    return !wrong || dtq_asm_fail(a, &a->layer_at, "layer %u: %s", a->stream->layer_count - 1, wrong);
}

static bool take_stream(assembler *a) {
    dtq_program *p = a->program;
    const dtq_token at = a->token;
    if (!dtq_asm_grow(a, &p->streams, p->stream_count, sizeof *p->streams))
        return false;
    a->stream = &p->streams[p->stream_count++];
    if (!take_attrs(a, &dtq_directive_stream, a->stream))
        return false;
    if (a->stream->seq == 0 || a->stream->seq > DTQ_SLOTS_MAX)
        return dtq_asm_fail(a, &at, "seq is in 1..%d", DTQ_SLOTS_MAX);
    if (p->stream_count > 1 && a->stream->seq <= a->stream[-1].seq)
        return dtq_asm_fail(a, &at, "streams stand in ascending order of seq, and %u is not above %u", a->stream->seq,
                            a->stream[-1].seq);
    return true;
}

static bool take_layer(assembler *a) {
    a->layer_at = a->token;
    if (!a->stream)
        return dtq_asm_fail(a, &a->token, ".layer outside a .stream");
    if (a->stream->count)
        return dtq_asm_fail(a, &a->token, "layers stand before a stream's instructions");
    if (!dtq_asm_grow(a, &a->stream->layers, a->stream->layer_count, sizeof *a->layer))
        return false;
    dtq_layer *layer = &a->stream->layers[a->stream->layer_count];
    if (!take_attrs(a, &dtq_directive_layer, layer))
        return false;
    if (layer->slots > a->stream->seq)
        return dtq_asm_fail(a, &a->layer_at, "layer %u: slots is not in 1..seq", a->stream->layer_count);
    a->stream->layer_count++;
    a->layer = layer;
    return true;
}

/* .bits q,k = 4*53 8*39 */
static bool take_bits(assembler *a) {
    uint8_t *bits = a->layer ? dtq_pool_alloc(a->pool, a->layer->slots, 1) : NULL;
    if (!a->layer)
        return dtq_asm_fail(a, &a->token, ".bits belongs behind a .layer");
    if (!bits)
        return dtq_asm_no_memory(a);
    do {
        const dtq_token t = a->token;
        const char *letter = t.length == 1 ? memchr(dtq_operand_letters, *t.text, DTQ_OPERANDS) : NULL;
        if (!letter)
            return dtq_asm_expected(a, "an operand (q, k, v or p)");
        const uint8_t **table = &a->layer->bits[letter - dtq_operand_letters];
        if (*table)
            return dtq_asm_fail(a, &t, "operand %c has its precisions already", *letter);
        *table = bits;
        dtq_asm_advance(a);
        if (!dtq_asm_is_mark(a, ','))
            break;
        dtq_asm_advance(a);
    } while (true);
    if (!dtq_asm_expect_mark(a, '='))
        return false;
    uint64_t at = 0;
    while (a->token.kind == DTQ_TOKEN_NUMBER) {
        const dtq_token t = a->token;
        uint64_t value, count;
        if (!dtq_asm_whole(a, "a precision", UINT32_MAX, &value))
            return false;
        if (value != 4 && value != 8)
            return dtq_asm_fail(a, &t, "a precision is 4 or 8, not %.*s", dtq_asm_shown(&t), t.text);
        if (!dtq_asm_expect_mark(a, '*') || !dtq_asm_whole(a, "the length of the run", a->layer->slots - at, &count))
            return false;
        if (count)
            memset(bits + at, (int)value, (size_t)count);
        at += count;
    }
    return at == a->layer->slots ||
           dtq_asm_fail(a, &a->token, "%" PRIu64 " precisions for %u slots", at, a->layer->slots);
}

/* 0..5 7 9..12 into a table of at most `most` ids. */
static bool take_ids(assembler *a, uint32_t most, uint32_t **ids, uint32_t *count) {
    *count = 0;
    while (a->token.kind == DTQ_TOKEN_NUMBER) {
        const dtq_token t = a->token;
        uint64_t first, last;
        if (!dtq_asm_whole(a, "a token id", a->stream->seq - 1, &first))
            return false;
        last = first;
        if (a->token.kind == DTQ_TOKEN_RANGE) {
            dtq_asm_advance(a);
            if (!dtq_asm_whole(a, "a token id", a->stream->seq - 1, &last))
                return false;
            if (last < first)
                return dtq_asm_fail(a, &t, "the range ends before it begins");
        }
        if (last - first >= most - *count)
            return dtq_asm_fail(a, &t, "more than %u token ids", most);
        for (uint64_t id = first; id <= last; id++) {
            if (!dtq_asm_grow(a, ids, *count, sizeof **ids))
                return false;
            (*ids)[(*count)++] = (uint32_t)id;
        }
    }
    return true;
}

static bool take_layer_ids(assembler *a, bool pinned) {
    const dtq_token at = a->token;
    uint32_t *ids = NULL, count;
    if (!a->layer)
        return dtq_asm_fail(a, &at, "%s belongs behind a .layer", pinned ? ".pinned" : ".ids");
    if (pinned ? a->layer->pinned_count != 0 : a->layer->ids != NULL)
        return dtq_asm_fail(a, &at, "the layer has this table already");
    if (!take_ids(a, pinned ? a->stream->seq : a->layer->slots, &ids, &count))
        return false;
    if (pinned) {
        a->layer->pinned = ids;
        a->layer->pinned_count = count;
        return true;
    }
    a->layer->ids = ids;
    return count == a->layer->slots || dtq_asm_fail(a, &at, "%u token ids for %u slots", count, a->layer->slots);
}

static bool take_ids_row(assembler *a) {
    return take_layer_ids(a, false);
}

static bool take_pinned_row(assembler *a) {
    return take_layer_ids(a, true);
}

static bool take_program(assembler *a) {
    if (a->described)
        return dtq_asm_fail(a, &a->token, ".program stands twice");
    a->described = true;
    return take_attrs(a, &dtq_directive_program, a->program);
}

/* .scheme "q-bert weight_bits=4 groups=128" */
static bool take_scheme(assembler *a) {
    const dtq_token at = a->token;
    const char *text;
    char why[256];
    if (a->program->scheme.kind != DTQ_SCHEME_MIXED)
        return dtq_asm_fail(a, &at, ".scheme stands twice");
    return dtq_asm_string(a, "a scheme", &text, NULL) &&
           (dtq_do_scheme_parse(text, &a->program->scheme, why, sizeof why) || dtq_asm_fail(a, &at, "%s", why));
}

static const struct {
    const char *name;
    bool (*take)(assembler *);
    bool of_layer; /* may follow a .layer without ending it */
} directives[] = {
    {".version", take_version, false}, {".program", take_program, false},   {".scheme", take_scheme, false},
    {".machine", take_machine, false}, {".string", take_string_row, false}, {".file", take_file, false},
    {".tensor", take_tensor, false},   {".stream", take_stream, false},     {".layer", take_layer, false},
    {".bits", take_bits, true},        {".ids", take_ids_row, true},        {".pinned", take_pinned_row, true},
};

bool dtq_asm_directive(assembler *a) {
    const dtq_token t = a->token;
    dtq_suggest s;
    dtq_suggest_init(&s, t.text, t.length);
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
        dtq_suggest_offer(&s, directives[i].name, strlen(directives[i].name));
        if (!dtq_token_is(&t, directives[i].name))
            continue;
        if (!a->versioned && directives[i].take != take_version)
            return dtq_asm_fail(a, &t, "a program begins with .version %d", DTQ_CONTAINER_VERSION);
        if (!directives[i].of_layer && !dtq_asm_close_layer(a))
            return false;
        dtq_asm_advance(a);
        return directives[i].take(a) && dtq_asm_expect_line_end(a);
    }
    return dtq_asm_unknown(a, &t, "directive", &s);
}
