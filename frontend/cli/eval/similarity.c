/* Semantic similarity as STS-B has it: the cosine of two sentences' outputs against what people say. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/eval/metrics.h"
#include "frontend/cli/eval/task.h"

enum { SCORE = 4, FIRST = 5, SECOND = 6, FIELDS = 7 };

static eval_line read(eval_reader *r, char *line, eval_sample *out) {
    const char *fields[FIELDS];
    size_t count = 0;
    for (char *at = line; at && count < FIELDS; count++) {
        char *tab = strchr(at, '\t');
        fields[count] = at;
        if (tab)
            *tab++ = 0;
        at = tab;
    }
    if (count < FIELDS) {
        diag_error(r->diag, r->loc,
                   "has %zu field%s; genre, file, year, id, score, sentence 1 and sentence 2 are wanted, with a tab "
                   "between each two",
                   count, count == 1 ? "" : "s");
        return EVAL_LINE_BAD;
    }
    char *end;
    out->label = strtod(fields[SCORE], &end);
    if (end == fields[SCORE] || *end || !isfinite(out->label)) {
        diag_error(r->diag, r->loc, "the score '%.40s' is not a number", fields[SCORE]);
        return EVAL_LINE_BAD;
    }
    out->texts[0] = fields[FIRST];
    out->texts[1] = fields[SECOND];
    return EVAL_LINE_SAMPLE;
}

static bool score(arena *a, const eval_results *r, double *values) {
    double *cosines = ARENA_ARRAY(a, double, r->samples + 1);
    for (size_t i = 0; i < r->samples; i++) {
        const eval_vector *x = &r->outputs[2 * i], *y = x + 1;
        cosines[i] = metric_cosine(x->data, y->data, x->count);
    }
    values[0] = metric_pearson(cosines, r->labels, r->samples);
    values[1] = metric_spearman(a, cosines, r->labels, r->samples);
    return true;
}

const eval_task eval_task_similarity = {
    .name = "similarity",
    .inputs = 2,
    .form = EVAL_ONE_ROW,
    .headline = 1,
    .metrics = {{"pearson", "Pearson", false}, {"spearman", "Spearman", false}},
    .read = read,
    .score = score,
};
