/* Texts with a number in them, "layer.4.ffn.up", that counts on from layer to layer. Private to ir/. */
#ifndef DTQ_IR_NAMES_COUNTED_H
#define DTQ_IR_NAMES_COUNTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The first number in a text, of 1 to 9 digits and without a 0 in front: its first byte, its length in *digits, its
 * value. False if there is none. */
bool ir_counted_find(const char *text, size_t *at, size_t *digits, int64_t *value);

/** Whether two texts differ in their first numbers at most. */
bool ir_counted_same(const char *a, const char *b, int64_t *first, int64_t *second);

#endif
