/* Top-k: which tokens the next layer keeps, which of them at 8 bits, and in what order they stand in its slots. */
#include <math.h>
#include <stdlib.h>

#include "runtime/dtqrt.h"

void dtq_counts(uint32_t n, double r0, double r8, uint32_t *kept, uint32_t *high) {
    const double dropped = rint(r0 * (double)n);
    const double eight = rint(r8 * (double)n);
    const uint32_t k0 = dropped <= 0 ? n : dropped >= n ? 0 : n - (uint32_t)dropped;
    const uint32_t k1 = eight <= 0 ? 0 : eight >= k0 ? k0 : (uint32_t)eight;
    *kept = k0;
    *high = k1;
}

/* Tokens are ranked by this triple, larger first: pinned, then importance, then the smaller id. */
typedef struct {
    uint64_t importance;
    uint32_t not_id;
    bool pinned;
} rank;

static int compare_ids(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool is_pinned(uint32_t id, const uint32_t *pinned, uint32_t count) {
    return count != 0 && bsearch(&id, pinned, count, sizeof *pinned, compare_ids) != NULL;
}

static bool at_least(rank a, rank b) {
    if (a.pinned != b.pinned) {
        return a.pinned;
    }
    if (a.importance != b.importance) {
        return a.importance > b.importance;
    }
    return a.not_id >= b.not_id;
}

typedef struct {
    const uint64_t *importance;
    const uint32_t *ids;
    uint32_t n;
    const uint32_t *pinned;
    uint32_t pinned_count;
} candidates;

static rank rank_of(const candidates *c, uint32_t i) {
    return (rank){c->importance[i], ~c->ids[i], is_pinned(c->ids[i], c->pinned, c->pinned_count)};
}

/* The largest rank that at least k tokens reach, found bit by bit from the top as a radix select does: no memory, and
 * the same answer for every order of the tokens. */
static rank kth(const candidates *c, uint32_t k) {
    rank r = {0, 0, false};
    for (int bit = 96; bit >= 0; bit--) {
        rank trial = r;
        if (bit == 96) {
            trial.pinned = true;
        } else if (bit >= 32) {
            trial.importance |= (uint64_t)1 << (bit - 32);
        } else {
            trial.not_id |= (uint32_t)1 << bit;
        }
        uint32_t reached = 0;
        for (uint32_t i = 0; i < c->n && reached < k; i++) {
            reached += at_least(rank_of(c, i), trial);
        }
        r = reached >= k ? trial : r;
    }
    return r;
}

void dtq_select(const uint64_t *importance, const uint32_t *ids, uint32_t n, const uint32_t *pinned,
                uint32_t pinned_count, uint32_t keep, uint32_t high, dtq_slot_order order, uint32_t *new_ids,
                uint8_t *high_flags) {
    const candidates c = {importance, ids, n, pinned, pinned_count};
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
        if (highs < high && at_least(r, high_from)) {
            high_at[highs++] = ids[i];
        } else if (lows < low && at_least(r, keep_from)) {
            low_at[lows++] = ids[i];
        }
    }
    qsort(low_at, lows, sizeof *low_at, compare_ids);
    qsort(high_at, highs, sizeof *high_at, compare_ids);
    for (uint32_t i = 0; high_flags != NULL && i < keep; i++) {
        high_flags[i] = order == DTQ_ORDER_HIGH_FIRST ? i < high : i >= low;
    }
    if (order != DTQ_ORDER_ORIGINAL) {
        return;
    }
    /* Merge the clusters without a buffer: sort them with the class in the lowest bit. Ids are below 2^31. */
    for (uint32_t i = 0; i < keep; i++) {
        new_ids[i] = new_ids[i] << 1 | (i >= low);
    }
    qsort(new_ids, keep, sizeof *new_ids, compare_ids);
    for (uint32_t i = 0; i < keep; i++) {
        if (high_flags != NULL) {
            high_flags[i] = (uint8_t)(new_ids[i] & 1);
        }
        new_ids[i] >>= 1;
    }
}
