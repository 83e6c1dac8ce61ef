#include "numerics_util.h"

START_TEST(counts_of_the_published_ratios) {
    uint32_t kept, high;
    dtq_counts(128, 0.28, 0.306, &kept, &high);
    ck_assert_uint_eq(kept, 128 - 36);
    ck_assert_uint_eq(high, 39);
    dtq_counts(10, 0.25, 0.25, &kept, &high); /* 2.5 rounds to 2 */
    ck_assert_uint_eq(kept, 8);
    ck_assert_uint_eq(high, 2);
    dtq_counts(10, 0.9, 0.9, &kept, &high);
    ck_assert_uint_eq(kept, 1);
    ck_assert_uint_eq(high, 1);
    dtq_counts(7, 0.0, 1.0, &kept, &high);
    ck_assert_uint_eq(kept, 7);
    ck_assert_uint_eq(high, 7);
    dtq_counts(7, 1.5, -1.0, &kept, &high);
    ck_assert_uint_eq(kept, 0);
    ck_assert_uint_eq(high, 0);
}
END_TEST

static const uint64_t five[] = {10, 50, 30, 30, 20};
static const uint32_t five_ids[] = {9, 2, 7, 4, 1};

static void expect(dtq_slot_order order, const uint32_t *pinned, uint32_t pins, uint32_t keep, uint32_t high,
                   const uint32_t *ids, const uint8_t *flags) {
    uint32_t got[5];
    uint8_t got_flags[5];
    dtq_select(five, five_ids, 5, pinned, pins, keep, high, order, got, got_flags);
    ck_assert_mem_eq(got, ids, keep * sizeof *ids);
    ck_assert_mem_eq(got_flags, flags, keep);
    dtq_select(five, five_ids, 5, pinned, pins, keep, high, order, got, NULL);
    ck_assert_mem_eq(got, ids, keep * sizeof *ids);
}

START_TEST(orders) {
    /* Ranked: 2 (50), 4 (30, the smaller id), 7 (30), 1 (20), 9 (10). */
    expect(DTQ_ORDER_LOW_FIRST, NULL, 0, 4, 2, (uint32_t[]){1, 7, 2, 4}, (uint8_t[]){0, 0, 1, 1});
    expect(DTQ_ORDER_HIGH_FIRST, NULL, 0, 4, 2, (uint32_t[]){2, 4, 1, 7}, (uint8_t[]){1, 1, 0, 0});
    expect(DTQ_ORDER_ORIGINAL, NULL, 0, 4, 2, (uint32_t[]){1, 2, 4, 7}, (uint8_t[]){0, 1, 1, 0});
    expect(DTQ_ORDER_LOW_FIRST, NULL, 0, 5, 0, (uint32_t[]){1, 2, 4, 7, 9}, (uint8_t[]){0, 0, 0, 0, 0});
    expect(DTQ_ORDER_LOW_FIRST, NULL, 0, 5, 5, (uint32_t[]){1, 2, 4, 7, 9}, (uint8_t[]){1, 1, 1, 1, 1});
}
END_TEST

/* Of keys with ids 9 2 7 4 1 and muted tokens 3 and 8, and back in each order. */
static void expect_slots(dtq_slot_order order, uint32_t slots, uint32_t muted, const uint32_t *ids,
                         const uint8_t *flags) {
    const dtq_layer next = {.slots = slots, .high = 2, .muted = muted, .order = (uint8_t)order};
    uint32_t got[7];
    uint8_t got_flags[7];
    dtq_select_slots(&next, five, five_ids, 5, (uint32_t[]){8, 3}, 2, got, got_flags);
    ck_assert_mem_eq(got, ids, slots * sizeof *ids);
    ck_assert_mem_eq(got_flags, flags, slots);
}

START_TEST(tokens_whose_keys_leave_are_muted_for_good) {
    expect_slots(DTQ_ORDER_LOW_FIRST, 7, 3, (uint32_t[]){3, 8, 9, 1, 7, 2, 4}, (uint8_t[]){0, 0, 0, 0, 0, 1, 1});
    expect_slots(DTQ_ORDER_HIGH_FIRST, 7, 3, (uint32_t[]){2, 4, 1, 7, 3, 8, 9}, (uint8_t[]){1, 1, 0, 0, 0, 0, 0});
    expect_slots(DTQ_ORDER_ORIGINAL, 7, 4, (uint32_t[]){1, 3, 8, 9, 2, 4, 7}, (uint8_t[]){0, 0, 0, 0, 1, 1, 0});
    expect_slots(DTQ_ORDER_LOW_FIRST, 7, 2, (uint32_t[]){3, 8, 1, 7, 9, 2, 4}, (uint8_t[]){0, 0, 0, 0, 0, 1, 1});
    /* rows are pruned: muted ones leave, too */
    expect_slots(DTQ_ORDER_LOW_FIRST, 4, 0, (uint32_t[]){1, 7, 2, 4}, (uint8_t[]){0, 0, 1, 1});
}
END_TEST

START_TEST(pinned_tokens_go_first) {
    expect(DTQ_ORDER_LOW_FIRST, (uint32_t[]){9}, 1, 3, 2, (uint32_t[]){4, 2, 9}, (uint8_t[]){0, 1, 1});
    /* More pins than 8-bit places: the rest stay at 4 bits, before more important tokens. */
    expect(DTQ_ORDER_LOW_FIRST, (uint32_t[]){1, 7, 9}, 3, 3, 1, (uint32_t[]){1, 9, 7}, (uint8_t[]){0, 0, 1});
    /* A pinned token that is no longer active changes nothing. */
    expect(DTQ_ORDER_LOW_FIRST, (uint32_t[]){3}, 1, 2, 1, (uint32_t[]){4, 2}, (uint8_t[]){0, 1});
}
END_TEST

START_TEST(random_importance_is_of_seed_layer_and_id) {
    /* Values of splitmix64 written in Python. */
    ck_assert_uint_eq(dtq_random_importance(0, 0, 0), 0xe220a839);
    ck_assert_uint_eq(dtq_random_importance(3, 5, 17), 0x7522e2d2);
    ck_assert_uint_eq(dtq_random_importance(7, 4095, 65535), 0xa2aab6a1);
    const dtq_layer l = {.slots = 3, .importance = DTQ_IMPORTANCE_RANDOM + 3};
    uint64_t values[] = {1, 2, 3};
    dtq_replace_importance(&l, 5, (const uint32_t[]){4, 17, 0}, values);
    ck_assert_uint_eq(values[1], 0x7522e2d2);
    ck_assert_uint_eq(values[0], dtq_random_importance(3, 5, 4));
    const dtq_layer mean = {.slots = 3, .importance = DTQ_IMPORTANCE_SUM};
    uint64_t kept[] = {1, 2, 3};
    dtq_replace_importance(&mean, 5, (const uint32_t[]){4, 17, 0}, kept);
    ck_assert(kept[0] == 1 && kept[1] == 2 && kept[2] == 3);
}
END_TEST

typedef struct {
    uint64_t importance;
    uint32_t id;
    bool pinned;
} token;

static int by_rank(const void *pa, const void *pb) {
    const token *a = pa, *b = pb;
    if (a->pinned != b->pinned)
        return a->pinned ? -1 : 1;
    if (a->importance != b->importance)
        return a->importance > b->importance ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

START_TEST(agrees_with_a_full_sort) {
    rng r = rng_seeded("agrees_with_a_full_sort");
    enum { MOST = 60 };
    for (int trial = 0; trial < 1500; trial++) {
        const uint32_t n = 1 + rng_below(&r, MOST), keep = 1 + rng_below(&r, n), high = rng_below(&r, keep + 1);
        token t[MOST];
        uint64_t importance[MOST];
        uint32_t ids[MOST], pinned[MOST], pins = 0, got[MOST];
        uint8_t flags[MOST];
        for (uint32_t i = 0; i < n; i++) {
            const bool pin = rng_below(&r, 8) == 0;
            const uint64_t wide = rng_next(&r);
            t[i] = (token){rng_below(&r, 3) == 0 ? wide : rng_below(&r, 4), i * 3 + 1, pin};
            if (pin)
                pinned[pins++] = t[i].id;
        }
        for (uint32_t i = n; i > 1; i--) {
            const uint32_t j = rng_below(&r, i);
            const token swap = t[i - 1];
            t[i - 1] = t[j];
            t[j] = swap;
        }
        for (uint32_t i = 0; i < n; i++) {
            importance[i] = t[i].importance;
            ids[i] = t[i].id;
        }
        qsort(t, n, sizeof *t, by_rank);
        dtq_select(importance, ids, n, pinned, pins, keep, high, (dtq_slot_order)(trial % 3), got, flags);
        uint32_t highs = 0;
        for (uint32_t i = 0; i < keep; i++) {
            uint32_t place = 0;
            while (place < n && t[place].id != got[i])
                place++;
            ck_assert_uint_lt(place, keep);
            ck_assert_uint_eq(flags[i], place < high);
            highs += flags[i];
            const bool same_cluster = i > 0 && (trial % 3 == DTQ_ORDER_ORIGINAL || flags[i] == flags[i - 1]);
            ck_assert(!same_cluster || got[i - 1] < got[i]);
            if (i > 0 && trial % 3 == DTQ_ORDER_LOW_FIRST)
                ck_assert_uint_ge(flags[i], flags[i - 1]);
            else if (i > 0 && trial % 3 == DTQ_ORDER_HIGH_FIRST)
                ck_assert_uint_le(flags[i], flags[i - 1]);
        }
        ck_assert_uint_eq(highs, high);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("select");
    TCase *c = tcase_create("select");
    tcase_add_test(c, counts_of_the_published_ratios);
    tcase_add_test(c, orders);
    tcase_add_test(c, tokens_whose_keys_leave_are_muted_for_good);
    tcase_add_test(c, pinned_tokens_go_first);
    tcase_add_test(c, random_importance_is_of_seed_layer_and_id);
    tcase_add_test(c, agrees_with_a_full_sort);
    suite_add_tcase(s, c);
    return run_suite(s);
}
