/* Other programs that a command runs. */
#ifndef DTQ_CLI_CHILD_H
#define DTQ_CLI_CHILD_H

#include <stddef.h>

/** Runs a program, found as the shell does, and waits for it. `said` [room] gets the beginning of what it writes; the
 *  rest is read and dropped. Its status as of waitpid; -1: it could not be run. A signal that ends dtqc ends it, too.
 */
int child_run(char *const *argv, char *said, size_t room);

#endif
