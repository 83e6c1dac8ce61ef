/* From modules at the stream level to a program: instructions one to one, the layer table, tensors, files, and the
 * source map. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "codegen/stream/strings.h"
#include "runtime/hash.h"

/* Operands that the source map repeats. */
static const char *const source_names[] = {"layer", "head", "row", "rows", "col", "cols"};
enum { SOURCE_FIELDS = sizeof source_names / sizeof *source_names };

typedef struct {
    const char *text;
    uint32_t number;
} shared_string;

typedef struct {
    arena *a;
    diag *d;
    const ir_module *m;
    dtq_program *program;
    string_table *strings;
    int *field_keys[DTQ_OP_COUNT];                  /* attribute key of each field, -1 for addresses */
    int source_fields[DTQ_OP_COUNT][SOURCE_FIELDS]; /* operand that source_names[i] is, -1 if the op has none */
    shared_string last_op, last_file;
    shared_string last_word[DTQ_OP_COUNT][DTQ_FIELDS_MAX]; /* of ENUM fields */
} generator;

/* ---- weights --------------------------------------------------------------------------------------------------- */

static bool describe_file(generator *g, const char *path, dtq_file *out) {
    enum { HASHED = 65536 };
    char resolved[PATH_MAX];
    src_loc loc = {.file = path};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !realpath(path, resolved)) {
        if (fd >= 0)
            close(fd);
        return diag_error(g->d, loc, "cannot read the weights; is the path right?");
    }
    uint8_t *head = arena_alloc(g->a, HASHED);
    size_t have = 0;
    for (ssize_t n; have < HASHED && (n = read(fd, head + have, HASHED - have)) > 0;)
        have += (size_t)n;
    close(fd);
    *out = (dtq_file){.path = arena_strdup(g->a, resolved),
                      .bytes = (uint64_t)st.st_size,
                      .hash = dtq_fnv1a(DTQ_FNV1A_START, head, have)};
    return true;
}

static bool file_index(generator *g, const char *path, const char **known, uint32_t *out) {
    dtq_program *p = g->program;
    for (size_t i = 0; i < p->file_count; i++)
        if (known[i] == path || strcmp(known[i], path) == 0) {
            *out = (uint32_t)i;
            return true;
        }
    known[p->file_count] = path;
    *out = (uint32_t)p->file_count;
    return describe_file(g, path, &p->files[p->file_count++]);
}

static bool generate_tensors(generator *g) {
    const ir_module *m = g->m;
    dtq_program *p = g->program;
    const char **known = ARENA_ARRAY(g->a, const char *, m->tensor_count + 1);
    p->files = ARENA_ARRAY(g->a, dtq_file, m->tensor_count + 1);
    p->tensors = ARENA_ARRAY(g->a, dtq_tensor, m->tensor_count + 1);
    p->tensor_count = m->tensor_count;
    if (m->tensor_count >= UINT16_MAX)
        return diag_error(g->d, (src_loc){0}, "%zu tensors; a program holds at most 65534", m->tensor_count);
    for (size_t i = 0; i < m->tensor_count; i++) {
        const ir_tensor *t = &m->tensors[i];
        dtq_tensor *out = &p->tensors[i];
        *out = (dtq_tensor){.name = t->name,
                            .file = UINT32_MAX,
                            .offset = t->offset,
                            .shape = {t->rows, t->cols},
                            .transposed = t->transposed,
                            .seed = t->seed,
                            .mean = (float)t->mean,
                            .scale = (float)t->scale};
        if (!t->file)
            continue;
        out->dtype = strcmp(t->dtype, "F16") == 0 ? DTQ_F16 : strcmp(t->dtype, "BF16") == 0 ? DTQ_BF16 : DTQ_F32;
        if (!file_index(g, t->file, known, &out->file))
            return false;
    }
    return true;
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

static uint64_t address_of(const ir_module *m, ir_value v) {
    return (uint64_t)ir_int(m, m->defs[v], IR_KEY_address, 0);
}

static uint32_t *to_ids(arena *a, const ir_attr *ints) {
    uint32_t *ids = ARENA_ARRAY(a, uint32_t, ints->count + 1);
    for (uint32_t i = 0; i < ints->count; i++)
        ids[i] = (uint32_t)ints->ints[i];
    return ids;
}

static void generate_layer(generator *g, const ir_module *m, size_t op, dtq_layer *l) {
    static const unsigned bit_keys[DTQ_OPERANDS] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits, IR_KEY_p_bits};
    const char *order = ir_str(m, op, IR_KEY_order);
    uint64_t at[8];
    for (size_t i = 0; i < 8; i++)
        at[i] = address_of(m, ir_operand(m, op, i));
    *l = (dtq_layer){.slots = (uint32_t)ir_int(m, op, IR_KEY_slots, 0),
                     .high = (uint32_t)ir_int(m, op, IR_KEY_high, 0),
                     .heads = (uint32_t)ir_int(m, op, IR_KEY_query_heads, 0),
                     .kv_heads = (uint32_t)ir_int(m, op, IR_KEY_kv_heads, 0),
                     .head_dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0),
                     .causal = strcmp(ir_str(m, op, IR_KEY_mask), "causal") == 0,
                     .order = strcmp(order, "original") == 0     ? DTQ_ORDER_ORIGINAL
                              : strcmp(order, "high-first") == 0 ? DTQ_ORDER_HIGH_FIRST
                                                                 : DTQ_ORDER_LOW_FIRST,
                     .importance = strcmp(ir_str(m, op, IR_KEY_importance_rule), "sum") == 0 ? DTQ_IMPORTANCE_SUM
                                                                                             : DTQ_IMPORTANCE_MEAN,
                     .prob_bits = (uint8_t)m->machine.top_prob_bits,
                     .q = at[0],
                     .k = at[1],
                     .v = at[2],
                     .q_scale = at[3],
                     .k_scale = at[4],
                     .v_scale = at[5],
                     .out = at[6],
                     .importance_at = at[7]};
    if (strcmp(ir_str(m, op, IR_KEY_static_bits), "yes") == 0)
        for (int i = 0; i < DTQ_OPERANDS; i++) {
            size_t count;
            l->bits[i] = ir_runs_expand(g->a, ir_get(m, op, bit_keys[i]), &count);
        }
    const ir_attr *ids = ir_get(m, op, IR_KEY_ids), *pinned = ir_get(m, op, IR_KEY_pinned);
    l->ids = ids ? to_ids(g->a, ids) : NULL;
    l->pinned = pinned ? to_ids(g->a, pinned) : NULL;
    l->pinned_count = pinned ? pinned->count : 0;
}

/* ---- instructions ---------------------------------------------------------------------------------------------- */

static void find_field_keys(generator *g) {
    for (int op = 0; op < DTQ_OP_COUNT; op++) {
        g->field_keys[op] = ARENA_ARRAY(g->a, int, DTQ_FIELDS_MAX);
        for (int i = 0; i < SOURCE_FIELDS; i++)
            g->source_fields[op][i] = -1;
        for (uint8_t f = 0; f < dtq_ops[op].field_count; f++) {
            const dtq_field_info *field = &dtq_ops[op].fields[f];
            bool address = field->kind == DTQ_KIND_BUF || field->kind == DTQ_KIND_DRAM;
            for (int i = 0; i < SOURCE_FIELDS; i++)
                if (strcmp(field->name, source_names[i]) == 0)
                    g->source_fields[op][i] = f;
            g->field_keys[op][f] = address ? -1 : ir_key_find(field->name, strlen(field->name));
        }
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

static bool field_value(generator *g, const ir_module *m, size_t op, const dtq_field_info *field, unsigned key,
                        uint64_t *out) {
    const ir_attr *attr = ir_get(m, op, key);
    switch (field->kind) {
    case DTQ_KIND_TENSOR: {
        int index = attr->s[0] ? ir_tensor_find(m, attr->s) : -1;
        if (attr->s[0] && index < 0)
            return diag_error(g->d, m->ops[op].loc, "there is no tensor \"%s\"", attr->s);
        *out = attr->s[0] ? (uint64_t)index : dtq_field_none(field);
        return true;
    }
    case DTQ_KIND_ENUM:
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

static bool generate_instr(generator *g, const ir_module *m, size_t op, dtq_instr *out) {
    int code = IR_ISA_OP(m->ops[op].code);
    const dtq_op_info *info = &dtq_ops[code];
    size_t operand = 0;
    *out = (dtq_instr){.op = (uint8_t)code, .queue = (uint8_t)ir_int(m, op, IR_KEY_queue, 0)};
    for (uint8_t f = 0; f < info->field_count; f++) {
        int key = g->field_keys[code][f];
        if (key >= 0) {
            if (!field_value(g, m, op, &info->fields[f], (unsigned)key, &out->f[f]))
                return false;
            continue;
        }
        ir_value v = ir_operand(m, op, operand++);
        out->f[f] = v == IR_NONE ? dtq_field_none(&info->fields[f]) : address_of(m, v);
    }
    return true;
}

/** Number of a string that ops repeat by pointer: the table is asked only when the pointer changes. */
static uint32_t string_number(generator *g, shared_string *last, const char *text) {
    if (!last->text || last->text != text)
        *last = (shared_string){text, string_add(g->strings, text)};
    return last->number;
}

static dtq_source source_of(generator *g, const ir_module *m, size_t op, const dtq_instr *in) {
    const char *source = ir_str(m, op, IR_KEY_source);
    src_loc loc = m->ops[op].loc;
    dtq_source s = {.op = string_number(g, &g->last_op, source ? source : ""),
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
static bool find_ends(generator *g, const ir_module *m, dtq_stream *s) {
    static const char *const inputs[] = {"q", "k", "v"};
    static const char *const outputs[] = {[DTQ_OUTPUT_POOLED] = "output.pooled",
                                          [DTQ_OUTPUT_HIDDEN] = "output.hidden",
                                          [DTQ_OUTPUT_ATTENTION] = "output.attention"};
    bool found = false;
    s->input = m->header.qkv_input ? DTQ_INPUT_QKV : DTQ_INPUT_TOKENS;
    for (size_t op = 0; op < m->op_count; op++) {
        const char *name = m->ops[op].code == IR_BUFFER ? ir_str(m, op, IR_KEY_name) : NULL;
        if (!name)
            continue;
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
    }
    return found || diag_error(g->d, (src_loc){0}, "the module has no output");
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

static bool generate_stream(generator *g, const ir_module *m, dtq_stream *s) {
    size_t instrs = 0;
    *s = (dtq_stream){.seq = m->header.seq};
    for (size_t op = 0; op < m->op_count; op++) {
        instrs += ir_is_instr((ir_opcode)m->ops[op].code);
        s->layer_count += m->ops[op].code == IR_LAYER;
    }
    s->layers = ARENA_ARRAY(g->a, dtq_layer, s->layer_count + 1);
    s->instrs = ARENA_ARRAY(g->a, dtq_instr, instrs + 1);
    s->sources = ARENA_ARRAY(g->a, dtq_source, instrs + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code == IR_LAYER) {
            size_t index = (size_t)ir_int(m, op, IR_KEY_index, 0);
            generate_layer(g, m, op, &s->layers[index]);
            if (!s->layers[index].bits[0])
                s->static_cycles = UINT64_MAX;
        } else if (m->ops[op].code == IR_BUFFER && strcmp(ir_str(m, op, IR_KEY_space), "dram") == 0) {
            uint64_t end = (uint64_t)ir_int(m, op, IR_KEY_address, 0) + (uint64_t)ir_int(m, op, IR_KEY_bytes, 0);
            s->dram_bytes = end > s->dram_bytes ? end : s->dram_bytes;
        } else if (ir_is_instr((ir_opcode)m->ops[op].code)) {
            dtq_instr *in = &s->instrs[s->count];
            if (!generate_instr(g, m, op, in))
                return false;
            s->sources[s->count++] = source_of(g, m, op, in);
            uint64_t done = (uint64_t)ir_int(m, op, IR_KEY_done, 0);
            if (in->queue != DTQ_HOST && done > s->static_cycles)
                s->static_cycles = done;
        }
    }
    attribute_sync(s);
    return find_ends(g, m, s);
}

static int by_seq(const void *a, const void *b) {
    uint32_t x = ((const dtq_stream *)a)->seq, y = ((const dtq_stream *)b)->seq;
    return x < y ? -1 : x > y;
}

dtq_program *codegen_program(arena *a, diag *d, const ir_module *const *modules, size_t count) {
    generator g = {
        .a = a, .d = d, .m = modules[0], .program = ARENA_NEW(a, dtq_program), .strings = string_table_new(a)};
    dtq_program *p = g.program;
    const ir_header *h = &modules[0]->header;
    p->model = h->model ? h->model : "";
    p->tokenizer = h->tokenizer ? h->tokenizer : "";
    p->lower_case = h->lower_case;
    p->machine = modules[0]->machine;
    p->target_hash = dtq_machine_hash(&p->machine);
    p->vocabulary = h->vocabulary;
    p->positions = h->positions;
    find_field_keys(&g);
    if (!generate_tensors(&g))
        return NULL;
    p->streams = ARENA_ARRAY(a, dtq_stream, count);
    p->stream_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!ir_pass_ran(modules[i], "timeline")) {
            diag_error(d, (src_loc){0}, "the module is not finished: its passes end before timeline");
            return NULL;
        }
        if (!generate_stream(&g, modules[i], &p->streams[i]))
            return NULL;
    }
    qsort(p->streams, count, sizeof *p->streams, by_seq);
    p->strings = string_list(g.strings, &p->string_count);
    return p;
}
