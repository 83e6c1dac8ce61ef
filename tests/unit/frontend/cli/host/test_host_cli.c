/* What the command line does with host code: names, the cache of objects, and the comparison with the reference. */
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The driver is no library: what is tested is compiled in. */
#include "frontend/cli/cache_directory.c"
#include "frontend/cli/host/host_cache.c"
#include "frontend/cli/host/host_names.c"
#include "frontend/cli/lengths.c"
#include "frontend/cli/phases.c"
#include "frontend/cli/run/run_cases.c"
#include "frontend/cli/run/run_host.c"
#include "frontend/cli/session.c"

/* Of run_input.c, which reads files: shapes are right here. */
bool run_check_shapes(run_state *r, const run_case *c) {
    return r && c;
}

static options given_options;
static session s;

static void set_up(void) {
    s = (session){.arena = arena_new(), .options = &given_options, .program = "dtqc run", .words = stdout};
    s.diag = diag_new(s.arena, NULL);
}

static void tear_down(void) {
    arena_free(s.arena);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *path, *name, *header;
} names[] = {
    {"minilm.o", "minilm", "minilm.h"},
    {"out/all-MiniLM-L6-v2.c", "all_MiniLM_L6_v2", "out/all-MiniLM-L6-v2.h"},
    {"a.b/c", "c", "a.b/c.h"},
    {"a.b/c.d.o", "c_d", "a.b/c.d.h"},
    {"9.o", "model_9", "9.h"},
    {".o", "_o", ".o.h"},
    {"double.o", "double_", "double.h"},
    {"main.c", "main_", "main.h"},
    {"f\xc3\xbcnf.o", "f__nf", "f\xc3\xbcnf.h"},
};

START_TEST(files_give_names) {
    const char *name = host_name_from(s.arena, names[_i].path);
    ck_assert_str_eq(name, names[_i].name);
    ck_assert(host_name_is_good(name));
    ck_assert_str_eq(host_header_path(s.arena, names[_i].path), names[_i].header);
}
END_TEST

START_TEST(identifiers) {
    static const char *const bad[] = {"", "9", "a-b", "a b", "while", "main", "a.b", "\xc3\xbc"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!host_name_is_good(bad[i]), "'%s'", bad[i]);
    ck_assert(host_name_is_good("_a9") && host_name_is_good("whiles"));
}
END_TEST

/* ---- the cache --------------------------------------------------------------------------------------------------- */

static host_bytes object_of(const char *text) {
    return (host_bytes){(uint8_t *)arena_strdup(s.arena, text), strlen(text)};
}

static bool kept(const char *directory, const char *key, const char *text) {
    host_bytes back;
    return host_cache_read(&s, directory, key, &back) && back.bytes == strlen(text) &&
           memcmp(back.data, text, back.bytes) == 0;
}

static char *scratch_directory(void) {
    char *directory = arena_strdup(s.arena, "/tmp/dtq-cache-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    return directory;
}

static void remove_all(const char *directory) {
    DIR *d = opendir(directory);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        unlink(arena_printf(s.arena, "%s/%s", directory, e->d_name));
    closedir(d);
    rmdir(directory);
}

START_TEST(entries_are_found_by_their_whole_key) {
    char *directory = scratch_directory();
    host_bytes object = object_of("code"), other = object_of("other code");
    ck_assert(!kept(directory, "key", "code"));
    ck_assert(host_cache_write(&s, directory, "key", &object));
    ck_assert(kept(directory, "key", "code"));
    ck_assert(!kept(directory, "another key", "code"));
    ck_assert(host_cache_write(&s, directory, "key", &other));
    ck_assert(kept(directory, "key", "other code"));
    /* what stands under the file's name, but for another key, is none */
    const char *path = entry_path(&s, directory, "key");
    ck_assert_int_eq(rename(path, entry_path(&s, directory, "yek")), 0);
    ck_assert(!kept(directory, "yek", "other code"));
    ck_assert_uint_eq(diag_total(s.diag), 0);
    remove_all(directory);
}
END_TEST

/* Every byte of an entry, and every length of it, matters. */
START_TEST(damaged_entries_are_none) {
    char *directory = scratch_directory();
    host_bytes object = object_of("some machine code");
    ck_assert(host_cache_write(&s, directory, "key", &object));
    const char *path = entry_path(&s, directory, "key");
    char whole[256];
    FILE *f = fopen(path, "rb");
    size_t bytes = fread(whole, 1, sizeof whole, f);
    fclose(f);
    ck_assert_uint_eq(bytes, 32 + 3 + 17);
    for (size_t i = 0; i <= 2 * bytes; i++) {
        f = fopen(path, "wb");
        whole[i / 2] ^= (char)(i % 2 ? 1 : 0);
        fwrite(whole, 1, i % 2 ? bytes : i / 2, f);
        fclose(f);
        whole[i / 2] ^= (char)(i % 2 ? 1 : 0);
        ck_assert_msg(i == 2 * bytes || !kept(directory, "key", "some machine code"), "byte %zu", i / 2);
    }
    ck_assert(kept(directory, "key", "some machine code"));
    remove_all(directory);
}
END_TEST

START_TEST(entries_that_nobody_uses_go) {
    char *directory = scratch_directory();
    host_bytes object = object_of("code");
    for (int i = 0; i < ENTRIES_MOST; i++) {
        const char *key = arena_printf(s.arena, "key %d", i);
        struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
        ck_assert(host_cache_write(&s, directory, key, &object));
        utimensat(AT_FDCWD, entry_path(&s, directory, key), times, 0);
    }
    ck_assert(kept(directory, "key 0", "code")); /* used now, so that key 1 is the oldest */
    ck_assert(host_cache_write(&s, directory, "one more", &object));
    ck_assert(kept(directory, "key 0", "code") && kept(directory, "key 2", "code") &&
              kept(directory, "one more", "code"));
    ck_assert(!kept(directory, "key 1", "code"));
    remove_all(directory);
}
END_TEST

START_TEST(caches_are_where_the_environment_says) {
    setenv("DTQC_CACHE", "/a", 1);
    setenv("XDG_CACHE_HOME", "/b", 1);
    setenv("HOME", "/c", 1);
    ck_assert_str_eq(cache_path(&s), "/a");
    setenv("DTQC_CACHE", "", 1);
    ck_assert_str_eq(cache_path(&s), "/b/dtqc");
    setenv("XDG_CACHE_HOME", "relative", 1);
    ck_assert_str_eq(cache_path(&s), "/c/.cache/dtqc");
    unsetenv("HOME");
    ck_assert_ptr_null(cache_path(&s));
    host_bytes object = object_of("code");
    ck_assert(!host_cache_write(&s, "/dev/null/x", "key", &object));
    ck_assert_uint_eq(diag_total(s.diag), 0);
}
END_TEST

/* ---- against the reference --------------------------------------------------------------------------------------- */

START_TEST(the_first_difference_is_named) {
    dtq_layer layers[2] = {{0}};
    dtq_stream stream = {.seq = 3, .layer_count = 2, .layers = layers};
    float data[4] = {1, 0, 3, 4}, same[4] = {1, 0, 3, 4};
    uint64_t importance[6] = {1, 2, 3, 4, 5, 6}, same_importance[6] = {1, 2, 3, 4, 5, 6};
    uint8_t bits[6] = {8, 8, 8, 4, 0, 8}, same_bits[6] = {8, 8, 8, 4, 0, 8};
    run_case c = {.stream = &stream, .out = {.data = data, .count = 4, .importance = importance, .bits = bits}};
    dtq_output reference = {.data = same, .count = 4, .importance = same_importance, .bits = same_bits};
    run_state r = {.session = &s};
    ck_assert(run_same_output(&r, &c, &reference));
    data[1] = -0.0f; /* equal as numbers, but not as bits */
    ck_assert(!run_same_output(&r, &c, &reference));
    ck_assert_ptr_nonnull(strstr(diag_at(s.diag, 0)->message, "element 1 of the output is -0, not 0"));
    importance[4] = 7;
    ck_assert(!run_same_output(&r, &c, &reference));
    ck_assert_ptr_nonnull(strstr(diag_at(s.diag, 1)->message, "layer 1, token 1 has importance 7, not 5"));
    bits[3] = 8;
    ck_assert(!run_same_output(&r, &c, &reference));
    ck_assert_ptr_nonnull(strstr(diag_at(s.diag, 2)->message, "layer 1, token 0 runs at 8 bits, not 4"));
    ck_assert_int_eq(diag_exit_code(s.diag), EXIT_INTERNAL);
}
END_TEST

/* ---- repeating --------------------------------------------------------------------------------------------------- */

static bool count_runs(run_state *r, run_case *c, void *how) {
    (void)r;
    ck_assert_ptr_null(c->out.data); /* what the run before made is gone */
    c->out.data = malloc(4);
    return ++*(int *)how < 4;
}

START_TEST(runs_are_repeated) {
    run_state r = {.session = &s};
    run_case c = {0};
    int runs = 0;
    given_options.values[OPT_repeat] = (option_value){.given = true, .number = 3};
    ck_assert(run_repeatedly(&r, &c, count_runs, &runs));
    ck_assert_int_eq(runs, 3);
    ck_assert(c.least_ms >= 0 && c.least_ms <= c.median_ms);
    ck_assert(!run_repeatedly(&r, &c, count_runs, &runs));
    ck_assert_int_eq(runs, 4);
    given_options.values[OPT_repeat] = (option_value){0};
    dtq_output_free(&c.out);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void) {
    Suite *suite = suite_create("host cli");
    TCase *c = tcase_create("host cli");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, files_give_names, 0, COUNT(names));
    tcase_add_test(c, identifiers);
    tcase_add_test(c, entries_are_found_by_their_whole_key);
    tcase_add_test(c, damaged_entries_are_none);
    tcase_add_test(c, entries_that_nobody_uses_go);
    tcase_add_test(c, caches_are_where_the_environment_says);
    tcase_add_test(c, the_first_difference_is_named);
    tcase_add_test(c, runs_are_repeated);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
