/* Helpers of the IR's tests. */
#ifndef DTQ_TESTS_IR_UTIL_H
#define DTQ_TESTS_IR_UTIL_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

/** Runs one test case of the given functions; the exit code of main. */
static inline int ir_run_tests(const char *name, const TTest *const *tests, size_t count) {
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 30); /* sanitizers are slow */
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define IR_MAIN(name, ...)                                                                                             \
    int main(void) {                                                                                                   \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return ir_run_tests(name, tests, sizeof tests / sizeof tests[0]);                                              \
    }

/** The module printed, in the arena. */
static inline char *ir_text(arena *a, const ir_module *m, size_t *bytes) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    ck_assert_ptr_nonnull(out);
    ir_print(m, out);
    ck_assert_int_eq(fclose(out), 0);
    char *copy = arena_alloc(a, n + 1);
    memcpy(copy, text, n);
    free(text);
    if (bytes)
        *bytes = n;
    return copy;
}

/** All entries of the collector as they are printed, in the arena. */
static inline char *ir_diag_text(arena *a, const diag *d) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < diag_total(d); i++)
        diag_print(d, diag_at(d, i), out);
    ck_assert_int_eq(fclose(out), 0);
    char *copy = arena_strndup(a, text, n);
    free(text);
    return copy;
}

/** Parses the text; NULL if that failed. `d` may be NULL: then errors fail the test. */
static inline ir_module *ir_parse_text(arena *a, diag *d, const char *text) {
    diag *mine = d ? d : diag_new(a, NULL);
    ir_module *m = ir_parse(a, mine, "t.dtir", text, strlen(text));
    if (!d)
        ck_assert_msg(m, "%s", ir_diag_text(a, mine));
    return m;
}

/** Parses the text and verifies; the messages, without places and carets, a line each: "" if all is well. */
static inline const char *ir_messages(arena *a, const char *text) {
    diag *d = diag_new(a, NULL);
    ir_module *m = ir_parse(a, d, "t.dtir", text, strlen(text));
    if (m)
        ir_verify(m, d);
    const char *all = "";
    for (size_t i = 0; i < diag_total(d); i++)
        all = arena_printf(a, "%s%s%s", all, *all ? "\n" : "", diag_at(d, i)->message);
    return all;
}

#endif
