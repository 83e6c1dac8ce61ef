/* dtqc run: a model or a program, and what runs it. Private to run.c and run_report.c. */
#ifndef DTQ_CLI_RUN_JOB_H
#define DTQ_CLI_RUN_JOB_H

#include "frontend/cli/host/host_code.h"
#include "frontend/cli/host/host_model.h"
#include "frontend/cli/run/run.h"
#include "runtime/rtl/rtl.h"

typedef struct {
    run_state state;
    bool from_program;
    bool of_system;      /* the program is for a system with a cost model of its own */
    source source;       /* of a model */
    compiled *compiled;  /* [stream_count], of a model whose program is wanted */
    dtq_program *loaded; /* of a program */
    dtq_weights *weights;
    /* engine host */
    host_model planned;
    loaded_code code;
    dtq_host *host;
    /* engine rtl, which is the simulator's with this */
    bool with_rtl;
    dtq_rtl rtl;
} run_job;

/** Prints --report of all cases. */
bool run_print_reports(run_job *j);

#endif
