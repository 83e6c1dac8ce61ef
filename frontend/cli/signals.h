/* What dtqc and executables do when they are stopped from outside. */
#ifndef DTQ_CLI_SIGNALS_H
#define DTQ_CLI_SIGNALS_H

#include <sys/types.h>

/** From now on: a signal that ends the process removes unfinished files first, and then ends it as that signal does;
 * and a mapped file that became shorter is an error that names it, of exit code 1. `program` begins messages that have
 * no file. */
void signals_install(const char *program);

/** A process that is to end, with all of its group, when this one is stopped; 0: none. */
void signals_child(pid_t group);

#endif
