/* Classification: the greatest logit of a head against a label, as GLUE has it: SST-2, CoLA, MRPC, QNLI and their kin.
 */
#include <math.h>
#include <stdlib.h>

#include "frontend/cli/eval/metrics.h"
#include "frontend/cli/eval/task.h"

enum { CLASSES_MOST = 1000 };

static eval_line read(eval_reader *r, char *line, eval_sample *out) {
    if (!*line)
        return EVAL_LINE_EMPTY;
    if (!r->columns.known)
        return columns_name(r->diag, r->loc, line, '\t', &r->columns) ? EVAL_LINE_EMPTY : EVAL_LINE_BAD;
    char *fields[COLUMN_ROLES], *end;
    if (!columns_cut(r->diag, r->loc, line, &r->columns, fields))
        return EVAL_LINE_BAD;
    const char *label = fields[COLUMN_LABEL];
    long class = strtol(label, &end, 10);
    if (end == label || *end || class < 0 || class >= CLASSES_MOST) {
        diag_error(r->diag, r->loc, "the label '%.40s' is not a class; classes are 0, 1 and so on", label);
        return EVAL_LINE_BAD;
    }
    out->label = (double)class;
    out->texts[0] = fields[COLUMN_FIRST];
    out->texts[1] = fields[COLUMN_SECOND];
    return EVAL_LINE_SAMPLE;
}

static size_t greatest(const eval_vector *logits) {
    size_t best = 0;
    for (size_t i = 1; i < logits->count; i++)
        if (logits->data[i] > logits->data[best])
            best = i;
    return best;
}

static bool score(arena *a, const eval_results *r, double *values) {
    size_t classes = r->samples ? r->outputs[0].count : 0;
    uint64_t *confusion = ARENA_ARRAY(a, uint64_t, classes *classes + 1);
    for (size_t i = 0; i < r->samples; i++) {
        if (r->labels[i] >= (double)classes)
            return diag_error(r->diag, r->loc, "has %zu classes; the data have the label %.0f", classes, r->labels[i]);
        confusion[(size_t)r->labels[i] * classes + greatest(&r->outputs[i])]++;
    }
    values[0] = metric_accuracy(confusion, classes);
    values[1] = classes == 2 ? metric_f1(confusion) : NAN;
    values[2] = metric_matthews(confusion, classes);
    return true;
}

const eval_task eval_task_classification = {
    .name = "classification",
    .inputs = 1,
    .pairs = true,
    .header = true,
    .form = EVAL_LOGITS,
    .metrics = {{"accuracy", "accuracy", false}, {"f1", "F1", false}, {"matthews", "Matthews", false}},
    .read = read,
    .score = score,
};
