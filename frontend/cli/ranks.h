/* Processes that mpirun started together, with the same command line. All of them run the same command and reach the
 * same results: what takes long is shared out, and each hears of what the others made (spread.c, eval_run.c). The first
 * alone prints and writes. MPI is in a module of its own (frontend/mpi), which is loaded where a command was started
 * so. */
#ifndef DTQ_CLI_RANKS_H
#define DTQ_CLI_RANKS_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/base/arena.h"

#define RANKS_ENTRY "dtq_ranks"

/** What the module has. Functions return 0, or an error of MPI. */
typedef struct {
    int (*begin)(unsigned *index, unsigned *count);
    /** Gives `mine` [bytes] to all: *all is malloc'd, in the order of the processes, sizes [count]. */
    int (*share)(const void *mine, size_t bytes, void **all, size_t *sizes);
    /** Ends; with a code other than 0 all processes. */
    void (*end)(int code);
} ranks_functions;
typedef const ranks_functions *ranks_entry(void);

typedef struct ranks {
    const ranks_functions *functions;
    unsigned index, count;
} ranks;

struct session;

/** True if mpirun started this process. */
bool ranks_wanted(void);
/** Loads the module at `path`, and begins; all but the first process print to nowhere from then on. False after an
 * error, which *why tells. */
bool ranks_begin(arena *a, const char *path, ranks *out, const char **why);

/** 1 of a process that runs alone, whose ranks are NULL. */
unsigned ranks_count(const ranks *r);
unsigned ranks_index(const ranks *r);
/** ranks_functions.share; ends the process if MPI fails. Of one that runs alone a copy. */
void ranks_share(const ranks *r, const void *mine, size_t bytes, void **all, size_t *sizes);
/** Whether `mine` holds of any process. */
bool ranks_any(const ranks *r, bool mine);

#endif
