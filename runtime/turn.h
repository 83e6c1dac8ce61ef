/* Whose turn it is with what serves one caller at a time. A second caller is told so: it neither waits nor meddles. */
#ifndef DTQRT_TURN_H
#define DTQRT_TURN_H

#include <stdatomic.h>

#include "runtime/cache.h"
#include "runtime/open_weights.h"

typedef struct {
    atomic_bool taken;
} dtq_turn;

/** Takes the turn, or fails with DTQ_BAD_INPUT. `what`: "this instance of a model"; `t` NULL: nothing to take. */
static inline bool dtq_turn_take(dtq_turn *t, const char *what, dtq_error *e) {
    return !t || !atomic_exchange_explicit(&t->taken, true, memory_order_acquire) ||
           dtq_fail(e, DTQ_BAD_INPUT, "%s is in a run already and serves one at a time; open one for each thread",
                    what);
}

/* Of the run that uses weights or a cache; NULL of NULL. */
dtq_turn *dtq_weights_turn(dtq_weights *w);
dtq_turn *dtq_cache_turn(dtq_cache *c);

static inline void dtq_turn_end(dtq_turn *t) {
    if (t)
        atomic_store_explicit(&t->taken, false, memory_order_release);
}

#endif
