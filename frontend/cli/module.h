/* Modules of dtqc, which commands load when they need what others should not pay for: LLVM, LAPACK, MPI. */
#ifndef DTQ_CLI_MODULE_H
#define DTQ_CLI_MODULE_H

#include <stdbool.h>

#include "ir/base/arena.h"

/** A hash of every declaration that dtqc and its modules share. Each of them carries the one it was built with
 *  (frontend/cli/interface.cmake), so that no module of another build is ever called. */
extern const char dtq_interface[];
#define DTQ_INTERFACE_SYMBOL "dtq_interface"

/** Loads the module at `path` for good and returns the function `entry` of it, of a type that the caller knows. NULL:
 *  *why says what is wrong, in words that go on after the path. `global`: other libraries look for its symbols. */
void (*module_load(arena *a, const char *path, const char *entry, bool global, const char **why))(void);

#endif
