/* Language modelling: the mean of what each token of running text costs, given those before it. */
#include <math.h>

#include "frontend/cli/eval/metrics.h"
#include "frontend/cli/eval/task.h"

/* Row i of the logits speaks of token i + 1. The costs take the place of the logits that they came from: `scored` is at
 * least 1, so that each is written before the row that is read next. */
static void reduce(const eval_input *in, size_t rows, eval_vector *output) {
    size_t width = output->count / rows, count = 0;
    for (uint32_t i = in->scored; i < in->seq; i++)
        output->data[count++] = (float)metric_cross_entropy(&output->data[(i - 1) * width], width, in->tokens[i]);
    output->count = count;
}

static bool score(arena *a, const eval_results *r, double *values) {
    (void)a;
    double sum = 0, tokens = 0;
    for (size_t i = 0; i < r->samples; i++)
        for (size_t k = 0; k < r->outputs[i].count; k++, tokens++)
            sum += (double)r->outputs[i].data[k];
    values[0] = sum / tokens;
    values[1] = exp(values[0]);
    return true;
}

const eval_task eval_task_language = {
    .name = "language",
    .form = EVAL_LOGITS_OF_TOKENS,
    .metrics = {{"nats_per_token", "nats", true}, {"perplexity", "perplex.", true}},
    .reduce = reduce,
    .score = score,
};
