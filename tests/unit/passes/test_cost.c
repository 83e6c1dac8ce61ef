/* The cost model against hand-derived counts and against a wavefront stepped PE by PE. */
#include "passes/cost.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "passes/cost_util.h"
#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/machine_members.h"
#include "runtime/program.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/wavefront.h"

enum { QK, PV };
enum { SLOTS = 48 };

/** A matmul as the naive stepper sees it: x down the rows, y across the columns (QK) or along the reduction (PV). */
typedef struct {
    int kind;
    const uint8_t *x, *y;
    uint32_t rows, cols, reduction, array_rows, array_cols;
    dtq_drain drain;
    unsigned walk; /* the arrays' rows and columns above are exchanged already if it is turned */
} problem;

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t pe_cost(const problem *p, uint32_t row, uint32_t col, uint32_t k) {
    return p->x[row] / 4u * (p->y[p->kind == QK ? col : k] / 4u);
}

/** Largest cost of the PEs of the tile at (row, col) that work at step t of its own. */
static uint32_t tile_step(const problem *p, uint32_t row, uint32_t col, int64_t t, bool backward) {
    uint32_t h = smaller(p->array_rows, p->rows - row), w = smaller(p->array_cols, p->cols - col), longest = 0;
    for (uint32_t r = 0; r < h; r++) {
        for (uint32_t c = 0; c < w; c++) {
            int64_t k = t - r - c;
            if (k < 0 || k >= p->reduction)
                continue;
            uint32_t cost = pe_cost(p, row + r, col + c, (uint32_t)(backward ? p->reduction - 1 - k : k));
            longest = cost > longest ? cost : longest;
        }
    }
    return longest;
}

static cost_result brute_force(const problem *p) {
    cost_result out = {0};
    struct {
        uint32_t row, col;
        int64_t enter;
    } tiles[SLOTS * SLOTS];
    int64_t enter = 0, end = 0;
    uint32_t columns = (p->cols + p->array_cols - 1) / p->array_cols, strip = 0;
    bool serpentine = p->walk & WALK_SERPENTINE;
    for (uint32_t row = 0; row < p->rows; row += p->array_rows, strip++) {
        for (uint32_t j = 0; j < columns; j++) {
            uint32_t col = p->array_cols * (serpentine && p->kind == QK && strip % 2 ? columns - 1 - j : j);
            uint32_t h = smaller(p->array_rows, p->rows - row), w = smaller(p->array_cols, p->cols - col);
            uint64_t all_max = 0, lost = 0;
            for (uint32_t k = 0; k < p->reduction; k++) {
                uint32_t max = 0, sum = 0;
                for (uint32_t r = 0; r < h; r++) {
                    for (uint32_t c = 0; c < w; c++) {
                        uint32_t cost = pe_cost(p, row + r, col + c, k);
                        max = cost > max ? cost : max;
                        sum += cost;
                    }
                }
                all_max += max;
                lost += max * h * w - sum;
                out.mac_cycles += sum;
            }
            tiles[out.tiles].row = row;
            tiles[out.tiles].col = col;
            tiles[out.tiles++].enter = enter;
            out.stalled_tiles += lost > 0;
            out.stall_ratio_sum += (double)lost / (double)(all_max * h * w);
            out.stall_cycles += lost;
            out.step_cycles += (double)all_max / p->reduction;
            int64_t steps = p->reduction + h + w - 2;
            uint32_t drained = p->walk & WALK_TURNED ? w : h;
            if (p->drain == DTQ_DRAIN_IDEAL)
                out.cycles += all_max;
            else
                out.latency = drained;
            end = enter + steps > end ? enter + steps : end;
            enter += p->drain == DTQ_DRAIN_SERIAL ? steps : p->reduction > drained ? p->reduction : drained;
        }
    }
    for (int64_t t = 0; t < end && p->drain != DTQ_DRAIN_IDEAL; t++) {
        uint32_t longest = 1;
        for (uint64_t i = 0; i < out.tiles; i++) {
            bool backward = serpentine && p->kind == PV && i % 2;
            uint32_t cost = tile_step(p, tiles[i].row, tiles[i].col, t - tiles[i].enter, backward);
            longest = cost > longest ? cost : longest;
        }
        out.cycles += longest;
    }
    return out;
}

static cost_result closed_form(cost_model *c, const problem *p) {
    if (p->kind == QK)
        return cost_qk(c, p->x, p->rows, p->y, p->cols, p->reduction, p->walk);
    return cost_pv(c, p->x, p->rows, p->y, p->reduction, p->cols, p->walk);
}

static void equal(const cost_result *a, const cost_result *b) {
    ck_assert_uint_eq(a->tiles, b->tiles);
    ck_assert_uint_eq(a->stalled_tiles, b->stalled_tiles);
    ck_assert_double_eq_tol(a->stall_ratio_sum, b->stall_ratio_sum, 1e-9);
    ck_assert_double_eq_tol(a->step_cycles, b->step_cycles, 1e-9);
    ck_assert_uint_eq(a->cycles, b->cycles);
    ck_assert_uint_eq(a->latency, b->latency);
    ck_assert_uint_eq(a->mac_cycles, b->mac_cycles);
    ck_assert_uint_eq(a->stall_cycles, b->stall_cycles);
}

/** Bits of which some are clustered, some random, some all alike. */
static void random_bits(uint64_t *seed, uint8_t *bits, uint32_t n) {
    uint32_t style = cost_below(seed, 4), high = cost_below(seed, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        bool is_high = style == 0   ? cost_below(seed, 2)
                       : style == 1 ? i >= high
                       : style == 2 ? i < high
                                    : cost_below(seed, n) < high;
        bits[i] = is_high ? 8 : 4;
    }
}

START_TEST(matches_brute_force) {
    uint64_t seed = (uint64_t)time(NULL);
    printf("matches_brute_force: seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 1200; round++) {
        problem p = {.kind = (int)cost_below(&seed, 2),
                     .rows = 1 + cost_below(&seed, 26),
                     .cols = 1 + cost_below(&seed, 26),
                     .reduction = 1 + cost_below(&seed, 24),
                     .array_rows = 1 + cost_below(&seed, 10),
                     .array_cols = 1 + cost_below(&seed, 10),
                     .drain = (dtq_drain)cost_below(&seed, 3),
                     .walk = cost_below(&seed, 4)};
        uint8_t x[SLOTS], y[SLOTS];
        random_bits(&seed, x, p.rows);
        random_bits(&seed, y, p.kind == QK ? p.cols : p.reduction);
        p.x = x;
        p.y = y;
        arena *a = arena_new();
        bool turned = p.walk & WALK_TURNED;
        dtq_machine m =
            cost_machine(turned ? p.array_cols : p.array_rows, turned ? p.array_rows : p.array_cols, p.drain);
        cost_model *c = cost_new(a, &m);
        cost_result want = brute_force(&p), got = closed_form(c, &p), again = closed_form(c, &p);
        equal(&got, &want);
        equal(&again, &want);
        arena_free(a);
    }
}
END_TEST

/** Layers of up to three clusters whose rows skip what their mask hides, against the stepped wavefront; what is hidden,
 * by the definition: a key that stands behind all rows of a strip in the cluster that they share. */
START_TEST(masked_matmuls_match_the_wavefront) {
    uint64_t seed = (uint64_t)time(NULL);
    printf("masked_matmuls_match_the_wavefront: seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 1500; round++) {
        const uint32_t slots = 1 + cost_below(&seed, SLOTS), high = cost_below(&seed, slots + 1),
                       muted = cost_below(&seed, slots - high + (high > 0)), head_dim = 1 + cost_below(&seed, 12);
        const dtq_slot_order order = (dtq_slot_order)cost_below(&seed, 3);
        const dtq_clusters clusters = dtq_clusters_of(slots, high, muted, order);
        const uint32_t first_key = order == DTQ_ORDER_HIGH_FIRST ? 0 : muted, keys = slots - muted;
        const uint32_t row = cost_below(&seed, slots), rows = 1 + cost_below(&seed, slots - row);
        const uint32_t skipped = cost_below(&seed, keys), cols = 1 + cost_below(&seed, keys - skipped);
        const uint32_t col = first_key + skipped;
        uint8_t x[SLOTS], y[SLOTS];
        random_bits(&seed, x, rows);
        random_bits(&seed, y, cols);
        const unsigned walk = cost_below(&seed, 4);
        dtq_machine m =
            cost_machine(1 + cost_below(&seed, 9), 1 + cost_below(&seed, 9), (dtq_drain)cost_below(&seed, 3));
        const uint32_t height = (uint32_t)(walk & WALK_TURNED ? m.vssa_cols : m.vssa_rows);
        dtq_hidden hidden[SLOTS] = {{0, 0}};
        for (uint32_t s = 0; s * height < rows; s++)
            for (uint32_t key = 0; key < cols; key++) {
                bool sees = false;
                for (uint32_t i = s * height; i < rows && i < (s + 1) * height; i++)
                    sees |= dtq_row_sees(&clusters, row + i, col + key, 1) == 1;
                if (!sees)
                    hidden[s] = (dtq_hidden){hidden[s].to ? hidden[s].from : key, key + 1};
            }
        const dtq_array_shape shape = {(uint32_t)m.vssa_rows, (uint32_t)m.vssa_cols,  (dtq_drain)m.top_drain,
                                       walk & WALK_TURNED,    walk & WALK_SERPENTINE, hidden};
        arena *a = arena_new();
        cost_model *c = cost_new(a, &m);
        const cost_mask mask = {&clusters, row, col};
        for (int pv = 0; pv < 2; pv++) {
            dtq_wavefront w = {0};
            ck_assert(pv ? dtq_wavefront_pv(&shape, x, rows, y, cols, head_dim, &w)
                         : dtq_wavefront_qk(&shape, x, rows, y, cols, head_dim, &w));
            const cost_result want = {w.tiles,  w.stalled_tiles, w.stall_ratio_sum, w.step_cycles,
                                      w.cycles, w.latency,       w.mac_cycles,      w.stall_cycles};
            for (int again = 0; again < 2; again++) {
                const cost_result got = pv ? cost_pv_masked(c, x, rows, y, cols, head_dim, walk, &mask)
                                           : cost_qk_masked(c, x, rows, y, cols, head_dim, walk, &mask);
                equal(&got, &want);
            }
        }
        arena_free(a);
    }
}
END_TEST

/** Scratch memory and the memo are shared by matmuls of different shapes; none may see another's. */
START_TEST(one_model_many_shapes) {
    uint64_t seed = 7;
    arena *a = arena_new();
    dtq_machine m = cost_machine(5, 3, DTQ_DRAIN_OVERLAPPED);
    cost_model *c = cost_new(a, &m);
    for (int round = 0; round < 300; round++) {
        problem p = {.kind = (int)cost_below(&seed, 2),
                     .rows = 1 + cost_below(&seed, 20),
                     .cols = 1 + cost_below(&seed, 20),
                     .reduction = 1 + cost_below(&seed, 20),
                     .drain = DTQ_DRAIN_OVERLAPPED,
                     .walk = cost_below(&seed, 4)};
        p.array_rows = p.walk & WALK_TURNED ? 3 : 5;
        p.array_cols = p.walk & WALK_TURNED ? 5 : 3;
        uint8_t x[SLOTS], y[SLOTS];
        random_bits(&seed, x, p.rows);
        random_bits(&seed, y, p.kind == QK ? p.cols : p.reduction);
        p.x = x;
        p.y = y;
        cost_result want = brute_force(&p), got = closed_form(c, &p);
        equal(&got, &want);
    }
    arena_free(a);
}
END_TEST

START_TEST(square_array_by_hand) {
    uint8_t bits[128];
    memset(bits, 4, sizeof bits);
    arena *a = arena_new();
    dtq_machine m = cost_machine(32, 32, DTQ_DRAIN_SERIAL);
    cost_model *c = cost_new(a, &m);
    cost_result qk = cost_qk(c, bits, 128, bits, 128, 64, 0);
    ck_assert_uint_eq(qk.tiles, 16);
    ck_assert_uint_eq(qk.cycles, 16 * (64 + 32 + 32 - 2));
    ck_assert_uint_eq(qk.latency, 32);
    cost_result pv = cost_pv(c, bits, 128, bits, 128, 64, 0);
    ck_assert_uint_eq(pv.tiles, 8);
    ck_assert_uint_eq(pv.cycles, 8 * (128 + 32 + 32 - 2));
    m.top_drain = DTQ_DRAIN_OVERLAPPED;
    c = cost_new(a, &m);
    ck_assert_uint_eq(cost_qk(c, bits, 128, bits, 128, 64, 0).cycles, 16 * 64 + 62);
    ck_assert_uint_eq(cost_pv(c, bits, 128, bits, 128, 64, 0).cycles, 8 * 128 + 62);
    arena_free(a);
}
END_TEST

START_TEST(nine_tokens_by_hand) {
    const uint8_t original[9] = {4, 8, 4, 4, 8, 4, 4, 4, 4}, sorted[9] = {4, 4, 4, 4, 4, 4, 4, 8, 8};
    arena *a = arena_new();
    dtq_machine m = cost_machine(3, 3, DTQ_DRAIN_IDEAL);
    cost_model *c = cost_new(a, &m);
    cost_result r = cost_qk(c, original, 9, original, 9, 9, 0);
    ck_assert_uint_eq(r.tiles, 9);
    ck_assert_uint_eq(r.stalled_tiles, 8);
    ck_assert_double_eq_tol(r.stall_ratio_sum / 9, 0.3951, 5e-5);
    ck_assert_double_eq_tol(r.step_cycles, 25, 1e-12);
    ck_assert_uint_eq(r.cycles, 225);
    ck_assert_uint_eq(r.latency, 0);
    ck_assert_uint_eq(r.mac_cycles, 121 * 9);
    r = cost_qk(c, sorted, 9, sorted, 9, 9, 0);
    ck_assert_uint_eq(r.stalled_tiles, 5);
    ck_assert_double_eq_tol(r.stall_ratio_sum / 9, 0.1080, 5e-5);
    ck_assert_double_eq_tol(r.step_cycles, 16, 1e-12);
    ck_assert_uint_eq(r.cycles, 144);
    ck_assert_uint_eq(cost_work(original, original, original, original, 9, 9), 2 * 121 * 9);
    arena_free(a);
}
END_TEST

START_TEST(paper_array_by_hand) {
    uint8_t low_first[92], high_first[92];
    for (int i = 0; i < 92; i++) {
        low_first[i] = i < 53 ? 4 : 8;
        high_first[i] = i < 39 ? 8 : 4;
    }
    arena *a = arena_new();
    dtq_machine m = cost_machine(18, 11, DTQ_DRAIN_IDEAL);
    cost_model *c = cost_new(a, &m);
    ck_assert_double_eq_tol(cost_qk(c, low_first, 92, low_first, 92, 64, 0).step_cycles, 140, 1e-12);
    ck_assert_double_eq_tol(cost_qk(c, high_first, 92, high_first, 92, 64, 0).step_cycles, 117, 1e-12);
    arena_free(a);
}
END_TEST

/** Sorting both operands never costs more than the steps in which one wavefront fills the array: what clustering is
 * for. With the 8-bit cluster first that holds of any sizes; with the 4-bit cluster first where no tile is partial (a
 * partial tile may otherwise be the costly one). Arrays of one column are left out: there the steps of a row and of a
 * key meet in one diagonal, and tokens of 8 bits at equal distances may share more steps than neighbours do. */
START_TEST(clustering_never_costs_more) {
    uint64_t seed = (uint64_t)time(NULL);
    printf("clustering_never_costs_more: seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 300; round++) {
        bool whole = cost_below(&seed, 2);
        uint32_t rows = 2 + cost_below(&seed, 31), cols = whole ? rows : 2 + cost_below(&seed, 31), d = 64, high = 0;
        uint32_t n = whole ? rows * (1 + cost_below(&seed, 300 / rows)) : 1 + cost_below(&seed, 300);
        uint8_t bits[300], sorted[300];
        random_bits(&seed, bits, n);
        for (uint32_t i = 0; i < n; i++)
            high += bits[i] == 8;
        for (uint32_t i = 0; i < n; i++)
            sorted[i] = whole ? (i < n - high ? 4 : 8) : (i < high ? 8 : 4);
        arena *a = arena_new();
        dtq_machine m = cost_machine(rows, cols, (dtq_drain)cost_below(&seed, 3));
        cost_model *c = cost_new(a, &m);
        const uint64_t fill = rows + cols;
        ck_assert_uint_le(cost_qk(c, sorted, n, sorted, n, d, 0).cycles,
                          cost_qk(c, bits, n, bits, n, d, 0).cycles + fill);
        ck_assert_uint_le(cost_pv(c, sorted, n, sorted, n, d, 0).cycles,
                          cost_pv(c, bits, n, bits, n, d, 0).cycles + fill);
        arena_free(a);
    }
}
END_TEST

/** Runs are counted, not walked: 64k tokens are 21 million tiles. */
START_TEST(long_sequences_are_counted) {
    enum { N = 65536 };
    uint8_t *bits = malloc(N);
    memset(bits, 4, N);
    memset(bits + 40000, 8, N - 40000);
    arena *a = arena_new();
    dtq_machine m = cost_machine(18, 11, DTQ_DRAIN_OVERLAPPED);
    cost_model *c = cost_new(a, &m);
    cost_result qk = cost_qk(c, bits, N, bits, N, 64, 0), pv = cost_pv(c, bits, N, bits, N, 64, 0);
    ck_assert_uint_eq(qk.tiles, (uint64_t)3641 * 5958);
    ck_assert_uint_eq(pv.tiles, 3641 * 6);
    free(bits);
    arena_free(a);
}
END_TEST

START_TEST(nothing_costs_nothing) {
    uint8_t bits[1] = {8};
    arena *a = arena_new();
    dtq_machine m = cost_machine(18, 11, DTQ_DRAIN_OVERLAPPED);
    cost_model *c = cost_new(a, &m);
    ck_assert_uint_eq(cost_qk(c, bits, 0, bits, 1, 64, 0).cycles, 0);
    ck_assert_uint_eq(cost_pv(c, bits, 1, bits, 0, 64, 0).cycles, 0);
    ck_assert_uint_eq(cost_qk(c, bits, 1, bits, 1, 1, 0).cycles, 4);
    arena_free(a);
}
END_TEST

START_TEST(engines_and_bytes) {
    arena *a = arena_new();
    dtq_machine m;
    dtq_machine_init(&m);
    cost_model *c = cost_new(a, &m);
    ck_assert_uint_eq(cost_dram(c, 513), 2); /* 512 bytes a cycle */
    ck_assert_uint_eq(cost_softmax(c, 18, 65), 18 * 2);
    ck_assert_uint_eq(cost_importance(c, 18, 65), 18 * 2);
    ck_assert_uint_eq(cost_topk(c, 128, 92, true), 8 * (8 + 6));
    ck_assert_uint_eq(cost_topk(c, 128, 0, false), 8);
    const uint8_t bits[3] = {4, 8, 4};
    ck_assert_uint_eq(cost_block_bytes(bits, 3, 9, false), 3 * 4 + 5 + 9 + 5);
    ck_assert_uint_eq(cost_block_bytes(bits, 3, 9, true), 2 * 9 * 4 + 5 + 9 + 5);
    ck_assert_uint_eq(cost_scores_bytes(3, 5), 4 * 15 + 4 * 3 + 4 * 5);
    ck_assert_uint_eq(cost_probs_bytes(3, 5, false), 3 * (16 + 5));
    ck_assert_uint_eq(cost_probs_bytes(3, 5, true), 3 * (16 + 10));
    ck_assert_uint_eq(cost_out_bytes(3, 9, false), 8 * 27);
    ck_assert_uint_eq(cost_out_bytes(3, 9, true), 4 * 27);
    arena_free(a);
}
END_TEST

/** What buffers hold is the runtime's to say; the cost model agrees with it. */
START_TEST(bytes_match_runtime) {
    const uint8_t bits[7] = {4, 4, 8, 4, 8, 8, 4};
    for (uint8_t causal = 0; causal < 2; causal++) {
        dtq_layer l = {.slots = 7, .heads = 1, .kv_heads = 1, .head_dim = 13, .causal = causal};
        for (int o = 0; o < DTQ_OPERANDS; o++)
            l.bits[o] = bits;
        ck_assert_uint_eq(cost_block_bytes(bits + 1, 4, 13, false), dtq_block_bytes(&l, DTQ_Q, 1, 4));
        ck_assert_uint_eq(cost_block_bytes(bits + 1, 4, 13, !causal), dtq_block_bytes(&l, DTQ_V, 1, 4));
        ck_assert_uint_eq(cost_scores_bytes(4, 7), dtq_scores_bytes(4, 7));
        ck_assert_uint_eq(cost_probs_bytes(4, 7, causal), dtq_probs_bytes(&l, 4));
        ck_assert_uint_eq(cost_out_bytes(4, 13, true), dtq_out_bytes(&l, 4, true));
        ck_assert_uint_eq(cost_out_bytes(4, 13, false), dtq_out_bytes(&l, 4, false));
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("cost");
    TCase *t = tcase_create("cost");
    tcase_add_test(t, matches_brute_force);
    tcase_add_test(t, masked_matmuls_match_the_wavefront);
    tcase_add_test(t, one_model_many_shapes);
    tcase_add_test(t, square_array_by_hand);
    tcase_add_test(t, nine_tokens_by_hand);
    tcase_add_test(t, paper_array_by_hand);
    tcase_add_test(t, clustering_never_costs_more);
    tcase_add_test(t, long_sequences_are_counted);
    tcase_add_test(t, nothing_costs_nothing);
    tcase_add_test(t, engines_and_bytes);
    tcase_add_test(t, bytes_match_runtime);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
