/* dtqc eval: running a model on thousands of texts, several at once. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/systems/systems.h"
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/eval/eval.h"
#include "runtime/host/model.h"

enum { REPORTED_EVERY = 16, WORKERS_MOST = 64 };

/* What the workers share. */
typedef struct {
    const eval_data *data;
    const eval_engine *engine;
    dtq_known *known;
    eval_vector *outputs;
    size_t first, step, count; /* texts first, first + step and so on, so many: a process's share */
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
    dtq_input input = {.tokens = t->tokens, .segments = t->segments, .choice = g->choice};
    input.choice.seed = input.choice.seed << 32 | i;
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
    size_t item;
    while (!atomic_load(&c->failed) && (item = atomic_fetch_add(&c->next, 1)) < c->count) {
        const size_t i = c->first + item * c->step;
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
            fprintf(stderr, "\r%s: %zu of %zu", c->progress, done, c->count);
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

/* ---- processes --------------------------------------------------------------------------------------------------- */

/* What a process tells the others of its share: an error, or of each text a cost, and how many numbers its output is,
 * and these. */
typedef struct {
    char *bytes;
    size_t count, room;
} parcel;

static void pack(parcel *p, const void *data, size_t bytes) {
    if (p->count + bytes > p->room) {
        p->room = 2 * (p->count + bytes);
        char *larger = realloc(p->bytes, p->room);
        if (!larger) {
            fprintf(stderr, "dtqc: error: out of memory: %zu bytes are needed for what processes tell each other\n",
                    p->room);
            exit(EXIT_INPUT);
        }
        p->bytes = larger;
    }
    if (bytes)
        memcpy(p->bytes + p->count, data, bytes);
    p->count += bytes;
}

static const char *unpack(const char *at, void *out, size_t bytes) {
    if (bytes)
        memcpy(out, at, bytes);
    return at + bytes;
}

static void pack_share(const crowd *c, const dtq_error *error, parcel *out) {
    const bool failed = error != NULL;
    pack(out, &failed, sizeof failed);
    if (failed) {
        pack(out, error, sizeof *error);
        return;
    }
    for (size_t item = 0; item < c->count; item++) {
        const size_t i = c->first + item * c->step;
        if (c->engine->costs)
            pack(out, &c->engine->costs[i], sizeof *c->engine->costs);
        pack(out, &c->outputs[i].count, sizeof c->outputs[i].count);
        pack(out, c->outputs[i].data, c->outputs[i].count * sizeof *c->outputs[i].data);
    }
}

/* The share of process `rank`; its own is there already. */
static bool unpack_share(const crowd *c, size_t rank, const char *at, bool own, dtq_error *error) {
    bool failed;
    at = unpack(at, &failed, sizeof failed);
    if (failed) {
        unpack(at, error, sizeof *error);
        return false;
    }
    for (size_t i = rank; i < c->data->texts && !own; i += c->step) {
        eval_vector *v = &c->outputs[i];
        if (c->engine->costs)
            at = unpack(at, &c->engine->costs[i], sizeof *c->engine->costs);
        at = unpack(at, &v->count, sizeof v->count);
        v->data = malloc(v->count * sizeof *v->data + 1);
        if (!v->data)
            abort();
        at = unpack(at, v->data, v->count * sizeof *v->data);
    }
    return true;
}

/* Gives all processes all outputs. */
static bool exchange(const crowd *c, const ranks *r, const dtq_error *own_error, dtq_error *error) {
    parcel mine = {0};
    void *all;
    size_t *sizes = calloc(ranks_count(r), sizeof *sizes);
    if (!sizes)
        abort();
    pack_share(c, own_error, &mine);
    ranks_share(r, mine.bytes, mine.count, &all, sizes);
    bool ok = true;
    const char *at = all;
    for (unsigned i = 0; i < ranks_count(r); at += sizes[i], i++)
        ok = ok && unpack_share(c, i, at, i == ranks_index(r), error);
    free(mine.bytes);
    free(all);
    free(sizes);
    return ok;
}

/* ---- all texts --------------------------------------------------------------------------------------------------- */

bool eval_run_all(session *s, const eval_data *data, const eval_engine *engine, eval_vector *outputs) {
    crowd c = {.data = data,
               .engine = engine,
               .known = known_files(s),
               .outputs = outputs,
               .allow_nonfinite = given(s, OPT_allow_nonfinite),
               .progress = isatty(STDERR_FILENO) ? engine->name : NULL};
    worker workers[WORKERS_MOST];
    c.first = ranks_index(s->ranks);
    c.step = ranks_count(s->ranks);
    c.count = data->texts > c.first ? (data->texts - c.first + c.step - 1) / c.step : 0;
    size_t count = worker_count(s, c.count ? c.count : 1), started = 1;
    for (size_t i = 0; i < count; i++)
        workers[i] = (worker){.crowd = &c, .first = i == 0};
    while (started < count && pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    work(&workers[0]); /* fewer threads than wanted do all the work, too */
    for (size_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    if (c.progress)
        fputs("\r\033[K", stderr);
    const dtq_error *failed = NULL;
    dtq_error error;
    for (size_t i = 0; i < started && !failed; i++)
        failed = workers[i].failed ? &workers[i].error : NULL;
    if (s->ranks && !exchange(&c, s->ranks, failed, &error))
        failed = &error;
    return !failed || runtime_error(s, failed, true);
}
