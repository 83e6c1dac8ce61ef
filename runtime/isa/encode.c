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

bool dtq_encode(const dtq_instr *in, uint8_t out[DTQ_INSTR_BYTES], dtq_error *e) {
    if (!dtq_instr_check(in, e))
        return false;
    memset(out, 0, DTQ_INSTR_BYTES);
    out[0] = in->op;
    out[1] = in->queue;
    unsigned at = 16;
    for (unsigned i = 0; i < dtq_ops[in->op].field_count; i++) {
        uint64_t value = in->f[i];
        for (unsigned left = dtq_ops[in->op].fields[i].bits; left > 0;) {
            unsigned take = 8 - at % 8 < left ? 8 - at % 8 : left;
            out[at / 8] |= (uint8_t)((value & dtq_ones(take)) << at % 8);
            value >>= take;
            at += take;
            left -= take;
        }
    }
    return true;
}
