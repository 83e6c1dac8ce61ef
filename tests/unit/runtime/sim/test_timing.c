#include <check.h>

#include "runtime/machine_members.h"
#include "runtime/sim/timing.h"
#include "sim_util.h"

/* Four tokens of four channels on one array of 2x2, every number small enough to follow by hand. */
typedef struct {
    dtq_machine machine;
    dtq_program program;
    dtq_stream stream;
    dtq_layer layers[2];
    dtq_instr instrs[64];
} tiny;

static const uint8_t clustered[4] = {4, 4, 8, 8}, alternating[4] = {4, 8, 4, 8};
static const uint32_t ids[4] = {0, 1, 2, 3};

static void tiny_init(tiny *t) {
    *t = (tiny){0};
    dtq_machine *m = t->program.machine = &t->machine;
    dtq_machine_init(m);
    m->vssa_rows = m->vssa_cols = 2;
    m->dram_gb_per_s = 8; /* 8 bytes a cycle */
    m->dram_latency_cycles = 10;
    m->softmax_lanes = 4;
    m->softmax_latency_cycles = 5;
    m->topk_lanes = 2;
    m->topk_passes = 3;
    m->topk_accumulate_lanes = 4;
    m->topk_latency_cycles = 7;
    m->energy_mac_pj = 1;
    m->energy_stall_pj = 10;
    m->energy_buffer_pj_per_byte = 100;
    m->energy_dram_pj_per_byte = 1000;
    m->energy_softmax_pj = 10000;
    m->energy_topk_pj = 100000;
    m->energy_idle_pj = 1000000;
    for (unsigned i = 0; i < 2; i++) {
        t->layers[i] = (dtq_layer){.slots = 4 - i,
                                   .high = 2,
                                   .heads = 1,
                                   .kv_heads = 1,
                                   .head_dim = 4,
                                   .bits = {clustered, clustered, alternating, clustered},
                                   .ids = ids};
    }
    t->stream = (dtq_stream){.seq = 4, .layer_count = 1, .layers = t->layers, .instrs = t->instrs, .dram_bytes = 4096};
}

#define ADD(t, op, q, ...)                                                                                             \
    (t)->instrs[(t)->stream.count++] = (dtq_instr) {                                                                   \
        DTQ_OP_##op, (uint8_t)(q), {                                                                                   \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static const uint64_t no_v = (UINT64_C(1) << 40) - 1;

static void add_attention(tiny *t) {
    ADD(t, LOAD, DTQ_LOAD, DTQ_Q, 0, 0, 0, 4, 0);                  /* 0 */
    ADD(t, LOAD, DTQ_LOAD, DTQ_K, 0, 0, 0, 4, 0);                  /* 1 */
    ADD(t, SIGNAL, DTQ_LOAD, DTQ_ARRAY0);                          /* 2 */
    ADD(t, LOAD, DTQ_LOAD, DTQ_V, 0, 0, 0, 4, 0);                  /* 3 */
    ADD(t, SIGNAL, DTQ_LOAD, DTQ_ARRAY0);                          /* 4 */
    ADD(t, WAIT, DTQ_ARRAY0, DTQ_LOAD);                            /* 5 */
    ADD(t, QK, DTQ_ARRAY0, 0, 0, 0, 4, 0, 4, 0, 0, 0);             /* 6 */
    ADD(t, SIGNAL, DTQ_ARRAY0, DTQ_SOFTMAX);                       /* 7 */
    ADD(t, WAIT, DTQ_SOFTMAX, DTQ_ARRAY0);                         /* 8 */
    ADD(t, SOFTMAX, DTQ_SOFTMAX, 0, 0, 0, 0, 4, 0, 4, 0, no_v, 0); /* 9 */
    ADD(t, SIGNAL, DTQ_SOFTMAX, DTQ_ARRAY0);                       /* 10 */
    ADD(t, SIGNAL, DTQ_SOFTMAX, DTQ_TOPK);                         /* 11 */
    ADD(t, WAIT, DTQ_TOPK, DTQ_SOFTMAX);                           /* 12 */
    ADD(t, IMPORTANCE, DTQ_TOPK, 0, 0, 0, 4, 1, 0, 0);             /* 13 */
    ADD(t, TOPK, DTQ_TOPK, 0, 0, 0);                               /* 14 */
    ADD(t, WAIT, DTQ_ARRAY0, DTQ_LOAD);                            /* 15 */
    ADD(t, WAIT, DTQ_ARRAY0, DTQ_SOFTMAX);                         /* 16 */
    ADD(t, PV, DTQ_ARRAY0, 3, 0, 0, 0, 4, 0, 4, 0, 0, 0);          /* 17 */
    ADD(t, SIGNAL, DTQ_ARRAY0, DTQ_STORE);                         /* 18 */
    ADD(t, WAIT, DTQ_STORE, DTQ_ARRAY0);                           /* 19 */
    ADD(t, STORE, DTQ_STORE, 0, 0, 0, 4, 0);                       /* 20 */
}

static dtq_stats time_of(tiny *t) {
    dtq_exec x = {.program = &t->program, .stream = &t->stream};
    const dtq_run_options o = {.timing_only = true};
    dtq_stats stats = {0};
    dtq_error e = {0};
    ck_assert_msg(dtq_run_sim(&x, &o, &stats, true, &e), "%s", e.message);
    return stats;
}

#define EVENT(s, i, a, b, c)                                                                                           \
    do {                                                                                                               \
        ck_assert_uint_eq((s)->events[i].start, a);                                                                    \
        ck_assert_uint_eq((s)->events[i].busy, b);                                                                     \
        ck_assert_uint_eq((s)->events[i].done, c);                                                                     \
    } while (0)

START_TEST(a_timeline_by_hand) {
    tiny t;
    tiny_init(&t);
    add_attention(&t);
    dtq_stats s = time_of(&t);
    EVENT(&s, 0, 0, 4, 14); /* 4 scales, 2 rows of 2 bytes, 2 of 4: 28 bytes, 8 a cycle; 10 cycles of latency */
    EVENT(&s, 1, 4, 4, 18);
    EVENT(&s, 2, 18, 0, 18); /* a signal carries the completion of the instruction before it */
    EVENT(&s, 3, 8, 6, 24);  /* 8 class scales and 12 bytes */
    EVENT(&s, 5, 18, 0, 18);
    /* tiles of cost 1, 2, 2, 4, four steps each back to back, then two steps of skew at cost 4: 4 + 8 + 8 + 16 + 8 */
    EVENT(&s, 6, 18, 44, 18 + 44 + 2);
    EVENT(&s, 9, 64, 4, 73);
    EVENT(&s, 13, 73, 4, 77);
    EVENT(&s, 14, 77, 2, 86);
    EVENT(&s, 16, 73, 0, 73);
    /* values cost 1 2 1 2 along the keys, rows 1 then 2; three diagonals wide, a step is the largest of three elements:
     * 1, seven 2s, then 2 until the first 4 has entered, nine 4s */
    EVENT(&s, 17, 73, 53, 128);
    EVENT(&s, 20, 128, 8, 146);
    ck_assert_uint_eq(s.cycles, 146);
    ck_assert_uint_eq(s.busy[DTQ_LOAD], 14);
    ck_assert_uint_eq(s.busy[DTQ_ARRAY0], 97);
    ck_assert_uint_eq(s.busy[DTQ_SOFTMAX], 4);
    ck_assert_uint_eq(s.busy[DTQ_TOPK], 6);
    ck_assert_uint_eq(s.busy[DTQ_STORE], 8);
    ck_assert_uint_eq(s.busy[DTQ_HOST], 0);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(counters_by_hand) {
    tiny t;
    tiny_init(&t);
    add_attention(&t);
    dtq_stats s = time_of(&t);
    ck_assert_uint_eq(s.instructions, 21);
    ck_assert_uint_eq(s.dram_read_bytes, 28 + 28 + 44);
    ck_assert_uint_eq(s.dram_write_bytes, 64);
    ck_assert_uint_eq(s.mac_cycles, 6 * 6 * 4 + 6 * 6 * 4);
    ck_assert_uint_eq(s.stall_cycles, 0);
    const uint64_t loads = 100, qk = 28 * 2 + 28 * 2 + 64, softmax = 64 + 16, pv = 16 * 2 + 44 * 2 + 64;
    ck_assert_uint_eq(s.buffer_bytes, loads + qk + softmax + pv + 16 + 64);
    ck_assert_uint_eq(s.probabilities, 16);
    ck_assert_uint_eq(s.topk_elements, 16 + 4);
    ck_assert_double_eq(s.energy_pj,
                        288 + 620 * 1e2 + 164 * 1e3 + 16 * 1e4 + 20 * 1e5 +
                            1e6 * (4.0 * (double)s.cycles - 288)); /* idle: of 4 PEs, all cycles but those */
    dtq_stats_free(&s);
    /* rows of alternating precision make every tile wait: of 2x2 PEs with costs 1 and 2, each second one */
    t.layers[0].bits[DTQ_Q] = t.layers[0].bits[DTQ_K] = alternating;
    s = time_of(&t);
    ck_assert_uint_eq(s.stall_cycles, 4 * 4 * (4 * 4 - 9));
    ck_assert_uint_eq(s.mac_cycles, 288);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(fidelities) {
    tiny t;
    tiny_init(&t);
    add_attention(&t);
    t.machine.top_drain = DTQ_DRAIN_IDEAL;
    dtq_stats s = time_of(&t);
    EVENT(&s, 6, 18, 4 + 8 + 8 + 16, 18 + 36);
    EVENT(&s, 17, 63, 2 * 6 + 2 * 12, 63 + 36);
    dtq_stats_free(&s);
    t.machine.top_drain = DTQ_DRAIN_SERIAL;
    s = time_of(&t);
    EVENT(&s, 6, 18, 6 + 12 + 12 + 24, 18 + 54 + 2);
    /* a tile's six steps: 1 2 2 2 2 2, doubled in the second strip */
    EVENT(&s, 17, 83, 2 * 11 + 2 * 22, 83 + 66 + 2);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(causal_values_and_weights_are_moved) {
    tiny t;
    tiny_init(&t);
    t.layers[0].causal = 1;
    add_attention(&t);
    DTQ_GET(&t.instrs[9], SOFTMAX, v) = 0;
    dtq_stats s = time_of(&t);
    ck_assert_uint_eq(s.dram_read_bytes, 3 * 28);
    ck_assert_uint_eq(s.buffer_bytes, 3 * 28 + 176 + (64 + 32) + (32 + 56 + 64) + 16 + 64);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(matmuls_of_equal_shape_are_told_apart) {
    static const uint8_t one[5] = {8, 4, 4, 4, 4}, two[5] = {8, 4, 4, 4, 8};
    tiny t;
    tiny_init(&t);
    t.machine.top_drain = DTQ_DRAIN_IDEAL;
    t.stream.layer_count = 2;
    t.stream.seq = 5;
    for (unsigned i = 0; i < 2; i++) {
        t.layers[i].ids = NULL;
        t.layers[i].slots = 5;
        t.layers[i].bits[DTQ_Q] = t.layers[i].bits[DTQ_P] = t.layers[i].bits[DTQ_V] = one;
        t.layers[i].bits[DTQ_K] = i ? two : one;
        ADD(&t, QK, DTQ_ARRAY0, i, 0, 0, 5, 0, 5, 0, 0, 0);
        ADD(&t, QK, DTQ_ARRAY0, i, 0, 0, 4, 0, 5, 0, 0, 0);
        ADD(&t, QK, DTQ_ARRAY0, i, 0, 1, 4, 0, 5, 0, 0, 0);
        ADD(&t, QK, DTQ_ARRAY0, i, 0, 0, 5, 0, 5, 0, 0, 0);
    }
    dtq_stats s = time_of(&t);
    /* (sum over tile rows of the costliest) x (the same of tile columns) x 4 channels; tile columns 2 1 1 and 2 1 2 */
    const uint64_t busy[] = {4 * 4 * 4, 3 * 4 * 4, 2 * 4 * 4, 4 * 4 * 4, 4 * 5 * 4, 3 * 5 * 4, 2 * 5 * 4, 4 * 5 * 4};
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(s.events[i].busy, busy[i]);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(selection) {
    tiny t;
    tiny_init(&t);
    t.stream.layer_count = 2;
    ADD(&t, TOPK, DTQ_TOPK, 0, 1, 0);
    dtq_stats s = time_of(&t);
    EVENT(&s, 0, 0, 3 * (2 + 2), 12 + 7);
    ck_assert_uint_eq(s.topk_elements, 3 * (4 + 3));
    dtq_stats_free(&s);
}
END_TEST

START_TEST(host_takes_no_time_and_is_not_in_the_makespan) {
    tiny t;
    tiny_init(&t);
    ADD(&t, LOAD, DTQ_LOAD, DTQ_Q, 0, 0, 0, 4, 0);
    ADD(&t, SIGNAL, DTQ_LOAD, DTQ_HOST);
    ADD(&t, WAIT, DTQ_HOST, DTQ_LOAD);
    ADD(&t, QUANT, DTQ_HOST, 0, 0, 0);
    ADD(&t, SIGNAL, DTQ_HOST, DTQ_STORE);
    ADD(&t, WAIT, DTQ_STORE, DTQ_HOST);
    ADD(&t, STORE, DTQ_STORE, 0, 0, 0, 4, 0);
    dtq_stats s = time_of(&t);
    EVENT(&s, 3, 14, 0, 14);
    EVENT(&s, 6, 14, 8, 32);
    ck_assert_uint_eq(s.cycles, 32);
    dtq_stats_free(&s);
    t.stream.count = 4;
    s = time_of(&t);
    ck_assert_uint_eq(s.cycles, 14);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(untimed_tokens_order_but_do_not_delay) {
    tiny t;
    tiny_init(&t);
    ADD(&t, LOAD, DTQ_LOAD, DTQ_Q, 0, 0, 0, 4, 0);
    ADD(&t, SIGNAL, DTQ_LOAD, DTQ_STORE, 1);
    ADD(&t, WAIT, DTQ_STORE, DTQ_LOAD, 1);
    ADD(&t, STORE, DTQ_STORE, 0, 0, 0, 4, 0);
    dtq_stats s = time_of(&t);
    EVENT(&s, 3, 0, 8, 18);
    dtq_stats_free(&s);
    /* either side says so */
    for (uint64_t wait = 0; wait < 2; wait++) {
        DTQ_GET(&t.instrs[1], SIGNAL, untimed) = !wait;
        DTQ_GET(&t.instrs[2], WAIT, untimed) = wait;
        s = time_of(&t);
        EVENT(&s, 3, 0, 8, 18);
        dtq_stats_free(&s);
    }
}
END_TEST

START_TEST(the_latest_token_counts_once) {
    tiny t;
    tiny_init(&t);
    ADD(&t, LOAD, DTQ_LOAD, DTQ_Q, 0, 0, 0, 4, 0);
    ADD(&t, SIGNAL, DTQ_LOAD, DTQ_STORE);
    ADD(&t, SIGNAL, DTQ_TOPK, DTQ_STORE); /* nothing before it: its stamp is 0 */
    ADD(&t, WAIT, DTQ_STORE, DTQ_LOAD);
    ADD(&t, WAIT, DTQ_STORE, DTQ_TOPK);
    ADD(&t, STORE, DTQ_STORE, 0, 0, 0, 4, 0);
    ADD(&t, STORE, DTQ_STORE, 0, 0, 0, 4, 0); /* waits for the engine only */
    dtq_stats s = time_of(&t);
    EVENT(&s, 2, 0, 0, 0);
    EVENT(&s, 5, 14, 8, 32);
    EVENT(&s, 6, 22, 8, 40);
    dtq_stats_free(&s);
}
END_TEST

START_TEST(memo_keeps_every_key_apart) {
    dtq_memo m = {0};
    uint32_t key[3] = {0};
    ck_assert_ptr_null(dtq_memo_find(&m, key, sizeof key));
    for (uint32_t i = 0; i < 3000; i++) {
        key[i % 3] = i;
        ck_assert(dtq_memo_add(&m, key, sizeof key, &(dtq_wavefront){.cycles = i}));
    }
    memset(key, 0, sizeof key);
    for (uint32_t i = 0; i < 3000; i++) {
        key[i % 3] = i;
        const dtq_wavefront *w = dtq_memo_find(&m, key, sizeof key);
        ck_assert_ptr_nonnull(w);
        ck_assert_uint_eq(w->cycles, i);
        ck_assert_ptr_null(dtq_memo_find(&m, key, sizeof key - 1));
    }
    dtq_memo_free(&m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("timing");
    TCase *t = tcase_create("clocks");
    tcase_add_test(t, a_timeline_by_hand);
    tcase_add_test(t, counters_by_hand);
    tcase_add_test(t, fidelities);
    tcase_add_test(t, causal_values_and_weights_are_moved);
    tcase_add_test(t, matmuls_of_equal_shape_are_told_apart);
    tcase_add_test(t, selection);
    tcase_add_test(t, host_takes_no_time_and_is_not_in_the_makespan);
    tcase_add_test(t, untimed_tokens_order_but_do_not_delay);
    tcase_add_test(t, the_latest_token_counts_once);
    tcase_add_test(t, memo_keeps_every_key_apart);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
