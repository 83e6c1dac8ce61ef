/* Worker threads. Work is published as one word: a generation, whether it is open, and how many helpers are at it.
 * Helpers join an open generation by counting themselves in, so that the caller, once no chunk is left, closes it and
 * waits only for those who joined: a thread that was asleep delays nobody. */
#include "runtime/host/workers.h"
#include "runtime/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/whole.h"
#include "runtime/float_mode.h"
#include "runtime/host/host.h"

/* The word of state: helpers in the low bits, flags, generation. */
#define OPEN             ((uint64_t)1 << 16)
#define STOP             ((uint64_t)1 << 17)
#define HELPERS          (OPEN - 1)
#define GENERATION_SHIFT 20

enum {
    CACHE_LINE = 64,
    SPIN_NS = 40000,   /* a helper waits so long for more work before it sleeps */
    CROWDED_NS = 1000, /* the same where threads share processors */
    CLOCK_EVERY = 32,  /* pauses between two looks at the clock */
    FINE = 4,          /* chunks for each thread, where there are many items */
    FINE_ITEMS = DTQ_HOST_BLOCK_ROWS
};

typedef struct {
    dtq_host_pool *pool;
    pthread_t thread;
    uint64_t worker;
} helper;

struct dtq_host_pool {
    _Alignas(CACHE_LINE) _Atomic uint64_t state;
    _Alignas(CACHE_LINE) _Atomic uint64_t next; /* first item that nobody has taken */
    /* The work, written before it is published. */
    _Alignas(CACHE_LINE) dtq_host_frame *frame;
    dtq_host_task *task;
    uint64_t argument, items, chunk;

    unsigned threads, started;
    uint64_t spin_ns;
    bool crowded;      /* more threads than processors */
    cpu_set_t allowed; /* processors that this process may use */
    int avoided;       /* the caller's, where no helper runs; -1: none */
    helper *helpers;   /* [threads - 1] */
    _Atomic unsigned sleepers;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t generation(uint64_t state) {
    return state >> GENERATION_SHIFT;
}

/* ---- helpers --------------------------------------------------------------------------------------------------- */

static void take_chunks(dtq_host_pool *p, uint64_t worker) {
    const uint64_t items = p->items, chunk = p->chunk;
    for (;;) {
        const uint64_t first = atomic_fetch_add_explicit(&p->next, chunk, memory_order_relaxed);
        if (first >= items)
            return;
        p->task(p->frame, p->argument, first, items - first < chunk ? items : first + chunk, worker);
    }
}

/* The state once its generation is not `seen`: spins for a while, then sleeps. */
static uint64_t await(dtq_host_pool *p, uint64_t seen) {
    const uint64_t start = now_ns();
    do {
        for (int i = 0; i < CLOCK_EVERY; i++) {
            const uint64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
            if (generation(state) != seen)
                return state;
            relax();
        }
    } while (now_ns() - start < p->spin_ns);
    (void)pthread_mutex_lock(&p->lock);
    /* Either this thread sees the new generation, or its publisher sees this sleeper: both orders are sequential. */
    atomic_fetch_add(&p->sleepers, 1);
    uint64_t state = atomic_load(&p->state);
    while (generation(state) == seen) {
        (void)pthread_cond_wait(&p->wake, &p->lock);
        state = atomic_load(&p->state);
    }
    atomic_fetch_sub(&p->sleepers, 1);
    (void)pthread_mutex_unlock(&p->lock);
    return state;
}

static void *help(void *argument) {
    const helper *h = argument;
    dtq_host_pool *p = h->pool;
    (void)dtq_float_enter(); /* for good: a thread begins in the mode of the one that made it */
    uint64_t seen = 0;
    for (;;) {
        uint64_t state = await(p, seen);
        bool joined = false;
        while (!joined && (state & OPEN) != 0) {
            joined = atomic_compare_exchange_weak_explicit(&p->state, &state, state + 1, memory_order_acquire,
                                                           memory_order_acquire);
        }
        seen = generation(state);
        if ((state & STOP) != 0)
            return NULL;
        if (joined) {
            take_chunks(p, h->worker);
            (void)atomic_fetch_sub_explicit(&p->state, 1, memory_order_release);
        }
    }
}

/* A new generation with these flags, after all helpers of the last one left. */
static void publish(dtq_host_pool *p, uint64_t flags) {
    const uint64_t last = generation(atomic_load_explicit(&p->state, memory_order_relaxed));
    atomic_store(&p->state, (last + 1) << GENERATION_SHIFT | flags);
    if (atomic_load(&p->sleepers) != 0) {
        (void)pthread_mutex_lock(&p->lock);
        (void)pthread_cond_broadcast(&p->wake);
        (void)pthread_mutex_unlock(&p->lock);
    }
}

/* ---- the caller ------------------------------------------------------------------------------------------------ */

uint64_t dtq_host_chunk(unsigned threads, uint64_t items, uint64_t grain, uint64_t most) {
    const uint64_t fine = items / threads / FINE > FINE_ITEMS ? items / threads / FINE : FINE_ITEMS;
    const uint64_t limit = most > fine ? fine : most != 0 ? most : 1;
    const uint64_t calls = dtq_ceil_div(dtq_ceil_div(items, limit), threads) * threads;
    grain = grain != 0 ? grain : 1;
    /* Nothing overflows: the result is at most a grain more than the items. */
    return items == 0 ? grain : dtq_ceil_div(dtq_ceil_div(items, calls), grain) * grain;
}

/* Closes the generation and waits for the helpers that are still at it. */
static void join(dtq_host_pool *p) {
    uint64_t state = atomic_fetch_and_explicit(&p->state, ~OPEN, memory_order_acquire);
    const uint64_t start = (state & HELPERS) != 0 ? now_ns() : 0;
    bool patient = true;
    for (unsigned i = 1; (state & HELPERS) != 0; i++) {
        if (patient)
            relax();
        else
            (void)sched_yield();
        if (i % CLOCK_EVERY == 0 && patient)
            patient = now_ns() - start < p->spin_ns;
        state = atomic_load_explicit(&p->state, memory_order_acquire);
    }
}

void dtq_host_pool_run(dtq_host_pool *p, dtq_host_frame *f, uint64_t items, uint64_t grain, uint64_t most,
                       dtq_host_task *task, uint64_t argument) {
    const uint64_t chunk = dtq_host_chunk(p->threads, items, grain, most);
    if (p->started == 0 || items <= chunk) {
        for (uint64_t first = 0; first < items; first += chunk)
            task(f, argument, first, items - first < chunk ? items : first + chunk, 0);
        return;
    }
    p->frame = f;
    p->task = task;
    p->argument = argument;
    p->items = items;
    p->chunk = chunk;
    /* The first chunk is the caller's. */
    atomic_store_explicit(&p->next, chunk, memory_order_relaxed);
    publish(p, OPEN);
    task(f, argument, 0, chunk, 0);
    take_chunks(p, 0);
    join(p);
}

/* Keeps helpers off the processor that the caller runs on. Left alone, a scheduler may wake a helper there and let it
 * wait for milliseconds while another processor idles. */
static void spread(dtq_host_pool *p) {
    const int here = sched_getcpu();
    if (p->crowded || here == p->avoided || here < 0 || here >= CPU_SETSIZE || !CPU_ISSET((size_t)here, &p->allowed))
        return;
    cpu_set_t others = p->allowed;
    CPU_CLR((size_t)here, &others);
    for (unsigned i = 0; i < p->started; i++)
        (void)pthread_setaffinity_np(p->helpers[i].thread, sizeof others, &others);
    p->avoided = here;
}

void dtq_host_pool_wake(dtq_host_pool *p) {
    if (p->started == 0)
        return;
    spread(p);
    if (atomic_load(&p->sleepers) != 0)
        publish(p, 0);
}

unsigned dtq_host_pool_threads(const dtq_host_pool *p) {
    return p->threads;
}

/* ---- opening and closing --------------------------------------------------------------------------------------- */

/* Processors that this process may use; at least 1. */
static unsigned processors(cpu_set_t *allowed) {
    CPU_ZERO(allowed);
    if (sched_getaffinity(0, sizeof *allowed, allowed) == 0)
        return (unsigned)CPU_COUNT(allowed);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN); /* more than the set can name */
    return cores < 1 ? 1 : (unsigned)cores;
}

dtq_host_pool *dtq_host_pool_open(unsigned threads, dtq_error *e) {
    cpu_set_t allowed;
    const unsigned cores = processors(&allowed);
    threads = threads == 0 ? cores : threads;
    threads = threads > DTQ_HOST_THREADS_MAX ? DTQ_HOST_THREADS_MAX : threads;
    dtq_host_pool *p = aligned_alloc(CACHE_LINE, sizeof *p);
    helper *helpers = calloc(threads, sizeof *helpers);
    if (!p || !helpers) {
        free(p);
        free(helpers);
        (void)dtq_no_memory(e, sizeof *p + threads * sizeof *helpers, "%u threads", threads);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    atomic_init(&p->state, 0);
    atomic_init(&p->next, 0);
    atomic_init(&p->sleepers, 0);
    p->threads = threads;
    p->crowded = threads > cores;
    p->spin_ns = p->crowded ? CROWDED_NS : SPIN_NS;
    p->allowed = allowed;
    p->avoided = -1;
    p->helpers = helpers;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake, NULL);
    for (unsigned i = 0; i + 1 < threads; i++) {
        helper *h = &helpers[i];
        *h = (helper){.pool = p, .worker = i + 1};
        if (!dtq_thread_start(&h->thread, help, h))
            break; /* the others do its work */
        p->started++;
    }
    dtq_host_pool_wake(p);
    return p;
}

void dtq_host_pool_close(dtq_host_pool *p) {
    if (!p)
        return;
    publish(p, STOP);
    for (unsigned i = 0; i < p->started; i++)
        (void)pthread_join(p->helpers[i].thread, NULL);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->helpers);
    free(p);
}

void dtq_host_parallel(dtq_host_frame *f, uint64_t items, uint64_t grain, uint64_t most, dtq_host_task *task,
                       uint64_t argument) {
    const dtq_host *h = f->host;
    dtq_host_pool_run(h->pool, f, items, grain, most, task, argument);
}
