/* What the frontend's tests share: a fresh arena and collector for each test, files to read, and the messages. */
#ifndef FRONTEND_UTIL_H
#define FRONTEND_UTIL_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/files/document.h"
#include "frontend/files/safetensors.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend/target.h"
#include "frontend/tokenizer/tokenizers.h"
#include "ir/base/file.h"
#include "ir/ir.h"

static arena *A;
static diag *D;
static char scratch[] = "/tmp/dtqc-frontend-XXXXXX";

static void fresh(void) {
    A = arena_new();
    D = diag_new(A, NULL);
    strcpy(scratch, "/tmp/dtqc-frontend-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
}

static void done(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    ck_assert_int_eq(system(command), 0);
    arena_free(A);
}

/** Writes a file in the scratch directory (and the directory before the name) and returns its path. */
__attribute__((unused)) static const char *put_bytes(const char *name, const void *data, size_t bytes) {
    const char *path = arena_printf(A, "%s/%s", scratch, name);
    char *slash = strrchr(path, '/');
    const char *directory = arena_strndup(A, path, (size_t)(slash - path));
    mkdir(directory, 0777);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

__attribute__((unused)) static const char *put(const char *name, const char *text) {
    return put_bytes(name, text, strlen(text));
}

/** The first error's message, or "". */
__attribute__((unused)) static const char *first_error(void) {
    for (size_t i = 0; i < diag_total(D); i++)
        if (diag_at(D, i)->severity >= DIAG_ERROR)
            return diag_at(D, i)->message;
    return "";
}

__attribute__((unused)) static src_loc first_place(void) {
    for (size_t i = 0; i < diag_total(D); i++)
        if (diag_at(D, i)->severity >= DIAG_ERROR)
            return diag_at(D, i)->loc;
    return (src_loc){NULL, 0, 0};
}

#define EXPECT_ERROR(text)                                                                                             \
    do {                                                                                                               \
        ck_assert_msg(strstr(first_error(), text), "expected an error with \"%s\", got \"%s\"", text, first_error());  \
        D = diag_new(A, NULL);                                                                                         \
    } while (0)

#define EXPECT_NO_ERROR() ck_assert_msg(!*first_error(), "unexpected error: %s", first_error())

/* ---- mutations --------------------------------------------------------------------------------------------------- */

__attribute__((unused)) static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/** A copy of `text` with a few bytes changed, dropped, doubled or put in; `room` bytes at `out`. Returns its length. */
__attribute__((unused)) static size_t mutate(uint64_t *random, const char *text, size_t bytes, char *out, size_t room) {
    static const char spice[] = "{}[]:,\"'-#&*!|>\n\t \\0159.eE~%@`\xff\xc3\x80\x01";
    size_t n = bytes < room ? bytes : room;
    memcpy(out, text, n);
    for (uint64_t edits = 1 + next_random(random) % 4; edits && n; edits--) {
        size_t at = (size_t)(next_random(random) % n), run = 1 + (size_t)(next_random(random) % 8);
        run = run > n - at ? n - at : run;
        switch (next_random(random) % 4) {
        case 0:
            out[at] = (char)next_random(random);
            break;
        case 1:
            out[at] = spice[next_random(random) % (sizeof spice - 1)];
            break;
        case 2:
            memmove(out + at, out + at + run, n - at - run);
            n -= run;
            break;
        default:
            if (n + run <= room) {
                memmove(out + at + run, out + at, n - at);
                n += run;
            }
        }
    }
    return n;
}

/** A reader's result and its complaints must agree: a result and no error, or none and one-line errors. */
__attribute__((unused)) static void check_verdict(bool accepted, uint64_t round) {
    size_t errors = diag_count(D, DIAG_ERROR) + diag_count(D, DIAG_INTERNAL);
    ck_assert_msg(accepted == (errors == 0), "round %llu: %s with %zu errors: %s", (unsigned long long)round,
                  accepted ? "accepted" : "refused", errors, first_error());
    ck_assert_msg(diag_count(D, DIAG_INTERNAL) == 0, "round %llu: %s", (unsigned long long)round, first_error());
    for (size_t i = 0; i < diag_total(D); i++)
        ck_assert_msg(*diag_at(D, i)->message && !strchr(diag_at(D, i)->message, '\n'), "round %llu: '%s'",
                      (unsigned long long)round, diag_at(D, i)->message);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

#define TEST_MAIN(name, ...)                                                                                           \
    int main(void) {                                                                                                   \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        Suite *suite = suite_create(name);                                                                             \
        TCase *tc = tcase_create(name);                                                                                \
        tcase_add_checked_fixture(tc, fresh, done);                                                                    \
        tcase_set_timeout(tc, 30);                                                                                     \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)                                                      \
            tcase_add_test(tc, tests[i]);                                                                              \
        suite_add_tcase(suite, tc);                                                                                    \
        SRunner *runner = srunner_create(suite);                                                                       \
        srunner_run_all(runner, CK_NORMAL);                                                                            \
        int failed = srunner_ntests_failed(runner);                                                                    \
        srunner_free(runner);                                                                                          \
        return failed ? 1 : 0;                                                                                         \
    }

#endif
