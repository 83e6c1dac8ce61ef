/* What every reader and writer of programs shares; private to runtime/isa/. */
#ifndef DTQRT_ISA_PROGRAM_H
#define DTQRT_ISA_PROGRAM_H

#include "runtime/isa/program_memory.h"
#include "runtime/program.h"

enum { DTQ_SLOTS_MAX = 65536, DTQ_HEADS_MAX = 4096, DTQ_HEAD_DIM_MAX = 65536 };

/** A program that owns its memory through `pool`; free with dtq_program_free. NULL and an error if there is no memory.
 */
dtq_program *dtq_program_new(dtq_pool **pool, dtq_error *e);

/** What a container promises of its contents: machine parameters in their ranges and the target hash theirs, indices
 *  that name something, words that are words, tables of 4s and 8s, ids below seq and distinct. Whoever holds a program
 *  that passed may follow every index in it. Says which part is wrong. */
bool dtq_program_check(const dtq_program *p, dtq_error *e);

/** The two parts of dtq_program_check: everything but the streams, and one stream. */
bool dtq_facts_check(const dtq_program *p, dtq_error *e);
bool dtq_stream_check(const dtq_program *p, const dtq_stream *s, dtq_error *e);

/** True if two layers are the same in every fact and table. */
bool dtq_layer_same(const dtq_layer *a, const dtq_layer *b);

/** What is wrong with the facts of one layer of a stream for `seq` tokens, or NULL. */
const char *dtq_layer_wrong(const dtq_layer *l, uint32_t seq);
/** What is wrong with one row of the tensor table, or NULL. */
const char *dtq_tensor_wrong(const dtq_program *p, const dtq_tensor *t);

#endif
