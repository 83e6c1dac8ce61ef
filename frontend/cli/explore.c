/* dtqc explore: the command line and the loop. */
#include "frontend/cli/explore.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/host/backend.h"
#include "frontend/cli/module.h"
#include "frontend/cli/spread.h"
#include "frontend/files/document.h"
#include "frontend/files/installed.h"
#include "frontend/target.h"

enum {
    KNOWN = (int)VALUES + (int)COSTS, /* names of every task */
    PROMOTED = 3 /* one of so many trials of a rung is measured on the next, of so many times the samples */
};

static const double grid_step = .05; /* of the paper's shares */

/* ---- values ------------------------------------------------------------------------------------------------------ */

const value_info value_table[VALUES] = {
#define VALUE(id, key, title, digits, doc) {key, title, digits},
#include "frontend/explore/values.def"
};

bool explore_find_value(exploration *e, const char *name, src_loc loc, value_ref *out) {
    const char *names[KNOWN + EVAL_METRICS_MOST];
    size_t count = 0;
    const cost_id known = cost_named(name);
    name = known < COSTS ? cost_table[known].key : name;
    for (int i = 0; i < VALUES; i++)
        names[count++] = value_table[i].key;
    for (int i = 0; i < COSTS; i++)
        names[count++] = cost_table[i].key;
    for (size_t i = 0; i < e->metric_count; i++)
        names[count++] = e->eval.task->metrics[i].key;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        const size_t cost = i - VALUES, metric = cost - COSTS;
        *out = i < VALUES  ? (value_ref){(value_kind)i, 0, names[i], false}
               : i < KNOWN ? (value_ref){VALUE_COST, cost, names[i], cost_table[cost].high}
                           : (value_ref){VALUE_METRIC, metric, names[i], !e->eval.task->metrics[metric].low};
        return true;
    }
    const char *near = diag_nearest(name, names, count);
    return diag_error(e->session->diag, loc, "'%.40s' is not a metric%s%s%s", name,
                      near ? "; did you mean '" : "; SPACE.md lists what is", near ? near : "", near ? "'?" : "");
}

double explore_value(const exploration *e, const trial *t, const value_ref *v) {
    if (*t->error)
        return NAN;
    switch (v->kind) {
    case VALUE_COST:
        return t->costs[v->index];
    case VALUE_EQ1:
        return t->samples ? t->loss + e->lambda * t->costs[COST_ops] : (double)NAN;
    case VALUE_LOSS:
        return t->samples ? t->loss : (double)NAN;
    case VALUE_METRIC:
        return t->samples ? t->metrics[v->index] : (double)NAN;
    }
    return NAN;
}

double explore_fp32_value(const exploration *e, const value_ref *v) {
    return v->kind == VALUE_LOSS ? e->fp32_loss : v->kind == VALUE_METRIC ? e->fp32_metrics[v->index] : (double)NAN;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool choose_objectives(exploration *e) {
    session *s = e->session;
    const char *text = given(s, OPT_objective) ? value(s, OPT_objective)->text : "eq1";
    const src_loc loc = {"option --objective", 0, 0};
    while (*text) {
        const size_t n = strcspn(text, ",");
        if (e->objective_count == OBJECTIVES_MOST)
            return usage_error(s, "--objective names more than %d", OBJECTIVES_MOST);
        if (!explore_find_value(e, arena_strndup(s->arena, text, n), loc, &e->objectives[e->objective_count++]))
            return false;
        text += n + (text[n] == ',');
    }
    for (size_t i = 0; i < e->space->constraint_count; i++) {
        const constraint *c = &e->space->constraints[i];
        if (!explore_find_value(e, c->metric, c->loc, &e->bounds[i]))
            return false;
        if (c->relative && e->bounds[i].kind != VALUE_LOSS && e->bounds[i].kind != VALUE_METRIC)
            return diag_error(s->diag, c->loc, "float32 is not a design and has no %s; write a number", c->metric);
    }
    e->bound_count = e->space->constraint_count;
    return e->objective_count > 0 || usage_error(s, "--objective names nothing");
}

static bool read_lambda(exploration *e) {
    session *s = e->session;
    e->lambda = e->eval.task->form == EVAL_LOGITS_OF_TOKENS ? .24 : .37; /* the paper's, for GPT-2 and for BERT */
    if (!given(s, OPT_lambda))
        return true;
    char *end;
    const char *text = value(s, OPT_lambda)->text;
    e->lambda = strtod(text, &end);
    return (end != text && !*end && isfinite(e->lambda) && e->lambda >= 0) ||
           usage_error(s, "--lambda=%s is not a number of at least 0", text);
}

/* Without --space: the shares of every layer that chooses among tokens, in --groups of neighbours that are tied. */
static bool default_space(exploration *e) {
    session *s = e->session;
    if (e->space)
        return true;
    if (e->layers < 2)
        return usage_error(s, "a model of one layer has no layer to choose tokens by; name what varies with --space");
    space *own = ARENA_NEW(s->arena, space);
    e->space = e->base.space = own;
    e->base.layers = true;
    const size_t free = e->layers - 1;
    size_t groups = given(s, OPT_groups) ? (size_t)value(s, OPT_groups)->number : free;
    groups = groups < free ? groups : free;
    for (size_t g = 0; g < groups; g++) {
        const size_t first = 1 + g * free / groups, last = (g + 1) * free / groups;
        const char *path = first == last ? arena_printf(s->arena, "layers.%zu.ratios", first)
                                         : arena_printf(s->arena, "layers.%zu-%zu.ratios", first, last);
        if (!space_add_shares(s->arena, s->diag, own, path, grid_step))
            return false;
    }
    return true;
}

/* The lengths that costs are of: --seq, or all of the data, each as often as it is there. */
static void choose_lengths(exploration *e) {
    session *s = e->session;
    const eval_data *d = &e->eval.data;
    const option_value *seq = value(s, OPT_seq);
    e->lengths = seq->given ? seq->lengths : d->lengths;
    e->length_count = seq->given ? seq->count : d->length_count;
    e->length_weights = ARENA_ARRAY(s->arena, double, e->length_count);
    for (size_t i = 0; i < e->length_count; i++) {
        size_t count = seq->given;
        for (size_t k = 0; k < d->texts && !seq->given; k++)
            count += d->inputs[k].seq == e->lengths[i];
        e->length_weights[i] = (double)count / (double)(seq->given ? e->length_count : d->texts);
    }
}

static bool load_surrogate(exploration *e) {
    session *s = e->session;
    const char *path = installed_library(s->arena, "libdtq_gp.so");
    const src_loc loc = {path, 0, 0};
    if (!e->method->needs_surrogate)
        return true;
    const char *why;
    surrogate_entry *entry = (surrogate_entry *)module_load(s->arena, path, SURROGATE_ENTRY, false, &why);
    if (!entry)
        return diag_error(s->diag, loc, "%s", why);
    e->search.surrogate = entry();
    return true;
}

/* Rules of importance by which a layer chooses among the tokens that the layer before has left. */
static bool rule_falls(const doc_node *n) {
    static const char *const rules[] = {"previous", "sum", "mean"};
    const doc_node *word = n && n->kind == DOC_MAPPING ? doc_find(n, "rule") : n;
    bool falls = !word;
    for (size_t i = 0; word && word->kind == DOC_SCALAR && i < sizeof rules / sizeof *rules; i++)
        falls = falls || strcmp(word->text, rules[i]) == 0;
    return falls;
}

/* Whether a token that is pruned stays so under every rule of the space. */
static bool pruned_for_good(const exploration *e) {
    bool falls = rule_falls(doc_find(e->base.policy, "importance"));
    for (size_t i = 0; i < e->space->count; i++)
        if (strcmp(e->space->axes[i].path, "importance") == 0)
            for (size_t k = 0; k < e->space->axes[i].count; k++)
                falls = falls && rule_falls(e->space->axes[i].values[k]);
    return falls;
}

/* A system takes no policy, so that a space of policies is none where all targets are systems. */
static bool check_space(exploration *e) {
    session *s = e->session;
    const any_target *t = &e->eval.source.target;
    bool of_policies = false, of_targets = false;
    for (size_t i = 0; i < e->space->count; i++) {
        of_policies = of_policies || e->space->axes[i].kind == AXIS_POLICY || e->space->axes[i].kind == AXIS_POLICY_KEY;
        of_targets = of_targets || e->space->axes[i].kind == AXIS_TARGET;
    }
    return t->is_machine || of_targets || !of_policies ||
           usage_error(
               s,
               "%s is of kind %s, which takes no policy to search for; --space with keys of its own says what varies",
               t->name, t->kind);
}

static bool open_exploration(exploration *e) {
    session *s = e->session;
    if (!given(s, OPT_found) || is_stdout(value(s, OPT_found)->text))
        return usage_error(s, "--output is missing: name the directory for the results");
    e->directory = value(s, OPT_found)->text;
    e->eval.session = s;
    if (!design_open(s, &e->base) || !eval_open(&e->eval))
        return false;
    e->space = e->base.space;
    while (e->eval.task->metrics[e->metric_count].key)
        e->metric_count++;
    e->layers = design_layers(s, &e->eval.source);
    if (!e->layers || !default_space(e) || !check_space(e) || !choose_objectives(e) || !read_lambda(e))
        return false;
    choose_lengths(e);
    if (!explore_compare_open(e))
        return false;
    e->method = &search_methods[value(s, OPT_method)->word];
    const uint64_t size = space_size(e->space);
    size_t wanted = (size_t)value(s, OPT_trials)->number;
    wanted = wanted < size ? wanted : (size_t)size;
    e->trials = ARENA_ARRAY(s->arena, trial, wanted + BATCH_MOST);
    e->search = (search){.space = e->space,
                         .seed = (uint64_t)value(s, OPT_search_seed)->number,
                         .falls = pruned_for_good(e),
                         .objectives = e->objective_count,
                         .wanted = wanted,
                         .trials = ARENA_ARRAY(s->arena, search_trial, wanted + BATCH_MOST)};
    return load_surrogate(e);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

bool explore_stopped(exploration *e) {
    e->stopped = ranks_any(e->session->ranks, interrupted);
    return e->stopped;
}

search_trial explore_judge(const exploration *e, const trial *t) {
    search_trial out = {.feasible = !*t->error};
    for (size_t k = 0; k < e->objective_count; k++) {
        const double v = explore_value(e, t, &e->objectives[k]);
        out.values[k] = e->objectives[k].high ? -v : v;
    }
    for (size_t k = 0; k < e->bound_count && out.feasible; k++) {
        const double v = explore_value(e, t, &e->bounds[k]);
        out.feasible = constraint_holds(&e->space->constraints[k], v, explore_fp32_value(e, &e->bounds[k]));
    }
    return out;
}

/* What a trial is to the search. */
static void tell_search(exploration *e, size_t i) {
    e->search.trials[i] = explore_judge(e, &e->trials[i]);
    e->search.trials[i].point = e->trials[i].point;
}

/* Whether a trial's costs alone keep to the constraints: else it is not worth measuring. */
static bool costs_hold(const exploration *e, const trial *t) {
    for (size_t k = 0; k < e->bound_count; k++)
        if (e->bounds[k].kind == VALUE_COST &&
            !constraint_holds(&e->space->constraints[k], explore_value(e, t, &e->bounds[k]), NAN))
            return false;
    return true;
}

static bool measure(exploration *e, size_t i, size_t samples) {
    trial *t = &e->trials[i];
    if (*t->error || t->samples >= samples)
        return true;
    if (!costs_hold(e, t)) {
        tell_search(e, i);
        return t->samples || explore_log_write(e, t);
    }
    const bool ok = explore_measure(e, t, samples);
    tell_search(e, i);
    return ok;
}

typedef struct {
    size_t index, rank;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank)
                              : (x->index > y->index) - (x->index < y->index);
}

/* The best third of the trials of each rung go on to the next, but the last, which is for what is to be reported. */
static bool promote(exploration *e) {
    size_t *standing = calloc(e->search.count + 1, sizeof *standing);
    ranked *list = calloc(e->search.count + 1, sizeof *list);
    bool ok = standing && list;
    for (size_t r = 0; ok && r + 2 < e->rung_count; r++) {
        size_t count = 0;
        search_ranks(&e->search, standing);
        for (size_t i = 0; i < e->search.count; i++)
            if (e->trials[i].samples >= e->rungs[r] && e->search.trials[i].feasible)
                list[count++] = (ranked){i, standing[i]};
        qsort(list, count, sizeof *list, by_rank);
        for (size_t k = 0; k < count / PROMOTED && ok; k++)
            ok = measure(e, list[k].index, e->rungs[r + 1]);
    }
    free(standing);
    free(list);
    return ok;
}

static void tell(const exploration *e, size_t done) {
    char left[32];
    if (!isatty(STDERR_FILENO))
        return;
    const size_t best = explore_best(e);
    spread_left(left, done, e->search.wanted, spread_now() - e->begun);
    fprintf(stderr, "\r\033[Ktrial %zu of %zu", done, e->search.wanted);
    if (best != SIZE_MAX)
        fprintf(stderr, ", best %s %.5g", e->objectives[0].key, explore_value(e, &e->trials[best], &e->objectives[0]));
    fprintf(stderr, ", %s ", left);
}

/* One batch: proposed, priced, measured, promoted. False if dtqc failed or there is nothing left to try. */
static bool run_batch(exploration *e, size_t batch, bool *more) {
    session *s = e->session;
    const size_t first = e->search.count, n = e->space->count;
    const size_t left = e->search.wanted - first;
    uint32_t *points = ARENA_ARRAY(s->arena, uint32_t, batch *n + 1);
    const size_t count = e->method->propose(&e->search, batch < left ? batch : left, points);
    *more = count > 0;
    for (size_t i = 0; i < count; i++)
        e->trials[first + i] = (trial){.point = points + i * n, .number = first + i};
    explore_price(e, &e->trials[first], count);
    for (size_t i = first; i < first + count; i++) {
        if (!measure(e, i, e->rungs[0]))
            return false;
        tell_search(e, i);
        if (*e->trials[i].error && !explore_log_write(e, &e->trials[i]))
            return false;
        e->search.count = i + 1;
        explore_front(e);
        tell(e, i + 1);
        if (explore_stopped(e))
            return true;
    }
    return promote(e);
}

/* Measures what is to be reported on all data: until the front as it is then has been. */
static bool finish(exploration *e) {
    for (bool again = true; again && !e->stopped;) {
        again = false;
        explore_front(e);
        for (size_t i = 0; i < e->search.count && !e->stopped; i++) {
            if (!e->trials[i].on_front || e->trials[i].samples >= e->eval.data.samples)
                continue;
            if (!measure(e, i, e->eval.data.samples))
                return false;
            again = true;
            explore_stopped(e);
            if (e->objective_count == 1)
                break;
        }
    }
    explore_front(e);
    return true;
}

static bool search_all(exploration *e) {
    const size_t batch = (size_t)value(e->session, OPT_batch)->number;
    static const int signals[] = {SIGINT, SIGTERM}; /* Open MPI's mpirun answers SIGINT by SIGTERM to every process */
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}, before[SIGNALS];
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    e->begun = spread_now();
    bool ok = true;
    for (bool more = true; ok && more && !e->stopped && e->search.count < e->search.wanted;)
        ok = run_batch(e, batch, &more);
    ok = ok && (e->stopped || finish(e)) && (e->stopped || explore_compare_run(e));
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    return ok;
}

bool command_explore(session *s) {
    exploration e = {.session = s};
    s->words = given(s, OPT_json) ? stderr : stdout;
    if (!open_exploration(&e))
        return false;
    if (mkdir(e.directory, 0777) != 0 && errno != EEXIST)
        return diag_error(s->diag, (src_loc){e.directory, 0, 0}, "cannot be made: %s", strerror(errno));
    bool ok = explore_log_open(&e) && explore_prepare(&e) && search_all(&e) && explore_write(&e);
    if (ok)
        explore_print(&e, stdout);
    if (e.log)
        fclose(e.log);
    explore_release(&e);
    if (ok && e.stopped)
        return diag_error(s->diag, (src_loc){0},
                          "interrupted after %zu of %zu trials; the same command with --resume goes on", e.search.count,
                          e.search.wanted);
    return ok && diag_exit_code(s->diag) == EXIT_OK;
}
