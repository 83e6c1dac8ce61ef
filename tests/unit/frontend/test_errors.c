/* Golden error messages: every directory of tests/err is a case. Its target.yaml, model (model.yaml, model.gguf,
 * model.bin or the directory model/), policy.yaml and weights.safetensors, whichever are there, are read in this order,
 * and the policy is attached to the model built for as many tokens as the file `seq` says. `expected` holds all
 * messages as dtqc prints them. DTQ_UPDATE=1 writes that file anew.
 */
#include <dirent.h>

#include "frontend/files/safetensors.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend/target.h"
#include "frontend_util.h"
#include "ir/base/file.h"

static const char *const root = "tests/err";

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static uint32_t seq_of(const char *directory) {
    const char *path = arena_printf(A, "%s/seq", directory);
    size_t bytes;
    return exists(path) ? (uint32_t)strtoul(file_read(A, D, path, 100, &bytes), NULL, 10) : 0;
}

static void read_case(const char *directory) {
    const char *target = arena_printf(A, "%s/target.yaml", directory),
               *policy_path = arena_printf(A, "%s/policy.yaml", directory);
    static const char *const models[] = {"model.yaml", "model.gguf", "model.bin", "model"};
    const char *weights = arena_printf(A, "%s/weights.safetensors", directory);
    ir_module *graph = NULL;
    if (exists(target)) {
        any_target t;
        target_load(A, D, target, &t);
    }
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const char *path = arena_printf(A, "%s/%s", directory, models[i]);
        model *m = exists(path) ? model_load(A, D, path) : NULL;
        model_options o = {.seq = seq_of(directory), .arithmetic = "fp32", .cluster = true};
        graph = m ? model_build(m, A, D, &o) : graph;
    }
    if (exists(policy_path)) {
        policy *p = policy_load(A, D, policy_path);
        if (p && graph)
            policy_apply(p, graph, D);
    }
    if (exists(weights))
        safetensors_close(safetensors_open(A, D, weights));
}

/** All errors and warnings as text. */
static char *messages(void) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    for (size_t i = 0; i < diag_total(D); i++)
        if (diag_at(D, i)->severity >= DIAG_WARNING)
            diag_print(D, diag_at(D, i), out);
    fclose(out);
    char *copy = arena_strdup(A, text);
    free(text);
    return copy;
}

static int by_text(const void *x, const void *y) {
    return strcmp(*(char *const *)x, *(char *const *)y);
}

START_TEST(goldens) {
    char *names[256];
    size_t count = 0;
    DIR *d = opendir(root);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && count < 256)
            names[count++] = arena_strdup(A, e->d_name);
    closedir(d);
    qsort(names, count, sizeof *names, by_text);
    ck_assert_uint_gt(count, 40);
    const char *failures = "";
    for (size_t i = 0; i < count; i++) {
        D = diag_new(A, NULL);
        const char *directory = arena_printf(A, "%s/%s", root, names[i]);
        const char *expected_path = arena_printf(A, "%s/expected", directory);
        read_case(directory);
        const char *got = messages();
        ck_assert_msg(diag_exit_code(D) == EXIT_INPUT, "%s: exit code %d", names[i], diag_exit_code(D));
        if (getenv("DTQ_UPDATE")) {
            file_writer w;
            ck_assert(file_begin(&w, D, expected_path));
            fputs(got, w.out);
            ck_assert(file_commit(&w, D));
        }
        size_t bytes;
        const char *expected = exists(expected_path) ? file_read(A, D, expected_path, 1 << 20, &bytes) : "";
        if (strcmp(expected, got) != 0)
            failures = arena_printf(A, "%s\n%s: expected\n%sgot\n%s", failures, names[i], expected, got);
    }
    ck_assert_msg(!*failures, "%s\nDTQ_UPDATE=1 in the environment writes the expected files anew", failures);
}
END_TEST

TEST_MAIN("errors", goldens)
