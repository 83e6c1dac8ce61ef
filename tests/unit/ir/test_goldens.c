/* tests/ir: every x.dtir must parse, verify and survive printing, or say what x.err says. DTQ_UPDATE=1 rewrites x.err.
 */
#include <dirent.h>

#include "ir_util.h"

enum { FILES_MAX = 256 };

static char *read_whole(arena *a, const char *path, size_t *bytes) {
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    ck_assert_int_eq(fseek(in, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(in);
    rewind(in);
    char *text = arena_alloc(a, *bytes + 1);
    ck_assert_uint_eq(fread(text, 1, *bytes, in), *bytes);
    fclose(in);
    return text;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list_goldens(arena *a, char *names[FILES_MAX]) {
    DIR *dir = opendir(DTQC_SOURCE_DIR "/tests/ir");
    ck_assert_ptr_nonnull(dir);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (n > 5 && strcmp(entry->d_name + n - 5, ".dtir") == 0) {
            ck_assert_uint_lt(count, FILES_MAX);
            names[count++] = arena_strndup(a, entry->d_name, n - 5);
        }
    }
    closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    return count;
}

static void check_round_trip(arena *a, const char *name, const ir_module *m) {
    diag *d = diag_new(a, NULL);
    size_t bytes, again_bytes;
    char *text = ir_text(a, m, &bytes);
    ir_module *again = ir_parse(a, d, name, text, bytes);
    ck_assert_msg(again, "%s: its printed form does not parse:\n%s", name, ir_diag_text(a, d));
    char *again_text = ir_text(a, again, &again_bytes);
    ck_assert_msg(bytes == again_bytes && memcmp(text, again_text, bytes) == 0,
                  "%s: printing, parsing and printing differ:\n%s\n----\n%s", name, text, again_text);
    ck_assert_msg(ir_equal(m, again), "%s: ir_equal does not see that the modules are equal", name);
    ck_assert_msg(ir_verify(again, d), "%s: what was printed does not verify", name);
}

/* What parsing and verifying print; "" if all is well. */
static const char *messages_of(arena *a, const char *name, const char *text, size_t bytes) {
    const char *shown = arena_printf(a, "tests/ir/%s.dtir", name);
    diag *d = diag_new(a, NULL);
    diag_source(d, shown, text, bytes);
    ir_module *m = ir_parse(a, d, shown, text, bytes);
    ck_assert_msg((!m) == (diag_count(d, DIAG_ERROR) > 0), "%s: errors and result disagree", name);
    if (m && ir_verify(m, d))
        check_round_trip(a, shown, m);
    return ir_diag_text(a, d);
}

START_TEST(goldens_say_what_they_should) {
    arena *a = arena_new();
    char *names[FILES_MAX];
    size_t count = list_goldens(a, names);
    const char *update = getenv("DTQ_UPDATE");
    ck_assert_uint_ge(count, 10);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0, expected_bytes = 0;
        const char *text = read_whole(a, arena_printf(a, "%s/tests/ir/%s.dtir", DTQC_SOURCE_DIR, names[i]), &bytes);
        ck_assert_ptr_nonnull(text);
        const char *messages = messages_of(a, names[i], text, bytes);
        const char *err = arena_printf(a, "%s/tests/ir/%s.err", DTQC_SOURCE_DIR, names[i]);
        const char *expected = read_whole(a, err, &expected_bytes);
        if (update && strcmp(update, "1") == 0 && (*messages || expected)) {
            FILE *out = fopen(err, "wb");
            ck_assert_ptr_nonnull(out);
            fputs(messages, out);
            ck_assert_int_eq(fclose(out), 0);
            continue;
        }
        ck_assert_msg(strcmp(messages, expected ? expected : "") == 0, "%s.dtir says\n%s\ninstead of\n%s", names[i],
                      messages, expected ? expected : "(nothing)");
    }
    arena_free(a);
}
END_TEST

IR_MAIN("goldens", goldens_say_what_they_should)
