/* dtqc explore: designs that are not searched for but stand beside what is found, those of --compare. */
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/compare.h"
#include "frontend/cli/explore.h"
#include "frontend/cli/shipped.h"
#include "frontend/files/document.h"
#include "frontend/files/edit.h"
#include "frontend/policy.h"

enum { COMPARED_MOST = 64 };

static const char shipped_word[] = "shipped";

static bool fixes_length(const policy *p) {
    bool fixed = p->all && p->all->kind != POLICY_RATIOS;
    for (size_t i = 0; i < p->layer_count; i++)
        fixed = fixed || p->layers[i].kind != POLICY_RATIOS;
    return fixed;
}

/* Whether a shipped policy is for any length, and of mixed precision: others are computed by the reference, and by name
 * only. */
static bool is_plain(session *s, const char *name) {
    diag *quiet = diag_new(s->arena, NULL);
    const policy *p = policy_load(s->arena, quiet, shipped_path(s, "policies", name));
    return p && p->scheme.kind == DTQ_SCHEME_MIXED && !fixes_length(p);
}

/* The names of --compare, `shipped` spelled out. */
static const char **names_of(session *s, size_t *count) {
    size_t given_count, shipped_count, found = 0;
    const char **names = comma_list(s, value(s, OPT_explore_compare), &given_count);
    const char **policies = shipped_list(s, "policies", &shipped_count);
    const char **all = ARENA_ARRAY(s->arena, const char *, given_count *(shipped_count + 1) + 1);
    for (size_t i = 0; i < given_count; i++) {
        if (strcmp(names[i], shipped_word) != 0) {
            all[found++] = names[i];
            continue;
        }
        for (size_t k = 0; k < shipped_count; k++)
            if (is_plain(s, policies[k]))
                all[found++] = policies[k];
    }
    *count = found;
    return all;
}

/* Target and policy of a name over those of the command line, and their hash. */
static bool open_one(exploration *e, const char *name, trial *t) {
    session *s = e->session;
    source *src = ARENA_NEW(s->arena, source);
    eval_row row;
    const char *path;
    if (!eval_load_other(s, &e->eval.source.target, name, &row, &path))
        return false;
    *src = e->eval.source;
    const doc_node *document = e->base.policy;
    if (row.target)
        src->target = *row.target;
    if (row.policy) {
        src->policy = row.policy;
        document = doc_load_family(s->arena, s->diag, path, &family_policy);
    }
    if (!document)
        return false;
    explore_settle_policy(s, src);
    src->hash = design_hash(s, src, document);
    *t = (trial){.name = row.name, .fixed = src};
    return true;
}

bool explore_compare_open(exploration *e) {
    session *s = e->session;
    if (!given(s, OPT_explore_compare))
        return true;
    const char **names = names_of(s, &e->compared_count);
    if (e->compared_count == 0 || e->compared_count > COMPARED_MOST)
        return usage_error(s, "--compare names %zu targets and policies; 1 to %d are compared", e->compared_count,
                           COMPARED_MOST);
    e->compared = ARENA_ARRAY(s->arena, trial, e->compared_count);
    e->compared_judged = ARENA_ARRAY(s->arena, search_trial, e->compared_count);
    bool ok = true;
    for (size_t i = 0; i < e->compared_count; i++) /* all mistakes are told at once */
        ok = open_one(e, names[i], &e->compared[i]) && ok;
    return ok;
}

bool explore_compare_run(exploration *e) {
    explore_price(e, e->compared, e->compared_count);
    for (size_t i = 0; i < e->compared_count; i++) {
        trial *t = &e->compared[i];
        if (!*t->error && !explore_measure(e, t, e->eval.data.samples))
            return false;
        if (*t->error && !explore_log_write(e, t))
            return false;
        e->compared_judged[i] = explore_judge(e, t);
        e->compared_done = i + 1;
        if (explore_stopped(e))
            return true;
    }
    return true;
}
