/* dtqc analyze --compare: attention of a model on several systems. */
#include "frontend/cli/compare.h"

#include <string.h>

#include "frontend/cli/shipped.h"

/** The targets that --compare names, those of one value separated by commas. */
static any_target *load_targets(session *s, size_t *count) {
    const option_value *given_value = value(s, OPT_compare);
    size_t most = 0;
    for (size_t i = 0; i < given_value->count; i++)
        for (const char *c = given_value->texts[i]; *c; c += strcspn(c, ",") + (c[strcspn(c, ",")] == ','))
            most++;
    any_target *targets = ARENA_ARRAY(s->arena, any_target, most + 1);
    bool ok = true;
    *count = 0;
    for (size_t i = 0; i < given_value->count; i++) {
        const char *at = given_value->texts[i];
        while (*at) { /* all are read even if one fails, so that all mistakes are told at once */
            const size_t length = strcspn(at, ",");
            const char *name = arena_strndup(s->arena, at, length);
            at += length + (at[length] == ',');
            if (!length)
                continue;
            const char *path = shipped_find(s, "targets", name);
            ok = path && target_load(s->arena, s->diag, path, &targets[*count]) && ok;
            ++*count;
        }
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

static bool compare_at(session *s, const source *src, const compiled *own, const report *r, const any_target *targets,
                       size_t count, comparison *out) {
    attention_workload w;
    if (!attention_workload_read(s->arena, s->diag, own->module, &w))
        return false;
    comparison_row *rows = ARENA_ARRAY(s->arena, comparison_row, count + 1);
    rows[0] = comparison_of_report(r, given(s, OPT_no_cluster) ? "systolic" : "vssa");
    for (size_t i = 0; i < count; i++) {
        const any_target *t = &targets[i];
        if (!t->is_machine)
            rows[i + 1] = comparison_of_system(t->name, t->system, &t->params, &w);
        else if (!machine_row(s, src, t, r->seq, &rows[i + 1]))
            return false;
    }
    *out = (comparison){.model = r->model, .seq = r->seq, .dense_ops = r->dense_ops, .count = count + 1, .rows = rows};
    return true;
}

bool compare_systems(session *s, const source *src, const compiled *own, report *const *reports, size_t count,
                     FILE *out) {
    const report_format format = (report_format)value(s, OPT_report)->word;
    size_t target_count;
    const any_target *targets = load_targets(s, &target_count);
    bool ok = targets != NULL;
    if (ok && count > 1 && format == REPORT_JSON)
        fputs("[\n", out);
    for (size_t i = 0; i < count && ok; i++) {
        comparison c;
        ok = compare_at(s, src, &own[i], reports[i], targets, target_count, &c);
        if (ok && i > 0)
            fputs(format == REPORT_JSON ? ",\n" : "\n", out);
        if (ok && count > 1 && format == REPORT_CSV)
            fprintf(out, "# %s, %u tokens\n", c.model, c.seq);
        if (ok)
            comparison_print(&c, format, out); /* main checks stdout */
    }
    if (ok && count > 1 && format == REPORT_JSON)
        fputs("]\n", out);
    return ok;
}
