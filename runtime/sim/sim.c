/* Simulator: takes instructions from the queues one by one, executes them on the buffers and puts them on the clock. */
#include "runtime/sim/sim.h"

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

/** Executes and times one instruction of a queue that can go on, and takes it from the queue. */
static bool step(dtq_sim *sim, dtq_queues *queues, unsigned queue, const dtq_instr *in, dtq_event *event,
                 dtq_error *e) {
    if (in->op == DTQ_OP_WAIT) {
        dtq_timing_wait(&sim->timing, in, dtq_queues_retire(queues, queue, 0), event);
        return true;
    }
    if (in->op == DTQ_OP_SIGNAL) {
        dtq_queues_retire(queues, queue, dtq_timing_signal(&sim->timing, in, event));
        return true;
    }
    if (sim->functional && !(engines[in->op] ? engines[in->op] : execute_host)(sim, in, e))
        return false;
    if (!dtq_timing_instr(sim, in, event, e) || !dtq_hardware_settle(sim, in, event->busy, e))
        return false;
    dtq_queues_retire(queues, queue, 0);
    return true;
}

static bool run(dtq_sim *sim, dtq_queues *queues, dtq_event *events, dtq_error *e) {
    unsigned queue;
    uint32_t index;
    while (dtq_queues_pick(queues, &queue, &index)) {
        dtq_event event;
        if (!step(sim, queues, queue, &sim->stream->instrs[index], &event, e))
            return false;
        if (events)
            events[index] = event;
    }
    return dtq_queues_finished(queues, e);
}

/** Runs a stream on the simulated machine. With timing_only no data moves: neither x->dram nor x->slots are used, and a
 *  layer whose precisions are known only at run time gets a random choice drawn from o->seed. */
bool dtq_run_sim(dtq_exec *x, const dtq_run_options *o, dtq_stats *stats, bool want_events, dtq_error *e) {
    dtq_sim *sim = calloc(1, sizeof *sim);
    dtq_event *events = want_events && stats ? calloc(x->stream->count + 1, sizeof *events) : NULL;
    if (!sim || (want_events && stats && !events)) {
        free(events);
        free(sim);
        return dtq_sim_no_memory(sizeof *sim + (want_events ? (x->stream->count + 1) * sizeof *events : 0), e);
    }
    sim->x = x;
    sim->stream = x->stream;
    sim->machine = x->program->machine;
    sim->functional = !o->timing_only;
    sim->seed = o->seed;
    sim->rtl = sim->functional ? o->rtl : NULL;
    dtq_queues queues = {0};
    const bool ok = dtq_queues_init(&queues, x->stream, dtq_machine_arrays(sim->machine), o->shuffle, o->seed, e) &&
                    dtq_memory_init(sim, e) && run(sim, &queues, events, e);
    if (ok && stats) {
        dtq_timing_finish(&sim->timing, sim->machine);
        *stats = sim->timing.stats;
        stats->events = events;
        events = NULL;
    }
    free(events);
    dtq_queues_free(&queues);
    dtq_timing_free(&sim->timing);
    dtq_memory_free(sim);
    free(sim);
    return ok;
}
