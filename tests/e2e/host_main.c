/* Runs a generated model that is linked to it, with nothing but libdtqrt: what tests of emitted objects and C files
 * use, also on processors of another kind.
 *
 *   host_main DIRECTORY THREADS LEVELS MODE [IN OUT]...
 *
 * MODE: a caller_mode, which opens and runs the model; it must be as it was when that is done.
 * IN: uint32 words: tokens of the input n; kind 0: n token ids and n segments; kind 1: heads, kv_heads, head_dim and
 * the floats of q, k, v. OUT gets the output's floats, then importance (uint64) and bits (uint8) of all layers. Compile
 * with -DMODEL=name of the model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"
#include "tests/caller_mode.h"

extern const dtq_host_model MODEL;

static uint32_t *read_words(const char *path, size_t *count) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        return NULL;
    const long bytes = ftell(f);
    rewind(f);
    uint32_t *words = malloc((size_t)bytes + 4);
    *count = !words ? 0 : fread(words, 4, (size_t)bytes / 4, f);
    fclose(f);
    return words;
}

static bool run(dtq_host *h, caller_mode mode, const char *in_path, const char *out_path, dtq_error *e) {
    size_t count = 0;
    uint32_t *words = read_words(in_path, &count);
    if (!words || count < 2)
        return dtq_fail(e, DTQ_IO, "%s cannot be read", in_path);
    const uint32_t n = words[0];
    dtq_input input = {0};
    if (words[1] == 0) {
        input.tokens = words + 2;
        input.segments = words + 2 + n;
    } else {
        const size_t q = (size_t)n * words[2] * words[4], kv = (size_t)n * words[3] * words[4];
        const float *values = (const float *)(const void *)(words + 5);
        input.q = values;
        input.k = values + q;
        input.v = values + q + kv;
    }
    dtq_output out;
    caller_mode_set(mode);
    const uint64_t before = caller_mode_get();
    const bool ran = dtq_host_run(h, n, &input, true, &out, e);
    const uint64_t after = caller_mode_get();
    caller_mode_set(CALLER_DEFAULT);
    if (!ran || before != after) {
        free(words);
        return ran ? dtq_fail(e, DTQ_BAD_INPUT, "the floating-point mode was %llx and is %llx",
                              (unsigned long long)before, (unsigned long long)after)
                   : false;
    }
    const size_t layers = dtq_host_plan(h)->streams[0].layer_count;
    FILE *f = fopen(out_path, "wb");
    bool ok = f && fwrite(out.data, sizeof *out.data, out.count, f) == out.count &&
              fwrite(out.importance, sizeof *out.importance, layers * n, f) == layers * n &&
              fwrite(out.bits, 1, layers * n, f) == layers * n;
    ok = f && fclose(f) == 0 && ok;
    dtq_output_free(&out);
    free(words);
    return ok || dtq_fail(e, DTQ_IO, "%s cannot be written", out_path);
}

int main(int argc, char **argv) {
    dtq_error e = {0};
    if (argc < 5) {
        fputs("usage: host_main DIRECTORY THREADS LEVELS MODE [IN OUT]...\n", stderr);
        return 2;
    }
    const dtq_host_options o = {
        .directory = argv[1], .threads = (unsigned)atoi(argv[2]), .levels = (unsigned)atoi(argv[3])};
    const caller_mode mode = (caller_mode)atoi(argv[4]);
    caller_mode_set(mode);
    dtq_host *h = dtq_host_open(&MODEL, NULL, &o, &e);
    caller_mode_set(CALLER_DEFAULT);
    bool ok = h != NULL;
    for (int i = 5; ok && i + 1 < argc; i += 2)
        ok = run(h, mode, argv[i], argv[i + 1], &e);
    if (h)
        dtq_host_close(h);
    if (!ok)
        fprintf(stderr, "host_main: %s\n", e.message);
    return ok ? 0 : 1;
}
