/* The keys of a source clause and what an instruction implies for them; private to runtime/isa/. */
#ifndef DTQRT_ISA_SOURCES_H
#define DTQRT_ISA_SOURCES_H

#include "runtime/program.h"

enum { DTQ_SOURCE_KEYS = 6 };

typedef struct {
    const char *key;   /* in the text */
    const char *field; /* of the instruction, whose value is implied */
    size_t offset;     /* in dtq_source */
    uint32_t none;     /* implied where the instruction has no such field */
} dtq_source_key;

extern const dtq_source_key dtq_source_keys[DTQ_SOURCE_KEYS];

uint32_t dtq_source_get(const dtq_source *s, unsigned key);
void dtq_source_set(dtq_source *s, unsigned key, uint32_t value);

/** Fills `s` with what the instruction's own fields say: layer, head, rows and columns; the rest 0. */
void dtq_source_of_instr(const dtq_instr *in, dtq_source *s);

#endif
