/* Attributes one by one: allowed, present, of their kind, with a value of that kind; and the types of values. */
#include <math.h>
#include <string.h>

#include "ir/verify.h"

#include "runtime/machine.h"

/* ---- attributes -------------------------------------------------------------------------------------------------- */

/* Where it is noted that a word is good. */
static verify_word_met *word_met(verifier *v, uint16_t code, const ir_attr *attr) {
    uintptr_t at = (uintptr_t)attr->s;
    return &v->words[(at ^ at >> 8 ^ 37u * attr->key ^ 101u * code) % VERIFY_WORDS];
}

static bool is_known_word(verifier *v, uint16_t code, const ir_attr *attr) {
    const verify_word_met *met = word_met(v, code, attr);
    return attr->s && met->text == attr->s && met->code == code && met->key == attr->key;
}

static bool verify_word(verifier *v, size_t op, const ir_attr *attr) {
    uint16_t code = v->m->ops[op].code;
    verify_word_met *met = word_met(v, code, attr);
    if (is_known_word(v, code, attr))
        return true;
    ir_word words[IR_WORDS_MAX];
    size_t count = ir_words((ir_opcode)code, attr->key, words);
    size_t n = attr->s ? strlen(attr->s) : 0;
    const char *all = "";
    for (size_t i = 0; i < count; i++)
        if (words[i].length == n && memcmp(words[i].text, attr->s, n) == 0) {
            *met = (verify_word_met){attr->s, code, attr->key};
            return true;
        }
    for (size_t i = 0; i < count; i++)
        all = arena_printf(v->scratch, "%s%s%.*s", all,
                           i == 0          ? ""
                           : i + 1 < count ? ", "
                                           : " or ",
                           (int)words[i].length, words[i].text);
    return verify_error(v, op, "`%s` is `%s`; it must be %s", ir_key_get(attr->key)->name, attr->s ? attr->s : "", all);
}

static bool verify_int(verifier *v, size_t op, const ir_attr *attr, const char *name, const dtq_field_info *field) {
    int64_t most = field && field->bits < 63 ? ((int64_t)1 << field->bits) - 1 : INT64_MAX;
    if (attr->i < 0)
        return verify_error(v, op, "`%s` is %lld; it cannot be negative", name, (long long)attr->i);
    if (attr->i > most)
        return verify_error(v, op, "`%s` is %lld; its %u bits hold at most %lld", name, (long long)attr->i, field->bits,
                            (long long)most);
    return true;
}

static uint64_t last_queue(const ir_module *m) {
    const uint64_t last = DTQ_ARRAY0 + dtq_machine_arrays(m->machine) - 1;
    return last < DTQ_QUEUE_MAX ? last : DTQ_QUEUE_MAX;
}

static bool verify_queue(verifier *v, size_t op, const ir_attr *attr) {
    const uint64_t arrays = dtq_machine_arrays(v->m->machine);
    if (attr->i >= 0 && (uint64_t)attr->i <= last_queue(v->m))
        return true;
    return verify_error(v, op,
                        "`%s` is queue %lld, but the machine has %d engines and, numbered after them, %llu array%s",
                        ir_key_get(attr->key)->name, (long long)attr->i, DTQ_ARRAY0, (unsigned long long)arrays,
                        arrays == 1 ? "" : "s");
}

static bool verify_runs(verifier *v, size_t op, const ir_attr *attr) {
    const char *name = ir_key_get(attr->key)->name;
    int64_t total = 0;
    for (uint32_t i = 0; i < attr->count; i++) {
        if (attr->runs[i].count < 1)
            return verify_error(v, op, "run %u of `%s` has %lld elements; every run has at least one", i + 1, name,
                                (long long)attr->runs[i].count);
        if (attr->runs[i].count > (1 << 24) - total)
            return verify_error(v, op, "`%s` has more than %d elements", name, 1 << 24);
        total += attr->runs[i].count;
    }
    return true;
}

static bool verify_value(verifier *v, size_t op, const ir_attr *attr, const char *name, const dtq_field_info *field) {
    switch ((ir_kind)attr->kind) {
    case IR_KIND_INT:
        return verify_int(v, op, attr, name, field);
    case IR_KIND_REAL:
        return isfinite(attr->r) || verify_error(v, op, "`%s` is not a finite number", name);
    case IR_KIND_STR:
        return attr->s || verify_error(v, op, "`%s` has no text", name);
    case IR_KIND_WORD:
        return verify_word(v, op, attr);
    case IR_KIND_INTS:
        return true;
    case IR_KIND_RANGE:
        return (attr->range->lo >= 0 && attr->range->lo < attr->range->hi) ||
               verify_error(v, op, "`%s` is %lld..%lld; a range begins at 0 or later and is not empty", name,
                            (long long)attr->range->lo, (long long)attr->range->hi);
    case IR_KIND_RUNS:
        return verify_runs(v, op, attr);
    case IR_KIND_QUEUE:
        return verify_queue(v, op, attr);
    }
    return false;
}

/* Attributes that name a row of the tensor table: those of instructions' TENSOR fields, and these. */
static bool names_tensor(unsigned key, const dtq_field_info *field) {
    if (key == IR_KEY_tensor || key == IR_KEY_bias_tensor || key == IR_KEY_position_tensor || key == IR_KEY_type_tensor)
        return true;
    return field && field->kind == DTQ_KIND_TENSOR;
}

static bool verify_attr(verifier *v, size_t op, const ir_attr *attr, const ir_key_info *key, ir_need need,
                        const dtq_field_info *field) {
    if (need == IR_NEVER)
        return verify_error(v, op, "it takes no attribute `%s`; remove it", key->name);
    if (attr->kind != key->kind)
        return verify_error(v, op, "`%s` is not of its key's kind", key->name);
    if (!verify_value(v, op, attr, key->name, field))
        return false;
    if (attr->kind != IR_KIND_STR || !names_tensor(attr->key, field))
        return true;
    bool none = *attr->s == '\0' && field && ir_field_may_be_none(field);
    if (!none && !names_find(&v->tensors, attr->s, strlen(attr->s)))
        return verify_error(v, op, "`%s` is \"%s\", which is not in the tensor table", key->name, attr->s);
    return true;
}

/* What nearly all attributes of programs are: an integer where one may be, within its field. */
static inline bool good_int(const ir_attr *attr, ir_need need, const ir_key_info *key, const dtq_field_info *field) {
    return attr->kind == IR_KIND_INT && key->kind == IR_KIND_INT && need != IR_NEVER && attr->i >= 0 &&
           (!field || field->bits >= 63 || attr->i >> field->bits == 0);
}

/* Whether the op has the keys of the last good op of its opcode in the same order, with values that are good, too: most
 * ops of a program are like the one before. */
bool verify_like_last(verifier *v, const ir_op *o, const verify_code *code) {
    if (o->attr_count != code->last_count || !o->attr_count)
        return false;
    const ir_attr *attr = &v->m->attrs[o->attrs];
    for (const verify_attr_met *met = code->last, *end = met + code->last_count; met < end; met++, attr++) {
        if (attr->key != met->key || attr->kind != met->kind)
            return false;
        const bool number = attr->kind == IR_KIND_INT || attr->kind == IR_KIND_QUEUE;
        if (number          ? (uint64_t)attr->i > met->most
            : met->any_text ? !attr->s
                            : attr->s != met->text && (attr->kind != IR_KIND_WORD || !is_known_word(v, o->code, attr)))
            return false;
        v->attrs[attr->key] = attr;
    }
    memcpy(v->seen, code->last_seen, sizeof v->seen);
    return true;
}

/* Notes a good op for verify_like_last. */
static void note_last(verifier *v, const ir_op *o, verify_code *code) {
    code->last_count = 0;
    if (o->attr_count > sizeof code->last / sizeof *code->last)
        return;
    for (unsigned i = 0; i < o->attr_count; i++) {
        const ir_attr *attr = &v->m->attrs[o->attrs + i];
        const dtq_field_info *field = code->fields ? code->fields[attr->key] : NULL;
        if (attr->kind == IR_KIND_REAL || attr->kind == IR_KIND_INTS || attr->kind == IR_KIND_RANGE ||
            attr->kind == IR_KIND_RUNS)
            return;
        code->last[i] = (verify_attr_met){.key = attr->key, .kind = attr->kind};
        if (attr->kind == IR_KIND_QUEUE)
            code->last[i].most = last_queue(v->m);
        else if (attr->kind == IR_KIND_INT)
            code->last[i].most = field && field->bits < 63 ? ((uint64_t)1 << field->bits) - 1 : INT64_MAX;
        else if (attr->kind == IR_KIND_STR && !names_tensor(attr->key, field))
            code->last[i].any_text = true;
        else
            code->last[i].text = attr->s;
    }
    memcpy(code->last_seen, v->seen, sizeof v->seen);
    code->last_count = o->attr_count;
}

bool verify_attributes(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_op *o = &m->ops[op];
    bool good = true;
    uint64_t *seen = v->seen;
    verify_code *code = verify_met(v, (ir_opcode)o->code);
    if (verify_like_last(v, o, code))
        return true;
    const ir_key_info *keys = v->keys;
    const uint8_t *needs = code->needs;
    const dtq_field_info *const *fields = code->fields;
    memset(seen, 0, sizeof v->seen);
    for (unsigned i = 0; i < o->attr_count; i++) {
        const ir_attr *attr = &m->attrs[o->attrs + i];
        if (attr->key >= v->key_count) {
            good = verify_error(v, op, "attribute key %u does not exist", attr->key);
            continue;
        }
        if (seen[attr->key / 64] >> attr->key % 64 & 1)
            good = verify_error(v, op, "`%s` is there twice; remove one", keys[attr->key].name);
        seen[attr->key / 64] |= (uint64_t)1 << attr->key % 64;
        v->attrs[attr->key] = attr;
        if (good_int(attr, (ir_need)needs[attr->key], &keys[attr->key], fields ? fields[attr->key] : NULL))
            continue;
        good &=
            verify_attr(v, op, attr, &keys[attr->key], (ir_need)needs[attr->key], fields ? fields[attr->key] : NULL);
    }
    for (unsigned word = 0; word < VERIFY_KEY_WORDS; word++)
        for (uint64_t missing = code->must[word] & ~seen[word]; missing; missing &= missing - 1) {
            const ir_key_info *key = ir_key_get(64 * word + (unsigned)__builtin_ctzll(missing));
            good = verify_error(v, op, "attribute `%s` is missing: %s", key->name, key->doc);
        }
    if (good)
        note_last(v, o, code);
    return good;
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static const char *type_text(verifier *v, ir_type t) {
    const char *text = ir_elem_name((ir_elem)t.elem);
    for (unsigned i = 0; i < t.rank; i++)
        text = arena_printf(v->scratch, "%s%s%u", text, i ? ", " : "[", t.dim[i]);
    return t.rank ? arena_printf(v->scratch, "%s]", text) : text;
}

static bool same_type(ir_type a, ir_type b) {
    return a.elem == b.elem && a.rank == b.rank && memcmp(a.dim, b.dim, a.rank * sizeof a.dim[0]) == 0;
}

/* Types that one of two values may have while the other is still unknown are no errors. */
static void expect_same(verifier *v, size_t op, ir_type a, ir_type b) {
    if (a.elem != IR_ELEM_NONE && b.elem != IR_ELEM_NONE && !same_type(a, b))
        verify_error(v, op, "its types do not match: %s and %s", type_text(v, a), type_text(v, b));
}

static void expect_columns(verifier *v, size_t op, const char *what, ir_type t, int64_t columns) {
    if (t.elem != IR_ELEM_NONE && (t.rank == 0 || t.dim[t.rank - 1] != columns))
        verify_error(v, op, "%s has type %s, but must have %lld columns", what, type_text(v, t), (long long)columns);
}

static ir_type operand_type(const ir_module *m, size_t op, size_t index) {
    ir_value value = ir_operand(m, op, index);
    return value == IR_NONE ? (ir_type){0} : m->types[value];
}

/* Buffers go to instructions and layers, token ids to tile.attention, floats and token numbers everywhere else. */
static void verify_elems(verifier *v, size_t op, bool buffers) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    for (size_t i = 0; i < m->ops[op].operand_count; i++) {
        ir_type t = operand_type(m, op, i);
        bool ids = (code == IR_TILES && i == 3) || code == IR_SELECT;
        bool fits = buffers            ? t.elem == IR_ELEM_BUFFER || ir_operand(m, op, i) == IR_NONE
                    : code == IR_EMBED ? t.elem == IR_ELEM_U32
                    : ids              ? t.elem == IR_ELEM_IDS || code == IR_SELECT
                                       : t.elem == IR_ELEM_F32;
        if (!fits && (buffers || t.elem != IR_ELEM_NONE))
            verify_error(v, op, "operand %zu has type %s; it must be %s", i + 1, type_text(v, t),
                         buffers            ? "a buffer"
                         : code == IR_EMBED ? "token numbers, u32"
                         : ids              ? "token ids"
                                            : "floats, f32");
    }
}

/* An input has a row, or a number, for each token. */
static void verify_input(verifier *v, size_t op, ir_type t) {
    uint32_t seq = v->m->header.seq;
    bool tokens = t.elem == IR_ELEM_U32 && t.rank == 1, rows = t.elem == IR_ELEM_F32 && t.rank == 2;
    if (!tokens && !rows)
        verify_error(v, op, "it has type %s; an input is token numbers, u32[%u], or rows of floats, f32[%u, width]",
                     type_text(v, t), seq, seq);
    else if (t.dim[0] != seq)
        verify_error(v, op, "it has type %s, but the input has %u tokens (`seq`), and a row for each", type_text(v, t),
                     seq);
}

/* What is pooled is one row that belongs to no token: it may be normalised, and nothing else works on it. */
static void verify_pooled(verifier *v, size_t op) {
    const ir_module *m = v->m;
    for (size_t i = 0; i < m->ops[op].operand_count && m->ops[op].code != IR_NORMALIZE; i++) {
        ir_value value = ir_operand(m, op, i);
        ir_opcode made_by = value == IR_NONE ? IR_OPCODES : (ir_opcode)m->ops[m->defs[value]].code;
        if (made_by == IR_POOL || made_by == IR_NORMALIZE)
            verify_error(v, op,
                         "it works on the rows of tokens, but operand %zu is one pooled row; let it stand before "
                         "the pool",
                         i + 1);
    }
}

/* Columns of as many heads as `key` says; the most that there are if the product is beyond them. */
static int64_t heads_columns(const ir_module *m, size_t op, unsigned key) {
    int64_t columns;
    return __builtin_mul_overflow(ir_int(m, op, key, 0), ir_int(m, op, IR_KEY_head_dim, 0), &columns) ? INT64_MAX
                                                                                                      : columns;
}

void verify_types(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_op *o = &m->ops[op];
    ir_opcode code = (ir_opcode)o->code;
    verify_elems(v, op, ir_is_instr(code) || code == IR_LAYER);
    if (o->result == IR_NONE)
        return;
    verify_pooled(v, op);
    ir_type t = m->types[o->result];
    if (t.elem >= IR_ELEMS || t.rank > 3) {
        verify_error(v, op, "the type of its result does not exist");
        return;
    }
    for (unsigned i = 0; i < t.rank; i++)
        if (t.dim[i] == 0)
            verify_error(v, op, "dimension %u of its result is 0", i + 1);
    ir_type x = o->operand_count ? operand_type(m, op, 0) : (ir_type){0};
    switch (ir_info(code)->shape) {
    case IR_SHAPE_INPUT:
        verify_input(v, op, t);
        break;
    case IR_SHAPE_SAME:
    case IR_SHAPE_PARTS:
    case IR_SHAPE_ROTARY:
        for (size_t i = 1; i < o->operand_count; i++)
            expect_same(v, op, x, operand_type(m, op, i));
        expect_same(v, op, x, t);
        break;
    case IR_SHAPE_LINEAR:
        expect_columns(v, op, "its result", t, ir_int(m, op, IR_KEY_outputs, 0));
        if (x.rank == t.rank && x.rank > 0)
            x.dim[x.rank - 1] = t.dim[t.rank - 1];
        expect_same(v, op, x, t);
        break;
    case IR_SHAPE_ATTENTION: {
        const int64_t columns = heads_columns(m, op, IR_KEY_query_heads),
                      shared = heads_columns(m, op, IR_KEY_kv_heads);
        expect_columns(v, op, "q", x, columns);
        expect_columns(v, op, "k", operand_type(m, op, 1), shared);
        expect_columns(v, op, "v", operand_type(m, op, 2), shared);
        expect_columns(v, op, "its result", t, columns);
        break;
    }
    case IR_SHAPE_IDS:
        if (t.elem != IR_ELEM_IDS && t.elem != IR_ELEM_NONE)
            verify_error(v, op, "its result has type %s; it must be token ids", type_text(v, t));
        else if (t.elem == IR_ELEM_IDS && (t.rank != 1 || t.dim[0] != ir_int(m, op, IR_KEY_slots, 0)))
            verify_error(v, op, "its result has type %s, but there are %lld slots", type_text(v, t),
                         (long long)ir_int(m, op, IR_KEY_slots, 0));
        break;
    case IR_SHAPE_BUFFER:
        if (t.elem != IR_ELEM_BUFFER || t.rank != 0)
            verify_error(v, op, "its result has type %s; it must be `buffer`", type_text(v, t));
        break;
    default:
        break;
    }
}
