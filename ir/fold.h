/* How a list of ops is written shorter: buffers in the op that first names them, runs of alike ops once. Private to
 * ir/. */
#ifndef DTQ_IR_FOLD_H
#define DTQ_IR_FOLD_H

#include "ir/ir.h"

typedef struct {
    const ir_module *m;
    size_t *items; /* ops in order, but for the buffers that others show */
    size_t count;
    size_t *defs;      /* [value_count] the op that defines a value, or SIZE_MAX */
    size_t *home;      /* [op_count] of a buffer: the op that shows it, or SIZE_MAX */
    uint64_t *shapes;  /* of each item: a hash of its opcode, its keys and the number of its operands */
    uint32_t *numbers; /* [value_count] what values are called: a number of the buffers of its space, or of all other
                          values, in the order of their definitions; IR_NONE: nothing defines it */
} ir_fold;

/** What is printed of `shown` ops of `m`, in `a`. `part`: it is no whole module, so that a buffer need not stand in
 * front of the op that shows it. */
ir_fold ir_fold_of(arena *a, const ir_module *m, const bool *shown, bool part);

/** Whether what stands at both places is written with the same location, or both with none. */
bool ir_fold_same_place(const ir_module *m, const src_loc *at, const src_loc *other);

/** What the name of a value has in front of its number: the space of a buffer, else "". */
const char *ir_fold_prefix(const ir_fold *f, ir_value v);

/** Whether operand `index` of `op` is a buffer that the op shows there. */
bool ir_fold_shows(const ir_fold *f, size_t op, size_t index);

/** A run of items that is written once: `length` ones, `times` times. What is in them counts up each time, or each
 *  `period` times, or from its beginning again after as many. */
typedef struct {
    size_t length, times, period;
} ir_repeat;

/** The repeat that begins at `item`; of 1 time if there is none, or it is not worth it. */
ir_repeat ir_fold_repeat(const ir_fold *f, size_t item);

#endif
