/* Programs as text (runtime/isa/ISA.md, "Text form"). The text says everything that the container does. */
#include "runtime/isa/disasm.h"
#include "runtime/entry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/points.h"
#include "runtime/isa/directives.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/names.h"
#include "runtime/isa/part.h"
#include "runtime/isa/program.h"
#include "runtime/isa/sources.h"
#include "runtime/machine_members.h"
#include "runtime/visible.h"

/* ---- writing ---- */

/* Collects text and passes it on to `out`; without `out` what exceeds `room` is dropped. */
typedef struct {
    FILE *out;
    char *text;
    size_t used, room;
} writer;

static void flush(writer *w) {
    if (w->out)
        fwrite(w->text, 1, w->used, w->out);
    w->used = 0;
}

static void put_bytes(writer *w, const char *text, size_t length) {
    if (w->out && length > w->room - w->used)
        flush(w);
    if (w->out && length > w->room) {
        fwrite(text, 1, length, w->out);
        return;
    }
    size_t n = length < w->room - w->used ? length : w->room - w->used;
    memcpy(w->text + w->used, text, n);
    w->used += n;
}

static void put(writer *w, const char *text) {
    put_bytes(w, text, strlen(text));
}

static void put_number(writer *w, uint64_t value, unsigned base) {
    char digits[24];
    size_t at = sizeof digits;
    do
        digits[--at] = "0123456789abcdef"[value % base];
    while (value /= base);
    if (base == 16)
        put(w, "0x");
    put_bytes(w, digits + at, sizeof digits - at);
}

/* The shortest decimal that reads back as `value`. */
static void put_real(writer *w, double value, bool single) {
    char text[40];
    for (int digits = single ? 6 : 15; digits <= (single ? 9 : 17); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    put(w, text);
}

static void put_quoted(writer *w, const char *text) {
    put(w, "\"");
    for (size_t left = strlen(text); left > 0;) {
        size_t n = dtq_visible_length(text, left);
        char escape[8] = {'\\', *text, 0};
        if (n == 0) {
            snprintf(escape, sizeof escape, *text == '\n' ? "\\n" : *text == '\t' ? "\\t" : "\\x%02x", *text & 0xff);
            put(w, escape);
            n = 1;
        } else if (*text == '"' || *text == '\\') {
            put(w, escape);
        } else {
            put_bytes(w, text, n);
        }
        text += n;
        left -= n;
    }
    put(w, "\"");
}

static void put_word(writer *w, const char *words, uint64_t index) {
    while (index-- && strchr(words, '|'))
        words = strchr(words, '|') + 1;
    put_bytes(w, words, strcspn(words, "|"));
}

/* ---- directives ---- */

static const char *member_string(const void *object, size_t offset) {
    const char *text;
    memcpy(&text, (const char *)object + offset, sizeof text);
    return text ? text : "";
}

static void put_directive(writer *w, const dtq_directive *d, const void *object) {
    put(w, d->name);
    if (d->titled) {
        put(w, " ");
        put_quoted(w, member_string(object, d->title));
    }
    for (unsigned i = 0; i < d->count; i++) {
        const dtq_attr *a = &d->attrs[i];
        const char *string = a->kind == DTQ_ATTR_STRING ? member_string(object, a->offset) : NULL;
        uint64_t value = a->kind == DTQ_ATTR_STRING ? string && *string : dtq_attr_get(object, a);
        if (!a->required && value == a->absent)
            continue;
        put(w, " ");
        put(w, a->key);
        put(w, "=");
        float real;
        uint32_t bits = (uint32_t)value;
        memcpy(&real, &bits, sizeof real);
        switch (a->kind) {
        case DTQ_ATTR_INT:
            put_number(w, value, 10);
            break;
        case DTQ_ATTR_HEX:
            put_number(w, value, 16);
            break;
        case DTQ_ATTR_WORD:
            put_word(w, a->words, value);
            break;
        case DTQ_ATTR_F32:
            put_real(w, (double)real, true);
            break;
        case DTQ_ATTR_STRING:
            put_quoted(w, string);
            break;
        }
    }
    put(w, "\n");
}

static void put_machine(writer *w, const dtq_machine *m) {
    put(w, ".machine ");
    put_quoted(w, m->name);
    put(w, "\n");
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        double value = dtq_machine_get(m, p);
        put(w, ".machine ");
        if (strcmp(p->section, "top") != 0) {
            put(w, p->section);
            put(w, ".");
        }
        put(w, p->name);
        put(w, " = ");
        if (p->kind == DTQ_PARAM_REAL)
            put_real(w, value, false);
        else if (p->kind == DTQ_PARAM_INT)
            put_number(w, (uint64_t)value, 10);
        else
            put_word(w, p->words, (uint64_t)value);
        put(w, "\n");
    }
}

/* ids as ranges: 0..5 7 9..12 */
static void put_ids(writer *w, const char *directive, const uint32_t *ids, uint32_t n) {
    put(w, directive);
    for (uint32_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && ids[i + run] == ids[i] + run;)
            run++;
        put(w, " ");
        put_number(w, ids[i], 10);
        if (run > 1) {
            put(w, "..");
            put_number(w, ids[i] + run - 1, 10);
        }
    }
    put(w, "\n");
}

static bool same_bits(const dtq_layer *l, unsigned a, unsigned b) {
    return l->bits[a] && l->bits[b] && memcmp(l->bits[a], l->bits[b], l->slots) == 0;
}

/* Operands with the same table share a line: .bits q,k = 4*53 8*39 */
static void put_bits(writer *w, const dtq_layer *l) {
    for (unsigned o = 0; o < DTQ_OPERANDS; o++) {
        bool shown = !l->bits[o];
        for (unsigned before = 0; before < o; before++)
            shown |= same_bits(l, before, o);
        if (shown)
            continue;
        put(w, ".bits ");
        for (unsigned other = o; other < DTQ_OPERANDS; other++) {
            if (other != o && !same_bits(l, o, other))
                continue;
            if (other != o)
                put(w, ",");
            put_bytes(w, &dtq_operand_letters[other], 1);
        }
        put(w, " =");
        const uint8_t *bits = l->bits[o];
        for (uint32_t i = 0, run; i < l->slots; i += run) {
            for (run = 1; i + run < l->slots && bits[i + run] == bits[i];)
                run++;
            put(w, " ");
            put_number(w, bits[i], 10);
            put(w, "*");
            put_number(w, run, 10);
        }
        put(w, "\n");
    }
}

static void put_layer(writer *w, const dtq_layer *l) {
    put_directive(w, &dtq_directive_layer, l);
    put_bits(w, l);
    if (l->ids)
        put_ids(w, ".ids", l->ids, l->slots);
    if (l->pinned_count)
        put_ids(w, ".pinned", l->pinned, l->pinned_count);
}

/* ---- instructions ---- */

/* Indices that a name stands for; others are written $index. */
typedef struct {
    dtq_names strings, tensors;
    const dtq_program *program;
} dictionary;

/* `names` is NULL where indices must do. */
static void put_reference(writer *w, const dtq_names *names, const char *text, uint32_t index) {
    if (names && text && dtq_names_find(names, text, strlen(text)) == index) {
        put_quoted(w, text);
    } else {
        put(w, "$");
        put_number(w, index, 10);
    }
}

static void put_field(writer *w, const dictionary *d, const dtq_field_info *f, uint64_t value) {
    char name[16];
    float real;
    uint32_t bits = (uint32_t)value, index = (uint32_t)value;
    size_t length = 0;
    const char *word;
    put_bytes(w, " ", 1);
    put(w, f->name);
    put_bytes(w, "=", 1);
    switch (f->kind) {
    case DTQ_KIND_ENGINE:
        put(w, dtq_queue_name((unsigned)value & 0xff, name));
        break;
    case DTQ_KIND_ENUM:
    case DTQ_KIND_FLAG:
        word = dtq_enum_word(f, (unsigned)value, &length);
        put_bytes(w, word ? word : "?", word ? length : 1);
        break;
    case DTQ_KIND_BUF:
    case DTQ_KIND_DRAM:
        if (f->kind == DTQ_KIND_BUF && value == dtq_field_none(f))
            put(w, "none");
        else
            put_number(w, value, 16);
        break;
    case DTQ_KIND_TENSOR:
        if (value == dtq_field_none(f))
            put(w, "none");
        else
            put_reference(w, d ? &d->tensors : NULL,
                          d && index < d->program->tensor_count ? d->program->tensors[index].name : NULL, index);
        break;
    case DTQ_KIND_F32:
        memcpy(&real, &bits, sizeof real);
        if ((bits & 0x7f800000u) == 0x7f800000u)
            put_number(w, bits, 16); /* infinities and NaNs by their bits */
        else
            put_real(w, (double)real, true);
        break;
    default:
        put_number(w, value, 10);
    }
}

static void put_instr(writer *w, const dictionary *d, const dtq_instr *in) {
    char name[16];
    put(w, dtq_queue_name(in->queue, name));
    put(w, ": ");
    if (in->op >= DTQ_OP_COUNT) {
        put(w, "?");
        return;
    }
    const dtq_op_info *op = &dtq_ops[in->op];
    put(w, op->mnemonic);
    for (unsigned i = 0; i < op->field_count; i++)
        if (op->fields[i].kind != DTQ_KIND_FLAG || in->f[i])
            put_field(w, d, &op->fields[i], in->f[i]);
}

const char *dtq_instr_text(const dtq_instr *in, char *buf, size_t room) {
    writer w = {NULL, buf, 0, room - 1};
    put_instr(&w, NULL, in);
    buf[w.used] = 0;
    return buf;
}

/* @ "op" "file":line:col, then the keys whose values the instruction does not say itself. */
static void put_source(writer *w, const dictionary *d, const dtq_instr *in, const dtq_source *s) {
    const char *const *strings = d->program->strings;
    put(w, " @ ");
    put_reference(w, &d->strings, strings[s->op], s->op);
    if (s->file || s->line || s->col) {
        put_bytes(w, " ", 1);
        put_reference(w, &d->strings, s->file < d->program->string_count ? strings[s->file] : NULL, s->file);
        put_bytes(w, ":", 1);
        put_number(w, s->line, 10);
        put_bytes(w, ":", 1);
        put_number(w, s->col, 10);
    }
    dtq_source implied;
    dtq_source_of_instr(in, &implied);
    for (unsigned i = 0; i < DTQ_SOURCE_KEYS; i++) {
        uint32_t value = dtq_source_get(s, i);
        if (value == dtq_source_get(&implied, i))
            continue;
        put_bytes(w, " ", 1);
        put(w, dtq_source_keys[i].key);
        put_bytes(w, "=", 1);
        if (value == UINT32_MAX)
            put(w, "none");
        else
            put_number(w, value, 10);
    }
}

/* `has`: which instructions alone; NULL: all, and what else the stream says. */
static void put_stream(writer *w, const dictionary *d, const dtq_stream *s, const bool *has) {
    char title[96];
    snprintf(title, sizeof title, "\n# %" PRIu32 " tokens: %" PRIu32 " layers, %zu instructions\n", s->seq,
             s->layer_count, s->count);
    put(w, title);
    if (!has) {
        put_directive(w, &dtq_directive_stream, s);
        for (uint32_t i = 0; i < s->layer_count; i++)
            put_layer(w, &s->layers[i]);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (has && !has[i])
            continue;
        put(w, "  ");
        put_instr(w, d, &s->instrs[i]);
        if (s->sources)
            put_source(w, d, &s->instrs[i], &s->sources[i]);
        put_bytes(w, "\n", 1);
    }
}

static void put_program(writer *w, const dictionary *d) {
    const dtq_program *p = d->program;
    char line[96];
    snprintf(line, sizeof line, ".version %d\n", DTQ_CONTAINER_VERSION);
    put(w, line);
    put_directive(w, &dtq_directive_program, p);
    if (p->scheme.kind != DTQ_SCHEME_MIXED) {
        put(w, ".scheme ");
        put_quoted(w, dtq_do_scheme_text(&p->scheme, (char[DTQ_SCHEME_TEXT_MOST]){0}));
        put(w, "\n");
    }
    put(w, "\n");
    put_machine(w, p->machine);
    if (p->string_count)
        put(w, "\n");
    for (size_t i = 0; i < p->string_count; i++) {
        put(w, ".string ");
        put_quoted(w, p->strings[i]);
        put(w, "\n");
    }
    if (p->file_count)
        put(w, "\n");
    for (size_t i = 0; i < p->file_count; i++)
        put_directive(w, &dtq_directive_file, &p->files[i]);
    if (p->tensor_count)
        put(w, "\n");
    for (size_t i = 0; i < p->tensor_count; i++)
        put_directive(w, &dtq_directive_tensor, &p->tensors[i]);
    for (size_t i = 0; i < p->stream_count; i++)
        put_stream(w, d, &p->streams[i], NULL);
}

/* false: there is no memory. */
static bool put_part(writer *w, const dictionary *d, const dtq_program_part *part, const char *title) {
    const dtq_program *p = d->program;
    bool memory = true;
    put(w, "# a part of the program: ");
    put(w, title);
    put(w, "; as text it is no program\n");
    for (size_t i = 0; memory && i < p->stream_count; i++) {
        bool *has = malloc(p->streams[i].count + 1);
        memory = has != NULL;
        if (memory) {
            dtq_part_of(&p->streams[i], part, has);
            put_stream(w, d, &p->streams[i], has);
        }
        free(has);
    }
    return memory;
}

bool dtq_do_disassemble(const dtq_program *p, const dtq_program_part *part, const char *title, FILE *out,
                        dtq_error *e) {
    if (!dtq_program_check(p, e))
        return false;
    enum { TEXT_BYTES = 65536 };
    dictionary d = {.program = p};
    bool memory = true;
    for (size_t i = 0; memory && i < p->string_count; i++)
        memory = dtq_names_add(&d.strings, p->strings[i], strlen(p->strings[i]), (uint32_t)i);
    for (size_t i = 0; memory && i < p->tensor_count; i++)
        memory = dtq_names_add(&d.tensors, p->tensors[i].name, strlen(p->tensors[i].name), (uint32_t)i);
    writer w = {out, malloc(TEXT_BYTES), 0, TEXT_BYTES};
    if (memory && w.text) {
        const dtq_points points = dtq_points_begin();
        if (part)
            memory = put_part(&w, &d, part, title);
        else
            put_program(&w, &d);
        flush(&w);
        dtq_points_end(points);
    } else {
        memory = false;
    }
    const size_t names_bytes = dtq_names_bytes(&d.strings) + dtq_names_bytes(&d.tensors);
    free(w.text);
    dtq_names_free(&d.strings);
    dtq_names_free(&d.tensors);
    if (!memory)
        return dtq_no_memory(e, TEXT_BYTES + names_bytes, "the disassembly");
    return !ferror(out) || dtq_fail(e, DTQ_IO, "cannot write the disassembly");
}
