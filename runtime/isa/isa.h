/* What the files of the instruction set share; private to runtime/isa/. */
#ifndef DTQRT_ISA_H
#define DTQRT_ISA_H

#include "runtime/isa/instruction.h"

/** True if `queue` may execute instructions of `engine_class` (any array, any queue, or the one fixed engine). */
bool dtq_queue_serves(unsigned queue, unsigned engine_class);

/** Checks what the encoding itself promises: a known opcode, a queue of the op's class, fields within their widths,
 *  ENUM fields within their words. `e` says which field and why. */
bool dtq_instr_check(const dtq_instr *in, dtq_error *e);

/** The greatest value of each field of each opcode. */
typedef struct {
    uint64_t most[DTQ_OP_COUNT][DTQ_FIELDS_MAX];
} dtq_field_limits;
dtq_field_limits dtq_field_limits_find(void);

/** What dtq_instr_check says at length, of instructions that are good; false: it has to be asked. */
bool dtq_instr_within(const dtq_field_limits *l, const dtq_instr *in);

/** Packs an instruction that dtq_instr_check has found good. */
void dtq_store_instr(const dtq_instr *in, uint8_t out[DTQ_INSTR_BYTES]);

/** Number of words of an ENUM field. */
unsigned dtq_enum_count(const dtq_field_info *f);

/** Position of the LAYER field among the operands of `op`, or -1. */
int dtq_layer_field(unsigned op);

/** Largest value of `bits` bits. */
static inline uint64_t dtq_ones(unsigned bits) {
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

#endif
