/* Completion of command lines in shells. */
#include "frontend/cli/completion.h"

#include <string.h>

#include "frontend/cli/shipped.h"

/* Which shipped files an option or an operand names, or NULL. */
static const char *shipped_kind(const char *option) {
    static const struct {
        const char *option, *kind;
    } rows[] = {{"target", "targets"}, {"policy", "policies"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(option, rows[i].option) == 0)
            return rows[i].kind;
    return NULL;
}

static bool takes_value(const option_info *o) {
    return o->kind != OPTION_FLAG && o->kind != OPTION_MAYBE_INT && o->kind != OPTION_MAYBE_WORD;
}

static bool has_words(const option_info *o) {
    return o->kind == OPTION_WORD || o->kind == OPTION_MAYBE_WORD;
}

/* The words of an option, or the shipped names that it takes, with blanks between; "" if it takes neither. */
static const char *choices(session *s, const option_info *o) {
    const char *kind = shipped_kind(o->name);
    size_t count = 0;
    const char **names = kind ? shipped_list(s, kind, &count) : NULL;
    char *text = arena_strdup(s->arena, has_words(o) ? o->words : "");
    for (char *c = text; *c; c++)
        *c = *c == '|' ? ' ' : *c;
    for (size_t i = 0; i < count; i++)
        text = arena_printf(s->arena, "%s%s%s", text, i ? " " : "", names[i]);
    return text;
}

static const char *shipped_models(session *s) {
    size_t count;
    const char **names = shipped_list(s, "models", &count);
    char *text = arena_strdup(s->arena, "");
    for (size_t i = 0; i < count; i++)
        text = arena_printf(s->arena, "%s%s%s", text, i ? " " : "", names[i]);
    return text;
}

/* Operands that may be words: models, sub-commands and what `target` does; files besides, if they may be. */
static const char *operand_words(session *s, command_id c, bool *files) {
    *files = strcmp(command_table[c].operands, "[COMMAND]") != 0;
    if (strncmp(command_table[c].operands, "MODEL", 5) == 0)
        return shipped_models(s);
    if (c == CMD_target)
        return "list show";
    char *text = arena_strdup(s->arena, "");
    for (int i = 0; !*files && i < CMD_COUNT; i++)
        text = arena_printf(s->arena, "%s%s%s", text, i ? " " : "", command_table[i].name);
    return text;
}

static void print_options(command_id c, FILE *out) {
    const char *before = "";
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands & (1u << c)) {
            fprintf(out, "%s--%s%s", before, option_table[i].name, takes_value(&option_table[i]) ? "=" : "");
            before = " ";
        }
}

static void print_commands(FILE *out) {
    for (int c = 0; c < CMD_COUNT; c++)
        fprintf(out, "%s%s", c ? " " : "", command_table[c].name);
}

/* ---- bash -------------------------------------------------------------------------------------------------------- */

static void print_bash(session *s, FILE *out) {
    fputs("# bash completion of dtqc; made by `dtqc help --completion=bash`\n"
          "_dtqc() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options words= files=true\n"
          "    if ((COMP_CWORD == 1)); then\n        mapfile -t COMPREPLY < <(compgen -W '",
          out);
    print_commands(out);
    fputs(" --help --version' -- \"$current\")\n        return\n    fi\n"
          "    # readline breaks --name=value at the sign\n"
          "    if [[ \"$current\" == = ]]; then\n        current=\n"
          "    elif [[ \"$before\" == = ]]; then\n        before=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n"
          "    case \"${COMP_WORDS[1]}\" in\n",
          out);
    for (int c = 0; c < CMD_COUNT; c++) {
        bool files;
        const char *words = operand_words(s, (command_id)c, &files);
        fprintf(out, "    %s) options='", command_table[c].name);
        print_options((command_id)c, out);
        fprintf(out, "' words='%s' files=%s ;;\n", words, files ? "true" : "false");
    }
    fputs("    *) return ;;\n    esac\n    case \"${COMP_WORDS[1]} $before\" in\n", out);
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_info *o = &option_table[i];
        const char *words = choices(s, o), *mark = "    ";
        if (!takes_value(o) && !*words)
            continue;
        for (int c = 0; c < CMD_COUNT; c++)
            if (o->commands & (1u << c)) {
                fprintf(out, "%s\"%s --%s\"", mark, command_table[c].name, o->name);
                if (o->letter)
                    fprintf(out, " | \"%s -%c\"", command_table[c].name, o->letter);
                mark = " | ";
            }
        if (strcmp(mark, " | ") == 0)
            fprintf(out, ") options='' words='%s' files=%s ;;\n", words, has_words(o) ? "false" : "true");
    }
    fputs(
        "    esac\n"
        "    if [[ \"$current\" == -* ]]; then\n"
        "        words=$options files=false\n"
        "        [[ \"$options\" == *=* ]] && compopt -o nospace\n"
        "    fi\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"; ! $files || compgen -f -- \"$current\")\n"
        "}\n"
        "complete -o filenames -F _dtqc dtqc\n",
        out);
}

/* ---- zsh --------------------------------------------------------------------------------------------------------- */

/* Text within single quotes of zsh's _arguments, where brackets and colons have a meaning. */
static void zsh_text(const char *text, FILE *out) {
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
}

static void zsh_action(const option_info *o, const char *words, FILE *out) {
    if (has_words(o))
        fprintf(out, ":%s:(%s)", "word", words);
    else if (*words)
        fprintf(out, ":name or file:{_alternative \"names:name:(%s)\" \"files:file:_files\"}", words);
    else
        fputs(":value:_files", out);
}

static void zsh_option(session *s, const option_info *o, FILE *out) {
    const char *words = choices(s, o);
    fprintf(out, " \\\n            '--%s%s[", o->name,
            takes_value(o)                          ? "="
            : *words || o->kind == OPTION_MAYBE_INT ? "=-"
                                                    : "");
    zsh_text(o->doc, out);
    fputc(']', out);
    if (takes_value(o))
        zsh_action(o, words, out);
    else if (*words || o->kind == OPTION_MAYBE_INT)
        fprintf(out, "::value:(%s)", words);
    fputc('\'', out);
    if (o->letter) {
        fprintf(out, " \\\n            '-%c%s[", o->letter, takes_value(o) ? "+" : "");
        zsh_text(o->doc, out);
        fputc(']', out);
        if (takes_value(o))
            zsh_action(o, words, out);
        fputc('\'', out);
    }
}

static void print_zsh(session *s, FILE *out) {
    fputs("#compdef dtqc\n# zsh completion of dtqc; made by `dtqc help --completion=zsh`\n"
          "_dtqc() {\n    local -a commands\n    commands=(\n",
          out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, "        '%s:", command_table[c].name);
        zsh_text(command_table[c].doc, out);
        fputs("'\n", out);
    }
    fputs("    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in\n",
          out);
    for (int c = 0; c < CMD_COUNT; c++) {
        bool files;
        const char *words = operand_words(s, (command_id)c, &files);
        fprintf(out, "        %s)\n            _arguments", command_table[c].name);
        for (int i = 0; i < OPT_COUNT; i++)
            if (option_table[i].commands & (1u << c))
                zsh_option(s, &option_table[i], out);
        if (*words && files)
            fprintf(out, " \\\n            '*:operand:{_alternative \"names:name:(%s)\" \"files:file:_files\"}'",
                    words);
        else if (*words)
            fprintf(out, " \\\n            '*:operand:(%s)'", words);
        else if (*command_table[c].operands)
            fputs(" \\\n            '*:operand:_files'", out);
        fputs(" ;;\n", out);
    }
    fputs("    esac\n}\n_dtqc \"$@\"\n", out);
}

/* ---- fish -------------------------------------------------------------------------------------------------------- */

static void fish_text(const char *text, FILE *out) {
    fputc('\'', out);
    for (; *text; text++)
        fprintf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('\'', out);
}

static void print_fish(session *s, FILE *out) {
    fputs("# fish completion of dtqc; made by `dtqc help --completion=fish`\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, "complete -c dtqc -n __fish_use_subcommand -f -a %s -d ", command_table[c].name);
        fish_text(command_table[c].doc, out);
        fputc('\n', out);
        bool files;
        const char *words = operand_words(s, (command_id)c, &files);
        if (*words)
            fprintf(out, "complete -c dtqc -n '__fish_seen_subcommand_from %s'%s -a '%s'\n", command_table[c].name,
                    files ? "" : " -f", words);
    }
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_info *o = &option_table[i];
        const char *words = choices(s, o), *mark = "";
        if (!(o->commands & ((1u << CMD_COUNT) - 1)))
            continue;
        fputs("complete -c dtqc -n '__fish_seen_subcommand_from", out);
        for (int c = 0; c < CMD_COUNT; c++)
            if (o->commands & (1u << c))
                fprintf(out, " %s", command_table[c].name);
        fprintf(out, "' -l %s", o->name);
        if (o->letter)
            fprintf(out, " -s %c", o->letter);
        if (takes_value(o))
            mark = has_words(o) ? " -x" : " -r";
        fputs(mark, out);
        if (*words)
            fprintf(out, " -a '%s'", words);
        fputs(" -d ", out);
        fish_text(o->doc, out);
        fputc('\n', out);
    }
}

void completion_print(session *s, int shell, FILE *out) {
    static void (*const print[])(session *, FILE *) = {
        [COMPLETION_BASH] = print_bash, [COMPLETION_ZSH] = print_zsh, [COMPLETION_FISH] = print_fish};
    print[shell](s, out);
}
