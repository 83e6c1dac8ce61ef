/* dtqc eval: a row of the table, from its policy to outputs and cost. */
#include <stdlib.h>

#include "frontend/cli/eval/eval.h"
#include "frontend/cli/host/host_code.h"
#include "frontend/cli/host/host_model.h"
#include "frontend/policy.h"

const char *const eval_row_names[EVAL_ROWS] = {"fp32", "int8", "int4", "policy", "window", "random"};

enum { LINEAR_FP32 = 1 }; /* among the words of --linear */

/* ---- what a row is ----------------------------------------------------------------------------------------------- */

/* Where only the last tokens of a window count they stay, and the one before them, from whose row the first of them is
 * read. */
static uint32_t last_rows(const session *s) {
    return (uint32_t)value(s, OPT_score_last)->number + 1;
}

static source source_of(const eval_job *j, const eval_row *row) {
    arena *a = j->session->arena;
    source src = j->source;
    if (row->id == EVAL_OTHER) {
        src.target = row->target ? *row->target : src.target;
        src.policy = row->policy ? row->policy : src.policy;
        if (!src.target.is_machine)
            src.policy = policy_uniform(a, 8);
        else if (given(j->session, OPT_score_last))
            src.policy = policy_pin_last(a, src.policy, last_rows(j->session));
        return src;
    }
    if (row->id < EVAL_POLICY) {
        src.policy = policy_uniform(a, row->id == EVAL_UNIFORM4 ? 4 : 8);
        return src;
    }
    if (given(j->session, OPT_score_last))
        src.policy = policy_pin_last(a, src.policy, last_rows(j->session));
    return src;
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */

static void add_cost(eval_cost *sum, const report *r, double inputs) {
    for (size_t l = 0; l < r->layer_count; l++)
        sum->active += inputs * (double)(r->layers[l].tokens - r->layers[l].muted);
    sum->cycles += inputs * r->cycles;
    sum->bops += inputs * (double)r->bops;
    sum->dram_bytes += inputs * (double)r->dram_bytes;
    sum->energy_pj += inputs * r->energy_pj;
}

static double count_of(const eval_data *d, uint32_t seq) {
    size_t count = 0;
    for (size_t i = 0; i < d->texts; i++)
        count += d->inputs[i].seq == seq;
    return (double)count;
}

/* Sums of whole numbers are exact, and so is what is divided but once. */
static void divide_cost(eval_cost *sum, double layers, double inputs) {
    sum->active /= layers * inputs;
    sum->cycles /= inputs;
    sum->bops /= inputs;
    sum->dram_bytes /= inputs;
    sum->energy_pj /= inputs;
}

/* The mean over all inputs of the static report of their exact lengths, each compiled once. `keep`: the modules, or
 * NULL where only their reports are wanted, whose memory is given back at once: there may be hundreds. */
static bool price(eval_job *j, const source *src, eval_cost *out, compiled *keep) {
    double layers = 1;
    for (size_t i = 0; i < j->data.length_count; i++) {
        session t = *j->session;
        compiled c;
        pass_options o;
        if (!keep)
            t.arena = arena_new();
        bool ok = pass_options_read(&t, &o) && compile_length(&t, src, j->data.lengths[i], true, &o, &c);
        if (ok && source_is_system(src)) { /* it is priced by what its runs do */
            keep[i] = c;
            continue;
        }
        report *r = ok ? report_build(t.arena, t.diag, c.module) : NULL;
        if (r) {
            add_cost(out, r, count_of(&j->data, r->seq));
            layers = (double)r->layer_count;
        }
        if (r && keep)
            keep[i] = c;
        if (!keep)
            arena_free(t.arena);
        if (!r)
            return false;
    }
    divide_cost(out, layers, (double)j->data.texts);
    if (source_is_system(src))
        out->active = j->data.tokens;
    return true;
}

/* Pruned rows have no logits to score. */
static bool check_rows(const eval_job *j, const dtq_program *p) {
    bool whole = true;
    for (size_t i = 0; i < p->stream_count; i++) {
        const dtq_stream *s = &p->streams[i];
        whole = whole && (s->layer_count == 0 || s->layers[s->layer_count - 1].slots == s->seq);
    }
    return whole || j->task->form != EVAL_LOGITS_OF_TOKENS || given(j->session, OPT_score_last) ||
           diag_error(j->session->diag, j->source.policy->loc,
                      "the policy prunes rows, which then predict nothing; `prune: keys` in the policy keeps all rows, "
                      "--score-last the last ones, which alone count then");
}

/* What choices of tokens go by in a row; of a random one the draws of its seed, which the texts continue. */
static dtq_choice choice_of(const eval_row *row) {
    return row->id == EVAL_RANDOM   ? (dtq_choice){DTQ_CHOICE_RANDOM, row->seed}
           : row->id == EVAL_WINDOW ? (dtq_choice){.kind = DTQ_CHOICE_WINDOW}
                                    : (dtq_choice){0};
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* The mean of what the runs of a system's program took. */
static void take_costs(const eval_data *d, const eval_cost *costs, eval_cost *out) {
    *out = (eval_cost){0};
    for (size_t i = 0; i < d->texts; i++) {
        out->active += costs[i].active;
        out->cycles += costs[i].cycles;
        out->bops += costs[i].bops;
        out->dram_bytes += costs[i].dram_bytes;
        out->energy_pj += costs[i].energy_pj;
    }
    divide_cost(out, 1, (double)d->texts);
}

static bool run_program(eval_job *j, eval_row *row, const compiled *modules) {
    dtq_program *p = make_program(j->session, modules, j->data.length_count);
    if (!p || !check_rows(j, p))
        return false;
    dtq_engine engine = row->id == EVAL_FP32                                   ? DTQ_ENGINE_FP32
                        : row->noise || dtq_scheme_is_system(&p->scheme)       ? DTQ_ENGINE_REF
                        : value(j->session, OPT_eval_engine)->word == EVAL_SIM ? DTQ_ENGINE_SIM
                                                                               : DTQ_ENGINE_REF;
    eval_engine g = {.program = p,
                     .engine = engine,
                     .task = j->task,
                     .name = row->name,
                     .noise = row->noise,
                     .choice = choice_of(row)};
    row->pooled = p->streams[0].output == DTQ_OUTPUT_POOLED;
    if (engine == DTQ_ENGINE_REF && dtq_scheme_is_system(&p->scheme))
        g.costs = row->run_costs ? row->run_costs : ARENA_ARRAY(j->session->arena, eval_cost, j->data.texts);
    if (!eval_run_all(j->session, &j->data, &g, row->outputs))
        return false;
    if (g.costs)
        take_costs(&j->data, g.costs, &row->cost);
    return true;
}

static bool run_host(eval_job *j, eval_row *row, const source *src) {
    host_lengths lengths = {j->data.lengths, j->data.length_count, false};
    host_model planned;
    loaded_code code;
    if (!host_model_make(j->session, src, &lengths, &planned) || !check_rows(j, planned.plan) ||
        !host_code_load(j->session, planned.code, false, &code))
        return false;
    eval_engine g = {
        .code = code.model, .plan = planned.plan, .task = j->task, .name = row->name, .choice = choice_of(row)};
    row->pooled = planned.plan->streams[0].output == DTQ_OUTPUT_POOLED;
    bool ok = eval_run_all(j->session, &j->data, &g, row->outputs);
    host_code_unload(&code);
    return ok;
}

/* What says that it is host code, given or not, is for rows that have host code. */
static bool on_host(const eval_job *j, const eval_row *row, const source *src) {
    bool other = row->id == EVAL_FP32 || row->noise || host_lacks_scheme(src);
    return value(j->session, OPT_eval_engine)->word == EVAL_HOST && !other;
}

/* Rows of another choice are of the policy's program. Only they are sure to be the job's own. */
static void take_price(const eval_job *j, eval_row *row) {
    if (row->id != EVAL_WINDOW && row->id != EVAL_RANDOM)
        return;
    for (const eval_row *before = j->rows; before < row; before++)
        if (before->id == EVAL_POLICY && !before->unpriced) {
            row->cost = before->cost;
            row->unpriced = true;
        }
}

bool eval_run_row(eval_job *j, eval_row *row) {
    session *s = j->session;
    source src = source_of(j, row);
    row->outputs = ARENA_ARRAY(s->arena, eval_vector, j->data.texts);
    if (on_host(j, row, &src)) {
        take_price(j, row);
        return (row->unpriced || price(j, &src, &row->cost, NULL)) && run_host(j, row, &src);
    }
    compiled *modules = ARENA_ARRAY(s->arena, compiled, j->data.length_count);
    const options *asked = s->options;
    options plain = *asked;
    if (row->id == EVAL_FP32) {
        plain.values[OPT_linear].word = LINEAR_FP32;
        s->options = &plain;
    }
    bool ok = price(j, &src, &row->cost, modules) && run_program(j, row, modules);
    s->options = asked;
    return ok;
}

bool eval_score_row(const eval_job *j, eval_row *row, const eval_vector *reference) {
    const eval_results r = {.diag = j->session->diag,
                            .loc = {j->source.path, 0, 0},
                            .samples = j->data.samples,
                            .labels = j->data.labels,
                            .outputs = row->outputs,
                            .reference = reference,
                            .pooled = row->pooled};
    return j->task->score(j->session->arena, &r, row->values);
}

void eval_release_row(const eval_job *j, eval_row *row) {
    for (size_t i = 0; row->outputs && i < j->data.texts; i++) {
        free(row->outputs[i].data);
        row->outputs[i].data = NULL;
    }
}
