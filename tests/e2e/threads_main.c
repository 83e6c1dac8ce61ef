/* The library from eight threads:  threads_main PROGRAM TOKEN...   compiled with -DMODEL=symbol of generated code for
 * the same model, and PROGRAM for as many tokens with a cache and steps of all of them.
 *
 * First every thread has weights, caches and an instance of the model of its own, and all share the program: each gets
 * the numbers that one thread alone gets. Then all share one of each: a run gets these numbers or is refused because
 * another one goes on, and both happen. ThreadSanitizer watches if the library was built with it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"

extern const dtq_host_model MODEL;

enum { THREADS = 8, TOKENS_MOST = 64, ROUNDS = 3, PATIENCE = 100000 };

typedef struct {
    dtq_weights *weights;
    dtq_cache *cache;
    dtq_host *host;
} context;

static const dtq_program *program;
static const dtq_stream *stream;
static dtq_input input;
static dtq_output want[2];       /* of the integer engines, of fp32 */
static context shared;           /* of the second part */
static atomic_ulong ran, turned; /* runs that shared and succeeded, or were refused */
static pthread_barrier_t start;

_Noreturn static void die(const char *what, const char *why) {
    fprintf(stderr, "threads_main: %s: %s\n", what, why);
    exit(1);
}

static context open_context(void) {
    dtq_error e;
    context c;
    if (!(c.weights = dtq_weights_open(program, NULL, &e)) || !(c.cache = dtq_cache_open(program, stream->seq, &e)) ||
        !(c.host = dtq_host_open(&MODEL, NULL, &(dtq_host_options){.threads = 3}, &e))) {
        die("opening", e.message);
    }
    return c;
}

static void close_context(context *c) {
    dtq_weights_close(c->weights);
    dtq_cache_close(c->cache);
    dtq_host_close(c->host);
}

static void same(const char *engine, dtq_output *got, const dtq_output *expected) {
    if (got->count != expected->count || memcmp(got->data, expected->data, got->count * sizeof *got->data) != 0)
        die(engine, "other numbers than one thread alone");
    dtq_output_free(got);
}

/* The ways to run; host code is the last. */
enum { SIM, REF, FP32, CHECK, HOST, WAYS };
static const char *const ways[] = {"sim", "ref", "fp32", "check", "host code"};

static bool run(const context *c, int way, dtq_cache *cache, dtq_output *out, dtq_error *e) {
    *out = (dtq_output){0};
    const dtq_run_options o = {.engine = way == FP32  ? DTQ_ENGINE_FP32
                                         : way == REF ? DTQ_ENGINE_REF
                                                      : DTQ_ENGINE_SIM,
                               .threads = 2,
                               .shuffle = way == SIM,
                               .cache = cache};
    return way == HOST    ? dtq_host_run_stream(c->host, stream, &input, cache, true, out, e)
           : way == CHECK ? dtq_check(program, stream, c->weights, &input, &o, e)
                          : dtq_run(program, stream, c->weights, &input, &o, out, NULL, false, e);
}

static void *own(void *unused) {
    context c = open_context();
    (void)pthread_barrier_wait(&start);
    for (int round = 0; round < ROUNDS; round++) {
        for (int way = 0; way < WAYS; way++) {
            dtq_output out;
            dtq_error e;
            dtq_cache_clear(c.cache);
            if (!dtq_verify(program, stream, &e) || !run(&c, way, c.cache, &out, &e))
                die(ways[way], e.message);
            if (way != CHECK)
                same(ways[way], &out, &want[way == FP32]);
        }
    }
    close_context(&c);
    return unused;
}

/* Shares one instance of weights, or of the model, and no cache. */
static void *share(void *argument) {
    const int way = *(const int *)argument;
    (void)pthread_barrier_wait(&start);
    for (int i = 0; i < PATIENCE && (i < ROUNDS || atomic_load(&ran) == 0 || atomic_load(&turned) == 0); i++) {
        dtq_output out;
        dtq_error e;
        if (run(&shared, way, NULL, &out, &e)) {
            if (way != CHECK)
                same(ways[way], &out, &want[way == FP32]);
            (void)atomic_fetch_add(&ran, 1);
        } else if (e.status == DTQ_BAD_INPUT && strstr(e.message, "is in a run already") && !out.data) {
            (void)atomic_fetch_add(&turned, 1);
        } else {
            die(ways[way], e.message);
        }
    }
    return NULL;
}

/* Shares one cache, whose length says which runs were first, between instances of its own. */
static void *share_cache(void *argument) {
    const int way = *(const int *)argument;
    context c = open_context();
    (void)pthread_barrier_wait(&start);
    for (int i = 0; i < PATIENCE && (i < ROUNDS || atomic_load(&ran) == 0 || atomic_load(&turned) == 0); i++) {
        dtq_output out;
        dtq_error e;
        const bool ok = run(&c, way, shared.cache, &out, &e);
        if (ok && way != CHECK)
            same(ways[way], &out, &want[way == FP32]);
        (void)atomic_fetch_add(ok || !strstr(e.message, "is in a run already") ? &ran : &turned, 1);
    }
    close_context(&c);
    return NULL;
}

static void all_at_once(void *body(void *), int way) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, body, &way) != 0)
            die("pthread_create", "no thread");
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

static void all_share(void *body(void *), int way, const char *what) {
    atomic_store(&ran, 0);
    atomic_store(&turned, 0);
    all_at_once(body, way);
    if (ran == 0 || turned == 0)
        die(ways[way], ran == 0 ? "no run succeeded" : "no run was refused");
    printf("%-9s %s shared: right or refused\n", ways[way], what);
}

int main(int argc, char **argv) {
    uint32_t tokens[TOKENS_MOST], count = 0;
    dtq_error e;
    dtq_program *p;
    if (argc < 3 || !dtq_program_load(argv[1], &p, &e))
        die("loading", argc < 3 ? "no program" : e.message);
    for (int i = 2; i < argc && count < TOKENS_MOST; i++)
        tokens[count++] = (uint32_t)atoi(argv[i]);
    program = p;
    input = (dtq_input){.tokens = tokens};
    stream = dtq_program_stream(program, count);
    if (!stream || pthread_barrier_init(&start, NULL, THREADS) != 0)
        die(argv[1], "has no stream for so many tokens");
    shared = open_context();
    if (!run(&shared, REF, NULL, &want[0], &e) || !run(&shared, FP32, NULL, &want[1], &e))
        die("alone", e.message);
    all_at_once(own, 0);
    printf("%d threads, %d engines, contexts of their own: the same bits\n", THREADS, WAYS);
    for (int way = 0; way < WAYS; way++)
        all_share(share, way, way == HOST ? "model" : "weights");
    for (int way = 0; way < WAYS; way++) {
        dtq_cache_clear(shared.cache);
        all_share(share_cache, way, "cache");
    }
    close_context(&shared);
    dtq_output_free(&want[0]);
    dtq_output_free(&want[1]);
    dtq_program_free(p);
    return 0;
}
