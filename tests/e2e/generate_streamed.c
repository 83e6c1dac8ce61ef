/* Generation of a decoder that streams, which host code alone does, bit for bit:  generate_streamed WHOLE PROMPT STEP
 * TOKEN...
 *
 * The models `fill`, which takes PROMPT tokens at once (0: it is not used), and `steps`, which takes the
 * others STEP at a time, are generated code with one cache. After each run the rows of its tokens and the importance
 * must be the numbers that the reference and generated code make of all tokens so far by the program WHOLE, without a
 * cache. */
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"

enum { TOKENS_MOST = 256 };

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if (!(call)) {                                                                                                 \
            fprintf(stderr, "%s\n", error.message);                                                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static dtq_error error;

extern const dtq_host_model fill, steps;

static void same(const char *who, uint32_t seq, const char *what, const void *a, const void *b, size_t bytes) {
    if (memcmp(a, b, bytes) != 0) {
        fprintf(stderr, "%s and steps differ at %u tokens: %s\n", who, seq, what);
        exit(1);
    }
}

/* `step` has computed tokens [from, s->seq). */
static void compare(const char *who, const dtq_stream *s, const dtq_output *whole, const dtq_output *step,
                    uint32_t from) {
    const size_t row = s->output_width;
    same(who, s->seq, "output", whole->data + from * row, step->data + from * row,
         (s->seq - from) * row * sizeof *step->data);
    same(who, s->seq, "importance", whole->importance, step->importance,
         (size_t)s->layer_count * s->seq * sizeof *step->importance);
}

int main(int argc, char **argv) {
    uint32_t tokens[TOKENS_MOST], count = 0;
    if (argc < 5)
        return 2;
    const uint32_t prompt = (uint32_t)atoi(argv[2]), step = (uint32_t)atoi(argv[3]);
    for (int i = 4; i < argc && count < TOKENS_MOST; i++)
        tokens[count++] = (uint32_t)atoi(argv[i]);
    dtq_program *program;
    dtq_weights *weights;
    dtq_host *first, *next;
    dtq_cache *cache;
    MUST(dtq_program_load(argv[1], &program, &error));
    MUST((weights = dtq_weights_open(program, NULL, &error)) != NULL);
    MUST((first = dtq_host_open(&fill, NULL, NULL, &error)) != NULL);
    MUST((next = dtq_host_open(&steps, NULL, NULL, &error)) != NULL);
    MUST((cache = dtq_cache_open(dtq_host_plan(next), count, &error)) != NULL);
    const dtq_input in = {.tokens = tokens};
    for (uint32_t seq = prompt ? prompt : step, from = 0; seq <= count; from = seq, seq += step) {
        dtq_host *h = prompt && from == 0 ? first : next;
        const dtq_stream *s = dtq_program_stream(dtq_host_plan(h), seq), *all = dtq_program_stream(program, seq);
        const dtq_run_options o = {.engine = DTQ_ENGINE_REF, .threads = 1};
        dtq_output got, ref, host;
        if (!s || !all)
            return 1;
        MUST(dtq_host_run_stream(h, s, &in, cache, true, &got, &error));
        MUST(dtq_run(program, all, weights, &in, &o, &ref, NULL, false, &error));
        MUST(dtq_host_run_stream(next, all, &in, NULL, true, &host, &error));
        compare("the reference", s, &ref, &got, from);
        compare("generated code", s, &host, &got, from);
        dtq_output_free(&got);
        dtq_output_free(&ref);
        dtq_output_free(&host);
    }
    const uint32_t left = dtq_cache_length(cache);
    dtq_cache_close(cache);
    dtq_host_close(first);
    dtq_host_close(next);
    dtq_weights_close(weights);
    dtq_program_free(program);
    return left + step > count ? 0 : 1;
}
