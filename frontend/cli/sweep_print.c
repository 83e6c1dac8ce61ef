/* Results of dtqc sweep: text, CSV, JSON (schema "dtqc-sweep/1"). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/cli/sweep.h"
#include "frontend/models/models.h"
#include "ir/base/number.h"

uint32_t sweep_tokens_of(const sweep *w, sweep_place at) {
    return w->lengths[at.length] ? w->lengths[at.length] : model_positions(w->models[at.model].model);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void put_number(double x, int width, int digits, FILE *out) {
    char text[48];
    if (isnan(x))
        snprintf(text, sizeof text, "-");
    else if (digits)
        snprintf(text, sizeof text, "%.*f", digits, x);
    else
        number_grouped(x, text);
    fprintf(out, "  %*s", width, text);
}

/* Columns as wide as what is in them. */
static size_t width_of(const axis *x) {
    size_t width = strlen(x->key);
    for (size_t i = 0; i < x->count; i++)
        width = strlen(x->texts[i]) > width ? strlen(x->texts[i]) : width;
    return width < 40 ? width : 40;
}

static void print_text(const sweep *w, FILE *out) {
    enum { WIDTH = 11 };
    const space *sp = w->base.space;
    uint32_t *point = ARENA_ARRAY(w->session->arena, uint32_t, sp->count);
    size_t wide = 5, failed = 0, outside = 0;
    for (size_t i = 0; i < w->model_count; i++)
        wide = strlen(w->names[i]) > wide ? strlen(w->names[i]) : wide;
    fprintf(out, "  %-*s  %6s", (int)wide, "model", "tokens");
    for (size_t i = 0; i < sp->count; i++)
        fprintf(out, "  %*s", (int)width_of(&sp->axes[i]), sp->axes[i].key);
    for (int k = 0; k < COSTS; k++)
        fprintf(out, "  %*s", WIDTH, cost_table[k].title);
    fprintf(out, "  %s\n", "limit");
    for (size_t i = 0; i < w->count; i++) {
        const sweep_result *r = &w->results[i];
        const sweep_place at = sweep_place_of(w, i);
        failed += *r->error != 0;
        outside += r->outside;
        if (r->outside)
            continue;
        fprintf(out, "%s %-*s  %6" PRIu32, w->front[i] ? "*" : " ", (int)wide, w->names[at.model],
                sweep_tokens_of(w, at));
        space_point(sp, at.point, point);
        for (size_t x = 0; x < sp->count; x++)
            fprintf(out, "  %*s", (int)width_of(&sp->axes[x]), sp->axes[x].texts[point[x]]);
        if (*r->error) {
            fprintf(out, "  error: %s\n", r->error);
            continue;
        }
        for (int k = 0; k < COSTS; k++)
            put_number(r->costs[k], WIDTH, cost_table[k].digits, out);
        fprintf(out, "  %s\n", r->limit);
    }
    fprintf(out, "\n  %zu point%s", w->count, w->count == 1 ? "" : "s");
    if (sp->constraint_count)
        fprintf(out, ", %zu of them outside of the constraints", outside);
    if (failed)
        fprintf(out, ", %zu with an error", failed);
    fputs(
        "\n  *      none of the same model and length is as good in time, energy and area, and better in one of them\n"
        "  limit  what most cycles of the critical path are spent on\n",
        out);
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

static void print_csv(const sweep *w, FILE *out) {
    const space *sp = w->base.space;
    uint32_t *point = ARENA_ARRAY(w->session->arena, uint32_t, sp->count);
    char text[NUMBER_MAX];
    fputs("model,tokens", out);
    for (size_t i = 0; i < sp->count; i++) {
        fputc(',', out);
        put_field(sp->axes[i].key, out);
    }
    for (int k = 0; k < COSTS; k++)
        fprintf(out, ",%s", cost_table[k].key);
    fputs(",limit,within,front,error\n", out);
    for (size_t i = 0; i < w->count; i++) {
        const sweep_result *r = &w->results[i];
        const sweep_place at = sweep_place_of(w, i);
        put_field(w->names[at.model], out);
        fprintf(out, ",%" PRIu32, sweep_tokens_of(w, at));
        space_point(sp, at.point, point);
        for (size_t x = 0; x < sp->count; x++) {
            fputc(',', out);
            put_field(sp->axes[x].texts[point[x]], out);
        }
        for (int k = 0; k < COSTS; k++) {
            number_shortest(r->costs[k], text);
            fprintf(out, ",%s", text);
        }
        fprintf(out, ",%s,%d,%d,", r->limit, !r->outside, w->front[i]);
        put_field(r->error, out);
        fputc('\n', out);
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void put_row(json_writer *j, const sweep *w, size_t i, uint32_t *point) {
    const space *sp = w->base.space;
    const sweep_result *r = &w->results[i];
    const sweep_place at = sweep_place_of(w, i);
    json_open(j, NULL, '{');
    j->compact = true;
    json_str(j, "model", w->names[at.model]);
    json_int(j, "tokens", sweep_tokens_of(w, at));
    space_point(sp, at.point, point);
    json_open(j, "point", '[');
    for (size_t x = 0; x < sp->count; x++)
        json_int(j, NULL, point[x]);
    json_close(j, ']');
    for (int k = 0; k < COSTS; k++)
        json_real(j, cost_table[k].key, r->costs[k]);
    json_str(j, "limit", *r->limit ? r->limit : NULL);
    json_bool(j, "within", !r->outside);
    json_bool(j, "front", w->front[i]);
    json_str(j, "error", *r->error ? r->error : NULL);
    json_close(j, '}');
    j->compact = false;
}

void sweep_json(const sweep *w, FILE *out) {
    const space *sp = w->base.space;
    json_writer j = {.out = out};
    uint32_t *point = ARENA_ARRAY(w->session->arena, uint32_t, sp->count);
    json_open(&j, NULL, '{');
    json_str(&j, "schema", "dtqc-sweep/1");
    json_open(&j, "axes", '[');
    for (size_t x = 0; x < sp->count; x++) {
        json_open(&j, NULL, '{');
        json_str(&j, "key", sp->axes[x].key);
        json_open(&j, "values", '[');
        for (size_t i = 0; i < sp->axes[x].count; i++)
            json_str(&j, NULL, sp->axes[x].texts[i]);
        json_close(&j, ']');
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_open(&j, "rows", '[');
    for (size_t i = 0; i < w->count; i++)
        put_row(&j, w, i, point);
    json_close(&j, ']');
    json_close(&j, '}');
}

void sweep_print(const sweep *w, report_format format, FILE *out) {
    if (format == REPORT_CSV)
        print_csv(w, out);
    else if (format == REPORT_JSON)
        sweep_json(w, out);
    else if (format == REPORT_HTML)
        sweep_page(w, out);
    else
        print_text(w, out);
}
