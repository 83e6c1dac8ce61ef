/* Host code in this process: generated, or from the cache. */
#ifndef DTQ_CLI_HOST_CODE_H
#define DTQ_CLI_HOST_CODE_H

#include "codegen/host/host.h"
#include "frontend/cli/session.h"

typedef struct {
    const host_backend *backend;
    host_code *code;
    const dtq_host_model *model;
} loaded_code;

/** Refuses the options of generated code where nothing is generated. */
bool host_code_check(session *s, bool generates);
/** Code of the program for --host-cpu, which leaves attention to a device if `device`; false after an error. */
bool host_code_load(session *s, const host_program *p, bool device, loaded_code *out);
void host_code_unload(loaded_code *c);

#endif
