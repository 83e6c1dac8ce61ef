/* Results of dtqc eval: a table, or JSON, schema "dtqc-eval/2" (frontend/cli/eval/EVAL.md). */
#include <math.h>
#include <string.h>

#include "frontend/cli/eval/eval.h"
#include "frontend/models/models.h"

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *engine_name(const eval_job *j) {
    const session *s = j->session;
    static const char *const names[] = {"host", "sim", "ref"};
    if (given(s, OPT_noise) || !j->source.target.is_machine)
        return names[EVAL_REF];
    return names[value(s, OPT_eval_engine)->word];
}

static size_t metric_count(const eval_task *t) {
    size_t count = 0;
    while (t->metrics[count].key)
        count++;
    return count;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void print_number(double x, int width, int digits, FILE *out) {
    if (isnan(x))
        fprintf(out, "  %*s", width, "-");
    else
        fprintf(out, "  %*.*f", width, digits, x);
}

static void print_row(const eval_job *j, const eval_row *row, int width, FILE *out) {
    fprintf(out, "  %-*s", width, row->name);
    for (size_t i = 0; i < metric_count(j->task); i++)
        print_number(row->values[i], 9, 4, out);
    const eval_cost *c = &row->cost;
    bool none = row->id == EVAL_FP32;
    print_number(c->active, 7, 1, out);
    print_number(none ? NAN : c->cycles, 9, 0, out);
    print_number(none ? NAN : c->bops / 1e6, 8, 2, out);
    print_number(none ? NAN : c->dram_bytes / 1e3, 8, 1, out);
    print_number(none ? NAN : c->energy_pj / 1e6, 8, 2, out);
    fputc('\n', out);
}

void eval_print_heading(const eval_job *j, FILE *out) {
    const session *s = j->session;
    const eval_data *d = &j->data;
    fprintf(out, "%s on %s, %s on %s: ", diag_visible(s->arena, model_name(j->source.model)),
            diag_visible(s->arena, j->source.target.name), j->task->name, diag_visible(s->arena, base_name(d->path)));
    if (j->task->read)
        fprintf(out, "%zu sample%s, %.1f tokens each text", d->samples, d->samples == 1 ? "" : "s", d->tokens);
    else
        fprintf(out, "%zu tokens in %zu window%s of %.1f", d->scored, d->samples, d->samples == 1 ? "" : "s",
                d->tokens);
    fprintf(out, "; engine %s, linear %s\n\n", engine_name(j), linear_arithmetic(s, &j->source));
}

static void print_table(const eval_job *j, const eval_row *const *shown, size_t count) {
    FILE *out = j->session->words;
    eval_print_heading(j, out);
    int width = 8;
    for (size_t i = 0; i < count; i++)
        width = (int)strlen(shown[i]->name) > width ? (int)strlen(shown[i]->name) : width;
    fprintf(out, "  %-*s", width, "row");
    for (size_t i = 0; i < metric_count(j->task); i++)
        fprintf(out, "  %9s", j->task->metrics[i].title);
    fprintf(out, "  %7s  %9s  %8s  %8s  %8s\n", "tokens", "cycles", "MBOPs", "DRAM kB", "uJ");
    for (size_t i = 0; i < count; i++)
        print_row(j, shown[i], width, out);
    fprintf(out, "\n  tokens: active ones, mean over layers; tokens and what is right of them are means of a %s\n",
            j->task->read ? "text" : "window");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

void eval_put_metrics(json_writer *w, const eval_job *j, const eval_row *row) {
    json_open(w, "metrics", '{');
    for (size_t i = 0; i < metric_count(j->task); i++)
        json_real(w, j->task->metrics[i].key, row->values[i]);
    json_close(w, '}');
}

void eval_put_heading(json_writer *w, const eval_job *j, const char *schema) {
    const session *s = j->session;
    json_str(w, "schema", schema);
    json_str(w, "model", model_name(j->source.model));
    json_str(w, "target", j->source.target.name);
    json_str(w, "task", j->task->name);
    json_str(w, "data", base_name(j->data.path));
    json_int(w, "samples", (int64_t)j->data.samples);
    json_int(w, "texts", (int64_t)j->data.texts);
    json_real(w, "tokens_per_text", j->data.tokens);
    json_real(w, "scored_tokens", j->task->read ? NAN : (double)j->data.scored);
    json_str(w, "engine", engine_name(j));
    json_str(w, "linear", linear_arithmetic(s, &j->source));
    json_str(w, "policy", j->source.policy->name);
}

static void put_row(json_writer *w, const eval_job *j, const eval_row *row) {
    bool none = row->id == EVAL_FP32;
    json_open(w, NULL, '{');
    json_str(w, "row", row->id == EVAL_OTHER ? row->name : eval_row_names[row->id]);
    if (row->id == EVAL_OTHER)
        json_str(w, "target", row->target ? row->target->name : j->source.target.name);
    json_real(w, "seed", row->id == EVAL_RANDOM ? (double)row->seed : NAN);
    eval_put_metrics(w, j, row);
    json_real(w, "active_tokens", row->cost.active);
    json_real(w, "cycles", none ? NAN : row->cost.cycles);
    json_real(w, "bops", none ? NAN : row->cost.bops);
    json_real(w, "dram_bytes", none ? NAN : row->cost.dram_bytes);
    json_real(w, "energy_pj", none ? NAN : row->cost.energy_pj);
    json_close(w, '}');
}

static void put_json(const eval_job *j, const eval_row *const *shown, size_t count) {
    json_writer w = {.out = stdout};
    json_open(&w, NULL, '{');
    eval_put_heading(&w, j, "dtqc-eval/2");
    json_open(&w, "rows", '[');
    for (size_t i = 0; i < count; i++)
        put_row(&w, j, shown[i]);
    json_close(&w, ']');
    json_close(&w, '}');
}

void eval_print(const eval_job *j, const eval_row *const *shown, size_t count) {
    if (given(j->session, OPT_json))
        put_json(j, shown, count);
    else
        print_table(j, shown, count);
}
