/* dtqc sweep: every combination of a space, priced without data. */
#include "frontend/cli/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/shipped.h"
#include "frontend/cli/spread.h"
#include "frontend/explore/pareto.h"
#include "frontend/models/models.h"

enum { ROWS_MOST = 1 << 24, ROWS_OF_PAGE_MOST = 20000 };

sweep_place sweep_place_of(const sweep *w, size_t row) {
    const uint64_t points = w->points, lengths = w->length_count;
    return (sweep_place){row / points / lengths, row / points % lengths, row % points};
}

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

/* Constraints of a sweep are of what is known without data. */
static bool check_constraints(session *s, const space *sp) {
    bool ok = true;
    const char *names[COSTS];
    for (int i = 0; i < COSTS; i++)
        names[i] = cost_table[i].key;
    for (size_t i = 0; i < sp->constraint_count; i++) {
        const constraint *c = &sp->constraints[i];
        const bool known = cost_named(c->metric) < COSTS;
        const char *near = known ? NULL : diag_nearest(c->metric, names, COSTS);
        if (!known)
            ok = diag_error(s->diag, c->loc, "'%.40s' is not known without data%s%s%s", c->metric,
                            near ? "; did you mean '" : "; `dtqc explore` measures on data", near ? near : "",
                            near ? "'?" : "");
        else if (c->relative)
            ok = diag_error(s->diag, c->loc, "float32 is not a design and has no %s; write a number", c->metric);
    }
    return ok;
}

static bool open_models(sweep *w) {
    session *s = w->session;
    const options *o = s->options;
    w->model_count = o->operand_count;
    w->models = ARENA_ARRAY(s->arena, source, w->model_count);
    w->names = ARENA_ARRAY(s->arena, const char *, w->model_count);
    w->layers = ARENA_ARRAY(s->arena, size_t, w->model_count);
    for (size_t i = 0; i < w->model_count; i++) {
        source *src = &w->models[i];
        if (is_ir_file(o->operands[i]) || is_program_file(o->operands[i]))
            return usage_error(s, "sweep needs models; %s is compiled for one target and policy", o->operands[i]);
        const char *found = shipped_find(s, "models", o->operands[i]);
        *src = (source){.path = found, .model = found ? model_load(s->arena, s->diag, found) : NULL};
        if (!src->model)
            return false;
        w->names[i] = model_name(src->model);
        w->layers[i] = design_layers(s, src);
        if (!w->layers[i])
            return false;
    }
    return true;
}

static bool open_sweep(sweep *w) {
    static const uint32_t own[1] = {0};
    session *s = w->session;
    const option_value *seq = value(s, OPT_seq);
    if (!given(s, OPT_space))
        return usage_error(s, "--space is missing: name the file that says what varies");
    if (!design_open(s, &w->base) || !check_constraints(s, w->base.space) || !open_models(w))
        return false;
    w->lengths = seq->given ? seq->lengths : own;
    w->length_count = seq->given ? seq->count : 1;
    w->points = space_size(w->base.space);
    const double rows = (double)w->points * (double)w->length_count * (double)w->model_count;
    if (rows > (double)ROWS_MOST)
        return diag_error(s->diag, (src_loc){value(s, OPT_space)->text, 0, 0},
                          "has %.3g combinations; a sweep walks at most %d, and `dtqc explore` searches more", rows,
                          ROWS_MOST);
    if (value(s, OPT_report)->word == REPORT_HTML && rows > (double)ROWS_OF_PAGE_MOST)
        return diag_error(s->diag, (src_loc){value(s, OPT_space)->text, 0, 0},
                          "has %.0f combinations; a page shows at most %d, and --report=csv has all of them", rows,
                          ROWS_OF_PAGE_MOST);
    w->count = (size_t)w->points * w->length_count * w->model_count;
    w->results = calloc(w->count, sizeof *w->results);
    w->front = calloc(w->count, sizeof *w->front);
    return (w->results && w->front) || diag_internal(s->diag, (src_loc){0}, "no memory for %zu rows", w->count);
}

/* ---- computing --------------------------------------------------------------------------------------------------- */

static bool keeps(const space *sp, const double costs[COSTS]) {
    for (size_t i = 0; i < sp->constraint_count; i++) {
        const double cost = costs[cost_named(sp->constraints[i].metric)];
        if (!isnan(cost) && !constraint_holds(&sp->constraints[i], cost, NAN))
            return false;
    }
    return true;
}

static bool apply(const sweep *w, session *s, size_t row, source *src) {
    const sweep_place at = sweep_place_of(w, row);
    uint32_t *point = ARENA_ARRAY(s->arena, uint32_t, w->base.space->count);
    space_point(w->base.space, at.point, point);
    *src = w->models[at.model];
    return design_apply(s, &w->base, point, w->layers[at.model], src);
}

static void fail(session *s, sweep_result *r) {
    snprintf(r->error, sizeof r->error, "%s", design_error(s->arena, s->diag));
}

/* What target and policy a point has, and its area: points that are alike are priced once. */
static void place(void *context, session *s, size_t row, void *result) {
    const sweep *w = context;
    sweep_result *r = result;
    source src;
    *r = (sweep_result){0};
    for (int i = 0; i < COSTS; i++)
        r->costs[i] = NAN;
    if (!apply(w, s, row, &src)) {
        fail(s, r);
        return;
    }
    const sweep_place at = sweep_place_of(w, row);
    const uint64_t own[2] = {at.model, at.length};
    r->hash = src.hash ^ (own[0] << 48) ^ (own[1] << 32);
    r->costs[COST_area_mm2] = design_area(&src.target);
    r->outside = !keeps(w->base.space, r->costs);
}

typedef struct {
    const sweep *sweep;
    const size_t *rows; /* of items */
} pricing;

static void price(void *context, session *s, size_t i, void *result) {
    const pricing *p = context;
    const sweep *w = p->sweep;
    sweep_result *r = result;
    source src;
    const char *limit = NULL;
    *r = w->results[p->rows[i]];
    double costs[COSTS] = {0};
    if (!apply(w, s, p->rows[i], &src) ||
        !design_price(s, &src, w->lengths[sweep_place_of(w, p->rows[i]).length], 1, costs, &limit)) {
        fail(s, r);
        return;
    }
    memcpy(r->costs, costs, sizeof costs);
    snprintf(r->limit, sizeof r->limit, "%s", limit ? limit : "");
    r->outside = !keeps(w->base.space, costs);
}

typedef struct {
    uint64_t hash;
    size_t row;
} keyed;

static int by_hash(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : (x->row > y->row) - (x->row < y->row);
}

static int by_row(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Prices each target and policy once, and gives the rest what is known. */
static bool price_all(sweep *w) {
    session *s = w->session;
    keyed *keys = calloc(w->count + 1, sizeof *keys);
    size_t *rows = calloc(w->count + 1, sizeof *rows), wanted = 0, known = 0;
    sweep_result *fresh = calloc(w->count + 1, sizeof *fresh);
    bool ok = keys && rows && fresh;
    for (size_t i = 0; ok && i < w->count; i++)
        if (!*w->results[i].error && !w->results[i].outside)
            keys[known++] = (keyed){w->results[i].hash, i};
    if (ok)
        qsort(keys, known, sizeof *keys, by_hash);
    for (size_t i = 0; i < known; i++)
        if (i == 0 || keys[i].hash != keys[i - 1].hash)
            rows[wanted++] = keys[i].row;
    if (ok) {
        qsort(rows, wanted, sizeof *rows, by_row);
        pricing p = {w, rows};
        spread_run(s, wanted, sizeof *fresh, fresh, price, &p, "point");
        for (size_t i = 0; i < wanted; i++)
            w->results[rows[i]] = fresh[i];
        for (size_t i = 1; i < known; i++)
            if (keys[i].hash == keys[i - 1].hash)
                w->results[keys[i].row] = w->results[keys[i - 1].row];
    }
    free(keys);
    free(rows);
    free(fresh);
    return ok || diag_internal(s->diag, (src_loc){0}, "no memory for %zu rows", w->count);
}

/* The front of each model and length. */
static bool mark_fronts(sweep *w) {
    enum { GOALS = 3 };
    double *values = calloc(w->points * GOALS + 1, sizeof *values);
    if (!values)
        return diag_internal(w->session->diag, (src_loc){0}, "no memory for %zu rows", w->count);
    for (size_t first = 0; first < w->count; first += w->points) {
        for (size_t i = 0; i < w->points; i++) {
            const sweep_result *r = &w->results[first + i];
            const bool counts = !*r->error && !r->outside;
            const double area = isnan(r->costs[COST_area_mm2]) ? 0 : r->costs[COST_area_mm2];
            values[i * GOALS] = counts ? r->costs[COST_time_us] : (double)NAN;
            values[i * GOALS + 1] = counts ? r->costs[COST_energy_uj] : (double)NAN;
            values[i * GOALS + 2] = counts ? area : (double)NAN;
        }
        pareto_front(values, w->points, GOALS, w->front + first);
    }
    free(values);
    return true;
}

bool command_sweep(session *s) {
    sweep w = {.session = s};
    output o;
    const char *path = given(s, OPT_output) ? value(s, OPT_output)->text : "-";
    bool ok = open_sweep(&w);
    if (ok) {
        spread_run(s, w.count, sizeof *w.results, w.results, place, &w, NULL);
        ok = price_all(&w) && mark_fronts(&w);
        if (ok && ranks_index(s->ranks) == 0 && (ok = output_begin(s, &o, path))) {
            sweep_print(&w, (report_format)value(s, OPT_report)->word, o.out);
            ok = output_end(s, &o, true);
        }
    }
    free(w.results);
    free(w.front);
    return ok;
}
