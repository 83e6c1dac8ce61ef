/* dtqc opt: passes over IR as text. */
#include <string.h>

#include "frontend/cli/pipeline.h"

static void list_passes(FILE *out) {
    static const char level_letters[] = "GTHS";
    fprintf(out, "%-18s %-6s %-28s %s\n", "pass", "levels", "requires", "what it does");
    for (size_t i = 0; i < pass_count; i++) {
        const pass_info *p = &pass_table[i];
        char levels[IR_LEVELS + 1] = "";
        for (int l = 0, n = 0; l < IR_LEVELS; l++)
            if (p->levels & (1u << l))
                levels[n++] = level_letters[l];
        fprintf(out, "%-18s %-6s %-28s %s%s\n", p->name, levels, *p->requires ? p->requires : "-", p->doc,
                p->analysis ? " (analysis)" : "");
    }
    fputs("levels: G graph, T tile, H schedule, S stream; an analysis only adds attributes and may run again\n", out);
}

/* "a,b,c" to names. An empty one is a mistake of the command line; an unknown one too. */
static const char **split(session *s, const char *text, size_t *count) {
    const char **names = ARENA_ARRAY(s->arena, const char *, strlen(text) + 1);
    *count = 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        const char *name = arena_strndup(s->arena, at, n);
        if (!pass_find(name)) {
            const char **known = ARENA_ARRAY(s->arena, const char *, pass_count);
            for (size_t i = 0; i < pass_count; i++)
                known[i] = pass_table[i].name;
            const char *near = diag_nearest(name, known, pass_count);
            usage_error(s, "--passes: there is no pass '%s'%s%s%s", name,
                        near ? "; did you mean '" : "; `dtqc opt --list` lists them", near ? near : "",
                        near ? "'?" : "");
            return NULL;
        }
        names[(*count)++] = name;
        at += n;
        if (!*at)
            return names;
    }
}

static void print_remarks(const session *s) {
    for (size_t i = 0; i < diag_total(s->diag); i++)
        if (diag_at(s->diag, i)->severity == DIAG_REMARK)
            diag_print(s->diag, diag_at(s->diag, i), s->words);
}

static bool list_only(session *s) {
    static const option_id others[] = {OPT_passes,      OPT_output,  OPT_print_after, OPT_time_passes,
                                       OPT_verify_each, OPT_remarks, OPT_optimise};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (given(s, others[i]))
            return usage_error(s, "--list is used alone; --%s changes nothing", option_table[others[i]].name);
    if (s->options->operand_count)
        return usage_error(s, "--list is used alone; '%s' is not read", s->options->operands[0]);
    list_passes(stdout);
    return true;
}

bool command_opt(session *s) {
    if (given(s, OPT_list))
        return list_only(s);
    if (!s->options->operand_count)
        return usage_error(s, "FILE.dtir is missing");
    if (!given(s, OPT_passes))
        return usage_error(s, "--passes is missing: name the passes to run; `dtqc opt --list` lists them");
    const char *path = given(s, OPT_output) ? value(s, OPT_output)->text : "-";
    s->words = is_stdout(path) ? stderr : stdout;
    size_t count;
    const char **names = split(s, value(s, OPT_passes)->text, &count);
    pass_options o;
    if (!names || !pass_options_read(s, &o))
        return false;
    ir_module *m = ir_load(s, s->options->operands[0]);
    if (!m || !resumed_options(s, m, &o) || !passes_run(s->arena, s->diag, &m, names, count, &o))
        return false;
    output out;
    if (!output_begin(s, &out, path))
        return false;
    ir_print(m, out.out);
    if (!output_end(s, &out, true))
        return false;
    if (given(s, OPT_remarks))
        print_remarks(s);
    return true;
}
