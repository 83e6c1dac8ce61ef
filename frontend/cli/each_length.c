/* The lengths of --seq, each compiled in memory of its own. */
#include "frontend/cli/each_length.h"

#include <pthread.h>
#include <stdatomic.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/spread.h"

enum { THREADS_MOST = 256 };

typedef struct {
    session *session;
    const source *source;
    const length_steps *steps;
    const pass_options *passes;
    const uint32_t *lengths;
    size_t count;
    atomic_size_t next;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t turn; /* the length that is handed over next */
    atomic_bool failed;
} row;

static bool make(const row *r, session *own, size_t i, compiled *c, void **result) {
    return compile_length(own, r->source, r->lengths[i], !given(own, OPT_no_cluster), r->passes, c) &&
           r->steps->make(r->steps->context, own, c, i, result);
}

/* What was said of the model belongs to every length; nobody says it again. */
static void know_model(row *r, session *own) {
    pthread_mutex_lock(&r->lock);
    for (size_t e = 0; e < r->source->entries; e++)
        diag_repeat(own->diag, diag_at(r->session->diag, e));
    pthread_mutex_unlock(&r->lock);
}

/* Tells what a length was told, and keeps what it made. `ok`: it was made. */
static void hand_over(row *r, session *own, const compiled *c, size_t i, void *result, bool ok) {
    session *s = r->session;
    for (size_t e = r->source->entries; e < diag_total(own->diag); e++)
        if (diag_at(own->diag, e)->severity >= DIAG_WARNING)
            diag_repeat(s->diag, diag_at(own->diag, e));
    s->usage |= own->usage;
    if (!ok || !r->steps->keep(r->steps->context, own, c, i, result))
        atomic_store(&r->failed, true);
}

static void *work(void *argument) {
    row *r = argument;
    for (size_t i; (i = atomic_fetch_add(&r->next, 1)) < r->count;) {
        session own = *r->session;
        own.arena = arena_new();
        own.diag = diag_new(own.arena, NULL);
        compiled c;
        void *result = NULL;
        bool ok = false;
        if (!atomic_load(&r->failed)) {
            know_model(r, &own);
            lengths_progress(r->lengths[i], i, r->count);
            ok = make(r, &own, i, &c, &result);
        }
        pthread_mutex_lock(&r->lock);
        while (r->turn != i)
            pthread_cond_wait(&r->moved, &r->lock);
        if (!atomic_load(&r->failed))
            hand_over(r, &own, &c, i, result, ok);
        r->turn++;
        pthread_cond_broadcast(&r->moved);
        pthread_mutex_unlock(&r->lock);
        if (own.cache.known != r->session->cache.known)
            cache_release(&own);
        arena_free(own.arena);
    }
    return NULL;
}

/* Whether lengths print something while they are made, one behind the other. */
static bool prints(const session *s) {
    static const option_id printing[] = {OPT_dump_ir, OPT_print_after, OPT_time_passes,
                                         OPT_trace,   OPT_timeline,    OPT_check_cycles};
    for (size_t i = 0; i < sizeof printing / sizeof *printing; i++)
        if (given(s, printing[i]))
            return true;
    return false;
}

static bool in_session(row *r) {
    for (size_t i = 0; i < r->count; i++) {
        compiled c;
        void *result = NULL;
        lengths_progress(r->lengths[i], i, r->count);
        if (!make(r, r->session, i, &c, &result) || !r->steps->keep(r->steps->context, r->session, &c, i, result))
            return false;
    }
    return true;
}

static bool in_memory_of_their_own(row *r, size_t wanted) {
    pthread_t threads[THREADS_MOST];
    size_t started = 1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->moved, NULL);
    while (started < wanted && pthread_create(&threads[started], NULL, work, r) == 0)
        started++;
    work(r); /* fewer threads than wanted do all the work, too */
    for (size_t i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&r->moved);
    pthread_mutex_destroy(&r->lock);
    return !atomic_load(&r->failed);
}

bool each_length(session *s, const source *src, const length_steps *steps, bool whole) {
    pass_options o;
    if (!pass_options_read(s, &o))
        return false;
    row r = {.session = s, .source = src, .steps = steps, .passes = &o};
    r.lengths = lengths_wanted(s, &r.count);
    const bool ok =
        whole || r.count == 1 ? in_session(&r) : in_memory_of_their_own(&r, prints(s) ? 1 : spread_threads(s, r.count));
    lengths_progress(0, r.count, r.count);
    return ok;
}
