/* What the table rows say beyond ir.h; private to ir/. */
#ifndef DTQ_IR_TABLES_H
#define DTQ_IR_TABLES_H

#include "ir/ir.h"
#include "runtime/isa/instruction.h"

typedef enum { IR_NEVER, IR_MAY, IR_MUST } ir_need;

/** Whether an op takes an attribute, and whether it must have it. */
ir_need ir_key_need(ir_opcode code, unsigned key);

/** Rows of the look-up tables of one op, for loops over many attributes: needs [keys] (ir_need) and fields [keys] (NULL
 * if the op is no instruction). ir_all_keys: the key table itself. */
const uint8_t *ir_needs_row(ir_opcode code);
const dtq_field_info *const *ir_fields_row(ir_opcode code);
const ir_key_info *ir_all_keys(size_t *count);

/** The instruction field behind an attribute, or behind an operand; NULL if there is none. */
const dtq_field_info *ir_field(ir_opcode code, unsigned key);
const dtq_field_info *ir_operand_field(ir_opcode code, size_t operand);

/** True if the field's doc says that it may be none (a tensor then is "", a buffer `_`). */
bool ir_field_may_be_none(const dtq_field_info *field);

/** A word inside a doc string: not NUL-terminated. */
typedef struct {
    const char *text;
    size_t length;
} ir_word;
enum { IR_WORDS_MAX = 16 };

/** The words that a WORD attribute of this op may be; returns how many. */
size_t ir_words(ir_opcode code, unsigned key, ir_word words[IR_WORDS_MAX]);

#endif
