/* WordPiece against ids that an independent implementation gave for the same vocabulary (tests/unit/frontend/
 * wordpiece_vocab.txt), truncation and padding, and vocabularies and texts that are refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/tokenizer/tokenizers.h"

static const char vocabulary[] = DTQC_SOURCE_DIR "/tests/unit/frontend/tokenizer/wordpiece_vocab.txt";
static arena *memory;
static diag *errors;

static void set_up(void) {
    memory = arena_new();
    errors = diag_new(memory, NULL);
}

static void tear_down(void) {
    arena_free(memory);
}

/* "2 25 3" for ids, "0 0 1" for segments. */
static const char *words_of(const uint32_t *values, size_t count) {
    char *text = arena_strdup(memory, "");
    for (size_t i = 0; i < count; i++)
        text = arena_printf(memory, "%s%s%u", text, i ? " " : "", values[i]);
    return text;
}

static const struct {
    const char *text, *ids;
} uncased[] = {
    {"The cat, un-playing.", "2 25 30 19 26 23 29 18 20 3"},
    {"Unaffable!", "2 26 27 28 21 3"},
    {"Caf\u00e9 NA\u00cfVE", "2 31 32 3"},
    {"\u4e2d\u6587cat", "2 33 34 30 3"},
    {"\u03a3\u03a3\u03a3", "2 35 36 36 3"}, /* no final sigma */
    {"\u00df SS", "2 39 38 3"},             /* sharp s is no ss */
    {"\u0130STANBUL", "2 40 3"},            /* I with a dot */
    {"\ud55c", "2 45 46 47 3"},             /* Hangul falls into letters */
    {"the\u200bcat\t\ncat\u00a0cat", "2 1 30 30 3"},
    {"[MASK] the [SEP]cat[sep]", "2 4 25 3 30 1 1 1 3"},
    {"a'b?\u00bf", "2 5 22 6 24 43 3"},
    {"a\u00bfb", "2 5 43 6 3"},
    {"catx cat", "2 1 30 3"}, /* one unknown piece: the whole word is unknown */
    {"", "2 3"},
    {"e\u0301e", "2 8 16 3"},
    {"loloing lo\ufffdlo", "2 48 49 18 48 49 3"}, /* U+FFFD leaves nothing, not even a gap */
    {"cats\x07s", "2 30 17 17 3"},
    {"the \u0378", "2 25 1 3"}, /* unassigned */
};

START_TEST(uncased_ids) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    ck_assert_ptr_nonnull(w);
    token_list t;
    ck_assert(wordpiece_encode(w, memory, errors, uncased[_i].text, NULL, 0, 0, &t));
    ck_assert_str_eq(words_of(t.ids, t.count), uncased[_i].ids);
    ck_assert(!t.truncated);
}
END_TEST

START_TEST(cased_ids) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, false);
    ck_assert_ptr_nonnull(w);
    static const char *const cases[][2] = {
        {"The the Caf\u00e9", "2 1 25 1 3"}, {"cat\u0301", "2 1 3"}, {"\u4e2d\u6587cat \ud55c", "2 33 34 30 44 3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        token_list t;
        ck_assert(wordpiece_encode(w, memory, errors, cases[i][0], NULL, 0, 0, &t));
        ck_assert_str_eq(words_of(t.ids, t.count), cases[i][1]);
    }
}
END_TEST

START_TEST(words_of_a_hundred_characters) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    char text[102];
    memset(text, 'a', sizeof text);
    token_list t;
    text[100] = '\0';
    ck_assert(wordpiece_encode(w, memory, errors, text, NULL, 0, 0, &t));
    ck_assert_uint_eq(t.count, 102);
    ck_assert_uint_eq(t.ids[1], 5);
    ck_assert_uint_eq(t.ids[100], 13);
    text[100] = 'a';
    text[101] = '\0';
    ck_assert(wordpiece_encode(w, memory, errors, text, NULL, 0, 0, &t));
    ck_assert_str_eq(words_of(t.ids, t.count), "2 1 3");
}
END_TEST

static const struct {
    const char *a, *b;
    size_t limit;
    const char *ids, *segments;
} pairs[] = {
    {"the cat, the cat.", "a b c", 3, "2 3 3", "0 0 1"},
    {"the cat, the cat.", "a b c", 4, "2 25 3 3", "0 0 0 1"},
    {"a b c", "e i n", 4, "2 3 8 3", "0 0 1 1"},
    {"the cat, the cat.", "a b c", 6, "2 25 30 3 5 3", "0 0 0 0 1 1"},
    {"a b c", "e i n", 6, "2 5 3 8 9 3", "0 0 0 1 1 1"},
    {"the cat, the cat.", "a b c", 8, "2 25 30 19 3 5 6 3", "0 0 0 0 0 1 1 1"},
    {"a b c", "e i n", 8, "2 5 6 3 8 9 10 3", "0 0 0 0 1 1 1 1"},
    {"the cat, the cat.", "a b c", 11, "2 25 30 19 25 30 3 5 6 7 3", "0 0 0 0 0 0 0 1 1 1 1"},
    {"the cat, the cat.", "a b c", 12, "2 25 30 19 25 30 20 3 5 6 7 3", "0 0 0 0 0 0 0 0 1 1 1 1"},
};

START_TEST(pairs_longest_first) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    token_list t;
    ck_assert(wordpiece_encode(w, memory, errors, pairs[_i].a, pairs[_i].b, 0, 0, &t));
    size_t full = t.count;
    ck_assert(wordpiece_encode(w, memory, errors, pairs[_i].a, pairs[_i].b, pairs[_i].limit, 0, &t));
    ck_assert_str_eq(words_of(t.ids, t.count), pairs[_i].ids);
    ck_assert_str_eq(words_of(t.segments, t.count), pairs[_i].segments);
    ck_assert_uint_eq(t.count, pairs[_i].limit < full ? pairs[_i].limit : full);
    ck_assert_int_eq(t.truncated, pairs[_i].limit < full);
}
END_TEST

START_TEST(padding) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    token_list t;
    ck_assert(wordpiece_encode(w, memory, errors, "the cat", "a", 0, 9, &t));
    ck_assert_str_eq(words_of(t.ids, t.count), "2 25 30 3 5 3 0 0 0");
    ck_assert_str_eq(words_of(t.segments, t.count), "0 0 0 0 1 1 0 0 0");
    ck_assert(wordpiece_encode(w, memory, errors, "the cat the cat", NULL, 4, 5, &t));
    ck_assert_str_eq(words_of(t.ids, t.count), "2 25 30 3 0");
    ck_assert(t.truncated);
}
END_TEST

START_TEST(token_texts) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    ck_assert_str_eq(wordpiece_token(w, 0), "[PAD]");
    ck_assert_str_eq(wordpiece_token(w, 18), "##ing");
    ck_assert_str_eq(wordpiece_token(w, 49), "##lo");
    ck_assert_ptr_null(wordpiece_token(w, 50));
}
END_TEST

static const struct {
    const char *text, *says;
} not_utf8[] = {{"the \xff", "byte 0xff at offset 4"},
                {"caf\xe9", "byte 0xe9 at offset 3"},
                {"\xc0\x80", "offset 0"},       /* overlong */
                {"a\xed\xa0\x80", "offset 1"}}; /* a surrogate */

START_TEST(text_not_utf8) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    token_list t;
    ck_assert(!wordpiece_encode(w, memory, errors, not_utf8[_i].text, NULL, 0, 0, &t));
    ck_assert_uint_eq(diag_total(errors), 1);
    ck_assert_msg(strstr(diag_at(errors, 0)->message, not_utf8[_i].says), "%s", diag_at(errors, 0)->message);
}
END_TEST

START_TEST(too_small_a_limit) {
    wordpiece *w = wordpiece_load(memory, errors, vocabulary, true);
    token_list t;
    ck_assert(!wordpiece_encode(w, memory, errors, "a", NULL, 1, 0, &t));
    ck_assert(!wordpiece_encode(w, memory, errors, "a", "b", 2, 0, &t));
    ck_assert_uint_eq(diag_count(errors, DIAG_ERROR), 2);
}
END_TEST

static const struct {
    const char *text, *says;
    uint32_t line;
} bad_vocabularies[] = {
    {"[CLS]\n[SEP]\na\n", "no token [UNK]", 0},
    {"[UNK]\n[SEP]\na\n", "no token [CLS]", 0},
    {"[UNK]\n[CLS]\na\n", "no token [SEP]", 0},
    {"", "no token [UNK]", 0},
    {"[UNK]\n[CLS]\n[SEP]\nb\xff\n", "not UTF-8: byte 0xff", 4},
    {"[UNK]\n\n[SEP]\n", "no token [CLS]", 0},
};

START_TEST(refused_vocabularies) {
    char path[] = "/tmp/dtq_vocabulary_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *f = fdopen(fd, "w");
    fputs(bad_vocabularies[_i].text, f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_ptr_null(wordpiece_load(memory, errors, path, true));
    unlink(path);
    ck_assert_uint_eq(diag_total(errors), 1);
    ck_assert_msg(strstr(diag_at(errors, 0)->message, bad_vocabularies[_i].says), "%s", diag_at(errors, 0)->message);
    ck_assert_uint_eq(diag_at(errors, 0)->loc.line, bad_vocabularies[_i].line);
}
END_TEST

START_TEST(vocabulary_with_carriage_returns) {
    char path[] = "/tmp/dtq_vocabulary_XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    fputs("[UNK]\r\n[CLS]\r\n[SEP]\r\ncat", f);
    ck_assert_int_eq(fclose(f), 0);
    wordpiece *w = wordpiece_load(memory, errors, path, true);
    unlink(path);
    ck_assert_ptr_nonnull(w);
    token_list t;
    ck_assert(wordpiece_encode(w, memory, errors, "Cat", NULL, 0, 0, &t));
    ck_assert_str_eq(words_of(t.ids, t.count), "1 3 2");
    ck_assert(!wordpiece_encode(w, memory, errors, "Cat", NULL, 0, 9, &t)); /* no [PAD] */
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void) {
    Suite *s = suite_create("wordpiece");
    TCase *c = tcase_create("wordpiece");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, uncased_ids, 0, COUNT(uncased));
    tcase_add_test(c, cased_ids);
    tcase_add_test(c, words_of_a_hundred_characters);
    tcase_add_loop_test(c, pairs_longest_first, 0, COUNT(pairs));
    tcase_add_test(c, padding);
    tcase_add_test(c, token_texts);
    tcase_add_loop_test(c, text_not_utf8, 0, COUNT(not_utf8));
    tcase_add_test(c, too_small_a_limit);
    tcase_add_loop_test(c, refused_vocabularies, 0, COUNT(bad_vocabularies));
    tcase_add_test(c, vocabulary_with_carriage_returns);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
