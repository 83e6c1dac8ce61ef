/* Reports against numbers worked out by hand, and against the cost model asked directly. */
#include "codegen/report_util.h"

#include <math.h>

#include "passes/cost.h"
#include "runtime/machine_members.h"

static arena *memory;
static diag *messages;

static void setup_test(void) {
    memory = arena_new();
    messages = diag_new(memory, NULL);
}

static void finish_test(void) {
    arena_free(memory);
}

static report *build(const ir_module *m) {
    report *r = report_build(memory, messages, m);
    ck_assert_msg(r, "%s", diag_total(messages) ? diag_at(messages, 0)->message : "no report, no message");
    return r;
}

static void expect_near(double value, double wanted) {
    ck_assert_msg(fabs(value - wanted) <= 1e-9 * fmax(1, fabs(wanted)), "%.17g is not %.17g", value, wanted);
}

START_TEST(fig5_unclustered) {
    setup_test();
    report *r = build(fig5_module(memory, false));
    const report_layer *l = &r->layers[0];
    ck_assert(!r->clustered && !r->optimised && !l->expected);
    expect_near(l->qk.iterations, 9);
    expect_near(l->qk.stalled_iterations, 8);
    ck_assert_double_eq_tol(l->qk.stall_ratio_mean, 0.395, 5e-4);
    expect_near(l->qk.step_cycles, 25);
    expect_near(l->qk.cycles, 225);
    expect_near(l->qk.bound_cycles, 121);
    expect_near(l->qk.tile_bound_cycles, 144);
    /* P.V: strips of rows cost 2, 2, 1 where v is 4-bit and twice that in 2 of 9 steps, in each of 3 column tiles */
    expect_near(l->pv.step_cycles, 3 * 5 * 11.0 / 9);
    expect_near(l->pv.cycles, 165);
    expect_near(l->pv.bound_cycles, 121);
    finish_test();
}
END_TEST

START_TEST(fig5_clustered) {
    setup_test();
    report *r = build(fig5_module(memory, true));
    const report_layer *l = &r->layers[0];
    ck_assert(r->clustered);
    expect_near(l->qk.stalled_iterations, 5);
    ck_assert_double_eq_tol(l->qk.stall_ratio_mean, 0.108, 5e-4);
    expect_near(l->qk.step_cycles, 16);
    expect_near(l->qk.cycles, 144);
    ck_assert_uint_eq(l->segment_count, 2);
    ck_assert_int_eq(l->segments[0].count, 7);
    ck_assert_int_eq(l->segments[0].value, 4);
    ck_assert_int_eq(l->segments[1].count, 2);
    ck_assert_int_eq(l->segments[1].value, 8);
    finish_test();
}
END_TEST

START_TEST(counts_work_bytes_and_energy) {
    setup_test();
    ir_module *m = fig5_module(memory, false);
    report *r = build(m);
    /* a q or k block: 9 scales of 4 bytes, 7 rows of 5 bytes, 2 of 9; a v block: 2 x 9 class scales of 4 bytes instead
     */
    const double q = 36 + 35 + 18, v = 72 + 35 + 18;
    const double dram = 2 * q + v + 4 * 81, mac = 2 * 121 * 9;
    /* Eq. 3's numerator: 9 PEs times the tiles' cycles, less the work */
    const double stall = 9 * (225 + 165) - mac;
    const double buffer = (2 * q + v) + (3 * q + 3 * q + 4 * 81) + 5 * 81 + 81 + (3 * 81 + 3 * v + 4 * 81) + 4 * 81;
    ck_assert_uint_eq(r->dram_bytes, (uint64_t)dram);
    ck_assert_uint_eq(r->layers[0].dram_bytes, (uint64_t)dram);
    ck_assert_uint_eq(r->mac_cycles, (uint64_t)mac);
    ck_assert_uint_eq(r->stall_cycles, (uint64_t)stall);
    const dtq_machine *e = m->machine;
    expect_near(r->energy_pj, e->energy_mac_pj * mac + e->energy_stall_pj * stall +
                                  e->energy_buffer_pj_per_byte * buffer + e->energy_dram_pj_per_byte * dram +
                                  e->energy_softmax_pj * 81 + e->energy_topk_pj * (81 + 9));
    ck_assert_uint_eq(r->bops, (uint64_t)(16 * mac));
    ck_assert_uint_eq(r->instructions, 9);
    expect_near(r->dense_ops, 4.0 * 81 * 9);
    finish_test();
}
END_TEST

START_TEST(reads_the_timeline) {
    setup_test();
    ir_module *m = fig5_module(memory, true);
    /* the host takes no part in it, tokens neither */
    add_instr(m, &(report_test_instr){IR_I_POOL, DTQ_HOST, 0, -1, -1, -1, -1, NULL, NULL, 900, 0, 900});
    add_instr(m, &(report_test_instr){IR_I_WAIT, DTQ_STORE, -1, -1, -1, -1, -1, NULL, NULL, 800, 0, 800});
    report *r = build(m);
    const report_layer *l = &r->layers[0];
    /* 3 loads, softmax, importance, store of 15 cycles; qk 149, pv 125, topk 4 */
    const double cycles = 6 * 15 + 149 + 125 + 4;
    ck_assert_uint_eq(l->start, 0);
    ck_assert_uint_eq(l->end, (uint64_t)cycles);
    expect_near(l->cycles, cycles);
    expect_near(r->cycles, cycles);
    expect_near(l->share, 1);
    expect_near(l->utilisation, 242 / cycles);
    expect_near(r->utilisation, 242 / cycles);
    expect_near(r->bound_cycles, 242);
    expect_near(r->tile_bound_cycles, 276);
    ck_assert_uint_eq(l->array_busy, 144 + 120);
    ck_assert_uint_eq(l->softmax_busy, 10);
    ck_assert_uint_eq(l->dma_busy, 30);
    ck_assert_uint_eq(l->topk_busy, 13);
    ck_assert_int_eq(l->limit, LIMIT_ARRAY);
    ck_assert_uint_eq(r->instructions, 11);
    finish_test();
}
END_TEST

/** Two layers on two arrays, 16 of 24 tokens pruned to 12 in the second. */
static ir_module *two_layers(report_test_layer layers[2]) {
    ir_module *m = ir_module_new(memory, IR_STREAM);
    m->header.model = "two";
    m->header.seq = 24;
    m->machine->vssa_arrays = 2;
    m->machine->vssa_rows = 4;
    m->machine->vssa_cols = 5;
    layers[0] = (report_test_layer){.index = 0, .slots = 24, .high = 24, .heads = 3, .head_dim = 8};
    layers[1] = (report_test_layer){.index = 1, .slots = 12, .high = 5, .heads = 3, .head_dim = 8};
    add_layer(m, &layers[0]);
    add_layer(m, &layers[1]);
    return m;
}

START_TEST(spreads_over_arrays) {
    setup_test();
    report_test_layer layers[2];
    ir_module *m = two_layers(layers);
    int64_t at = 0;
    for (int head = 0; head < 3; head++)
        at = add_head(m, &layers[0], head % 2, at, 100 + head, 50 + head);
    at = add_topk(m, 0, "yes", at);
    int64_t middle = at;
    for (int head = 0; head < 3; head++)
        at = add_head(m, &layers[1], 1, at - 20, 3, 4);
    at = add_topk(m, 1, "no", at);
    report *r = build(m);
    expect_near(r->layers[0].qk.cycles, 202); /* heads 0 and 2 on array 0 */
    expect_near(r->layers[0].pv.cycles, 102);
    expect_near(r->layers[1].qk.cycles, 9);
    ck_assert_uint_eq(r->layers[0].array_busy, 304);
    ck_assert_uint_eq(r->layers[1].start, (uint64_t)middle - 20);
    ck_assert_uint_eq(r->layers[1].end, (uint64_t)at);
    ck_assert_int_eq(r->layers[1].limit, LIMIT_DEPENDENCIES); /* engines take turns, none works for half of it */
    ck_assert_uint_eq(r->layers[1].pruned, 12);
    ck_assert_uint_eq(r->layers[1].low, 7);
    expect_near(r->cycles, (double)at);
    expect_near(r->layers[0].share, (double)middle / (double)at);
    expect_near(r->layers[0].qk.bound_cycles, 3 * 48.0 * 48 * 8 / 40);
    expect_near(r->layers[1].pv.bound_cycles, 3 * 17.0 * 17 * 8 / 40);

    cost_model *c = cost_new(memory, m->machine);
    uint8_t bits[12];
    memset(bits, 4, 7);
    memset(bits + 7, 8, 5);
    cost_result one = cost_qk(c, bits, 12, bits, 12, 8, 0);
    expect_near(r->layers[1].qk.iterations, 3.0 * (double)one.tiles);
    expect_near(r->layers[1].qk.step_cycles, 3 * one.step_cycles);
    expect_near(r->layers[1].qk.stall_ratio_mean, one.stall_ratio_sum / (double)one.tiles);
    finish_test();
}
END_TEST

START_TEST(splits_keys_and_rows) {
    setup_test();
    report_test_layer layers[2];
    ir_module *whole = two_layers(layers), *split = two_layers(layers);
    add_head(whole, &layers[1], 0, 0, 10, 10);
    /* the same as blocks of 4 rows (a strip) by 5 and 7 keys (a tile and the rest): work, stalls and DRAM bytes stay */
    report_test_instr in = {.queue = DTQ_LOAD, .layer = 1, .rows = 12, .col = -1, .cols = -1, .busy = 1, .done = 1};
    const char *const operands[] = {"q", "k", "v"};
    for (int i = 0; i < 3; i++) {
        in.code = IR_I_LOAD;
        in.operand = operands[i];
        add_instr(split, &in);
    }
    for (int64_t row = 0; row < 12; row += 4)
        for (int64_t col = 0; col < 10; col += 5) {
            in = (report_test_instr){IR_I_QK, DTQ_ARRAY0, 1, row, 4, col, col ? 7 : 5, NULL, NULL, 0, 1, 1};
            add_instr(split, &in);
            in.code = IR_I_PV;
            add_instr(split, &in);
        }
    in = (report_test_instr){IR_I_STORE, DTQ_STORE, 1, 0, 12, -1, -1, NULL, NULL, 0, 1, 1};
    add_instr(split, &in);
    report *a = build(whole), *b = build(split);
    ck_assert_uint_eq(a->mac_cycles, 2 * 17 * 17 * 8);
    ck_assert_uint_eq(b->mac_cycles, a->mac_cycles);
    ck_assert_uint_eq(b->stall_cycles, a->stall_cycles);
    ck_assert_uint_gt(a->stall_cycles, 0);
    ck_assert_uint_eq(b->dram_bytes, a->dram_bytes);
    finish_test();
}
END_TEST

START_TEST(expects_what_it_cannot_know) {
    setup_test();
    ir_module *m = ir_module_new(memory, IR_STREAM);
    m->header.seq = 20;
    m->machine->vssa_rows = 4;
    m->machine->vssa_cols = 3;
    report_test_layer l = {
        .slots = 20, .high = 6, .heads = 2, .head_dim = 10, .order = "original", .static_bits = "no"};
    add_layer(m, &l);
    for (int head = 0; head < 2; head++)
        add_head(m, &l, 0, 100 * head, 40, 40);
    report *r = build(m);
    cost_model *c = cost_new(memory, m->machine);
    cost_expectation qk = cost_qk_expected(c, 20, 6, 0, 20, 0, 20, 10);
    cost_expectation pv = cost_pv_expected(c, 20, 6, -1, 0, 20, 0, 20, 10);
    const report_layer *out = &r->layers[0];
    ck_assert(out->expected && !r->clustered);
    expect_near(out->qk.step_cycles, 2 * qk.step_cycles);
    expect_near(out->qk.cycles, 2 * qk.cycles);
    expect_near(out->pv.cycles, 2 * pv.cycles);
    expect_near(out->qk.stall_ratio_mean, qk.stall_ratio_sum / qk.tiles);
    expect_near(out->pv.bound_cycles, 2 * 26.0 * 26 * 10 / 12);
    ck_assert_uint_eq(r->mac_cycles, 2 * 2 * 26 * 26 * 10);
    ck_assert_uint_eq(r->stall_cycles, (uint64_t)llround(2 * (qk.stall_cycles + pv.stall_cycles)));
    /* bytes depend on the counts alone: 14 rows of 5 bytes, 6 of 10; scales: a float a row for q, k, 2 x 10 for v */
    ck_assert_uint_eq(r->dram_bytes, 2 * (3 * (14 * 5 + 6 * 10) + 2 * 80 + 80 + 4 * 20 * 10));
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(out->promoted[i], 0);
    finish_test();
}
END_TEST

START_TEST(counts_promotions) {
    setup_test();
    static const uint8_t chosen[] = {4, 4, 4, 8}, q[] = {4, 4, 8, 8}, k[] = {4, 8, 8, 8};
    static const uint8_t eight[] = {8, 8, 8, 8};
    for (int fixed = 0; fixed < 2; fixed++) {
        ir_module *m = ir_module_new(memory, IR_STREAM);
        m->header.seq = 4;
        m->machine->top_prob_bits = fixed ? DTQ_PROB_8 : DTQ_PROB_ROW;
        report_test_layer l = {
            .slots = 4, .high = 1, .heads = 1, .head_dim = 4, .bits = {q, k, chosen, eight}, .chosen = chosen};
        add_layer(m, &l);
        report *r = build(m);
        ck_assert_uint_eq(r->layers[0].promoted[DTQ_Q], 1);
        ck_assert_uint_eq(r->layers[0].promoted[DTQ_K], 2);
        ck_assert_uint_eq(r->layers[0].promoted[DTQ_V], 0);
        ck_assert_uint_eq(r->layers[0].promoted[DTQ_P], fixed ? 0 : 3);
        /* of what the policy asked for: three tokens at 4 bits, one at 8 */
        expect_near(r->layers[0].qk.bound_cycles, 5 * 5 * 4 / (double)dtq_machine_pes(m->machine));
    }
    finish_test();
}
END_TEST

START_TEST(counts_a_selection) {
    setup_test();
    report_test_layer layers[2];
    ir_module *m = two_layers(layers);
    add_topk(m, 0, "yes", 0);
    report *r = build(m);
    expect_near(r->energy_pj, m->machine->energy_topk_pj * (double)m->machine->topk_passes * (24 + 12));
    ck_assert_int_eq(r->layers[0].limit, LIMIT_TOPK);
    finish_test();
}
END_TEST

START_TEST(causal_layers_fold_scales) {
    setup_test();
    ir_module *m = ir_module_new(memory, IR_STREAM);
    m->header.seq = 6;
    report_test_layer l = {.slots = 6, .high = 2, .heads = 1, .head_dim = 4, .mask = "causal"};
    add_layer(m, &l);
    add_instr(m, &(report_test_instr){IR_I_LOAD, DTQ_LOAD, 0, 1, 4, -1, -1, "v", NULL, 0, 1, 2});
    ck_assert_uint_eq(build(m)->dram_bytes, 4 * 4 + 3 * 2 + 4); /* slots 1 to 4: three at 4 bits, one at 8 */
    finish_test();
}
END_TEST

/* Bytes to and from buffers show in the energy; here nothing else costs any. */
START_TEST(counts_buffer_traffic) {
    setup_test();
    report_test_layer layers[2];
    ir_module *m = two_layers(layers); /* arrays of 4 x 5 */
    dtq_machine *e = m->machine;
    e->energy_mac_pj = e->energy_stall_pj = e->energy_dram_pj_per_byte = e->energy_softmax_pj = e->energy_topk_pj = 0;
    e->energy_buffer_pj_per_byte = 1;
    /* all of layer 0 is 8-bit: a row is a scale of 4 bytes and 8 codes; v has 2 x 8 class scales instead */
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, 0, 2, 9, 1, 22, NULL, NULL, 0, 1, 1});
    const double qk = 9 * 12 * 5 + 22 * 12 * 3 + 4 * 9 * 22;
    expect_near(build(m)->energy_pj, qk);
    add_instr(m, &(report_test_instr){IR_I_PV, DTQ_ARRAY0, 0, 2, 9, 1, 22, NULL, NULL, 0, 1, 1});
    const double pv = 9 * 22 * 2 + (64 + 22 * 8) * 3 + 4 * 9 * 8;
    expect_near(build(m)->energy_pj, qk + pv);
    /* slots 5 to 8 of layer 1: two 4-bit and two 8-bit rows */
    add_instr(m, &(report_test_instr){IR_I_LOAD, DTQ_LOAD, 1, 5, 4, -1, -1, "k", NULL, 0, 1, 1});
    expect_near(build(m)->energy_pj, qk + pv + 4 * 4 + 2 * 4 + 2 * 8);
    finish_test();
}
END_TEST

START_TEST(shares_sum_to_one) {
    report_layer layers[3] = {{.start = 0, .end = 100}, {.start = 40, .end = 150}, {.start = 90, .end = 250}};
    layers[1].qk.bound_cycles = 20;
    layers[1].pv.bound_cycles = 5;
    layers[2].qk.bound_cycles = 110; /* of which a part ran under the layer before */
    layers[2].array_busy = 125;
    report r = {.layer_count = 3, .layers = layers, .cycles = 250, .bound_cycles = 125};
    report_settle(&r);
    expect_near(layers[0].cycles, 100);
    expect_near(layers[1].cycles, 50); /* its loads ran under layer 0 */
    expect_near(layers[2].cycles, 100);
    expect_near(layers[0].share + layers[1].share + layers[2].share, 1);
    expect_near(layers[1].utilisation, 0.5);
    expect_near(layers[2].utilisation, 110.0 / 125);
    expect_near(r.utilisation, 0.5);
}
END_TEST

/* What limits a layer, and what part of the bounds runs in its cycles, when layers overlap. */
START_TEST(limits) {
    setup_test();
    report_test_layer layers[2];
    static const struct {
        int64_t start, busy, done; /* of softmax, behind Q.K^T in cycles 0 to 10 */
        report_limit limit;
    } cases[] = {{10, 30, 40, LIMIT_SOFTMAX},
                 {10, 8, 22, LIMIT_DEPENDENCIES}, /* each works for less than half, one of them nearly always */
                 {100, 10, 110, LIMIT_LATENCY},
                 {10, 5, 19, LIMIT_ARRAY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ir_module *m = two_layers(layers);
        const int64_t n = layers[0].slots;
        add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, 0, 0, n, 0, n, NULL, NULL, 0, 10, 10});
        add_instr(m, &(report_test_instr){IR_I_SOFTMAX, DTQ_SOFTMAX, 0, 0, n, 0, n, NULL, NULL, cases[i].start,
                                          cases[i].busy, cases[i].done});
        report *r = build(m);
        ck_assert_msg(r->layers[0].limit == cases[i].limit, "case %zu: %s", i, report_limit_name(r->layers[0].limit));
        expect_near(r->layers[0].busy_share[LIMIT_ARRAY], 10.0 / (double)cases[i].done);
    }
    ir_module *m = two_layers(layers);
    const int64_t n = layers[0].slots, k = layers[1].slots;
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, 0, 0, n, 0, n, NULL, NULL, 0, 10, 10});
    add_instr(m, &(report_test_instr){IR_I_STORE, DTQ_STORE, 0, 0, n, -1, -1, NULL, NULL, 10, 90, 100});
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0 + 1, 1, 0, k, 0, k, NULL, NULL, 50, 60, 120});
    report *r = build(m);
    expect_near(r->layers[1].cycles, 20);
    expect_near(r->layers[1].busy_share[LIMIT_ARRAY], 0.5);
    ck_assert_int_eq(r->layers[0].limit, LIMIT_DMA);
    ck_assert_uint_eq(r->layers[0].key_blocks, 1);
    finish_test();
}
END_TEST

START_TEST(tells_layers_apart) {
    setup_test();
    static const uint8_t low[] = {4, 4, 4, 8}, high[] = {8, 8, 8, 8};
    ir_module *m = ir_module_new(memory, IR_STREAM);
    m->header.seq = 4;
    for (uint32_t i = 0; i < 4; i++) {
        report_test_layer l = {.index = i,
                               .slots = 4,
                               .high = 1,
                               .heads = 1,
                               .head_dim = 4,
                               .bits = {low, i % 2 ? high : low, low, low},
                               .chosen = low};
        add_layer(m, &l);
        add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, i, 0, 4, 0, 4, NULL, NULL, 0, 1, 1});
        add_instr(m, &(report_test_instr){IR_I_LOAD, DTQ_LOAD, i, 0, 4, -1, -1, "k", NULL, 0, 1, 1});
    }
    report *r = build(m);
    ck_assert_uint_eq(r->mac_cycles, 2 * (5 * 5 + 5 * 8) * 4);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(r->layers[i].dram_bytes, i % 2 ? 4 * 8 : 4 * 4 + 3 * 2 + 4);
    for (int i = 2; i < 4; i++) /* promotions do not raise the bound */
        expect_near(r->layers[i].qk.bound_cycles * (double)dtq_machine_pes(m->machine), 5 * 5 * 4);
    ck_assert_uint_eq(r->layers[3].promoted[DTQ_K], 3);
    finish_test();
}
END_TEST

START_TEST(remembers_many_blocks) {
    setup_test();
    ir_module *m = ir_module_new(memory, IR_STREAM);
    m->header.seq = 3000;
    report_test_layer l = {.slots = 3000, .high = 1000, .heads = 1, .head_dim = 4};
    add_layer(m, &l);
    for (int twice = 0; twice < 2; twice++)
        for (int64_t row = 0; row < 3000; row++)
            add_instr(m, &(report_test_instr){IR_I_LOAD, DTQ_LOAD, 0, row, 1, -1, -1, "q", NULL, 0, 1, 1});
    ck_assert_uint_eq(build(m)->dram_bytes, 2 * (3000 * 4 + 2000 * 2 + 1000 * 4));
    finish_test();
}
END_TEST

/* Without attributes of their own operands run as their tokens were chosen, P as the target says. */
START_TEST(falls_back_on_segments) {
    setup_test();
    for (unsigned prob = DTQ_PROB_ROW; prob <= DTQ_PROB_4; prob++) {
        ir_module *m = ir_module_new(memory, IR_STREAM);
        m->header.seq = 10;
        m->machine->top_prob_bits = prob;
        report_test_layer l = {.slots = 10, .high = 3, .heads = 1, .head_dim = 4};
        add_layer(m, &l);
        report *r = build(m);
        const double p = prob == DTQ_PROB_8 ? 20 : prob == DTQ_PROB_4 ? 10 : 13;
        expect_near(r->layers[0].pv.bound_cycles * (double)dtq_machine_pes(m->machine), p * 13 * 4);
        expect_near(r->layers[0].qk.bound_cycles * (double)dtq_machine_pes(m->machine), 13 * 13 * 4);
        ck_assert_uint_eq(r->layers[0].promoted[DTQ_P], 0);
    }
    finish_test();
}
END_TEST

START_TEST(keeps_remarks) {
    setup_test();
    ir_module *m = fig5_module(memory, true);
    diag_remark(messages, (src_loc){0}, "bounds", "first");
    diag_warning(messages, (src_loc){0}, "not this");
    diag_remark(messages, (src_loc){0}, "bounds", "second");
    report *r = build(m);
    ck_assert_uint_eq(r->remark_count, 2);
    ck_assert_ptr_nonnull(strstr(r->remarks[1]->message, "second"));
    finish_test();
}
END_TEST

static void expect_refusal(const ir_module *m, const char *words) {
    size_t before = diag_total(messages);
    ck_assert_ptr_null(report_build(memory, messages, m));
    ck_assert_uint_eq(diag_total(messages), before + 1);
    ck_assert_ptr_nonnull(strstr(diag_at(messages, before)->message, words));
    ck_assert_int_eq(diag_exit_code(messages), EXIT_INTERNAL);
}

START_TEST(refuses_what_is_not_ready) {
    setup_test();
    expect_refusal(ir_module_new(memory, IR_TILE), "not at stream level");
    report_test_layer layers[2];

    ir_module *m = two_layers(layers);
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, 1, 0, 12, 0, 12, NULL, NULL, -1, -1, -1});
    expect_refusal(m, "timeline");

    m = two_layers(layers);
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, 1, 8, 5, 0, 12, NULL, NULL, 0, 1, 1});
    expect_refusal(m, "outside the layers");

    m = two_layers(layers);
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0, 2, 0, 12, 0, 12, NULL, NULL, 0, 1, 1});
    expect_refusal(m, "outside the layers");

    m = two_layers(layers);
    add_instr(m, &(report_test_instr){IR_I_QK, DTQ_ARRAY0 + 2, 1, 0, 12, 0, 12, NULL, NULL, 0, 1, 1});
    expect_refusal(m, "queue");

    m = two_layers(layers);
    layers[1].index = 0;
    add_layer(m, &layers[1]);
    expect_refusal(m, "numbered");

    m = two_layers(layers);
    layers[1].index = 2;
    size_t op = add_layer(m, &layers[1]);
    ir_set_runs(m, op, IR_KEY_q_bits, (ir_run[]){{11, 4}}, 1);
    expect_refusal(m, "cover");
    finish_test();
}
END_TEST

START_TEST(an_empty_module_has_an_empty_report) {
    setup_test();
    report *r = build(ir_module_new(memory, IR_STREAM));
    ck_assert_uint_eq(r->layer_count, 0);
    ck_assert(r->cycles == 0 && r->utilisation == 0 && !r->clustered);
    finish_test();
}
END_TEST

REPORT_MAIN("report_build", fig5_unclustered, fig5_clustered, counts_work_bytes_and_energy, reads_the_timeline,
            spreads_over_arrays, splits_keys_and_rows, expects_what_it_cannot_know, counts_promotions,
            counts_a_selection, causal_layers_fold_scales, counts_buffer_traffic, shares_sum_to_one, limits,
            tells_layers_apart, remembers_many_blocks, falls_back_on_segments, keeps_remarks, refuses_what_is_not_ready,
            an_empty_module_has_an_empty_report)
