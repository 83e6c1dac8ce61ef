#include <check.h>

#include "runtime/machine_members.h"
#include "runtime/numerics/numerics.h"
#include "sim_util.h"

/* Executes a program on the simulator; the caller frees x. */
static void run(const sim_program *p, const dtq_run_options *o, dtq_exec *x, const dtq_input *input, dtq_stats *stats) {
    dtq_error e = {0};
    ck_assert_msg(dtq_exec_init(x, &p->program, &p->stream, NULL, input, o, &e), "%s", e.message);
    ck_assert_msg(dtq_run_sim(x, o, stats, false, &e), "%s", e.message);
}

static float *gather(const sim_program *p, unsigned operand, const uint32_t *ids, uint32_t slots) {
    const sim_shape *s = &p->shape;
    const uint32_t heads = operand == DTQ_Q ? s->heads : s->kv_heads;
    float *out = malloc((size_t)slots * heads * s->head_dim * sizeof *out);
    for (uint32_t i = 0; i < slots; i++) {
        for (uint32_t h = 0; h < heads; h++) {
            memcpy(out + ((size_t)i * heads + h) * s->head_dim,
                   p->input[operand] + ((size_t)h * s->seq + ids[i]) * s->head_dim, s->head_dim * sizeof *out);
        }
    }
    return out;
}

/** Compares what layer `layer` left in DRAM with the scalar reference; leaves the layer's importance in slot order. */
static void compare_layer(const sim_program *p, const dtq_exec *x, uint32_t layer, const uint32_t *ids,
                          uint8_t *const bits[DTQ_OPERANDS], uint64_t *importance) {
    const sim_shape *s = &p->shape;
    const uint32_t n = s->slots[layer];
    const size_t width = (size_t)s->heads * s->head_dim;
    float *q = gather(p, DTQ_Q, ids, n), *k = gather(p, DTQ_K, ids, n), *v = gather(p, DTQ_V, ids, n);
    float *out = malloc(n * width * sizeof *out);
    const dtq_attention a = {.slots = n,
                             .heads = s->heads,
                             .kv_heads = s->kv_heads,
                             .head_dim = s->head_dim,
                             .causal = s->causal,
                             .importance_rule = (dtq_importance_rule)s->importance,
                             .ids = ids,
                             .bits = {bits[0], bits[1], bits[2], bits[3]},
                             .q = q,
                             .k = k,
                             .v = v,
                             .out = out,
                             .importance = importance};
    dtq_error e = {0};
    ck_assert_msg(dtq_attention_ref(&a, &e), "%s", e.message);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *row = x->dram + p->layers[layer].out + ids[i] * width * sizeof(float);
        ck_assert_msg(memcmp(row, out + i * width, width * sizeof(float)) == 0, "layer %u, slot %u: output", layer, i);
        uint64_t got;
        memcpy(&got, x->dram + p->layers[layer].importance_at + 8 * (size_t)ids[i], sizeof got);
        ck_assert_msg(got == importance[i], "layer %u, slot %u: importance %llu, not %llu", layer, i,
                      (unsigned long long)got, (unsigned long long)importance[i]);
    }
    free(q);
    free(k);
    free(v);
    free(out);
}

/** Runs and compares all layers, layer 1 by a selection made here. */
static void compare(const sim_program *p, const dtq_run_options *o) {
    const sim_shape *s = &p->shape;
    const dtq_input input = sim_input(p);
    dtq_exec x;
    run(p, o, &x, &input, NULL);
    uint64_t *importance = malloc(s->seq * sizeof *importance);
    compare_layer(p, &x, 0, p->ids, p->bits[0], importance);
    if (s->layers > 1) {
        uint32_t *ids = malloc(s->slots[1] * sizeof *ids);
        uint8_t *flags = malloc(s->slots[1]), *bits[DTQ_OPERANDS];
        dtq_select(importance, p->ids, s->slots[0], NULL, 0, s->slots[1], s->high[1], (dtq_slot_order)s->order, ids,
                   flags);
        for (unsigned i = 0; i < DTQ_OPERANDS; i++) {
            bits[i] = malloc(s->slots[1]);
            memset(bits[i], 0, s->slots[1]);
        }
        dtq_bits_from_classes(&p->layers[1], flags, bits);
        for (unsigned i = 0; i < DTQ_OPERANDS && p->bits[1][i]; i++)
            memcpy(bits[i], p->bits[1][i], s->slots[1]);
        compare_layer(p, &x, 1, ids, bits, importance);
        for (unsigned i = 0; i < DTQ_OPERANDS; i++)
            free(bits[i]);
        free(ids);
        free(flags);
    }
    free(importance);
    dtq_exec_free(&x);
}

static sim_shape random_shape(sim_random *r, uint32_t layers) {
    sim_shape s = {.seq = sim_range(r, 1, 40),
                   .kv_heads = sim_range(r, 1, 2),
                   .head_dim = sim_range(r, 1, 40),
                   .causal = sim_next(r) & 1,
                   .importance = sim_next(r) & 1,
                   .prob_bits = (uint8_t)sim_range(r, DTQ_PROB_ROW, DTQ_PROB_4),
                   .layers = layers,
                   .order = (uint8_t)sim_range(r, DTQ_ORDER_LOW_FIRST, DTQ_ORDER_ORIGINAL)};
    s.heads = s.kv_heads * sim_range(r, 1, 2);
    s.slots[0] = sim_range(r, 1, s.seq);
    s.high[0] = s.slots[0];
    s.slots[1] = sim_range(r, 1, s.slots[0]);
    s.high[1] = sim_range(r, 0, s.slots[1]);
    s.row_block = sim_next(r) & 1 ? s.seq : sim_range(r, 1, s.seq);
    s.key_block = sim_next(r) & 1 ? s.seq : sim_range(r, 1, s.seq);
    return s;
}

static void random_programs(uint64_t seed, uint32_t layers, uint32_t count) {
    sim_random r = {seed};
    printf("sim: seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < count; i++) {
        const sim_shape s = random_shape(&r, layers);
        sim_program p;
        sim_build(&p, &s, &r);
        compare(&p, &(dtq_run_options){0});
        for (uint32_t n = 0; n < 3; n++)
            compare(&p, &(dtq_run_options){.shuffle = true, .seed = sim_next(&r)});
        sim_free(&p);
    }
}

START_TEST(one_layer_equals_the_reference) {
    random_programs(11, 1, 60);
}
END_TEST

START_TEST(selected_layer_equals_the_reference) {
    random_programs(12, 2, 60);
}
END_TEST

/* 128 tokens, causal, with blocks of rows and keys: longer vectors than above. */
START_TEST(long_rows) {
    for (uint8_t causal = 0; causal < 2; causal++) {
        sim_random r = {13};
        const sim_shape s = {.seq = 128,
                             .heads = 2,
                             .kv_heads = 1,
                             .head_dim = 32,
                             .causal = causal,
                             .layers = 1,
                             .slots = {128},
                             .high = {128},
                             .row_block = 50,
                             .key_block = 47};
        sim_program p;
        sim_build(&p, &s, &r);
        compare(&p, &(dtq_run_options){.shuffle = true, .seed = 5});
        sim_free(&p);
    }
}
END_TEST

static void two_layers(sim_program *p, sim_random *r, uint8_t order) {
    const sim_shape s = {.seq = 30,
                         .heads = 3,
                         .kv_heads = 1,
                         .head_dim = 8,
                         .layers = 2,
                         .slots = {30, 20},
                         .high = {30, 7},
                         .order = order,
                         .row_block = 11,
                         .key_block = 30};
    sim_build(p, &s, r);
}

START_TEST(order_of_queues_changes_no_time) {
    sim_random r = {21};
    sim_program p;
    two_layers(&p, &r, DTQ_ORDER_LOW_FIRST);
    const dtq_input input = sim_input(&p);
    dtq_exec x;
    dtq_stats first;
    run(&p, &(dtq_run_options){0}, &x, &input, &first);
    dtq_exec_free(&x);
    ck_assert_uint_eq(first.instructions, p.stream.count);
    for (uint64_t seed = 0; seed < 20; seed++) {
        dtq_stats stats;
        const dtq_run_options o = {.shuffle = true, .seed = seed, .timing_only = seed >= 10};
        run(&p, &o, &x, &input, &stats);
        dtq_exec_free(&x);
        ck_assert_mem_eq(&stats, &first, sizeof stats);
    }
    sim_free(&p);
}
END_TEST

START_TEST(timing_only_draws_precisions_that_nobody_knows) {
    sim_random r = {22};
    sim_program p;
    two_layers(&p, &r, DTQ_ORDER_ORIGINAL);
    p.machine.vssa_rows = p.machine.vssa_cols = 3;
    dtq_stats a, b, c;
    dtq_exec x;
    run(&p, &(dtq_run_options){.timing_only = true, .seed = 1}, &x, NULL, &a);
    dtq_exec_free(&x);
    run(&p, &(dtq_run_options){.timing_only = true, .seed = 1, .shuffle = true}, &x, NULL, &b);
    dtq_exec_free(&x);
    run(&p, &(dtq_run_options){.timing_only = true, .seed = 2}, &x, NULL, &c);
    dtq_exec_free(&x);
    ck_assert_mem_eq(&a, &b, sizeof a);
    /* who is 8-bit differs, how many are does not */
    const dtq_input input = sim_input(&p);
    dtq_stats functional;
    run(&p, &(dtq_run_options){0}, &x, &input, &functional);
    dtq_exec_free(&x);
    ck_assert_uint_eq(a.dram_read_bytes, functional.dram_read_bytes);
    ck_assert_uint_eq(a.dram_read_bytes, c.dram_read_bytes);
    ck_assert_uint_eq(a.mac_cycles, c.mac_cycles);
    ck_assert_uint_ne(a.stall_cycles, c.stall_cycles);
    sim_free(&p);
}
END_TEST

/** Index of the n-th instruction of a kind. */
static size_t find(const sim_program *p, dtq_opcode op, unsigned n) {
    for (size_t i = 0; i < p->stream.count; i++)
        if (p->stream.instrs[i].op == op && n-- == 0)
            return i;
    ck_abort_msg("no such instruction");
    return 0;
}

static bool fails(const sim_program *p, dtq_status status, dtq_error *e) {
    const dtq_input input = sim_input(p);
    const dtq_run_options o = {0};
    dtq_exec x;
    *e = (dtq_error){0};
    ck_assert_msg(dtq_exec_init(&x, &p->program, &p->stream, NULL, &input, &o, e), "%s", e->message);
    const bool ok = dtq_run_sim(&x, &o, NULL, false, e);
    dtq_exec_free(&x);
    return !ok && e->status == status;
}

START_TEST(a_missing_signal_is_a_deadlock) {
    sim_random r = {31};
    sim_program p;
    two_layers(&p, &r, DTQ_ORDER_LOW_FIRST);
    size_t at = find(&p, DTQ_OP_SIGNAL, 0);
    while (p.stream.instrs[at].queue != DTQ_SOFTMAX || DTQ_GET(&p.stream.instrs[at], SIGNAL, to) != DTQ_ARRAY0 + 1)
        at++;
    memmove(&p.stream.instrs[at], &p.stream.instrs[at + 1], (p.stream.count - at - 1) * sizeof(dtq_instr));
    p.stream.count--;
    dtq_error e;
    ck_assert(fails(&p, DTQ_DEADLOCK, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "array1: "));
    ck_assert_ptr_nonnull(strstr(e.message, "no token from softmax, which "));
    ck_assert_ptr_nonnull(strstr(e.message, "store: "));
    sim_free(&p);
}
END_TEST

START_TEST(slots_must_be_selected_before_they_are_used) {
    sim_random r = {32};
    sim_program p;
    two_layers(&p, &r, DTQ_ORDER_LOW_FIRST);
    DTQ_GET(&p.stream.instrs[find(&p, DTQ_OP_LOAD, 0)], LOAD, layer) = 1;
    DTQ_GET(&p.stream.instrs[find(&p, DTQ_OP_LOAD, 0)], LOAD, rows) = 1;
    dtq_error e;
    ck_assert(fails(&p, DTQ_BAD_PROGRAM, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "before they are selected"));
    sim_free(&p);
}
END_TEST

START_TEST(operands_out_of_range_are_refused) {
    const struct {
        dtq_opcode op;
        unsigned field;
        uint64_t value;
    } cases[] = {
        {DTQ_OP_LOAD, DTQ_F(LOAD, layer), 2},
        {DTQ_OP_LOAD, DTQ_F(LOAD, head), 3},
        {DTQ_OP_LOAD, DTQ_F(LOAD, rows), 31},
        {DTQ_OP_LOAD, DTQ_F(LOAD, rows), 0},
        {DTQ_OP_LOAD, DTQ_F(LOAD, operand), 3},
        {DTQ_OP_LOAD, DTQ_F(LOAD, dst), 1 << 20},
        {DTQ_OP_QK, DTQ_F(QK, q), (1 << 20) - 10},
        {DTQ_OP_QK, DTQ_F(QK, cols), 31},
        {DTQ_OP_QK, DTQ_F(QK, s), (UINT64_C(1) << 40) - 1},
        {DTQ_OP_SOFTMAX, DTQ_F(SOFTMAX, p), 33554432 - 100},
        {DTQ_OP_PV, DTQ_F(PV, row), 30},
        {DTQ_OP_PV, DTQ_F(PV, o), 8388608 - 10},
        {DTQ_OP_STORE, DTQ_F(STORE, head), 3},
        {DTQ_OP_STORE, DTQ_F(STORE, o), 8388608},
        {DTQ_OP_IMPORTANCE, DTQ_F(IMPORTANCE, acc), 1048576 - 8},
    };
    sim_random r = {33};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sim_program p;
        two_layers(&p, &r, DTQ_ORDER_LOW_FIRST);
        p.stream.instrs[find(&p, cases[i].op, 0)].f[cases[i].field] = cases[i].value;
        dtq_error e;
        ck_assert_msg(fails(&p, DTQ_BAD_PROGRAM, &e), "case %zu", i);
        sim_free(&p);
    }
    sim_program p;
    two_layers(&p, &r, DTQ_ORDER_LOW_FIRST);
    DTQ_GET(&p.stream.instrs[find(&p, DTQ_OP_TOPK, 1)], TOPK, select) = 1; /* there is no layer 2 */
    dtq_error e;
    ck_assert(fails(&p, DTQ_BAD_PROGRAM, &e));
    p.stream.instrs[find(&p, DTQ_OP_STORE, 0)].queue = DTQ_LOAD;
    ck_assert(fails(&p, DTQ_BAD_PROGRAM, &e));
    sim_free(&p);
}
END_TEST

int main(void) {
    Suite *s = suite_create("sim");
    TCase *t = tcase_create("programs");
    tcase_add_test(t, one_layer_equals_the_reference);
    tcase_add_test(t, selected_layer_equals_the_reference);
    tcase_add_test(t, long_rows);
    tcase_add_test(t, order_of_queues_changes_no_time);
    tcase_add_test(t, timing_only_draws_precisions_that_nobody_knows);
    tcase_add_test(t, a_missing_signal_is_a_deadlock);
    tcase_add_test(t, slots_must_be_selected_before_they_are_used);
    tcase_add_test(t, operands_out_of_range_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
