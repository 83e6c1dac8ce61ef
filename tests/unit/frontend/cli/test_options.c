/* The command line: everything that the table promises, and every way to get it wrong. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* The driver is no library: its parser is compiled in. */
#include "frontend/cli/help.c"
#include "frontend/cli/options.c"

enum { ARGUMENTS = 16 };

static arena *memory;
static options parsed;
static const char *error;

static void set_up(void) {
    memory = arena_new();
}

static void tear_down(void) {
    arena_free(memory);
}

/* Cuts a line at blanks; "..." holds together. */
static int split(const char *line, char *argv[ARGUMENTS]) {
    int argc = 0;
    for (const char *at = line; *at && argc < ARGUMENTS;) {
        bool quoted = *at == '"';
        at += quoted;
        size_t n = strcspn(at, quoted ? "\"" : " ");
        argv[argc++] = arena_strndup(memory, at, n);
        at += n;
        at += quoted && *at;
        at += strspn(at, " ");
    }
    return argc;
}

/* Parses a line that begins with the sub-command. */
static bool parse(const char *line) {
    char *argv[ARGUMENTS];
    int argc = split(line, argv);
    const char *nearest;
    command_id command = command_find(argv[0], &nearest);
    ck_assert_msg(command != CMD_COUNT, "no sub-command in '%s'", line);
    error = NULL;
    return options_parse(memory, command, argc - 1, argv + 1, &parsed, &error);
}

static void accept(const char *line) {
    ck_assert_msg(parse(line), "'%s': %s", line, error ? error : "?");
}

static void refuse(const char *line, const char *says) {
    ck_assert_msg(!parse(line), "'%s' is accepted", line);
    ck_assert_msg(strstr(error, says), "'%s': %s", line, error);
    ck_assert_msg(!strchr(error, '\n'), "'%s': more than a line", line);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

START_TEST(example_parses) {
    const option_info *o = &option_table[_i];
    accept(o->example);
    ck_assert_msg(o->commands & (1u << parsed.command), "--%s: the example is of another sub-command", o->name);
    ck_assert_msg(parsed.values[_i].given, "--%s: the example is not of this option", o->name);
}
END_TEST

START_TEST(command_example_parses) {
    accept(command_table[_i].example);
    ck_assert_int_eq(parsed.command, _i);
}
END_TEST

START_TEST(table_is_consistent) {
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_info *o = &option_table[i];
        ck_assert(o->commands != 0 && *o->name && *o->doc);
        if (o->kind == OPTION_MAYBE_WORD || (o->kind == OPTION_WORD && *o->missing))
            ck_assert_msg(word_index(o->words, o->missing) >= 0, "--%s: default '%s'", o->name, o->missing);
        for (int k = 0; k < i; k++) {
            const option_info *p = &option_table[k];
            if (!(o->commands & p->commands))
                continue;
            ck_assert_msg(strcmp(o->name, p->name) != 0, "--%s twice for one sub-command", o->name);
            ck_assert_msg(!o->letter || o->letter != p->letter, "-%c twice for one sub-command", o->letter);
        }
    }
}
END_TEST

START_TEST(words_are_accepted_and_named) {
    const option_info *o = &option_table[_i];
    if (o->kind != OPTION_WORD && o->kind != OPTION_MAYBE_WORD)
        return;
    int command = 0;
    while (!(o->commands & (1u << command)))
        command++;
    const char *operand = command_table[command].least ? "x" : "";
    int index = 0;
    for (const char *at = o->words; *at; index++) {
        size_t n = strcspn(at, "|");
        accept(arena_printf(memory, "%s %s --%s=%.*s", command_table[command].name, operand, o->name, (int)n, at));
        ck_assert_int_eq(parsed.values[_i].word, index);
        const char *wrong = arena_printf(memory, "%s %s --%s=no", command_table[command].name, operand, o->name);
        refuse(wrong, arena_strndup(memory, at, n));
        at += n + (at[n] == '|');
    }
}
END_TEST

static char *printed(void (*print)(FILE *out)) {
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    print(out);
    fclose(out);
    char *copy = arena_strndup(memory, text, bytes);
    free(text);
    return copy;
}

static void print_all_help(FILE *out) {
    for (int c = 0; c < CMD_ALL; c++)
        if (c != CMD_COUNT)
            help_print((command_id)c, c == CMD_exe ? "./encoder" : "dtqc x", out);
}

static void print_man(FILE *out) {
    man_page_print("1.2.3", out);
}

START_TEST(help_and_man_page_tell_all) {
    const char *help = printed(print_all_help), *man = printed(print_man);
    for (int i = 0; i < OPT_COUNT; i++) {
        ck_assert(strstr(help, option_spelling(memory, (option_id)i)));
        if (i == OPT_help)
            continue;
        char roffed[64] = "\\-\\-";
        size_t length = strlen(roffed);
        for (const char *at = option_table[i].name; *at && length + 3 < sizeof roffed; at++) {
            if (*at == '-')
                roffed[length++] = '\\';
            roffed[length++] = *at;
        }
        roffed[length] = '\0';
        ck_assert_msg(strstr(man, roffed), "--%s", option_table[i].name);
    }
    for (int c = 0; c < CMD_COUNT; c++)
        ck_assert(strstr(man, arena_printf(memory, ".SS dtqc %s\n", command_table[c].name)));
    ck_assert(strstr(man, "dtqc 1.2.3"));
    for (const char *line = help; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        ck_assert_uint_le(strcspn(line, "\n"), WIDTH);
}
END_TEST

/* ---- values ------------------------------------------------------------------------------------------------------ */

START_TEST(forms_of_a_value) {
    static const char *const lines[] = {"compile m --target a", "compile m --target=a", "compile m -t a",
                                        "compile m -ta", "compile --target a -- m"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        accept(lines[i]);
        ck_assert_str_eq(parsed.values[OPT_target].text, "a");
        ck_assert_uint_eq(parsed.operand_count, 1);
        ck_assert_str_eq(parsed.operands[0], "m");
    }
    accept("compile m");
    ck_assert(!parsed.values[OPT_target].given);
    ck_assert_int_eq(parsed.values[OPT_optimise].word, 1);
    accept("compile m -O0");
    ck_assert_int_eq(parsed.values[OPT_optimise].word, 0);
    accept("asm - -o -");
    ck_assert_str_eq(parsed.operands[0], "-");
    ck_assert_str_eq(parsed.values[OPT_output].text, "-");
    accept("compile -- --odd");
    ck_assert_str_eq(parsed.operands[0], "--odd");
    accept("compile m --target=a=b");
    ck_assert_str_eq(parsed.values[OPT_target].text, "a=b");
}
END_TEST

START_TEST(optional_values) {
    accept("compile m --dump-ir");
    ck_assert_int_eq(parsed.values[OPT_dump_ir].word, 2);
    accept("compile --dump-ir m"); /* what follows is no value */
    ck_assert_str_eq(parsed.operands[0], "m");
    accept("compile m --dump-ir=stream");
    ck_assert_int_eq(parsed.values[OPT_dump_ir].word, 3);
    accept("run m --shuffle");
    ck_assert(parsed.values[OPT_shuffle].given && !parsed.values[OPT_shuffle].has_value);
    accept("run m --shuffle=9223372036854775807");
    ck_assert(parsed.values[OPT_shuffle].has_value);
    ck_assert_int_eq(parsed.values[OPT_shuffle].number, INT64_MAX);
    refuse("run m --shuffle=9223372036854775808", "a whole number from 0 to");
    refuse("run m --shuffle=-1", "a whole number");
    refuse("run m --threads=1025", "from 0 to 1024");
    refuse("run m --threads=4x", "--threads=4x");
    refuse("run m --threads", "--threads needs a value");
}
END_TEST

static const struct {
    const char *text, *lengths; /* NULL: refused */
} length_cases[] = {
    {"128", "128 "},
    {"16..18", "16 17 18 "},
    {"32,16,64", "16 32 64 "},
    {"5..6,6..7", "5 6 7 "},
    {"1", "1 "},
    {"65536", "65536 "},
    {"7..7", "7 "},
    {"0", NULL},
    {"65537", NULL},
    {"", NULL},
    {"3..", NULL},
    {"..3", NULL},
    {"9..3", NULL},
    {"1,", NULL},
    {",1", NULL},
    {"1,,2", NULL},
    {"-4", NULL},
    {"+4", NULL},
    {"4 ", NULL},
    {"0x10", NULL},
    {"1...3", NULL},
    {"many", NULL},
    {"99999999999999999999", NULL},
    {"1..65536,1..65536", NULL},
};

START_TEST(lengths) {
    char *argv[] = {arena_printf(memory, "--seq=%s", length_cases[_i].text), arena_strdup(memory, "m")};
    bool ok = options_parse(memory, CMD_compile, 2, argv, &parsed, &error);
    if (!length_cases[_i].lengths) {
        ck_assert_msg(!ok, "'%s' is accepted", length_cases[_i].text);
        ck_assert_msg(strstr(error, "(16..128)") && strstr(error, "from 1 to 65536"), "%s", error);
        return;
    }
    ck_assert_msg(ok, "%s", error);
    char *text = arena_strdup(memory, "");
    for (size_t i = 0; i < parsed.values[OPT_seq].count; i++)
        text = arena_printf(memory, "%s%u ", text, parsed.values[OPT_seq].lengths[i]);
    ck_assert_str_eq(text, length_cases[_i].lengths);
}
END_TEST

START_TEST(lists_keep_their_places) {
    accept("run m --text a --pair b --text c --text \"\"");
    const option_value *texts = &parsed.values[OPT_text], *pairs = &parsed.values[OPT_pair];
    ck_assert_uint_eq(texts->count, 3);
    ck_assert_str_eq(texts->texts[1], "c");
    ck_assert_str_eq(texts->texts[2], "");
    ck_assert_uint_eq(pairs->count, 1);
    ck_assert_int_gt(pairs->positions[0], texts->positions[0]);
    ck_assert_int_lt(pairs->positions[0], texts->positions[1]);
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *line, *says;
} mistakes[] = {
    {"compile m --polcy=x", "there is no option '--polcy'; did you mean '--policy'?"},
    {"compile m --zzzzzzzz", "there is no option '--zzzzzzzz'"},
    {"compile m --engine=sim", "'compile' has no option --engine; it belongs to `dtqc run`"},
    {"compile m -x", "there is no option '-x'"},
    {"compile m --target", "--target needs a value: NAME|FILE"},
    {"compile m --target=", "--target needs a value"},
    {"compile m --emit", "--emit needs a value: stream, asm, ir, llvm, host-asm, obj, exe or c"},
    {"compile m --remarks=yes", "--remarks takes no value, but has 'yes'"},
    {"compile m --seq 4 --seq 5", "--seq is given twice"},
    {"compile m --no-cluster --no-cluster", "--no-cluster is given twice"},
    {"compile", "MODEL is missing"},
    {"compile a b", "one argument too many: 'b'"},
    {"target", "list | show NAME|FILE is missing"},
    {"asm", "FILE.dtasm is missing"},
    {"compile m --report=xml", "--report=xml: text, json, csv or html is wanted"},
};

START_TEST(mistake) {
    refuse(mistakes[_i].line, mistakes[_i].says);
}
END_TEST

/* An executable that was compiled knows the options of `run` that need no compiler, and says nothing of dtqc's. */
START_TEST(executables_have_their_own_options) {
    char *good[] = {arena_strdup(memory, "--text=a"), arena_strdup(memory, "--threads=2"), arena_strdup(memory, "-o"),
                    arena_strdup(memory, "x"), arena_strdup(memory, "--repeat=3")};
    ck_assert(options_parse(memory, CMD_exe, 5, good, &parsed, &error));
    ck_assert_str_eq(parsed.values[OPT_tensors].text, "x");
    char *bad[] = {arena_strdup(memory, "--engine=ref")};
    ck_assert(!options_parse(memory, CMD_exe, 1, bad, &parsed, &error));
    ck_assert_str_eq(error, "there is no option '--engine'");
    char *operand[] = {arena_strdup(memory, "minilm")};
    ck_assert(!options_parse(memory, CMD_exe, 1, operand, &parsed, &error));
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands & (1u << CMD_exe))
            ck_assert_msg(option_table[i].commands & (1u << CMD_run), "--%s", option_table[i].name);
}
END_TEST

/* A default that is a number holds; one in words is the command's affair. */
START_TEST(numbers_have_their_defaults) {
    char *generate[] = {"model"};
    arena *a = arena_new();
    options o;
    ck_assert(options_parse(a, CMD_generate, 1, generate, &o, &error));
    ck_assert(!o.values[OPT_tokens].given);
    ck_assert_int_eq(o.values[OPT_tokens].number, 64);
    ck_assert_int_eq(o.values[OPT_window].number, 0);
    arena_free(a);
}
END_TEST

START_TEST(help_needs_no_operand) {
    for (int c = 0; c < CMD_COUNT; c++) {
        accept(arena_printf(memory, "%s --help", command_table[c].name));
        ck_assert(parsed.values[OPT_help].given);
        accept(arena_printf(memory, "%s -h", command_table[c].name));
    }
}
END_TEST

START_TEST(sub_commands_by_name) {
    const char *nearest = NULL;
    ck_assert_int_eq(command_find("disasm", &nearest), CMD_disasm);
    ck_assert_int_eq(command_find("compil", &nearest), CMD_COUNT);
    ck_assert_str_eq(nearest, "compile");
    ck_assert_int_eq(command_find("qqqqqqqq", &nearest), CMD_COUNT);
    ck_assert_ptr_null(nearest);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void) {
    Suite *s = suite_create("options");
    TCase *c = tcase_create("options");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, example_parses, 0, OPT_COUNT);
    tcase_add_loop_test(c, command_example_parses, 0, CMD_COUNT);
    tcase_add_test(c, table_is_consistent);
    tcase_add_loop_test(c, words_are_accepted_and_named, 0, OPT_COUNT);
    tcase_add_test(c, help_and_man_page_tell_all);
    tcase_add_test(c, forms_of_a_value);
    tcase_add_test(c, optional_values);
    tcase_add_loop_test(c, lengths, 0, COUNT(length_cases));
    tcase_add_test(c, lists_keep_their_places);
    tcase_add_loop_test(c, mistake, 0, COUNT(mistakes));
    tcase_add_test(c, executables_have_their_own_options);
    tcase_add_test(c, numbers_have_their_defaults);
    tcase_add_test(c, help_needs_no_operand);
    tcase_add_test(c, sub_commands_by_name);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
