/* dtqc compile: a model to a program, its text or its IR; emit_host.c has the forms of host code. */
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/compare.h"
#include "frontend/cli/host/emit_host.h"

/* Where the output goes: a file, "-", or NULL for nowhere (a program without --output). */
static const char *output_path(const session *s) {
    if (given(s, OPT_output))
        return value(s, OPT_output)->text;
    return emit_is_text((emit_form)value(s, OPT_emit)->word) ? "-" : NULL;
}

/* `last`: nobody needs the modules behind this. */
static bool write_output(session *s, const compiled *c, size_t count, const char *path, bool last) {
    emit_form form = (emit_form)value(s, OPT_emit)->word;
    dtq_program *p = NULL;
    if (form != EMIT_IR) {
        p = last ? make_last_program(s, c, count) : make_program(s, c, count);
        if (!p || !program_relocate(s, p, is_stdout(path) ? "." : directory_of(s->arena, path)))
            return false;
    }
    if (form == EMIT_IR && !identify_weights(s, c[0].module))
        return false;
    if (form == EMIT_STREAM)
        return write_program(s, p, path, true);
    output o;
    if (!output_begin(s, &o, path))
        return false;
    bool ok = true;
    dtq_error e;
    if (form == EMIT_IR)
        ir_print(c[0].module, o.out);
    else if (!dtq_disassemble(p, o.out, &e))
        ok = runtime_error(s, &e, true);
    return output_end(s, &o, ok);
}

static bool check_options(session *s) {
    static const option_id of_host_code[] = {OPT_host_cpu, OPT_name};
    for (size_t i = 0; i < sizeof of_host_code / sizeof *of_host_code; i++)
        if (given(s, of_host_code[i]))
            return usage_error(s, "--%s is of host code (--emit=llvm, host-asm, obj, exe%s)",
                               option_table[of_host_code[i]].name, of_host_code[i] == OPT_name ? ", c" : "");
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
    return compile_lengths(s, src, &all, &count) && (!path || write_output(s, all, count, path, false)) &&
           print_system(s, src, all, count, out);
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
    compiled *all;
    size_t count;
    if (!source_open(s, s->options->operands[0], &src))
        return false;
    if (source_is_system(&src))
        return compile_for_system(s, &src, path, s->words);
    if (!compile_lengths(s, &src, &all, &count))
        return false;
    report **reports = ARENA_ARRAY(s->arena, report *, count);
    for (size_t i = 0; i < count; i++)
        if (!(reports[i] = make_report(s, &all[i], NULL)))
            return false;
    /* Documents for a browser draw tiles and timeline of the module itself. */
    const bool last = !given(s, OPT_trace) && value(s, OPT_report)->word != REPORT_HTML;
    if (path && !write_output(s, all, count, path, last))
        return false;
    if (given(s, OPT_trace) && !trace(s, &all[0]))
        return false;
    /* a dump that is redirected must parse back, so the summary steps aside for it */
    report_format format = (report_format)value(s, OPT_report)->word;
    bool dumps = (given(s, OPT_dump_ir) || given(s, OPT_print_after)) && format == REPORT_TEXT;
    return print_reports(s, reports, count, format, taken || dumps ? stderr : stdout);
}
