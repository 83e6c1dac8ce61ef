/* dtqc compile to host code: generating, writing with the header beside it, and the summary. */
#include "frontend/cli/host/emit_host.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/cli/lengths.h"

typedef struct {
    session *session;
    emit_form form;
    const char *path;
    source source;
    host_model model;
    backend backend;
    host_options options;
    host_facts facts;
    long bytes; /* written to `path` */
} emission;

static const struct {
    emit_form emit;
    host_form host;
    bool text, header;
} forms[] = {
    {EMIT_LLVM, HOST_FORM_LLVM, true, false},          {EMIT_HOST_ASM, HOST_FORM_ASM, true, false},
    {EMIT_OBJECT, HOST_FORM_OBJECT, false, true},      {EMIT_C, HOST_FORM_C, true, true},
    {EMIT_EXECUTABLE, HOST_FORM_OBJECT, false, false},
};
enum { FORMS = sizeof forms / sizeof *forms };

static size_t find_form(emit_form form) {
    size_t i = 0;
    while (i < FORMS && forms[i].emit != form)
        i++;
    return i;
}

bool emit_is_host(emit_form form) {
    return find_form(form) < FORMS;
}

bool emit_is_text(emit_form form) {
    size_t i = find_form(form);
    return i < FORMS ? forms[i].text : form != EMIT_STREAM;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static const char *chosen_cpu(const session *s, emit_form form) {
    if (form == EMIT_C)
        return "C";
    if (given(s, OPT_host_cpu))
        return value(s, OPT_host_cpu)->text;
    return form == EMIT_OBJECT || form == EMIT_EXECUTABLE ? "dispatch" : "native";
}

static bool for_device(const session *s) {
    enum { HOST, DEVICE };
    return value(s, OPT_attention)->word == DEVICE;
}

static bool check_options(session *s, emit_form form, const char *path) {
    static const option_id of_accelerator[] = {OPT_report, OPT_trace};
    const char *word = value(s, OPT_emit)->text;
    if (!path)
        return usage_error(s, "--emit=%s needs --output", word);
    if (form == EMIT_EXECUTABLE && is_stdout(path))
        return usage_error(s, "--emit=exe writes a file, not standard output");
    if (form == EMIT_C && given(s, OPT_host_cpu))
        return usage_error(s, "--host-cpu changes nothing in C; name the processor to the C compiler");
    for (size_t i = 0; i < sizeof of_accelerator / sizeof *of_accelerator; i++)
        if (given(s, of_accelerator[i]))
            return usage_error(s, "--%s is about the accelerator; --emit=%s makes no program for it",
                               option_table[of_accelerator[i]].name, word);
    if (given(s, OPT_dump_ir) && value(s, OPT_dump_ir)->word != IR_GRAPH && !for_device(s))
        return usage_error(s, "--dump-ir=%s shows nothing: passes for --emit=%s end at the graph level",
                           ir_level_name((ir_level)value(s, OPT_dump_ir)->word), word);
    if (given(s, OPT_name) && form == EMIT_EXECUTABLE)
        return usage_error(s, "--name names a symbol, and an executable exports none");
    if (given(s, OPT_name) && !host_name_is_good(value(s, OPT_name)->text))
        return usage_error(s, "--name=%s is not a C identifier", value(s, OPT_name)->text);
    if (forms[find_form(form)].header && !is_stdout(path) && strcmp(host_header_path(s->arena, path), path) == 0)
        return usage_error(s, "--output=%s is the name of the header; use another ending", path);
    return true;
}

static const char *chosen_name(const emission *m) {
    session *s = m->session;
    if (m->form == EMIT_EXECUTABLE)
        return HOST_EXE_NAME;
    if (given(s, OPT_name))
        return value(s, OPT_name)->text;
    return host_name_from(s->arena, is_stdout(m->path) ? m->model.plan->model : m->path);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Output and header, both or neither. */
static bool write_with_header(emission *m, const char *header) {
    session *s = m->session;
    output main_file, header_file;
    if (!output_begin(s, &main_file, m->path))
        return false;
    bool ok = m->backend.functions->emit(s->arena, s->diag, m->model.code, &m->options, forms[find_form(m->form)].host,
                                         main_file.out);
    m->bytes = main_file.out == stdout ? 0 : ftell(main_file.out);
    if (!header || !ok)
        return output_end(s, &main_file, ok);
    if (!output_begin(s, &header_file, header))
        return output_end(s, &main_file, false);
    host_header_print(s->arena, &m->facts, header_file.out);
    return output_end(s, &header_file, output_end(s, &main_file, true));
}

static bool write_executable(emission *m) {
    session *s = m->session;
    host_bytes object;
    if (!m->backend.functions->object(s->arena, s->diag, m->model.code, &m->options, &object))
        return false;
    bool ok = link_executable(s, &object, m->path, &m->bytes);
    free(object.data);
    return ok;
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool write_all(emission *m) {
    session *s = m->session;
    dtq_error e;
    uint8_t *plan;
    if (!program_relocate(s, m->model.plan, is_stdout(m->path) ? "." : directory_of(s->arena, m->path)))
        return false;
    if (!dtq_program_encode(m->model.plan, &plan, &m->options.plan_bytes, &e))
        return runtime_error(s, &e, true);
    bool beside = forms[find_form(m->form)].header && !is_stdout(m->path);
    const char *header = beside ? host_header_path(s->arena, m->path) : NULL;
    m->options.plan = plan;
    m->options.name = chosen_name(m);
    m->options.cpu = chosen_cpu(s, m->form);
    m->facts = (host_facts){.name = m->options.name,
                            .cpu = m->options.cpu,
                            .policy = m->source.policy ? m->source.policy->name : "of the IR",
                            .arithmetic = linear_arithmetic(s, &m->source),
                            .header = header ? file_name(header) : NULL,
                            .device = m->options.device,
                            .plan = m->model.plan};
    m->options.banner = host_interface_text(s->arena, &m->facts);
    bool ok = m->form == EMIT_EXECUTABLE ? write_executable(m) : write_with_header(m, header);
    free(plan);
    return ok;
}

/* ---- the summary ------------------------------------------------------------------------------------------------- */

static void print_summary(const emission *m) {
    session *s = m->session;
    FILE *out = s->words;
    const host_facts *f = &m->facts;
    fprintf(out, "%s as host code (%s), %s tokens, policy %s\n", diag_visible(s->arena, m->model.plan->model), f->cpu,
            lengths_text(s->arena, m->model.plan), diag_visible(s->arena, f->policy));
    if (!is_stdout(m->path)) {
        fprintf(out, "  %s: %ld bytes", diag_visible(s->arena, m->path), m->bytes);
        if (m->form != EMIT_EXECUTABLE)
            fprintf(out, ", symbol %s", f->name);
        fputc('\n', out);
    }
    if (f->header)
        fprintf(out, "  %s: how to call it\n", diag_visible(s->arena, host_header_path(s->arena, m->path)));
    if (given(s, OPT_remarks))
        for (size_t i = 0; i < diag_total(s->diag); i++)
            if (diag_at(s->diag, i)->severity == DIAG_REMARK)
                diag_print(s->diag, diag_at(s->diag, i), out);
}

/* The program whose instructions generated code carries for a device, in the place of a plan of layers. */
static bool add_program(emission *m) {
    session *s = m->session;
    compiled *all;
    size_t count;
    if (m->source.resumed && !(m->source.resumed = ir_load(s, m->source.path))) /* the passes have changed it */
        return false;
    if (!compile_lengths(s, &m->source, &all, &count))
        return false;
    m->model.plan = make_program(s, all, count);
    return m->model.plan;
}

static bool make_model(emission *m) {
    session *s = m->session;
    host_lengths lengths = host_lengths_read(s, &m->source);
    if (!for_device(s))
        return host_model_make(s, &m->source, &lengths, &m->model);
    size_t count;
    const uint32_t *wanted = lengths_wanted(s, &count);
    m->options.device = true;
    lengths = (host_lengths){wanted, count, false};
    return host_model_make(s, &m->source, &lengths, &m->model) && add_program(m);
}

bool compile_to_host(session *s, emit_form form, const char *path) {
    emission m = {.session = s, .form = form, .path = path};
    if (!check_options(s, form, path))
        return false;
    /* a dump that is redirected must parse back */
    bool dumps = given(s, OPT_dump_ir) || given(s, OPT_print_after);
    s->words = is_stdout(path) ? stderr : stdout;
    if (!source_open(s, s->options->operands[0], &m.source) || !make_model(&m) || !backend_load(s, &m.backend) ||
        !write_all(&m))
        return false;
    if (dumps)
        s->words = stderr;
    print_summary(&m);
    return true;
}
