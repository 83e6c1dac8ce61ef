#include <math.h>

#include "isa_util.h"

#include "runtime/machine_members.h"

START_TEST(defaults_are_the_tables) {
    dtq_machine m;
    dtq_machine_init(&m);
    ck_assert_str_eq(m.name, "default");
    ck_assert_uint_eq(m.vssa_rows, 18);
    ck_assert_double_eq(m.dram_gb_per_s, 512.0);
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        ck_assert_double_eq(dtq_machine_get(&m, p), p->def);
        ck_assert_msg(p->lo <= p->def && p->def <= p->hi, "%s.%s", p->section, p->name);
    }
}
END_TEST

START_TEST(words_end_at_hi) {
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        if (p->kind != DTQ_PARAM_ENUM)
            continue;
        double bars = 0;
        for (const char *c = p->words; *c; c++)
            bars += *c == '|';
        ck_assert_double_eq(bars, p->hi);
    }
}
END_TEST

START_TEST(set_then_get) {
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        dtq_machine m, other;
        dtq_machine_init(&m);
        dtq_machine_init(&other);
        double value = p->def == p->hi ? p->lo : p->hi;
        dtq_machine_set(&m, p, value);
        ck_assert_double_eq(dtq_machine_get(&m, p), value);
        ck_assert_msg(dtq_machine_hash(&m) != dtq_machine_hash(&other), "%s.%s is not hashed", p->section, p->name);
        dtq_machine_set(&m, p, p->def);
        ck_assert_mem_eq(&m, &other, sizeof m);
    }
}
END_TEST

START_TEST(hash_ignores_name_and_sign_of_zero) {
    dtq_machine m, other;
    dtq_machine_init(&m);
    dtq_machine_init(&other);
    strcpy(other.name, "x");
    other.area_pe_um2 = -0.0;
    ck_assert_uint_eq(dtq_machine_hash(&m), dtq_machine_hash(&other));
}
END_TEST

START_TEST(dram_cycles_are_exact) {
    dtq_machine m;
    dtq_machine_init(&m);
    ck_assert_uint_eq(dtq_machine_dram_cycles(&m, 0), 1);
    ck_assert_uint_eq(dtq_machine_dram_cycles(&m, 512), 1);
    ck_assert_uint_eq(dtq_machine_dram_cycles(&m, 513), 2);
    /* 0.8 / 25.6 is 1/32 in decimal but not in binary: 32 n bytes take n cycles exactly. */
    m.top_clock_ghz = 0.8;
    m.dram_gb_per_s = 25.6;
    for (uint64_t n = 1; n < 100000; n += 7) {
        ck_assert_uint_eq(dtq_machine_dram_cycles(&m, 32 * n), n);
        ck_assert_uint_eq(dtq_machine_dram_cycles(&m, 32 * n + 1), n + 1);
    }
    m.top_clock_ghz = 20;
    m.dram_gb_per_s = 0.001;
    ck_assert_uint_eq(dtq_machine_dram_cycles(&m, (uint64_t)1 << 40), (uint64_t)20000 << 40);
    ck_assert_uint_eq(dtq_machine_dram_cycles(&m, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(pes_multiply) {
    dtq_machine m;
    dtq_machine_init(&m);
    m.vssa_arrays = 16;
    ck_assert_uint_eq(dtq_machine_pes(&m), 3168);
}
END_TEST

START_TEST(areas_add_up) {
    dtq_machine m;
    dtq_machine_init(&m);
    ck_assert_double_eq(dtq_machine_area(&m).total_mm2, 0);
    m.vssa_arrays = 2;
    m.area_pe_um2 = 1000;
    m.buffers_q = 1;
    m.buffers_k = 2;
    m.buffers_v = 4;
    m.buffers_scores = 8;
    m.buffers_probs = 16;
    m.buffers_out = 32;
    m.buffers_importance = 64;
    m.area_sram_um2_per_byte = 1e6;
    m.area_softmax_lane_um2 = 1e6;
    m.area_topk_lane_um2 = 2e6;
    m.area_other_mm2 = 0.5;
    const dtq_area a = dtq_machine_area(&m);
    ck_assert(fabs(a.pes - 0.396) < 1e-12);
    ck_assert(fabs(a.buffers - 127) < 1e-12);
    ck_assert(fabs(a.softmax - 64) < 1e-12);
    ck_assert(fabs(a.topk - 2 * (16 + 64)) < 1e-12);
    ck_assert(fabs(a.total_mm2 - 351.896) < 1e-9);
}
END_TEST

START_TEST(errors_are_cut_and_may_quote_themselves) {
    dtq_error e = {0};
    ck_assert(!dtq_fail(&e, DTQ_IO, "%d", 5));
    ck_assert(!dtq_fail(&e, DTQ_BAD_INPUT, "x: %s", e.message));
    ck_assert_str_eq(e.message, "x: 5");
    ck_assert_int_eq(e.status, DTQ_BAD_INPUT);
    char big[3000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    dtq_fail(&e, DTQ_IO, "%s", big);
    ck_assert_uint_eq(strlen(e.message), sizeof e.message - 1);
    ck_assert(!dtq_fail(NULL, DTQ_IO, "nobody asks"));
}
END_TEST

RUN_TESTS("machine", defaults_are_the_tables, words_end_at_hi, set_then_get, hash_ignores_name_and_sign_of_zero,
          dram_cycles_are_exact, pes_multiply, areas_add_up, errors_are_cut_and_may_quote_themselves)
