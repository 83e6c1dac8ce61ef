/* dtqc compile: a model to a program, its text or its IR; emit_host.c has the forms of host code. */
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/compare.h"
#include "frontend/cli/each_length.h"
#include "frontend/cli/host/emit_host.h"

/* Where the output goes: a file, "-", or NULL for nowhere (a program without --output). */
static const char *output_path(const session *s) {
    if (given(s, OPT_output))
        return value(s, OPT_output)->text;
    return emit_is_text((emit_form)value(s, OPT_emit)->word) ? "-" : NULL;
}

static bool write_form(session *s, dtq_program *p, const char *path) {
    output o;
    dtq_error e;
    if (!program_relocate(s, p, is_stdout(path) ? "." : directory_of(s->arena, path)))
        return false;
    if ((emit_form)value(s, OPT_emit)->word == EMIT_STREAM)
        return write_program(s, p, path, true);
    if (!output_begin(s, &o, path))
        return false;
    const bool ok = dtq_disassemble(p, o.out, &e) || runtime_error(s, &e, true);
    return output_end(s, &o, ok);
}

static bool write_ir(session *s, ir_module *m, const char *path) {
    output o;
    if (!identify_weights(s, m) || !output_begin(s, &o, path))
        return false;
    ir_print(m, o.out);
    return output_end(s, &o, true);
}

static bool check_options(session *s) {
    static const option_id of_host_code[] = {OPT_host_cpu, OPT_name, OPT_attention};
    for (size_t i = 0; i < sizeof of_host_code / sizeof *of_host_code; i++)
        if (given(s, of_host_code[i]))
            return usage_error(s, "--%s is for host code (--emit=llvm, host-asm, obj, exe%s)",
                               option_table[of_host_code[i]].name, of_host_code[i] != OPT_host_cpu ? ", c" : "");
    size_t lengths = given(s, OPT_seq) ? value(s, OPT_seq)->count : 1;
    if (lengths > 1 && value(s, OPT_emit)->word == EMIT_IR)
        return usage_error(s, "--emit=ir writes one length; --seq names %zu", lengths);
    if (lengths > 1 && given(s, OPT_trace))
        return usage_error(s, "--trace shows one length; --seq names %zu", lengths);
    const char *path = output_path(s);
    if (path && is_stdout(path) && given(s, OPT_trace) && is_stdout(value(s, OPT_trace)->text))
        return usage_error(s, "--output and --trace cannot both be standard output");
    return check_report(s, (report_format)value(s, OPT_report)->word, lengths);
}

static bool trace(session *s, const compiled *c) {
    dtq_program *p = make_program(s, c, 1);
    dtq_stats stats;
    if (!p || !simulate_timing(s, p, &p->streams[0], true, &stats))
        return false;
    bool ok = write_trace(s, value(s, OPT_trace)->text, p, &p->streams[0], stats.events);
    dtq_stats_free(&stats);
    return ok;
}

/* A program of host work and the layer table; the summary is the system's row of a comparison. */
static bool compile_for_system(session *s, const source *src, const char *path, FILE *out) {
    static const option_id of_arrays[] = {OPT_trace};
    compiled *all;
    size_t count;
    dtq_error e;
    if (!system_lacks(s, src, of_arrays, sizeof of_arrays / sizeof *of_arrays) || !check_system_report(s))
        return false;
    if (!src->resumed && !dtq_system_computes(src->target.system, &src->target.params, &e))
        return diag_error(s->diag, (src_loc){src->target.name, 0, 0}, "%s", e.message);
    if (!compile_lengths(s, src, &all, &count))
        return false;
    if (path && (emit_form)value(s, OPT_emit)->word == EMIT_IR) {
        if (!write_ir(s, all[0].module, path))
            return false;
    } else if (path) {
        dtq_program *p = make_program(s, all, count);
        if (!p || !write_form(s, p, path))
            return false;
    }
    return print_system(s, src, all, count, out);
}

/** What is made of the lengths of --seq. */
typedef struct {
    session *session;
    const char *path; /* where the output goes, or NULL */
    report **reports;
    compiled *all;          /* for those who look at modules; NULL: nobody does, behind the program */
    program_maker *program; /* begun with the first length */
} length_outputs;

static bool report_length(void *context, session *own, const compiled *c, size_t i, void **result) {
    (void)context;
    (void)i;
    *result = make_report(own, c, NULL);
    return *result != NULL;
}

static bool keep_length(void *context, session *own, const compiled *c, size_t i, void *result) {
    length_outputs *l = context;
    session *s = l->session;
    l->reports[i] = own == s ? result : report_copy(s->arena, result);
    if (l->all)
        l->all[i] = *c;
    if (!l->path)
        return true;
    if ((emit_form)value(s, OPT_emit)->word == EMIT_IR)
        return write_ir(s, c->module, l->path);
    if (i == 0 && (!identify_weights(s, c->module) || !(l->program = program_begin(s->arena, s->diag, c->module))))
        return false;
    const bool kept = l->all || (emit_form)value(s, OPT_emit)->word != EMIT_STREAM;
    return kept ? program_add(l->program, c->module) : program_add_last(l->program, c->module);
}

bool command_compile(session *s) {
    const char *path = output_path(s);
    emit_form form = (emit_form)value(s, OPT_emit)->word;
    if (emit_is_host(form))
        return compile_to_host(s, form, path);
    if (!check_options(s))
        return false;
    bool taken = (path && is_stdout(path)) || (given(s, OPT_trace) && is_stdout(value(s, OPT_trace)->text));
    choose_words(s, taken);
    source src;
    size_t count;
    if (!source_open(s, s->options->operands[0], &src))
        return false;
    if (source_is_system(&src))
        return compile_for_system(s, &src, path, s->words);
    lengths_wanted(s, &count);
    report **reports = ARENA_ARRAY(s->arena, report *, count);
    /* Documents for a browser draw tiles and timeline of the module itself. */
    const bool whole = given(s, OPT_trace) || value(s, OPT_report)->word == REPORT_HTML;
    length_outputs wanted = {s, path, reports, whole ? ARENA_ARRAY(s->arena, compiled, count) : NULL, NULL};
    const length_steps steps = {report_length, keep_length, &wanted};
    if (!each_length(s, &src, &steps, whole) || (wanted.program && !write_form(s, program_end(wanted.program), path)))
        return false;
    if (given(s, OPT_trace) && !trace(s, &wanted.all[0]))
        return false;
    /* a dump that is redirected must parse back, so the summary steps aside for it */
    report_format format = (report_format)value(s, OPT_report)->word;
    bool dumps = (given(s, OPT_dump_ir) || given(s, OPT_print_after)) && format == REPORT_TEXT;
    return print_reports(s, reports, count, format, taken || dumps ? stderr : stdout);
}
