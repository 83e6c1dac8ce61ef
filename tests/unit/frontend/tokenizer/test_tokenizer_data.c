/* llama2.c's 512 tokens on real text: every line's ids against those of a second implementation, written from
 * llama2.c's loop, by a hash; every line and file back from its ids. Needs $DTQ_DATA. */
#include <stdio.h>

#include "frontend/tokenizer/tokenizers.h"
#include "frontend_util.h"
#include "ir/base/file.h"
#include "runtime/hash.h"

static const char *data;

static const struct {
    const char *file;
    size_t lines, ids;
    uint64_t hash;
} texts[] = {
    {"tinystories_val_a.txt", 4265, 193864, 0x235388c8dfb7054d},
    {"sst2_glue_dev.tsv", 873, 58574, 0x47262be4391b4968},
    {"stsb_dev.tsv", 1500, 173459, 0xd4be4bf2e2ea8918},
    {"wikitext2_valid.txt", 3760, 709001, 0x7f4cfaa0779bf537},
};

static tokenizer *load(void) {
    tokenizer *t = tokenizer_load(A, D, arena_printf(A, "%s/models/stories260K/tok512.bin", data), NULL);
    ck_assert_msg(t, "%s", first_error());
    return t;
}

START_TEST(lines_of_text) {
    const tokenizer *t = load();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t bytes, lines = 0, ids = 0;
        uint64_t hash = DTQ_FNV1A_START;
        const char *text = file_read(A, D, arena_printf(A, "%s/text/%s", data, texts[i].file), 1 << 24, &bytes);
        ck_assert_msg(text, "%s", first_error());
        for (const char *p = text, *end = text + bytes; p < end; lines++) {
            const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
            arena *line = arena_new();
            token_list l;
            ck_assert(tokenizer_encode(t, line, D, p, (size_t)(stop - p), NULL, &l));
            hash = dtq_fnv1a(hash, l.ids, l.count * sizeof *l.ids);
            ids += l.count;
            token_string back = tokenizer_decode(t, line, l.ids, l.count, NULL);
            ck_assert(back.bytes == (size_t)(stop - p) && memcmp(back.text, p, back.bytes) == 0);
            arena_free(line);
            p = newline ? newline + 1 : end;
        }
        ck_assert_uint_eq(lines, texts[i].lines);
        ck_assert_uint_eq(ids, texts[i].ids);
        ck_assert_msg(hash == texts[i].hash, "%s: the ids hash to 0x%llx", texts[i].file, (unsigned long long)hash);
    }
}
END_TEST

/** Whole files are longer words than lines are, and the same bytes. */
START_TEST(whole_files) {
    const tokenizer *t = load();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t bytes;
        token_list l;
        const char *text = file_read(A, D, arena_printf(A, "%s/text/%s", data, texts[i].file), 1 << 24, &bytes);
        ck_assert(text && tokenizer_encode(t, A, D, text, bytes, NULL, &l));
        token_string back = tokenizer_decode(t, A, l.ids, l.count, NULL);
        ck_assert(back.bytes == bytes && memcmp(back.text, text, bytes) == 0);
    }
}
END_TEST

int main(void) {
    data = getenv("DTQ_DATA");
    if (!data || !*data) {
        printf("skipped: tokenizers on real text: there is no DTQ_DATA\n");
        return 0;
    }
    Suite *suite = suite_create("tokenizer_data");
    TCase *tc = tcase_create("tokenizer_data");
    tcase_add_checked_fixture(tc, fresh, done);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, lines_of_text);
    tcase_add_test(tc, whole_files);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
