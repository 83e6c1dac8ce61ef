/* How far outputs are from those of float32, on any text: a line each, no labels. */
#include <math.h>

#include "frontend/cli/eval/metrics.h"
#include "frontend/cli/eval/task.h"

static eval_line read(eval_reader *r, char *line, eval_sample *out) {
    (void)r;
    while (*line == ' ' || *line == '\t')
        line++;
    out->texts[0] = line;
    return *line ? EVAL_LINE_SAMPLE : EVAL_LINE_EMPTY;
}

static bool score(arena *a, const eval_results *r, double *values) {
    (void)a;
    double sum = 0, worst = 1, divergence = 0, difference = 0;
    for (size_t i = 0; i < r->samples; i++) {
        const eval_vector *x = &r->reference[i], *y = &r->outputs[i];
        double cosine = metric_cosine(x->data, y->data, x->count);
        sum += cosine;
        worst = fmin(worst, cosine);
        difference = fmax(difference, metric_difference(x->data, y->data, x->count));
        if (r->pooled)
            divergence += metric_divergence(x->data, y->data, x->count);
    }
    values[0] = sum / (double)r->samples;
    values[1] = worst;
    values[2] = r->pooled ? divergence / (double)r->samples : NAN;
    values[3] = difference;
    return true;
}

const eval_task eval_task_distance = {
    .name = "distance",
    .inputs = 1,
    .against = true,
    .metrics = {{"cosine_mean", "cosine", false},
                {"cosine_least", "least", false},
                {"divergence_mean_nats", "KL nats", true},
                {"difference_max", "max diff", true}},
    .read = read,
    .score = score,
};
