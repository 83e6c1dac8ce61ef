/* 32 bytes to an instruction. What encode cannot have written is refused: an accepted instruction encodes to the same
 * bytes. */
#include <string.h>

#include "runtime/isa/isa.h"

/* Bits [at, at + bits) of the instruction, lowest first. */
static uint64_t take_bits(const uint8_t in[DTQ_INSTR_BYTES], unsigned at, unsigned bits) {
    uint64_t value = 0;
    for (unsigned got = 0; got < bits;) {
        unsigned take = 8 - at % 8 < bits - got ? 8 - at % 8 : bits - got;
        value |= ((uint64_t)in[at / 8] >> at % 8 & dtq_ones(take)) << got;
        at += take;
        got += take;
    }
    return value;
}

bool dtq_decode(const uint8_t in[DTQ_INSTR_BYTES], dtq_instr *out, dtq_error *e) {
    memset(out, 0, sizeof *out);
    out->op = in[0];
    out->queue = in[1];
    if (in[0] >= DTQ_OP_COUNT)
        return dtq_instr_check(out, e);
    const dtq_op_info *op = &dtq_ops[out->op];
    unsigned at = 16;
    for (unsigned i = 0; i < op->field_count; i++) {
        out->f[i] = take_bits(in, at, op->fields[i].bits);
        at += op->fields[i].bits;
    }
    for (; at < 8 * DTQ_INSTR_BYTES; at += 8 - at % 8)
        if (take_bits(in, at, 8 - at % 8))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "%s: padding from bit %u on is not zero", op->mnemonic, at);
    return dtq_instr_check(out, e);
}
