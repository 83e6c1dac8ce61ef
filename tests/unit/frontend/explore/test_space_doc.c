/* The tables in frontend/explore/SPACE.md are those of the .def files that the reader goes by. DTQ_UPDATE=1 rewrites
 * them. */
#include "frontend_util.h"

static const char path[] = DTQC_SOURCE_DIR "/frontend/explore/SPACE.md";

static void put_forms(FILE *out) {
    fputs("| form | values |\n| --- | --- |\n", out);
#define FORM(id, keys, written, doc) fprintf(out, "| %s | %s |\n", written, doc);
#include "frontend/explore/forms.def"
}

static void put_cost(FILE *out, const char *key, const char *word, const char *doc) {
    fprintf(out, "| `%s` |", key);
    if (word)
        fprintf(out, " `%s`", word);
    fprintf(out, " | %s |\n", doc);
}

static void put_costs(FILE *out) {
    fputs("| metric | short | what |\n| --- | --- | --- |\n", out);
#define COST(id, key, word, title, digits, high, doc) put_cost(out, key, word, doc);
#include "frontend/explore/costs.def"
}

static void put_values(FILE *out) {
    fputs("| value | what |\n| --- | --- |\n", out);
#define VALUE(id, key, title, digits, doc) fprintf(out, "| `%s` | %s |\n", key, doc);
#include "frontend/explore/values.def"
}

/* The text with the part between `<!-- mark -->` and `<!-- end -->` replaced by what `put_table` writes. */
static char *with_table(arena *a, const char *text, const char *mark, void (*put_table)(FILE *)) {
    const char *start = strstr(text, mark);
    ck_assert_msg(start, "SPACE.md lacks %s", mark);
    start += strlen(mark);
    const char *end = strstr(start, "<!-- end -->");
    ck_assert_ptr_nonnull(end);
    char *table = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&table, &bytes);
    ck_assert_ptr_nonnull(out);
    put_table(out);
    ck_assert_int_eq(fclose(out), 0);
    char *whole = arena_printf(a, "%.*s\n%s%s", (int)(start - text), text, table, end);
    free(table);
    return whole;
}

START_TEST(tables_are_those_of_the_def_files) {
    arena *a = arena_new();
    FILE *in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    char *text = arena_array(a, 1 << 20, 1);
    const size_t bytes = fread(text, 1, (1 << 20) - 1, in);
    fclose(in);
    ck_assert_uint_gt(bytes, 0);
    const char *whole = with_table(a, text, "<!-- forms -->", put_forms);
    whole = with_table(a, whole, "<!-- costs -->", put_costs);
    whole = with_table(a, whole, "<!-- values -->", put_values);
    if (getenv("DTQ_UPDATE")) {
        FILE *out = fopen(path, "wb");
        ck_assert_ptr_nonnull(out);
        fputs(whole, out);
        ck_assert_int_eq(fclose(out), 0);
    } else {
        ck_assert_msg(strcmp(text, whole) == 0,
                      "the tables of SPACE.md are not those of the .def files; DTQ_UPDATE=1 rewrites them");
    }
    arena_free(a);
}
END_TEST

TEST_MAIN("space_doc", tables_are_those_of_the_def_files)
