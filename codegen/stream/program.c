/* From modules at the stream level to a program: instructions one to one, addresses of the layer table, and the source
 * map. */
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/stream/layers.h"
#include "codegen/stream/strings.h"

/* Operands that the source map repeats. */
static const char *const source_names[] = {"layer", "head", "row", "rows", "col", "cols"};
enum { SOURCE_FIELDS = sizeof source_names / sizeof *source_names };

typedef struct {
    const char *text;
    uint32_t number;
} shared_string;

typedef struct {
    arena *a;
    arena *scratch; /* of what goes before the program */
    diag *d;
    string_table *strings;
    uint64_t *addresses;                                      /* by value, of the module under way */
    int8_t *field_of[DTQ_OP_COUNT];                           /* by attribute key: the field that it is, or -1 */
    uint8_t address_fields[DTQ_OP_COUNT][DTQ_FIELDS_MAX + 1]; /* the field of each operand, then DTQ_FIELDS_MAX */
    size_t next_tensor; /* behind the one named last: instructions name tensors in the order of their table, mostly */
    int source_fields[DTQ_OP_COUNT][SOURCE_FIELDS]; /* operand that source_names[i] is, -1 if the op has none */
    shared_string last_op, last_file;
    shared_string last_word[DTQ_OP_COUNT][DTQ_FIELDS_MAX]; /* of ENUM fields */
} generator;

/* ---- layers ---------------------------------------------------------------------------------------------------- */

static void generate_layer(generator *g, const ir_module *m, size_t op, dtq_layer *l) {
    *l = layer_facts(g->a, m, op);
    uint64_t *const places[] = {&l->q, &l->k, &l->v, &l->q_scale, &l->k_scale, &l->v_scale, &l->out, &l->importance_at};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        *places[i] = g->addresses[ir_operand(m, op, i)];
}

/* ---- instructions ---------------------------------------------------------------------------------------------- */

static void find_field_keys(generator *g) {
    for (int op = 0; op < DTQ_OP_COUNT; op++) {
        size_t addresses = 0;
        g->field_of[op] = ARENA_ARRAY(g->a, int8_t, ir_key_count());
        memset(g->field_of[op], -1, ir_key_count());
        for (int i = 0; i < SOURCE_FIELDS; i++)
            g->source_fields[op][i] = -1;
        for (uint8_t f = 0; f < dtq_ops[op].field_count; f++) {
            const dtq_field_info *field = &dtq_ops[op].fields[f];
            bool address = field->kind == DTQ_KIND_BUF || field->kind == DTQ_KIND_DRAM;
            for (int i = 0; i < SOURCE_FIELDS; i++)
                if (strcmp(field->name, source_names[i]) == 0)
                    g->source_fields[op][i] = f;
            if (address)
                g->address_fields[op][addresses++] = f;
            else
                g->field_of[op][ir_key_find(field->name, strlen(field->name))] = (int8_t)f;
        }
        g->address_fields[op][addresses] = DTQ_FIELDS_MAX;
    }
}

/** Number of a word of an ENUM field. Instructions share the text of their words: a pointer met before is answered at
 *  once. */
static bool word_number(generator *g, const ir_module *m, size_t op, const dtq_field_info *field, const char *text,
                        uint64_t *out) {
    int code = IR_ISA_OP(m->ops[op].code);
    shared_string *last = &g->last_word[code][field - dtq_ops[code].fields];
    size_t length;
    for (unsigned w = 0; last->text != text; w++) {
        const char *word = dtq_enum_word(field, w, &length);
        if (!word)
            return diag_error(g->d, m->ops[op].loc, "'%s' is no value of %s", text, field->name);
        if (strlen(text) == length && memcmp(word, text, length) == 0)
            *last = (shared_string){text, w};
    }
    *out = last->number;
    return true;
}

/** Number of a tensor by its name, or -1. */
static int tensor_number(generator *g, const ir_module *m, const char *name) {
    for (size_t i = g->next_tensor; i < m->tensor_count && i < g->next_tensor + 2; i++)
        if (strcmp(m->tensors[i].name, name) == 0) {
            g->next_tensor = i + 1;
            return (int)i;
        }
    const int found = ir_tensor_find(m, name);
    g->next_tensor = found < 0 ? 0 : (size_t)found + 1;
    return found;
}

static bool field_value(generator *g, const ir_module *m, size_t op, const dtq_field_info *field, const ir_attr *attr,
                        uint64_t *out) {
    switch (field->kind) {
    case DTQ_KIND_TENSOR: {
        int index = attr->s[0] ? tensor_number(g, m, attr->s) : -1;
        if (attr->s[0] && index < 0)
            return diag_error(g->d, m->ops[op].loc, "there is no tensor \"%s\"", attr->s);
        *out = attr->s[0] ? (uint64_t)index : dtq_field_none(field);
        return true;
    }
    case DTQ_KIND_ENUM:
    case DTQ_KIND_FLAG:
        return word_number(g, m, op, field, attr->s, out);
    case DTQ_KIND_F32: {
        float value = (float)attr->r;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        *out = bits;
        return true;
    }
    default:
        *out = (uint64_t)attr->i;
        return true;
    }
}

/** What of an instruction's attributes is no field of it. */
typedef struct {
    const char *source;
    uint64_t done;
} beside_fields;

static bool generate_instr(generator *g, const ir_module *m, size_t op, dtq_instr *out, beside_fields *beside) {
    const ir_op *o = &m->ops[op];
    const int code = IR_ISA_OP(o->code);
    const dtq_field_info *fields = dtq_ops[code].fields;
    const int8_t *field_of = g->field_of[code];
    *out = (dtq_instr){.op = (uint8_t)code}; /* 0 is a flag that is not given */
    *beside = (beside_fields){.source = ""};
    for (const ir_attr *attr = o->attr_count ? &m->attrs[o->attrs] : NULL, *end = attr + o->attr_count; attr < end;
         attr++) {
        const int f = field_of[attr->key];
        if (f >= 0 && attr->kind == IR_KIND_INT)
            out->f[f] = (uint64_t)attr->i;
        else if (f >= 0 && !field_value(g, m, op, &fields[f], attr, &out->f[f]))
            return false;
        else if (attr->key == IR_KEY_queue)
            out->queue = (uint8_t)attr->i;
        else if (attr->key == IR_KEY_source)
            beside->source = attr->s;
        else if (attr->key == IR_KEY_done)
            beside->done = (uint64_t)attr->i;
    }
    const uint8_t *address = g->address_fields[code];
    for (size_t operand = 0; *address < DTQ_FIELDS_MAX; operand++, address++) {
        ir_value v = ir_operand(m, op, operand);
        out->f[*address] = v == IR_NONE ? dtq_field_none(&fields[*address]) : g->addresses[v];
    }
    return true;
}

/** Number of a string that ops repeat by pointer: the table is asked only when the pointer changes. */
static uint32_t string_number(generator *g, shared_string *last, const char *text) {
    if (!last->text || last->text != text)
        *last = (shared_string){text, string_add(g->strings, text)};
    return last->number;
}

static dtq_source source_of(generator *g, src_loc loc, const char *op, const dtq_instr *in) {
    dtq_source s = {.op = string_number(g, &g->last_op, op),
                    .file = string_number(g, &g->last_file, loc.file ? loc.file : ""),
                    .line = loc.file ? loc.line : 0,
                    .col = loc.file ? loc.col : 0,
                    .layer = UINT32_MAX,
                    .head = UINT32_MAX};
    uint32_t *const to[SOURCE_FIELDS] = {&s.layer, &s.head, &s.row, &s.rows, &s.tile_col, &s.tile_cols};
    for (int i = 0; i < SOURCE_FIELDS; i++)
        if (g->source_fields[in->op][i] >= 0)
            *to[i] = (uint32_t)in->f[g->source_fields[in->op][i]];
    return s;
}

/* ---- streams --------------------------------------------------------------------------------------------------- */

/** Inputs and the output are named DRAM buffers: q, k, v, and output.pooled, output.hidden or output.attention. */
static bool find_end(const ir_module *m, size_t op, const char *name, dtq_stream *s) {
    static const char *const inputs[] = {"q", "k", "v"};
    static const char *const outputs[] = {[DTQ_OUTPUT_POOLED] = "output.pooled",
                                          [DTQ_OUTPUT_HIDDEN] = "output.hidden",
                                          [DTQ_OUTPUT_ATTENTION] = "output.attention"};
    bool found = false;
    uint64_t at = (uint64_t)ir_int(m, op, IR_KEY_address, 0), bytes = (uint64_t)ir_int(m, op, IR_KEY_bytes, 0);
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, inputs[i]) == 0)
            s->input_at[i] = at;
        if (strcmp(name, outputs[i]) == 0) {
            uint64_t rows = i == DTQ_OUTPUT_POOLED ? 1 : s->seq;
            s->output = (uint8_t)i;
            s->output_at = at;
            s->output_width = (uint32_t)(bytes / 4 / rows);
            found = true;
        }
    }
    return found;
}

/** Where buffers lie, and what begins and ends in them; how many instructions and layers there are. */
static bool survey(generator *g, const ir_module *m, dtq_stream *s) {
    bool ends = false;
    *s = (dtq_stream){.seq = m->header.seq, .input = m->header.qkv_input ? DTQ_INPUT_QKV : DTQ_INPUT_TOKENS};
    g->addresses = ARENA_ARRAY(g->scratch, uint64_t, m->value_count + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        s->count += ir_is_instr((ir_opcode)m->ops[op].code);
        s->layer_count += m->ops[op].code == IR_LAYER;
        if (m->ops[op].code != IR_BUFFER)
            continue;
        const uint64_t at = (uint64_t)ir_int(m, op, IR_KEY_address, 0);
        const uint64_t end = at + (uint64_t)ir_int(m, op, IR_KEY_bytes, 0);
        const char *name = ir_str(m, op, IR_KEY_name);
        g->addresses[m->ops[op].result] = at;
        if (strcmp(ir_str(m, op, IR_KEY_space), "dram") == 0 && end > s->dram_bytes)
            s->dram_bytes = end;
        ends |= name && find_end(m, op, name, s);
    }
    return ends || diag_error(g->d, (src_loc){0}, "the module has no output");
}

/** A signal belongs to the instruction before it in its queue, a wait to the one behind it: their rows of the source
 * map are its. */
static void attribute_sync(dtq_stream *s) {
    const dtq_source *neighbour[DTQ_QUEUE_MAX + 1] = {NULL};
    for (size_t i = 0; i < s->count; i++) {
        if (s->instrs[i].op == DTQ_OP_SIGNAL && neighbour[s->instrs[i].queue])
            s->sources[i] = *neighbour[s->instrs[i].queue];
        else if (s->instrs[i].op != DTQ_OP_WAIT)
            neighbour[s->instrs[i].queue] = &s->sources[i];
    }
    memset(neighbour, 0, sizeof neighbour);
    for (size_t i = s->count; i-- > 0;) {
        if (s->instrs[i].op == DTQ_OP_WAIT && neighbour[s->instrs[i].queue])
            s->sources[i] = *neighbour[s->instrs[i].queue];
        else if (s->instrs[i].op != DTQ_OP_SIGNAL)
            neighbour[s->instrs[i].queue] = &s->sources[i];
    }
}

enum { FORGET_OPS = 1 << 14 }; /* are made into instructions before they are given back together */

/** For each FORGET_OPS ops: the first attribute that these or later ones have. */
static uint32_t *first_attrs(arena *a, const ir_module *m) {
    uint32_t *first = ARENA_ARRAY(a, uint32_t, m->op_count / FORGET_OPS + 2), least = (uint32_t)m->attr_count;
    for (size_t op = m->op_count; op-- > 0;) {
        if (m->ops[op].attr_count && m->ops[op].attrs < least)
            least = m->ops[op].attrs;
        if (op % FORGET_OPS == 0)
            first[op / FORGET_OPS] = least;
    }
    return first;
}

/** `given_up`: the module, or NULL if it is needed behind this. */
static bool generate_stream(generator *g, const ir_module *m, ir_module *given_up, dtq_stream *s) {
    if (!survey(g, m, s))
        return false;
    s->layers = ARENA_ARRAY(g->a, dtq_layer, s->layer_count + 1);
    s->instrs = ARENA_ARRAY(g->a, dtq_instr, s->count + 1);
    s->sources = ARENA_ARRAY(g->a, dtq_source, s->count + 1);
    const uint32_t *first = given_up ? first_attrs(g->scratch, m) : NULL;
    size_t made = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        if (given_up && op % FORGET_OPS == 0)
            ir_module_forget(given_up, op, first[op / FORGET_OPS]);
        if (m->ops[op].code == IR_LAYER) {
            size_t index = (size_t)ir_int(m, op, IR_KEY_index, 0);
            generate_layer(g, m, op, &s->layers[index]);
            if (!s->layers[index].bits[0])
                s->static_cycles = UINT64_MAX;
        } else if (ir_is_instr((ir_opcode)m->ops[op].code)) {
            dtq_instr *in = &s->instrs[made];
            beside_fields beside;
            if (!generate_instr(g, m, op, in, &beside))
                return false;
            s->sources[made++] = source_of(g, *ir_origin(m, &m->ops[op].loc), beside.source, in);
            if (in->queue != DTQ_HOST && beside.done > s->static_cycles)
                s->static_cycles = beside.done;
        }
    }
    attribute_sync(s);
    if (given_up)
        ir_module_release(given_up);
    return true;
}

static int by_seq(const void *a, const void *b) {
    uint32_t x = ((const dtq_stream *)a)->seq, y = ((const dtq_stream *)b)->seq;
    return x < y ? -1 : x > y;
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

struct program_maker {
    generator g;
    dtq_program *p;
    size_t capacity; /* of its streams */
};

program_maker *program_begin(arena *a, diag *d, const ir_module *m) {
    program_maker *k = ARENA_NEW(a, program_maker);
    k->g = (generator){.a = a, .d = d, .strings = string_table_new(a)};
    k->p = ARENA_NEW(a, dtq_program);
    program_describe(a, m, k->p);
    find_field_keys(&k->g);
    return weights_describe(a, d, m, k->p) ? k : NULL;
}

static bool add_stream(program_maker *k, const ir_module *m, ir_module *given_up) {
    generator *g = &k->g;
    dtq_program *p = k->p;
    if (!ir_pass_ran(m, "timeline"))
        return diag_error(g->d, (src_loc){0}, "the module is not finished: its passes end before timeline");
    if (p->stream_count == k->capacity) {
        k->capacity = 2 * k->capacity + 1;
        dtq_stream *streams = ARENA_ARRAY(g->a, dtq_stream, k->capacity);
        if (p->stream_count)
            memcpy(streams, p->streams, p->stream_count * sizeof *streams);
        p->streams = streams;
    }
    /* Another module may have other words where this one's are. */
    g->last_op = g->last_file = (shared_string){0};
    memset(g->last_word, 0, sizeof g->last_word);
    g->next_tensor = 0;
    g->scratch = arena_new();
    const bool ok = generate_stream(g, m, given_up, &p->streams[p->stream_count]);
    arena_free(g->scratch);
    p->stream_count += ok;
    return ok;
}

bool program_add(program_maker *k, const ir_module *m) {
    return add_stream(k, m, NULL);
}

bool program_add_last(program_maker *k, ir_module *m) {
    return add_stream(k, m, m);
}

dtq_program *program_end(program_maker *k) {
    dtq_program *p = k->p;
    qsort(p->streams, p->stream_count, sizeof *p->streams, by_seq);
    p->strings = string_list(k->g.strings, &p->string_count);
    return p;
}

dtq_program *codegen_program(arena *a, diag *d, const ir_module *const *modules, size_t count) {
    program_maker *k = program_begin(a, d, modules[0]);
    for (size_t i = 0; k && i < count; i++)
        if (!program_add(k, modules[i]))
            return NULL;
    return k ? program_end(k) : NULL;
}
