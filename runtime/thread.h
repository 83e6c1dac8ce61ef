/* Threads of the library. Private to runtime/. */
#ifndef DTQRT_THREAD_H
#define DTQRT_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/** Starts a thread that takes no signals but those of its own faults: others are for the threads of the program that
 *  the library is part of. False if there can be none. */
bool dtq_thread_start(pthread_t *thread, void *(*work)(void *), void *argument);

/** Blocks these signals in the calling thread; `before` gets what pthread_sigmask restores. */
void dtq_signals_block(sigset_t *before);

#endif
