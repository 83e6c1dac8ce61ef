/* Building and reading stream instructions in the IR: keys of the ISA's fields, looked up once for a pass. Private to
 * passes/. */
#ifndef DTQ_PASSES_INSTR_H
#define DTQ_PASSES_INSTR_H

#include "ir/ir.h"
#include "runtime/isa/instruction.h"

/* The fields of runtime/isa/isa.def that passes name. */
#define INSTR_KEYS(X)                                                                                                  \
    X(layer)                                                                                                           \
    X(head)                                                                                                            \
    X(row)                                                                                                             \
    X(rows)                                                                                                            \
    X(col)                                                                                                             \
    X(cols)                                                                                                            \
    X(operand)                                                                                                         \
    X(mode)                                                                                                            \
    X(flags)                                                                                                           \
    X(first)                                                                                                           \
    X(select)                                                                                                          \
    X(from)                                                                                                            \
    X(to)                                                                                                              \
    X(untimed)                                                                                                         \
    X(word)                                                                                                            \
    X(position)                                                                                                        \
    X(type)                                                                                                            \
    X(weight)                                                                                                          \
    X(bias)                                                                                                            \
    X(path)                                                                                                            \
    X(serpentine)                                                                                                      \
    X(turned)                                                                                                          \
    X(gain)                                                                                                            \
    X(offset)                                                                                                          \
    X(table)                                                                                                           \
    X(pairs)                                                                                                           \
    X(gamma)                                                                                                           \
    X(beta)                                                                                                            \
    X(eps)                                                                                                             \
    X(kind)                                                                                                            \
    X(input)                                                                                                           \
    X(output)                                                                                                          \
    X(depth)                                                                                                           \
    X(width)

typedef struct {
#define INSTR_KEY(name) unsigned name;
    INSTR_KEYS(INSTR_KEY)
#undef INSTR_KEY
} instr_keys;

instr_keys instr_keys_find(void);

/** Sets a STR or WORD without copying it: a literal, or text that lives as long as the module's arena. */
void instr_set_text(ir_module *m, size_t op, unsigned key, const char *text);

/** Appends an instruction to queue `queue` with its buffer operands in the order of isa.def; `source` may be NULL. */
size_t instr_append(ir_module *m, dtq_opcode code, unsigned queue, const ir_value *buffers, size_t count,
                    const char *source, src_loc loc);

/** Sets layer, head, row, rows (and col, cols if cols > 0) of an instruction. */
void instr_set_block(ir_module *m, size_t op, const instr_keys *k, uint32_t layer, uint32_t head, uint32_t row,
                     uint32_t rows, uint32_t col, uint32_t cols);

/** Appends `buffer {space, bytes}`; `name` may be NULL. Returns the value. */
ir_value instr_buffer(ir_module *m, const char *space, uint64_t bytes, const char *name, src_loc loc);

/** How an instruction touches operand `index`: bit 0 reads, bit 1 writes (isa.def says it in the field's doc). */
enum { ACCESS_READ = 1, ACCESS_WRITE = 2 };
unsigned instr_access(dtq_opcode code, size_t index);

/** Bytes between neighbouring buffers of `bytes` in a space of `capacity`: a multiple of 64 where as many fit so, else
 * of 8. */
uint64_t buffer_stride(uint64_t bytes, uint64_t capacity);
/** How many such buffers the space holds; 0 if not even one. */
uint64_t buffer_fit(uint64_t bytes, uint64_t capacity);

#endif
