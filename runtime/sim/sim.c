/* Simulator: takes instructions from the queues one by one, executes them on the buffers and puts them on the clock. */
#include "runtime/sim/simulation.h"

#include "runtime/sim/hardware.h"

#include "runtime/machine.h"

#include <stdlib.h>

static bool execute_host(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    return dtq_host_exec(sim->x, in, e);
}

static bool (*const engines[DTQ_OP_COUNT])(dtq_sim *, const dtq_instr *, dtq_error *) = {
    [DTQ_OP_LOAD] = dtq_sim_load,
    [DTQ_OP_QK] = dtq_sim_qk,
    [DTQ_OP_SOFTMAX] = dtq_sim_softmax,
    [DTQ_OP_PV] = dtq_sim_pv,
    [DTQ_OP_STORE] = dtq_sim_store,
    [DTQ_OP_IMPORTANCE] = dtq_sim_importance,
    [DTQ_OP_TOPK] = dtq_sim_topk,
    [DTQ_OP_LOAD_ROWS] = dtq_sim_load_rows,
    [DTQ_OP_LOAD_WEIGHTS] = dtq_sim_load_weights,
    [DTQ_OP_MATMUL] = dtq_sim_matmul,
    [DTQ_OP_STORE_ROWS] = dtq_sim_store_rows,
    [DTQ_OP_LOAD_PROBE] = dtq_sim_load_probe,
    [DTQ_OP_PROBE] = dtq_sim_probe,
    [DTQ_OP_PROBE_SOFTMAX] = dtq_sim_probe_softmax,
    [DTQ_OP_VOTE] = dtq_sim_vote,
    [DTQ_OP_CHOOSE] = dtq_sim_choose,
    [DTQ_OP_CHOOSE_HEAD] = dtq_sim_choose_head,
    [DTQ_OP_CHOOSE_LATE] = dtq_sim_choose_late,
    [DTQ_OP_LOAD_SEEN] = dtq_sim_load_seen,
    [DTQ_OP_QK_SEEN] = dtq_sim_qk_seen,
    [DTQ_OP_SOFTMAX_SEEN] = dtq_sim_softmax_seen,
    [DTQ_OP_PV_SEEN] = dtq_sim_pv_seen,
    [DTQ_OP_VOTE_SEEN] = dtq_sim_vote_seen,
    [DTQ_OP_KEEP] = dtq_sim_keep,
};

/** Executes, if `functional`, and times the next instruction of a queue that can go on, and takes it from the queue. */
static bool step(dtq_simulation *r, unsigned queue, size_t index, bool functional, dtq_error *e) {
    dtq_sim *sim = &r->sim;
    const dtq_instr *in = &sim->stream->instrs[index];
    dtq_event event;
    uint64_t stamp = 0;
    if (in->op == DTQ_OP_WAIT) {
        dtq_timing_wait(&sim->timing, in, dtq_queues_retire(&r->queues, queue, 0), &event);
    } else if (in->op == DTQ_OP_SIGNAL) {
        stamp = dtq_timing_signal(&sim->timing, in, &event);
    } else if ((functional && !(engines[in->op] ? engines[in->op] : execute_host)(sim, in, e)) ||
               !dtq_timing_instr(sim, in, &event, e) || !dtq_hardware_settle(sim, in, event.busy, e)) {
        return false;
    }
    if (in->op != DTQ_OP_WAIT)
        dtq_queues_retire(&r->queues, queue, stamp);
    if (r->events)
        r->events[index] = event;
    return true;
}

dtq_simulation *dtq_simulation_begin(dtq_exec *x, const dtq_run_options *o, bool want_events, dtq_error *e) {
    dtq_simulation *r = calloc(1, sizeof *r);
    const size_t events = want_events ? (x->stream->count + 1) * sizeof *r->events : 0;
    if (r && want_events)
        r->events = calloc(x->stream->count + 1, sizeof *r->events);
    if (!r || (want_events && !r->events)) {
        free(r);
        (void)dtq_sim_no_memory(sizeof *r + events, e);
        return NULL;
    }
    r->sim = (dtq_sim){.x = x,
                       .stream = x->stream,
                       .machine = x->program->machine,
                       .functional = !o->timing_only,
                       .seed = o->seed,
                       .rtl = o->timing_only ? NULL : o->rtl};
    if (dtq_queues_init(&r->queues, x->stream, dtq_machine_arrays(r->sim.machine), o->shuffle, o->seed, e) &&
        dtq_memory_init(&r->sim, e)) {
        return r;
    }
    dtq_simulation_end(r, NULL);
    return NULL;
}

bool dtq_simulation_run(dtq_simulation *r, dtq_error *e) {
    unsigned queue;
    uint32_t index;
    while (dtq_queues_pick(&r->queues, &queue, &index))
        if (!step(r, queue, index, r->sim.functional, e))
            return false;
    return dtq_queues_finished(&r->queues, e);
}

/* A driven host: its own work, between its signals and waits, is done by whoever drives it. */
static bool host_work_until(dtq_simulation *r, size_t index, dtq_error *e) {
    for (size_t next; (next = dtq_queues_next(&r->queues, DTQ_HOST)) < index;) {
        const unsigned op = r->sim.stream->instrs[next].op;
        if (op == DTQ_OP_WAIT || op == DTQ_OP_SIGNAL)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the host has not come to instruction %zu before instruction %zu", next,
                            index);
        if (!step(r, DTQ_HOST, next, false, e))
            return false;
    }
    return true;
}

void dtq_simulation_drive_host(dtq_simulation *r) {
    dtq_queues_drive_host(&r->queues);
}

bool dtq_simulation_host(dtq_simulation *r, size_t index, dtq_error *e) {
    if (!host_work_until(r, index, e))
        return false;
    if (dtq_queues_next(&r->queues, DTQ_HOST) != index)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu is not the host's next", index);
    while (!dtq_queues_ready(&r->queues, DTQ_HOST)) {
        unsigned queue;
        uint32_t at;
        if (!dtq_queues_pick(&r->queues, &queue, &at))
            return dtq_queues_finished(&r->queues, e);
        if (!step(r, queue, at, r->sim.functional, e))
            return false;
    }
    return step(r, DTQ_HOST, index, false, e);
}

bool dtq_simulation_finish(dtq_simulation *r, dtq_error *e) {
    return host_work_until(r, r->sim.stream->count, e) && dtq_simulation_run(r, e);
}

void dtq_simulation_end(dtq_simulation *r, dtq_stats *stats) {
    if (stats) {
        dtq_timing_finish(&r->sim.timing, r->sim.machine);
        *stats = r->sim.timing.stats;
        stats->events = r->events;
        r->events = NULL;
    }
    free(r->events);
    dtq_queues_free(&r->queues);
    dtq_timing_free(&r->sim.timing);
    dtq_memory_free(&r->sim);
    free(r);
}

/** Runs a stream on the simulated machine. With timing_only no data moves: neither x->dram nor x->slots are used, and a
 *  layer whose precisions are known only at run time gets a random choice drawn from o->seed. */
bool dtq_run_sim(dtq_exec *x, const dtq_run_options *o, dtq_stats *stats, bool want_events, dtq_error *e) {
    dtq_simulation *r = dtq_simulation_begin(x, o, want_events && stats, e);
    if (!r)
        return false;
    const bool ok = dtq_simulation_run(r, e);
    dtq_simulation_end(r, ok ? stats : NULL);
    return ok;
}
