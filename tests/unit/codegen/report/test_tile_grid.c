/* Tiles one by one: their sums are those of the matmul, and slots come in the orders they should. */
#include "codegen/report_util.h"

#include "codegen/report/tile_grid.h"
#include "runtime/machine_members.h"

static const uint8_t original[] = {4, 8, 4, 4, 8, 4, 4, 4, 4}, clustered[] = {4, 4, 4, 4, 4, 4, 4, 8, 8};

static void check_side(const tile_side *s, uint32_t slots, uint32_t high) {
    uint32_t size = 0, eights = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        ck_assert_uint_lt(s->class_of[i], s->class_count);
        size += s->classes[s->class_of[i]].size;
        eights += s->classes[s->class_of[i]].high;
    }
    ck_assert_uint_eq(size, slots);
    ck_assert_uint_eq(eights, high);
}

/** Queries and rows of probabilities at `rows`, keys and values at `cols`. */
static slot_order order_of(const uint8_t *rows, const uint8_t *cols) {
    return (slot_order){.bits = {[DTQ_Q] = rows, [DTQ_K] = cols, [DTQ_V] = cols, [DTQ_P] = rows}};
}

/* The paper's Fig. 5: 39.5 % and 25 step cycles before, 10.8 % and 16 after. */
START_TEST(fig5) {
    arena *a = arena_new();
    ir_module *m = fig5_module(a, true);
    cost_model *cost = cost_new(a, m->machine);
    const slot_order orders[] = {order_of(original, original), order_of(clustered, clustered)};
    tile_grid before = tile_grid_qk(a, cost, m->machine, &orders[0], 9, 9, 9);
    tile_grid after = tile_grid_qk(a, cost, m->machine, &orders[1], 9, 9, 9);
    ck_assert_uint_eq(before.band_count, 1);
    ck_assert_uint_eq(after.band_count, 1);
    check_side(&before.bands[0].rows, 9, 2);
    check_side(&after.bands[0].cols, 9, 2);
    ck_assert_uint_eq(before.tiles, 9);
    ck_assert_uint_eq(before.stalled, 8);
    ck_assert_double_eq(before.step_cycles_sum, 25);
    ck_assert_double_eq_tol(before.stall_ratio_mean, 0.395, 5e-4);
    ck_assert_uint_eq(after.stalled, 5);
    ck_assert_double_eq(after.step_cycles_sum, 16);
    ck_assert_double_eq_tol(after.stall_ratio_mean, 0.108, 5e-4);
    ck_assert_uint_eq(after.bands[0].rows.class_count, 2); /* two tiles without 8-bit slots, one with both */
    ck_assert_double_eq(after.bands[0].step_cycles[0], 1);
    ck_assert_double_eq(after.bands[0].step_cycles[3], 4);
    ck_assert_double_eq(after.bands[0].stall_ratio[0], 0);
    arena_free(a);
}
END_TEST

/* Each tile priced alone makes what the cost model says of the whole, with tiles cut short on both sides. */
START_TEST(sums_are_those_of_the_whole) {
    enum { SLOTS = 92, KEYS = 81, DIM = 64 };
    arena *a = arena_new();
    dtq_machine machine;
    dtq_machine_init(&machine);
    machine.vssa_rows = 18;
    machine.vssa_cols = 11;
    cost_model *cost = cost_new(a, &machine);
    uint8_t q[SLOTS], k[SLOTS];
    uint32_t state = 7, high = 0;
    for (int i = 0; i < SLOTS; i++) {
        state = state * 1664525 + 1013904223;
        q[i] = state >> 31 ? 8 : 4;
        k[i] = state >> 30 & 1 ? 8 : 4;
        high += q[i] == 8;
    }
    const slot_order o = order_of(q, k);
    tile_grid qk = tile_grid_qk(a, cost, &machine, &o, SLOTS, KEYS, DIM);
    tile_grid pv = tile_grid_pv(a, cost, &machine, &o, SLOTS, KEYS, DIM);
    cost_result whole_qk = cost_qk(cost, q, SLOTS, k, KEYS, DIM, 0),
                whole_pv = cost_pv(cost, q, SLOTS, k, KEYS, DIM, 0);
    check_side(&qk.bands[0].rows, SLOTS, high);
    check_side(&pv.bands[0].rows, SLOTS, high);
    check_side(&pv.bands[0].cols, DIM, 0);
    ck_assert_uint_eq(qk.tiles, whole_qk.tiles);
    ck_assert_uint_eq(pv.tiles, whole_pv.tiles);
    ck_assert_uint_eq(qk.stalled, whole_qk.stalled_tiles);
    ck_assert_uint_eq(pv.stalled, whole_pv.stalled_tiles);
    ck_assert_double_eq_tol(qk.step_cycles_sum, whole_qk.step_cycles, 1e-9);
    ck_assert_double_eq_tol(pv.step_cycles_sum, whole_pv.step_cycles, 1e-9);
    ck_assert_double_eq_tol(qk.stall_ratio_mean * (double)qk.tiles, whole_qk.stall_ratio_sum, 1e-9);
    ck_assert_double_eq_tol(pv.stall_ratio_mean * (double)pv.tiles, whole_pv.stall_ratio_sum, 1e-9);
    ck_assert_uint_eq(qk.steps, DIM);
    ck_assert_uint_eq(pv.steps, KEYS);
    arena_free(a);
}
END_TEST

/* Rows 7 to 16 lie on the array's columns: three bands, each cut and priced on its own. */
START_TEST(bands_lie_either_way) {
    enum { SLOTS = 20, DIM = 8 };
    arena *a = arena_new();
    dtq_machine machine;
    dtq_machine_init(&machine);
    machine.vssa_rows = 6;
    machine.vssa_cols = 4;
    cost_model *cost = cost_new(a, &machine);
    uint8_t bits[SLOTS], turned[SLOTS];
    for (int i = 0; i < SLOTS; i++) {
        bits[i] = i % 3 ? 4 : 8;
        turned[i] = i >= 7 && i < 17;
    }
    slot_order o = order_of(bits, bits);
    o.turned = turned;
    static const uint32_t first[] = {0, 7, 17, SLOTS};
    for (int pv = 0; pv < 2; pv++) {
        tile_grid g = (pv ? tile_grid_pv : tile_grid_qk)(a, cost, &machine, &o, SLOTS, SLOTS, DIM);
        double step_cycles = 0, stalls = 0;
        uint64_t tiles = 0;
        ck_assert_uint_eq(g.band_count, 3);
        for (int i = 0; i < 3; i++) {
            const tile_band *b = &g.bands[i];
            uint32_t rows = first[i + 1] - first[i];
            unsigned walk = i == 1 ? WALK_TURNED : 0;
            cost_result r = pv ? cost_pv(cost, bits + first[i], rows, bits, SLOTS, DIM, walk)
                               : cost_qk(cost, bits + first[i], rows, bits, SLOTS, DIM, walk);
            ck_assert_uint_eq(b->first, first[i]);
            ck_assert_uint_eq(b->turned, i == 1);
            ck_assert_uint_eq(b->rows.count, (rows + (i == 1 ? 3 : 5)) / (i == 1 ? 4 : 6));
            tiles += r.tiles;
            step_cycles += r.step_cycles;
            stalls += r.stall_ratio_sum;
        }
        ck_assert_uint_eq(g.tiles, tiles);
        ck_assert_double_eq_tol(g.step_cycles_sum, step_cycles, 1e-9);
        ck_assert_double_eq_tol(g.stall_ratio_mean * (double)g.tiles, stalls, 1e-9);
    }
    arena_free(a);
}
END_TEST

static layer_facts *facts_of(arena *a, const ir_module *m) {
    layer_facts *facts;
    size_t count;
    ck_assert(facts_read(a, diag_new(a, NULL), m, &facts, &count));
    ck_assert_uint_eq(count, 1);
    return facts;
}

static void check_bits(const slot_order *o, int operand, const uint8_t *wanted) {
    ck_assert_mem_eq(o->bits[operand], wanted, 9);
}

START_TEST(orders_of_named_tokens) {
    arena *a = arena_new();
    order_origin origin;
    ir_module *m = fig5_module(a, false); /* slots are tokens as they come */
    slot_order o = original_order(a, m, facts_of(a, m), NULL, &origin);
    ck_assert_int_eq(origin, ORIGIN_KNOWN);
    check_bits(&o, DTQ_K, original);
    o = clustered_order(a, m, facts_of(a, m));
    check_bits(&o, DTQ_P, clustered);

    m = fig5_module(a, true); /* and with the ids that clustering wrote down */
    static const int64_t ids[] = {0, 2, 3, 5, 6, 7, 8, 1, 4}, wrong[] = {0, 2, 3, 5, 6, 7, 9, 1, 4};
    ir_set_ints(m, 0, IR_KEY_ids, ids, 9);
    o = original_order(a, m, facts_of(a, m), NULL, &origin);
    ck_assert_int_eq(origin, ORIGIN_KNOWN);
    check_bits(&o, DTQ_Q, original);
    check_bits(&o, DTQ_P, original);
    o = clustered_order(a, m, facts_of(a, m));
    check_bits(&o, DTQ_V, clustered);
    ir_set_ints(m, 0, IR_KEY_ids, wrong, 9);
    original_order(a, m, facts_of(a, m), NULL, &origin);
    ck_assert_int_eq(origin, ORIGIN_EXAMPLE);
    arena_free(a);
}
END_TEST

START_TEST(order_of_a_run) {
    static const uint8_t chosen[] = {0, 4, 8, 4, 4, 0, 8, 4, 4, 4, 4}, too_few[] = {4, 8, 4, 4, 8, 4, 4, 4, 0, 0, 0};
    arena *a = arena_new();
    order_origin origin;
    ir_module *m = fig5_module(a, true);
    m->header.seq = 11;
    slot_order o = original_order(a, m, facts_of(a, m), chosen, &origin);
    ck_assert_int_eq(origin, ORIGIN_RUN);
    check_bits(&o, DTQ_Q, original);
    original_order(a, m, facts_of(a, m), too_few, &origin);
    ck_assert_int_eq(origin, ORIGIN_EXAMPLE);
    m->machine->top_prob_bits = DTQ_PROB_8;
    o = original_order(a, m, facts_of(a, m), chosen, &origin);
    for (int i = 0; i < 9; i++)
        ck_assert_uint_eq(o.bits[DTQ_P][i], 8);
    check_bits(&o, DTQ_V, original);
    arena_free(a);
}
END_TEST

START_TEST(examples_have_the_right_counts) {
    arena *a = arena_new();
    for (uint32_t high = 0; high <= 9; high++) {
        ir_module *m = ir_module_new(a, IR_STREAM);
        m->header.seq = 9;
        const report_test_layer l = {.slots = 9, .high = high, .heads = 1, .head_dim = 9};
        add_layer(m, &l);
        order_origin origin;
        slot_order o = original_order(a, m, facts_of(a, m), NULL, &origin);
        slot_order again = original_order(a, m, facts_of(a, m), NULL, &origin);
        check_bits(&o, DTQ_K, again.bits[DTQ_K]);
        ck_assert_int_eq(origin, high == 0 || high == 9 ? ORIGIN_KNOWN : ORIGIN_EXAMPLE);
        uint32_t eights = 0;
        for (int i = 0; i < 9; i++)
            eights += o.bits[DTQ_K][i] == 8;
        ck_assert_uint_eq(eights, high);
    }
    arena_free(a);
}
END_TEST

/* Keys of three of the nine tokens have left; these stay as 4-bit queries, in front or, high-first, behind. */
START_TEST(queries_without_keys) {
    static const uint8_t low_first[] = {4, 4, 4, 4, 4, 4, 4, 8, 8}, high_first[] = {8, 8, 4, 4, 4, 4, 4, 4, 4},
                         chosen[] = {0, 8, 4, 0, 8, 4, 0, 4, 4}, keys[] = {8, 4, 8, 4, 4, 4},
                         before[] = {4, 4, 4, 8, 4, 8, 4, 4, 4}, behind[] = {8, 8, 4, 4, 4, 4};
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_STREAM);
    m->header.seq = 9;
    add_layer(m, &(report_test_layer){
                     .slots = 9, .high = 2, .heads = 1, .head_dim = 9, .order = "high-first", .chosen = high_first});
    ir_set_int(m, 0, IR_KEY_muted, 3);
    order_origin origin;
    slot_order o = original_order(a, m, facts_of(a, m), chosen, &origin);
    ck_assert_int_eq(origin, ORIGIN_RUN);
    check_bits(&o, DTQ_Q, before);
    check_bits(&o, DTQ_P, before);
    ck_assert_mem_eq(o.bits[DTQ_K], keys, 6);
    o = clustered_order(a, m, facts_of(a, m));
    check_bits(&o, DTQ_Q, high_first);
    ck_assert_mem_eq(o.bits[DTQ_V], behind, 6);

    set_bits(m, 0, IR_KEY_segments, low_first, 9);
    ir_set_str(m, 0, IR_KEY_order, "low-first");
    o = clustered_order(a, m, facts_of(a, m));
    check_bits(&o, DTQ_Q, low_first);
    ck_assert_mem_eq(o.bits[DTQ_K], low_first + 3, 6);
    arena_free(a);
}
END_TEST

REPORT_MAIN("tile_grid", fig5, sums_are_those_of_the_whole, bands_lie_either_way, orders_of_named_tokens,
            order_of_a_run, examples_have_the_right_counts, queries_without_keys)
