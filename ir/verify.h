/* What the files of the verifier share; private to ir/. */
#ifndef DTQ_IR_VERIFY_H
#define DTQ_IR_VERIFY_H

#include "ir/base/names.h"
#include "ir/tables.h"
#include "runtime/layer.h"

enum { VERIFY_ERRORS_MAX = 20, VERIFY_LAYERS_MAX = 1 << 12 /* what a LAYER field of the instruction set holds */ };

/** Bit sets of keys, 64 to a word. */
enum { VERIFY_KEY_WORDS = (IR_KEYS_FIXED + DTQ_FIELD_TOTAL + 63) / 64 };

/** What instructions and strips need to know of the attention layer they name. */
typedef struct {
    bool declared;
    int64_t slots, key_first, keys, col_first, cols /* of Q.K^T */, query_first, queries, query_heads, kv_heads,
        head_dim;
    dtq_clusters clusters; /* by which rows skip what their mask hides; none: they skip nothing */
} verify_layer;

/** What an attribute of the last good op of an opcode was, and what it may be in the next to be as good. */
typedef struct {
    uint16_t key;
    uint8_t kind;
    bool any_text;    /* of STR: what it says is nobody's business */
    uint64_t most;    /* of INT and QUEUE */
    const char *text; /* of others: this alone */
} verify_attr_met;

/** What an instruction's field is checked for, beyond its own range. */
typedef struct {
    dtq_field_kind kind; /* ENGINE, LAYER, HEAD, or SLOT with the COUNT behind it; others are not noted */
    uint8_t field;
    bool of_keys;        /* of SLOT: counts keys, whatever the operand */
    unsigned key, count; /* attributes: the field's own, and of SLOT the one behind it */
} verify_field;

/** What is looked up once for all ops of an opcode. */
typedef struct {
    verify_attr_met last[16]; /* attributes of the last op that was good, in their order */
    unsigned last_count;      /* 0: none yet, or more than these */
    uint64_t last_seen[VERIFY_KEY_WORDS];
    const uint8_t *needs;                 /* ir_needs_row */
    const dtq_field_info *const *fields;  /* ir_fields_row */
    uint64_t must[VERIFY_KEY_WORDS];      /* keys that it must have */
    verify_field checked[DTQ_FIELDS_MAX]; /* of an instruction, in the order of its fields */
    unsigned checked_count;
    bool legal; /* at the module's level */
    /* Where an operand was last found in the space that it must be in; or verify_space_of_operand. */
    const char *good_space[DTQ_FIELDS_MAX];
} verify_code;

/** In good_space: it is what the attribute `operand` says. */
extern const char verify_space_of_operand[];

/** A word found good. Ops share the text of their words, so that where it stands says which it is. */
typedef struct {
    const char *text;
    uint16_t code, key;
} verify_word_met;

/** A space and its bytes, by where its name stands. */
typedef struct {
    const char *name;
    uint64_t bytes;
} verify_space_met;

/** A list of attributes that several ops share, found good for a token's opcode. */
typedef struct {
    uint32_t attrs;
    uint16_t code, count; /* code 0: nothing is here */
} verify_shared_met;

enum {
    VERIFY_WORDS = 1024,
    VERIFY_SPACES = 64,
    VERIFY_SHARED = 2048
}; /* powers of two: one entry for each remainder of an address */

typedef struct {
    const ir_module *m;
    diag *diag;
    arena *scratch;
    unsigned errors;
    names tensors;
    const ir_key_info *keys; /* ir_all_keys */
    size_t key_count;
    verify_layer *layers; /* [layer_room] */
    int64_t layer_room;
    size_t layer_count;           /* declared ones */
    bool misnumbered;             /* a layer's index is not its place among them, and that has been told */
    size_t scope;                 /* tile level: the tile.attention whose strips stand here, or SIZE_MAX */
    verify_code *met[IR_OPCODES]; /* opcodes met so far */
    verify_word_met words[VERIFY_WORDS];
    verify_space_met spaces[VERIFY_SPACES];
    verify_shared_met shared[VERIFY_SHARED];
    const char *
        *space_of;    /* [value_count] the space of a buffer that was found good, or NULL; at the schedule level on */
    bool defines_all; /* the module's scheme of arithmetic has a definition of every op */
    unsigned operand, select, layer;             /* keys of fields that facts are about */
    uint64_t seen[VERIFY_KEY_WORDS];             /* keys that the op under way has */
    const ir_attr *attrs[64 * VERIFY_KEY_WORDS]; /* their attributes; of keys not seen: of some op before */
} verifier;

/** The attribute `key` of the op under way, NULL if it has none. After verify_attributes. */
static inline const ir_attr *verify_get(const verifier *v, unsigned key) {
    return v->seen[key / 64] >> key % 64 & 1 ? v->attrs[key] : NULL;
}

static inline int64_t verify_number(const verifier *v, unsigned key, int64_t missing) {
    const ir_attr *attr = verify_get(v, key);
    return attr ? attr->i : missing;
}

static inline const char *verify_text(const verifier *v, unsigned key) {
    const ir_attr *attr = verify_get(v, key);
    return attr ? attr->s : NULL;
}

/** Looks up what is known of an opcode that exists, when it is met first. */
verify_code *verify_meet(verifier *v, ir_opcode code);

static inline verify_code *verify_met(verifier *v, ir_opcode code) {
    return v->met[code] ? v->met[code] : verify_meet(v, code);
}

/** Reports an error of op `op`; always false. */
bool verify_error(verifier *v, size_t op, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Reports an error of the module as a whole, or of the place `loc`; always false. */
bool verify_error_at(verifier *v, src_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Header, machine and tensor table; fills v->tensors. */
void verify_header(verifier *v);
/** Collects the attention layers; fills v->layers. */
void verify_layers(verifier *v);
/** Kinds, values and presence of an op's attributes, for verify_get. False if the other checks of the op would make no
 * sense. */
bool verify_attributes(verifier *v, size_t op);
/** True if attributes are those of an op of this opcode that was good, with values that are as good; notes them for
 *  verify_get, then. */
bool verify_like_last(verifier *v, const ir_op *o, const verify_code *code);
/** What attributes say of each other: slots, bits, ids, heads, policy. */
void verify_facts(verifier *v, size_t op);
/** Parts of it: a layer's heads and channels, its regions at the stream level (verify_layers.c); */
static inline bool verify_declares_layer(ir_opcode code) {
    return code == IR_ATTENTION || code == IR_TILES || code == IR_LAYER;
}
void verify_shape(verifier *v, size_t op);
void verify_regions(verifier *v, size_t op);
/** lists that describe each slot or token, `slots` the attribute or NULL (verify_precision.c); */
void verify_precisions(verifier *v, size_t op, const ir_attr *slots);
void verify_turned(verifier *v, size_t op, const ir_attr *slots);
void verify_order(verifier *v, size_t op, const ir_attr *slots);
void verify_ids(verifier *v, size_t op, const ir_attr *slots);
void verify_policy(verifier *v, size_t op);
/** the choice of tokens at the tile level (verify_tiles.c); how a linear is cut: all of it is there or nothing
 *  (verify_linear.c). */
void verify_select(verifier *v, size_t op);
void verify_tiles(verifier *v, size_t op);
void verify_cut(verifier *v, size_t op);
/** The declared layer of an index, or NULL. */
const verify_layer *verify_find_layer(const verifier *v, int64_t index);
/** The strips that follow a tile.attention: each of four ops, each query in one of them, none higher than an array. */
void verify_strips(verifier *v, size_t tiles);
/** What a layer says of its blocks if it streams, and only then; at the tile level, with its declaration `l`, the
 * blocks (verify_streamed.c). */
void verify_streaming(verifier *v, size_t op);
void verify_streamed_blocks(verifier *v, size_t tiles, const verify_layer *l);
/** That only a layer skips masked tiles of which the order of slots says what they are. */
void verify_masked(verifier *v, size_t op);
/** That a strip's op, or tile.topk, stands with a tile.attention. */
void verify_strip(verifier *v, size_t op);
/** Types of operands and result. */
void verify_types(verifier *v, size_t op);
/** Stream level: the spaces that operands are in. */
void verify_spaces(verifier *v, size_t op);
/** Queue and ranges of an instruction; size and address of a buffer. */
void verify_instruction(verifier *v, size_t op);
void verify_buffer(verifier *v, size_t op);

#endif
