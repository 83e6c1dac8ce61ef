/* The instruction set: opcodes, operands, encoding (runtime/isa/ISA.md). */
#ifndef DTQRT_ISA_INSTRUCTION_H
#define DTQRT_ISA_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"

/** Queue numbers: the fixed engines, then one queue for each systolic array (DTQ_ARRAY0 + a). */
enum { DTQ_HOST, DTQ_LOAD, DTQ_SOFTMAX, DTQ_TOPK, DTQ_STORE, DTQ_ARRAY0, DTQ_QUEUE_MAX = 255 };

typedef enum {
#define ISA_OP(name, mnemonic, engine, doc) DTQ_OP_##name,
#define ISA_FIELD(op, name, bits, kind, doc)
#define ISA_END(op)
#include "runtime/isa/isa.def"
    DTQ_OP_COUNT
} dtq_opcode;

typedef enum {
    DTQ_KIND_ENGINE,
    DTQ_KIND_LAYER,
    DTQ_KIND_HEAD,
    DTQ_KIND_SLOT,
    DTQ_KIND_COUNT,
    DTQ_KIND_BUF,
    DTQ_KIND_DRAM,
    DTQ_KIND_TENSOR,
    DTQ_KIND_ENUM,
    DTQ_KIND_FLAG,
    DTQ_KIND_INT,
    DTQ_KIND_OFFSET,
    DTQ_KIND_F32
} dtq_field_kind;

/** Engine class of an instruction: a queue number, or any array, or any queue. */
enum {
    DTQ_CLASS_HOST,
    DTQ_CLASS_LOAD,
    DTQ_CLASS_SOFTMAX,
    DTQ_CLASS_TOPK,
    DTQ_CLASS_STORE,
    DTQ_CLASS_ARRAY,
    DTQ_CLASS_ANY
};

typedef struct {
    const char *name;
    uint8_t bits;
    dtq_field_kind kind;
    const char *doc;
} dtq_field_info;

typedef struct {
    const char *mnemonic;
    uint8_t engine_class;
    const char *doc;
    const dtq_field_info *fields;
    uint8_t field_count;
} dtq_op_info;

extern const dtq_op_info dtq_ops[DTQ_OP_COUNT];

/** What an instruction touches of its layer that none of its operands names; each with its words in ISA.md. */
#define DTQ_TOUCHES(X)                                                                                                 \
    X(READS_SLOTS, "the token ids of its layer, unless the layer chooses late")                                        \
    X(READS_TOKENS, "the token ids of its layer, unless the layer chooses them itself")                                \
    X(READS_VALUES, "the token ids of values, where its layer chooses late (load: if its operand is v)")               \
    X(READS_OPERAND, "codes and scales of its operand (load: of its head)")                                            \
    X(WRITES_OPERAND, "codes and scales of its operand")                                                               \
    X(WRITES_OUT, "the output of its layer")                                                                           \
    X(WRITES_IMPORTANCE, "the importance of its layer")                                                                \
    X(WRITES_CHOICE, "the token ids of its layer")                                                                     \
    X(WRITES_NEXT, "the token ids of the next layer, if it selects")
enum {
#define DTQ_TOUCH(name, words) DTQ_TOUCH_##name,
    DTQ_TOUCHES(DTQ_TOUCH)
#undef DTQ_TOUCH
        DTQ_TOUCH_COUNT
};
enum {
#define DTQ_TOUCH(name, words) DTQ_##name = 1 << DTQ_TOUCH_##name,
    DTQ_TOUCHES(DTQ_TOUCH)
#undef DTQ_TOUCH
};
extern const uint16_t dtq_op_touches[DTQ_OP_COUNT];

/* Position of a field among its instruction's operands: DTQ_F(QK, rows). */
#define DTQ_F(op, field) (DTQ_FIELD_##op##_##field - DTQ_FIRST_##op)
enum {
#define ISA_OP(name, mnemonic, engine, doc)  DTQ_FIRST_##name, DTQ_BEFORE_##name = DTQ_FIRST_##name - 1,
#define ISA_FIELD(op, name, bits, kind, doc) DTQ_FIELD_##op##_##name,
#define ISA_END(op)
#include "runtime/isa/isa.def"
    DTQ_FIELD_TOTAL
};

/** Words of ENUM fields that code asks for, in isa.def's order: SOFTMAX.mode, flags of PV and MATMUL, LINEAR.path. */
enum { DTQ_SOFTMAX_FULL, DTQ_SOFTMAX_MAX, DTQ_SOFTMAX_WMAX, DTQ_SOFTMAX_EXP };
enum { DTQ_PV_MIDDLE, DTQ_PV_FIRST, DTQ_PV_LAST, DTQ_PV_ONLY };
enum { DTQ_LINEAR_FP32, DTQ_LINEAR_INT8, DTQ_LINEAR_MIXED };

enum { DTQ_FIELDS_MAX = 12, DTQ_INSTR_BYTES = 32 };

/** A decoded instruction. `f` holds its operands in the order of isa.def. */
typedef struct {
    uint8_t op;    /* dtq_opcode */
    uint8_t queue; /* the queue that executes it */
    uint64_t f[DTQ_FIELDS_MAX];
} dtq_instr;

#define DTQ_GET(instr, op, field) ((instr)->f[DTQ_F(op, field)])

/** The value of a TENSOR or BUF field that means "none": all ones at the field's width. */
uint64_t dtq_field_none(const dtq_field_info *f);

/** Packs to 32 bytes. Fails (false) if a field does not fit its width. */
bool dtq_encode(const dtq_instr *in, uint8_t out[DTQ_INSTR_BYTES], dtq_error *e);
/** Unpacks; refuses unknown opcodes, words out of an ENUM's list and non-zero padding. */
bool dtq_decode(const uint8_t in[DTQ_INSTR_BYTES], dtq_instr *out, dtq_error *e);

/** "host", "load", "softmax", "topk", "store", "array0", …; buf holds at least 16 bytes and is returned. */
const char *dtq_queue_name(unsigned queue, char *buf);
/** Inverse of dtq_queue_name over the first `length` bytes of `name`; -1 if it is no queue's name. */
int dtq_queue_parse(const char *name, size_t length);

/** The words of an ENUM field: the text of word `index` and its length, or NULL past the last. */
const char *dtq_enum_word(const dtq_field_info *f, unsigned index, size_t *length);

#endif
