/* Unigram vocabularies: the ids and texts that tokenizers gives (unigram.tsv, which unigram.py records), and files that
 * are refused. */
#include "frontend/tokenizer/charsmap.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend_util.h"

static const char directory[] = DTQC_SOURCE_DIR "/tests/unit/frontend/tokenizer";

/** The text of a JSON string. */
static const char *text_of(const char *json) {
    const doc_node *n = doc_parse(A, D, "row", json, strlen(json), true);
    ck_assert_msg(n, "%s: %s", json, first_error());
    return n->text;
}

START_TEST(as_tokenizers_has_it) {
    const tokenizer *tokenizers[2];
    static const char *const names[] = {"plain", "bytes"};
    for (int i = 0; i < 2; i++) {
        tokenizers[i] = tokenizer_load(A, D, arena_printf(A, "%s/unigram_%s.json", directory, names[i]), NULL);
        ck_assert_msg(tokenizers[i], "%s", first_error());
    }
    size_t bytes, rows = 0;
    char *text = file_read(A, D, arena_printf(A, "%s/unigram.tsv", directory), 1 << 20, &bytes);
    ck_assert_ptr_nonnull(text);
    for (char *line = text, *next; *line; line = next, rows++) {
        char *end = strchr(line, '\n'), *first = strchr(line, '\t'), *ids = strchr(first + 1, '\t');
        next = end + 1;
        *end = *first = *ids = '\0';
        char *decoded = strrchr(ids + 1, '\t');
        *decoded = '\0';
        const tokenizer *t = tokenizers[strcmp(line, "bytes") == 0];
        const char *in = text_of(first + 1), *got = "";
        token_list l;
        ck_assert(tokenizer_encode(t, A, D, in, strlen(in), NULL, &l));
        for (size_t i = 0; i < l.count; i++)
            got = arena_printf(A, "%s%s%u", got, i ? "\t" : "", l.ids[i]);
        ck_assert_msg(strcmp(got, ids + 1) == 0, "%s %s: %s, not %s", line, first + 1, got, ids + 1);
        const token_string back = tokenizer_decode(t, A, l.ids, l.count, NULL);
        ck_assert_msg(strcmp(back.text, text_of(decoded + 1)) == 0, "%s %s: '%s', not %s", line, first + 1, back.text,
                      decoded + 1);
    }
    ck_assert_uint_eq(rows, 500);
}
END_TEST

/* A run of text without spaces is one word: its path has a step for each byte. */
START_TEST(long_words) {
    const tokenizer *t = tokenizer_load(A, D, arena_printf(A, "%s/unigram_plain.json", directory), NULL);
    enum { COPIES = 20000 };
    char *text = arena_alloc(A, 3 * COPIES + 1);
    for (size_t i = 0; i < COPIES; i++)
        memcpy(text + 3 * i, "the", 4);
    token_list one, all;
    ck_assert(tokenizer_encode(t, A, D, text, 9, NULL, &one) &&
              tokenizer_encode(t, A, D, text, 3 * COPIES, NULL, &all));
    ck_assert_uint_gt(all.count, COPIES);
    ck_assert_uint_eq(one.ids[1], all.ids[1]);
}
END_TEST

static const char head[] = "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": ";

START_TEST(what_is_refused) {
    static const struct {
        const char *rest, *why;
    } files[] = {
        {"[[\"<unk>\", 0], [\"a\"]]}}", "a piece must be a text and its score"},
        {"[[\"<unk>\", 0], [\"a\", \"b\"]]}}", "the score of a piece"},
        {"[[\"<unk>\", 0], [\"a\", 1], [\"a\", 2]]}}", "the pieces 1 and 2 have the same text"},
        {"{\"a\": 1}}}", "model.vocab"},
        {"[[\"<unk>\", 0]], \"unk_id\": 1}}", "model.unk_id"},
        {"[[\"<unk>\", 0]]}, \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"A\"}}",
         "is no base64"},
        {"[[\"<unk>\", 0]]}, \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}}",
         "is too short"},
        {"[[\"<unk>\", 0]]}, \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"BAAAAAAAAAA=\"}}",
         "do not end"},
        {"[[\"<unk>\", 0]]}, \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a+\"}, \"content\": "
         "\"\"}}",
         "the regular expression of a Replace must be"},
        {"[[\"<unk>\", 0]]}, \"normalizer\": {\"type\": \"Nmt\"}}", "normalizer.type"},
        {"[[\"<unk>\", 0]]}, \"pre_tokenizer\": {\"type\": \"ByteLevel\"}}", "spelled in bytes"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        D = diag_new(A, NULL);
        const char *text = arena_printf(A, "%s%s", head, files[i].rest);
        if (i == 4) /* the key stands once */
            text = "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"<unk>\", 0]], \"unk_id\": 1}}";
        ck_assert_ptr_null(tokenizer_load(A, D, put("tokenizer.json", text), NULL));
        ck_assert_msg(strstr(first_error(), files[i].why), "%zu: '%s', not '%s'", i, first_error(), files[i].why);
    }
    D = diag_new(A, NULL);
    ck_assert_ptr_null(tokenizer_load(
        A, D, put("tokenizer.json", "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}}"), NULL));
    ck_assert_msg(strstr(first_error(), "unk_id is missing"), "%s", first_error());
}
END_TEST

/* A trie may say anything: no walk leaves it. */
START_TEST(random_maps) {
    const unsigned seed = 20261201;
    printf("random_maps: seed %u\n", seed);
    srand(seed);
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t read = 0;
    for (int n = 0; n < 4000; n++) {
        char base64[256];
        const int groups = 4 + rand() % 24;
        for (int i = 0; i < 4 * groups; i++)
            base64[i] = i < 5 ? 'A' : alphabet[rand() % 64];
        base64[0] = "EIMQ"[rand() % 4]; /* 16 to 64 bytes of units */
        memcpy(base64 + 4 * groups - 4, "AAAA", 5);
        const char *why;
        const charsmap *m = charsmap_read(A, base64, &why);
        if (!m)
            continue;
        read++;
        for (int i = 0; i < 16; i++) {
            char text[9];
            const int length = rand() % 8;
            for (int k = 0; k < length; k++)
                text[k] = (char)(1 + rand() % 127);
            text[length] = '\0';
            size_t bytes = (size_t)length;
            ck_assert_ptr_nonnull(charsmap_apply(m, A, text, &bytes));
        }
    }
    ck_assert_uint_gt(read, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("unigram");
    TCase *tc = tcase_create("unigram");
    tcase_add_checked_fixture(tc, fresh, done);
    tcase_add_test(tc, as_tokenizers_has_it);
    tcase_add_test(tc, long_words);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, random_maps);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
