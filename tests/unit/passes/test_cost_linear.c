/* What a linear costs: against the wavefront that the simulator steps, against all placements of 8-bit rows, and by
 * hand. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "passes/cost.h"
#include "passes/cost_util.h"
#include "runtime/machine_members.h"
#include "runtime/sim/wavefront.h"

enum { SLOTS = 64 };

static uint64_t seed_of(const char *test) {
    const char *given = getenv("DTQ_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("%s: seed %llu\n", test, (unsigned long long)seed);
    return seed;
}

/** Rows of which some are clustered, some random. */
static void random_rows(uint64_t *seed, uint8_t *bits, uint32_t n) {
    uint32_t style = cost_below(seed, 3), high = cost_below(seed, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        bool is_high = style == 0 ? cost_below(seed, n) < high : style == 1 ? i >= high : i < high;
        bits[i] = is_high ? 8 : 4;
    }
}

START_TEST(equals_the_stepped_wavefront) {
    uint64_t seed = seed_of("equals_the_stepped_wavefront");
    uint8_t bits[SLOTS], weights[SLOTS];
    memset(weights, 8, sizeof weights);
    for (int round = 0; round < 3000; round++) {
        arena *a = arena_new();
        uint32_t height = 1 + cost_below(&seed, 9), width = 1 + cost_below(&seed, 9);
        uint32_t rows = 1 + cost_below(&seed, 30), cols = 1 + cost_below(&seed, 30), depth = 1 + cost_below(&seed, 24);
        unsigned walk = cost_below(&seed, 4);
        dtq_machine m = cost_machine(height, width, (dtq_drain)(round % 3));
        random_rows(&seed, bits, rows);
        cost_result c = cost_linear(cost_new(a, &m), bits, rows, cols, depth, walk);
        dtq_array_shape shape = {height, width, (dtq_drain)(round % 3), walk & WALK_TURNED, walk & WALK_SERPENTINE,
                                 NULL};
        dtq_wavefront w;
        ck_assert(dtq_wavefront_qk(&shape, bits, rows, weights, cols, depth, &w));
        ck_assert_uint_eq(c.tiles, w.tiles);
        ck_assert_uint_eq(c.stalled_tiles, w.stalled_tiles);
        ck_assert_double_eq_tol(c.stall_ratio_sum, w.stall_ratio_sum, 1e-9);
        ck_assert_double_eq_tol(c.step_cycles, w.step_cycles, 1e-9);
        ck_assert_uint_eq(c.cycles, w.cycles);
        ck_assert_uint_eq(c.latency, w.latency);
        ck_assert_uint_eq(c.mac_cycles, w.mac_cycles);
        ck_assert_uint_eq(c.stall_cycles, w.stall_cycles);
        arena_free(a);
    }
}
END_TEST

/* The longer a reduction, the more weights a step has passed by: by hand, two rows of 4 and one of 8 bits on 2 x 2 PEs.
 * The first strip takes 2 cycles in each of its steps, the second 4. Upright there are 2 strips of 3 steps. */
START_TEST(by_hand) {
    arena *a = arena_new();
    static const uint8_t bits[] = {4, 4, 8};
    dtq_machine m = cost_machine(2, 2, DTQ_DRAIN_IDEAL);
    cost_result c = cost_linear(cost_new(a, &m), bits, 3, 2, 3, 0);
    ck_assert_uint_eq(c.tiles, 2);
    ck_assert_uint_eq(c.stalled_tiles, 0);
    ck_assert_uint_eq(c.cycles, 3 * 2 + 3 * 4);
    ck_assert_uint_eq(c.mac_cycles, (2 + 2 + 4) * 2 * 3);
    m.top_drain = DTQ_DRAIN_SERIAL; /* 5 steps of 2, 4 of 4 */
    ck_assert_uint_eq(cost_linear(cost_new(a, &m), bits, 3, 2, 3, 0).cycles, 5 * 2 + 4 * 4);
    m.top_drain = DTQ_DRAIN_OVERLAPPED; /* the 8-bit row enters behind 3 steps and stays for 4 */
    ck_assert_uint_eq(cost_linear(cost_new(a, &m), bits, 3, 2, 3, 0).cycles, 3 * 2 + 4 * 4);
    static const uint8_t mixed[] = {4, 8, 4};
    m.top_drain = DTQ_DRAIN_IDEAL;
    c = cost_linear(cost_new(a, &m), mixed, 3, 2, 3, 0);
    ck_assert_uint_eq(c.stalled_tiles, 1);
    ck_assert_double_eq(c.stall_ratio_sum, 0.25);
    ck_assert_uint_eq(c.stall_cycles, 2 * 2 * 3);
    arena_free(a);
}
END_TEST

/* ---- expectations ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint32_t height, width, slots, high, rows, cols, depth;
    dtq_drain drain;
} problem;

typedef struct {
    double tiles, stalled_tiles, stall_ratio_sum, step_cycles, cycles, mac_cycles, stall_cycles, latency;
} sums;

/** The mean over all placements of the 8-bit slots. */
static sums mean_of_placements(cost_model *c, const problem *p) {
    sums s = {0};
    double n = 0;
    for (uint32_t mask = 0; mask < 1u << p->slots; mask++) {
        if ((uint32_t)__builtin_popcount(mask) != p->high)
            continue;
        uint8_t bits[16];
        for (uint32_t i = 0; i < p->rows; i++)
            bits[i] = mask >> i & 1 ? 8 : 4;
        cost_result r = cost_linear(c, bits, p->rows, p->cols, p->depth, 0);
        s.tiles += (double)r.tiles;
        s.stalled_tiles += (double)r.stalled_tiles;
        s.stall_ratio_sum += r.stall_ratio_sum;
        s.step_cycles += r.step_cycles;
        s.cycles += (double)r.cycles;
        s.mac_cycles += (double)r.mac_cycles;
        s.stall_cycles += (double)r.stall_cycles;
        s.latency += (double)r.latency;
        n++;
    }
    return (sums){s.tiles / n,  s.stalled_tiles / n, s.stall_ratio_sum / n, s.step_cycles / n,
                  s.cycles / n, s.mac_cycles / n,    s.stall_cycles / n,    s.latency / n};
}

static bool close_to(double a, double b) {
    return fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

static problem random_problem(uint64_t *seed) {
    problem p = {.height = 1 + cost_below(seed, 5),
                 .width = 1 + cost_below(seed, 5),
                 .slots = 1 + cost_below(seed, 9),
                 .cols = 1 + cost_below(seed, 12),
                 .depth = 1 + cost_below(seed, 12),
                 .drain = (dtq_drain)cost_below(seed, 3)};
    p.high = cost_below(seed, p.slots + 1);
    p.rows = 1 + cost_below(seed, p.slots);
    return p;
}

START_TEST(equals_the_mean_of_all_placements) {
    uint64_t seed = seed_of("equals_the_mean_of_all_placements");
    unsigned few = 0, many = 0; /* inputs, where drains overlap */
    for (int round = 0; round < 3000; round++) {
        arena *a = arena_new();
        problem p = random_problem(&seed);
        dtq_machine m = cost_machine(p.height, p.width, p.drain);
        cost_model *c = cost_new(a, &m);
        cost_expectation e = cost_linear_expected(c, p.slots, p.high, p.rows, p.cols, p.depth);
        sums s = mean_of_placements(c, &p);
        ck_assert(close_to(e.tiles, s.tiles));
        ck_assert(close_to(e.stalled_tiles, s.stalled_tiles));
        ck_assert(close_to(e.stall_ratio_sum, s.stall_ratio_sum));
        ck_assert(close_to(e.step_cycles, s.step_cycles));
        ck_assert(close_to(e.mac_cycles, s.mac_cycles));
        ck_assert(close_to(e.stall_cycles, s.stall_cycles));
        ck_assert(close_to((double)e.latency, s.latency));
        ck_assert_msg(close_to(e.cycles, s.cycles),
                      "%u x %u PEs, %u of %u slots at 8 bits, %u rows, %u outputs, %u inputs, drain %d: %.12g cycles, "
                      "mean of all placements %.12g",
                      p.height, p.width, p.high, p.slots, p.rows, p.cols, p.depth, (int)p.drain, e.cycles, s.cycles);
        few += p.drain == DTQ_DRAIN_OVERLAPPED && p.depth < p.height + p.width;
        many += p.drain == DTQ_DRAIN_OVERLAPPED && p.depth >= p.height + p.width;
        arena_free(a);
    }
    ck_assert_uint_gt(few, 200);
    ck_assert_uint_gt(many, 200);
}
END_TEST

/* One 8-bit token among three, on 2 x 2 PEs, two outputs, three inputs: the strip of rows 0 and 1 has it with a chance
 * of 2/3, so that its steps take 10/3 cycles in the mean; a single row's take 8/3. */
START_TEST(expected_by_hand) {
    arena *a = arena_new();
    static const struct {
        dtq_drain drain;
        double one_strip, all; /* rows 0 and 1; all three */
    } expected[] = {
        {DTQ_DRAIN_IDEAL, 3 * 10 / 3.0, 3 * 10 / 3.0 + 3 * 8 / 3.0},
        /* 5 steps: row 0 alone, both three times, row 1 alone; then 4 steps of row 2 */
        {DTQ_DRAIN_SERIAL, 8 / 3.0 + 10 + 8 / 3.0, 8 / 3.0 + 10 + 8 / 3.0 + 4 * 8 / 3.0},
        /* rows at work: 0, 01, 01, 012 (4 cycles for sure), 12, 2, 2 */
        {DTQ_DRAIN_OVERLAPPED, 8 / 3.0 + 10 + 8 / 3.0, 8 / 3.0 + 20 / 3.0 + 4 + 10 / 3.0 + 16 / 3.0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        dtq_machine m = cost_machine(2, 2, expected[i].drain);
        cost_model *c = cost_new(a, &m);
        cost_expectation e = cost_linear_expected(c, 3, 1, 2, 2, 3);
        ck_assert_double_eq_tol(e.cycles, expected[i].one_strip, 1e-9);
        ck_assert_uint_eq(e.latency, expected[i].drain == DTQ_DRAIN_IDEAL ? 0 : 2);
        e = cost_linear_expected(c, 3, 1, 3, 2, 3);
        ck_assert_double_eq_tol(e.cycles, expected[i].all, 1e-9);
        ck_assert_double_eq_tol(e.tiles, 2, 1e-9);
        ck_assert_double_eq_tol(e.stalled_tiles, 2 / 3.0, 1e-9);   /* row 2 stalls nobody */
        ck_assert_double_eq_tol(e.stall_ratio_sum, 1 / 6.0, 1e-9); /* a quarter, where it stalls */
        ck_assert_double_eq_tol(e.step_cycles, 6, 1e-9);
        ck_assert_double_eq_tol(e.mac_cycles, 48, 1e-9);
        ck_assert_double_eq_tol(e.stall_cycles, 8, 1e-9);
        ck_assert_uint_eq(e.latency, expected[i].drain == DTQ_DRAIN_IDEAL ? 0 : 1);
    }
    dtq_machine m = cost_machine(2, 2, DTQ_DRAIN_OVERLAPPED);
    ck_assert_double_eq(cost_linear_expected(cost_new(a, &m), 3, 1, 0, 2, 3).cycles, 0);
    arena_free(a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("cost_linear");
    TCase *t = tcase_create("cost_linear");
    tcase_add_test(t, equals_the_stepped_wavefront);
    tcase_add_test(t, by_hand);
    tcase_add_test(t, equals_the_mean_of_all_placements);
    tcase_add_test(t, expected_by_hand);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
