/* What compile, analyze and run share: loading, the passes, programs, reports, traces. */
#include "frontend/cli/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/sets.h"
#include "frontend/cli/shipped.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend/target.h"
#include "frontend/tokenizer/tokenizers.h"
#include "ir/base/file.h"
#include "ir/base/path.h"
#include "runtime/machine_members.h"

enum { IR_FILE_BYTES = 1 << 30, PROGRESS_FROM = 8, HTML_REPORTS = 16 };

static const src_loc nowhere = {0};

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

bool is_ir_file(const char *path) {
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".dtir") == 0;
}

bool is_program_file(const char *path) {
    char magic[4] = {0};
    struct stat st;
    int fd = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool is = fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "DTQP", sizeof magic) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

ir_module *ir_load(session *s, const char *path) {
    size_t bytes;
    char *text = file_read(s->arena, s->diag, path, IR_FILE_BYTES, &bytes);
    if (!text)
        return NULL;
    diag_source(s->diag, path, text, bytes);
    return ir_parse(s->arena, s->diag, path, text, bytes);
}

/* Options that say what the header or the ops of a module already say. */
static const option_id fixed_in_ir[] = {OPT_target,     OPT_policy,  OPT_seq,     OPT_linear,
                                        OPT_no_cluster, OPT_balance, OPT_queries, OPT_set};

static bool load_target(session *s, const doc_edits *edits, any_target *out) {
    const char *path = given(s, OPT_target) ? shipped_find(s, "targets", value(s, OPT_target)->text)
                                            : shipped_path(s, "targets", option_table[OPT_target].missing);
    return path && target_load_edited(s->arena, s->diag, path, edits, out);
}

static policy *load_policy(session *s, const doc_edits *edits) {
    const char *path = given(s, OPT_policy) ? shipped_find(s, "policies", value(s, OPT_policy)->text) : NULL;
    return path || !given(s, OPT_policy) ? policy_load_edited(s->arena, s->diag, path, edits) : NULL;
}

bool source_is_system(const source *src) {
    return src->resumed ? dtq_scheme_is_system(&src->resumed->header.scheme) : !src->target.is_machine;
}

bool system_lacks(session *s, const source *src, const option_id *ids, size_t count) {
    for (size_t i = 0; i < count && source_is_system(src); i++)
        if (given(s, ids[i]))
            return usage_error(s,
                               "--%s is of variable-speed arrays; %s computes attention in its own way, which the "
                               "reference runs and its cost model prices",
                               option_table[ids[i]].name, src->resumed ? src->path : src->target.name);
    return true;
}

/* What a system decides by itself. */
static bool check_system(session *s, const any_target *t, const sets *changes) {
    static const option_id decided[] = {OPT_policy, OPT_queries, OPT_no_cluster};
    if (t->is_machine)
        return true;
    if (changes->policy.count)
        return usage_error(s, "--set %s: %s is of kind %s, which takes no policy", changes->policy.list[0].path,
                           t->name, t->kind);
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++)
        if (given(s, decided[i]))
            return usage_error(s, "--%s is for targets of kind vssa and systolic; %s is of kind %s, which %s",
                               option_table[decided[i]].name, t->name, t->kind,
                               decided[i] == OPT_queries ? "has no steps of generation"
                                                         : "decides by itself what each token is worth");
    return true;
}

bool source_open(session *s, const char *path, source *out) {
    *out = (source){.path = path};
    if (is_ir_file(path)) {
        for (size_t i = 0; i < sizeof fixed_in_ir / sizeof *fixed_in_ir; i++)
            if (given(s, fixed_in_ir[i]))
                return usage_error(s, "--%s changes nothing when the input is IR, which says it already",
                                   option_table[fixed_in_ir[i]].name);
        s->from_ir = true;
        out->resumed = ir_load(s, path);
        return out->resumed != NULL;
    }
    if (is_program_file(path))
        return diag_error(s->diag, (src_loc){path, 0, 0},
                          "is a compiled program; the model it was made from is wanted");
    sets changes;
    if (!sets_read(s, &changes))
        return false;
    /* All three are read even if one fails, so that all mistakes are told at once. */
    bool machine_ok = load_target(s, &changes.target, &out->target);
    out->policy = load_policy(s, &changes.policy);
    if (out->policy && given(s, OPT_queries))
        out->policy->queries = (uint32_t)value(s, OPT_queries)->number;
    const char *found = shipped_find(s, "models", path);
    if (found && given(s, OPT_explain) && !model_explain(s->arena, found, s->words))
        return usage_error(s, "--explain is for ONNX graphs; '%s' is not one", path);
    out->model = found ? model_load(s->arena, s->diag, found) : NULL;
    if (out->model && given(s, OPT_balance) &&
        !model_balance(out->model, s->arena, s->diag, value(s, OPT_balance)->text))
        return false;
    if (machine_ok && given(s, OPT_linear) && out->target.machine->top_linear == DTQ_LINEAR_VSSA)
        return usage_error(s, "--linear changes nothing on a target whose arrays compute the linears (`linear: vssa`), "
                              "each row at its token's precision");
    out->entries = diag_total(s->diag);
    return machine_ok && out->policy && out->model && check_system(s, &out->target, &changes);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

bool identify_weights(session *s, ir_module *m) {
    dtq_known *known = known_files(s);
    return known && weights_identify(s->arena, s->diag, m, known);
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

bool verifies_last(const session *s) {
#ifndef DTQ_VERIFY_EACH
    return !given(s, OPT_verify_each);
#else
    (void)s;
    return false;
#endif
}

bool view_read(session *s, ir_view *out) {
    const option_value *layers = value(s, OPT_dump_layer), *head = value(s, OPT_dump_head),
                       *queue = value(s, OPT_dump_queue);
    *out = (ir_view){.by_layer = layers->given, .by_head = head->given, .by_queue = queue->given};
    if (layers->given) {
        out->first_layer = layers->lengths[0];
        out->last_layer = layers->lengths[layers->count - 1];
        if (out->last_layer - out->first_layer + 1 != layers->count)
            return usage_error(s, "--dump-layer is one layer, or neighbours: A..B");
    }
    if (head->given)
        out->head = (uint32_t)head->number;
    if (queue->given) {
        const int number = dtq_queue_parse(queue->text, strlen(queue->text));
        if (number < 0)
            return usage_error(s,
                               "--dump-queue=%s: there is no such queue; there are host, load, softmax, topk, store, "
                               "array0, array1 and so on",
                               queue->text);
        out->queue = (unsigned)number;
    }
    return true;
}

/* Views of dumps, of which there must be one. */
static bool read_dump_view(session *s, ir_view *out) {
    const char *first = given(s, OPT_dump_layer)   ? "layer"
                        : given(s, OPT_dump_head)  ? "head"
                        : given(s, OPT_dump_queue) ? "queue"
                                                   : NULL;
    if (first && !given(s, OPT_print_after) && !given(s, OPT_dump_ir))
        return usage_error(s, "--dump-%s needs --dump-ir or --print-after, and neither is given", first);
    return view_read(s, out);
}

bool pass_options_read(session *s, pass_options *out) {
    *out = (pass_options){.optimise = value(s, OPT_optimise)->word == 1,
                          .prove = true,
                          .verify_last = verifies_last(s),
                          .dump_level = -1,
                          .dump = s->words};
    const option_value *after = value(s, OPT_print_after);
    if (after->given) {
        if (strcmp(after->text, "all") != 0 && !pass_find(after->text)) {
            const char **names = ARENA_ARRAY(s->arena, const char *, pass_count);
            for (size_t i = 0; i < pass_count; i++)
                names[i] = pass_table[i].name;
            const char *near = diag_nearest(after->text, names, pass_count);
            return usage_error(s, "--print-after=%s: there is no such pass%s%s%s", after->text,
                               near ? "; did you mean '" : "; `dtqc opt --list` lists them", near ? near : "",
                               near ? "'?" : "");
        }
        out->print_after = after->text;
    }
    if (given(s, OPT_dump_ir))
        out->dump_level = value(s, OPT_dump_ir)->word;
    out->time_passes = given(s, OPT_time_passes);
    out->times = stderr;
    return read_dump_view(s, &out->view);
}

/* Passes to the programs of systems: slots are tokens in their order, and attention is the layer table's. */
static const char *const system_passes[] = {"infer-shapes",   "balance-qk",   "assign-precision", "cluster-precision",
                                            "reorder-tokens", "lower-layers", "lower-schedule",   "allocate-buffers",
                                            "insert-sync",    "timeline"};

/* What is left of the pipeline for a module up to pass `last`. */
static const char *const *remaining_passes(arena *a, ir_module *m, bool optimise, const char *last, size_t *count) {
    const char *const *all = passes_pipeline(optimise, count);
    if (dtq_scheme_is_system(&m->header.scheme)) {
        all = system_passes;
        *count = sizeof system_passes / sizeof *system_passes;
    }
    for (size_t i = 0; last && i < *count; i++)
        if (all[i] && strcmp(all[i], last) == 0)
            *count = i + 1;
    return passes_left(a, m, all, *count);
}

const char *linear_arithmetic(const session *s, const source *src) {
    static const char *const words[] = {"int8", "fp32", "mixed"};
    return src->target.machine->top_linear == DTQ_LINEAR_VSSA ? "mixed" : words[value(s, OPT_linear)->word];
}

static ir_module *build_plain(session *s, const source *src, uint32_t seq, bool cluster) {
    model_options o = {.seq = seq,
                       .arithmetic = linear_arithmetic(s, src),
                       .cluster = cluster && src->target.cluster,
                       .last_row = src->last_row};
    ir_module *m = model_build(src->model, s->arena, s->diag, &o);
    if (m)
        *m->machine = *src->target.machine;
    return m;
}

ir_module *build_typed(session *s, const source *src, uint32_t seq, bool cluster) {
    static const char *const typing[] = {"infer-shapes"};
    pass_options o = {.dump_level = -1};
    ir_module *m = build_plain(s, src, seq, cluster);
    return m && passes_run(s->arena, s->diag, &m, typing, 1, &o) ? m : NULL;
}

static ir_module *build(session *s, const source *src, uint32_t seq, bool cluster) {
    if (src->resumed)
        return src->resumed;
    ir_module *m = build_plain(s, src, seq, cluster);
    if (!m || !policy_apply(src->policy, m, s->diag))
        return NULL;
    if (!src->target.is_machine)
        m->header.scheme = dtq_system_scheme(src->target.system, &src->target.params);
    return m;
}

/** IR may have been edited at any level: the program that comes of it is proved as one from a file is. */
static bool prove_resumed(session *s, const compiled *c) {
    const dtq_program *p = make_program(s, c, 1);
    return p && codegen_prove(s->diag, c->module, p);
}

bool resumed_options(session *s, ir_module *m, pass_options *o) {
    const bool asked = value(s, OPT_optimise)->word == 1;
    if (!given(s, OPT_optimise)) {
        o->optimise = !m->header.plain;
        return true;
    }
    if (m->level >= IR_SCHEDULE)
        return usage_error(s, "-O%d changes nothing when the input is a %s, whose planning is done", asked,
                           ir_level_name(m->level));
    if (asked == m->header.plain)
        diag_remark(s->diag, (src_loc){m->text_file, 1, 1}, "optimise",
                    "planned on as by -O%d, though it has come of -O%d so far", asked, !asked);
    m->header.plain = !asked;
    o->optimise = asked;
    return true;
}

static bool compile_to(session *s, const source *src, uint32_t seq, bool cluster, const pass_options *wanted,
                       const char *last, compiled *out) {
    pass_options own = *wanted, *o = &own;
    out->read_entries = src->entries;
    out->first_entry = diag_total(s->diag);
    ir_module *m = build(s, src, seq, cluster);
    if (!m || (src->resumed && !resumed_options(s, m, o)))
        return false;
    m->header.plain = !o->optimise;
    /* What is dumped says which files its weights are from. */
    bool shown = o->dump_level >= 0 || o->print_after;
    if (shown && !identify_weights(s, m))
        return false;
    size_t count;
    const char *const *names = remaining_passes(s->arena, m, o->optimise, last, &count);
    bool ok = passes_run(s->arena, s->diag, &m, names, count, o);
    out->module = m;
    out->last_entry = diag_total(s->diag);
    return ok && (!src->resumed || last || prove_resumed(s, out));
}

bool compile_length(session *s, const source *src, uint32_t seq, bool cluster, const pass_options *o, compiled *out) {
    return compile_to(s, src, seq, cluster, o, NULL, out);
}

static const char last_of_graph[] = "reorder-tokens";

bool compile_graph(session *s, const source *src, uint32_t seq, bool cluster, const pass_options *o, compiled *out) {
    return compile_to(s, src, seq, cluster, o, last_of_graph, out);
}

bool run_graph_passes(arena *a, diag *d, ir_module **m, const pass_options *o) {
    size_t count;
    const char *const *names = remaining_passes(a, *m, o->optimise, last_of_graph, &count);
    return passes_run(a, d, m, names, count, o);
}

const uint32_t *lengths_wanted(const session *s, size_t *count) {
    static const uint32_t own_length[1] = {0};
    const option_value *seq = value(s, OPT_seq);
    *count = seq->given ? seq->count : 1;
    return seq->given ? seq->lengths : own_length;
}

void lengths_progress(uint32_t length, size_t i, size_t count) {
    if (count < PROGRESS_FROM || !isatty(STDERR_FILENO))
        return;
    if (i < count)
        fprintf(stderr, "\rlength %u (%zu of %zu)", length, i + 1, count);
    else
        fputs("\r\033[K", stderr);
}

bool compile_lengths(session *s, const source *src, compiled **out, size_t *count) {
    const uint32_t *lengths = lengths_wanted(s, count);
    *out = ARENA_ARRAY(s->arena, compiled, *count);
    pass_options o;
    if (!pass_options_read(s, &o))
        return false;
    bool ok = true;
    for (size_t i = 0; i < *count && ok; i++) {
        lengths_progress(lengths[i], i, *count);
        ok = compile_length(s, src, lengths[i], !given(s, OPT_no_cluster), &o, &(*out)[i]);
    }
    lengths_progress(0, *count, *count);
    return ok;
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static ir_module **modules_of(session *s, const compiled *c, size_t count) {
    ir_module **modules = ARENA_ARRAY(s->arena, ir_module *, count);
    for (size_t i = 0; i < count; i++)
        modules[i] = c[i].module;
    return modules;
}

dtq_program *make_program(session *s, const compiled *c, size_t count) {
    if (count && !identify_weights(s, c[0].module))
        return NULL;
    return codegen_program(s->arena, s->diag, (const ir_module *const *)modules_of(s, c, count), count);
}

bool write_program(session *s, const dtq_program *p, const char *path, bool made_here) {
    uint8_t *data;
    size_t bytes;
    dtq_error e;
    output o;
    if (!dtq_program_encode(p, &data, &bytes, &e))
        return runtime_error(s, &e, made_here);
    bool ok = output_begin(s, &o, path);
    if (ok) {
        fwrite(data, 1, bytes, o.out); /* a failure is seen when the file is committed, or by main */
        ok = output_end(s, &o, true);
    }
    free(data);
    return ok;
}

/* NULL after an error. A file that is not there, as yet, keeps its name. */
static const char *relocated(session *s, const char *name, const char *directory) {
    char *absolute = realpath(name, NULL);
    bool memory = absolute || errno != ENOMEM;
    char *base = memory ? realpath(directory, NULL) : NULL;
    memory = memory && (base || errno != ENOMEM);
    const char *result = memory ? name : NULL;
    if (absolute && base) {
        size_t n = strlen(base);
        bool below = strncmp(absolute, base, n) == 0 && absolute[n] == '/';
        result = arena_strdup(s->arena, below ? absolute + n + 1 : absolute);
    }
    free(absolute);
    free(base);
    if (!memory)
        diag_error(s->diag, (src_loc){name, 0, 0}, "cannot be named from %s: %s", directory, strerror(ENOMEM));
    return result;
}

/* Whether the program names that file already, as one of a GGUF file's names its vocabulary's. */
static bool names_file(const dtq_program *p, const char *resolved) {
    for (size_t i = 0; i < p->file_count; i++)
        if (strcmp(p->files[i].path, resolved) == 0)
            return true;
    return false;
}

/* Adds the files that text is read with to those that a program knows. */
static bool add_vocabulary(session *s, dtq_program *p) {
    const char *names[TOKENIZER_FILES];
    size_t count = *p->tokenizer ? tokenizer_files(s->arena, p->tokenizer, names) : 0;
    dtq_file *files = ARENA_ARRAY(s->arena, dtq_file, p->file_count + count + 1);
    if (p->file_count)
        memcpy(files, p->files, p->file_count * sizeof *files);
    p->files = files;
    for (size_t i = 0; i < count; i++) {
        char resolved[PATH_MAX];
        dtq_file file = {.path = realpath(names[i], resolved) ? arena_strdup(s->arena, resolved) : names[i]};
        dtq_error e;
        if (names_file(p, file.path))
            continue;
        dtq_known *known = known_files(s);
        if (!known)
            return false;
        if (!dtq_file_describe(&file, known, 0, NULL, &e))
            return runtime_error_at(s, &e, file.path);
        files[p->file_count++] = file;
    }
    return true;
}

bool program_relocate(session *s, dtq_program *p, const char *directory) {
    bool ok = add_vocabulary(s, p);
    for (size_t i = 0; ok && i < p->file_count; i++)
        ok = (p->files[i].path = relocated(s, p->files[i].path, directory)) != NULL;
    if (ok && *p->tokenizer)
        ok = (p->tokenizer = relocated(s, p->tokenizer, directory)) != NULL;
    return ok;
}

/* ---- reports ----------------------------------------------------------------------------------------------------- */

void choose_words(session *s, bool stdout_taken) {
    const option_value *r = given(s, OPT_run_report) ? value(s, OPT_run_report) : value(s, OPT_report);
    bool data = r->given && r->word != REPORT_TEXT;
    s->words = stdout_taken || data ? stderr : stdout;
}

report *make_report(session *s, const compiled *c, const dtq_event *events) {
    report *r = report_build_run(s->arena, s->diag, c->module, events);
    if (!r)
        return NULL;
    /* The diag has the remarks of every length; a report tells those of the model and its own. */
    const diag_entry **own =
        ARENA_ARRAY(s->arena, const diag_entry *, c->read_entries + c->last_entry - c->first_entry + 1);
    size_t count = 0;
    for (size_t i = 0; given(s, OPT_remarks) && i < c->last_entry; i++)
        if ((i < c->read_entries || i >= c->first_entry) && diag_at(s->diag, i)->severity == DIAG_REMARK)
            own[count++] = diag_at(s->diag, i);
    r->remarks = own;
    r->remark_count = count;
    /* Of many lengths JSON is written when their modules are gone. */
    if (!events && given(s, OPT_report) && value(s, OPT_report)->word == REPORT_JSON)
        report_find_critical(s->arena, r);
    return r;
}

bool check_report(session *s, report_format format, size_t count) {
    return format != REPORT_HTML || count <= HTML_REPORTS ||
           usage_error(s, "--report=html shows up to %d reports in one document; there are %zu", HTML_REPORTS, count);
}

bool print_reports(session *s, report *const *reports, size_t count, report_format format, FILE *out) {
    bool many = count > 1, ok = true;
    if (format == REPORT_HTML)
        return report_html((const report *const *)reports, count, out) || out == stdout;
    if (many && format == REPORT_TEXT && !reports[0]->measured)
        return report_print_lengths((const report *const *)reports, count, out) || out == stdout ||
               diag_error(s->diag, nowhere, "the report cannot be written");
    if (many && format == REPORT_JSON)
        fputs("[\n", out);
    for (size_t i = 0; i < count && ok; i++) {
        if (many && i > 0)
            fputs(format == REPORT_JSON ? ",\n" : "\n", out);
        if (many && format == REPORT_CSV)
            fprintf(out, "# %s, %u tokens\n", diag_visible(s->arena, reports[i]->model), reports[i]->seq);
        ok = report_print(reports[i], format, out);
    }
    if (many && format == REPORT_JSON)
        fputs("]\n", out);
    return ok || out == stdout || diag_error(s->diag, nowhere, "the report cannot be written");
}

/* ---- timing ------------------------------------------------------------------------------------------------------ */

bool simulate_timing(session *s, const dtq_program *p, const dtq_stream *stream, bool want_events, dtq_stats *stats) {
    dtq_run_options o = {.engine = DTQ_ENGINE_SIM, .timing_only = true};
    dtq_error e;
    dtq_output nothing = {0};
    memset(stats, 0, sizeof *stats);
    bool ok = dtq_run(p, stream, NULL, NULL, &o, &nothing, stats, want_events, &e);
    dtq_output_free(&nothing);
    return ok || runtime_error(s, &e, true);
}

bool write_trace(session *s, const char *path, const dtq_program *p, const dtq_stream *stream,
                 const dtq_event *events) {
    output o;
    if (!output_begin(s, &o, path))
        return false;
    bool ok = report_trace(p, stream, events, o.out);
    if (!ok && o.out != stdout)
        diag_error(s->diag, (src_loc){path, 0, 0}, "the trace cannot be written");
    return output_end(s, &o, ok || o.out == stdout);
}
