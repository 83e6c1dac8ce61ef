/* Worker threads that wait for pieces of work. Private to runtime/host/. */
#ifndef DTQRT_HOST_POOL_H
#define DTQRT_HOST_POOL_H

#include "runtime/error.h"
#include "runtime/host/abi.h"

typedef struct dtq_host_pool dtq_host_pool;

enum { DTQ_HOST_THREADS_MAX = 1024 };

/** `threads` workers, the caller of dtq_host_pool_run among them; 0: one for each processor that this process may use.
 *  NULL on error. */
dtq_host_pool *dtq_host_pool_open(unsigned threads, dtq_error *e);
/** Stops the threads. NULL does nothing. */
void dtq_host_pool_close(dtq_host_pool *p);

unsigned dtq_host_pool_threads(const dtq_host_pool *p);

/** Wakes the threads, so that work which comes soon does not wait for them. */
void dtq_host_pool_wake(dtq_host_pool *p);

/** As dtq_host_parallel. One caller at a time; tasks do not call it. */
void dtq_host_pool_run(dtq_host_pool *p, dtq_host_frame *f, uint64_t items, uint64_t grain, uint64_t most,
                       dtq_host_task *task, uint64_t argument);

/** Items of one call of a task: a multiple of grain, at most `most` (rounded up to a grain), such that every thread
 * gets about as many; many items make more calls than threads, so that a thread which is late costs little. */
uint64_t dtq_host_chunk(unsigned threads, uint64_t items, uint64_t grain, uint64_t most);

#endif
