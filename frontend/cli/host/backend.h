/* The module that needs LLVM (codegen/llvm), loaded when it is asked for. */
#ifndef DTQ_CLI_BACKEND_H
#define DTQ_CLI_BACKEND_H

#include "codegen/host/host.h"
#include "frontend/cli/session.h"

typedef struct {
    const host_backend *functions;
    /** Which generator it is: version, size and time of the module's file. Code made by another is another code. */
    const char *identity;
} backend;

/** Loads the module, which then stays; false after an error. */
bool backend_load(session *s, backend *out);

#endif
