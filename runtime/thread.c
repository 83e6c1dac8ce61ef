/* Threads of the library. */
#include "runtime/thread.h"

void dtq_signals_block(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t blocked;
    (void)sigfillset(&blocked);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        (void)sigdelset(&blocked, faults[i]);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, before);
}

bool dtq_thread_start(pthread_t *thread, void *(*work)(void *), void *argument) {
    sigset_t before;
    dtq_signals_block(&before); /* a thread begins with the mask of the one that starts it */
    const bool ok = pthread_create(thread, NULL, work, argument) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}
