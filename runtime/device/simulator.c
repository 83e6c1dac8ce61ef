/* The simulator as a device: its queues run while the host waits. */
#include <stdlib.h>

#include "runtime/device/device.h"
#include "runtime/device/tables.h"
#include "runtime/exec.h"
#include "runtime/sim/simulation.h"

typedef struct {
    const dtq_program *program;
    dtq_exec x;
    dtq_input input; /* the choice of the run */
    dtq_simulation *run;
} simulator;

static bool open_simulator(void *user, const dtq_program *p, void **device, dtq_error *e) {
    (void)user;
    simulator *s = calloc(1, sizeof *s);
    *device = s;
    if (!s)
        return dtq_no_memory(e, sizeof *s, "a simulator");
    s->program = p;
    return true;
}

/* Also of a run that failed half-way. */
static void end_run(simulator *s) {
    if (!s->run)
        return;
    dtq_simulation_end(s->run, NULL);
    s->run = NULL;
}

static bool begin(void *device, const dtq_stream *stream, const dtq_device_run *run, uint8_t **memory, dtq_error *e) {
    simulator *s = device;
    end_run(s);
    dtq_exec_free(&s->x);
    s->input = (dtq_input){.choice = run->choice};
    if (!dtq_exec_init_part(&s->x, s->program, stream, &s->input, run->threads, NULL, e))
        return false;
    const dtq_run_options o = {.engine = DTQ_ENGINE_SIM, .threads = run->threads};
    s->run = dtq_simulation_begin(&s->x, &o, run->want_events, e);
    if (!s->run)
        return false;
    dtq_simulation_drive_host(s->run);
    *memory = s->x.dram;
    return true;
}

static bool host(void *device, size_t instr, dtq_error *e) {
    simulator *s = device;
    return dtq_simulation_host(s->run, instr, e);
}

static bool slots(void *device, uint32_t layer, uint32_t table, dtq_device_slots *out, dtq_error *e) {
    const simulator *s = device;
    return dtq_device_table(&s->x, layer, table, out, e);
}

static bool finish(void *device, dtq_stats *stats, dtq_error *e) {
    simulator *s = device;
    if (!dtq_simulation_finish(s->run, e))
        return false;
    dtq_simulation_end(s->run, stats);
    s->run = NULL;
    return true;
}

static void close_simulator(void *device) {
    simulator *s = device;
    if (!s)
        return;
    end_run(s);
    dtq_exec_free(&s->x);
    free(s);
}

const dtq_device dtq_simulator = {.abi = DTQ_DEVICE_ABI,
                                  .name = "simulator",
                                  .open = open_simulator,
                                  .begin = begin,
                                  .signal = host,
                                  .wait = host,
                                  .slots = slots,
                                  .finish = finish,
                                  .close = close_simulator};
