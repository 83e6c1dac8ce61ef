/* dtqc eval: accuracy on data beside cycles, bytes and energy, for several ways to run a model. */
#include "frontend/cli/eval.h"

#include <string.h>

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool choose_task(eval_job *j) {
    static const eval_task *const tasks[] = {
#define TASK(id) &eval_task_##id,
#include "frontend/eval/tasks.def"
    };
    session *s = j->session;
    if (given(s, OPT_task) == given(s, OPT_against))
        return usage_error(s, "either --task or --against=fp32 says what is measured");
    const char *name = given(s, OPT_task) ? value(s, OPT_task)->text : eval_task_distance.name;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i]->name, name) == 0)
            j->task = tasks[i];
    return true;
}

static bool check_host_options(session *s) {
    static const option_id of_host_code[] = {OPT_host_cpu, OPT_no_cache};
    for (size_t i = 0; i < sizeof of_host_code / sizeof *of_host_code; i++)
        if (given(s, of_host_code[i]) && value(s, OPT_eval_engine)->word != EVAL_HOST)
            return usage_error(s, "--%s changes nothing without --engine=host", option_table[of_host_code[i]].name);
    return true;
}

/* The row that the word at `at` [n] names. */
static bool wanted_row(session *s, const char *at, size_t n, bool wanted[EVAL_ROWS]) {
    const char *word = arena_printf(s->arena, "%.*s", (int)n, at);
    for (int id = 0; id < EVAL_ROWS; id++)
        if (strcmp(word, eval_row_names[id]) == 0)
            return wanted[id] = true;
    const char *near = diag_nearest(word, eval_row_names, EVAL_ROWS);
    return usage_error(s, "--rows: there is no row '%.40s'%s%s%s", word, near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
}

/* --rows, or all that there is a policy for. */
static bool choose_rows(session *s, bool wanted[EVAL_ROWS]) {
    bool has_policy = given(s, OPT_policy);
    for (int id = 0; id < EVAL_ROWS; id++)
        wanted[id] = !given(s, OPT_rows) && (has_policy || id < EVAL_POLICY);
    for (const char *at = given(s, OPT_rows) ? value(s, OPT_rows)->text : NULL; at;) {
        size_t n = strcspn(at, ",");
        if (!wanted_row(s, at, n, wanted))
            return false;
        at = at[n] ? at + n + 1 : NULL;
    }
    for (int id = EVAL_POLICY; id < EVAL_ROWS; id++)
        if (wanted[id] && !has_policy)
            return usage_error(s, "the row '%s' needs --policy", eval_row_names[id]);
    if (given(s, OPT_seed) && !wanted[EVAL_RANDOM])
        return usage_error(s, "--seed changes nothing without the row 'random'");
    return true;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static bool open_encoder(eval_job *j) {
    session *s = j->session;
    const char *path = s->options->operands[0];
    if (is_ir_file(path))
        return usage_error(s, "eval needs a model; %s is IR, which is of one length", path);
    if (!source_open(s, path, &j->source))
        return false;
    const model *m = j->source.model;
    if (model_is_attention(m))
        return diag_error(s->diag, (src_loc){path, 0, 0}, "is a bare attention, which takes no text");
    return model_vocabulary(m) || diag_error(s->diag, (src_loc){path, 0, 0}, "has no vocabulary to read text with");
}

/* Runs and scores. The row of float32 comes first; it is what distances are from. */
static bool run_rows(eval_job *j, const bool wanted[EVAL_ROWS]) {
    session *s = j->session;
    for (int id = 0; id < EVAL_ROWS; id++) {
        if (!wanted[id] && !(id == EVAL_FP32 && j->task->against))
            continue;
        eval_row *row = &j->rows[j->count++];
        row->id = (eval_row_id)id;
        if (!eval_run_row(j, row))
            return false;
        if (j->task->one_row && !row->pooled)
            return diag_error(s->diag, (src_loc){j->source.path, 0, 0},
                              "gives a row for each token; the task '%s' needs a model that pools them to one",
                              j->task->name);
        eval_results r = {.samples = j->data.samples,
                          .labels = j->data.labels,
                          .outputs = row->outputs,
                          .reference = j->rows[0].outputs,
                          .pooled = row->pooled};
        j->task->score(s->arena, &r, row->values);
    }
    return true;
}

bool command_eval(session *s) {
    eval_job j = {.session = s};
    bool wanted[EVAL_ROWS];
    s->words = given(s, OPT_json) ? stderr : stdout;
    if (!given(s, OPT_data))
        return usage_error(s, "there is nothing to measure on: --data names a file");
    if (!choose_task(&j) || !check_host_options(s) || !choose_rows(s, wanted) || !open_encoder(&j) || !eval_read(&j))
        return false;
    bool ok = run_rows(&j, wanted);
    if (ok) {
        const eval_row *shown[EVAL_ROWS];
        size_t count = 0;
        for (size_t i = 0; i < j.count; i++)
            if (wanted[j.rows[i].id])
                shown[count++] = &j.rows[i];
        eval_print(&j, shown, count);
    }
    eval_release(&j);
    return ok;
}
