/* Layers that are alike, written once: which bodies of a list of ops are the same but for numbers that count on.
 * Private to ir/. */
#ifndef DTQ_IR_FOLD_LAYERS_H
#define DTQ_IR_FOLD_LAYERS_H

#include "ir/fold.h"

/** `times` bodies of `length` items, each of a layer. What is a number in them, or the first number in a text, is by
 * the same step more than in the body before. `first`: the layer of the first body. */
typedef struct {
    size_t length, times;
    int64_t first;
} ir_block;

/** The block that begins at `item`; of 1 time if there is none. */
ir_block ir_fold_block(const ir_fold *f, size_t item);

/** By how much more the attribute, or operand `index`, of op `next` is than that of op `op`, which it follows in a
 * block. */
int64_t ir_fold_step(const ir_attr *attr, const ir_attr *next);
int64_t ir_fold_value_step(const ir_fold *f, size_t op, size_t next, size_t index);

#endif
