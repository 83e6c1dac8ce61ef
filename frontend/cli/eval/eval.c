/* dtqc eval: accuracy on data beside cycles, bytes and energy, for several ways to run a model. */
#include "frontend/cli/eval/eval.h"
#include "frontend/models/model.h"

#include <string.h>

#include "frontend/cli/host/host_code.h"
#include "frontend/cli/host/host_model.h"
#include "frontend/models/models.h"

/* ---- the command line -------------------------------------------------------------------------------------------- */

/* Options of running text, and of tables. */
static bool check_task_options(session *s, const eval_task *t) {
    static const option_id of_text[] = {OPT_documents, OPT_window, OPT_stride, OPT_bos_each, OPT_score_last};
    for (size_t i = 0; i < sizeof of_text / sizeof *of_text; i++)
        if (given(s, of_text[i]) && t->read)
            return usage_error(s, "--%s changes nothing without --task=language", option_table[of_text[i]].name);
    return t->header || !given(s, OPT_columns) ||
           usage_error(s, "--columns changes nothing without --task=classification");
}

static bool choose_task(eval_job *j) {
    static const eval_task *const tasks[] = {
#define TASK(id) &eval_task_##id,
#include "frontend/cli/eval/tasks.def"
    };
    session *s = j->session;
    if (given(s, OPT_task) == given(s, OPT_against))
        return usage_error(s, "either --task or --against=fp32 says what is measured");
    const char *name = given(s, OPT_task) ? value(s, OPT_task)->text : eval_task_distance.name;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i]->name, name) == 0)
            j->task = tasks[i];
    return check_task_options(s, j->task);
}

/* The experiment has its own rows, all of the reference engine. */
static bool check_noise_options(session *s, const eval_task *t) {
    static const option_id of_rows[] = {OPT_policy, OPT_rows, OPT_eval_engine, OPT_eval_compare};
    if (!given(s, OPT_noise))
        return true;
    if (t->against)
        return usage_error(s, "--noise needs a --task");
    for (size_t i = 0; i < sizeof of_rows / sizeof *of_rows; i++)
        if (given(s, of_rows[i]))
            return usage_error(s, "--%s changes nothing with --noise", option_table[of_rows[i]].name);
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
    if (given(s, OPT_seed) && !wanted[EVAL_RANDOM] && !given(s, OPT_noise))
        return usage_error(s, "--seed changes nothing without the row 'random'");
    return true;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* What the model puts out: rows [of the result], and whether they are logits. */
static bool find_output(eval_job *j, uint32_t seq, uint64_t shape[2], bool *logits) {
    session t = *j->session;
    t.arena = arena_new();
    const ir_module *m = build_typed(&t, &j->source, seq, true);
    const model *from = j->source.model;
    *logits = !from->bare && (from->transformer.head != HEAD_NONE || from->transformer.classes);
    for (size_t i = 0; m && i < m->op_count; i++)
        if (m->ops[i].code == IR_OUTPUT) {
            const ir_type *type = &m->types[ir_operand(m, i, 0)];
            shape[0] = type->dim[0];
            shape[1] = type->dim[1];
        }
    arena_free(t.arena);
    return m != NULL;
}

/* Whether the model puts out what the task measures. */
static bool check_form(eval_job *j) {
    session *s = j->session;
    const char *name = j->task->name;
    src_loc loc = {j->source.path, 0, 0};
    uint32_t seq = model_positions(j->source.model) > 1 ? 2 : 1;
    uint64_t shape[2] = {0};
    bool logits;
    if (!find_output(j, seq, shape, &logits))
        return false;
    switch (j->task->form) {
    case EVAL_ANY:
        return true;
    case EVAL_ONE_ROW:
        return shape[0] == 1 || diag_error(s->diag, loc,
                                           "gives a row for each token; the task '%s' needs a model that pools them to "
                                           "one",
                                           name);
    case EVAL_LOGITS:
        return (logits && shape[0] == 1) ||
               diag_error(s->diag, loc,
                          "has no classifier: the task '%s' needs a model with a head that "
                          "gives a row of logits for a text",
                          name);
    case EVAL_LOGITS_OF_TOKENS:
        return (logits && shape[0] == seq && seq > 1) ||
               diag_error(s->diag, loc,
                          "has no language head: the task '%s' needs a model that gives logits over its vocabulary for "
                          "each token",
                          name);
    }
    return true;
}

/* Rows that choose tokens by something else than the policy: none, or refused where they were asked for. */
static bool drop_choices(session *s, bool wanted[EVAL_ROWS], const char *need) {
    if ((given(s, OPT_rows) || (given(s, OPT_seed) && !given(s, OPT_noise))) && wanted[EVAL_RANDOM])
        return usage_error(s, "the row 'random' needs %s", need);
    if (given(s, OPT_rows) && wanted[EVAL_WINDOW])
        return usage_error(s, "the row 'window' needs %s", need);
    wanted[EVAL_RANDOM] = wanted[EVAL_WINDOW] = false;
    return true;
}

/* A policy of a scheme runs on the reference, and leaves nothing to choose at random. */
static bool check_scheme(eval_job *j, bool wanted[EVAL_ROWS]) {
    session *s = j->session;
    const char *scheme = host_lacks_scheme(&j->source);
    if (!scheme)
        return true;
    if (given(s, OPT_eval_engine) && value(s, OPT_eval_engine)->word == EVAL_HOST && wanted[EVAL_POLICY])
        return usage_error(s, "host code is for mixed precision only, and the %s is %s, which --engine=ref computes",
                           source_is_system(&j->source) ? "target" : "policy", scheme);
    if (!drop_choices(s, wanted, arena_printf(s->arena, "a policy that chooses tokens; %s runs all alike", scheme)))
        return false;
    if (wanted[EVAL_POLICY] && !given(s, OPT_eval_engine)) { /* one engine for the whole table */
        options *own = ARENA_NEW(s->arena, options);
        *own = *s->options;
        own->values[OPT_eval_engine].word = EVAL_REF;
        s->options = own;
    }
    return true;
}

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
    if (!model_vocabulary(m))
        return diag_error(s->diag, (src_loc){path, 0, 0}, "has no vocabulary to read text with");
    return check_form(j);
}

/* A random choice for each --seed; one row of each other kind. */
static void list_rows(eval_job *j, const bool wanted[EVAL_ROWS]) {
    static const uint32_t first[1] = {0};
    session *s = j->session;
    const option_value *seeds = value(s, OPT_seed);
    for (int id = 0; id < EVAL_RANDOM; id++) /* the rows before it */
        if (wanted[id] || (id == EVAL_FP32 && j->task->against))
            j->rows[j->count++] = (eval_row){.id = (eval_row_id)id, .name = eval_row_names[id]};
    for (size_t i = 0; wanted[EVAL_RANDOM] && i < (seeds->given ? seeds->count : 1); i++) {
        unsigned seed = (seeds->given ? seeds->lengths : first)[i];
        const char *name = seeds->count > 1 ? arena_printf(s->arena, "random%u", seed) : eval_row_names[EVAL_RANDOM];
        j->rows[j->count++] = (eval_row){.id = EVAL_RANDOM, .seed = seed, .name = name};
    }
}

/* Runs and scores. The row of float32 comes first; it is what distances are from. */
static bool run_rows(eval_job *j) {
    for (size_t i = 0; i < j->count; i++)
        if (!eval_run_row(j, &j->rows[i]) || !eval_score_row(j, &j->rows[i], j->rows[0].outputs))
            return false;
    return true;
}

/* Rows of variable-speed arrays, where the target is none. */
static bool drop_rows(eval_job *j, bool wanted[EVAL_ROWS]) {
    if (j->source.target.is_machine)
        return true;
    for (int id = EVAL_UNIFORM8; id < EVAL_ROWS; id++) {
        if (wanted[id] && given(j->session, OPT_rows))
            return usage_error(j->session, "the row '%s' is for targets of kind vssa and systolic; %s is of kind %s",
                               eval_row_names[id], j->source.target.name, j->source.target.kind);
        wanted[id] = false;
    }
    return true;
}

/* The experiment disturbs tokens by the importance that the arrays measure. */
static bool check_noise_target(const eval_job *j) {
    return !given(j->session, OPT_noise) || j->source.target.is_machine ||
           usage_error(j->session, "--noise is for targets of kind vssa and systolic; %s is of kind %s",
                       j->source.target.name, j->source.target.kind);
}

static bool run_table(eval_job *j, bool wanted[EVAL_ROWS]) {
    if (!drop_rows(j, wanted))
        return false;
    list_rows(j, wanted);
    bool ok = eval_list_others(j) && run_rows(j);
    if (ok) {
        const eval_row *shown[EVAL_SHOWN_MOST];
        size_t count = 0;
        for (size_t i = 0; i < j->count; i++)
            if (j->rows[i].id == EVAL_OTHER || wanted[j->rows[i].id])
                shown[count++] = &j->rows[i];
        eval_print(j, shown, count);
    }
    for (size_t i = 0; i < j->count; i++)
        eval_release_row(j, &j->rows[i]);
    return ok;
}

bool eval_open(eval_job *j) {
    session *s = j->session;
    if (!given(s, OPT_data))
        return usage_error(s, "there is no data to measure on; name a file with --data");
    return choose_task(j) && host_code_check(s, value(s, OPT_eval_engine)->word == EVAL_HOST) && open_encoder(j) &&
           eval_read(j);
}

bool command_eval(session *s) {
    eval_job j = {.session = s};
    bool wanted[EVAL_ROWS];
    s->words = given(s, OPT_json) ? stderr : stdout;
    if (!given(s, OPT_data))
        return usage_error(s, "there is no data to measure on; name a file with --data");
    if (!choose_task(&j) || !check_noise_options(s, j.task) ||
        !host_code_check(s, value(s, OPT_eval_engine)->word == EVAL_HOST) || !choose_rows(s, wanted) ||
        !open_encoder(&j) || !check_scheme(&j, wanted) || !check_noise_target(&j) || !eval_read(&j))
        return false;
    return given(s, OPT_noise) ? eval_noise(&j) : run_table(&j, wanted);
}
