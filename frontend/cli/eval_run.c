/* dtqc eval: running a model on thousands of texts, several at once. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "codegen/systems/systems.h"
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/eval.h"

enum { REPORTED_EVERY = 16, WORKERS_MOST = 64 };

/* What the workers share. */
typedef struct {
    const eval_data *data;
    const eval_engine *engine;
    dtq_known *known;
    eval_vector *outputs;
    atomic_size_t next, done;
    atomic_bool failed;
    bool allow_nonfinite;
    const char *progress; /* name of the row, on a terminal; else NULL */
} crowd;

/* One thread, with its own instance: an instance serves one run at a time. */
typedef struct {
    crowd *crowd;
    bool first; /* the calling thread, which tells of progress */
    bool failed;
    dtq_error error;
    pthread_t thread;
} worker;

static bool run_one(const crowd *c, dtq_host *host, dtq_weights *weights, size_t i, dtq_output *out, dtq_error *e) {
    const eval_engine *g = c->engine;
    const eval_input *t = &c->data->inputs[i];
    dtq_input input = {.tokens = t->tokens, .segments = t->segments};
    if (host)
        return dtq_host_run(host, t->seq, &input, false, out, e);
    dtq_run_options o = {.engine = g->engine, .threads = 1, .allow_nonfinite = c->allow_nonfinite};
    dtq_noise noise;
    if (g->noise) {
        noise = *g->noise;
        noise.seed = noise.seed << 32 | i;
        o.noise = &noise;
    }
    const dtq_stream *stream = dtq_program_stream(g->program, t->seq);
    return dtq_run(g->program, stream, weights, &input, &o, out, NULL, false, e);
}

/* What the task needs of an output, in memory of its size. */
static eval_vector keep(const crowd *c, const eval_input *in, dtq_output *out) {
    eval_vector kept = {out->data, out->count};
    out->data = NULL;
    if (!c->engine->task->reduce)
        return kept;
    c->engine->task->reduce(in, c->engine->task->form == EVAL_LOGITS_OF_TOKENS ? in->seq : 1, &kept);
    float *smaller = realloc(kept.data, (kept.count + 1) * sizeof *kept.data);
    kept.data = smaller ? smaller : kept.data;
    return kept;
}

/* What a run of a system's program took. */
static void price(const eval_engine *g, const eval_input *in, const dtq_output *out, eval_cost *cost) {
    system_run run;
    if (system_price_run(g->program, dtq_program_stream(g->program, in->seq), out->effects, &run))
        *cost = (eval_cost){.active = run.tokens,
                            .cycles = run.cost.cycles,
                            .bops = NAN, /* of another width each */
                            .dram_bytes = run.cost.dram_bytes,
                            .energy_pj = run.energy.total};
}

static bool run_share(worker *w, dtq_host *host, dtq_weights *weights) {
    crowd *c = w->crowd;
    size_t i;
    while (!atomic_load(&c->failed) && (i = atomic_fetch_add(&c->next, 1)) < c->data->texts) {
        dtq_output out = {0};
        if (!run_one(c, host, weights, i, &out, &w->error)) {
            dtq_output_free(&out);
            return false;
        }
        if (c->engine->costs)
            price(c->engine, &c->data->inputs[i], &out, &c->engine->costs[i]);
        c->outputs[i] = keep(c, &c->data->inputs[i], &out);
        dtq_output_free(&out);
        size_t done = atomic_fetch_add(&c->done, 1) + 1;
        if (w->first && c->progress && done % REPORTED_EVERY == 0)
            fprintf(stderr, "\r%s: %zu of %zu", c->progress, done, c->data->texts);
    }
    return true;
}

static void *work(void *argument) {
    worker *w = argument;
    const eval_engine *g = w->crowd->engine;
    dtq_host_options one = {.threads = 1, .known = w->crowd->known, .allow_nonfinite = w->crowd->allow_nonfinite};
    dtq_weights_options files = {.threads = 1, .known = w->crowd->known};
    dtq_host *host = g->code ? dtq_host_open(g->code, g->plan, &one, &w->error) : NULL;
    dtq_weights *weights = g->code ? NULL : dtq_weights_open_with(g->program, &files, &w->error);
    w->failed = !(host || weights) || !run_share(w, host, weights) || !dtq_weights_unchanged(weights, &w->error) ||
                (host && !dtq_host_unchanged(host, &w->error));
    if (w->failed)
        atomic_store(&w->crowd->failed, true);
    if (host)
        dtq_host_close(host);
    if (weights)
        dtq_weights_close(weights);
    return NULL;
}

static size_t worker_count(const session *s, size_t texts) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = (size_t)value(s, OPT_threads)->number;
    size_t count = wanted ? wanted : processors > 0 ? (size_t)processors : 1;
    count = count < WORKERS_MOST ? count : WORKERS_MOST;
    return count < texts ? count : texts;
}

bool eval_run_all(session *s, const eval_data *data, const eval_engine *engine, eval_vector *outputs) {
    crowd c = {.data = data,
               .engine = engine,
               .known = known_files(s),
               .outputs = outputs,
               .allow_nonfinite = given(s, OPT_allow_nonfinite),
               .progress = isatty(STDERR_FILENO) ? engine->name : NULL};
    worker workers[WORKERS_MOST];
    size_t count = worker_count(s, data->texts), started = 1;
    for (size_t i = 0; i < count; i++)
        workers[i] = (worker){.crowd = &c, .first = i == 0};
    while (started < count && pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    work(&workers[0]); /* fewer threads than wanted do all the work, too */
    for (size_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    if (c.progress)
        fputs("\r\033[K", stderr);
    for (size_t i = 0; i < started; i++)
        if (workers[i].failed)
            return runtime_error(s, &workers[i].error, true);
    return true;
}
