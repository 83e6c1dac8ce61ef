/* Instruction to 32 bytes, by shifts: the layout is ISA.md's, never a compiler's. */
#include <inttypes.h>
#include <string.h>

#include "runtime/isa/isa.h"

bool dtq_instr_check(const dtq_instr *in, dtq_error *e) {
    if (in->op >= DTQ_OP_COUNT)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "unknown opcode %u (there are %d)", in->op, DTQ_OP_COUNT);
    const dtq_op_info *op = &dtq_ops[in->op];
    char name[16];
    if (!dtq_queue_serves(in->queue, op->engine_class))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "queue %s cannot execute %s", dtq_queue_name(in->queue, name),
                        op->mnemonic);
    for (unsigned i = 0; i < op->field_count; i++) {
        const dtq_field_info *f = &op->fields[i];
        if (in->f[i] > dtq_ones(f->bits))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "%s: %s=%" PRIu64 " does not fit its %u bits", op->mnemonic, f->name,
                            in->f[i], f->bits);
        size_t length;
        if ((f->kind == DTQ_KIND_ENUM || f->kind == DTQ_KIND_FLAG) && !dtq_enum_word(f, (unsigned)in->f[i], &length))
            return dtq_fail(e, DTQ_BAD_PROGRAM, "%s: %s=%" PRIu64 " is past its %u words", op->mnemonic, f->name,
                            in->f[i], dtq_enum_count(f));
    }
    return true;
}

void dtq_store_instr(const dtq_instr *in, uint8_t out[DTQ_INSTR_BYTES]) {
    const dtq_op_info *op = &dtq_ops[in->op];
    uint64_t words[DTQ_INSTR_BYTES / 8 + 1] = {in->op | (uint64_t)in->queue
                                                            << 8}; /* one more: a last field may end there */
    unsigned at = 16;
    for (unsigned i = 0; i < op->field_count; i++) {
        words[at / 64] |= in->f[i] << at % 64;
        words[at / 64 + 1] |= in->f[i] >> 1 >> (63 - at % 64); /* what does not fit; two shifts, for 64 is none */
        at += op->fields[i].bits;
    }
    for (unsigned i = 0; i < DTQ_INSTR_BYTES; i++)
        out[i] = (uint8_t)(words[i / 8] >> 8 * (i % 8));
}

bool dtq_encode(const dtq_instr *in, uint8_t out[DTQ_INSTR_BYTES], dtq_error *e) {
    if (!dtq_instr_check(in, e))
        return false;
    dtq_store_instr(in, out);
    return true;
}
