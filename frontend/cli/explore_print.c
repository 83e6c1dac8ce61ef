/* dtqc explore: results as text, CSV, JSON, and as files of target and policy. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/explore.h"
#include "ir/base/number.h"

/* ---- the front --------------------------------------------------------------------------------------------------- */

size_t explore_front(exploration *e) {
    const size_t m = e->objective_count;
    double *values = calloc(e->search.count * m + 1, sizeof *values);
    bool *on = calloc(e->search.count + 1, sizeof *on);
    size_t count = 0;
    for (size_t i = 0; values && i < e->search.count; i++)
        for (size_t k = 0; k < m; k++)
            values[i * m + k] = e->search.trials[i].feasible ? e->search.trials[i].values[k] : (double)NAN;
    if (values && on)
        pareto_front(values, e->search.count, m, on);
    for (size_t i = 0; i < e->search.count; i++) {
        e->trials[i].on_front = on && on[i];
        count += e->trials[i].on_front;
    }
    free(values);
    free(on);
    return count;
}

size_t explore_best(const exploration *e) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < e->search.count; i++)
        if (e->trials[i].on_front &&
            (best == SIZE_MAX || e->search.trials[i].values[0] < e->search.trials[best].values[0]))
            best = i;
    return best;
}

/* Values of those that keep to all constraints [count][m], and the worst of all. */
static double *values_of(const search_trial *list, size_t count, size_t m, double reference[OBJECTIVES_MOST]) {
    double *values = calloc(count * m + 1, sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        for (size_t k = 0; k < m; k++) {
            const double v = list[i].values[k];
            values[i * m + k] = list[i].feasible ? v : (double)NAN;
            reference[k] = fmax(reference[k], isnan(v) ? reference[k] : v);
        }
    return values;
}

double explore_hypervolume(const exploration *e, double reference[OBJECTIVES_MOST], double *compared) {
    const size_t m = e->objective_count;
    const char *text = given(e->session, OPT_nadir) ? value(e->session, OPT_nadir)->text : NULL;
    double volume = NAN;
    for (size_t k = 0; k < m; k++)
        reference[k] = -INFINITY;
    double *values = values_of(e->search.trials, e->search.count, m, reference);
    double *others = values_of(e->compared_judged, e->compared_done, m, reference);
    *compared = NAN;
    for (size_t k = 0; k < m; k++) {
        if (text) {
            char *end;
            const double v = strtod(text, &end);
            reference[k] = e->objectives[k].high ? -v : v;
            text = *end == ',' ? end + 1 : end;
        }
    }
    if (m > 1 && values)
        volume = pareto_hypervolume(values, e->search.count, m, reference);
    if (m > 1 && others && e->compared_done)
        *compared = pareto_hypervolume(others, e->compared_done, m, reference);
    free(values);
    free(others);
    for (size_t k = 0; k < m; k++)
        reference[k] = e->objectives[k].high ? -reference[k] : reference[k];
    return volume;
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static void put_field(const char *text, FILE *out) {
    if (!text[strcspn(text, ",\"\n")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"%c" : "%c", *text);
    fputc('"', out);
}

static void put_number(double x, FILE *out) {
    char text[NUMBER_MAX];
    number_shortest(x, text);
    fprintf(out, ",%s", text);
}

static void csv_head(const exploration *e, const char *first, bool axes, FILE *out) {
    fputs(first, out);
    for (size_t i = 0; axes && i < e->space->count; i++) {
        fputc(',', out);
        put_field(e->space->axes[i].key, out);
    }
    fputs(",samples", out);
    for (int i = 0; i < VALUES; i++)
        fprintf(out, ",%s", value_table[i].key);
    for (size_t i = 0; i < e->metric_count; i++)
        fprintf(out, ",%s", e->eval.task->metrics[i].key);
    for (int i = 0; i < COSTS; i++)
        fprintf(out, ",%s", cost_table[i].key);
    fputs(",limit,feasible,front,error\n", out);
}

static void csv_row(const exploration *e, const trial *t, const search_trial *judged, FILE *out) {
    if (t->name)
        put_field(t->name, out);
    else
        fprintf(out, "%zu", t->number);
    for (size_t i = 0; t->point && i < e->space->count; i++) {
        fputc(',', out);
        put_field(e->space->axes[i].texts[t->point[i]], out);
    }
    fprintf(out, ",%zu", t->samples);
    for (int i = 0; i < VALUES; i++)
        put_number(explore_value(e, t, &(value_ref){.kind = (value_kind)i}), out);
    for (size_t i = 0; i < e->metric_count; i++)
        put_number(explore_value(e, t, &(value_ref){.kind = VALUE_METRIC, .index = i}), out);
    for (size_t i = 0; i < COSTS; i++)
        put_number(explore_value(e, t, &(value_ref){.kind = VALUE_COST, .index = i}), out);
    fprintf(out, ",%s,%d,%d,", t->limit, judged->feasible, t->on_front);
    put_field(t->error, out);
    fputc('\n', out);
}

static bool write_csv(const exploration *e, const char *name, bool front) {
    session *s = e->session;
    output o;
    if (!output_begin(s, &o, arena_printf(s->arena, "%s/%s", e->directory, name)))
        return false;
    csv_head(e, "trial", true, o.out);
    for (size_t i = 0; i < e->search.count; i++)
        if (!front || e->trials[i].on_front)
            csv_row(e, &e->trials[i], &e->search.trials[i], o.out);
    return output_end(s, &o, true);
}

static bool write_compared(const exploration *e) {
    session *s = e->session;
    output o;
    if (e->compared_done == 0)
        return true;
    if (!output_begin(s, &o, arena_printf(s->arena, "%s/compared.csv", e->directory)))
        return false;
    csv_head(e, "name", false, o.out);
    for (size_t i = 0; i < e->compared_done; i++)
        csv_row(e, &e->compared[i], &e->compared_judged[i], o.out);
    return output_end(s, &o, true);
}

/* ---- files of target and policy ---------------------------------------------------------------------------------- */

static bool write_design(const exploration *e, size_t index, const char *prefix) {
    session *s = e->session;
    const trial *t = &e->trials[index];
    doc_node *target_doc, *policy_doc;
    any_target machine;
    output o;
    if (!design_documents(s, &e->base, t->point, e->layers, &target_doc, &policy_doc) ||
        !target_of(s->arena, s->diag, e->base.target_path, target_doc, &machine) ||
        !output_begin(s, &o, arena_printf(s->arena, "%s/%starget.yaml", e->directory, prefix)))
        return false;
    target_print(&machine, o.out);
    if (!output_end(s, &o, true) ||
        !output_begin(s, &o, arena_printf(s->arena, "%s/%spolicy.yaml", e->directory, prefix)))
        return false;
    const src_loc nowhere = {0};
    doc_put(s->arena, policy_doc, "name", nowhere,
            doc_scalar(s->arena, nowhere, arena_printf(s->arena, "trial-%zu", index)));
    fprintf(o.out, "# Trial %zu of a search on %s.\n", index, e->eval.task->name);
    doc_write(policy_doc, 2, o.out);
    return output_end(s, &o, true);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void put_trial(json_writer *w, const exploration *e, const trial *t, const search_trial *judged) {
    json_open(w, NULL, '{');
    w->compact = true;
    if (t->name) {
        json_str(w, "name", t->name);
    } else {
        json_int(w, "trial", (int64_t)t->number);
        json_open(w, "point", '[');
        for (size_t i = 0; i < e->space->count; i++)
            json_int(w, NULL, t->point[i]);
        json_close(w, ']');
    }
    json_int(w, "samples", (int64_t)t->samples);
    for (int i = 0; i < VALUES; i++)
        json_real(w, value_table[i].key, explore_value(e, t, &(value_ref){.kind = (value_kind)i}));
    for (size_t i = 0; i < e->metric_count; i++)
        json_real(w, e->eval.task->metrics[i].key, explore_value(e, t, &(value_ref){.kind = VALUE_METRIC, .index = i}));
    for (size_t i = 0; i < COSTS; i++)
        json_real(w, cost_table[i].key, explore_value(e, t, &(value_ref){.kind = VALUE_COST, .index = i}));
    json_str(w, "limit", *t->limit ? t->limit : NULL);
    json_bool(w, "feasible", judged->feasible);
    json_bool(w, "front", t->on_front);
    json_str(w, "error", *t->error ? t->error : NULL);
    json_close(w, '}');
    w->compact = false;
}

static void put_space(json_writer *w, const exploration *e) {
    json_open(w, "axes", '[');
    for (size_t i = 0; i < e->space->count; i++) {
        const axis *x = &e->space->axes[i];
        json_open(w, NULL, '{');
        json_str(w, "key", x->key);
        json_open(w, "values", '[');
        w->compact = true;
        for (size_t k = 0; k < x->count; k++)
            json_str(w, NULL, x->texts[k]);
        json_close(w, ']');
        w->compact = false;
        json_close(w, '}');
    }
    json_close(w, ']');
}

void explore_json(const exploration *e, FILE *out) {
    json_writer w = {.out = out};
    double reference[OBJECTIVES_MOST], compared;
    const double volume = explore_hypervolume(e, reference, &compared);
    const size_t best = explore_best(e);
    json_open(&w, NULL, '{');
    eval_put_heading(&w, &e->eval, "dtqc-explore/1");
    json_str(&w, "method", e->method->name);
    json_int(&w, "seed", (int64_t)e->search.seed);
    json_real(&w, "lambda", e->lambda);
    json_open(&w, "objectives", '[');
    for (size_t k = 0; k < e->objective_count; k++) {
        json_open(&w, NULL, '{');
        json_str(&w, "key", e->objectives[k].key);
        json_bool(&w, "high", e->objectives[k].high);
        json_real(&w, "reference", e->objective_count > 1 ? reference[k] : (double)NAN);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_real(&w, "hypervolume", volume);
    json_real(&w, "hypervolume_compared", compared);
    json_real(&w, "best", best == SIZE_MAX ? (double)NAN : (double)best);
    json_open(&w, "fp32", '{');
    json_real(&w, "loss", e->fp32_loss);
    for (size_t i = 0; i < e->metric_count; i++)
        json_real(&w, e->eval.task->metrics[i].key, e->fp32_metrics[i]);
    json_close(&w, '}');
    put_space(&w, e);
    json_open(&w, "trials", '[');
    for (size_t i = 0; i < e->search.count; i++)
        put_trial(&w, e, &e->trials[i], &e->search.trials[i]);
    json_close(&w, ']');
    json_open(&w, "compared", '[');
    for (size_t i = 0; i < e->compared_done; i++)
        put_trial(&w, e, &e->compared[i], &e->compared_judged[i]);
    json_close(&w, ']');
    json_close(&w, '}');
}

bool explore_write(exploration *e) {
    session *s = e->session;
    output o;
    explore_front(e);
    if (ranks_index(s->ranks) > 0)
        return true;
    const size_t best = explore_best(e);
    bool ok = write_csv(e, "trials.csv", false) && write_csv(e, "front.csv", true) && write_compared(e);
    ok = ok && (best == SIZE_MAX || write_design(e, best, ""));
    for (size_t i = 0; ok && e->objective_count > 1 && i < e->search.count; i++)
        if (e->trials[i].on_front)
            ok = write_design(e, i, arena_printf(s->arena, "trial-%zu.", i));
    if (!ok || !output_begin(s, &o, arena_printf(s->arena, "%s/explore.json", e->directory)))
        return false;
    explore_json(e, o.out);
    if (!output_end(s, &o, true) || !output_begin(s, &o, arena_printf(s->arena, "%s/explore.html", e->directory)))
        return false;
    explore_page(e, o.out);
    return output_end(s, &o, true);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_value(double x, int width, int digits, FILE *out) {
    char text[48];
    if (isnan(x))
        snprintf(text, sizeof text, "-");
    else if (digits)
        snprintf(text, sizeof text, "%.*f", digits, x);
    else
        number_grouped(x, text);
    fprintf(out, "  %*s", width, text);
}

/* As wide as the longest name of a row. */
static int name_width(const exploration *e) {
    size_t width = 8;
    for (size_t i = 0; i < e->compared_done; i++)
        width = strlen(e->compared[i].name) > width ? strlen(e->compared[i].name) : width;
    return width < 40 ? (int)width : 40;
}

static void print_row(const exploration *e, const char *name, const trial *t, bool fp32, FILE *out) {
    fprintf(out, "  %-*s", name_width(e), name);
    if (!fp32 && *t->error) {
        fprintf(out, "  error: %s\n", t->error);
        return;
    }
    for (int i = 0; i < VALUES; i++) {
        const value_ref v = {.kind = (value_kind)i};
        print_value(fp32 ? explore_fp32_value(e, &v) : explore_value(e, t, &v), 9, value_table[i].digits, out);
    }
    for (size_t i = 0; i < e->metric_count; i++)
        print_value(fp32 ? e->fp32_metrics[i] : explore_value(e, t, &(value_ref){.kind = VALUE_METRIC, .index = i}), 9,
                    4, out);
    for (size_t i = 0; i < COSTS; i++)
        print_value(fp32 ? (double)NAN : explore_value(e, t, &(value_ref){.kind = VALUE_COST, .index = i}), 11,
                    cost_table[i].digits, out);
    if (!fp32)
        fprintf(out, "  %7zu", t->samples);
    fputc('\n', out);
}

static void print_point(const exploration *e, const trial *t, FILE *out) {
    for (size_t i = 0; i < e->space->count; i++)
        fprintf(out, "    %s: %s\n", e->space->axes[i].key, e->space->axes[i].texts[t->point[i]]);
}

void explore_print(exploration *e, FILE *out) {
    session *s = e->session;
    double reference[OBJECTIVES_MOST], compared;
    if (given(s, OPT_json)) {
        explore_json(e, out);
        return;
    }
    const size_t count = explore_front(e), best = explore_best(e);
    const double volume = explore_hypervolume(e, reference, &compared);
    size_t failed = 0, outside = 0;
    for (size_t i = 0; i < e->search.count; i++) {
        failed += *e->trials[i].error != 0;
        outside += !*e->trials[i].error && !e->search.trials[i].feasible;
    }
    eval_print_heading(&e->eval, out);
    fprintf(out, "  %zu trials by %s, seed %" PRIu64 ", for", e->search.count, e->method->name, e->search.seed);
    for (size_t k = 0; k < e->objective_count; k++)
        fprintf(out, "%s %s", k ? "," : "", e->objectives[k].key);
    fprintf(out, "; lambda %g", e->lambda);
    if (failed)
        fprintf(out, "; %zu failed", failed);
    if (outside)
        fprintf(out, "; %zu outside of the constraints", outside);
    fprintf(out, "\n\n  %-*s", name_width(e), "trial");
    for (int i = 0; i < VALUES; i++)
        fprintf(out, "  %9s", value_table[i].title);
    for (size_t i = 0; i < e->metric_count; i++)
        fprintf(out, "  %9s", e->eval.task->metrics[i].title);
    for (int i = 0; i < COSTS; i++)
        fprintf(out, "  %11s", cost_table[i].title);
    fprintf(out, "  %7s\n", "samples");
    print_row(e, "fp32", NULL, true, out);
    for (size_t i = 0; i < e->search.count; i++)
        if (e->trials[i].on_front)
            print_row(e, arena_printf(s->arena, "%zu", i), &e->trials[i], false, out);
    if (e->compared_done)
        fputs("\n  compared\n", out);
    for (size_t i = 0; i < e->compared_done; i++)
        print_row(e, e->compared[i].name, &e->compared[i], false, out);
    if (count == 0) {
        diag_error(s->diag, (src_loc){e->directory, 0, 0}, "no trial %s; trials.csv has all of them",
                   failed == e->search.count ? "has a program that runs" : "keeps to the constraints");
        return;
    }
    if (e->objective_count > 1) {
        fprintf(out, "\n  hypervolume %.6g up to", volume);
        for (size_t k = 0; k < e->objective_count; k++)
            fprintf(out, "%s %s %.6g", k ? "," : "", e->objectives[k].key, reference[k]);
        if (e->compared_done)
            fprintf(out, "; of the %zu compared %.6g", e->compared_done, compared);
        fputc('\n', out);
    }
    fprintf(out, "\n  trial %zu\n", best);
    print_point(e, &e->trials[best], out);
    fprintf(out, "\n  %s/policy.yaml and target.yaml are trial %zu's; explore.html shows all\n", e->directory, best);
}
