/* A task of dtqc eval: how its data reads, and which metrics come of a model's outputs. Tasks are in tasks.def. */
#ifndef DTQ_EVAL_TASK_H
#define DTQ_EVAL_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "frontend/cli/eval/columns.h"
#include "ir/base/arena.h"
#include "ir/base/diag.h"

enum { EVAL_TEXTS_MOST = 2, EVAL_METRICS_MOST = 4 };

/** One line of data. */
typedef struct {
    const char *texts[EVAL_TEXTS_MOST]; /* each goes through the model alone, unless the task has pairs */
    double label;
} eval_sample;

typedef enum { EVAL_LINE_BAD, EVAL_LINE_SAMPLE, EVAL_LINE_EMPTY } eval_line;

/** Where lines are read. */
typedef struct {
    diag *diag;
    src_loc loc;     /* of the line */
    columns columns; /* of tasks whose data have a header */
} eval_reader;

/** What goes through a model at once. */
typedef struct {
    uint32_t seq;
    const uint32_t *tokens, *segments; /* [seq] */
    uint32_t scored;                   /* of a language: the first token whose probability counts; else 0 */
} eval_input;

/** What is kept of a model's output for an input. */
typedef struct {
    float *data;
    size_t count;
} eval_vector;

/** What an output is. */
typedef enum { EVAL_ANY, EVAL_ONE_ROW, EVAL_LOGITS, EVAL_LOGITS_OF_TOKENS } eval_form;

typedef struct {
    diag *diag;
    src_loc loc; /* of the model */
    size_t samples;
    const double *labels;         /* [samples] */
    const eval_vector *outputs;   /* [samples * inputs of a sample] */
    const eval_vector *reference; /* the same in float32, of a task with `against` */
    bool pooled;                  /* an output is one row */
} eval_results;

typedef struct {
    const char *key, *title; /* in JSON, in the table */
    bool low;                /* the less the better */
} eval_metric;

typedef struct {
    const char *name;
    size_t inputs; /* of a sample; 0: data are running text, cut into windows, each a sample */
    bool pairs;    /* a second text of a sample goes through the model with the first */
    bool against;  /* metrics compare with float32, which is run whether it is asked for or not */
    bool header;   /* data name their columns */
    eval_form form;
    size_t headline;                            /* the metric that stands for all where there is room for one */
    eval_metric metrics[EVAL_METRICS_MOST + 1]; /* up to one without a key */
    /** Reads a line, which it may cut to pieces; tells what is wrong with a bad one. NULL: running text. */
    eval_line (*read)(eval_reader *r, char *line, eval_sample *out);
    /** Puts what is needed of an output of `rows` rows, which are [count / rows] wide, in its place: outputs of a whole
     *  text may be too large to keep. Called by several threads. NULL: all of it is. */
    void (*reduce)(const eval_input *in, size_t rows, eval_vector *output);
    /** values: one for each metric; NaN for what these outputs do not have. False after an error. */
    bool (*score)(arena *a, const eval_results *r, double *values);
} eval_task;

#define TASK(id) extern const eval_task eval_task_##id;
#include "frontend/cli/eval/tasks.def"

#endif
