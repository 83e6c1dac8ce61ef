#include <check.h>
#include <math.h>

#include "runtime/sim/wavefront.h"
#include "sim_util.h"

/* ---- the definition, PE by PE ---------------------------------------------------------------------------------- */

typedef struct {
    bool qk;
    const uint8_t *row_bits, *other_bits; /* the other: columns of Q.K^T, or the reduction of P.V */
    uint32_t rows, cols, depth;
} problem;

static uint64_t pe_cost(const problem *p, uint32_t r, uint32_t c, uint32_t k) {
    return (p->row_bits[r] / 4u) * (p->other_bits[p->qk ? c : k] / 4u);
}

typedef struct {
    uint32_t row, rows, col, cols;
    uint64_t entry;
    bool backward;     /* its reduction runs from the last index to the first */
    dtq_hidden hidden; /* of P.V: keys that its reduction leaves out */
    uint32_t depth;    /* of what is left */
} brute_tile;

/** The key at place k of a tile's reduction. */
static uint32_t key_at(const brute_tile *tile, uint32_t k) {
    return k < tile->hidden.from ? k : k + tile->hidden.to - tile->hidden.from;
}

/** Costliest PE of a tile at step t of its own; 0 if none is active. */
static uint64_t brute_step(const problem *p, const brute_tile *tile, uint64_t t) {
    uint64_t cost = 0;
    for (uint32_t r = 0; r < tile->rows; r++) {
        for (uint32_t c = 0; c < tile->cols; c++) {
            if (t >= r + c && t - r - c < tile->depth) {
                const uint32_t at = (uint32_t)(t - r - c), k = key_at(tile, tile->backward ? tile->depth - 1 - at : at);
                const uint64_t own = pe_cost(p, tile->row + r, tile->col + c, k);
                cost = own > cost ? own : cost;
            }
        }
    }
    return cost;
}

static void brute_count(const problem *p, const brute_tile *tile, dtq_drain drain, dtq_wavefront *w) {
    uint64_t stall = 0, slowest = 0, steps = 0;
    for (uint32_t k = 0; k < tile->depth; k++) {
        uint64_t max = 0, work = 0;
        for (uint32_t r = 0; r < tile->rows; r++) {
            for (uint32_t c = 0; c < tile->cols; c++) {
                const uint64_t own = pe_cost(p, tile->row + r, tile->col + c, key_at(tile, k));
                max = own > max ? own : max;
                work += own;
            }
        }
        const uint64_t pes = (uint64_t)tile->rows * tile->cols;
        w->mac_cycles += work;
        stall += pes * max - work;
        slowest += pes * max;
        steps += max;
    }
    w->stall_cycles += stall;
    w->stalled_tiles += stall > 0;
    w->stall_ratio_sum += (double)stall / (double)slowest;
    w->step_cycles += (double)steps / tile->depth;
    if (drain == DTQ_DRAIN_IDEAL)
        w->cycles += steps;
}

static uint32_t up_to(uint32_t all, uint32_t from, uint32_t most) {
    return all - from < most ? all - from : most;
}

/** Whether every key of a tile of scores is hidden. */
static bool is_left_out(dtq_hidden h, uint32_t col, uint32_t cols) {
    for (uint32_t key = col; key < col + cols; key++)
        if (key < h.from || key >= h.to)
            return false;
    return true;
}

/** Columns of the array that a tile uses, and rows. */
static uint32_t across(const dtq_array_shape *a, const brute_tile *t) {
    return a->turned ? t->rows : t->cols;
}
static uint32_t down(const dtq_array_shape *a, const brute_tile *t) {
    return a->turned ? t->cols : t->rows;
}

/** Whether results of two tiles meet: that of a PE leaves one step after its last product, on the bus of its column,
 *  which takes one a step. */
static bool results_meet(const dtq_array_shape *a, const brute_tile *x, const brute_tile *y) {
    for (uint32_t c = 0; c < across(a, x) && c < across(a, y); c++)
        for (uint32_t i = 0; i < down(a, x); i++)
            for (uint32_t j = 0; j < down(a, y); j++)
                if (x->entry + x->depth + i + c == y->entry + y->depth + j + c)
                    return true;
    return false;
}

/** The first step at which tile `n` may enter: operands of the tile before have entered, as many steps have gone as it
 *  has rows, and its results meet none of the tiles before. */
static uint64_t first_entry(const dtq_array_shape *a, brute_tile *tiles, uint64_t n) {
    brute_tile *t = &tiles[n];
    const brute_tile *last = &tiles[n - 1];
    t->entry = last->entry + (last->depth > down(a, last) ? last->depth : down(a, last));
    for (uint64_t i = n; i-- > 0;) {
        if (results_meet(a, &tiles[i], t)) {
            t->entry++;
            i = n;
        }
    }
    return t->entry;
}

static dtq_wavefront brute_force(const problem *p, const dtq_array_shape *a) {
    dtq_wavefront w = {0};
    static brute_tile tiles[4096];
    const uint32_t height = a->turned ? a->cols : a->rows, width = a->turned ? a->rows : a->cols;
    const uint32_t strips = (p->rows + height - 1) / height, columns = (p->cols + width - 1) / width;
    uint64_t n = 0, end = 0, entry = 0;
    for (uint32_t s = 0; s < strips; s++) {
        for (uint32_t j = 0; j < columns; j++) {
            const bool to_left = a->serpentine && p->qk && s % 2 == 1;
            const uint32_t row = s * height, col = (to_left ? columns - 1 - j : j) * width;
            const dtq_hidden h = a->hidden ? a->hidden[s] : (dtq_hidden){0, 0};
            const uint32_t depth = p->qk ? p->depth : p->depth - (h.to - h.from);
            if (depth == 0 || (p->qk && is_left_out(h, col, up_to(p->cols, col, width))))
                continue;
            brute_tile *tile = &tiles[n];
            *tile = (brute_tile){row,
                                 up_to(p->rows, row, height),
                                 col,
                                 up_to(p->cols, col, width),
                                 entry,
                                 a->serpentine && !p->qk && n % 2 == 1,
                                 p->qk ? (dtq_hidden){0, 0} : h,
                                 depth};
            if (n > 0 && a->drain == DTQ_DRAIN_OVERLAPPED)
                entry = first_entry(a, tiles, n);
            n++;
            const uint64_t steps = depth + tile->rows + tile->cols - 2;
            entry += a->drain == DTQ_DRAIN_SERIAL ? steps : 0;
            end = tile->entry + steps > end ? tile->entry + steps : end;
            brute_count(p, tile, a->drain, &w);
        }
    }
    for (uint64_t t = 0; a->drain != DTQ_DRAIN_IDEAL && t < end; t++) {
        uint64_t cost = 0;
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t own = t >= tiles[i].entry ? brute_step(p, &tiles[i], t - tiles[i].entry) : 0;
            cost = own > cost ? own : cost;
        }
        w.cycles += cost ? cost : 1;
    }
    w.tiles = n;
    w.latency = a->drain == DTQ_DRAIN_IDEAL || n == 0 ? 0 : a->turned ? tiles[n - 1].cols : tiles[n - 1].rows;
    return w;
}

static dtq_wavefront fast(const problem *p, const dtq_array_shape *a) {
    dtq_wavefront w;
    ck_assert(p->qk ? dtq_wavefront_qk(a, p->row_bits, p->rows, p->other_bits, p->cols, p->depth, &w)
                    : dtq_wavefront_pv(a, p->row_bits, p->rows, p->other_bits, p->depth, p->cols, &w));
    return w;
}

static void compare(const problem *p, const dtq_array_shape *a) {
    const dtq_wavefront got = fast(p, a), want = brute_force(p, a);
    ck_assert_msg(got.cycles == want.cycles, "%s drain %d%s%s, array %ux%u, %u x %u, depth %u: %llu cycles, not %llu",
                  p->qk ? "qk" : "pv", (int)a->drain, a->turned ? " turned" : "", a->serpentine ? " serpentine" : "",
                  a->rows, a->cols, p->rows, p->cols, p->depth, (unsigned long long)got.cycles,
                  (unsigned long long)want.cycles);
    ck_assert_uint_eq(got.tiles, want.tiles);
    ck_assert_uint_eq(got.stalled_tiles, want.stalled_tiles);
    ck_assert_uint_eq(got.latency, want.latency);
    ck_assert_uint_eq(got.mac_cycles, want.mac_cycles);
    ck_assert_uint_eq(got.stall_cycles, want.stall_cycles);
    ck_assert_double_eq_tol(got.stall_ratio_sum, want.stall_ratio_sum, 1e-9);
    ck_assert_double_eq_tol(got.step_cycles, want.step_cycles, 1e-9);
}

/** Bits of mostly equal neighbours, or of none, or mixed: schedules meet all of these. */
static void some_bits(sim_random *r, uint8_t *bits, uint32_t n) {
    const uint32_t how = sim_range(r, 0, 3), cut = sim_range(r, 0, n);
    for (uint32_t i = 0; i < n; i++)
        bits[i] = how == 0 ? 4 : how == 1 ? (i < cut ? 4 : 8) : how == 2 ? (i < cut ? 8 : 4) : sim_next(r) & 1 ? 8 : 4;
}

/** What strips do not see, of which some see all and some nothing. */
static void some_hidden(sim_random *r, dtq_hidden *hidden, uint32_t strips, uint32_t keys) {
    for (uint32_t s = 0; s < strips; s++) {
        const uint32_t from = sim_range(r, 0, keys), to = sim_range(r, from, keys), how = sim_range(r, 0, 5);
        hidden[s] = how == 0               ? (dtq_hidden){0, keys}
                    : how == 1             ? (dtq_hidden){0, 0}
                    : how == 2 && keys > 0 ? (dtq_hidden){from, keys}
                                           : (dtq_hidden){from, to};
    }
}

static void random_problems(uint64_t seed, uint32_t count, uint32_t array_max, uint32_t size_max) {
    sim_random r = {seed};
    printf("wavefront: seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t rows[256], others[256];
        problem p = {.qk = sim_next(&r) & 1,
                     .row_bits = rows,
                     .other_bits = others,
                     .rows = sim_range(&r, 1, size_max),
                     .cols = sim_range(&r, 1, size_max),
                     .depth = sim_range(&r, 1, size_max)};
        some_bits(&r, rows, p.rows);
        some_bits(&r, others, p.qk ? p.cols : p.depth);
        dtq_hidden hidden[256];
        some_hidden(&r, hidden, p.rows, p.qk ? p.cols : p.depth);
        const dtq_array_shape a = {sim_range(&r, 1, array_max),
                                   sim_range(&r, 1, array_max),
                                   (dtq_drain)sim_range(&r, DTQ_DRAIN_IDEAL, DTQ_DRAIN_OVERLAPPED),
                                   .turned = sim_next(&r) & 1,
                                   .serpentine = sim_next(&r) & 1,
                                   .hidden = sim_next(&r) & 1 ? hidden : NULL};
        compare(&p, &a);
    }
}

START_TEST(equals_brute_force_on_small_arrays) {
    random_problems(1, 4000, 7, 14);
}
END_TEST

START_TEST(equals_brute_force_where_diagonals_need_several_words) {
    random_problems(2, 8, 120, 150);
}
END_TEST

START_TEST(reduction_shorter_than_the_array) {
    /* many tiles in flight: flat and wide arrays, one and two reduction steps */
    uint8_t rows[60], others[60];
    sim_random r = {3};
    for (uint32_t depth = 1; depth <= 3; depth++) {
        for (uint32_t array_rows = 1; array_rows <= 5; array_rows++) {
            sim_bits(&r, rows, 60);
            sim_bits(&r, others, 60);
            const problem qk = {true, rows, others, 13, 60, depth}, pv = {false, rows, others, 13, 60, depth};
            const dtq_array_shape wide = {.rows = array_rows, .cols = 40, .drain = DTQ_DRAIN_OVERLAPPED};
            compare(&qk, &wide);
            compare(&pv, &wide);
        }
    }
}
END_TEST

/* ---- counts derived by hand ------------------------------------------------------------------------------------ */

START_TEST(uniform_tokens_on_a_square_array) {
    uint8_t bits[128];
    memset(bits, 4, sizeof bits);
    const dtq_array_shape a = {.rows = 32, .cols = 32, .drain = DTQ_DRAIN_SERIAL};
    /* 4 x 4 tiles, each 64 steps of operands and 31 + 31 of skew */
    const dtq_wavefront qk = fast(&(problem){true, bits, bits, 128, 128, 64}, &a);
    ck_assert_uint_eq(qk.tiles, 16);
    ck_assert_uint_eq(qk.cycles, 16 * 126);
    ck_assert_uint_eq(qk.latency, 32);
    ck_assert_uint_eq(qk.mac_cycles, 128 * 128 * 64);
    ck_assert_uint_eq(qk.stall_cycles, 0);
    /* 4 x 2 tiles, each 128 steps and 62 of skew */
    const dtq_wavefront pv = fast(&(problem){false, bits, bits, 128, 64, 128}, &a);
    ck_assert_uint_eq(pv.tiles, 8);
    ck_assert_uint_eq(pv.cycles, 8 * 190);
    /* back to back, only the last tile shows its skew */
    const dtq_array_shape overlapped = {.rows = 32, .cols = 32, .drain = DTQ_DRAIN_OVERLAPPED};
    ck_assert_uint_eq(fast(&(problem){true, bits, bits, 128, 128, 64}, &overlapped).cycles, 16 * 64 + 62);
    ck_assert_uint_eq(fast(&(problem){false, bits, bits, 128, 64, 128}, &overlapped).cycles, 8 * 128 + 62);
}
END_TEST

START_TEST(nine_tokens_of_the_paper) {
    const uint8_t original[9] = {4, 8, 4, 4, 8, 4, 4, 4, 4}, clustered[9] = {4, 4, 4, 4, 4, 4, 4, 8, 8};
    const dtq_array_shape a = {.rows = 3, .cols = 3, .drain = DTQ_DRAIN_IDEAL};
    const dtq_wavefront before = fast(&(problem){true, original, original, 9, 9, 9}, &a);
    ck_assert_uint_eq(before.tiles, 9);
    ck_assert_uint_eq(before.stalled_tiles, 8);
    ck_assert_uint_eq(before.cycles, 25 * 9);
    ck_assert_double_eq_tol(before.stall_ratio_sum / 9, 0.395, 0.0005);
    const dtq_wavefront after = fast(&(problem){true, clustered, clustered, 9, 9, 9}, &a);
    ck_assert_uint_eq(after.stalled_tiles, 5);
    ck_assert_uint_eq(after.cycles, 16 * 9);
    ck_assert_double_eq_tol(after.stall_ratio_sum / 9, 0.108, 0.0005);
    ck_assert_uint_eq(before.mac_cycles, 121 * 9);
    ck_assert_uint_eq(after.mac_cycles, 121 * 9);
}
END_TEST

START_TEST(clusters_on_an_18_by_11_array) {
    uint8_t bits[92];
    for (unsigned i = 0; i < 92; i++)
        bits[i] = i < 53 ? 4 : 8;
    const dtq_array_shape a = {.rows = 18, .cols = 11, .drain = DTQ_DRAIN_IDEAL};
    ck_assert_double_eq_tol(fast(&(problem){true, bits, bits, 92, 92, 64}, &a).step_cycles, 140, 1e-9);
}
END_TEST

START_TEST(a_slow_token_is_paid_on_every_diagonal) {
    /* one 8-bit token among four on a 2x2 array: it is at diagonals 0, 1, 2 in three successive steps */
    const uint8_t rows[2] = {4, 4}, tokens[4] = {4, 8, 4, 4};
    const problem p = {false, rows, tokens, 2, 2, 4};
    ck_assert_uint_eq(fast(&p, &(dtq_array_shape){.rows = 2, .cols = 2, .drain = DTQ_DRAIN_IDEAL}).cycles, 5);
    ck_assert_uint_eq(fast(&p, &(dtq_array_shape){.rows = 2, .cols = 2, .drain = DTQ_DRAIN_SERIAL}).cycles, 6 + 3);
}
END_TEST

int main(void) {
    Suite *s = suite_create("wavefront");
    TCase *t = tcase_create("steps");
    tcase_add_test(t, equals_brute_force_on_small_arrays);
    tcase_add_test(t, equals_brute_force_where_diagonals_need_several_words);
    tcase_add_test(t, reduction_shorter_than_the_array);
    tcase_add_test(t, uniform_tokens_on_a_square_array);
    tcase_add_test(t, nine_tokens_of_the_paper);
    tcase_add_test(t, clusters_on_an_18_by_11_array);
    tcase_add_test(t, a_slow_token_is_paid_on_every_diagonal);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
