/* dtqc explore: what trials cost, and what they do to data. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/eval/metrics.h"
#include "frontend/cli/explore.h"
#include "frontend/cli/spread.h"
#include "frontend/explore/random.h"
#include "frontend/policy.h"

enum { FIRST_LEAST = 32, GROWTH = 3, FOR_ORDER = 51 };

/* ---- cost -------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t hash;
    double costs[COSTS];
    char limit[16], error[232];
    bool by_runs;
} priced;

typedef struct {
    exploration *e;
    const trial *list;
} pricing;

/* Rows that --score-last reads from, as eval has them (eval_row.c). */
void explore_settle_policy(session *s, source *src) {
    if (!src->target.is_machine)
        src->policy = policy_uniform(s->arena, 8);
    else if (given(s, OPT_score_last))
        src->policy = policy_pin_last(s->arena, src->policy, (uint32_t)value(s, OPT_score_last)->number + 1);
}

static bool apply(const exploration *e, session *s, const trial *t, source *src) {
    *src = t->fixed ? *t->fixed : e->eval.source;
    if (t->fixed)
        return true;
    if (!design_apply(s, &e->base, t->point, e->layers, src))
        return false;
    explore_settle_policy(s, src);
    return true;
}

static void price(void *context, session *s, size_t item, void *result) {
    const pricing *p = context;
    const exploration *e = p->e;
    const size_t length = item % e->length_count;
    priced *r = result;
    source src;
    const char *limit = NULL;
    *r = (priced){0};
    if (apply(e, s, &p->list[item / e->length_count], &src) &&
        design_price(s, &src, e->lengths[length], e->length_weights[length], r->costs, &limit)) {
        r->hash = src.hash;
        r->by_runs = !src.target.is_machine && !given(s, OPT_seq);
        snprintf(r->limit, sizeof r->limit, "%s", limit ? limit : "");
    } else {
        snprintf(r->error, sizeof r->error, "%s", design_error(s->arena, s->diag));
    }
}

void explore_price(exploration *e, trial *list, size_t count) {
    const size_t items = count * e->length_count;
    pricing p = {e, list};
    priced *all = calloc(items + 1, sizeof *all);
    if (!all)
        return;
    spread_run(e->session, items, sizeof *all, all, price, &p, NULL);
    for (size_t i = 0; i < count; i++) {
        trial *t = &list[i];
        for (size_t k = 0; k < e->length_count; k++) { /* always in this order */
            const priced *r = &all[i * e->length_count + k];
            for (int c = 0; c < COSTS; c++)
                t->costs[c] = c == COST_area_mm2 ? r->costs[c] : t->costs[c] + r->costs[c];
            t->hash = r->hash;
            t->by_runs = r->by_runs;
            memcpy(t->limit, r->limit, sizeof t->limit); /* of the longest */
            if (*r->error && !*t->error)
                memcpy(t->error, r->error, sizeof t->error);
        }
    }
    free(all);
}

/* ---- parts of the data ------------------------------------------------------------------------------------------- */

static size_t texts_each(const exploration *e) {
    return e->eval.data.texts / e->eval.data.samples;
}

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The first `count` samples of the order, as they stand in the data. */
static uint32_t *chosen(const exploration *e, size_t count) {
    uint32_t *list = calloc(count + 1, sizeof *list);
    if (list) {
        memcpy(list, e->order, count * sizeof *list);
        qsort(list, count, sizeof *list, ascending);
    }
    return list;
}

/* What an output costs, and for how many tokens or texts it stands. */
static void sample_loss(const exploration *e, size_t sample, const eval_vector *outputs, double *sum, double *count) {
    const eval_task *task = e->eval.task;
    const size_t each = texts_each(e), first = sample * each;
    for (size_t i = first; i < first + each; i++) {
        const eval_vector *out = &outputs[i], *ref = &e->reference.outputs[i];
        if (task->form == EVAL_LOGITS_OF_TOKENS) {
            for (size_t k = 0; k < out->count; k++)
                *sum += (double)out->data[k];
            *count += (double)out->count;
        } else if (task->form == EVAL_LOGITS) {
            *sum += metric_cross_entropy(out->data, out->count, (size_t)e->eval.data.labels[sample]);
            *count += 1;
        } else {
            *sum += 1 - metric_cosine(out->data, ref->data, ref->count);
            *count += 1;
        }
    }
}

static double loss_of(const exploration *e, const uint32_t *list, size_t count, const eval_vector *outputs) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < count; i++)
        sample_loss(e, list[i], outputs, &sum, &weight);
    return sum / weight;
}

static bool score(const exploration *e, const uint32_t *list, size_t count, const eval_vector *outputs,
                  double *values) {
    const size_t each = texts_each(e);
    arena *a = arena_new();
    double *labels = ARENA_ARRAY(a, double, count + 1);
    eval_vector *out = ARENA_ARRAY(a, eval_vector, count * each + 1),
                *ref = ARENA_ARRAY(a, eval_vector, count * each + 1);
    for (size_t i = 0; i < count; i++) {
        labels[i] = e->eval.data.labels ? e->eval.data.labels[list[i]] : 0;
        memcpy(out + i * each, outputs + list[i] * each, each * sizeof *out);
        memcpy(ref + i * each, e->reference.outputs + list[i] * each, each * sizeof *ref);
    }
    const eval_results r = {.diag = e->session->diag,
                            .loc = {e->eval.source.path, 0, 0},
                            .samples = count,
                            .labels = labels,
                            .outputs = out,
                            .reference = ref,
                            .pooled = e->reference.pooled};
    const bool ok = e->eval.task->score(a, &r, values);
    arena_free(a);
    return ok;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Outputs of those of the chosen samples that have none. */
static bool run_missing(exploration *e, const uint32_t *list, size_t count, eval_row *row, session *s,
                        const source *src, eval_vector *outputs, eval_cost *costs) {
    const size_t each = texts_each(e);
    eval_job part = e->eval;
    size_t *places = ARENA_ARRAY(s->arena, size_t, count *each + 1);
    part.session = s;
    if (src)
        part.source = *src;
    part.data.inputs = ARENA_ARRAY(s->arena, eval_input, count * each + 1);
    part.data.texts = part.data.samples = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < each; k++) {
            const size_t at = list[i] * each + k;
            if (outputs[at].data)
                continue;
            places[part.data.texts] = at;
            part.data.inputs[part.data.texts++] = e->eval.data.inputs[at];
        }
    part.data.samples = part.data.texts / each;
    if (part.data.texts == 0)
        return true;
    eval_find_lengths(s->arena, &part.data);
    row->run_costs = costs ? ARENA_ARRAY(s->arena, eval_cost, part.data.texts) : NULL;
    const bool ok = eval_run_row(&part, row);
    for (size_t i = 0; row->outputs && i < part.data.texts; i++)
        outputs[places[i]] = row->outputs[i];
    for (size_t i = 0; ok && costs && i < part.data.texts; i++)
        costs[places[i]] = row->run_costs[i];
    row->outputs = NULL;
    row->run_costs = NULL;
    return ok;
}

static bool run_trial(exploration *e, trial *t, const uint32_t *list, size_t count) {
    session s = *e->session;
    source src;
    s.arena = arena_new();
    s.diag = diag_new(s.arena, NULL);
    eval_row row = {.id = EVAL_OTHER, .unpriced = true};
    const size_t texts = e->eval.data.texts;
    if (!t->outputs)
        t->outputs = calloc(texts + 1, sizeof *t->outputs);
    if (!t->run_costs && t->by_runs)
        t->run_costs = calloc(texts + 1, sizeof *t->run_costs);
    bool ok = t->outputs && (t->run_costs || !t->by_runs) && apply(e, &s, t, &src);
    row.target = &src.target;
    row.policy = ok ? src.policy : NULL;
    ok = ok && run_missing(e, list, count, &row, &s, &src, t->outputs, t->run_costs);
    if (!ok)
        snprintf(t->error, sizeof t->error, "%s", design_error(s.arena, s.diag));
    const bool ours = diag_count(s.diag, DIAG_INTERNAL) > 0;
    if (ours)
        diag_internal(e->session->diag, (src_loc){0}, "%s", t->error);
    arena_free(s.arena);
    return !ours;
}

/* The mean of what a system's runs took, which depends on data. */
static void take_run_costs(const exploration *e, trial *t, const uint32_t *list, size_t count) {
    const size_t each = texts_each(e);
    const double n = (double)(count * each), us_a_cycle = t->costs[COST_time_us] / t->costs[COST_cycles];
    eval_cost sum = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t k = list[i] * each; k < (list[i] + 1) * each; k++) {
            sum.cycles += t->run_costs[k].cycles;
            sum.dram_bytes += t->run_costs[k].dram_bytes;
            sum.energy_pj += t->run_costs[k].energy_pj;
        }
    t->costs[COST_cycles] = sum.cycles / n;
    t->costs[COST_time_us] = t->costs[COST_cycles] * us_a_cycle;
    t->costs[COST_dram_bytes] = sum.dram_bytes / n;
    t->costs[COST_energy_uj] = sum.energy_pj / n / 1e6;
    t->costs[COST_utilisation] = NAN; /* of what it left out nothing is known */
}

bool explore_measure(exploration *e, trial *t, size_t samples) {
    const eval_data *d = &e->eval.data;
    const double begun = spread_now();
    samples = samples < d->samples ? samples : d->samples;
    if (explore_log_find(e, samples, t))
        return true;
    uint32_t *list = chosen(e, samples);
    bool ok = list && run_trial(e, t, list, samples);
    double here[EVAL_METRICS_MOST], there[EVAL_METRICS_MOST];
    if (ok && !*t->error) {
        const bool all = samples == d->samples;
        t->samples = samples;
        if (t->by_runs)
            take_run_costs(e, t, list, samples);
        t->loss = loss_of(e, list, samples, t->outputs);
        ok = score(e, list, samples, t->outputs, here) && score(e, list, samples, e->reference.outputs, there);
        if (!all)
            t->loss += e->fp32_loss - loss_of(e, list, samples, e->reference.outputs);
        for (size_t i = 0; i < e->metric_count; i++)
            t->metrics[i] = all ? here[i] : here[i] - there[i] + e->fp32_metrics[i];
    }
    free(list);
    t->seconds += spread_now() - begun;
    return ok && explore_log_write(e, t);
}

/* ---- float32, and in which order samples come -------------------------------------------------------------------- */

static void choose_rungs(exploration *e) {
    const size_t all = e->eval.data.samples;
    size_t first = given(e->session, OPT_first) ? (size_t)value(e->session, OPT_first)->number : 0;
    size_t rungs[RUNGS_MOST], count = 0;
    if (!first)
        for (first = all; first / GROWTH >= FIRST_LEAST && count < 4; count++)
            first /= GROWTH;
    count = 0;
    for (size_t n = first < all ? first : all; n < all && count + 1 < RUNGS_MOST; n *= GROWTH)
        rungs[count++] = n;
    /* what is nearly all is all */
    count -= count > 1 && rungs[count - 1] * 3 > all * 2;
    rungs[count++] = all;
    memcpy(e->rungs, rungs, count * sizeof *rungs);
    e->rung_count = count;
}

bool explore_prepare(exploration *e) {
    session *s = e->session;
    const size_t samples = e->eval.data.samples;
    uint64_t state = random_state(1, FOR_ORDER, 0); /* of the data alone: searches of other seeds see the same parts */
    e->order = ARENA_ARRAY(s->arena, uint32_t, samples);
    for (size_t i = 0; i < samples; i++) {
        const uint32_t k = random_below(&state, (uint32_t)i + 1);
        e->order[i] = e->order[k];
        e->order[k] = (uint32_t)i;
    }
    choose_rungs(e);
    e->reference = (eval_row){.id = EVAL_FP32, .name = "fp32", .outputs = NULL};
    eval_row row = e->reference;
    uint32_t *list = chosen(e, samples);
    e->reference.outputs = calloc(e->eval.data.texts + 1, sizeof *e->reference.outputs);
    /* trials have sessions of their own, which share what is opened once */
    bool ok = list && e->reference.outputs && known_files(s) &&
              run_missing(e, list, samples, &row, s, NULL, e->reference.outputs, NULL);
    e->reference.pooled = row.pooled;
    ok = ok && score(e, list, samples, e->reference.outputs, e->fp32_metrics);
    e->fp32_loss = ok ? loss_of(e, list, samples, e->reference.outputs) : (double)NAN;
    free(list);
    return ok;
}

static void free_outputs(eval_vector *outputs, size_t count) {
    for (size_t i = 0; outputs && i < count; i++)
        free(outputs[i].data);
    free(outputs);
}

static void free_trial(trial *t, size_t texts) {
    free_outputs(t->outputs, texts);
    free(t->run_costs);
}

void explore_release(exploration *e) {
    const size_t texts = e->eval.data.texts;
    for (size_t i = 0; e->trials && i < e->search.wanted; i++)
        free_trial(&e->trials[i], texts);
    for (size_t i = 0; e->compared && i < e->compared_count; i++)
        free_trial(&e->compared[i], texts);
    free_outputs(e->reference.outputs, texts);
}
