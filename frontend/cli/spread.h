/* Work that is many items alike, over threads and, if dtqc was started by mpirun, over its ranks. */
#ifndef DTQ_CLI_SPREAD_H
#define DTQ_CLI_SPREAD_H

#include "frontend/cli/session.h"

/** Does item `i`, all of whose result goes to `result`, without pointers. Called by several threads at once, each with
 * a session of its own, whose arena is given back after the item and whose diag is silent. */
typedef void spread_work(void *context, session *s, size_t i, void *result);

/** Items [count] of `bytes` each, the same whatever the number of threads and processes. `what`: for progress on a
 *  terminal, with the time left; NULL: none. */
void spread_run(session *s, size_t count, size_t bytes, void *results, spread_work *work, void *context,
                const char *what);

/** Threads that --threads asks for, at most `count`. */
size_t spread_threads(const session *s, size_t count);

/** Seconds of a monotonic clock. */
double spread_now(void);
/** "m:ss left" for progress, of `done` of `count` items after `seconds`. */
void spread_left(char out[32], size_t done, size_t count, double seconds);

#endif
