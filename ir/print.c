/* The text form of a module: one op a line, attributes by the kind of their key. Grammar: IR.md. */
#include "ir/fold.h"
#include "ir/fold_layers.h"
#include "ir/view.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/isa/instruction.h"
#include "runtime/machine_members.h"
#include "runtime/visible.h"

/* ---- output ----------------------------------------------------------------------------------------------------- */

/* A buffer in front of the FILE: dumps of streams have a million lines. */
typedef struct {
    FILE *file;
    size_t used;
    char text[1 << 16];
    src_loc last;            /* location written last */
    const char *last_source; /* `source` written last */
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

static bool in_text(const ir_module *m, const src_loc *origin) {
    return !origin->file || origin->file == m->text_file;
}

static const src_loc *tensor_origin(const ir_tensor *t) {
    return t->origin.file ? &t->origin : &t->loc;
}

/* What comes from the text it was read from needs no location: it is where it stands. */
static void put_location(writer *w, const ir_module *m, const src_loc *loc) {
    if (in_text(m, loc))
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
    if (h->plain && m->level < IR_SCHEDULE)
        put(w, "plain = yes\n");
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

static void put_key(writer *w, const char *name, bool *any) {
    put(w, *any ? ", " : "{");
    put(w, name);
    put(w, " = ");
    *any = true;
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What a tensor says that the one before it in the list does not; of the first, that is none. */
static void put_tensor(writer *w, const ir_module *m, const ir_tensor *t, const ir_tensor *before) {
    const ir_tensor none = {0}, *b = before ? before : &none;
    const struct {
        const char *name;
        uint64_t value, before;
        bool always;
    } numbers[] = {
        {"rows", t->rows, b->rows, !before},
        {"cols", t->cols, b->cols, !before},
        {"stride", t->stride, b->stride, false},
        {"offset", t->offset, b->offset, false},
        {"file_bytes", t->file_bytes, b->file_bytes, false},
        {"seed", t->seed, b->seed, false},
        {"scales", t->scales, b->scales, false},
        {"zeros", t->zeros, b->zeros, false},
    };
    const struct {
        const char *name;
        bool value, before;
    } flags[] = {{"transposed", t->transposed, b->transposed}, {"by_rows", t->by_rows, b->by_rows}};
    bool any = false;
    put_string(w, t->name);
    put(w, " ");
    if (!same_text(t->dtype, b->dtype)) {
        put_key(w, "dtype", &any);
        put(w, t->dtype);
    }
    if (!same_text(t->file, b->file)) {
        put_key(w, "file", &any);
        put_string(w, t->file);
    }
    if (!same_text(t->file_hash, b->file_hash)) {
        put_key(w, "file_hash", &any);
        put_string(w, t->file_hash);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].always || numbers[i].value != numbers[i].before) {
            put_key(w, numbers[i].name, &any);
            put_unsigned(w, numbers[i].value);
        }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].value != flags[i].before) {
            put_key(w, flags[i].name, &any);
            put(w, flags[i].value ? "yes" : "no");
        }
    if (memcmp(&t->mean, &b->mean, sizeof t->mean) != 0) {
        put_key(w, "mean", &any);
        put_real(w, t->mean);
    }
    if (memcmp(&t->scale, &b->scale, sizeof t->scale) != 0) {
        put_key(w, "scale", &any);
        put_real(w, t->scale);
    }
    if (!same_text(t->frequencies, b->frequencies)) {
        put_key(w, "frequencies", &any);
        put_string(w, t->frequencies ? t->frequencies : "");
    }
    put(w, any ? "}" : "{}");
    put_location(w, m, tensor_origin(t));
}

/* Text that a tensor has and the next one has not cannot be taken back; that one begins another list. A location that
 * is not written is the tensor's place in the text. */
static bool follows(const ir_module *m, const ir_tensor *t, const ir_tensor *before) {
    const bool here = in_text(m, tensor_origin(t));
    return before && (t->file || !before->file) && (t->file_hash || !before->file_hash) &&
           (t->dtype || !before->dtype) && here == in_text(m, tensor_origin(before));
}

static void put_tensors(writer *w, const ir_module *m) {
    for (size_t i = 0; i < m->tensor_count; i++) {
        const ir_tensor *t = &m->tensors[i], *before = i ? t - 1 : NULL;
        const bool on = follows(m, t, before);
        put(w, on ? ", " : i ? "]\nweights [" : "weights [");
        put_tensor(w, m, t, on ? before : NULL);
    }
    if (m->tensor_count)
        put(w, "]\n");
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

static void put_value(writer *w, const ir_fold *f, ir_value v) {
    if (v == IR_NONE) {
        put(w, "_");
        return;
    }
    const size_t count = f->m->value_count; /* values that nothing defines get numbers beyond all others */
    put(w, "%");
    put(w, ir_fold_prefix(f, v));
    put_unsigned(w, v < count && f->numbers[v] != IR_NONE ? f->numbers[v] : count + (uint64_t)v);
}

/** An op as it is printed, and the same one of the second time, and of the time after a period, if it is repeated.
 * `next`: in a block that of the layer behind, else the op itself. */
typedef struct {
    size_t op, second, leap, next;
    ir_repeat by;
} printed;

/* What counts on from layer to layer: "5+1". */
static void put_step(writer *w, int64_t step) {
    if (step > 0) {
        put(w, "+");
        put_int(w, step);
    }
}

typedef struct {
    int64_t end;                /* of what counts up; the first one if nothing does */
    size_t before, behind, all; /* "before*first..end*behind"; 1: not written; all: steps from first to end */
} counting;

/* How what is `first`, then by `step` each time, and by `leap` each period, is written. */
static counting count_of(const ir_repeat *by, int64_t first, int64_t step, int64_t leap) {
    const size_t rounds = by->times / by->period;
    if (by->period == 1 || (step && leap))
        return (counting){first + step * (int64_t)by->times, 1, 1, by->times};
    if (leap)
        return (counting){first + leap * (int64_t)rounds, 1, by->period, rounds};
    return (counting){first + step * (int64_t)by->period, step ? rounds : 1, 1, by->period};
}

static void put_before(writer *w, const counting *c) {
    if (c->before > 1) {
        put_unsigned(w, c->before);
        put(w, "*");
    }
}

static void put_behind(writer *w, const counting *c) {
    if (c->behind > 1) {
        put(w, "*");
        put_unsigned(w, c->behind);
    }
}

/* A number that counts up, up to its end: "0..12". */
static void put_counted(writer *w, const ir_repeat *by, int64_t first, int64_t second, int64_t leap) {
    const counting c = count_of(by, first, second - first, leap - first);
    put_before(w, &c);
    put_int(w, first);
    if (c.end != first) {
        put(w, "..");
        put_int(w, c.end);
    }
    put_behind(w, &c);
}

/** A buffer that an op declares, as `printed`. */
typedef struct {
    size_t def, second, leap, next;
} printed_buffer;

static void put_number_of(writer *w, const ir_module *m, const ir_repeat *by, const printed_buffer *b, ir_key key) {
    put_counted(w, by, ir_int(m, b->def, key, 0), ir_int(m, b->second, key, 0), ir_int(m, b->leap, key, 0));
    put_step(w, ir_int(m, b->next, key, 0) - ir_int(m, b->def, key, 0));
}

/* ":space[bytes, address, "name"]", as far as they are there. */
static void put_buffer(writer *w, const ir_module *m, const ir_repeat *by, const printed_buffer *b) {
    const char *name = ir_str(m, b->def, IR_KEY_name);
    put(w, ":");
    put(w, ir_str(m, b->def, IR_KEY_space));
    put(w, "[");
    put_number_of(w, m, by, b, IR_KEY_bytes);
    if (ir_get(m, b->def, IR_KEY_address)) {
        put(w, ", ");
        put_number_of(w, m, by, b, IR_KEY_address);
    }
    if (name) {
        put(w, ", ");
        put_string(w, name);
    }
    put(w, "]");
}

static void put_operand(writer *w, const ir_fold *f, const printed *p, unsigned i) {
    const ir_module *m = f->m;
    const ir_value v = m->operands[m->ops[p->op].operands + i], second = m->operands[m->ops[p->second].operands + i];
    const ir_value leap = m->operands[m->ops[p->leap].operands + i];
    if (v == second && v == leap) {
        put_value(w, f, v);
    } else {
        const int64_t first = f->numbers[v];
        const counting c =
            count_of(&p->by, first, (int64_t)f->numbers[second] - first, (int64_t)f->numbers[leap] - first);
        put_before(w, &c);
        put_value(w, f, v);
        put(w, "..%");
        put(w, ir_fold_prefix(f, v));
        put_int(w, c.end);
        put_behind(w, &c);
    }
    if (p->next != p->op && v != IR_NONE)
        put_step(w, ir_fold_value_step(f, p->op, p->next, i));
    if (ir_fold_shows(f, p->op, i)) {
        const ir_value next = m->operands[m->ops[p->next].operands + i];
        put_buffer(w, m, &p->by, &(printed_buffer){f->defs[v], f->defs[second], f->defs[leap], f->defs[next]});
    }
}

/* "array0..array12", on past the last array. */
static void put_queues(writer *w, const ir_module *m, const ir_repeat *by, const ir_attr *first, const ir_attr *second,
                       const ir_attr *leap) {
    const int64_t arrays = (int64_t)dtq_machine_arrays(m->machine), way = (leap->i - first->i + arrays) % arrays;
    int64_t step = (second->i - first->i + arrays) % arrays;
    const counting c = count_of(by, first->i - DTQ_ARRAY0, step, way);
    put_before(w, &c);
    put_value_of(w, first);
    put(w, "..array");
    put_int(w, c.end);
    put_behind(w, &c);
}

static void put_attr(writer *w, const ir_module *m, const printed *p, unsigned i) {
    const ir_attr *attr = &m->attrs[m->ops[p->op].attrs + i], *second = &m->attrs[m->ops[p->second].attrs + i];
    const ir_attr *leap = &m->attrs[m->ops[p->leap].attrs + i];
    put(w, ir_key_get(attr->key)->name);
    put(w, " = ");
    if (attr->key == IR_KEY_source && w->last_source && strcmp(w->last_source, attr->s) == 0) {
        put(w, "^");
        return;
    }
    w->last_source = attr->key == IR_KEY_source ? attr->s : w->last_source;
    if (p->by.times == 1 || (ir_attr_equal(attr, second) && ir_attr_equal(attr, leap))) {
        put_value_of(w, attr);
    } else if (attr->kind == IR_KIND_INT) {
        put_counted(w, &p->by, attr->i, second->i, leap->i);
    } else if (attr->kind == IR_KIND_QUEUE) {
        put_queues(w, m, &p->by, attr, second, leap);
    } else { /* one word the first time, another later */
        put_value_of(w, attr);
        put(w, "..");
        put_value_of(w, second);
    }
    put_step(w, ir_fold_step(attr, &m->attrs[m->ops[p->next].attrs + i]));
}

static void put_op(writer *w, const ir_fold *f, const printed *p) {
    const ir_module *m = f->m;
    const ir_op *op = &m->ops[p->op];
    if (op->result != IR_NONE) {
        put_value(w, f, op->result);
        put(w, " = ");
    }
    put(w, ir_info((ir_opcode)op->code)->spelling);
    for (unsigned i = 0; i < op->operand_count; i++) {
        put(w, i ? ", " : " ");
        put_operand(w, f, p, i);
    }
    for (unsigned i = 0; i < op->attr_count; i++) {
        put(w, i ? ", " : " {");
        put_attr(w, m, p, i);
    }
    if (op->attr_count)
        put(w, "}");
    if (op->result != IR_NONE) {
        put(w, " : ");
        put_type(w, m->types[op->result]);
    }
    put_location(w, m, ir_origin(m, &op->loc));
    put(w, "\n");
}

/* Items [item, end); those of the layer behind are `ahead` further on, in a block. A repeat begins with how many times,
 * "12x", and its other ops with a bar. */
static void put_items(writer *w, const ir_fold *f, size_t item, size_t end, size_t ahead) {
    ir_fold part = *f;
    ir_repeat by;
    part.count = end;
    for (; item < end; item += by.times * by.length) {
        by = ir_fold_repeat(&part, item);
        char times[24];
        const int width = snprintf(times, sizeof times, "%zux ", by.times);
        for (size_t i = item; i < item + by.length; i++) {
            const bool repeated = by.times > 1;
            if (repeated && i > item)
                snprintf(times, sizeof times, "%*s", width, "| ");
            if (repeated)
                put(w, times);
            const printed p = {f->items[i], f->items[repeated ? i + by.length : i],
                               f->items[repeated ? i + by.period * by.length : i], f->items[i + ahead], by};
            put_op(w, f, &p);
        }
    }
}

/* Layers that are alike, once: how many, their ops in braces, and which they are. */
static void put_block(writer *w, const ir_fold *f, size_t item, const ir_block *b) {
    char text[80];
    snprintf(text, sizeof text, "%zux { # layers %lld..%lld\n", b->times, (long long)b->first,
             (long long)b->first + (long long)b->times);
    put(w, text);
    w->last_source = NULL; /* it is another in each layer */
    put_items(w, f, item, item + b->length, b->length);
    w->last_source = NULL;
    put(w, "}\n");
}

static void put_ops(writer *w, const ir_fold *f, bool whole) {
    size_t done = 0;
    for (size_t item = 0; item < f->count;) {
        const ir_block b = whole ? ir_fold_block(f, item) : (ir_block){1, 1, 0};
        if (b.times > 1) {
            put_items(w, f, done, item, 0);
            put_block(w, f, item, &b);
            done = item + b.length * b.times;
        }
        item += b.length * b.times;
    }
    put_items(w, f, done, f->count, 0);
}

void ir_print_view(const ir_module *m, const ir_view *v, FILE *out) {
    arena *scratch = arena_new();
    writer *w = ARENA_NEW(scratch, writer);
    const bool *shown = ir_view_ops(scratch, m, v);
    w->file = out;
    if (ir_view_is_whole(v)) {
        put_header(w, m);
        put_machine(w, m->machine);
        put_tensors(w, m);
        if (m->op_count)
            put(w, "\n");
    } else {
        put(w, "# a part of the module: ");
        put(w, ir_view_text(scratch, v));
        put(w, "; as text it is no module\n");
    }
    const ir_fold fold = ir_fold_of(scratch, m, shown, !ir_view_is_whole(v));
    put_ops(w, &fold, ir_view_is_whole(v));
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
