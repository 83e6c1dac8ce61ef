/* Programs for compared systems in the reference engine: attention by the system's own arithmetic, and, where tokens
 * leave in a cascade, which of them enter the next layer. */
#include <stdlib.h>
#include <string.h>

#include "runtime/schemes/scheme_ops.h"
#include "runtime/systems/compared.h"

/* What a run carries from layer to layer. */
typedef struct {
    dtq_system_kind kind;
    dtq_system_params params;
    dtq_cascade cascade; /* of spatten */
} run_state;

static run_state *state_of(dtq_exec *x, const dtq_attention *a, dtq_error *e) {
    run_state *s = x->scheme_state;
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s) {
        (void)dtq_no_memory(e, sizeof *s, "the state of a system");
        return NULL;
    }
    if (!dtq_scheme_system(&x->program->scheme, &s->kind, &s->params)) {
        free(s);
        (void)dtq_fail(e, DTQ_BAD_PROGRAM, "the program's scheme is no system's");
        return NULL;
    }
    if (s->kind == DTQ_SYSTEM_spatten && !dtq_cascade_open(&s->cascade, x->stream->seq, a->heads, e)) {
        free(s);
        return NULL;
    }
    return x->scheme_state = s;
}

static void close(dtq_exec *x) {
    run_state *s = x->scheme_state;
    if (s) {
        dtq_cascade_close(&s->cascade);
        free(s);
        x->scheme_state = NULL;
    }
}

/* Shares are of all keys of the layer for each row, masked ones too, as the cost models count. */
static dtq_effects effects_of(const dtq_tally *t) {
    const double all = (double)t->rows * t->tokens;
    const double candidates = all > 0 ? (double)t->candidates / all : 0;
    const double survivors = all > 0 ? (double)t->survivors / all : 0;
    return (dtq_effects){.tokens_kept = t->tokens,
                         .heads_kept = t->heads,
                         .candidates = candidates,
                         .survivors = survivors,
                         .skipped = 1 - survivors,
                         .refetched = t->rows > 0 ? (double)t->refetched / (double)t->rows : 0};
}

/* Of a causal model: the tokens whose keys are not in this layer. */
static bool note_gone(dtq_exec *x, const run_state *s, uint32_t layer, dtq_error *e) {
    const size_t seq = x->stream->seq;
    if (!x->gone)
        x->gone = calloc(x->stream->layer_count, seq);
    if (!x->gone)
        return dtq_no_memory(e, x->stream->layer_count * seq, "the tokens of a layer");
    memcpy(x->gone + layer * seq, s->cascade.token_gone, seq);
    return true;
}

/* Prunes, and tells the next layer which tokens are left: of a causal model all rows, as each is one that predicts. */
static bool enter_next(dtq_exec *x, run_state *s, uint32_t layer, const dtq_attention *a, dtq_error *e) {
    dtq_cascade *c = &s->cascade;
    if (layer + 1 >= x->stream->layer_count)
        return true;
    dtq_system_prune(&s->params.spatten, c, layer + 1, x->stream->layer_count);
    if (a->causal)
        return true;
    uint32_t *left = malloc(a->slots * sizeof *left), n = 0;
    if (!left)
        return dtq_no_memory(e, a->slots * sizeof *left, "the tokens of a layer");
    for (uint32_t i = 0; i < a->slots; i++)
        if (c->token_gone[a->ids[i]] == 0)
            left[n++] = a->ids[i];
    const bool ok = dtq_exec_leave(x, layer + 1, left, n, e);
    free(left);
    return ok;
}

static bool attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a, dtq_effects *effects,
                   dtq_error *e) {
    (void)src;
    run_state *s = state_of(x, a, e);
    dtq_tally t;
    const bool keys_leave = s && s->kind == DTQ_SYSTEM_spatten && a->causal;
    if (!s || (keys_leave && !note_gone(x, s, layer, e)) ||
        !dtq_attention_system(s->kind, &s->params, a, &s->cascade, &t, e)) {
        return false;
    }
    *effects = effects_of(&t);
    return s->kind != DTQ_SYSTEM_spatten || enter_next(x, s, layer, a, e);
}

const dtq_scheme_ops dtq_system_ops = {.attend = attend, .tells = true, .close = close};
