/* A task of dtqc eval: how its data reads, and which metrics come of a model's outputs. Tasks are in tasks.def. */
#ifndef DTQ_EVAL_TASK_H
#define DTQ_EVAL_TASK_H

#include <stddef.h>

#include "ir/arena.h"
#include "ir/diag.h"

enum { EVAL_TEXTS_MOST = 2, EVAL_METRICS_MOST = 4 };

/** One line of data. */
typedef struct {
    const char *texts[EVAL_TEXTS_MOST]; /* each goes through the model alone */
    double label;
} eval_sample;

typedef enum { EVAL_LINE_BAD, EVAL_LINE_SAMPLE, EVAL_LINE_EMPTY } eval_line;

/** What a model made of a text. */
typedef struct {
    float *data;
    size_t count;
} eval_vector;

typedef struct {
    size_t samples;
    const double *labels;         /* [samples] */
    const eval_vector *outputs;   /* [samples * texts] */
    const eval_vector *reference; /* the same in float32, of a task with `against` */
    bool pooled;                  /* an output is one row */
} eval_results;

typedef struct {
    const char *key, *title; /* in JSON, in the table */
} eval_metric;

typedef struct {
    const char *name;
    size_t texts; /* of a sample */
    bool against; /* metrics compare with float32, which is run whether it is asked for or not */
    bool one_row; /* outputs must be pooled */
    eval_metric metrics[EVAL_METRICS_MOST + 1]; /* up to one without a key */
    /** Reads a line, which it may cut to pieces; tells what is wrong with a bad one. */
    eval_line (*read)(diag *d, src_loc loc, char *line, eval_sample *out);
    /** values: one for each metric; NaN for what these outputs do not have. */
    void (*score)(arena *a, const eval_results *r, double *values);
} eval_task;

#define TASK(id) extern const eval_task eval_task_##id;
#include "frontend/eval/tasks.def"

#endif
