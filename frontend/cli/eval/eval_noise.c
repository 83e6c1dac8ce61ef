/* dtqc eval --noise: what noise on the most, the middling and the least important tokens costs, the experiment of
 * DTQAtten's Fig. 2(b). */
#include <math.h>
#include <stdlib.h>

#include "frontend/cli/eval/eval.h"
#include "frontend/policy.h"

/* The paper's segments of a layer's tokens by importance; the last it also prunes. */
static const struct {
    const char *key, *title;
    double from, to;
} segments[] = {
    {"important", "important", 0, 0.15},
    {"middle", "middle", 0.15, 0.85},
    {"unimportant", "unimportant", 0.85, 1},
};
enum { SEGMENTS = sizeof segments / sizeof *segments, MAGNITUDES_MOST = 32 };

static const double pruned_share = 0.15;

typedef struct {
    double magnitudes[MAGNITUDES_MOST];
    size_t count;
    eval_row clean, pruned, rows[MAGNITUDES_MOST][SEGMENTS];
} experiment;

static bool read_magnitudes(session *s, experiment *x) {
    for (const char *at = value(s, OPT_noise)->text;;) {
        char *end;
        double u = strtod(at, &end);
        if (end == at || !(u > 0 && u <= 1e6) || (*end && *end != ','))
            return usage_error(s,
                               "--noise=%.60s: magnitudes are wanted with commas between, each above 0 and at most 1e6",
                               value(s, OPT_noise)->text);
        if (x->count == MAGNITUDES_MOST)
            return usage_error(s, "--noise: at most %d magnitudes are possible", MAGNITUDES_MOST);
        x->magnitudes[x->count++] = u;
        if (!*end)
            return true;
        at = end + 1;
    }
}

/* Every layer but the first, which has no importance to choose by, loses the least important tokens. */
static policy *pruning(arena *a) {
    policy *p = ARENA_NEW(a, policy);
    *p = *policy_uniform(a, 8);
    p->all = ARENA_NEW(a, policy_layer);
    p->all->kind = POLICY_RATIOS;
    p->all->ratios[0] = pruned_share;
    p->all->ratios[2] = 1 - pruned_share;
    return p;
}

static unsigned seed_of(const session *s) {
    return given(s, OPT_seed) ? value(s, OPT_seed)->lengths[0] : 0;
}

static bool run_cell(eval_job *j, const char *name, const policy *p, const dtq_noise *noise, eval_row *row) {
    *row = (eval_row){.id = EVAL_POLICY, .name = name, .noise = noise};
    policy *own = j->source.policy;
    j->source.policy = ARENA_NEW(j->session->arena, policy);
    *j->source.policy = *p;
    bool ok = eval_run_row(j, row) && eval_score_row(j, row, NULL);
    j->source.policy = own;
    eval_release_row(j, row);
    return ok;
}

static bool run_all(eval_job *j, experiment *x) {
    session *s = j->session;
    const policy *all = policy_uniform(s->arena, 8);
    bool ok = run_cell(j, "clean", all, NULL, &x->clean) && run_cell(j, "pruned", pruning(s->arena), NULL, &x->pruned);
    for (size_t i = 0; i < x->count && ok; i++)
        for (size_t k = 0; k < SEGMENTS && ok; k++) {
            dtq_noise *noise = ARENA_NEW(s->arena, dtq_noise);
            *noise = (dtq_noise){segments[k].from, segments[k].to, x->magnitudes[i], seed_of(s)};
            const char *name = arena_printf(s->arena, "noise %g, %s", x->magnitudes[i], segments[k].title);
            ok = run_cell(j, name, all, noise, &x->rows[i][k]);
        }
    return ok;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void print_table(const eval_job *j, const experiment *x) {
    FILE *out = j->session->words;
    size_t metric = j->task->headline;
    eval_print_heading(j, out);
    fprintf(out, "  %s with noise on queries, keys and values of tokens, by their importance\n\n  %-8s",
            j->task->metrics[metric].key, "noise");
    for (size_t k = 0; k < SEGMENTS; k++)
        fprintf(out, "  %11s", segments[k].title);
    fprintf(out, "\n  %-8s  %11s  %11s  %11s\n", "", "15 %", "70 %", "15 %");
    fprintf(out, "  %-8s  %11.4f  %11.4f  %11.4f\n", "none", x->clean.values[metric], x->clean.values[metric],
            x->clean.values[metric]);
    for (size_t i = 0; i < x->count; i++) {
        fprintf(out, "  %-8g", x->magnitudes[i]);
        for (size_t k = 0; k < SEGMENTS; k++)
            fprintf(out, "  %11.4f", x->rows[i][k].values[metric]);
        fputc('\n', out);
    }
    fprintf(out, "  %-8s  %11s  %11s  %11.4f\n", "pruned", "", "", x->pruned.values[metric]);
    fputs("\n  noise is Gaussian, and its magnitude 1 the root mean square of a layer's queries, keys or values; all "
          "tokens "
          "at 8 bits\n",
          out);
}

static void put_cell(json_writer *w, const eval_job *j, const char *segment, double magnitude, const eval_row *row) {
    json_open(w, NULL, '{');
    json_str(w, "segment", segment);
    json_real(w, "magnitude", magnitude);
    eval_put_metrics(w, j, row);
    json_close(w, '}');
}

static void put_json(const eval_job *j, const experiment *x) {
    json_writer w = {.out = stdout};
    json_open(&w, NULL, '{');
    eval_put_heading(&w, j, "dtqc-eval-noise/1");
    json_int(&w, "seed", seed_of(j->session));
    json_open(&w, "rows", '[');
    put_cell(&w, j, "none", 0, &x->clean);
    for (size_t i = 0; i < x->count; i++)
        for (size_t k = 0; k < SEGMENTS; k++)
            put_cell(&w, j, segments[k].key, x->magnitudes[i], &x->rows[i][k]);
    put_cell(&w, j, "pruned", NAN, &x->pruned);
    json_close(&w, ']');
    json_close(&w, '}');
}

bool eval_noise(eval_job *j) {
    session *s = j->session;
    experiment *x = ARENA_NEW(s->arena, experiment);
    if (!read_magnitudes(s, x) || !run_all(j, x))
        return false;
    if (given(s, OPT_json))
        put_json(j, x);
    else
        print_table(j, x);
    return true;
}
