/* The data of dtqc eval that are running text: documents, and windows over their tokens. */
#include <string.h>

#include "frontend/cli/eval/eval.h"
#include "frontend/cli/eval/windows.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"

/** Words of --documents. */
enum { ONE, LINES, STORIES };

enum { WINDOW = 512 };

static const char end_of_text[] = "<|endoftext|>";

typedef struct {
    const char *text;
    size_t bytes;
    uint32_t line;
} document;

/* ---- documents --------------------------------------------------------------------------------------------------- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Where the document that begins at `at` ends, and after what marks its end the next one begins. */
static const char *find_end(int kind, const char *at, const char **next) {
    const char *mark = kind == LINES ? "\n" : end_of_text, *end = kind == ONE ? NULL : strstr(at, mark);
    *next = end ? end + strlen(mark) : NULL;
    return end ? end : at + strlen(at);
}

/* The next document that is not blank, without the white space around it, which a whole text keeps. False at the end.
 */
static bool next_document(int kind, const char **at, uint32_t *line, document *out) {
    while (*at) {
        const char *next, *from = *at, *to = find_end(kind, *at, &next);
        if (kind != ONE)
            while (to > from && is_space(to[-1]))
                to--;
        for (; kind != ONE && from < to && is_space(*from); from++)
            *line += *from == '\n';
        *out = (document){from, (size_t)(to - from), *line};
        for (; next && from < next; from++)
            *line += *from == '\n';
        *at = next;
        if (out->bytes)
            return true;
    }
    return false;
}

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* --window, --stride and --score-last, and what holds without them. */
static bool read_rule(eval_job *j, window_rule *out) {
    session *s = j->session;
    uint32_t positions = model_positions(j->source.model);
    uint32_t usual = positions < WINDOW ? positions : WINDOW;
    out->length = given(s, OPT_window) ? (uint32_t)value(s, OPT_window)->number : usual;
    out->last = given(s, OPT_score_last) ? (uint32_t)value(s, OPT_score_last)->number : 0;
    out->stride = given(s, OPT_stride) ? (uint32_t)value(s, OPT_stride)->number
                  : out->last          ? out->last
                                       : (out->length + 1) / 2;
    if (out->length > positions)
        return usage_error(s, "--window=%u: the model has positions for %u tokens", out->length, positions);
    if (out->length < 2)
        return diag_error(s->diag, (src_loc){j->source.path, 0, 0},
                          "has positions for one token only; none would have another before it");
    if (out->stride > out->length)
        return usage_error(s, "--stride=%u is more than a window of %u tokens: some would never be read", out->stride,
                           out->length);
    if (out->last >= out->length)
        return usage_error(s, "--score-last=%u: of the %u tokens of a window, %u have another before them", out->last,
                           out->length, out->length - 1);
    return true;
}

/* --bos-each: a window is one token shorter, for the one that begins a text. */
static bool lead_windows(eval_job *j, const tokenizer *words, window_rule *rule) {
    session *s = j->session;
    token_list empty;
    rule->led = given(s, OPT_bos_each);
    if (!rule->led)
        return true;
    if (!tokenizer_encode(words, s->arena, s->diag, "", 0, NULL, &empty))
        return false;
    if (empty.count == 0 || empty.ids[0] != tokenizer_role(words, TOKEN_BOS))
        return usage_error(s, "--bos-each: the tokeniser of this model does not begin texts with a special token");
    rule->length--;
    rule->stride = rule->stride > rule->length ? rule->length : rule->stride;
    rule->last = rule->last > rule->length ? rule->length : rule->last;
    return true;
}

/* Makes room for `more` inputs. */
static void grow(arena *a, eval_data *d, size_t *room, size_t more) {
    if (d->texts + more <= *room)
        return;
    *room = 2 * (d->texts + more);
    eval_input *inputs = ARENA_ARRAY(a, eval_input, *room);
    if (d->texts)
        memcpy(inputs, d->inputs, d->texts * sizeof *inputs);
    d->inputs = inputs;
}

/* A window of the tokens `from` on, behind the first token of the document if `led`. */
static eval_input input_of(arena *a, const token_list *t, const window *w, bool led) {
    if (!led)
        return (eval_input){w->count, t->ids + w->from, t->segments + w->from, w->scored};
    uint32_t *ids = ARENA_ARRAY(a, uint32_t, (size_t)w->count + 1);
    ids[0] = t->ids[0];
    memcpy(ids + 1, t->ids + 1 + w->from, w->count * sizeof *ids);
    return (eval_input){w->count + 1, ids, NULL, w->scored + 1};
}

static void add_windows(eval_job *j, const token_list *t, const window_rule *rule, size_t most, size_t *room) {
    session *s = j->session;
    eval_data *d = &j->data;
    size_t count;
    const window *list = windows_cut(s->arena, rule->led ? t->count - 1 : t->count, rule, &count);
    count = count < most - d->texts ? count : most - d->texts;
    grow(s->arena, d, room, count);
    for (size_t i = 0; i < count; i++) {
        eval_input in = input_of(s->arena, t, &list[i], rule->led);
        if (given(s, OPT_min_tokens) && in.seq < value(s, OPT_min_tokens)->number)
            continue;
        d->inputs[d->texts++] = in;
        d->scored += in.seq - in.scored;
    }
}

bool eval_read_windows(eval_job *j, const tokenizer *words, const char *text) {
    session *s = j->session;
    eval_data *d = &j->data;
    window_rule rule;
    if (!read_rule(j, &rule) || !lead_windows(j, words, &rule))
        return false;
    size_t most = given(s, OPT_limit) ? (size_t)value(s, OPT_limit)->number : SIZE_MAX, room = 0;
    uint32_t line = 1;
    document doc;
    for (const char *at = text; d->texts < most && next_document(value(s, OPT_documents)->word, &at, &line, &doc);) {
        token_list t;
        if (!tokenizer_encode(words, s->arena, s->diag, doc.text, doc.bytes, NULL, &t))
            return diag_error(s->diag, (src_loc){d->path, doc.line, 0}, "the text cannot be read");
        if (t.count > 1)
            add_windows(j, &t, &rule, most, &room);
    }
    d->samples = d->texts;
    return d->samples || diag_error(s->diag, (src_loc){d->path, 0, 0}, "has no text of %s",
                                    given(s, OPT_score_last) ? "a whole window" : "two tokens or more");
}
