/* A simulation in progress, whose host may be somebody else. Private to runtime/. */
#ifndef DTQRT_SIM_SIMULATION_H
#define DTQRT_SIM_SIMULATION_H

#include "runtime/sim/sim.h"

typedef struct {
    dtq_sim sim;
    dtq_queues queues;
    dtq_event *events; /* [stream->count], or NULL: nobody wants them */
} dtq_simulation;

/** Begins the run of x->stream, which `x` outlives. NULL on error. Whoever begins it ends it. */
dtq_simulation *dtq_simulation_begin(dtq_exec *x, const dtq_run_options *o, bool want_events, dtq_error *e);
/** Executes and times everything. A deadlock is an error. */
bool dtq_simulation_run(dtq_simulation *r, dtq_error *e);
/** Releases it; `stats`: NULL, or filled with what has been counted, of which the caller then owns the events. */
void dtq_simulation_end(dtq_simulation *r, dtq_stats *stats);

/* ---- a host that is driven ------------------------------------------------------------------------------------- */

/** Before anything has run: the caller executes the instructions of the host's queue, and tells of its signals and
 *  waits by dtq_simulation_host. The clock of the host's queue goes on as if it had been executed here. */
void dtq_simulation_drive_host(dtq_simulation *r);
/** Instruction `index`, a signal or a wait of the host's queue, in their order. A wait returns when there is a token:
 *  the other queues run as far as that takes. */
bool dtq_simulation_host(dtq_simulation *r, size_t index, dtq_error *e);
/** No signal and no wait is left: everything runs to its end. */
bool dtq_simulation_finish(dtq_simulation *r, dtq_error *e);

#endif
