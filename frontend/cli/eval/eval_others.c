/* dtqc eval: rows of --compare, other targets and other policies on the same model and data. */
#include <string.h>
#include <sys/stat.h>

#include "frontend/cli/compare.h"
#include "frontend/cli/eval/eval.h"
#include "frontend/cli/shipped.h"
#include "frontend/files/document.h"
#include "frontend/files/edit.h"
#include "frontend/policy.h"
#include "frontend/target.h"
#include "ir/base/path.h"

static bool exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* Whether a file, or what it extends, is a target's: those of policies have no kind. */
static bool is_target(session *s, const char *path) {
    diag *quiet = diag_new(s->arena, NULL);
    const doc_node *root = doc_load_family(s->arena, quiet, path, &family_target);
    return root && root->kind == DOC_MAPPING && doc_find(root, "kind");
}

static bool unknown(session *s, const char *name) {
    size_t targets, policies;
    const char **a = shipped_list(s, "targets", &targets), **b = shipped_list(s, "policies", &policies);
    const char **all = ARENA_ARRAY(s->arena, const char *, targets + policies + 1);
    memcpy(all, a, targets * sizeof *a);
    memcpy(all + targets, b, policies * sizeof *b);
    const char *near = diag_nearest(name, all, targets + policies);
    return diag_error(s->diag, (src_loc){name, 0, 0},
                      "neither a file nor a name among the shipped targets and policies%s%s%s",
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

bool eval_load_other(session *s, const any_target *own, const char *name, eval_row *row, const char **found) {
    const char *target = shipped_path(s, "targets", name), *shipped = shipped_path(s, "policies", name);
    const char *path = exists(name) ? name : exists(target) ? target : exists(shipped) ? shipped : NULL;
    *found = path;
    dtq_error e;
    if (!path)
        return unknown(s, name);
    *row = (eval_row){.id = EVAL_OTHER, .name = path_stem(s->arena, path)};
    if (!is_target(s, path)) {
        if (!own->is_machine)
            return usage_error(s, "--compare=%s: a policy is for targets of kind vssa and systolic; %s is of kind %s",
                               name, own->name, own->kind);
        row->policy = policy_load(s->arena, s->diag, path);
        return row->policy != NULL;
    }
    any_target *t = ARENA_NEW(s->arena, any_target);
    row->target = t;
    return target_load(s->arena, s->diag, path, t) &&
           (t->is_machine || dtq_system_computes(t->system, &t->params, &e) ||
            diag_error(s->diag, (src_loc){path, 0, 0}, "%s", e.message));
}

bool eval_list_others(eval_job *j) {
    session *s = j->session;
    const any_target *own = &j->source.target;
    size_t count = 0;
    const char **names = comma_list(s, value(s, OPT_eval_compare), &count);
    const char *path;
    bool ok = true;
    dtq_error e;
    if (!own->is_machine) {
        if (!dtq_system_computes(own->system, &own->params, &e))
            return diag_error(s->diag, (src_loc){own->name, 0, 0}, "%s", e.message);
        j->rows[j->count++] = (eval_row){.id = EVAL_OTHER, .name = own->name};
    }
    if (given(s, OPT_eval_compare) && (count == 0 || count >= EVAL_OTHERS_MOST))
        return usage_error(s, "--compare names %zu targets and policies; 1 to %d are compared", count,
                           EVAL_OTHERS_MOST - 1);
    for (size_t i = 0; i < count; i++) /* all are read even if one fails, so that all mistakes are told at once */
        ok = eval_load_other(s, own, names[i], &j->rows[j->count++], &path) && ok;
    return ok;
}
