/* dtqc eval: a model's accuracy beside what it costs. Private to eval*.c. */
#ifndef DTQ_CLI_EVAL_H
#define DTQ_CLI_EVAL_H

#include "frontend/cli/pipeline.h"
#include "frontend/eval/task.h"

typedef struct {
    uint32_t seq;
    const uint32_t *tokens, *segments; /* [seq] */
} eval_text;

/** The data, tokenised. */
typedef struct {
    const char *path;
    size_t samples, texts;
    double *labels;    /* [samples] */
    eval_text *inputs; /* [texts], those of a sample one after the other */
    uint32_t *lengths; /* every length that an input has, ascending [length_count] */
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
typedef enum { EVAL_FP32, EVAL_UNIFORM8, EVAL_UNIFORM4, EVAL_POLICY, EVAL_RANDOM } eval_row_id;
enum { EVAL_ROWS = EVAL_RANDOM + 1 };

typedef struct {
    eval_row_id id;
    eval_vector *outputs; /* [texts] */
    bool pooled;
    double values[EVAL_METRICS_MOST];
    eval_cost cost; /* of no meaning for float32, which is no program of the accelerator */
} eval_row;

typedef struct {
    session *session;
    const eval_task *task;
    source source;
    eval_data data;
    size_t count;
    eval_row rows[EVAL_ROWS];
} eval_job;

extern const char *const eval_row_names[EVAL_ROWS];

/** Reads and tokenises --data as the task says, the first --limit samples, those of --min-tokens or more. */
bool eval_read(eval_job *j);

/** Runs a row over all inputs: fills outputs and cost. */
bool eval_run_row(eval_job *j, eval_row *row);
void eval_release(eval_job *j);

/** One run of the runtime by whichever engine, on all inputs, in several threads. */
typedef struct {
    const dtq_program *program; /* with streams of all lengths; NULL: host code */
    const dtq_host_model *code; /* of host code */
    const dtq_program *plan;
    dtq_engine engine; /* of a program */
} eval_engine;
/** Fills outputs [texts]; their data is malloc'd. `name`: of the row, for progress on a terminal. */
bool eval_run_all(session *s, const eval_data *data, const eval_engine *engine, const char *name, eval_vector *outputs);

/** Prints the table, and JSON if --json says so. */
void eval_print(const eval_job *j, const eval_row *const *shown, size_t count);

#endif
