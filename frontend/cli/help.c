/* Help and the man page, from the table in options.def. */
#include <string.h>

#include "frontend/cli/options.h"

enum { WIDTH = 100 };

static const char about[] = "a scheduling compiler for mixed-precision attention on variable-speed systolic arrays";
static const char exit_codes[] =
    "0: done. 1: something in the input is wrong. 2: the command line is wrong. 3: a fault of dtqc itself.";

/* Words of `text`, broken at WIDTH and indented; the first line begins at column `column`. */
static void paragraph(FILE *out, size_t indent, size_t column, const char *text) {
    bool begun = false;
    for (; column < indent; column++)
        fputc(' ', out);
    while (*text) {
        size_t n = strcspn(text, " ");
        if (begun && column + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            begun = false;
        }
        fprintf(out, "%s%.*s", begun ? " " : "", (int)n, text);
        column += n + begun;
        begun = true;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

/* "=N", "[=SEED]", " FILE": how the value is written behind the option's name. */
static void value_spelling(const option_info *info, char *text, size_t room) {
    int name = (int)strcspn(info->words, ":");
    switch (info->kind) {
    case OPTION_FLAG:
        *text = '\0';
        break;
    case OPTION_MAYBE_WORD:
    case OPTION_MAYBE_INT:
        snprintf(text, room, "[=%.*s]", name, info->words);
        break;
    case OPTION_LENGTHS:
        snprintf(text, room, "=N|A..B|A,B,C");
        break;
    case OPTION_TEXT:
    case OPTION_LIST:
    case OPTION_INT:
    case OPTION_WORD:
        snprintf(text, room, "=%.*s", name, info->words);
        break;
    }
}

const char *option_spelling(arena *a, option_id id) {
    char value[128];
    value_spelling(&option_table[id], value, sizeof value);
    return arena_printf(a, "--%s%s", option_table[id].name, value);
}

static void print_option(const option_info *info, FILE *out) {
    char value[128];
    value_spelling(info, value, sizeof value);
    if (info->letter)
        fprintf(out, "  -%c, --%s%s\n", info->letter, info->name, value);
    else
        fprintf(out, "      --%s%s\n", info->name, value);
    paragraph(out, 10, 0, info->doc);
    if (*info->missing && info->kind != OPTION_MAYBE_WORD) {
        fputs("          default: ", out);
        paragraph(out, 10, 19, info->missing);
    }
}

static void print_general(FILE *out) {
    fprintf(out, "dtqc: %s\n\nusage: dtqc COMMAND [OPTION]... [OPERAND]...\n\n", about);
    for (int c = 0; c < CMD_COUNT; c++)
        fprintf(out, "  %-9s  %s\n", command_table[c].name, command_table[c].doc);
    fputs("\n`dtqc COMMAND --help` explains one of them; `dtqc --version` prints the version.\n\nexit codes\n  ", out);
    paragraph(out, 2, 2, exit_codes);
    fputs("\nexamples\n"
          "  dtqc analyze bert-base --policy bert-average --seq 128\n"
          "  dtqc compile bert-base --policy bert-average --seq 128 -o bert.dtq\n"
          "  dtqc run MODEL_DIRECTORY --text \"A man is eating.\" --text \"Someone has lunch.\"\n",
          out);
}

void help_print(command_id command, const char *program, FILE *out) {
    if (command == CMD_COUNT) {
        print_general(out);
        return;
    }
    const command_info *c = &command_table[command];
    fprintf(out, "%s: %s\n\nusage: %s [OPTION]...%s%s\n", program, c->doc, program, *c->operands ? " " : "",
            c->operands);
    if (*c->details) {
        fputc('\n', out);
        paragraph(out, 0, 0, c->details);
    }
    fputs("\noptions\n", out);
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands & (1u << command))
            print_option(&option_table[i], out);
    if (!*c->example)
        return;
    fprintf(out, "\nexamples\n  dtqc %s\n", c->example);
    size_t length = strlen(c->name);
    for (int i = 0; i < OPT_COUNT; i++) {
        const char *example = option_table[i].example;
        if (i != OPT_help && strncmp(example, c->name, length) == 0 && example[length] == ' ' &&
            strcmp(example, c->example) != 0)
            fprintf(out, "  dtqc %s\n", example);
    }
}

/* ---- man page ---------------------------------------------------------------------------------------------------- */

/* Text for roff: hyphens that are hyphens, no line that begins with a control character. */
static void roff(const char *text, FILE *out) {
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++)
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '`')
            fputs("\\`", out);
        else
            fputc(*text, out);
}

static void roff_line(const char *macro, const char *text, FILE *out) {
    fputs(macro, out);
    roff(text, out);
    fputc('\n', out);
}

static void man_option(const option_info *info, FILE *out) {
    char value[128];
    value_spelling(info, value, sizeof value);
    fputs(".TP\n\\fB", out);
    if (info->letter)
        fprintf(out, "\\-%c\\fR, \\fB", info->letter);
    fputs("\\-\\-", out);
    roff(info->name, out);
    fputs("\\fR", out);
    roff(value, out);
    fputc('\n', out);
    roff_line("", info->doc, out);
    if (*info->missing && info->kind != OPTION_MAYBE_WORD)
        roff_line("Default: ", info->missing, out);
    roff_line(".br\nExample: dtqc ", info->example, out);
}

void man_page_print(const char *version, FILE *out) {
    fprintf(out, ".TH DTQC 1 \"\" \"dtqc %s\" \"User Commands\"\n.SH NAME\ndtqc \\- %s\n", version, about);
    fputs(".SH SYNOPSIS\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, ".B dtqc %s\n[\\fIOPTION\\fR]... ", command_table[c].name);
        roff(command_table[c].operands, out);
        fputs(c + 1 < CMD_COUNT ? "\n.br\n" : "\n", out);
    }
    fputs(".SH COMMANDS\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, ".SS dtqc %s\n", command_table[c].name);
        char doc[256];
        snprintf(doc, sizeof doc, "%s.", command_table[c].doc);
        if (doc[0] >= 'a' && doc[0] <= 'z')
            doc[0] = (char)(doc[0] - 'a' + 'A');
        roff_line("", doc, out);
        if (*command_table[c].details)
            roff_line("", command_table[c].details, out);
        roff_line(".br\nExample: dtqc ", command_table[c].example, out);
        for (int i = 0; i < OPT_COUNT; i++)
            if ((option_table[i].commands & (1u << c)) && i != OPT_help)
                man_option(&option_table[i], out);
    }
    roff_line(".SH EXIT STATUS\n", exit_codes, out);
}
