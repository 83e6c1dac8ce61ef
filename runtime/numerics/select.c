/* Top-k: which tokens the next layer keeps, which of them at 8 bits, and in what order they stand in its slots. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"

void dtq_do_counts(uint32_t n, double r0, double r8, uint32_t *kept, uint32_t *high) {
    const double dropped = rint(r0 * (double)n);
    const double eight = rint(r8 * (double)n);
    const uint32_t k0 = dropped <= 0 ? n : dropped >= n ? 0 : n - (uint32_t)dropped;
    const uint32_t k1 = eight <= 0 ? 0 : eight >= k0 ? k0 : (uint32_t)eight;
    *kept = k0;
    *high = k1;
}

/* The first number of splitmix64 from a state. */
static uint64_t draw(uint64_t state) {
    uint64_t z = state + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t dtq_random_importance(unsigned seed, uint32_t layer, uint32_t id) {
    return draw((uint64_t)seed << 48 | (uint64_t)layer << 32 | id) >> 32;
}

void dtq_replace_choice(const dtq_choice *choice, uint32_t layer, uint32_t table, const uint32_t *ids, uint32_t n,
                        uint64_t *importance) {
    const uint64_t drawn = draw(draw(choice->seed) ^ ((uint64_t)layer << 32 | table));
    for (uint32_t i = 0; choice->kind == DTQ_CHOICE_RANDOM && i < n; i++)
        importance[i] = draw(drawn ^ ids[i]) >> 32;
    for (uint32_t i = 0; choice->kind == DTQ_CHOICE_WINDOW && i < n; i++)
        importance[i] = ids[i] == 0 ? UINT32_MAX : ids[i];
}

void dtq_replace_importance(const dtq_layer *l, uint32_t layer, const uint32_t *ids, uint64_t *importance) {
    const bool random = l->importance >= DTQ_IMPORTANCE_RANDOM && l->importance < DTQ_IMPORTANCE_PROBE;
    for (uint32_t i = 0; random && i < dtq_keys(l); i++)
        importance[i] = dtq_random_importance(l->importance - (unsigned)DTQ_IMPORTANCE_RANDOM, layer, ids[i]);
}

/* Tokens are ranked by this triple, larger first: pinned, then importance, then the smaller id. */
typedef struct {
    uint64_t importance;
    uint32_t not_id;
    bool pinned;
} rank;

/* Ids below SET_IDS, as all ids of programs are, are looked up in a set of bits; others are searched for. */
enum { SET_IDS = 65536, SORT_IDS = 2 * SET_IDS, WORD = 64 };

typedef struct {
    const uint64_t *importance;
    const uint32_t *ids;
    uint32_t n;
    const uint32_t *pinned;
    uint32_t pinned_count;
    uint32_t pins_met; /* pinned tokens among the candidates */
    uint64_t pin_set[SET_IDS / WORD];
} candidates;

static int compare_ids(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool is_pinned(const candidates *c, uint32_t id) {
    if (c->pinned_count == 0)
        return false;
    if (id < SET_IDS)
        return c->pin_set[id / WORD] >> id % WORD & 1;
    return bsearch(&id, c->pinned, c->pinned_count, sizeof *c->pinned, compare_ids) != NULL;
}

static void count_pins(candidates *c) {
    if (c->pinned_count == 0)
        return;
    memset(c->pin_set, 0, sizeof c->pin_set);
    for (uint32_t i = 0; i < c->pinned_count; i++)
        if (c->pinned[i] < SET_IDS)
            c->pin_set[c->pinned[i] / WORD] |= (uint64_t)1 << c->pinned[i] % WORD;
    for (uint32_t i = 0; i < c->n; i++)
        c->pins_met += is_pinned(c, c->ids[i]);
}

static bool at_least(rank a, rank b) {
    if (a.pinned != b.pinned)
        return a.pinned;
    if (a.importance != b.importance)
        return a.importance > b.importance;
    return a.not_id >= b.not_id;
}

static rank rank_of(const candidates *c, uint32_t i) {
    return (rank){c->importance[i], ~c->ids[i], is_pinned(c, c->ids[i])};
}

/* Candidates that are ranked among each other by one key: all pinned or all unpinned ones by importance, or those of
 * one importance by id. */
typedef struct {
    const candidates *of;
    bool pinned, tied;
    uint64_t importance; /* of those that are tied */
} group;

static bool is_member(const group *g, uint32_t i) {
    return (!g->tied || g->of->importance[i] == g->importance) && is_pinned(g->of, g->of->ids[i]) == g->pinned;
}

static uint64_t key_of(const group *g, uint32_t i) {
    return g->tied ? ~g->of->ids[i] : g->of->importance[i];
}

/* The largest number that the keys of at least *k members reach, *k at least 1 and at most the members. *k becomes the
 * number of members wanted of those whose key is that number, or 0 if they are all wanted. A radix select: digit by
 * digit from the first bit that differs, no memory, and no order of the tokens is worse than another. */
static uint64_t kth_key(const group *g, uint32_t *k) {
    enum { DIGIT = 8 };
    uint64_t any = 0, all = UINT64_MAX;
    for (uint32_t i = 0; i < g->of->n; i++) {
        if (is_member(g, i)) {
            any |= key_of(g, i);
            all &= key_of(g, i);
        }
    }
    unsigned shift = any != all ? 64 - (unsigned)__builtin_clzll(any ^ all) : 0;
    uint64_t known = shift < 64 ? UINT64_MAX << shift : 0, key = all & known;
    while (shift != 0) {
        shift = shift < DIGIT ? 0 : shift - DIGIT; /* the last digit may repeat bits that are known */
        uint32_t count[1 << DIGIT] = {0};
        for (uint32_t i = 0; i < g->of->n; i++)
            if ((key_of(g, i) & known) == key && is_member(g, i))
                count[key_of(g, i) >> shift & 0xff]++;
        uint64_t digit = 0xff;
        while (digit != 0 && count[digit] < *k)
            *k -= count[digit--];
        key |= digit << shift;
        known |= (uint64_t)0xff << shift;
        if (count[digit] == *k) {
            *k = 0;
            return key;
        }
    }
    return key;
}

/* The largest rank that at least k tokens reach, or one below which there is no other of a token. */
static rank kth(const candidates *c, uint32_t k) {
    if (k == 0)
        return (rank){UINT64_MAX, UINT32_MAX, true};
    if (k == c->n)
        return (rank){0, 0, false};
    group g = {.of = c, .pinned = k <= c->pins_met};
    uint32_t left = g.pinned ? k : k - c->pins_met;
    rank r = {.pinned = g.pinned};
    r.importance = kth_key(&g, &left);
    if (left != 0) {
        g.tied = true;
        g.importance = r.importance;
        r.not_id = (uint32_t)kth_key(&g, &left);
    }
    return r;
}

/* Ascending. Distinct numbers below SORT_IDS, as programs have, are sorted by setting a bit for each. */
static void sort_ids(uint32_t *ids, uint32_t n) {
    uint64_t set[SORT_IDS / WORD];
    uint32_t bound = 0;
    for (uint32_t i = 0; i < n; i++)
        bound |= ids[i];
    bool plain = bound < SORT_IDS;
    const uint32_t words = plain ? bound / WORD + 1 : 0;
    memset(set, 0, words * sizeof *set);
    for (uint32_t i = 0; plain && i < n; i++) {
        const uint64_t bit = (uint64_t)1 << ids[i] % WORD;
        plain = (set[ids[i] / WORD] & bit) == 0;
        set[ids[i] / WORD] |= bit;
    }
    if (!plain) {
        qsort(ids, n, sizeof *ids, compare_ids);
        return;
    }
    uint32_t at = 0;
    for (uint32_t w = 0; w < words; w++)
        for (uint64_t left = set[w]; left != 0; left &= left - 1)
            ids[at++] = w * WORD + (uint32_t)__builtin_ctzll(left);
}

void dtq_select(const uint64_t *importance, const uint32_t *ids, uint32_t n, const uint32_t *pinned,
                uint32_t pinned_count, uint32_t keep, uint32_t high, dtq_slot_order order, uint32_t *new_ids,
                uint8_t *high_flags) {
    candidates c;
    c.importance = importance;
    c.ids = ids;
    c.n = n;
    c.pinned = pinned;
    c.pinned_count = pinned_count;
    c.pins_met = 0;
    count_pins(&c);
    keep = keep > n ? n : keep;
    high = high > keep ? keep : high;
    const rank keep_from = kth(&c, keep);
    const rank high_from = kth(&c, high);
    const uint32_t low = keep - high;
    uint32_t *low_at = order == DTQ_ORDER_HIGH_FIRST ? new_ids + high : new_ids;
    uint32_t *high_at = order == DTQ_ORDER_HIGH_FIRST ? new_ids : new_ids + low;
    uint32_t lows = 0, highs = 0;
    for (uint32_t i = 0; i < n; i++) {
        const rank r = rank_of(&c, i);
        /* With k = 0 the threshold is the top of the order, which a token may reach, so the counts decide too. */
        if (highs < high && at_least(r, high_from))
            high_at[highs++] = ids[i];
        else if (lows < low && at_least(r, keep_from))
            low_at[lows++] = ids[i];
    }
    sort_ids(low_at, lows);
    sort_ids(high_at, highs);
    for (uint32_t i = 0; high_flags && i < keep; i++)
        high_flags[i] = order == DTQ_ORDER_HIGH_FIRST ? i < high : i >= low;
    if (order != DTQ_ORDER_ORIGINAL)
        return;
    /* Merge the clusters without a buffer: sort them with the class in the lowest bit. Ids are below 2^31. */
    for (uint32_t i = 0; i < keep; i++)
        new_ids[i] = new_ids[i] << 1 | (i >= low);
    sort_ids(new_ids, keep);
    for (uint32_t i = 0; i < keep; i++) {
        if (high_flags)
            high_flags[i] = (uint8_t)(new_ids[i] & 1);
        new_ids[i] >>= 1;
    }
}

void dtq_select_slots(const dtq_layer *next, const uint64_t *importance, const uint32_t *key_ids, uint32_t keys,
                      const uint32_t *muted_ids, uint32_t muted_count, uint32_t *new_ids, uint8_t *high_flags) {
    const uint32_t first = dtq_first_key(next), kept = dtq_keys(next);
    dtq_select(importance, key_ids, keys, next->pinned, next->pinned_count, kept, next->high,
               (dtq_slot_order)next->order, new_ids + first, high_flags ? high_flags + first : NULL);
    if (next->muted == 0)
        return;
    uint64_t chosen[SET_IDS / WORD] = {0}; /* ids of programs are below SET_IDS */
    for (uint32_t i = 0; i < kept; i++)
        chosen[new_ids[first + i] % SET_IDS / WORD] |= (uint64_t)1 << new_ids[first + i] % WORD;
    uint32_t *muted = new_ids + (first == 0 ? kept : 0);
    uint32_t at = 0;
    for (uint32_t i = 0; i < muted_count && at < next->muted; i++)
        muted[at++] = muted_ids[i];
    for (uint32_t i = 0; i < keys && at < next->muted; i++)
        if ((chosen[key_ids[i] % SET_IDS / WORD] >> key_ids[i] % WORD & 1) == 0)
            muted[at++] = key_ids[i];
    sort_ids(muted, at);
    if (high_flags)
        memset(high_flags + (first == 0 ? kept : 0), 0, next->muted);
}
