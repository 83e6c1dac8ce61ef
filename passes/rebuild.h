/* Building a new module from an old one op by op. Private to passes/. */
#ifndef DTQ_PASSES_REBUILD_H
#define DTQ_PASSES_REBUILD_H

#include "ir/ir.h"

typedef struct {
    const ir_module *from;
    ir_module *to;
    ir_value *map; /* [from->value_count] what a value of the old module is in the new one, IR_NONE if not made yet */
    size_t spare;  /* attributes that a later pass will add to each copied op */
} rebuild;

/** A new module at `level` with the header, machine, tensors and pass list of `from`, in the same arena. */
rebuild rebuild_begin(const ir_module *from, ir_level level);

/** Appends a copy of an op: operands mapped, attributes and location kept. Returns its index. */
size_t rebuild_copy(rebuild *r, size_t op);

/** The new value of operand `index` of old op `op`. */
ir_value rebuild_operand(const rebuild *r, size_t op, size_t index);

#endif
