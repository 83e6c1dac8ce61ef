/* Changes to documents: paths, what excludes what, sizes, and text that reads back. */
#include "frontend/files/edit.h"

#include "frontend/files/document.h"
#include "frontend_util.h"

static doc_node *parse(const char *text) {
    doc_node *n = doc_parse(A, D, "t.yaml", text, strlen(text), false);
    ck_assert_ptr_nonnull(n);
    return n;
}

/** The tree in flow style. */
static const char *shown(const doc_node *n) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    doc_write(n, 0, f);
    fclose(f);
    const char *copy = arena_strndup(A, text, bytes - 1);
    free(text);
    return copy;
}

static const char *after(const char *text, const char *path, const char *to) {
    doc_node *root = parse(text);
    doc_edit e = {path, {"set", 1, 1}, parse(to)};
    return doc_apply(A, D, root, &family_policy, &(doc_edits){&e, 1}) ? shown(root) : NULL;
}

START_TEST(paths) {
    ck_assert_str_eq(after("{a: {b: 1}}", "a.b", "2"), "{a: {b: 2}}");
    ck_assert_str_eq(after("{a: {b: 1}}", "a.c", "[x, y]"), "{a: {b: 1, c: [x, y]}}");
    ck_assert_str_eq(after("{a: 3}", "a.b.c", "2"), "{a: {b: {c: 2}}}");
    ck_assert_str_eq(after("{a: [1, 2, 3, 4]}", "a.1-2", "x"), "{a: [1, x, x, 4]}");
    ck_assert_str_eq(after("{a: [{b: 1}, {b: 2}]}", "a.*.b", "5"), "{a: [{b: 5}, {b: 5}]}");
    ck_assert_str_eq(after("{a: {b: 1, c: 2}}", "a.*", "7"), "{a: {b: 7, c: 7}}");
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(one_of_a_group) {
    ck_assert_str_eq(after("{all: {ratios: {8: 1}, pinned: [0]}}", "all.counts", "{8: 4}"),
                     "{all: {pinned: [0], counts: {8: 4}}}");
    ck_assert_str_eq(after("{all: {ratios: {8: 1}}, prune: keys}", "layers", "[]"), "{prune: keys, layers: []}");
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(paths_that_lead_nowhere) {
    static const struct {
        const char *text, *path, *says;
        unsigned col;
    } cases[] = {
        {"{a: [1, 2]}", "a.2", "the list has 2 items, 0 to 1; '2' names none of them", 3},
        {"{a: [1, 2]}", "a.1-0", "'1-0' names none of them", 3},
        {"{a: [1, 2]}", "a.b", "'b' names none of them", 3},
        {"{a: []}", "a.*", "the list is empty", 3},
        {"{a: {}}", "a.*", "there is no key that * could stand for", 3},
        {"{a: 1}", "a..b", "is no path", 1},
        {"{a: 1}", "", "is no path", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = diag_total(D);
        ck_assert_ptr_null(after(cases[i].text, cases[i].path, "0"));
        ck_assert_uint_eq(diag_total(D), before + 1);
        const diag_entry *e = diag_at(D, before);
        ck_assert_msg(strstr(e->message, cases[i].says), "%s", e->message);
        ck_assert_uint_eq(e->loc.col, cases[i].col);
    }
}
END_TEST

START_TEST(sizes) {
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"7", 7}, {"16 KiB", 16384}, {"16KiB", 16384}, {"1.5 MiB", 1572864}, {"1 GiB", 1073741824}},
      bad[] = {{"1 KB", 0},    {"1.3 KiB", 0}, {"KiB", 0}, {"1 TiB", 0},
               {"'1 KiB'", 0}, {"2 GiB", 0},   {"1.5", 0}, {"1 KiB x", 0}};
    int64_t bytes = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert(doc_bytes(D, parse(good[i].text), "it", 1, INT64_C(1) << 30, &bytes));
        ck_assert_int_eq(bytes, good[i].bytes);
    }
    EXPECT_NO_ERROR();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!doc_bytes(D, parse(bad[i].text), "it", 1, INT64_C(1) << 30, &bytes), "%s", bad[i].text);
}
END_TEST

/** Text of any kind reads back as what it was, in blocks of any depth. */
START_TEST(written_reads_back) {
    const doc_node *n =
        parse("{a: {b: [1, -2.5, 'x: y', '3', '', ' z'], c: {}}, d: [[1, 2], {e: f}], g: 16 KiB, h: '# no', i: '-'}");
    const char *flow = shown(n);
    for (int depth = 1; depth < 4; depth++) {
        char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);
        doc_write(n, depth, f);
        fclose(f);
        ck_assert_str_eq(shown(parse(arena_strndup(A, text, bytes))), flow);
        free(text);
    }
    ck_assert_ptr_nonnull(strstr(flow, "\"3\""));
}
END_TEST

TEST_MAIN("edit", paths, one_of_a_group, paths_that_lead_nowhere, sizes, written_reads_back)
