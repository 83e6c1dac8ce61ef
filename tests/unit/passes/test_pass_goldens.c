/* tests/passes/<case>: in.dtir through the passes named in `passes` (a line that is `-O0` turns optimisation off) must
 * give out.dtir. DTQ_UPDATE=1 rewrites out.dtir. */
#include <dirent.h>

#include "passes/pass_util.h"

enum { CASES_MAX = 256 };
static const char directory[] = DTQC_SOURCE_DIR "/tests/passes";

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

static size_t list_cases(arena *a, char *names[CASES_MAX]) {
    DIR *dir = opendir(directory);
    ck_assert_ptr_nonnull(dir);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        ck_assert_uint_lt(count, CASES_MAX);
        names[count++] = arena_strdup(a, entry->d_name);
    }
    closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    return count;
}

/** The module that comes out, as text. */
static const char *result_of(pass_case *c, const char *name) {
    size_t bytes = 0, passes_bytes = 0;
    char *text = read_whole(c->memory, arena_printf(c->memory, "%s/%s/in.dtir", directory, name), &bytes);
    char *passes = read_whole(c->memory, arena_printf(c->memory, "%s/%s/passes", directory, name), &passes_bytes);
    ck_assert_msg(text && passes, "%s needs the files in.dtir and passes", name);
    const char *shown = arena_printf(c->memory, "tests/passes/%s/in.dtir", name);
    c->m = ir_parse(c->memory, c->d, shown, text, bytes);
    ck_assert_msg(c->m, "%s", ir_diag_text(c->memory, c->d));
    bool optimise = true;
    for (char *word = strtok(passes, " \n"); word; word = strtok(NULL, " \n"))
        if (strcmp(word, "-O0") == 0)
            optimise = false;
        else
            ck_assert_msg(pass_run(c, word, optimise), "%s: %s", name, ir_diag_text(c->memory, c->d));
    return ir_text(c->memory, c->m, NULL);
}

/** The first line in which two texts differ. */
static const char *first_difference(arena *a, const char *is, const char *should) {
    size_t line = 1;
    while (*is && *should && strcspn(is, "\n") == strcspn(should, "\n") &&
           strncmp(is, should, strcspn(is, "\n")) == 0) {
        is += strcspn(is, "\n");
        should += strcspn(should, "\n");
        is += *is == '\n';
        should += *should == '\n';
        line++;
    }
    return arena_printf(a, "line %zu is\n%.*s\ninstead of\n%.*s", line, (int)strcspn(is, "\n"), is,
                        (int)strcspn(should, "\n"), should);
}

START_TEST(goldens_come_out) {
    arena *a = arena_new();
    char *names[CASES_MAX];
    size_t count = list_cases(a, names);
    const char *update = getenv("DTQ_UPDATE");
    ck_assert_uint_ge(count, 4);
    for (size_t i = 0; i < count; i++) {
        pass_case c = {.memory = arena_new()};
        c.d = diag_new(c.memory, NULL);
        const char *text = result_of(&c, names[i]);
        const char *path = arena_printf(a, "%s/%s/out.dtir", directory, names[i]);
        size_t bytes;
        const char *expected = read_whole(a, path, &bytes);
        if (update && strcmp(update, "1") == 0) {
            FILE *out = fopen(path, "wb");
            ck_assert_ptr_nonnull(out);
            fputs(text, out);
            ck_assert_int_eq(fclose(out), 0);
        } else {
            ck_assert_msg(expected, "%s has no out.dtir", names[i]);
            ck_assert_msg(strcmp(text, expected) == 0, "%s: %s", names[i], first_difference(a, text, expected));
        }
        pass_end(&c);
    }
    arena_free(a);
}
END_TEST

IR_MAIN("pass goldens", goldens_come_out)
