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

/** A field that is source_names[name]. */
typedef struct {
    uint8_t field, name;
} source_field;

typedef struct {
    arena *a;
    arena *scratch; /* of what goes before the program */
    diag *d;
    string_table *strings;
    uint64_t *addresses;                                      /* by value, of the module under way */
    int8_t *field_of[DTQ_OP_COUNT];                           /* by attribute key: the field that it is, or -1 */
    uint8_t address_fields[DTQ_OP_COUNT][DTQ_FIELDS_MAX + 1]; /* the field of each operand, then DTQ_FIELDS_MAX */
    size_t next_tensor; /* behind the one named last: instructions name tensors in the order of their table, mostly */
    source_field source_fields[DTQ_OP_COUNT][SOURCE_FIELDS + 1]; /* the op's, up to one of DTQ_FIELDS_MAX */
    shared_string last_op, no_op, last_file;
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
        size_t addresses = 0, sources = 0;
        g->field_of[op] = ARENA_ARRAY(g->a, int8_t, ir_key_count());
        memset(g->field_of[op], -1, ir_key_count());
        for (uint8_t f = 0; f < dtq_ops[op].field_count; f++) {
            const dtq_field_info *field = &dtq_ops[op].fields[f];
            bool address = field->kind == DTQ_KIND_BUF || field->kind == DTQ_KIND_DRAM;
            for (int i = 0; i < SOURCE_FIELDS; i++)
                if (strcmp(field->name, source_names[i]) == 0)
                    g->source_fields[op][sources++] = (source_field){f, (uint8_t)i};
            if (address)
                g->address_fields[op][addresses++] = f;
            else
                g->field_of[op][ir_key_find(field->name, strlen(field->name))] = (int8_t)f;
        }
        g->address_fields[op][addresses] = DTQ_FIELDS_MAX;
        g->source_fields[op][sources] = (source_field){DTQ_FIELDS_MAX, 0};
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

/** An op as an instruction; *source becomes the op of the model that it is of, "" if that is not said. */
static bool generate_instr(generator *g, const ir_module *m, size_t op, dtq_instr *out, const char **source) {
    const ir_op *o = &m->ops[op];
    const int code = IR_ISA_OP(o->code);
    const dtq_field_info *fields = dtq_ops[code].fields;
    const int8_t *field_of = g->field_of[code];
    *out = (dtq_instr){.op = (uint8_t)code}; /* 0 is a flag that is not given */
    *source = "";
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
            *source = attr->s;
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
    dtq_source s = {.op = string_number(g, *op ? &g->last_op : &g->no_op, op),
                    .file = string_number(g, &g->last_file, loc.file ? loc.file : ""),
                    .line = loc.file ? loc.line : 0,
                    .col = loc.file ? loc.col : 0,
                    .layer = UINT32_MAX,
                    .head = UINT32_MAX};
    uint32_t *const to[SOURCE_FIELDS] = {&s.layer, &s.head, &s.row, &s.rows, &s.tile_col, &s.tile_cols};
    for (const source_field *f = g->source_fields[in->op]; f->field < DTQ_FIELDS_MAX; f++)
        *to[f->name] = (uint32_t)in->f[f->field];
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

/* ---- instructions in their order ------------------------------------------------------------------------------- */

enum {
    KEPT = 1 << 12,      /* rows that stay when they have been made: more than a layer of most models has */
    TOKENS_MET = 1 << 10 /* lists of attributes of tokens, which many share */
};

/** An instruction that has a row of the source map of its own: any but the tokens of others. */
typedef struct {
    size_t number; /* + 1; 0: nothing is here */
    dtq_instr instr;
    dtq_source source;
} made_row;

/** A token whose attributes others share: all of them are the same instruction. */
typedef struct {
    uint32_t attrs; /* + 1; 0: nothing is here */
    dtq_instr instr;
} met_token;

static bool is_token(unsigned code) {
    return code == DTQ_OP_WAIT || code == DTQ_OP_SIGNAL;
}

/** Makes instructions of a module, each from its op alone. A signal belongs to the instruction before it in its queue,
 * a wait to the one behind it: their rows of the source map are its. One that belongs to none has its own. The last
 * rows are kept; who asks for one from before gets it made again. */
typedef struct {
    generator *g;
    const ir_module *m;
    size_t count;
    uint32_t *op_of;   /* [count] */
    uint16_t *shapes;  /* [count] opcode | queue << 8 */
    uint32_t *row_of;  /* [count] */
    uint16_t *met_of;  /* [count] of a token that shares its attributes: its place in `met`, + 1; 0: none */
    uint32_t *row_op;  /* by row: its op */
    made_row *rows;    /* [KEPT] row r at r % KEPT, if none behind it is there */
    made_row again[2]; /* those made once more, in turns: two instructions are looked at at once */
    const made_row *last;
    dtq_instr loose[2]; /* tokens that share their attributes with none, in turns */
    unsigned again_turn, loose_turn;
    met_token met[TOKENS_MET];
} instr_maker;

/** Numbers the rows. */
static void find_rows(instr_maker *k) {
    size_t end[DTQ_QUEUE_MAX + 1] = {0}; /* by queue: behind its last instruction that is no token */
    uint32_t near[DTQ_QUEUE_MAX + 1];    /* by queue: the row of the nearest one, or none */
    const uint32_t none = UINT32_MAX;
    uint32_t rows = 0;
    for (size_t i = 0; i < k->count; i++)
        if (!is_token(k->shapes[i] & 0xff))
            end[k->shapes[i] >> 8] = i + 1;
    memset(near, 0xff, sizeof near);
    for (size_t i = 0; i < k->count; i++) {
        const unsigned code = k->shapes[i] & 0xff, queue = k->shapes[i] >> 8;
        if (code == DTQ_OP_SIGNAL && near[queue] != none) {
            k->row_of[i] = near[queue];
        } else if (code != DTQ_OP_WAIT || i >= end[queue]) {
            k->row_op[rows] = k->op_of[i];
            k->row_of[i] = rows++;
            near[queue] = is_token(code) ? near[queue] : k->row_of[i];
        }
    }
    for (size_t i = k->count; i-- > 0;) {
        const unsigned code = k->shapes[i] & 0xff, queue = k->shapes[i] >> 8;
        if (!is_token(code))
            near[queue] = k->row_of[i];
        else if (code == DTQ_OP_WAIT && i < end[queue])
            k->row_of[i] = near[queue];
    }
}

/** The place in `met`, + 1, of a token whose attributes others share and which is of no op of the model; 0: of others.
 * False: it is no instruction. */
static bool meet_token(instr_maker *k, size_t op, uint16_t *out) {
    const ir_op *o = &k->m->ops[op];
    const bool shares = o->attr_count > o->attr_capacity && is_token((unsigned)IR_ISA_OP(o->code));
    const size_t at = o->attrs / 3 % TOKENS_MET;
    met_token *met = &k->met[at];
    const char *source;
    *out = 0;
    if (!shares || (met->attrs && met->attrs != o->attrs + 1))
        return true;
    if (!met->attrs) {
        if (!generate_instr(k->g, k->m, op, &met->instr, &source))
            return false;
        met->attrs = *source ? 0 : o->attrs + 1;
    }
    *out = met->attrs && met->instr.op == IR_ISA_OP(o->code) ? (uint16_t)(at + 1) : 0;
    return true;
}

/** Numbers the instructions, and what their sources name in this order; finds the static cycles. In g->scratch. */
static instr_maker *maker_new(generator *g, const ir_module *m, dtq_stream *s) {
    instr_maker *k = ARENA_NEW(g->scratch, instr_maker);
    *k = (instr_maker){.g = g, .m = m, .count = s->count};
    k->op_of = ARENA_ARRAY(g->scratch, uint32_t, s->count + 1);
    k->row_of = ARENA_ARRAY(g->scratch, uint32_t, s->count + 1);
    k->row_op = ARENA_ARRAY(g->scratch, uint32_t, s->count + 1);
    k->met_of = ARENA_ARRAY(g->scratch, uint16_t, s->count + 1);
    k->shapes = ARENA_ARRAY(g->scratch, uint16_t, s->count + 1);
    k->rows = ARENA_ARRAY(g->scratch, made_row, KEPT);
    size_t i = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        const ir_op *o = &m->ops[op];
        if (!ir_is_instr((ir_opcode)o->code))
            continue;
        uint16_t *met = &k->met_of[i];
        if (!meet_token(k, op, met))
            return NULL;
        const char *source = "";
        uint64_t done = 0;
        unsigned queue = *met ? k->met[*met - 1].instr.queue : 0;
        for (const ir_attr *attr = o->attr_count && !*met ? &m->attrs[o->attrs] : NULL,
                           *end = attr ? attr + o->attr_count : NULL;
             attr < end; attr++) {
            if (attr->key == IR_KEY_queue)
                queue = (uint8_t)attr->i;
            else if (attr->key == IR_KEY_source)
                source = attr->s;
            else if (attr->key == IR_KEY_done)
                done = (uint64_t)attr->i;
        }
        if (*source)
            (void)string_number(g, &g->last_op, source);
        else
            (void)string_number(g, &g->no_op, source);
        const char *file = ir_origin(m, &o->loc)->file;
        (void)string_number(g, &g->last_file, file ? file : "");
        if (queue != DTQ_HOST && done > s->static_cycles)
            s->static_cycles = done;
        k->shapes[i] = (uint16_t)((unsigned)IR_ISA_OP(o->code) | queue << 8);
        k->op_of[i++] = (uint32_t)op;
    }
    find_rows(k);
    return k;
}

static void maker_shapes(void *of, uint16_t *out) {
    const instr_maker *k = of;
    if (k->count)
        memcpy(out, k->shapes, k->count * sizeof *out);
}

/** Row `number`, made unless it is kept; NULL: it cannot be. It stays until two more are asked for. */
static const made_row *row_get(instr_maker *k, size_t number) {
    made_row *row = &k->rows[number % KEPT];
    const char *name;
    if (row->number == number + 1)
        return k->last = row;
    if (row->number > number || row == k->last)
        row = &k->again[k->again_turn ^= 1];
    row->number = 0;
    if (!generate_instr(k->g, k->m, k->row_op[number], &row->instr, &name))
        return NULL;
    row->source = source_of(k->g, *ir_origin(k->m, &k->m->ops[k->row_op[number]].loc), name, &row->instr);
    row->number = number + 1;
    return k->last = row;
}

static bool maker_make(void *of, size_t i, const dtq_instr **in, const dtq_source **source) {
    instr_maker *k = of;
    const made_row *row = row_get(k, k->row_of[i]);
    const char *name;
    if (!row)
        return false;
    *source = &row->source;
    *in = k->met_of[i] ? &k->met[k->met_of[i] - 1].instr : &row->instr;
    if (k->met_of[i] || k->row_op[k->row_of[i]] == k->op_of[i])
        return true;
    dtq_instr *loose = &k->loose[k->loose_turn ^= 1];
    *in = loose;
    return generate_instr(k->g, k->m, k->op_of[i], loose, &name);
}

static bool maker_goes_on(const void *of, size_t i, size_t distance) {
    const instr_maker *k = of;
    return k->met_of[i] && k->met_of[i] == k->met_of[i - distance] && k->row_of[i] == k->row_of[i - 1] &&
           k->row_of[i - distance] == k->row_of[i - distance - 1];
}

static void generate_layers(generator *g, const ir_module *m, dtq_stream *s) {
    s->layers = ARENA_ARRAY(g->a, dtq_layer, s->layer_count + 1);
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER) {
            const size_t index = (size_t)ir_int(m, op, IR_KEY_index, 0);
            generate_layer(g, m, op, &s->layers[index]);
            if (!s->layers[index].bits[0])
                s->static_cycles = UINT64_MAX;
        }
}

/** All instructions of a stream, to stay. */
static bool keep_instrs(generator *g, instr_maker *k, dtq_stream *s) {
    s->instrs = ARENA_ARRAY(g->a, dtq_instr, s->count + 1);
    s->sources = ARENA_ARRAY(g->a, dtq_source, s->count + 1);
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in;
        const dtq_source *source;
        if (!maker_make(k, i, &in, &source))
            return false;
        s->instrs[i] = *in;
        s->sources[i] = *source;
    }
    return true;
}

/** They are written while they are made. */
static bool write_instrs(generator *g, instr_maker *k, dtq_stream *s) {
    const dtq_stream_maker maker = {.of = k, .shapes = maker_shapes, .make = maker_make, .goes_on = maker_goes_on};
    dtq_error e;
    if (!dtq_stream_write(s, &maker, &e)) {
        const bool outside = e.status == DTQ_NO_MEMORY || k->m->text_file;
        return *e.message && (outside ? diag_error(g->d, (src_loc){0}, "%s", e.message)
                                      : diag_internal(g->d, (src_loc){0}, "%s", e.message));
    }
    uint8_t *text = s->text;
    s->text = arena_alloc(g->a, s->text_bytes);
    memcpy(s->text, text, s->text_bytes);
    free(text);
    return true;
}

/** `given_up`: the module, of which nothing is left behind this but its stream, written; or NULL if it is needed. */
static bool generate_stream(generator *g, const ir_module *m, ir_module *given_up, dtq_stream *s) {
    if (!survey(g, m, s))
        return false;
    generate_layers(g, m, s);
    instr_maker *k = maker_new(g, m, s);
    if (!k || !(given_up ? write_instrs(g, k, s) : keep_instrs(g, k, s)))
        return false;
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
    g->last_op = g->no_op = g->last_file = (shared_string){0};
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
