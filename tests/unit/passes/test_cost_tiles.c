/* What a matmul takes at least in whole tiles: by hand, and against all ways to deal rows to strips and keys to tiles.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "passes/cost.h"
#include "passes/cost_util.h"
#include "runtime/machine_members.h"

enum { MOST = 14 };

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/** Cost of dealing `low` and `high` things to groups of at most `size`: `one` for a group, twice that if it holds a
 *  high one; any number of groups of each of two kinds. */
static uint64_t deal(uint32_t low, uint32_t high, const uint32_t size[2], const uint64_t one[2]) {
    uint64_t best[MOST + 1][MOST + 1];
    for (uint32_t l = 0; l <= low; l++)
        for (uint32_t h = 0; h <= high; h++) {
            best[l][h] = l + h ? UINT64_MAX : 0;
            for (uint32_t a = 0; a <= l; a++)
                for (uint32_t b = 0; b <= h; b++)
                    for (int kind = 0; kind < 2; kind++)
                        if (a + b > 0 && a + b <= size[kind])
                            best[l][h] = least(best[l][h], best[l - a][h - b] + (b ? 2 : 1) * one[kind]);
        }
    return best[low][high];
}

static uint64_t key_tiles(const cost_counts *c, uint32_t width) {
    const uint32_t size[2] = {width, width};
    const uint64_t one[2] = {1, 1};
    return deal((uint32_t)(c->keys - c->high_keys), (uint32_t)c->high_keys, size, one);
}

static uint64_t dim_tiles(uint64_t dim, uint64_t width) {
    uint64_t tiles = 0;
    for (uint64_t at = 0; at < dim; at += width)
        tiles++;
    return tiles;
}

START_TEST(equals_the_best_of_all_ways) {
    const char *given = getenv("DTQ_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("equals_the_best_of_all_ways: seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 1500; round++) {
        const uint32_t rows = 1 + cost_below(&seed, 6), cols = 1 + cost_below(&seed, 6);
        const uint32_t queries = 1 + cost_below(&seed, MOST), keys = 1 + cost_below(&seed, MOST);
        const dtq_machine m = {.vssa_rows = rows, .vssa_cols = cols};
        const cost_counts c = {.queries = queries,
                               .high_queries = cost_below(&seed, queries + 1),
                               .high_probs = cost_below(&seed, queries + 1),
                               .keys = keys,
                               .high_keys = cost_below(&seed, keys + 1),
                               .head_dim = 1 + cost_below(&seed, 20)};
        const uint32_t heights[2] = {rows, cols};
        const uint64_t qk[2] = {key_tiles(&c, cols) * c.head_dim, key_tiles(&c, rows) * c.head_dim};
        ck_assert_uint_eq(cost_qk_tiles(&m, &c),
                          deal(queries - (uint32_t)c.high_queries, (uint32_t)c.high_queries, heights, qk));
        const uint64_t steps = c.keys + c.high_keys;
        const uint64_t pv[2] = {dim_tiles(c.head_dim, cols) * steps, dim_tiles(c.head_dim, rows) * steps};
        ck_assert_uint_eq(cost_pv_tiles(&m, &c),
                          deal(queries - (uint32_t)c.high_probs, (uint32_t)c.high_probs, heights, pv));
        const uint64_t linear[2] = {2 * dim_tiles(c.head_dim, cols) * 7, 2 * dim_tiles(c.head_dim, rows) * 7};
        ck_assert_uint_eq(cost_linear_tiles(&m, queries, c.high_queries, c.head_dim, 7),
                          deal(queries - (uint32_t)c.high_queries, (uint32_t)c.high_queries, heights, linear));
    }
}
END_TEST

START_TEST(by_hand) {
    /* Fig. 5: strips cost 1 + 1 + 2 for each 4-bit row; two of 4-bit rows and one with both 8-bit ones. */
    const dtq_machine small = {.vssa_rows = 3, .vssa_cols = 3};
    const cost_counts fig5 = {
        .queries = 9, .high_queries = 2, .high_probs = 2, .keys = 9, .high_keys = 2, .head_dim = 9};
    ck_assert_uint_eq(cost_qk_tiles(&small, &fig5), (4 + 4 + 2 * 4) * 9);
    ck_assert_uint_eq(cost_pv_tiles(&small, &fig5), (1 + 1 + 2) * 3 * 11);
    /* The paper's machine and ratios at 128 tokens. A strip of 18 costs 9 + 4, one of 11 6 + 3: the 39 rows at 8 bits
     * and one more take one of 18 and two of 11, the other 52 three of 18. */
    const dtq_machine paper = {.vssa_rows = 18, .vssa_cols = 11};
    const cost_counts bert = {
        .queries = 92, .high_queries = 39, .high_probs = 39, .keys = 92, .high_keys = 39, .head_dim = 64};
    ck_assert_uint_eq(cost_qk_tiles(&paper, &bert), (2 * (13 + 2 * 9) + 3 * 13) * 64);
    ck_assert_uint_eq(cost_pv_tiles(&paper, &bert), (2 * (6 + 2 * 4) + 3 * 6) * (92 + 39));
    /* One row at 8 bits against 30 outputs of weights at 8: 4 a step, and 30 lie in two tiles if it is turned. */
    ck_assert_uint_eq(cost_linear_tiles(&paper, 1, 1, 30, 10), 2 * 4 * 10);
    ck_assert_uint_eq(cost_linear_tiles(&paper, 0, 0, 30, 10), 0);
}
END_TEST

/* A long input takes no longer to bound than a short one. */
START_TEST(of_any_size) {
    const dtq_machine one = {.vssa_rows = 1, .vssa_cols = 1}, wide = {.vssa_rows = 1024, .vssa_cols = 1};
    const cost_counts c = {
        .queries = 65536, .high_queries = 30000, .high_probs = 65536, .keys = 65536, .high_keys = 1, .head_dim = 2};
    ck_assert_uint_eq(cost_qk_tiles(&one, &c), 95536ull * 65537 * 2);
    ck_assert_uint_eq(cost_pv_tiles(&one, &c), 2ull * 65536 * 2 * 65537);
    ck_assert_uint_le(cost_qk_tiles(&wide, &c), (30ull * 2 + 34) * 65537 * 2);
}
END_TEST

int main(void) {
    Suite *s = suite_create("cost_tiles");
    TCase *t = tcase_create("cost_tiles");
    tcase_add_test(t, equals_the_best_of_all_ways);
    tcase_add_test(t, by_hand);
    tcase_add_test(t, of_any_size);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
