/* The text form of a module: one op a line, attributes by the kind of their key. Grammar: IR.md. */
#include "ir/view.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/isa/instruction.h"
#include "runtime/visible.h"

/* ---- output ----------------------------------------------------------------------------------------------------- */

/* A buffer in front of the FILE: dumps of streams have a million lines. */
typedef struct {
    FILE *file;
    size_t used;
    char text[1 << 16];
    src_loc last; /* location written last */
} writer;

static void flush(writer *w) {
    fwrite(w->text, 1, w->used, w->file);
    w->used = 0;
}

static void put_bytes(writer *w, const char *s, size_t n) {
    if (n > sizeof w->text - w->used) {
        flush(w);
        if (n > sizeof w->text) {
            fwrite(s, 1, n, w->file);
            return;
        }
    }
    memcpy(w->text + w->used, s, n);
    w->used += n;
}

static void put(writer *w, const char *s) {
    put_bytes(w, s, strlen(s));
}

static void put_unsigned(writer *w, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    put_bytes(w, digits + at, sizeof digits - at);
}

static void put_int(writer *w, int64_t value) {
    if (value < 0)
        put_bytes(w, "-", 1);
    put_unsigned(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* The fewest digits that read back as the same number. */
static void put_real(writer *w, double value) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put(w, value != value ? "nan" : text);
}

static void put_string(writer *w, const char *s) {
    static const char hex[] = "0123456789abcdef";
    put_bytes(w, "\"", 1);
    for (size_t left = strlen(s), n; left > 0; s += n, left -= n) {
        const unsigned char c = (unsigned char)*s;
        n = dtq_visible_length(s, left);
        if (c == '"' || c == '\\')
            put_bytes(w, (char[]){'\\', *s}, 2);
        else if (c == '\n')
            put_bytes(w, "\\n", 2);
        else if (c == '\t')
            put_bytes(w, "\\t", 2);
        else if (n > 0)
            put_bytes(w, s, n);
        else
            put_bytes(w, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
        n = n > 0 ? n : 1;
    }
    put_bytes(w, "\"", 1);
}

/* Ops located in the text they were read from need no location: it is where they stand. */
static void put_location(writer *w, const ir_module *m, const src_loc *loc) {
    if (!loc->file || loc->file == m->text_file)
        return;
    if (w->last.file && strcmp(w->last.file, loc->file) == 0 && w->last.line == loc->line && w->last.col == loc->col) {
        put(w, " @ ^"); /* ops of one place stand together */
        return;
    }
    w->last = *loc;
    put(w, " @ ");
    put_string(w, loc->file);
    put(w, ":");
    put_unsigned(w, loc->line);
    put(w, ":");
    put_unsigned(w, loc->col);
}

/* ---- header ----------------------------------------------------------------------------------------------------- */

static void put_header(writer *w, const ir_module *m) {
    const ir_header *h = &m->header;
    put(w, "dtir 1 ");
    put(w, ir_level_name(m->level));
    put(w, "\n");
    if (h->model) {
        put(w, "model = ");
        put_string(w, h->model);
        put(w, "\n");
    }
    if (h->tokenizer) {
        put(w, "tokenizer = ");
        put_string(w, h->tokenizer);
        put(w, "\n");
    }
    put(w, "lower_case = ");
    put(w, h->lower_case ? "yes" : "no");
    put(w, "\nseq = ");
    put_unsigned(w, h->seq);
    put(w, "\nvocabulary = ");
    put_unsigned(w, h->vocabulary);
    put(w, "\npositions = ");
    put_unsigned(w, h->positions);
    put(w, "\nqkv_input = ");
    put(w, h->qkv_input ? "yes" : "no");
    put(w, "\n");
    if (h->recompute)
        put(w, "recompute = yes\n");
    if (h->scheme.kind != DTQ_SCHEME_MIXED) {
        put(w, "scheme = ");
        put_string(w, dtq_scheme_text(&h->scheme, (char[DTQ_SCHEME_TEXT_MOST]){0}));
        put(w, "\n");
    }
}

/* Word `index` of "a|b|c". */
static void put_word_of(writer *w, const char *words, uint64_t index) {
    for (; index > 0 && strchr(words, '|'); index--)
        words = strchr(words, '|') + 1;
    put_bytes(w, words, strcspn(words, "|"));
}

/* Parameters that have their defaults are left out: what remains is what makes the machine this one. */
static void put_machine(writer *w, const dtq_machine *machine) {
    dtq_machine plain;
    dtq_machine_init(&plain);
    put(w, "machine ");
    put_string(w, machine->name);
    put(w, " {\n");
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        const double value = dtq_machine_get(machine, p), usual = dtq_machine_get(&plain, p);
        if (memcmp(&value, &usual, sizeof value) == 0)
            continue;
        put(w, "    ");
        put(w, p->section);
        put(w, ".");
        put(w, p->name);
        put(w, " = ");
        if (p->kind == DTQ_PARAM_REAL)
            put_real(w, value);
        else if (p->kind == DTQ_PARAM_INT)
            put_unsigned(w, (uint64_t)value);
        else
            put_word_of(w, p->words, (uint64_t)value);
        put(w, "\n");
    }
    put(w, "}\n");
}

static void put_field(writer *w, const char *name, uint64_t value) {
    put(w, ", ");
    put(w, name);
    put(w, " = ");
    put_unsigned(w, value);
}

static void put_tensor(writer *w, const ir_module *m, const ir_tensor *t) {
    put(w, "tensor ");
    put_string(w, t->name);
    put(w, " {dtype = ");
    put(w, t->dtype);
    put_field(w, "rows", t->rows);
    put_field(w, "cols", t->cols);
    if (t->stride)
        put_field(w, "stride", t->stride);
    if (t->transposed)
        put(w, ", transposed = yes");
    if (t->file) {
        put(w, ", file = ");
        put_string(w, t->file);
    }
    if (t->file || t->offset || t->file_bytes) {
        put_field(w, "offset", t->offset);
        put_field(w, "file_bytes", t->file_bytes);
    }
    if (t->file_hash) {
        put(w, ", file_hash = ");
        put_string(w, t->file_hash);
    }
    if (!t->file || t->seed || t->mean != 0 || t->scale != 0) {
        put_field(w, "seed", t->seed);
        put(w, ", mean = ");
        put_real(w, t->mean);
        put(w, ", scale = ");
        put_real(w, t->scale);
    }
    if (t->scales)
        put_field(w, "scales", t->scales);
    if (t->zeros)
        put_field(w, "zeros", t->zeros);
    if (t->by_rows)
        put(w, ", by_rows = yes");
    put(w, "}");
    put_location(w, m, &t->loc);
    put(w, "\n");
}

/* ---- ops -------------------------------------------------------------------------------------------------------- */

static void put_value_of(writer *w, const ir_attr *attr) {
    switch ((ir_kind)attr->kind) {
    case IR_KIND_INT:
        put_int(w, attr->i);
        break;
    case IR_KIND_REAL:
        put_real(w, attr->r);
        break;
    case IR_KIND_STR:
        put_string(w, attr->s);
        break;
    case IR_KIND_WORD:
        put(w, attr->s);
        break;
    case IR_KIND_INTS:
        put(w, "[");
        for (uint32_t i = 0; i < attr->count; i++) {
            put(w, i ? ", " : "");
            put_int(w, attr->ints[i]);
        }
        put(w, "]");
        break;
    case IR_KIND_RANGE:
        put_int(w, attr->range->lo);
        put(w, "..");
        put_int(w, attr->range->hi);
        break;
    case IR_KIND_RUNS:
        put(w, "[");
        for (uint32_t i = 0; i < attr->count; i++) {
            put(w, i ? ", " : "");
            put_int(w, attr->runs[i].count);
            put(w, "*");
            put_int(w, attr->runs[i].value);
        }
        put(w, "]");
        break;
    case IR_KIND_QUEUE: {
        char name[16];
        put(w, dtq_queue_name((unsigned)attr->i, name));
        break;
    }
    }
}

static void put_attr(writer *w, const ir_attr *attr) {
    put(w, ir_key_get(attr->key)->name);
    put(w, " = ");
    put_value_of(w, attr);
}

static void put_type(writer *w, ir_type type) {
    put(w, ir_elem_name((ir_elem)type.elem));
    if (type.rank == 0)
        return;
    put(w, "[");
    for (unsigned i = 0; i < type.rank; i++) {
        put(w, i ? ", " : "");
        put_unsigned(w, type.dim[i]);
    }
    put(w, "]");
}

static void put_value(writer *w, const uint32_t *numbers, size_t count, ir_value v) {
    if (v == IR_NONE) {
        put(w, "_");
        return;
    }
    put(w, "%");
    put_unsigned(w, v < count && numbers[v] != IR_NONE ? numbers[v] : count + (uint64_t)v);
}

static void put_op(writer *w, const ir_module *m, const ir_op *op, const uint32_t *numbers) {
    if (op->result != IR_NONE) {
        put_value(w, numbers, m->value_count, op->result);
        put(w, " = ");
    }
    put(w, ir_info((ir_opcode)op->code)->spelling);
    for (unsigned i = 0; i < op->operand_count; i++) {
        put(w, i ? ", " : " ");
        put_value(w, numbers, m->value_count, m->operands[op->operands + i]);
    }
    for (unsigned i = 0; i < op->attr_count; i++) {
        put(w, i ? ", " : " {");
        put_attr(w, &m->attrs[op->attrs + i]);
    }
    if (op->attr_count)
        put(w, "}");
    if (op->result != IR_NONE) {
        put(w, " : ");
        put_type(w, m->types[op->result]);
    }
    put_location(w, m, &op->loc);
    put(w, "\n");
}

/* Values are printed by the order of their definitions, whatever gaps passes have left in their numbers, so that text
 * read back prints the same; values that nothing defines get numbers beyond all others. */
static uint32_t *number_values(arena *scratch, const ir_module *m) {
    uint32_t *numbers = ARENA_ARRAY(scratch, uint32_t, m->value_count);
    for (size_t v = 0; v < m->value_count; v++)
        numbers[v] = IR_NONE;
    uint32_t next = 0;
    for (size_t i = 0; i < m->op_count; i++)
        if (m->ops[i].result < m->value_count)
            numbers[m->ops[i].result] = next++;
    return numbers;
}

void ir_print_view(const ir_module *m, const ir_view *v, FILE *out) {
    arena *scratch = arena_new();
    writer *w = ARENA_NEW(scratch, writer);
    const bool *shown = ir_view_ops(scratch, m, v);
    w->file = out;
    if (ir_view_is_whole(v)) {
        put_header(w, m);
        put_machine(w, &m->machine);
        for (size_t i = 0; i < m->tensor_count; i++)
            put_tensor(w, m, &m->tensors[i]);
        if (m->op_count)
            put(w, "\n");
    } else {
        put(w, "# a part of the module: ");
        put(w, ir_view_text(scratch, v));
        put(w, "; as text it is no module\n");
    }
    const uint32_t *numbers = number_values(scratch, m);
    for (size_t i = 0; i < m->op_count; i++)
        if (shown[i])
            put_op(w, m, &m->ops[i], numbers);
    flush(w);
    arena_free(scratch);
}

void ir_print(const ir_module *m, FILE *out) {
    ir_print_view(m, &(ir_view){0}, out);
}

const char *ir_attr_text(arena *a, const ir_attr *attr) {
    arena *scratch = arena_new();
    writer *w = ARENA_NEW(scratch, writer);
    char *text = NULL;
    size_t bytes = 0;
    const char *out = "";
    w->file = open_memstream(&text, &bytes);
    if (w->file) {
        put_value_of(w, attr);
        flush(w);
        if (fclose(w->file) == 0)
            out = arena_strndup(a, text, bytes);
    }
    free(text);
    arena_free(scratch);
    return out;
}

/* ---- equality ---------------------------------------------------------------------------------------------------- */

bool ir_equal(const ir_module *a, const ir_module *b) {
    char *texts[2] = {NULL, NULL};
    size_t bytes[2] = {0, 0};
    bool whole = true;
    for (int i = 0; i < 2; i++) {
        FILE *out = open_memstream(&texts[i], &bytes[i]);
        if (!out)
            return false;
        ir_print(i ? b : a, out);
        whole &= !ferror(out);
        whole &= fclose(out) == 0;
    }
    bool equal = whole && bytes[0] == bytes[1] && memcmp(texts[0], texts[1], bytes[0]) == 0;
    free(texts[0]);
    free(texts[1]);
    return equal;
}
