/* dtqc inside a fuzz target. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/session.h"
#include "tests/fuzz/fuzz.h"

/* A directory of this process's, removed at its end. */
static char directory[PATH_MAX / 2];

static void leave(void) {
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", directory);
}

const char *fuzz_path(const char *name) {
    static char paths[8][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    if (!*directory) {
        const char *tmp = getenv("TMPDIR");
        if (!tmp && access("/dev/shm", W_OK) == 0)
            tmp = "/dev/shm"; /* files that nothing needs on a disk */
        snprintf(directory, sizeof directory, "%s/dtqc-fuzz-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(directory) || atexit(leave) != 0)
            abort();
    }
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return path;
}

void fuzz_write(const char *name, const void *data, size_t bytes) {
    FILE *f = fopen(fuzz_path(name), "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f) != 0)
        abort();
}

void fuzz_fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

int fuzz_command(FILE *out, const char *const *words) {
    enum { MOST = 32 };
    char *arguments[MOST + 2] = {(char *)"dtqc"};
    int count = 1;
    while (count <= MOST && words[count - 1]) {
        arguments[count] = (char *)words[count - 1];
        count++;
    }
    /* glibc's streams are variables: what is written elsewhere, a sanitizer's report, is still seen. */
    FILE *own[] = {stdout, stderr}, *nowhere = fopen("/dev/null", "w");
    char *errors;
    size_t bytes;
    FILE *said = open_memstream(&errors, &bytes);
    if (!nowhere || !said)
        abort();
    stdout = out ? out : nowhere;
    stderr = said;
    int code = command_line(count, arguments);
    stdout = own[0];
    stderr = own[1];
    fclose(nowhere);
    fclose(said);
    if (code == EXIT_INTERNAL) {
        for (int i = 0; i < count; i++)
            fprintf(stderr, "%s ", arguments[i]);
        fprintf(stderr, "\n%s", errors);
        abort();
    }
    if (getenv("FUZZ_WORDS"))
        fprintf(stderr, "exit code %d: %s", code, errors);
    free(errors);
    return code;
}

/* Numbers of both signs that no two rows share. */
static float *numbers(size_t n) {
    float *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)((i * 2654435761u >> 7) % 2001) / 1000.0f - 1.0f;
    return x;
}

static void check_stream(const dtq_program *p, const dtq_stream *s, dtq_weights *w, bool edited) {
    dtq_error e;
    dtq_output none = {0};
    dtq_stats stats;
    const dtq_run_options check = {.threads = 1, .shuffle = true, .seed = s->count}, timing = {.timing_only = true};
    const dtq_layer *l = &s->layers[0];
    const bool bare = s->input == DTQ_INPUT_QKV;
    uint32_t *tokens = calloc(s->seq, sizeof *tokens);
    float *q = numbers(bare ? (size_t)s->seq * l->heads * l->head_dim : 0);
    float *k = numbers(bare ? (size_t)s->seq * l->kv_heads * l->head_dim : 0);
    if (!tokens || !q || !k)
        abort();
    for (uint32_t i = 0; i < s->seq; i++)
        tokens[i] = p->vocabulary ? i * 7 % p->vocabulary : 0;
    const dtq_input input = {.tokens = tokens, .q = q, .k = k, .v = k};
    /* Numbers may overflow: that is the input's fault. */
    if (p->scheme.kind == DTQ_SCHEME_MIXED && !dtq_check(p, s, w, &input, &check, &e) && e.status != DTQ_BAD_INPUT &&
        !(edited && (e.status == DTQ_BAD_PROGRAM || e.status == DTQ_NO_MEMORY)))
        fuzz_fail(e.message);
    if (!dtq_run(p, s, NULL, NULL, &timing, &none, &stats, false, &e))
        fuzz_fail(e.message);
    if (s->static_cycles != UINT64_MAX && stats.cycles != s->static_cycles)
        fuzz_fail("the simulator counts other cycles than the compiler");
    free(tokens);
    free(q);
    free(k);
}

void fuzz_check_program(const char *path, bool edited) {
    dtq_error e;
    dtq_program *p;
    if (FUZZ_COMMAND("verify", path) != 0)
        fuzz_fail("verify refuses what compile made");
    if (!dtq_program_load(path, &p, &e))
        fuzz_fail(e.message);
    dtq_weights *w = dtq_weights_open(p, NULL, &e);
    /* An edited name of a file, or an edited size. */
    if (!w && e.status != DTQ_BAD_INPUT && e.status != DTQ_IO && e.status != DTQ_NO_MEMORY)
        fuzz_fail(e.message);
    for (size_t i = 0; w && i < p->stream_count; i++)
        check_stream(p, &p->streams[i], w, edited);
    dtq_weights_close(w);
    dtq_program_free(p);
}
