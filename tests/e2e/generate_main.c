/* Generation by every engine, bit for bit:  generate_main STEPS FILL WHOLE PROMPT STEP TOKEN...
 *
 * FILL (or "-": nothing) takes PROMPT tokens at once into a cache, STEPS the others, STEP at a time, by the reference,
 * the simulator and, with -DMODEL=symbol, generated code, alone and driving the simulator as a device, each with a
 * cache of its own. After each run outputs, importance and precisions must be the same numbers in all of them, and the
 * check of the simulator must pass. WHOLE (or "-") runs all tokens so far anew; the last row must be that of the step.
 * Weights are found beside the working directory. */
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"

enum { TOKENS_MOST = 256 };

static void die(const dtq_error *e) {
    fprintf(stderr, "%s\n", e->message);
    exit(1);
}

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if (!(call))                                                                                                   \
            die(&error);                                                                                               \
    } while (0)

static dtq_error error;

typedef struct {
    dtq_program *program;
    dtq_weights *weights;
} loaded;

static loaded load(const char *path) {
    loaded l = {0};
    if (strcmp(path, "-") == 0)
        return l;
    MUST(dtq_program_load(path, &l.program, &error));
    MUST((l.weights = dtq_weights_open(l.program, NULL, &error)) != NULL);
    return l;
}

static const dtq_stream *stream_of(const loaded *l, uint32_t seq) {
    const dtq_stream *s = dtq_program_stream(l->program, seq);
    if (!s) {
        fprintf(stderr, "no stream for %u tokens\n", seq);
        exit(1);
    }
    return s;
}

/* An engine and what it generates in. */
typedef struct {
    const char *name;
    dtq_engine engine;
    dtq_cache *cache;
#ifdef MODEL
    dtq_host *host; /* or NULL */
#endif
} generator;

static dtq_output run(const generator *g, const loaded *l, const dtq_stream *s, const dtq_input *in) {
    dtq_output out;
#ifdef MODEL
    if (g->host) {
        MUST(dtq_host_run_stream(g->host, s, in, g->cache, true, &out, &error));
        return out;
    }
#endif
    dtq_run_options o = {.engine = g->engine, .threads = 1, .cache = g->cache};
    if (g->cache && g->engine == DTQ_ENGINE_SIM)
        MUST(dtq_check(l->program, s, l->weights, in, &o, &error));
    MUST(dtq_run(l->program, s, l->weights, in, &o, &out, NULL, false, &error));
    return out;
}

static void same(const char *who, uint32_t seq, const char *what, const void *a, const void *b, size_t bytes) {
    if (memcmp(a, b, bytes) != 0) {
        fprintf(stderr, "%s differs at %u tokens: %s\n", who, seq, what);
        exit(1);
    }
}

static void compare(const char *who, const dtq_stream *s, const dtq_output *got, const dtq_output *want) {
    size_t tables = (size_t)s->layer_count * s->seq;
    same(who, s->seq, "precisions", got->bits, want->bits, tables);
    same(who, s->seq, "importance", got->importance, want->importance, tables * sizeof *want->importance);
    same(who, s->seq, "output", got->data, want->data, want->count * sizeof *want->data);
}

/* Precisions of each layer but the first, from what the layer before reports: newest token first, then larger mean,
 * then smaller id. */
static void check_choices(const dtq_stream *s, const dtq_output *out) {
    const uint32_t n = s->seq, queries = dtq_stream_queries(s), first = queries < n ? n - queries : n;
    for (uint32_t l = 1; l < s->layer_count; l++) {
        const uint8_t *before = out->bits + (size_t)(l - 1) * n, *bits = out->bits + (size_t)l * n;
        const uint64_t *sums = out->importance + (size_t)(l - 1) * n;
        uint32_t keys = dtq_keys(&s->layers[l]), high = s->layers[l].high;
        for (uint32_t id = 0; id < n; id++) {
            uint32_t rank = 0; /* tokens before this one */
            for (uint32_t other = 0; other < n && before[id] != 0; other++) {
                bool newest = other >= first, equal = newest == (id >= first);
                uint64_t mine = sums[id] / (n - id), its = sums[other] / (n - other);
                if (other != id && before[other] != 0)
                    rank += equal ? its > mine || (its == mine && other < id) : newest;
            }
            uint8_t want = before[id] == 0 || rank >= keys ? 0 : rank < high ? 8 : 4;
            if (bits[id] != want) {
                fprintf(stderr, "%u tokens, layer %u, token %u: %u bits, not %u\n", n, l, id, bits[id], want);
                exit(1);
            }
        }
    }
}

/* The output row of the newest token. */
static const float *last_row(const dtq_stream *s, const dtq_output *out) {
    return out->data + (out->count == s->output_width ? 0 : (size_t)(s->seq - 1) * s->output_width);
}

/* The whole sequence anew against a step, whose sums (or NULL) are of all rows. */
static void check_whole(const loaded *whole, dtq_engine engine, const dtq_stream *s, const dtq_input *in,
                        const dtq_output *step) {
    const generator again = {.name = "whole", .engine = engine};
    const dtq_stream *all = stream_of(whole, s->seq);
    dtq_output out = run(&again, whole, all, in);
    same("the whole sequence", s->seq, "last row", last_row(all, &out), last_row(s, step),
         s->output_width * sizeof *out.data);
    for (size_t i = 0; engine != DTQ_ENGINE_FP32 && i < (size_t)s->layer_count * s->seq; i++) {
        uint64_t mean = step->importance[i] / (s->seq - i % s->seq);
        same("the whole sequence", s->seq, "importance", &out.importance[i], &mean, sizeof mean);
    }
    dtq_output_free(&out);
}

int main(int argc, char **argv) {
    uint32_t tokens[TOKENS_MOST], count = 0;
    if (argc < 7)
        return 2;
    const loaded steps = load(argv[1]), fill = load(argv[2]), whole = load(argv[3]);
    const uint32_t prompt = (uint32_t)atoi(argv[4]), step = (uint32_t)atoi(argv[5]);
    for (int i = 6; i < argc && count < TOKENS_MOST; i++)
        tokens[count++] = (uint32_t)atoi(argv[i]);
    generator generators[] = {{.name = "ref", .engine = DTQ_ENGINE_REF},
                              {.name = "sim", .engine = DTQ_ENGINE_SIM},
#ifdef MODEL
                              {.name = "host code"},
                              {.name = "host code with a device"}
#endif
    };
    const size_t engines = sizeof generators / sizeof *generators;
#ifdef MODEL
    extern const dtq_host_model MODEL;
    const dtq_host_options device = {.device = &dtq_simulator};
    MUST((generators[2].host = dtq_host_open(&MODEL, NULL, NULL, &error)) != NULL);
    MUST((generators[3].host = dtq_host_open(&MODEL, steps.program, &device, &error)) != NULL);
#endif
    for (size_t g = 0; g < engines; g++)
        MUST((generators[g].cache = dtq_cache_open(steps.program, count, &error)) != NULL);
    generator floats = {.name = "fp32", .engine = DTQ_ENGINE_FP32};
    MUST((floats.cache = dtq_cache_open(steps.program, count, &error)) != NULL);
    const dtq_input in = {.tokens = tokens};
    uint64_t moved = 0; /* tokens left out of steps: pruning had something to do */
    for (uint32_t seq = prompt != 0 ? prompt : step; seq <= count; seq += step) {
        const loaded *l = prompt != 0 && seq == prompt ? &fill : &steps;
        const dtq_stream *s = stream_of(l, seq);
        dtq_output out[sizeof generators / sizeof *generators];
        for (size_t g = 0; g < engines; g++) {
            out[g] = run(&generators[g], l, s, &in);
            if (dtq_cache_length(generators[g].cache) != seq)
                return 1;
            compare(generators[g].name, s, &out[g], &out[0]);
        }
        for (size_t i = 0; i < (size_t)s->layer_count * seq; i++)
            moved += out[0].bits[i] == 0;
        check_choices(s, &out[0]);
        if (whole.program) {
            check_whole(&whole, DTQ_ENGINE_REF, s, &in, &out[0]);
            dtq_output exact = run(&floats, l, s, &in);
            check_whole(&whole, DTQ_ENGINE_FP32, s, &in, &exact);
            dtq_output_free(&exact);
        }
        for (size_t g = 0; g < engines; g++)
            dtq_output_free(&out[g]);
    }
    for (size_t g = 0; g < engines; g++) { /* once more: an emptied cache is as good as new */
        dtq_cache_clear(generators[g].cache);
        dtq_output out = run(&generators[g], &steps, stream_of(&steps, step), &in);
        dtq_output_free(&out);
        dtq_input none = {0};
        dtq_output failed;
        const dtq_run_options o = {.cache = generators[g].cache, .threads = 1};
        if (dtq_run(steps.program, stream_of(&steps, step), steps.weights, &in, &o, &failed, NULL, false, &error) ||
            dtq_run(steps.program, stream_of(&steps, 2 * step), steps.weights, &none, &o, &failed, NULL, false,
                    &error) ||
            dtq_cache_length(generators[g].cache) != step)
            return 1;
        dtq_cache_close(generators[g].cache);
#ifdef MODEL
        dtq_host_close(generators[g].host);
#endif
    }
    dtq_cache_close(floats.cache);
    for (size_t i = 0; i < 3; i++) {
        const loaded *l = i == 0 ? &steps : i == 1 ? &fill : &whole;
        dtq_weights_close(l->weights);
        dtq_program_free(l->program);
    }
    printf("%u tokens, %llu keys left out, %zu engines: the same bits\n", count, (unsigned long long)moved, engines);
    return 0;
}
