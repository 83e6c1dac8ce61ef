/* Many items alike over threads. */
#include "frontend/cli/spread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MOST = 256 };

typedef struct {
    session *session;
    size_t count, bytes;
    size_t first, step; /* items first, first + step and so on, `count` of them: a process's share */
    void *results;
    spread_work *work;
    void *context;
    const char *what;
    double begun;
    atomic_size_t next, finished;
    atomic_int shown; /* tenths of a second at which progress was told last */
} crowd;

double spread_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void spread_left(char out[32], size_t done, size_t count, double seconds) {
    const double left = done ? seconds / (double)done * (double)(count - done) : 0;
    const int whole = left < 359999 ? (int)left : 359999;
    if (whole >= 3600)
        snprintf(out, 32, "%d:%02d:%02d left", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(out, 32, "%d:%02d left", whole / 60, whole % 60);
}

static void tell(crowd *c, size_t finished) {
    const double seconds = spread_now() - c->begun;
    int tenth = (int)(seconds * 10), last = atomic_load(&c->shown);
    char left[32];
    if (tenth == last || !atomic_compare_exchange_strong(&c->shown, &last, tenth))
        return;
    spread_left(left, finished, c->count, seconds);
    fprintf(stderr, "\r%s %zu of %zu, %s ", c->what, finished, c->count, left);
}

static void *share(void *argument) {
    crowd *c = argument;
    size_t i;
    while ((i = atomic_fetch_add(&c->next, 1)) < c->count) {
        session own = *c->session;
        own.arena = arena_new();
        own.diag = diag_new(own.arena, NULL);
        const size_t item = c->first + i * c->step;
        c->work(c->context, &own, item, (char *)c->results + item * c->bytes);
        arena_free(own.arena);
        const size_t finished = atomic_fetch_add(&c->finished, 1) + 1;
        if (c->what)
            tell(c, finished);
    }
    return NULL;
}

size_t spread_threads(const session *s, size_t count) {
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t wanted = (size_t)value(s, OPT_threads)->number;
    size_t n = wanted ? wanted : processors > 0 ? (size_t)processors : 1;
    n = n < WORKERS_MOST ? n : WORKERS_MOST;
    return n < count ? n : count ? count : 1;
}

/* Gives all processes all results, as each has its share of them. */
static void exchange(const crowd *c, const ranks *r, size_t count) {
    void *all;
    size_t *sizes = calloc(r->count, sizeof *sizes);
    char *mine = malloc(c->count * c->bytes + 1), *results = c->results;
    if (!sizes || !mine)
        abort();
    for (size_t i = 0; i < c->count; i++)
        memcpy(mine + i * c->bytes, results + (c->first + i * c->step) * c->bytes, c->bytes);
    ranks_share(r, mine, c->count * c->bytes, &all, sizes);
    const char *at = all;
    for (size_t rank = 0; rank < r->count; rank++)
        for (size_t i = rank; i < count; i += r->count, at += c->bytes)
            memcpy(results + i * c->bytes, at, c->bytes);
    free(mine);
    free(all);
    free(sizes);
}

void spread_run(session *s, size_t count, size_t bytes, void *results, spread_work *work, void *context,
                const char *what) {
    crowd c = {.session = s,
               .first = ranks_index(s->ranks),
               .step = ranks_count(s->ranks),
               .bytes = bytes,
               .results = results,
               .work = work,
               .context = context,
               .what = isatty(STDERR_FILENO) ? what : NULL,
               .begun = spread_now()};
    c.count = count > c.first ? (count - c.first + c.step - 1) / c.step : 0;
    pthread_t threads[WORKERS_MOST];
    const size_t wanted = spread_threads(s, c.count);
    size_t started = 1;
    while (started < wanted && pthread_create(&threads[started], NULL, share, &c) == 0)
        started++;
    share(&c); /* fewer threads than wanted do all the work, too */
    for (size_t i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    if (c.what)
        fputs("\r\033[K", stderr);
    if (s->ranks)
        exchange(&c, s->ranks, count);
}
