/* SpAtten (Wang et al., HPCA 2021): tokens and heads that gather little over the layers leave for good, values of small
 * probabilities are not multiplied, and keys and values come in two parts, the second only where no probability of a
 * row stands out. NUMERICS.md, "Compared systems". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/systems/compared.h"

/* ---- the cascade ------------------------------------------------------------------------------------------------- */

uint32_t dtq_do_cascade_kept(uint32_t all, size_t layer, size_t layers, double whole, double mean, double first) {
    const double asked = ceil(whole * (double)layers - 1e-9);
    const size_t unpruned = asked < 1 ? 1 : (size_t)asked; /* nothing is known of tokens before the first layer */
    if (layer < unpruned || mean <= 0)
        return all;
    const size_t pruning = layers - unpruned;
    const double last = 2 * mean - first;
    const double along = pruning > 1 ? (double)(layer - unpruned) / (double)(pruning - 1) : 0.5;
    const double pruned = fmin(1, fmax(0, first + (last - first) * along));
    const double kept = floor(all * (1 - pruned) + 1e-9);
    return kept < 1 ? 1 : (uint32_t)kept;
}

bool dtq_cascade_open(dtq_cascade *c, uint32_t seq, uint32_t heads, dtq_error *e) {
    *c = (dtq_cascade){.seq = seq,
                       .heads = heads,
                       .token_score = calloc(seq, sizeof *c->token_score),
                       .head_score = calloc(heads, sizeof *c->head_score),
                       .token_gone = calloc(seq, 1),
                       .head_gone = calloc(heads, 1)};
    if (!c->token_score || !c->head_score || !c->token_gone || !c->head_gone) {
        dtq_cascade_close(c);
        return dtq_no_memory(e, seq * (sizeof *c->token_score + 1) + heads * (sizeof *c->head_score + 1),
                             "the scores of %u tokens", seq);
    }
    return true;
}

void dtq_cascade_close(dtq_cascade *c) {
    free(c->token_score);
    free(c->head_score);
    free(c->token_gone);
    free(c->head_gone);
    *c = (dtq_cascade){0};
}

/* Drops the one of the smallest score, the last of these, until `keep` are left. */
static void prune_tokens(dtq_cascade *c, uint32_t keep) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < c->seq; i++)
        left += c->token_gone[i] == 0;
    for (; left > keep; left--) {
        uint32_t least = c->seq;
        for (uint32_t i = 0; i < c->seq; i++)
            if (c->token_gone[i] == 0 && (least == c->seq || c->token_score[i] <= c->token_score[least]))
                least = i;
        c->token_gone[least] = 1;
    }
}

static void prune_heads(dtq_cascade *c, uint32_t keep) {
    uint32_t left = 0;
    for (uint32_t h = 0; h < c->heads; h++)
        left += c->head_gone[h] == 0;
    for (; left > keep; left--) {
        uint32_t least = c->heads;
        for (uint32_t h = 0; h < c->heads; h++)
            if (c->head_gone[h] == 0 && (least == c->heads || c->head_score[h] <= c->head_score[least]))
                least = h;
        c->head_gone[least] = 1;
    }
}

void dtq_cascade_prune(dtq_cascade *c, uint32_t tokens, uint32_t heads) {
    prune_tokens(c, tokens);
    prune_heads(c, heads);
}

/* ---- a layer ----------------------------------------------------------------------------------------------------- */

/* Weights of a row in two steps: with the first part of the keys and, if no probability reaches the bound, with all of
 * them. Returns the bits that values are without. */
static unsigned probabilities(dtq_fixed_layer *f, const dtq_spatten *how, size_t i, size_t head, uint32_t levels,
                              dtq_tally *t) {
    unsigned dropped = how->second_bits;
    uint64_t sum = dtq_fixed_weigh(f, i, head, dropped);
    /* the largest weight is 2^23, so the largest probability is 2^23 / sum */
    if (dropped != 0 && (double)(1 << DTQ_WEIGHT_BITS) < how->refetch_below * (double)sum) {
        dropped = 0;
        sum = dtq_fixed_weigh(f, i, head, dropped);
        t->refetched++;
    }
    dtq_fixed_probabilities(f, sum, levels);
    return dropped;
}

static void gather_tokens(const dtq_fixed_layer *f, dtq_cascade *c) {
    for (size_t j = f->first_key; j < f->end_of_keys; j++)
        c->token_score[f->a->ids[j]] += f->weight[j];
}

/* A key of a row, to be ranked: larger probabilities first, then smaller ids. */
typedef struct {
    uint32_t weight, id;
    size_t slot;
} ranked;

static int by_weight(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->weight != y->weight ? (x->weight < y->weight) - (x->weight > y->weight)
                                  : (x->id > y->id) - (x->id < y->id);
}

/* Clears all but the largest `keep` probabilities of a row. `order` has room for all slots. */
static void keep_values(dtq_fixed_layer *f, uint32_t seen, uint32_t keep, ranked *order) {
    uint32_t n = 0;
    for (size_t j = f->first_key; seen > keep && j < f->end_of_keys; j++)
        if (f->chosen[j])
            order[n++] = (ranked){f->weight[j], f->a->ids[j], j};
    qsort(order, n, sizeof *order, by_weight);
    for (uint32_t i = keep; i < n; i++)
        f->weight[order[i].slot] = 0;
}

static bool check(const dtq_attention *a, const dtq_cascade *c, dtq_error *e) {
    if (a->heads != c->heads) {
        return dtq_fail(e, DTQ_BAD_INPUT, "%u heads, where the layers before have %u: pruned heads have no counterpart",
                        a->heads, c->heads);
    }
    for (uint32_t i = 0; i < a->slots; i++)
        if (a->ids[i] >= c->seq)
            return dtq_fail(e, DTQ_BAD_INPUT, "token %u of %u", a->ids[i], c->seq);
    return true;
}

/* One row of one head. */
static void attend(dtq_fixed_layer *f, const dtq_spatten *how, dtq_cascade *c, size_t i, size_t head, ranked *order,
                   uint64_t *outputs, dtq_tally *t) {
    const uint32_t levels = (1u << (how->format.bits - 1)) - 1;
    const uint32_t seen = dtq_fixed_see(f, i);
    if (seen == 0)
        return;
    const unsigned dropped = probabilities(f, how, i, head, levels, t);
    dtq_fixed_importance(f, levels);
    gather_tokens(f, c);
    uint32_t keep = (uint32_t)ceil(how->values_kept * seen - 1e-9);
    keep = keep < 1 ? 1 : keep;
    keep_values(f, seen, keep, order);
    *outputs += dtq_fixed_output(f, i, head, dropped, levels);
    t->rows++;
    t->pairs += seen;
    t->survivors += keep < seen ? keep : seen;
}

bool dtq_attention_spatten(const dtq_attention *a, const dtq_spatten *how, dtq_cascade *c, dtq_tally *t, dtq_error *e) {
    dtq_fixed_layer f;
    if (!check(a, c, e) || !dtq_fixed_open(&f, a, how->format, e))
        return false;
    ranked *order = malloc(a->slots * sizeof *order);
    if (!order) {
        dtq_fixed_close(&f);
        return dtq_no_memory(e, a->slots * sizeof *order, "an attention layer of %u tokens", a->slots);
    }
    *t = (dtq_tally){0};
    for (size_t j = f.first_key; j < f.end_of_keys; j++) {
        f.key[j] = c->token_gone[a->ids[j]] == 0;
        t->tokens += f.key[j];
    }
    for (size_t head = 0; head < a->heads; head++) {
        uint64_t outputs = 0;
        for (size_t i = f.first_query; i < f.end_of_queries; i++) {
            memset(a->out + (i * a->heads + head) * a->head_dim, 0, a->head_dim * sizeof *a->out);
            if (c->head_gone[head] == 0 && (a->causal || c->token_gone[a->ids[i]] == 0))
                attend(&f, how, c, i, head, order, &outputs, t);
        }
        c->head_score[head] += ldexp((double)outputs, -f.fraction[DTQ_V]);
        t->heads += c->head_gone[head] == 0;
    }
    t->candidates = t->pairs;
    free(order);
    dtq_fixed_close(&f);
    return true;
}
