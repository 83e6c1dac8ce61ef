/* The IR: one representation, four levels (graph, tile, schedule, stream). Grammar and semantics: IR.md.
 *
 * A module owns nothing but references into one arena. Ops stand in one array in program order; values, operands and
 * attributes are indices into pools, so a module can be copied, walked and printed without chasing pointers.
 */
#ifndef DTQ_IR_H
#define DTQ_IR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/schemes/scheme.h"

typedef enum { IR_GRAPH, IR_TILE, IR_SCHEDULE, IR_STREAM, IR_LEVELS } ir_level;

/** Op codes: those of ops.def, then one for each instruction of runtime/isa/isa.def in its order. */
typedef enum {
#define OP(name, spelling, levels, operands, results, required, optional, shape, lowering, doc) IR_##name,
#include "ir/ops.def"
    IR_FIRST_INSTR,
    IR_BEFORE_INSTR = IR_FIRST_INSTR - 1,
#define ISA_OP(name, mnemonic, engine, doc) IR_I_##name,
#define ISA_FIELD(op, name, bits, kind, doc)
#define ISA_END(op)
#include "runtime/isa/isa.def"
    IR_OPCODES
} ir_opcode;

typedef enum {
    IR_KIND_INT,
    IR_KIND_REAL,
    IR_KIND_STR,
    IR_KIND_WORD,
    IR_KIND_INTS,
    IR_KIND_RANGE,
    IR_KIND_RUNS,
    IR_KIND_QUEUE
} ir_kind;

/** Attribute keys: those of attrs.def, then the fields of the ISA that are no buffers, each name once. Of the latter,
 *  ENUM fields are WORD, ENGINE fields QUEUE, TENSOR fields STR (a name in the tensor table; "" for none), F32
 *  fields REAL, all others INT. The enum has the former; the latter are IR_KEYS_FIXED + n and found by ir_key_find. */
typedef enum {
#define ATTR(key, kind, derived_by, doc) IR_KEY_##key,
#include "ir/attrs.def"
    IR_KEYS_FIXED
} ir_key;

typedef struct {
    const char *name;
    ir_kind kind;
    const char *doc;
    const char *derived_by; /* blank-separated passes that compute it; "": it is a decision */
} ir_key_info;

/** A run of RUNS: `count` neighbours of the same `value`. */
typedef struct {
    int64_t count, value;
} ir_run;

/** From `lo` to before `hi`. */
typedef struct {
    int64_t lo, hi;
} ir_range;

/** 16 bytes, for a program has millions: what is longer than a word stands elsewhere in the arena. */
typedef struct {
    uint16_t key;
    uint8_t kind;   /* ir_kind, of the key */
    uint32_t count; /* of INTS and RUNS */
    union {
        int64_t i; /* INT, QUEUE */
        double r;
        const char *s; /* STR, WORD; owned by the arena */
        const int64_t *ints;
        const ir_run *runs;
        const ir_range *range;
    };
} ir_attr;

typedef uint32_t ir_value; /* number of a value: what %7 means; IR_NONE prints as _ */
#define IR_NONE UINT32_MAX

/** Type of a value. elem: f32, u32 (token ids), i8 … as spelled; rank 0 with elem IR_ELEM_NONE: unknown yet ("?"). */
typedef enum { IR_ELEM_NONE, IR_ELEM_F32, IR_ELEM_U32, IR_ELEM_IDS, IR_ELEM_BUFFER, IR_ELEMS } ir_elem;
typedef struct {
    uint8_t elem, rank;
    uint32_t dim[3];
} ir_type;

typedef struct {
    uint16_t code; /* ir_opcode */
    uint16_t operand_count, attr_count;
    uint16_t attr_capacity; /* less than attr_count: other ops have the same list, which nobody writes to */
    uint32_t operands;      /* first, in module->operands */
    uint32_t attrs;         /* first, in module->attrs */
    ir_value result;        /* IR_NONE if it has none */
    src_loc loc;
} ir_op;

/** A weight: dtype a word of runtime/dtypes.def, or "synthetic" with a seed. */
typedef struct {
    const char *name, *file, *dtype; /* file NULL: synthetic or rotary */
    uint64_t offset, file_bytes;
    const char *file_hash; /* which file it is, 32 hexadecimal digits; NULL: nobody has looked yet */
    uint64_t file_stamp;   /* dtq_file_describe's, when the file was read; 0: it was not, as in IR from a text */
    uint32_t rows, cols;   /* as they lie in the file; a vector is 1 x n */
    uint32_t stride;       /* elements from one row to the next; 0: cols */
    bool transposed;       /* linear weight stored [inputs][outputs] */
    uint64_t seed;
    double mean, scale;
    uint64_t scales, zeros;  /* of I8, U8, I32: bytes of the file where one for each column lies; 0: scale, mean */
    bool by_rows;            /* scales and zeros are of rows */
    const char *frequencies; /* of a rotary table: how they are scaled (runtime/numerics/rotary.h); NULL: not at all */
    src_loc loc;
    src_loc origin; /* of a tensor read from IR: what is written behind the `@`; else no file */
} ir_tensor;

/** Header of a module, printed as `key = value` lines. */
typedef struct {
    const char *model;     /* name */
    const char *tokenizer; /* path of the vocabulary, or NULL */
    bool lower_case;
    uint32_t seq; /* tokens of the input */
    uint32_t vocabulary, positions;
    bool qkv_input;    /* the input is q, k, v, not token ids */
    dtq_scheme scheme; /* of arithmetic; not printed if it is `mixed` */
    bool recompute;    /* somebody has edited decisions: what is derived from them is to be computed again */
    bool plain;        /* of graph and tiles: planned as by -O0, the paper's method alone */
} ir_header;

typedef struct {
    ir_level level;
    ir_header header;
    dtq_machine *machine; /* its own; runtime/machine_members.h has the members */
    arena *arena;         /* owns everything below */
    ir_op *ops;
    size_t op_count, op_capacity;
    ir_value *operands;
    size_t operand_count, operand_capacity;
    ir_attr *attrs;
    size_t attr_count, attr_capacity;
    ir_type *types; /* of values */
    uint32_t *defs; /* op index that defines the value */
    size_t value_count, value_capacity;
    ir_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    const char *text_file;  /* the text that ir_parse read it from, or NULL; its ops are located there */
    const src_loc *origins; /* [origin_count] by line of that text: the place behind the `@` of its op; else no file */
    size_t origin_count;
    const char **passes; /* names of the passes that ran, in order; the manager checks requirements against them */
    size_t pass_count, pass_capacity;
} ir_module;

/* ---- tables -------------------------------------------------------------------------------------------------- */

/** Rules of the type of an op's result; ops.def says what each is. */
typedef enum {
    IR_SHAPE_NONE,
    IR_SHAPE_SAME,
    IR_SHAPE_PARTS,
    IR_SHAPE_ONE_ROW,
    IR_SHAPE_LINEAR,
    IR_SHAPE_EMBED,
    IR_SHAPE_ROTARY,
    IR_SHAPE_ATTENTION,
    IR_SHAPE_IDS,
    IR_SHAPE_BUFFER,
    IR_SHAPE_INPUT
} ir_shape;

typedef struct {
    const char *spelling;
    unsigned levels; /* bit 1 << level */
    int operands;    /* count, or -1 - least */
    int results;
    const char *required, *optional; /* blank-separated keys */
    ir_shape shape;
    const char *lowering; /* "" or NULL: none of the host's instructions */
    const char *doc;
} ir_op_info;

/** Table row of an opcode. For instructions: operands are the BUF and DRAM fields in order (`_` where the field's doc
 *  allows none), required attributes `queue` and the other fields. Every op also takes `source`. */
const ir_op_info *ir_info(ir_opcode code);
/** Opcode by spelling (first `n` bytes), or IR_OPCODES. */
ir_opcode ir_opcode_find(const char *spelling, size_t n);
/** Opcode of an ISA instruction (dtq_opcode number) and back. */
#define IR_INSTR(isa_op) ((ir_opcode)((int)IR_FIRST_INSTR + (int)(isa_op)))
#define IR_ISA_OP(code)  ((int)(code) - (int)IR_FIRST_INSTR)
static inline bool ir_is_instr(ir_opcode code) {
    return code >= IR_FIRST_INSTR && code < IR_OPCODES;
}
size_t ir_key_count(void);
/** `key` < ir_key_count(). The doc of an ISA field's key is that of the first field of this name. */
const ir_key_info *ir_key_get(unsigned key);
/** Key number by name (first `n` bytes), or -1. */
int ir_key_find(const char *name, size_t n);
const char *ir_level_name(ir_level level); /* "graph", "tile", "schedule", "stream" */
const char *ir_elem_name(ir_elem elem);    /* "?", "f32", "u32", "ids", "buffer" */

/* ---- building and reading ------------------------------------------------------------------------------------ */

/** An empty module at `level`; owns nothing, lives in `a`. */
ir_module *ir_module_new(arena *a, ir_level level);
/** The same, with header and machine as of `from`. */
ir_module *ir_module_like(arena *a, const ir_module *from, ir_level level);

/** Empties a module that another has replaced and gives its big pools back. Attributes copied from it stay valid. */
void ir_module_release(ir_module *m);

/** Appends an op. `operands` are copied; they may stand in the module. If its table row has a result, a value of `type`
 * is made. Pointers to ops are valid until the next ir_append; indices always. Returns the op's index. */
size_t ir_append(ir_module *m, ir_opcode code, const ir_value *operands, size_t operand_count, ir_type type,
                 src_loc loc);
ir_value ir_result(const ir_module *m, size_t op);
static inline ir_value ir_operand(const ir_module *m, size_t op, size_t index) {
    assert(index < m->ops[op].operand_count);
    return m->operands[m->ops[op].operands + index];
}

/** Sets (or replaces) an attribute of op `op`; the key must have the kind. Strings and arrays are copied. */
void ir_set_int(ir_module *m, size_t op, unsigned key, int64_t value);
/** Sets several INT attributes, of which an op mostly has none. */
void ir_set_new_ints(ir_module *m, size_t op, const unsigned *keys, const int64_t *values, size_t count);
void ir_set_real(ir_module *m, size_t op, unsigned key, double value);
void ir_set_str(ir_module *m, size_t op, unsigned key, const char *value); /* STR or WORD */
void ir_set_ints(ir_module *m, size_t op, unsigned key, const int64_t *values, size_t count);
void ir_set_runs(ir_module *m, size_t op, unsigned key, const ir_run *runs, size_t count);
void ir_set_range(ir_module *m, size_t op, unsigned key, int64_t lo, int64_t hi);
/** Copies an attribute (of the same or another module in the same arena). */
void ir_set(ir_module *m, size_t op, const ir_attr *attr);
void ir_unset(ir_module *m, size_t op, unsigned key);
/** Gives op `op`, just appended and without attributes, these, whose keys must differ, with room for `spare` more. Text
 * and arrays are not copied: they must live as long as the arena. */
void ir_put_attrs(ir_module *m, size_t op, const ir_attr *attrs, size_t count, size_t spare);
/** Gives op `op`, just appended and without attributes, those of another op (of a module in the same arena), with room
 *  for `spare` more. */
void ir_copy_attrs(ir_module *m, size_t op, const ir_module *from, size_t from_op, size_t spare);

/** Appends copies of ops [first, end) at `loc`, with room for as many attributes as those have. Operands that are
 * results of these ops are those of the copies. Returns the index of the first copy. */
size_t ir_append_copies(ir_module *m, size_t first, size_t end, src_loc loc);
/** Moves op i to place[i]: places ascend, place[i] >= i, and all are less than `count`, the new number of ops. What is
 * between them has no meaning until ir_fill has made it an op of `code` without operands, result and attributes. */
void ir_spread(ir_module *m, const uint32_t *place, size_t count);
void ir_fill(ir_module *m, size_t op, ir_opcode code, src_loc loc);
/** The same with opcode and attributes of `like`: both share one list until one of them is changed, which then gets its
 *  own. */
void ir_fill_like(ir_module *m, size_t op, size_t like, src_loc loc);

/** Where what is located at `loc` comes from: of an op that was read from IR the place behind its `@`, which may be in
 *  a model's file, while `loc` says where it stands in the text; else `loc` itself. */
static inline const src_loc *ir_origin(const ir_module *m, const src_loc *loc) {
    const bool read = loc->file && loc->file == m->text_file && loc->line < m->origin_count;
    return read && m->origins[loc->line].file ? &m->origins[loc->line] : loc;
}

/** The attribute, or NULL. The pointer is valid until the next attribute of the module is set. */
static inline const ir_attr *ir_get(const ir_module *m, size_t op, unsigned key) {
    const ir_op *o = &m->ops[op];
    for (unsigned i = 0; i < o->attr_count; i++) /* no pool yet, no pointer into it */
        if (m->attrs[o->attrs + i].key == key)
            return &m->attrs[o->attrs + i];
    return NULL;
}
/** Value of an INT (or QUEUE), `missing` if it is not there. */
static inline int64_t ir_int(const ir_module *m, size_t op, unsigned key, int64_t missing) {
    const ir_attr *attr = ir_get(m, op, key);
    return attr ? attr->i : missing;
}
double ir_real(const ir_module *m, size_t op, unsigned key, double missing);
/** Text of a STR or WORD, NULL if it is not there. */
const char *ir_str(const ir_module *m, size_t op, unsigned key);
/** The order of slots by its word; NULL: low-first, as before cluster-precision. */
dtq_slot_order ir_slot_order(const char *word);
/** Whether the attention layer that the op declares chooses its own keys by a probe: its rule is `probe` or
 *  `probe_heads`. */
bool ir_by_probe(const ir_module *m, size_t op);
/** Whether its rule is `late` or `late_heads`; whether it then has a choice to make; whether its rule is one of these
 * or of a probe, so that it measures nothing for the layer after it. */
bool ir_by_late(const ir_module *m, size_t op);
bool ir_chooses_late(const ir_module *m, size_t op);
bool ir_by_own(const ir_module *m, size_t op);
/** Whether its rule is `streamed`. */
bool ir_streams(const ir_module *m, size_t op);
/** Rows of importance of the layer that the op declares, [seq] each: one, or one for each key/value head where these
 *  choose for themselves, which layers with static ids do not (`is_static`). */
uint64_t ir_importance_rows(const ir_module *m, size_t op, bool is_static);

/** Whether two attributes of one kind have the same value. */
bool ir_attr_equal(const ir_attr *a, const ir_attr *b);

/** The value as text, in `a`. */
const char *ir_attr_text(arena *a, const ir_attr *attr);

/** Adds a tensor to the table; names are unique. ir_tensor_find: index by name, or -1. */
size_t ir_add_tensor(ir_module *m, const ir_tensor *t);
int ir_tensor_find(const ir_module *m, const char *name);
/** The name, in the arena, of a constant that evens out the channels of a layer's queries and keys; `part` is "query",
 *  "key" or "shift" (pass balance-qk). */
const char *ir_balance_tensor(arena *a, int64_t layer, const char *part);

/** Records that pass `name` ran; ir_pass_ran asks. */
void ir_mark_pass(ir_module *m, const char *name);
bool ir_pass_ran(const ir_module *m, const char *name);

/** Writes run lengths out: element i of the result is the value of the run it falls into. */
uint8_t *ir_runs_expand(arena *a, const ir_attr *runs, size_t *count);
/** The inverse: runs of `values`. */
ir_run *ir_runs_of(arena *a, const uint8_t *values, size_t count, size_t *run_count);

/* ---- text form and checks -------------------------------------------------------------------------------------- */

/** Prints the module; parsing the text gives the same module (print o parse = identity). */
void ir_print(const ir_module *m, FILE *out);

/** Parses a module. Errors go to `d` with line and column in `file`; NULL on error. Levels, ops, keys and operand
 *  counts are checked; ir_verify checks the rest. Ops are located in this text; `@ "file":line:col` is their ir_origin.
 */
ir_module *ir_parse(arena *a, diag *d, const char *file, const char *text, size_t bytes);

/** Checks everything the op table states and what IR.md says of types, levels, ranges and layers. */
bool ir_verify(const ir_module *m, diag *d);

/** True if both print the same text: what tests of identity use. */
bool ir_equal(const ir_module *a, const ir_module *b);

#endif
