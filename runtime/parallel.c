/* Splitting independent work over threads. */
#include "runtime/parallel.h"

#include "runtime/thread.h"

enum { THREADS_MAX = 64 };

typedef struct {
    void (*work)(void *context, size_t first, size_t last);
    void *context;
    size_t first, last;
} range;

static void *run_range(void *argument) {
    const range *r = argument;
    r->work(r->context, r->first, r->last);
    return NULL;
}

void dtq_parallel(unsigned threads, size_t items, void (*work)(void *context, size_t first, size_t last),
                  void *context) {
    size_t n = threads > THREADS_MAX ? THREADS_MAX : threads;
    n = n > items ? items : n;
    if (n <= 1) {
        work(context, 0, items);
        return;
    }
    range ranges[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    bool started[THREADS_MAX] = {false};
    for (size_t i = 0; i < n; i++) {
        ranges[i] = (range){work, context, items * i / n, items * (i + 1) / n};
        started[i] = i > 0 && dtq_thread_start(&ids[i], run_range, &ranges[i]);
    }
    /* Whatever found no thread is done here. */
    for (size_t i = 0; i < n; i++)
        if (!started[i])
            run_range(&ranges[i]);
    for (size_t i = 0; i < n; i++)
        if (started[i])
            pthread_join(ids[i], NULL);
}
