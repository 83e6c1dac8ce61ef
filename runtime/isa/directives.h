/* The directives of the text form that are lists of key=value, as data: assembler and disassembler walk these rows. */
#ifndef DTQRT_ISA_DIRECTIVES_H
#define DTQRT_ISA_DIRECTIVES_H

#include "runtime/layer.h"

typedef enum { DTQ_ATTR_INT, DTQ_ATTR_HEX, DTQ_ATTR_WORD, DTQ_ATTR_F32, DTQ_ATTR_STRING } dtq_attr_kind;

/** One key: a member of the structure that the directive describes. */
typedef struct {
    const char *key;
    dtq_attr_kind kind;
    uint8_t bytes; /* of the member: 1, 4 or 8 */
    bool required; /* else absent means `absent`, and that value is not printed */
    uint64_t absent;
    const char *words; /* "a|b|c" of DTQ_ATTR_WORD */
    size_t offset;
} dtq_attr;

typedef struct {
    const char *name;   /* with its dot */
    const char *titled; /* what the string before the keys is, or NULL if there is none */
    size_t title;       /* offset of that string's member */
    const dtq_attr *attrs;
    unsigned count;
} dtq_directive;

extern const dtq_directive dtq_directive_program, dtq_directive_file, dtq_directive_tensor, dtq_directive_stream,
    dtq_directive_layer;

/** An integer member of `object`, and storing one. */
uint64_t dtq_attr_get(const void *object, const dtq_attr *a);
void dtq_attr_set(void *object, const dtq_attr *a, uint64_t value);

/** Letters of the operands in `.bits`, in the order of dtq_operand. */
extern const char dtq_operand_letters[DTQ_OPERANDS];

#endif
