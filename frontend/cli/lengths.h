/* The lengths of a program in words. */
#ifndef DTQ_CLI_LENGTHS_H
#define DTQ_CLI_LENGTHS_H

#include "ir/base/arena.h"
#include "runtime/program.h"

/** "9, 16..128" */
const char *lengths_text(arena *a, const dtq_program *p);

#endif
