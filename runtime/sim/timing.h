/* Times and counters of a run. Private to runtime/sim/. */
#ifndef DTQRT_SIM_TIMING_H
#define DTQRT_SIM_TIMING_H

#include "runtime/run.h"
#include "runtime/sim/wavefront.h"

struct dtq_sim;

/** Results by byte string: what was stepped once is not stepped again. Open addressing; owns copies of the keys. */
typedef struct {
    struct dtq_memo_entry *entries;
    size_t capacity, count;
} dtq_memo;

/** The result stored under a key, or NULL. Good until the next add. */
const dtq_wavefront *dtq_memo_find(const dtq_memo *m, const void *key, size_t bytes);
/** Stores a result under a key that is not there yet. False: no memory. */
bool dtq_memo_add(dtq_memo *m, const void *key, size_t bytes, const dtq_wavefront *result);
/** What adding one more result takes, at most. */
size_t dtq_memo_bytes(const dtq_memo *m, size_t key_bytes);
void dtq_memo_free(dtq_memo *m);

/** Clock of one queue. */
typedef struct {
    uint64_t free;  /* when its engine can start the next instruction */
    uint64_t floor; /* latest token taken since the instruction before */
    uint64_t done;  /* completion of its last instruction */
} dtq_clock;

typedef struct {
    dtq_clock clocks[DTQ_QUEUE_MAX + 1];
    dtq_stats stats;
    dtq_memo by_place;     /* matmuls by layer and slots */
    dtq_memo by_signature; /* matmuls by precisions */
} dtq_timing;

/** Time of an instruction, without the tokens' part, and its counts. */
typedef struct {
    uint64_t busy, latency;
} dtq_duration;

/** Puts an instruction other than wait and signal on its queue's clock and counts it. Functional runs execute an
 *  instruction first and time it then. */
bool dtq_timing_instr(struct dtq_sim *sim, const dtq_instr *in, dtq_event *event, dtq_error *e);

/** A wait that took a token with `stamp`. */
void dtq_timing_wait(dtq_timing *t, const dtq_instr *in, uint64_t stamp, dtq_event *event);

/** The stamp of the token that a signal puts. */
uint64_t dtq_timing_signal(dtq_timing *t, const dtq_instr *in, dtq_event *event);

/** Completes the counters: makespan and energy. */
void dtq_timing_finish(dtq_timing *t, const dtq_machine *m);
void dtq_timing_free(dtq_timing *t);

#endif
