/* Tokens of layers. A layer without ids takes its tokens from those of the layer before; one with ids says them. */
#include "runtime/isa/tokens.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 64 };

static void put_queries(const dtq_layer *l, uint64_t *set) {
    const uint32_t *ids = l->ids + dtq_first_query(l);
    for (uint32_t i = 0; i < dtq_queries(l); i++)
        set[ids[i] / WORD] |= (uint64_t)1 << ids[i] % WORD;
}

/* Whether all query tokens of `next` are tokens of `l`, the layer before. `set`: seq bits of working memory. */
static bool stays_within(const dtq_stream *s, const dtq_layer *l, const dtq_layer *next, uint64_t *set) {
    if (!next->ids || dtq_queries(l) == s->seq)
        return true; /* chosen from the layer before; or it has all there are */
    if (!l->ids)
        return false;
    if (l->ids == next->ids && dtq_first_query(l) == dtq_first_query(next) && dtq_queries(l) == dtq_queries(next))
        return true;
    memset(set, 0, (s->seq / WORD + 1) * sizeof *set);
    put_queries(l, set);
    const uint32_t *ids = next->ids + dtq_first_query(next);
    for (uint32_t i = 0; i < dtq_queries(next); i++)
        if (!(set[ids[i] / WORD] >> ids[i] % WORD & 1))
            return false;
    return true;
}

bool dtq_tokens_init(dtq_tokens *t, const dtq_stream *s) {
    *t = (dtq_tokens){calloc(s->layer_count + 1u, sizeof *t->unlike), calloc(s->layer_count + 1u, sizeof *t->strays)};
    uint64_t *set = malloc((s->seq / WORD + 1) * sizeof *set);
    bool memory = t->unlike && t->strays && set;
    for (uint32_t i = 1; memory && i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i - 1], *next = &s->layers[i];
        bool within = stays_within(s, l, next, set);
        t->strays[i] = t->strays[i - 1] + !within;
        t->unlike[i] = t->unlike[i - 1] + (!within || dtq_queries(l) != dtq_queries(next));
    }
    free(set);
    return memory;
}

void dtq_tokens_free(dtq_tokens *t) {
    free(t->unlike);
    free(t->strays);
    *t = (dtq_tokens){0};
}

bool dtq_tokens_within(const dtq_tokens *t, uint32_t reader, uint32_t writer) {
    return reader >= writer ? t->strays[reader] == t->strays[writer] : t->unlike[reader] == t->unlike[writer];
}

const char *dtq_tokens_cached_wrong(const dtq_stream *s, const dtq_layer *l) {
    uint32_t queries = dtq_queries(l), first = s->seq - queries, found = 0;
    if (!l->cached)
        return NULL;
    if (l->ids) {
        for (uint32_t i = 0; i < queries; i++)
            if (l->ids[dtq_first_query(l) + i] < first)
                return "its queries are not the newest tokens, whose rows the run computes";
        return NULL;
    }
    if (l->key_only == 0)
        return NULL; /* as many queries as the layer before: all of them stay */
    for (uint32_t i = 0; i < l->pinned_count; i++)
        found += l->pinned[i] >= first;
    uint32_t places = l->order == DTQ_ORDER_ORIGINAL ? dtq_keys(l) : l->high;
    return found == queries && l->pinned_count <= places
               ? NULL
               : "its queries, the newest tokens, are not all pinned, so that top-k may drop one";
}
