/* dtqc eval: a model's accuracy beside what it costs. Private to eval*.c. */
#ifndef DTQ_CLI_EVAL_H
#define DTQ_CLI_EVAL_H

#include "frontend/cli/eval/task.h"
#include "frontend/cli/pipeline.h"
#include "frontend/policy.h"
#include "frontend/target.h"
#include "frontend/tokenizer/tokenizers.h"
#include "runtime/host/abi.h"

/** The data, tokenised. */
typedef struct {
    const char *path;
    size_t samples, texts;
    double *labels;     /* [samples]; NULL: there are none */
    eval_input *inputs; /* [texts], those of a sample one after the other */
    size_t scored;      /* of running text: tokens that count */
    uint32_t *lengths;  /* every length that an input has, ascending [length_count] */
    size_t length_count;
    double tokens; /* mean of an input */
} eval_data;

/** What an input of one length costs, or the mean over all inputs. */
typedef struct {
    double active; /* tokens, mean over the layers */
    double cycles, bops, dram_bytes, energy_pj;
} eval_cost;

/** Words of --engine. */
enum { EVAL_HOST, EVAL_SIM, EVAL_REF };

/** How a row computes. */
typedef enum { EVAL_FP32, EVAL_UNIFORM8, EVAL_UNIFORM4, EVAL_POLICY, EVAL_WINDOW, EVAL_RANDOM, EVAL_OTHER } eval_row_id;
enum {
    EVAL_ROWS = EVAL_RANDOM + 1, /* that --rows names; EVAL_OTHER are of --compare */
    EVAL_OTHERS_MOST = 32,
    EVAL_SHOWN_MOST = EVAL_ROWS + DTQ_RANDOM_SEEDS + EVAL_OTHERS_MOST
};

typedef struct {
    eval_row_id id;
    unsigned seed;            /* of a random choice */
    const char *name;         /* as it is shown */
    const any_target *target; /* of EVAL_OTHER; NULL: that of the command line */
    policy *policy;           /* of EVAL_OTHER; NULL: that of the command line, where it is for the target */
    const dtq_noise *noise;   /* of the reference engine, another for each text; or NULL */
    eval_vector *outputs;     /* [texts] */
    bool pooled;
    eval_cost *run_costs; /* [texts] of a system: filled with what each run took; or NULL */
    bool unpriced;        /* outputs alone are wanted; of rows that are host code */
    double values[EVAL_METRICS_MOST];
    eval_cost cost; /* of no meaning for float32, which is no program of the accelerator */
} eval_row;

typedef struct {
    session *session;
    const eval_task *task;
    source source;
    eval_data data;
    size_t count;
    eval_row rows[EVAL_SHOWN_MOST];
} eval_job;

extern const char *const eval_row_names[EVAL_ROWS];

/** Opens what --task, the model and --data say, and checks that they go together. */
bool eval_open(eval_job *j);
/** Reads and tokenises --data as the task says, the first --limit samples, those of --min-tokens or more. */
bool eval_read(eval_job *j);
/** Every length that an input has, once, and the mean: of data whose inputs are there. */
void eval_find_lengths(arena *a, eval_data *d);
/** eval_read of running text: documents as --documents says, windows by --window, --stride and --score-last. */
bool eval_read_windows(eval_job *j, const tokenizer *words, const char *text);

/** Adds a row for each target and policy that --compare names, and one for the command line's target if that is a
 *  system. */
bool eval_list_others(eval_job *j);
/** A row for a name of --compare: a file, a shipped target or a shipped policy. *found: its file. */
bool eval_load_other(session *s, const any_target *own, const char *name, eval_row *row, const char **found);

/** Runs a row over all inputs: fills outputs and cost. */
bool eval_run_row(eval_job *j, eval_row *row);
/** Fills values. `reference`: outputs of float32 for tasks that compare with them, else NULL. */
bool eval_score_row(const eval_job *j, eval_row *row, const eval_vector *reference);
void eval_release_row(const eval_job *j, eval_row *row);

/** Runs the table of --noise, and prints it. */
bool eval_noise(eval_job *j);

/** One run of the runtime by whichever engine, on all inputs, in several threads. */
typedef struct {
    const dtq_program *program; /* with streams of all lengths; NULL: host code */
    const dtq_host_model *code; /* of host code */
    const dtq_program *plan;
    dtq_engine engine; /* of a program */
    const eval_task *task;
    const char *name;       /* of the row, for progress on a terminal */
    const dtq_noise *noise; /* its seed is another for each text; or NULL */
    dtq_choice choice;      /* of a random one another seed for each text */
    eval_cost *costs;       /* [texts], of a system's program: filled by its cost model and each run; or NULL */
} eval_engine;
/** Fills outputs [texts] with what the task needs of them; their data is malloc'd. */
bool eval_run_all(session *s, const eval_data *data, const eval_engine *engine, eval_vector *outputs);

/** Prints the table, and JSON if --json says so. */
void eval_print(const eval_job *j, const eval_row *const *shown, size_t count);
/** What was measured, a line and a blank one; the same as members of a JSON object; the metrics of a row. */
void eval_print_heading(const eval_job *j, FILE *out);
void eval_put_heading(json_writer *w, const eval_job *j, const char *schema);
void eval_put_metrics(json_writer *w, const eval_job *j, const eval_row *row);

#endif
