/* The reference as a device: when the host waits, the layers whose operands it has made are computed, straight from the
 * rows that the host's instructions name. It has no clock. */
#include <stdlib.h>

#include "runtime/device/device.h"
#include "runtime/device/tables.h"
#include "runtime/exec.h"

typedef struct {
    const dtq_program *program;
    dtq_exec x;
    dtq_input input;   /* the choice of the run */
    dtq_pending layer; /* whose operands are being made */
    size_t done;       /* instructions of the stream that it has looked at */
} reference;

static bool open_reference(void *user, const dtq_program *p, void **device, dtq_error *e) {
    (void)user;
    reference *r = calloc(1, sizeof *r);
    *device = r;
    if (!r)
        return dtq_no_memory(e, sizeof *r, "a reference");
    r->program = p;
    return true;
}

static bool begin(void *device, const dtq_stream *stream, const dtq_device_run *run, uint8_t **memory, dtq_error *e) {
    reference *r = device;
    dtq_exec_free(&r->x);
    r->input = (dtq_input){.choice = run->choice};
    r->layer = (dtq_pending){0};
    r->done = 0;
    if (!dtq_exec_init_part(&r->x, r->program, stream, &r->input, run->threads, NULL, e))
        return false;
    *memory = r->x.dram;
    return true;
}

static bool go_on(reference *r, size_t last, dtq_error *e) {
    const size_t first = r->done;
    r->done = last;
    return dtq_reference_attend(&r->x, &r->layer, first, last, e);
}

static bool nothing(void *device, size_t instr, dtq_error *e) {
    (void)device, (void)instr, (void)e;
    return true;
}

static bool wait(void *device, size_t instr, dtq_error *e) {
    return go_on(device, instr, e);
}

static bool slots(void *device, uint32_t layer, uint32_t table, dtq_device_slots *out, dtq_error *e) {
    const reference *r = device;
    return dtq_device_table(&r->x, layer, table, out, e);
}

static bool finish(void *device, dtq_stats *stats, dtq_error *e) {
    reference *r = device;
    if (stats)
        *stats = (dtq_stats){0};
    return go_on(r, r->x.stream->count, e);
}

static void close_reference(void *device) {
    reference *r = device;
    if (!r)
        return;
    dtq_exec_free(&r->x);
    free(r);
}

const dtq_device dtq_reference = {.abi = DTQ_DEVICE_ABI,
                                  .name = "reference",
                                  .open = open_reference,
                                  .begin = begin,
                                  .signal = nothing,
                                  .wait = wait,
                                  .slots = slots,
                                  .finish = finish,
                                  .close = close_reference};
