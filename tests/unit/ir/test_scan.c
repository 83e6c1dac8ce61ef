#include <math.h>

#include "ir/scan.h"
#include "ir_util.h"

typedef struct {
    arena *a;
    diag *d;
    scanner s;
} fixture;

static fixture *scan_of(const char *text, size_t bytes) {
    arena *a = arena_new();
    fixture *f = ARENA_NEW(a, fixture);
    f->a = a;
    f->d = diag_new(a, NULL);
    scan_init(&f->s, a, a, f->d, "t", text, bytes);
    return f;
}

#define SCAN(text) scan_of(text, sizeof text - 1)

START_TEST(whole_numbers) {
    int64_t i;
    uint64_t u;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {{"0", true, 0},
                 {"  -7 ", true, -7},
                 {"0x1f", true, 31},
                 {"9223372036854775807", true, INT64_MAX},
                 {"-9223372036854775808", true, INT64_MIN},
                 {"9223372036854775808", false, 0},
                 {"-9223372036854775809", false, 0},
                 {"99999999999999999999999999", false, 0},
                 {"0x", false, 0},
                 {"12ab", false, 0},
                 {"", false, 0},
                 {"-", false, 0},
                 {"abc", false, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        fixture *f = scan_of(cases[c].text, strlen(cases[c].text));
        bool good = scan_int(&f->s, &i);
        ck_assert_msg(good == cases[c].good && (!good || i == cases[c].value), "\"%s\"", cases[c].text);
        ck_assert_uint_eq(diag_count(f->d, DIAG_ERROR), good ? 0 : 1);
        arena_free(f->a);
    }
    fixture *f = SCAN("18446744073709551615 256");
    ck_assert(scan_unsigned(&f->s, UINT64_MAX, &u) && u == UINT64_MAX);
    ck_assert(!scan_unsigned(&f->s, 255, &u));
    arena_free(f->a);
}
END_TEST

START_TEST(reals) {
    static const char *const good[] = {"1", "-0.5", "1e-12", "+3", ".5", "inf", "-inf"};
    static const char *const bad[] = {
        "",      "one",   "1e",       "1e999", "--1",
        "1.2.3", "0x1p3", "infinity", "e5",    "1111111111111111111111111111111111111111111111111111111111111111"};
    double value = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        fixture *f = scan_of(good[i], strlen(good[i]));
        ck_assert_msg(scan_real(&f->s, &value) && value == strtod(good[i], NULL), "%s", good[i]);
        arena_free(f->a);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture *f = scan_of(bad[i], strlen(bad[i]));
        ck_assert_msg(!scan_real(&f->s, &value) && diag_count(f->d, DIAG_ERROR) == 1, "%s", bad[i]);
        arena_free(f->a);
    }
}
END_TEST

START_TEST(strings) {
    const char *s = NULL, *same = NULL;
    fixture *f = SCAN("\"plain\" \"a\\\"b\\\\c\\n\\t\\x41\\xff\" \"plain\"");
    ck_assert(scan_string(&f->s, &s));
    ck_assert_str_eq(s, "plain");
    ck_assert(scan_string(&f->s, &same));
    ck_assert_str_eq(same, "a\"b\\c\n\tA\xff");
    ck_assert(scan_string(&f->s, &same));
    ck_assert_ptr_eq(s, same); /* one copy */
    arena_free(f->a);
    static const char *const bad[] = {"plain",    "\"open",    "\"line\nbreak\"", "\"\\",
                                      "\"\\x4\"", "\"\\x00\"", "\"\\q\"",         ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f = scan_of(bad[i], strlen(bad[i]));
        ck_assert_msg(!scan_string(&f->s, &s) && diag_count(f->d, DIAG_ERROR) == 1, "%s", bad[i]);
        arena_free(f->a);
    }
    f = SCAN("\"nul\0inside\"");
    ck_assert(!scan_string(&f->s, &s));
    arena_free(f->a);
}
END_TEST

START_TEST(blanks_comments_and_lines) {
    const char *text = NULL;
    size_t n = 0;
    fixture *f = SCAN(" \t\r a # comment\nb // other\nc / d");
    ck_assert(scan_word(&f->s, &text, &n) && n == 1 && *text == 'a');
    ck_assert_int_eq(scan_peek(&f->s), '\n'); /* the end of a statement is seen */
    scan_skip_line(&f->s);
    ck_assert_uint_eq(scan_here(&f->s).line, 2);
    f->s.inside = true;
    ck_assert(scan_word(&f->s, &text, &n) && *text == 'b');
    ck_assert(scan_word(&f->s, &text, &n) && *text == 'c');
    ck_assert_uint_eq(scan_place(&f->s, text).line, 3);
    ck_assert_int_eq(scan_peek(&f->s), '/');
    ck_assert(!scan_word(&f->s, &text, &n));
    scan_skip_line(&f->s);
    ck_assert_int_eq(scan_peek(&f->s), '\0');
    ck_assert(!scan_take(&f->s, '\0'));
    arena_free(f->a);
}
END_TEST

START_TEST(errors_come_to_an_end) {
    fixture *f = SCAN("x");
    for (int i = 0; i < 1000; i++)
        ck_assert(!scan_error(&f->s, scan_here(&f->s), "error %d", i));
    ck_assert_uint_eq(diag_total(f->d), SCAN_ERRORS_MAX + 1);
    arena_free(f->a);
}
END_TEST

START_TEST(lists_and_suggestions) {
    static const char *const words[] = {"alpha", "beta", "gamma"};
    fixture *f = SCAN("");
    ck_assert_str_eq(scan_listed(&f->s, words, 3), "alpha, beta and gamma");
    ck_assert_str_eq(scan_listed(&f->s, words, 1), "alpha");
    ck_assert_str_eq(scan_listed(&f->s, words, 0), "none");
    ck_assert_str_eq(scan_suggestion(&f->s, "betaXYZ", 4, words, 3), "; did you mean `beta`?");
    ck_assert_str_eq(scan_suggestion(&f->s, "omicron", 7, words, 3), ".");
    arena_free(f->a);
}
END_TEST

IR_MAIN("scan", whole_numbers, reals, strings, blanks_comments_and_lines, errors_come_to_an_end, lists_and_suggestions)
