/* Expected costs against the mean over all placements of the 8-bit tokens (few slots), or over thousands (many). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "passes/cost.h"
#include "passes/cost_util.h"
#include "runtime/machine_members.h"

enum { QK, PV };

typedef struct {
    int kind, prob8;
    uint32_t slots, high, row, rows, col, cols, head_dim;
} block;

typedef struct {
    cost_expectation sum;
    uint64_t least, most, placements;
    double squares;
} tally;

static cost_expectation expected(cost_model *c, const block *b) {
    if (b->kind == QK)
        return cost_qk_expected(c, b->slots, b->high, b->row, b->rows, b->col, b->cols, b->head_dim);
    return cost_pv_expected(c, b->slots, b->high, b->prob8, b->row, b->rows, b->col, b->cols, b->head_dim);
}

static void count(cost_model *c, const block *b, const uint8_t *bits, tally *t) {
    uint8_t p[2048];
    memcpy(p, bits + b->row, b->rows);
    if (b->prob8 >= 0)
        memset(p, b->prob8 ? 8 : 4, b->rows);
    cost_result r = b->kind == QK ? cost_qk(c, p, b->rows, bits + b->col, b->cols, b->head_dim, 0)
                                  : cost_pv(c, p, b->rows, bits + b->col, b->cols, b->head_dim, 0);
    t->sum.tiles += (double)r.tiles;
    t->sum.stalled_tiles += (double)r.stalled_tiles;
    t->sum.stall_ratio_sum += r.stall_ratio_sum;
    t->sum.step_cycles += r.step_cycles;
    t->sum.cycles += (double)r.cycles;
    t->sum.mac_cycles += (double)r.mac_cycles;
    t->sum.stall_cycles += (double)r.stall_cycles;
    t->sum.latency = r.latency;
    t->squares += (double)r.cycles * (double)r.cycles;
    t->least = r.cycles < t->least ? r.cycles : t->least;
    t->most = r.cycles > t->most ? r.cycles : t->most;
    t->placements++;
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static tally all_placements(cost_model *c, const block *b) {
    tally t = {.least = UINT64_MAX};
    for (uint32_t mask = 0; mask < 1u << b->slots; mask++) {
        if ((uint32_t)__builtin_popcount(mask) != b->high)
            continue;
        uint8_t bits[16];
        for (uint32_t i = 0; i < b->slots; i++)
            bits[i] = mask >> i & 1 ? 8 : 4;
        count(c, b, bits, &t);
    }
    return t;
}

static tally many_placements(cost_model *c, const block *b, int placements, uint64_t seed) {
    tally t = {.least = UINT64_MAX};
    uint8_t bits[2048];
    for (int i = 0; i < placements; i++) {
        for (uint32_t at = 0, left = b->high; at < b->slots; at++) {
            bool take = cost_below(&seed, b->slots - at) < left;
            bits[at] = take ? 8 : 4;
            left -= take;
        }
        count(c, b, bits, &t);
    }
    return t;
}

static void near(double got, double sum, const tally *t, const char *what) {
    double want = sum / (double)t->placements;
    ck_assert_msg(fabs(got - want) <= 1e-9 * (1 + fabs(want)), "%s: %.12g, mean of all placements %.12g", what, got,
                  want);
}

static void unskewed_equal(const cost_expectation *e, const tally *t) {
    near(e->tiles, t->sum.tiles, t, "tiles");
    near(e->stalled_tiles, t->sum.stalled_tiles, t, "stalled tiles");
    near(e->stall_ratio_sum, t->sum.stall_ratio_sum, t, "stall ratio");
    near(e->step_cycles, t->sum.step_cycles, t, "step cycles");
    near(e->mac_cycles, t->sum.mac_cycles, t, "mac cycles");
    near(e->stall_cycles, t->sum.stall_cycles, t, "stall cycles");
    ck_assert_uint_eq(e->latency, t->sum.latency);
    ck_assert_uint_le(e->least_cycles, t->least);
    ck_assert_uint_ge(e->most_cycles, t->most);
    const double rounding = 1e-9 * (1 + (double)e->most_cycles); /* as near() allows */
    ck_assert_msg(e->cycles >= (double)e->least_cycles - rounding && e->cycles <= (double)e->most_cycles + rounding,
                  "%.17g cycles are expected, of %llu to %llu", e->cycles, (unsigned long long)e->least_cycles,
                  (unsigned long long)e->most_cycles);
}

static block random_block(uint64_t *seed, int kind) {
    block b = {.kind = kind, .prob8 = (int)cost_below(seed, 3) - 1, .slots = 1 + cost_below(seed, 9)};
    if (kind == QK)
        b.prob8 = -1;
    b.high = cost_below(seed, b.slots + 1);
    b.row = cost_below(seed, b.slots);
    b.rows = 1 + cost_below(seed, b.slots - b.row);
    b.col = cost_below(seed, b.slots);
    b.cols = 1 + cost_below(seed, b.slots - b.col);
    b.head_dim = 1 + cost_below(seed, 9);
    return b;
}

/** Everything without skew, and bounds in every fidelity, for any shapes. */
START_TEST(exact_without_skew) {
    uint64_t seed = (uint64_t)time(NULL);
    printf("exact_without_skew: seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 200; round++) {
        block b = random_block(&seed, (int)cost_below(&seed, 2));
        arena *a = arena_new();
        dtq_machine m =
            cost_machine(1 + cost_below(&seed, 5), 1 + cost_below(&seed, 5), (dtq_drain)cost_below(&seed, 3));
        cost_model *c = cost_new(a, &m);
        cost_expectation e = expected(c, &b);
        tally t = all_placements(c, &b);
        unskewed_equal(&e, &t);
        if (m.top_drain == DTQ_DRAIN_IDEAL)
            near(e.cycles, t.sum.cycles, &t, "cycles");
        arena_free(a);
    }
}
END_TEST

/** With skew, Q.K^T and P.V of one precision are exact where at most two tiles are in flight. */
START_TEST(exact_with_skew) {
    uint64_t seed = (uint64_t)time(NULL);
    printf("exact_with_skew: seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 200; round++) {
        block b = random_block(&seed, (int)cost_below(&seed, 2));
        arena *a = arena_new();
        dtq_machine m = cost_machine(1 + cost_below(&seed, 4), 1 + cost_below(&seed, 4),
                                     cost_below(&seed, 2) ? DTQ_DRAIN_OVERLAPPED : DTQ_DRAIN_SERIAL);
        if (b.kind == QK) {
            b.head_dim = 8 + cost_below(&seed, 4);
        } else {
            b.prob8 = (int)cost_below(&seed, 2);
            m.vssa_rows = 1 + cost_below(&seed, least(b.cols, 3));
            m.vssa_cols = 1 + cost_below(&seed, least(b.cols + 2 - (uint32_t)m.vssa_rows, 4));
        }
        cost_model *c = cost_new(a, &m);
        cost_expectation e = expected(c, &b);
        tally t = all_placements(c, &b);
        unskewed_equal(&e, &t);
        near(e.cycles, t.sum.cycles, &t, "cycles");
        arena_free(a);
    }
}
END_TEST

/** A whole head on narrow arrays: long runs of tiles that lie alike, and strips that meet the columns of the one
 * before. */
START_TEST(exact_on_whole_heads) {
    for (uint32_t rows = 1; rows <= 4; rows++) {
        for (uint32_t cols = 1; cols <= 3; cols++) {
            for (int serial = 0; serial < 2; serial++) {
                block b = {QK, -1, 11, 4, 0, 11, 0, 11, 6};
                arena *a = arena_new();
                dtq_machine m = cost_machine(rows, cols, serial ? DTQ_DRAIN_SERIAL : DTQ_DRAIN_OVERLAPPED);
                cost_model *c = cost_new(a, &m);
                cost_expectation e = expected(c, &b);
                tally t = all_placements(c, &b);
                unskewed_equal(&e, &t);
                near(e.cycles, t.sum.cycles, &t, "cycles");
                arena_free(a);
            }
        }
    }
}
END_TEST

/** One model asked about many blocks, slots and counts must not mix up what it remembers. */
START_TEST(one_model_many_blocks) {
    uint64_t seed = 11;
    arena *a = arena_new();
    dtq_machine m = cost_machine(3, 2, DTQ_DRAIN_OVERLAPPED);
    cost_model *c = cost_new(a, &m);
    for (int round = 0; round < 300; round++) {
        block b = random_block(&seed, QK);
        b.head_dim = 4 + cost_below(&seed, 2);
        cost_expectation e = expected(c, &b);
        tally t = all_placements(c, &b);
        near(e.cycles, t.sum.cycles, &t, "cycles");
        near(e.step_cycles, t.sum.step_cycles, &t, "step cycles");
    }
    arena_free(a);
}
END_TEST

/** Real sizes against 1500 placements: what the doc comment of cost_expected.c promises. */
START_TEST(near_the_mean_of_placements) {
    static const struct {
        uint32_t rows, cols, slots, high, head_dim;
    } shapes[] = {{18, 11, 92, 39, 64},  {18, 11, 128, 20, 64}, {32, 32, 128, 39, 64},
                  {64, 64, 128, 30, 32}, {3, 3, 9, 2, 9},       {18, 11, 92, 4, 16}};
    double worst = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int drain = DTQ_DRAIN_SERIAL; drain <= DTQ_DRAIN_OVERLAPPED; drain++) {
            for (int kind = QK; kind <= PV; kind++) {
                for (int prob8 = -1; prob8 <= (kind == PV ? 1 : -1); prob8++) {
                    uint32_t n = shapes[i].slots;
                    block b = {kind, prob8, n, shapes[i].high, 0, n, 0, n, shapes[i].head_dim};
                    arena *a = arena_new();
                    dtq_machine m = cost_machine(shapes[i].rows, shapes[i].cols, (dtq_drain)drain);
                    cost_model *c = cost_new(a, &m);
                    cost_expectation e = expected(c, &b);
                    tally t = many_placements(c, &b, 1500, 99);
                    double many = (double)t.placements, mean = t.sum.cycles / many, error = fabs(e.cycles / mean - 1);
                    double noise = sqrt(fmax(t.squares / many - mean * mean, 0) / many) / mean;
                    worst = fmax(worst, error);
                    ck_assert_msg(error <= 0.005 + 4 * noise,
                                  "%ux%u, %u of %u, %s, prob8 %d, drain %d: %.1f, placements %.1f", shapes[i].rows,
                                  shapes[i].cols, b.high, n, kind == QK ? "qk" : "pv", prob8, drain, e.cycles, mean);
                    ck_assert_uint_le(e.least_cycles, t.least);
                    ck_assert_uint_ge(e.most_cycles, t.most);
                    arena_free(a);
                }
            }
        }
    }
    printf("near_the_mean_of_placements: worst %.3f %%\n", 100 * worst);
}
END_TEST

START_TEST(nine_tokens) {
    arena *a = arena_new();
    dtq_machine m = cost_machine(3, 3, DTQ_DRAIN_IDEAL);
    cost_model *c = cost_new(a, &m);
    cost_expectation e = cost_qk_expected(c, 9, 2, 0, 9, 0, 9, 9);
    /* Both 8-bit tokens share one of three tiles with chance 1/4 (16 step-cycles), else they lie in two (25). */
    ck_assert_double_eq_tol(e.step_cycles, 0.25 * 16 + 0.75 * 25, 1e-9);
    ck_assert_double_eq_tol(e.cycles, 9 * (0.25 * 16 + 0.75 * 25), 1e-9);
    ck_assert_uint_eq(e.least_cycles, 144);
    ck_assert_uint_eq(e.most_cycles, 225);
    arena_free(a);
}
END_TEST

/** Nothing is left to chance if all tokens are alike. */
START_TEST(certain_precision) {
    uint8_t bits[100];
    arena *a = arena_new();
    for (uint32_t high = 0; high <= 100; high += 100) {
        memset(bits, high ? 8 : 4, sizeof bits);
        for (int drain = 0; drain < 3; drain++) {
            dtq_machine m = cost_machine(18, 11, (dtq_drain)drain);
            cost_model *c = cost_new(a, &m);
            cost_expectation e = cost_qk_expected(c, 100, high, 0, 100, 0, 100, 64);
            ck_assert_double_eq_tol(e.cycles, (double)cost_qk(c, bits, 100, bits, 100, 64, 0).cycles, 1e-6);
            e = cost_pv_expected(c, 100, high, -1, 0, 100, 0, 100, 64);
            ck_assert_double_eq_tol(e.cycles, (double)cost_pv(c, bits, 100, bits, 100, 64, 0).cycles, 1e-6);
        }
    }
    ck_assert(
        cost_qk_expected(cost_new(a, &(dtq_machine){.vssa_rows = 3, .vssa_cols = 3}), 9, 2, 0, 0, 0, 9, 9).cycles == 0);
    arena_free(a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("cost_expected");
    TCase *t = tcase_create("cost_expected");
    tcase_add_test(t, exact_without_skew);
    tcase_add_test(t, exact_with_skew);
    tcase_add_test(t, exact_on_whole_heads);
    tcase_add_test(t, one_model_many_blocks);
    tcase_add_test(t, near_the_mean_of_placements);
    tcase_add_test(t, nine_tokens);
    tcase_add_test(t, certain_precision);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
