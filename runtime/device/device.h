/* Devices: what executes the queues of a program while generated code is its host.
 *
 * A program has a queue for the host and others for the engines of the accelerator. Code that was generated with
 * `--attention=device` does the host's own work natively, and drives a device through the calls below. For each run of
 * a stream, and always in this order:
 *
 *     begin                                 the device takes the stream; host and device share its memory
 *     signal, wait, ... signal, wait        the host's queue, in the order of the stream
 *     finish                                the engines come to their end; counters, cycles, events
 *
 * Between them the host writes the memory that its instructions write (host.quant, host.probe, host.far: codes and
 * scales of rows at ISA.md's addresses) and reads what the device has written (outputs of attention, importance). Bytes
 * that the host wrote before a `signal` are the device's to read after it, and bytes that the device wrote before the
 * token that a `wait` takes are the host's to read after it. Nothing else orders them.
 *
 * Two devices are part of the library: the simulator, functional and timing, and the reference. Another is a table of
 * the caller's own functions (examples/embed/device.c). A device serves one run at a time.
 */
#ifndef DTQRT_DEVICE_DEVICE_H
#define DTQRT_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/layer.h"
#include "runtime/program.h"
#include "runtime/run.h"

enum { DTQ_DEVICE_ABI = 1 };

/** How one run wants to be run. */
typedef struct {
    unsigned threads;  /* of the machine that the device computes on, if it does so here; 0: all */
    bool want_events;  /* the time of each instruction, too */
    dtq_choice choice; /* what choices of tokens go by; all zeros: importance */
} dtq_device_run;

/** Which tokens a table of a layer holds, and at how many bits. The arrays stay the device's. */
typedef struct {
    const uint32_t *ids;               /* [slots] original ids; NULL: they have not been chosen yet */
    const uint8_t *bits[DTQ_OPERANDS]; /* [slots] 4 or 8 */
} dtq_device_slots;

/** Functions return false and fill the error where they fail; `finish` need not be called then, and `begin` may follow.
 *  `device` is what `open` has made. */
typedef struct {
    uint64_t abi;     /* DTQ_DEVICE_ABI */
    const char *name; /* for messages and reports */
    /** Gets a device ready for streams of `p`, which outlives it. `user`: as given with the table. */
    bool (*open)(void *user, const dtq_program *p, void **device, dtq_error *e);
    /** Takes a stream of the program. *memory becomes its DRAM: zeroed bytes [s->dram_bytes], at which addresses of the
     *  stream begin, 8-byte aligned, good until the next begin. */
    bool (*begin)(void *device, const dtq_stream *s, const dtq_device_run *run, uint8_t **memory, dtq_error *e);
    /** The host has come to s->instrs[instr], a `signal`: its token goes to the queue that it names. */
    bool (*signal)(void *device, size_t instr, dtq_error *e);
    /** The host has come to s->instrs[instr], a `wait`: returns when there is a token from the queue that it names. */
    bool (*wait)(void *device, size_t instr, dtq_error *e);
    /** The slots of a layer in one of its tables (dtq_tables) as chosen up to now. */
    bool (*slots)(void *device, uint32_t layer, uint32_t table, dtq_device_slots *out, dtq_error *e);
    /** All queues come to their end. `stats` (NULL: nobody asks) is zeroed but for what the device counts, with
     *  malloc'd events if they were wanted and the device has them. */
    bool (*finish)(void *device, dtq_stats *stats, dtq_error *e);
    void (*close)(void *device);
} dtq_device;

/** The functional and timing simulator: the bits and cycles of `dtqc run --engine=sim`. */
extern const dtq_device dtq_simulator;
/** Attention by the scalar reference, without buffers, tiles and time. */
extern const dtq_device dtq_reference;

#endif
