/* dtqc analyze --compare: attention of a model on several systems. */
#include "frontend/cli/compare.h"

#include <string.h>

#include "frontend/cli/shipped.h"
#include "frontend/target.h"
#include "runtime/machine_members.h"

const char **comma_list(session *s, const option_value *v, size_t *count) {
    size_t most = 0;
    for (size_t i = 0; i < v->count; i++)
        for (const char *c = v->texts[i]; *c; c += strcspn(c, ",") + (c[strcspn(c, ",")] == ','))
            most++;
    const char **names = ARENA_ARRAY(s->arena, const char *, most + 1);
    *count = 0;
    for (size_t i = 0; i < v->count; i++)
        for (const char *at = v->texts[i]; *at;) {
            const size_t length = strcspn(at, ",");
            if (length)
                names[(*count)++] = arena_strndup(s->arena, at, length);
            at += length + (at[length] == ',');
        }
    return names;
}

/** The targets that --compare names. */
static any_target *load_targets(session *s, size_t *count) {
    const char **names = comma_list(s, value(s, OPT_compare), count);
    any_target *targets = ARENA_ARRAY(s->arena, any_target, *count + 1);
    bool ok = true;
    for (size_t i = 0; i < *count; i++) { /* all are read even if one fails, so that all mistakes are told at once */
        const char *path = shipped_find(s, "targets", names[i]);
        ok = path && target_load(s->arena, s->diag, path, &targets[i]) && ok;
    }
    if (*count == 0) {
        usage_error(s, "--compare names no target");
        return NULL;
    }
    return ok ? targets : NULL;
}

/** The row of a machine other than the target: the same model and policy, compiled for it. */
static bool machine_row(session *s, const source *src, const any_target *t, uint32_t seq, comparison_row *out) {
    source other = *src;
    pass_options o;
    compiled c;
    other.target = *t;
    if (!pass_options_read(s, &o))
        return false;
    o.print_after = NULL; /* prints are of the target's own module */
    o.dump_level = -1;
    o.time_passes = false;
    if (!compile_length(s, &other, seq, t->cluster, &o, &c))
        return false;
    const report *r = report_build(s->arena, s->diag, c.module);
    if (!r)
        return false;
    *out = comparison_of_report(r, t->kind);
    return true;
}

/** The row of what is compiled: a system's by its own parameters, which the module carries; `r`: a machine's report. */
static comparison_row own_row(session *s, const source *src, const compiled *own, const report *r,
                              const attention_workload *w) {
    dtq_system_kind kind;
    dtq_system_params params;
    if (dtq_scheme_system(&own->module->header.scheme, &kind, &params))
        return comparison_of_system(own->module->machine->name, kind, &params, w);
    return comparison_of_report(r, given(s, OPT_no_cluster) || !src->target.cluster ? "systolic" : "vssa");
}

/** Whether a target computes projections and FFN, too. */
static bool has_linears(const any_target *t) {
    return t->is_machine && t->machine->top_linear == DTQ_LINEAR_VSSA;
}

/** Cycles are compared of systems that do the same work. */
static bool check_work(session *s, const ir_module *own, const any_target *targets, size_t count) {
    const bool linears = own->machine->top_linear == DTQ_LINEAR_VSSA;
    for (size_t i = 0; i < count; i++)
        if (has_linears(&targets[i]) != linears)
            return usage_error(
                s,
                "--compare: %s computes projections and FFN, too (`linear: vssa`), and %s attention alone; "
                "compare what does the same work",
                linears ? own->machine->name : targets[i].name, linears ? targets[i].name : own->machine->name);
    return true;
}

static bool compare_at(session *s, const source *src, const compiled *own, const report *r, const any_target *targets,
                       size_t count, comparison *out) {
    const ir_header *h = &own->module->header;
    attention_workload w;
    if (!check_work(s, own->module, targets, count) || !attention_workload_read(s->arena, s->diag, own->module, &w))
        return false;
    comparison_row *rows = ARENA_ARRAY(s->arena, comparison_row, count + 1);
    rows[0] = own_row(s, src, own, r, &w);
    for (size_t i = 0; i < count; i++) {
        const any_target *t = &targets[i];
        if (!t->is_machine)
            rows[i + 1] = comparison_of_system(t->name, t->system, &t->params, &w);
        else if (!machine_row(s, src, t, h->seq, &rows[i + 1]))
            return false;
    }
    *out = (comparison){.model = h->model ? h->model : "",
                        .seq = h->seq,
                        .linears = r && r->linears,
                        .dense_ops = r ? r->dense_ops : attention_dense_ops(&w),
                        .count = count + 1,
                        .rows = rows};
    return true;
}

static bool compare_all(session *s, const source *src, const compiled *own, report *const *reports, size_t count,
                        const any_target *targets, size_t target_count, FILE *out) {
    const report_format format = (report_format)value(s, OPT_report)->word;
    bool ok = true;
    if (count > 1 && format == REPORT_JSON)
        fputs("[\n", out);
    for (size_t i = 0; i < count && ok; i++) {
        comparison c;
        ok = compare_at(s, src, &own[i], reports ? reports[i] : NULL, targets, target_count, &c);
        c.more = i + 1 < count;
        if (ok && i > 0)
            fputs(format == REPORT_JSON ? ",\n" : "\n", out);
        if (ok && count > 1 && format == REPORT_CSV)
            fprintf(out, "# %s, %u tokens\n", diag_visible(s->arena, c.model), c.seq);
        if (ok)
            comparison_print(&c, format, out); /* main checks stdout */
    }
    if (ok && count > 1 && format == REPORT_JSON)
        fputs("]\n", out);
    return ok;
}

bool compare_systems(session *s, const source *src, const compiled *own, report *const *reports, size_t count,
                     FILE *out) {
    size_t target_count;
    const any_target *targets = load_targets(s, &target_count);
    return targets && compare_all(s, src, own, reports, count, targets, target_count, out);
}

bool check_system_report(session *s) {
    return value(s, OPT_report)->word != REPORT_HTML ||
           usage_error(s, "a comparison cannot be an HTML page; use --report=text, json or csv");
}

bool print_system(session *s, const source *src, const compiled *own, size_t count, FILE *out) {
    return compare_all(s, src, own, NULL, count, NULL, 0, out);
}
