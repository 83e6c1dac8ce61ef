/* The data of dtqc eval that are lines: samples, tokens, lengths. */
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/eval/eval.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"
#include "ir/base/file.h"

enum { DATA_BYTES = 1 << 30 };

/* ---- samples ----------------------------------------------------------------------------------------------------- */

typedef struct {
    eval_sample *list;
    uint32_t *lines; /* where each stands */
    size_t count;
} samples;

/* --columns, or none: then the first line names them. */
static bool name_columns(eval_job *j, columns *out) {
    session *s = j->session;
    *out = (columns){.known = false};
    return !given(s, OPT_columns) || columns_name(s->diag, (src_loc){"--columns", 0, 0},
                                                  arena_strdup(s->arena, value(s, OPT_columns)->text), ',', out);
}

/* Every line of the text, up to --limit samples. */
static bool read_samples(eval_job *j, char *text, samples *out) {
    session *s = j->session;
    size_t lines = 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    size_t most = given(s, OPT_limit) ? (size_t)value(s, OPT_limit)->number : lines;
    out->list = ARENA_ARRAY(s->arena, eval_sample, lines);
    out->lines = ARENA_ARRAY(s->arena, uint32_t, lines);
    uint32_t line = 0;
    eval_reader reader = {.diag = s->diag};
    if (!name_columns(j, &reader.columns))
        return false;
    for (char *at = text; at && *at && out->count < most;) {
        char *end = strchr(at, '\n');
        size_t n = end ? (size_t)(end - at) : strlen(at);
        at[n > 0 && at[n - 1] == '\r' ? n - 1 : n] = 0;
        reader.loc = (src_loc){j->data.path, ++line, 1};
        eval_line kind = j->task->read(&reader, at, &out->list[out->count]);
        if (kind == EVAL_LINE_BAD)
            return false;
        out->lines[out->count] = line;
        out->count += kind == EVAL_LINE_SAMPLE;
        at = end ? end + 1 : NULL;
    }
    return true;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static bool long_enough(const session *s, const eval_input *inputs, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (given(s, OPT_min_tokens) && inputs[i].seq < value(s, OPT_min_tokens)->number)
            return false;
    return true;
}

/* The ids of text `k` of a sample: of all its texts, if they go through the model together. */
static bool encode(eval_job *j, const tokenizer *words, const eval_sample *from, size_t k, token_list *out) {
    session *s = j->session;
    const char *text = from->texts[k], *pair = j->task->pairs ? from->texts[1] : NULL;
    encode_options o = {.pair = {pair, pair ? strlen(pair) : 0},
                        .limit = tokenizer_limit(words, model_positions(j->source.model))};
    return tokenizer_encode(words, s->arena, s->diag, text, strlen(text), &o, out);
}

static bool tokenise(eval_job *j, const tokenizer *words, const samples *from) {
    session *s = j->session;
    eval_data *d = &j->data;
    size_t each = j->task->inputs, cut = 0;
    d->labels = ARENA_ARRAY(s->arena, double, from->count + 1);
    d->inputs = ARENA_ARRAY(s->arena, eval_input, from->count * each + 1);
    for (size_t i = 0; i < from->count; i++) {
        eval_input *inputs = &d->inputs[d->texts];
        size_t cut_here = 0;
        for (size_t k = 0; k < each; k++) {
            token_list t;
            if (!encode(j, words, &from->list[i], k, &t) || t.count == 0)
                return diag_error(s->diag, (src_loc){d->path, from->lines[i], 0}, "the text cannot be read");
            inputs[k] = (eval_input){(uint32_t)t.count, t.ids, t.segments, 0};
            cut_here += t.truncated;
        }
        if (!long_enough(s, inputs, each))
            continue;
        cut += cut_here;
        d->labels[d->samples++] = from->list[i].label;
        d->texts += each;
    }
    if (cut)
        diag_warning(s->diag, s->place, "%zu text%s cut to the model's %zu positions", cut, cut == 1 ? " is" : "s are",
                     tokenizer_limit(words, model_positions(j->source.model)));
    if (!d->samples)
        return diag_error(s->diag, (src_loc){d->path, 0, 0},
                          from->count ? "has no sample of --min-tokens or more" : "has no samples");
    return true;
}

void eval_find_lengths(arena *a, eval_data *d) {
    uint32_t most = 0;
    d->tokens = 0;
    d->length_count = 0;
    for (size_t i = 0; i < d->texts; i++) {
        d->tokens += d->inputs[i].seq;
        most = d->inputs[i].seq > most ? d->inputs[i].seq : most;
    }
    d->tokens /= (double)d->texts;
    bool *seen = ARENA_ARRAY(a, bool, (size_t)most + 1);
    d->lengths = ARENA_ARRAY(a, uint32_t, (size_t)most + 1);
    for (size_t i = 0; i < d->texts; i++)
        seen[d->inputs[i].seq] = true;
    for (uint32_t n = 1; n <= most; n++)
        if (seen[n])
            d->lengths[d->length_count++] = n;
}

bool eval_read(eval_job *j) {
    session *s = j->session;
    eval_data *d = &j->data;
    const model *m = j->source.model;
    d->path = value(s, OPT_data)->text;
    size_t bytes;
    char *text = file_read(s->arena, s->diag, d->path, DATA_BYTES, &bytes);
    tokenizer *words = text ? model_tokenizer(m, s->arena, s->diag) : NULL;
    samples from = {0};
    if (!words || !(j->task->read ? read_samples(j, text, &from) && tokenise(j, words, &from)
                                  : eval_read_windows(j, words, text)))
        return false;
    eval_find_lengths(s->arena, d);
    return true;
}
