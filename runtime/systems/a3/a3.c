/* A3 (Ham et al., HPCA 2020): which keys are worth scoring is guessed from the largest and the smallest products of
 * single components, taken from sorted columns of keys; what scores too little is dropped. NUMERICS.md, "Compared
 * systems". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/systems/compared.h"

/* Keys of one column [head_dim of them for each key/value head], ascending by code, then by id. */
typedef struct {
    int32_t code;
    uint32_t id, slot;
} entry;

static int by_code(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->code != y->code ? (x->code > y->code) - (x->code < y->code) : (x->id > y->id) - (x->id < y->id);
}

/* The same, descending by code. */
static int by_code_down(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->code != y->code ? (x->code < y->code) - (x->code > y->code) : (x->id > y->id) - (x->id < y->id);
}

typedef struct {
    size_t keys;
    entry *up, *down;       /* [kv_heads * head_dim][keys] */
    size_t *next[2];        /* [head_dim] of a query: entries of a column that are used up, for largest and smallest */
    const entry **front[2]; /* [head_dim] those that come next, or NULL */
    int64_t *greedy;        /* [slots] */
} search;

static void search_close(search *s) {
    free(s->up);
    free(s->down);
    free(s->next[0]);
    free(s->next[1]);
    free(s->front[0]);
    free(s->front[1]);
    free(s->greedy);
}

static bool search_open(search *s, const dtq_fixed_layer *f, dtq_error *e) {
    const dtq_attention *a = f->a;
    const size_t columns = (size_t)a->kv_heads * a->head_dim, keys = f->end_of_keys - f->first_key;
    *s = (search){.keys = keys,
                  .up = malloc((columns * keys + 1) * sizeof *s->up),
                  .down = malloc((columns * keys + 1) * sizeof *s->down),
                  .next = {malloc(a->head_dim * sizeof **s->next), malloc(a->head_dim * sizeof **s->next)},
                  .front = {malloc(a->head_dim * sizeof(entry *)), malloc(a->head_dim * sizeof(entry *))},
                  .greedy = malloc(a->slots * sizeof *s->greedy)};
    if (!s->up || !s->down || !s->next[0] || !s->next[1] || !s->front[0] || !s->front[1] || !s->greedy) {
        search_close(s);
        return dtq_no_memory(e,
                             2 * (columns * keys + 1) * sizeof *s->up +
                                 2 * a->head_dim * (sizeof **s->next + sizeof(entry *)) + a->slots * sizeof *s->greedy,
                             "the sorted keys of %u tokens", a->slots);
    }
    for (size_t column = 0; column < columns; column++) {
        entry *up = s->up + column * keys, *down = s->down + column * keys;
        for (size_t j = 0; j < keys; j++) {
            const size_t slot = f->first_key + j;
            up[j] = (entry){f->codes[DTQ_K][slot * columns + column], a->ids[slot], (uint32_t)slot};
        }
        memcpy(down, up, keys * sizeof *up);
        qsort(up, keys, sizeof *up, by_code);
        qsort(down, keys, sizeof *down, by_code_down);
    }
    return true;
}

/* The next entry of a column whose product with q is the largest (side 0) or the smallest (side 1), of keys that the
 * row sees; NULL if there is none whose product has the sign of that side. */
static const entry *advance(const dtq_fixed_layer *f, search *s, size_t column, int32_t q, size_t c, int side) {
    const entry *sorted = ((q > 0) == (side == 0) ? s->down : s->up) + column * s->keys;
    while (s->next[side][c] < s->keys) {
        const entry *at = &sorted[s->next[side][c]];
        const int64_t product = (int64_t)q * at->code;
        if (side == 0 ? product <= 0 : product >= 0)
            break;
        if (f->chosen[at->slot])
            return at;
        s->next[side][c]++;
    }
    s->next[side][c] = s->keys;
    return NULL;
}

/* Consumes the product that comes next on one side: the largest magnitude, then the first channel. */
static void step(const dtq_fixed_layer *f, search *s, const int32_t *q, size_t first_column, int side) {
    const size_t dim = f->a->head_dim;
    size_t best = dim;
    int64_t most = 0;
    for (size_t c = 0; c < dim; c++) {
        if (s->front[side][c]) {
            const int64_t product = (int64_t)q[c] * s->front[side][c]->code;
            const int64_t magnitude = product < 0 ? -product : product;
            if (magnitude > most) {
                most = magnitude;
                best = c;
            }
        }
    }
    if (best == dim)
        return;
    s->greedy[s->front[side][best]->slot] += side == 0 ? most : -most;
    s->next[side][best]++;
    s->front[side][best] = advance(f, s, first_column + best, q[best], best, side);
}

/* Leaves the candidates of a row chosen; how many they are, at least one. */
static uint32_t find_candidates(dtq_fixed_layer *f, search *s, size_t i, size_t head, double iterations) {
    const dtq_attention *a = f->a;
    const size_t first_column = head / (a->heads / a->kv_heads) * a->head_dim;
    const int32_t *q = f->codes[DTQ_Q] + (i * a->heads + head) * a->head_dim;
    memset(s->greedy, 0, a->slots * sizeof *s->greedy);
    for (int side = 0; side < 2; side++) {
        memset(s->next[side], 0, a->head_dim * sizeof *s->next[side]);
        for (size_t c = 0; c < a->head_dim; c++)
            s->front[side][c] = advance(f, s, first_column + c, q[c], c, side);
    }
    const size_t steps = (size_t)ceil(iterations * (double)s->keys);
    for (size_t m = 0; m < steps; m++) {
        step(f, s, q, first_column, 0);
        step(f, s, q, first_column, 1);
    }
    uint32_t found = 0;
    size_t best = a->slots;
    for (size_t j = f->first_key; j < f->end_of_keys; j++) {
        if (!f->chosen[j])
            continue;
        if (best == a->slots || s->greedy[j] > s->greedy[best] ||
            (s->greedy[j] == s->greedy[best] && dtq_fixed_before(f, j, best))) {
            best = j;
        }
        f->chosen[j] = s->greedy[j] > 0;
        found += f->chosen[j];
    }
    if (found == 0) {
        f->chosen[best] = 1;
        found = 1;
    }
    return found;
}

/* Clears the weights that are too small beside the largest, 2^23; returns the sum of the others. */
static uint64_t drop_small(dtq_fixed_layer *f, double threshold, uint64_t *survivors) {
    const double least = threshold * (1 << DTQ_WEIGHT_BITS);
    uint64_t sum = 0;
    for (size_t j = f->first_key; j < f->end_of_keys; j++) {
        f->weight[j] = (double)f->weight[j] < least ? 0 : f->weight[j];
        *survivors += f->weight[j] != 0;
        sum += f->weight[j];
    }
    return sum;
}

bool dtq_attention_a3(const dtq_attention *a, const dtq_a3 *how, dtq_tally *t, dtq_error *e) {
    dtq_fixed_layer f;
    search s;
    if (!dtq_fixed_open(&f, a, how->format, e))
        return false;
    if (!search_open(&s, &f, e)) {
        dtq_fixed_close(&f);
        return false;
    }
    const uint32_t levels = (1u << (how->format.bits - 1)) - 1;
    *t = (dtq_tally){.tokens = (uint32_t)s.keys, .heads = a->heads};
    for (size_t head = 0; head < a->heads; head++) {
        for (size_t i = f.first_query; i < f.end_of_queries; i++) {
            memset(a->out + (i * a->heads + head) * a->head_dim, 0, a->head_dim * sizeof *a->out);
            const uint32_t seen = dtq_fixed_see(&f, i);
            if (seen == 0)
                continue;
            t->candidates += find_candidates(&f, &s, i, head, how->iterations);
            (void)dtq_fixed_weigh(&f, i, head, 0);
            const uint64_t sum = drop_small(&f, how->threshold, &t->survivors);
            dtq_fixed_probabilities(&f, sum, levels);
            dtq_fixed_importance(&f, levels);
            (void)dtq_fixed_output(&f, i, head, 0, levels);
            t->rows++;
            t->pairs += seen;
        }
    }
    search_close(&s);
    dtq_fixed_close(&f);
    return true;
}
