/* Weights of a program, opened: mapped files, converted or quantised tensors. */
#ifndef DTQRT_OPEN_WEIGHTS_H
#define DTQRT_OPEN_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/program.h"

/** Mapped files, converted or quantised tensors. Created once for a program, shared by runs, one run at a time: a
 *  second one meanwhile, from another thread, fails and says so.
 *
 *  All of a file is hashed when it is opened, and another file than the program was compiled from is refused
 *  (DTQ_BAD_INPUT). What is mapped goes on to follow the file: who writes to it changes numbers, and who makes it
 * shorter has the process end by SIGBUS when bytes that are gone are read. dtq_mapped_path tells a handler of that
 * signal which file it was. Where others may do so, open with `copy`: the bytes are read into memory, and those that
 * were read are hashed. */
typedef struct dtq_weights dtq_weights;

typedef struct {
    const char *directory; /* resolves relative paths; NULL: the current one */
    dtq_known *known;      /* spares hashing files whose identity is known; NULL: all are hashed */
    unsigned threads;      /* that hash; 0: all cores */
    bool copy;             /* read files into memory instead of mapping them */
} dtq_weights_options;

/** Opens what the program's tensors refer to. `o` may be NULL for all zeros. NULL on error. */
dtq_weights *dtq_weights_open_with(const dtq_program *p, const dtq_weights_options *o, dtq_error *e);
/** The same with all zeros but the directory. */
dtq_weights *dtq_weights_open(const dtq_program *p, const char *directory, dtq_error *e);
/** Whether every mapped file is still what it was when it was opened: false (DTQ_BAD_INPUT) if one was written to, and
 *  then results may be of neither the old weights nor the new ones. Costs a look at each file, and a hash of those that
 *  somebody has touched. */
bool dtq_weights_unchanged(const dtq_weights *w, dtq_error *e);
void dtq_weights_close(dtq_weights *w);

#endif
