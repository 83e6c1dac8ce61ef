/* Text of single instructions, for messages; private to runtime/isa/. */
#ifndef DTQRT_ISA_DISASM_H
#define DTQRT_ISA_DISASM_H

#include "runtime/isa/instruction.h"

/** The instruction as the assembler reads it, cut to `room` bytes with its NUL; tensors as $index. Returns `buf`. */
const char *dtq_instr_text(const dtq_instr *in, char *buf, size_t room);

#endif
