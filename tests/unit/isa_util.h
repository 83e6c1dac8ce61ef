/* Helpers of the instruction-set tests: files, goldens, assembling. */
#ifndef ISA_UTIL_H
#define ISA_UTIL_H

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/program.h"
#include "runtime/run.h"

/* The whole file as a NUL-terminated malloc'd text, NULL if it cannot be read. */
static inline char *read_text(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = NULL;
    size_t used = 0, n;
    do {
        text = realloc(text, used + 4097);
        n = fread(text + used, 1, 4096, f);
        used += n;
    } while (n == 4096);
    fclose(f);
    text[used] = 0;
    if (bytes)
        *bytes = used;
    return text;
}

/* Compares with the file, or rewrites it if DTQ_UPDATE is set. */
static inline void check_golden(const char *path, const char *text, size_t bytes) {
    size_t have = 0;
    char *golden = read_text(path, &have);
    if (getenv("DTQ_UPDATE") && (!golden || have != bytes || memcmp(golden, text, bytes) != 0)) {
        FILE *f = fopen(path, "wb");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(text, 1, bytes, f), bytes);
        ck_assert_int_eq(fclose(f), 0);
    } else {
        ck_assert_msg(golden, "%s: cannot be read (DTQ_UPDATE=1 writes it)", path);
        ck_assert_msg(have == bytes && memcmp(golden, text, bytes) == 0, "%s differs from:\n%s", path, text);
    }
    free(golden);
}

static inline char *disassemble(const dtq_program *p, size_t *bytes) {
    char *text = NULL;
    dtq_error e = {0};
    FILE *f = open_memstream(&text, bytes);
    ck_assert_ptr_nonnull(f);
    ck_assert_msg(dtq_disassemble(p, f, &e), "%s", e.message);
    fclose(f);
    return text;
}

static inline dtq_program *assemble(const char *name, const char *text) {
    dtq_program *p;
    dtq_error e = {0};
    ck_assert_msg(dtq_assemble(name, text, strlen(text), &p, &e), "%s", e.message);
    return p;
}

static inline uint8_t *encode(const dtq_program *p, size_t *bytes) {
    uint8_t *data;
    dtq_error e = {0};
    ck_assert_msg(dtq_program_encode(p, &data, bytes, &e), "%s", e.message);
    return data;
}

/* Calls `visit` with the path of each .dtasm file under tests/isa/`room`; returns how many there were. */
static inline int each_dtasm(const char *room, void (*visit)(const char *path)) {
    char directory[256], path[512];
    snprintf(directory, sizeof directory, "%s/tests/isa/%s", DTQC_SOURCE_DIR, room);
    DIR *d = opendir(directory);
    ck_assert_msg(d, "%s", directory);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        size_t n = strlen(entry->d_name);
        if (n < 7 || strcmp(entry->d_name + n - 6, ".dtasm") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        visit(path);
        count++;
    }
    closedir(d);
    return count;
}

static inline dtq_program *assemble_file(const char *path) {
    char *text = read_text(path, NULL);
    ck_assert_msg(text, "%s", path);
    dtq_program *p = assemble(path, text);
    free(text);
    return p;
}

/* splitmix64: the tests' random numbers. */
static inline uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* DTQ_SEED, or a fixed one; printed, so that a failure can be repeated. */
static inline uint64_t test_seed(void) {
    const char *text = getenv("DTQ_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static inline int run_tests(const char *name, const TTest *const *tests, size_t count) {
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define RUN_TESTS(name, ...)                                                                                           \
    int main(void) {                                                                                                   \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return run_tests(name, tests, sizeof tests / sizeof tests[0]);                                                 \
    }

#endif
