#include "ir_util.h"

START_TEST(carets_stand_under_the_column) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    static const char text[] = "first\r\n\tx = \xc3\xa4 \xc3\xb6 bad\nlast";
    diag_source(d, "f.yaml", text, sizeof text - 1);
    ck_assert(!diag_error(d, (src_loc){"f.yaml", 2, 12}, "no %s", "good"));
    diag_warning(d, (src_loc){"f.yaml", 3, 99}, "past the end of the line");
    diag_error(d, (src_loc){"f.yaml", 4, 1}, "past the end of the text");
    diag_error(d, (src_loc){"other", 1, 1}, "text not at hand");
    diag_error(d, (src_loc){"f.yaml", 0, 0}, "the whole file");
    diag_error(d, (src_loc){0}, "nowhere");
    ck_assert_str_eq(ir_diag_text(a, d), "f.yaml:2:12: error: no good\n"
                                         "    2 | \tx = \xc3\xa4 \xc3\xb6 bad\n"
                                         "      | \t        ^\n"
                                         "f.yaml:3:99: warning: past the end of the line\n"
                                         "    3 | last\n"
                                         "      |     ^\n"
                                         "f.yaml:4:1: error: past the end of the text\n"
                                         "other:1:1: error: text not at hand\n"
                                         "f.yaml: error: the whole file\n"
                                         "dtqc: error: nowhere\n");
    arena_free(a);
}
END_TEST

/* What a terminal would obey is escaped in names, messages and source lines: C0 and C1 controls, line separators, marks
 * of direction, bytes that are no UTF-8. Other text stays. */
START_TEST(no_byte_commands_a_terminal) {
    static const struct {
        const char *text, *shown;
    } cases[] = {{"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
                 {"\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f"},
                 {"a\nb\tc\rd", "a\\nb\\tc\\x0dd"},
                 {"\xc2\x9b"
                  "31m",
                  "\\xc2\\x9b31m"},
                 {"\xc2\xa0", "\xc2\xa0"}, /* a no-break space is none */
                 {"\xe2\x80\xae", "\\xe2\\x80\\xae"},
                 {"\xe2\x81\xa6\xe2\x81\xaa", "\\xe2\\x81\\xa6\xe2\x81\xaa"},
                 {"\xe2\x80\xa8\xe2\x80\x8f\xd8\x9c", "\\xe2\\x80\\xa8\\xe2\\x80\\x8f\\xd8\\x9c"},
                 {"\xff\xc3(\xed\xa0\x80\xe2\x82", "\\xff\\xc3(\\xed\\xa0\\x80\\xe2\\x82"}};
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_str_eq(diag_visible(a, cases[i].text), cases[i].shown);
        diag *d = diag_new(a, NULL);
        diag_error(d, (src_loc){cases[i].text, 0, 0}, "no '%s'", cases[i].text);
        ck_assert_str_eq(ir_diag_text(a, d), arena_printf(a, "%s: error: no '%s'\n", cases[i].shown, cases[i].shown));
    }
    diag *d = diag_new(a, NULL);
    static const char text[] = "\x1b[1m\xc2\x9b\xe2\x80\xae x bad\n";
    diag_source(d, "f", text, sizeof text - 1);
    diag_error(d, (src_loc){"f", 1, 13}, "here");
    ck_assert_str_eq(ir_diag_text(a, d), "f:1:13: error: here\n"
                                         "    1 | ?[1m????? x bad\n"
                                         "      |             ^\n");
    arena_free(a);
}
END_TEST

START_TEST(long_lines_show_a_window) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    char *text = arena_alloc(a, 1000);
    memset(text, '.', 999);
    text[500] = 'X';
    text[499] = '\033';
    diag_source(d, "f", text, 999);
    diag_error(d, (src_loc){"f", 1, 501}, "here");
    char *shown = ir_diag_text(a, d), *line = strchr(shown, '\n') + 1, *caret = strchr(line, '\n') + 1;
    ck_assert_ptr_null(strchr(shown, '\033')); /* nothing of the file drives the terminal */
    ck_assert_uint_lt((size_t)(caret - line), 140);
    ck_assert_int_eq(line[strchr(caret, '^') - caret], 'X');
    ck_assert_int_gt(strchr(caret, '^') - caret, 60); /* what comes before is shown */
    arena_free(a);
}
END_TEST

START_TEST(entries_are_counted_and_graded) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    ck_assert_int_eq(diag_exit_code(d), EXIT_OK);
    diag_remark(d, (src_loc){0}, "snap-precision", "%d promoted", 3);
    diag_warning(d, (src_loc){0}, "w");
    ck_assert_int_eq(diag_exit_code(d), EXIT_OK);
    diag_error(d, (src_loc){0}, "e");
    ck_assert_int_eq(diag_exit_code(d), EXIT_INPUT);
    diag_internal(d, (src_loc){0}, "i");
    ck_assert_int_eq(diag_exit_code(d), EXIT_INTERNAL);
    ck_assert_uint_eq(diag_total(d), 4);
    ck_assert_uint_eq(diag_count(d, DIAG_REMARK), 1);
    ck_assert_uint_eq(diag_count(d, DIAG_ERROR), 1);
    ck_assert_str_eq(diag_at(d, 0)->message, "3 promoted [snap-precision]");
    arena_free(a);
}
END_TEST

START_TEST(errors_print_at_once_remarks_do_not) {
    arena *a = arena_new();
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    diag *d = diag_new(a, out);
    diag_remark(d, (src_loc){0}, "p", "quiet");
    diag_error(d, (src_loc){"f", 1, 2}, "loud");
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "f:1:2: error: loud\n");
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(nearest_words) {
    static const char *const words[] = {"linear", "layernorm", "load", NULL, "tile.qk"};
    ck_assert_str_eq(diag_nearest("liner", words, 5), "linear");
    ck_assert_str_eq(diag_nearest("linaer", words, 5), "linear"); /* swapped neighbours are one mistake */
    ck_assert_str_eq(diag_nearest("laod", words, 5), "load");
    ck_assert_str_eq(diag_nearest("layer_norm", words, 5), "layernorm");
    ck_assert_ptr_null(diag_nearest("softmax", words, 5));
    ck_assert_ptr_null(diag_nearest("", words, 5));
    ck_assert_ptr_null(diag_nearest("q", (const char *const[]){"v"}, 1)); /* nothing in common */
    char endless[5000];
    memset(endless, 'l', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    ck_assert_ptr_null(diag_nearest(endless, words, 5));
}
END_TEST

IR_MAIN("diag", carets_stand_under_the_column, no_byte_commands_a_terminal, long_lines_show_a_window,
        entries_are_counted_and_graded, errors_print_at_once_remarks_do_not, nearest_words)
