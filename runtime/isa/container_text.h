/* The section TEXT of a container: instructions and their source map, a body once and what changes from pass to pass.
 * Private to runtime/isa/; ISA.md, "Text section", has the layout. */
#ifndef DTQRT_ISA_CONTAINER_TEXT_H
#define DTQRT_ISA_CONTAINER_TEXT_H

#include "runtime/isa/program_memory.h"
#include "runtime/program.h"

/** The section of a stream, which the caller frees; NULL if there is no memory, with *bytes what was wanted. The
 * stream's instructions are good (dtq_program_check). */
uint8_t *dtq_text_encode(const dtq_stream *t, size_t *bytes);

/** Reads the section into count, instrs and sources of `t`, which live in the pool. False if it is not what
 * dtq_text_encode writes of them, with an error; it is empty if there is no memory, as the pool knows. Fields are
 * within an uint64_t and no more: dtq_program_check looks at their values. */
bool dtq_text_decode(const uint8_t *data, size_t bytes, dtq_pool *pool, dtq_stream *t, dtq_error *e);

#endif
