/* Checks a module: the structure of ops here, attributes, facts of layers and instructions in the other verify_*.c. */
#include "ir/verify.h"
#include "runtime/weights/tensor.h"

#include <stdarg.h>
#include <string.h>

/* ---- header ------------------------------------------------------------------------------------------------------ */

enum { SEQ_MAX = 65536 };

/* The type of the tensor's elements, F32 for synthetic ones; DTQ_DTYPES if there is no such word. */
static unsigned dtype_of(const ir_tensor *t) {
    unsigned type = 0;
    if (t->dtype && strcmp(t->dtype, "synthetic") == 0)
        return DTQ_F32;
    while (type < DTQ_DTYPES && (!t->dtype || strcmp(dtq_dtypes[type].word, t->dtype) != 0))
        type++;
    return type;
}

static void verify_layout(verifier *v, const ir_tensor *t, unsigned type) {
    const dtq_tensor plain = {.file = t->file ? 0 : UINT32_MAX,
                              .shape = {t->rows, t->cols},
                              .stride = t->stride,
                              .dtype = (uint8_t)type,
                              .transposed = t->transposed,
                              .mean = (float)t->mean,
                              .scale = (float)t->scale,
                              .offset = t->offset,
                              .scales = t->scales,
                              .zeros = t->zeros,
                              .by_rows = t->by_rows,
                              .frequencies = t->frequencies};
    const char *wrong = dtq_tensor_layout_wrong(&plain);
    if (wrong)
        verify_error_at(v, t->loc, "tensor \"%s\", %u x %u: %s", t->name, t->rows, t->cols, wrong);
    else if (t->file && dtq_tensor_end(&plain) > t->file_bytes)
        verify_error_at(v, t->loc,
                        "tensor \"%s\" ends past the end of its file of %llu bytes; the file may be cut short", t->name,
                        (unsigned long long)t->file_bytes);
}

static void verify_tensor(verifier *v, size_t index) {
    const ir_tensor *t = &v->m->tensors[index];
    if (!t->name || !*t->name) {
        verify_error_at(v, t->loc, "a tensor has no name; give it one");
        return;
    }
    bool added;
    names_add(&v->tensors, t->name, strlen(t->name), (uint32_t)index, &added);
    if (!added)
        verify_error_at(v, t->loc, "tensor \"%s\" is in the table twice; rename or remove one", t->name);
    unsigned type = dtype_of(t);
    if (type == DTQ_DTYPES) {
        verify_error_at(v, t->loc,
                        "tensor \"%s\" has the unknown dtype `%s`; it is F32, F16, BF16, I8, U8, I32, one of ggml's "
                        "blocks, synthetic or rotary",
                        t->name, t->dtype ? t->dtype : "");
        return;
    }
    bool computed = strcmp(t->dtype, "synthetic") == 0 || type == DTQ_ROTARY;
    if (computed != (!t->file)) {
        verify_error_at(v, t->loc, "tensor \"%s\" is %s; %s", t->name,
                        t->file ? arena_printf(v->scratch, "%s but has a file", t->dtype) : "in no file",
                        t->file ? "remove `file` or give its dtype" : "give `file`, or make it synthetic");
        return;
    }
    if (t->file_hash &&
        (!t->file || strlen(t->file_hash) != 32 || t->file_hash[strspn(t->file_hash, "0123456789abcdef")]))
        verify_error_at(v, t->loc, "tensor \"%s\" has a `file_hash` that is no 32 hexadecimal digits of a file's",
                        t->name);
    else if (t->rows == 0 || t->cols == 0)
        verify_error_at(v, t->loc, "tensor \"%s\" is empty (%u x %u); a vector is 1 x n", t->name, t->rows, t->cols);
    else if (!__builtin_isfinite(t->mean) || !__builtin_isfinite(t->scale))
        verify_error_at(v, t->loc, "tensor \"%s\" has a mean or scale that is not finite", t->name);
    else
        verify_layout(v, t, type);
}

void verify_header(verifier *v) {
    const ir_module *m = v->m;
    src_loc whole = {m->text_file, m->text_file ? 1 : 0, m->text_file ? 1 : 0};
    if (m->header.seq < 1 || m->header.seq > SEQ_MAX)
        verify_error_at(v, whole, "`seq` is %u; the input has 1 to %d tokens", m->header.seq, SEQ_MAX);
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        double value = dtq_machine_get(m->machine, p);
        if (!(value >= p->lo && value <= p->hi))
            verify_error_at(v, whole, "the machine's `%s.%s` is %.15g; it must be between %.15g and %.15g", p->section,
                            p->name, value, p->lo, p->hi);
    }
    for (size_t i = 0; i < m->tensor_count; i++)
        verify_tensor(v, i);
}

/* ---- structure --------------------------------------------------------------------------------------------------- */

static const char *legal_levels(verifier *v, unsigned levels) {
    const char *text = "";
    for (unsigned l = 0; l < IR_LEVELS; l++)
        if (levels >> l & 1)
            text = arena_printf(v->scratch, "%s%s%s", text, *text ? " or " : "", ir_level_name((ir_level)l));
    return text;
}

static bool verify_operand(verifier *v, size_t op, size_t index) {
    const ir_module *m = v->m;
    ir_value value = ir_operand(m, op, index);
    if (value == IR_NONE) {
        const dtq_field_info *field = ir_operand_field((ir_opcode)m->ops[op].code, index);
        return (field && ir_field_may_be_none(field)) ||
               verify_error(v, op, "operand %zu is `_`, but it must be a value", index + 1);
    }
    if (value >= m->value_count || m->defs[value] >= m->op_count || m->ops[m->defs[value]].result != value)
        return verify_error(v, op, "operand %zu is a value that no op defines", index + 1);
    if (m->defs[value] >= op)
        return verify_error(v, op, "operand %zu is used before the `%s` that defines it; move that op up", index + 1,
                            ir_info((ir_opcode)m->ops[m->defs[value]].code)->spelling);
    return true;
}

/* Level, operands and result: what everything else relies on. */
static bool verify_structure(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_op *o = &m->ops[op];
    if (o->code >= IR_OPCODES)
        return verify_error(v, op, "opcode %u does not exist", o->code);
    const ir_op_info *info = ir_info((ir_opcode)o->code);
    if (!(info->levels >> m->level & 1))
        return verify_error(v, op, "it is no op of the %s level but of %s", ir_level_name(m->level),
                            legal_levels(v, info->levels));
    int least = info->operands >= 0 ? info->operands : -1 - info->operands;
    if (info->operands >= 0 ? o->operand_count != least : o->operand_count < least)
        return verify_error(v, op, "it has %u operands, but takes %s%d", o->operand_count,
                            info->operands < 0 ? "at least " : "", least);
    if ((o->result != IR_NONE) != (info->results > 0))
        return verify_error(v, op, info->results ? "it must have a result" : "it has a result, but makes no value");
    if (o->result != IR_NONE && (o->result >= m->value_count || m->defs[o->result] != op))
        return verify_error(v, op, "its result is defined elsewhere");
    bool good = true;
    for (size_t i = 0; i < o->operand_count; i++)
        good &= verify_operand(v, op, i);
    return good;
}

static bool is_strip(ir_opcode code) {
    return code == IR_TILE_QK || code == IR_TILE_SOFTMAX || code == IR_TILE_IMPORTANCE || code == IR_TILE_PV ||
           code == IR_TILE_TOPK || code == IR_TILE_BLOCK;
}

/* The module's scheme of arithmetic defines the op. Instructions say it when they run. */
static void verify_scheme(verifier *v, size_t op) {
    const ir_module *m = v->m;
    if (v->defines_all)
        return;
    const char *function = m->ops[op].code == IR_ACTIVATION ? ir_str(m, op, IR_KEY_function) : NULL;
    const char *word = function ? function : ir_info((ir_opcode)m->ops[op].code)->spelling;
    if (dtq_scheme_lacks(&m->header.scheme, word))
        verify_error(v, op, "the scheme %s has no definition of %s", dtq_schemes[m->header.scheme.kind].word,
                     function ? word : "it");
}

/* Most ops of a stream are tokens, which have no operands, and most of these share their attributes with others: all
 * that is checked of them is known. Where that was noted, or is to be; NULL: it is another kind of op. */
static verify_shared_met *shared_token(verifier *v, const ir_op *o) {
    bool token = o->code == IR_I_WAIT || o->code == IR_I_SIGNAL;
    if (!token || o->operand_count || o->attr_count <= o->attr_capacity || o->result != IR_NONE ||
        v->m->level != IR_STREAM)
        return NULL;
    return &v->shared[o->attrs / 3 % VERIFY_SHARED]; /* lists of different tokens lie apart by the length of one */
}

static bool is_known(const verify_shared_met *met, const ir_op *o) {
    return met->code == o->code && met->attrs == o->attrs && met->count == o->attr_count;
}

/* Whether all operands of an instruction are buffers that were found good, each in the space where this operand of this
 * opcode was found before, or that it says. After verify_like_last. */
static bool good_operands(const verifier *v, size_t op, const verify_code *met) {
    const ir_module *m = v->m;
    const ir_op *o = &m->ops[op];
    for (size_t i = 0; i < o->operand_count; i++) {
        const ir_value value = m->operands[o->operands + i];
        const char *want =
            met->good_space[i] == verify_space_of_operand ? verify_text(v, v->operand) : met->good_space[i];
        if (value >= m->value_count || !v->space_of[value] || v->space_of[value] != want)
            return false;
    }
    return true;
}

/* The short way for nearly all ops of a program: a buffer, or an instruction, that is like one of its opcode that went
 * the long way and was good. What it has in common with that one holds of it, too; what it may differ in is looked at:
 * that its operands are good buffers in front of it (space_of is filled as they are passed), values of attributes, and
 * what depends on its layer. False: nothing is known, and it goes the long way. */
static bool verify_shortly(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_op *o = &m->ops[op];
    const verify_code *met = o->code < IR_OPCODES ? v->met[o->code] : NULL;
    if (!met || !met->legal || !met->last_count || !v->defines_all || m->level < IR_SCHEDULE)
        return false;
    if (o->code == IR_BUFFER) {
        const ir_type *t = o->result < m->value_count && m->defs[o->result] == op ? &m->types[o->result] : NULL;
        if (!t || t->elem != IR_ELEM_BUFFER || t->rank != 0 || o->operand_count || !verify_like_last(v, o, met))
            return false;
        verify_buffer(v, op);
        return true;
    }
    if (!ir_is_instr((ir_opcode)o->code) || o->result != IR_NONE || o->operand_count > DTQ_FIELDS_MAX ||
        o->operand_count != ir_info((ir_opcode)o->code)->operands || !verify_like_last(v, o, met) ||
        !good_operands(v, op, met))
        return false;
    verify_instruction(v, op);
    return true;
}

bool ir_verify(const ir_module *m, diag *d) {
    arena *scratch = arena_new();
    verifier *v = ARENA_NEW(scratch, verifier);
    *v = (verifier){.m = m,
                    .diag = d,
                    .scratch = scratch,
                    .tensors = {.arena = scratch},
                    .scope = SIZE_MAX,
                    .operand = (unsigned)ir_key_find("operand", 7),
                    .select = (unsigned)ir_key_find("select", 6),
                    .layer = (unsigned)ir_key_find("layer", 5)};
    v->keys = ir_all_keys(&v->key_count);
    v->defines_all = !*dtq_schemes[m->header.scheme.kind].undefined;
    if (m->level >= IR_SCHEDULE)
        v->space_of = ARENA_ARRAY(scratch, const char *, m->value_count + 1);
    verify_header(v);
    verify_layers(v);
    for (size_t op = 0; op < m->op_count && v->errors < VERIFY_ERRORS_MAX; op++) {
        ir_opcode code = (ir_opcode)m->ops[op].code;
        verify_shared_met *shared = shared_token(v, &m->ops[op]);
        if (shared && is_known(shared, &m->ops[op]))
            continue;
        const unsigned errors = v->errors;
        if (!shared && verify_shortly(v, op))
            continue;
        if (!is_strip(code))
            v->scope = code == IR_TILES ? op : SIZE_MAX;
        if (!verify_structure(v, op) || !verify_attributes(v, op))
            continue;
        verify_types(v, op);
        verify_facts(v, op);
        verify_scheme(v, op);
        if (m->level >= IR_SCHEDULE)
            verify_spaces(v, op);
        if (code == IR_TILES)
            verify_strips(v, op);
        if (is_strip(code))
            verify_strip(v, op);
        else if (ir_is_instr(code))
            verify_instruction(v, op);
        else if (code == IR_BUFFER)
            verify_buffer(v, op);
        if (shared && v->errors == errors)
            *shared = (verify_shared_met){m->ops[op].attrs, m->ops[op].code, m->ops[op].attr_count};
    }
    bool good = v->errors == 0;
    arena_free(scratch);
    return good;
}
