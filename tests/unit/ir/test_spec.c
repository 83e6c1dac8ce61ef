/* The tables in ir/IR.md are those of the .def files. DTQ_UPDATE=1 rewrites them. */
#include "ir_util.h"

static const char path[] = DTQC_SOURCE_DIR "/ir/IR.md";

/* Text as it may stand in a cell of a table. */
static void put_cell(FILE *out, const char *text) {
    fputs("| ", out);
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc(' ', out);
}

static void put_levels(FILE *out, unsigned levels) {
    const char *separator = "| ";
    for (unsigned l = 0; l < IR_LEVELS; l++)
        if (levels >> l & 1) {
            fprintf(out, "%s%s", separator, ir_level_name((ir_level)l));
            separator = ", ";
        }
    fputc(' ', out);
}

static void put_ops(FILE *out) {
    fputs("| op | levels | operands | result | required | optional | meaning |\n"
          "| --- | --- | --- | --- | --- | --- | --- |\n",
          out);
    for (ir_opcode code = 0; code < IR_OPCODES; code++) {
        const ir_op_info *info = ir_info(code);
        fprintf(out, "| `%s` ", info->spelling);
        put_levels(out, info->levels);
        if (info->operands < 0)
            fprintf(out, "| least %d ", -1 - info->operands);
        else
            fprintf(out, "| %d ", info->operands);
        put_cell(out, info->results ? "yes" : "");
        put_cell(out, info->required);
        put_cell(out, info->optional);
        put_cell(out, info->doc);
        fputs("|\n", out);
    }
}

static void put_attributes(FILE *out) {
    static const char *const kinds[] = {"INT", "REAL", "STR", "WORD", "INTS", "RANGE", "RUNS", "QUEUE"};
    fputs("| key | kind | derived by | meaning |\n| --- | --- | --- | --- |\n", out);
    for (unsigned key = 0; key < ir_key_count(); key++) {
        const ir_key_info *info = ir_key_get(key);
        fprintf(out, "| `%s` | %s ", info->name, kinds[info->kind]);
        put_cell(out, info->derived_by);
        put_cell(out, info->doc);
        fputs("|\n", out);
    }
}

/* The file's text with the part between `<!-- mark -->` and `<!-- end -->` replaced by what `put` writes. */
static char *with_table(arena *a, const char *text, const char *mark, void (*put)(FILE *)) {
    const char *start = strstr(text, mark);
    ck_assert_msg(start, "IR.md lacks %s", mark);
    start += strlen(mark);
    const char *end = strstr(start, "<!-- end -->");
    ck_assert_ptr_nonnull(end);
    char *table = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&table, &bytes);
    ck_assert_ptr_nonnull(out);
    put(out);
    ck_assert_int_eq(fclose(out), 0);
    char *whole = arena_printf(a, "%.*s\n%s%s", (int)(start - text), text, table, end);
    free(table);
    return whole;
}

START_TEST(tables_are_those_of_the_def_files) {
    arena *a = arena_new();
    FILE *in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    char *text = arena_alloc(a, 1 << 20);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, in), (1 << 20) - 1);
    fclose(in);
    const char *fresh =
        with_table(a, with_table(a, text, "<!-- ops -->", put_ops), "<!-- attributes -->", put_attributes);
    const char *update = getenv("DTQ_UPDATE");
    if (update && strcmp(update, "1") == 0) {
        FILE *out = fopen(path, "wb");
        ck_assert_ptr_nonnull(out);
        fputs(fresh, out);
        ck_assert_int_eq(fclose(out), 0);
    } else {
        ck_assert_msg(strcmp(text, fresh) == 0,
                      "the tables of ir/IR.md are out of date; run this test with DTQ_UPDATE=1");
    }
    arena_free(a);
}
END_TEST

/* Every key of the table is described, and every op's meaning is said in words somewhere before the table. */
START_TEST(every_op_is_explained) {
    arena *a = arena_new();
    FILE *in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    char *text = arena_alloc(a, 1 << 20);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, in), 0);
    fclose(in);
    char *table = strstr(text, "<!-- ops -->");
    ck_assert_ptr_nonnull(table);
    *table = '\0';
    for (ir_opcode code = 0; code < IR_FIRST_INSTR; code++) {
        const char *spelling = ir_info(code)->spelling;
        ck_assert_msg(strstr(text, arena_printf(a, "`%s`", spelling)) ||
                          strstr(text, arena_printf(a, "`%s ", spelling)),
                      "IR.md does not explain `%s`", spelling);
    }
    arena_free(a);
}
END_TEST

START_TEST(the_example_is_valid) {
    arena *a = arena_new();
    FILE *in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    char *text = arena_alloc(a, 1 << 20);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, in), 0);
    fclose(in);
    char *start = strstr(text, "\ndtir 1 "), *end = start ? strstr(start, "```") : NULL;
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    ck_assert_str_eq(ir_messages(a, start + 1), "");
    arena_free(a);
}
END_TEST

IR_MAIN("spec", tables_are_those_of_the_def_files, every_op_is_explained, the_example_is_valid)
