/* The tables of ops and attribute keys, from ops.def, attrs.def and the instruction set, and their lookup by name. */
#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <threads.h>

#include "ir/base/names.h"
#include "ir/tables.h"

/* ---- ops -------------------------------------------------------------------------------------------------------- */

/* What the kinds of isa.def mean here: operand or attribute, and the attribute's kind. */
#define OPERAND_BUF(name)  +1
#define OPERAND_DRAM(name) +1
#define OPERAND_ENGINE(name)
#define OPERAND_LAYER(name)
#define OPERAND_HEAD(name)
#define OPERAND_SLOT(name)
#define OPERAND_COUNT(name)
#define OPERAND_TENSOR(name)
#define OPERAND_ENUM(name)
#define OPERAND_FLAG(name)
#define OPERAND_INT(name)
#define OPERAND_OFFSET(name)
#define OPERAND_F32(name)

#define OPTIONAL_BUF(name)
#define OPTIONAL_DRAM(name)
#define OPTIONAL_ENGINE(name)
#define OPTIONAL_LAYER(name)
#define OPTIONAL_HEAD(name)
#define OPTIONAL_SLOT(name)
#define OPTIONAL_COUNT(name)
#define OPTIONAL_TENSOR(name)
#define OPTIONAL_ENUM(name)
#define OPTIONAL_FLAG(name) " " #name
#define OPTIONAL_INT(name)
#define OPTIONAL_OFFSET(name)
#define OPTIONAL_F32(name)

#define REQUIRED_BUF(name)
#define REQUIRED_DRAM(name)
#define REQUIRED_ENGINE(name) " " #name
#define REQUIRED_LAYER(name)  " " #name
#define REQUIRED_HEAD(name)   " " #name
#define REQUIRED_SLOT(name)   " " #name
#define REQUIRED_COUNT(name)  " " #name
#define REQUIRED_TENSOR(name) " " #name
#define REQUIRED_ENUM(name)   " " #name
#define REQUIRED_FLAG(name)
#define REQUIRED_INT(name)    " " #name
#define REQUIRED_OFFSET(name) " " #name
#define REQUIRED_F32(name)    " " #name

/* Tokens are what the stream level adds to the schedule. */
#define LEVELS_ANY     S
#define LEVELS_HOST    (H | S)
#define LEVELS_LOAD    (H | S)
#define LEVELS_SOFTMAX (H | S)
#define LEVELS_TOPK    (H | S)
#define LEVELS_STORE   (H | S)
#define LEVELS_ARRAY   (H | S)

static const ir_op_info op_table[IR_OPCODES] = {
#define G (1u << IR_GRAPH)
#define T (1u << IR_TILE)
#define H (1u << IR_SCHEDULE)
#define S (1u << IR_STREAM)
#define OP(name, spelling, levels, operands, results, required, optional, shape, lowering, doc)                        \
    [IR_##name] = {spelling, levels, operands, results, required, optional, IR_SHAPE_##shape, lowering, doc},
#include "ir/ops.def"
#define ISA_OP(name, mnemonic, engine, text)                                                                           \
    [IR_I_##name].spelling = mnemonic, [IR_I_##name].levels = LEVELS_##engine, [IR_I_##name].doc = text,               \
    [IR_I_##name].optional = "start busy done"
#define ISA_FIELD(op, name, bits, kind, doc) OPTIONAL_##kind(name)
#define ISA_END(op)                          ,
#include "runtime/isa/isa.def"
#define ISA_OP(name, mnemonic, engine, doc)  [IR_I_##name].operands = 0
#define ISA_FIELD(op, name, bits, kind, doc) OPERAND_##kind(name)
#define ISA_END(op)                          ,
#include "runtime/isa/isa.def"
#define ISA_OP(name, mnemonic, engine, doc)  [IR_I_##name].required = "queue"
#define ISA_FIELD(op, name, bits, kind, doc) REQUIRED_##kind(name)
#define ISA_END(op)                          ,
#include "runtime/isa/isa.def"
};

const ir_op_info *ir_info(ir_opcode code) {
    return &op_table[code];
}

const char *ir_level_name(ir_level level) {
    static const char *const spelled[IR_LEVELS] = {"graph", "tile", "schedule", "stream"};
    return spelled[level];
}

const char *ir_elem_name(ir_elem elem) {
    static const char *const spelled[IR_ELEMS] = {
        [IR_ELEM_NONE] = "?",  [IR_ELEM_F32] = "f32",       [IR_ELEM_U32] = "u32",
        [IR_ELEM_IDS] = "ids", [IR_ELEM_BUFFER] = "buffer",
    };
    return spelled[elem];
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

enum { KEYS_MAX = IR_KEYS_FIXED + DTQ_FIELD_TOTAL };

static const ir_key_info fixed_keys[IR_KEYS_FIXED] = {
#define ATTR(key, kind, derived_by, doc) [IR_KEY_##key] = {#key, IR_KIND_##kind, doc, derived_by},
#include "ir/attrs.def"
};

/** Kind of the attribute that an instruction's field becomes, or -1 if it becomes an operand. */
static int kind_of_field(dtq_field_kind kind) {
    switch (kind) {
    case DTQ_KIND_BUF:
    case DTQ_KIND_DRAM:
        return -1;
    case DTQ_KIND_ENGINE:
        return IR_KIND_QUEUE;
    case DTQ_KIND_TENSOR:
        return IR_KIND_STR;
    case DTQ_KIND_ENUM:
    case DTQ_KIND_FLAG:
        return IR_KIND_WORD;
    case DTQ_KIND_F32:
        return IR_KIND_REAL;
    default:
        return IR_KIND_INT;
    }
}

/* ---- lookup ----------------------------------------------------------------------------------------------------- */

enum { SLOTS = 1024 };
_Static_assert(SLOTS >= 2 * KEYS_MAX && SLOTS >= 2 * IR_OPCODES, "the lookup tables need room");

typedef struct {
    const char *name;
    size_t length;
    unsigned number;
} lookup_slot;

/* Made once from the constant tables above, never changed afterwards: it spares each lookup a search through them. */
static struct {
    once_flag once;
    atomic_bool made; /* spares the call in every look-up after the first */
    size_t key_count;
    ir_key_info keys[KEYS_MAX]; /* fixed_keys, then each field name of the instruction set once */
    lookup_slot key_slots[SLOTS], op_slots[SLOTS];
    uint8_t needs[IR_OPCODES][KEYS_MAX];                          /* ir_need */
    const dtq_field_info *fields[DTQ_OP_COUNT][KEYS_MAX];         /* of attributes */
    const dtq_field_info *operands[DTQ_OP_COUNT][DTQ_FIELDS_MAX]; /* of operands */
} lookup = {.once = ONCE_FLAG_INIT};

/* The slot of the name, or the empty slot where it belongs. */
static lookup_slot *find_slot(lookup_slot *slots, const char *s, size_t n) {
    size_t i = names_hash(s, n) % SLOTS;
    while (slots[i].name && (slots[i].length != n || memcmp(slots[i].name, s, n) != 0))
        i = (i + 1) % SLOTS;
    return &slots[i];
}

static unsigned add_key(const char *name, ir_kind kind, const char *doc, const char *derived_by) {
    size_t length = strlen(name);
    lookup_slot *slot = find_slot(lookup.key_slots, name, length);
    if (!slot->name) {
        *slot = (lookup_slot){name, length, (unsigned)lookup.key_count};
        lookup.keys[lookup.key_count++] = (ir_key_info){name, kind, doc, derived_by};
    }
    return slot->number;
}

static void make_keys(void) {
    for (unsigned k = 0; k < IR_KEYS_FIXED; k++)
        add_key(fixed_keys[k].name, fixed_keys[k].kind, fixed_keys[k].doc, fixed_keys[k].derived_by);
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++) {
        size_t operands = 0;
        for (unsigned f = 0; f < dtq_ops[op].field_count; f++) {
            const dtq_field_info *field = &dtq_ops[op].fields[f];
            int kind = kind_of_field(field->kind);
            if (kind >= 0)
                lookup.fields[op][add_key(field->name, (ir_kind)kind, field->doc, "")] = field;
            else
                lookup.operands[op][operands++] = field;
        }
    }
}

static void make_need(ir_opcode code, const char *keys, ir_need need) {
    for (keys += strspn(keys, " "); *keys; keys += strspn(keys, " ")) {
        size_t n = strcspn(keys, " ");
        const lookup_slot *slot = find_slot(lookup.key_slots, keys, n);
        assert(slot->name && "ops.def names a key that attrs.def lacks");
        lookup.needs[code][slot->number] = (uint8_t)need;
        keys += n;
    }
}

/* Whether it has instructions whose source it says. */
static bool has_source(ir_opcode code) {
    switch (code) {
    case IR_INPUT:
    case IR_OUTPUT:
    case IR_SELECT:
    case IR_TILE_QK:
    case IR_TILE_SOFTMAX:
    case IR_TILE_IMPORTANCE:
    case IR_TILE_PV:
    case IR_TILE_TOPK:
    case IR_LAYER:
    case IR_BUFFER:
    case IR_I_WAIT:
    case IR_I_SIGNAL:
        return false;
    default:
        return true;
    }
}

static void make_needs(void) {
    for (ir_opcode code = 0; code < IR_OPCODES; code++) {
        make_need(code, op_table[code].required, IR_MUST);
        make_need(code, op_table[code].optional, IR_MAY);
        lookup.needs[code][IR_KEY_source] = has_source(code) ? IR_MAY : IR_NEVER;
    }
}

static void make_index(void) {
    make_keys();
    make_needs();
    for (unsigned code = 0; code < IR_OPCODES; code++) {
        const char *spelling = op_table[code].spelling;
        size_t length = strlen(spelling);
        *find_slot(lookup.op_slots, spelling, length) = (lookup_slot){spelling, length, code};
    }
}

static inline void need_index(void) {
    if (atomic_load_explicit(&lookup.made, memory_order_acquire))
        return;
    call_once(&lookup.once, make_index);
    atomic_store_explicit(&lookup.made, true, memory_order_release);
}

ir_opcode ir_opcode_find(const char *spelling, size_t n) {
    need_index();
    const lookup_slot *slot = find_slot(lookup.op_slots, spelling, n);
    return slot->name ? (ir_opcode)slot->number : IR_OPCODES;
}

size_t ir_key_count(void) {
    need_index();
    return lookup.key_count;
}

const ir_key_info *ir_key_get(unsigned key) {
    need_index();
    assert(key < lookup.key_count);
    return &lookup.keys[key];
}

int ir_key_find(const char *name, size_t n) {
    need_index();
    const lookup_slot *slot = find_slot(lookup.key_slots, name, n);
    return slot->name ? (int)slot->number : -1;
}

ir_need ir_key_need(ir_opcode code, unsigned key) {
    need_index();
    return (ir_need)lookup.needs[code][key];
}

const dtq_field_info *ir_field(ir_opcode code, unsigned key) {
    need_index();
    return ir_is_instr(code) ? lookup.fields[IR_ISA_OP(code)][key] : NULL;
}

const uint8_t *ir_needs_row(ir_opcode code) {
    need_index();
    return lookup.needs[code];
}

const dtq_field_info *const *ir_fields_row(ir_opcode code) {
    need_index();
    return ir_is_instr(code) ? lookup.fields[IR_ISA_OP(code)] : NULL;
}

const ir_key_info *ir_all_keys(size_t *count) {
    need_index();
    *count = lookup.key_count;
    return lookup.keys;
}

const dtq_field_info *ir_operand_field(ir_opcode code, size_t operand) {
    need_index();
    return ir_is_instr(code) && operand < DTQ_FIELDS_MAX ? lookup.operands[IR_ISA_OP(code)][operand] : NULL;
}

bool ir_field_may_be_none(const dtq_field_info *field) {
    return strstr(field->doc, "none") != NULL;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

size_t ir_words(ir_opcode code, unsigned key, ir_word words[IR_WORDS_MAX]) {
    const dtq_field_info *field = ir_field(code, key);
    const char *at = strchr(field ? field->doc : ir_key_get(key)->doc, '{');
    if (!at)
        at = strchr(op_table[code].doc, '{');
    size_t count = 0;
    while (at && *at != '}' && count < IR_WORDS_MAX) {
        at++; /* the brace or the bar */
        size_t n = strcspn(at, "|}");
        words[count++] = (ir_word){at, n};
        at += n;
        if (*at == '\0')
            break;
    }
    return count;
}
