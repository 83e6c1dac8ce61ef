/* Models of compared systems against numbers worked out by hand from the published descriptions (SYSTEMS.md). */
#include "codegen/report_util.h"

#include <math.h>

#include "codegen/systems/systems.h"
#include "runtime/dtqrt.h"
#include "runtime/machine_members.h"

static void expect_near(double value, double wanted) {
    ck_assert_msg(fabs(value - wanted) <= 1e-6 * fmax(1, fabs(wanted)), "%.17g is not %.17g", value, wanted);
}

static system_cost price(dtq_system_kind kind, const dtq_system_params *p, uint32_t seq, const attention_layer *layers,
                         size_t count) {
    const attention_workload w = {.seq = seq, .layer_count = count, .layers = layers};
    return system_price(kind, p, &w);
}

static const attention_layer one_head[] = {{.heads = 1, .head_dim = 64}, {.heads = 1, .head_dim = 64}};
static const attention_layer two_heads[] = {{.heads = 2, .head_dim = 64}};

START_TEST(defaults_are_within_their_ranges) {
    for (int kind = 0; kind < DTQ_SYSTEM_KINDS; kind++) {
        dtq_system_params p;
        dtq_system_init((dtq_system_kind)kind, &p);
        const dtq_system_info *info = &dtq_system_table[kind];
        for (size_t i = 0; i < info->param_count; i++) {
            const dtq_machine_param *row = &info->params[i];
            ck_assert_double_eq(dtq_param_get(&p, row), row->def);
            ck_assert_msg(row->lo <= row->def && row->def <= row->hi, "%s: %s.%s", info->name, row->section, row->name);
            double bars = 0;
            for (const char *c = row->kind == DTQ_PARAM_ENUM ? row->words : ""; *c; c++)
                bars += *c == '|';
            ck_assert_msg(row->kind != DTQ_PARAM_ENUM || bars == row->hi, "%s: %s", info->name, row->name);
        }
        ck_assert_double_eq(p.common.top_clock_ghz, 1);
        ck_assert_double_eq(p.common.energy_buffer_pj_per_byte, 1.25);
    }
}
END_TEST

/* ---- eyeriss ----------------------------------------------------------------------------------------------------- */

static dtq_system_eyeriss small_array(uint64_t rows, uint64_t cols) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_eyeriss, &p);
    p.eyeriss.array_rows = rows;
    p.eyeriss.array_cols = cols;
    return p.eyeriss;
}

/* 64 MACs on 2 x 2 PEs take 16 cycles in many ways. With pads of one word the least traffic has two channels in a
 * column and two filters in a row: inputs twice 16 words, filters 16, sums written twice and read once, and one hop
 * each. */
START_TEST(mapper_finds_the_least_traffic) {
    dtq_system_eyeriss s = small_array(2, 2);
    s.spads_filter_words = s.spads_ifmap_words = s.spads_psum_words = 1;
    rs_mapping r = rs_map(&s, 4, 4, 4);
    expect_near(r.cycles, 16);
    expect_near(r.utilisation, 1);
    ck_assert_uint_eq(r.pixels, 1);
    ck_assert_uint_eq(r.channels, 2);
    ck_assert_uint_eq(r.filters, 2);
    expect_near(r.ifmap_words, 32);
    expect_near(r.filter_words, 16);
    expect_near(r.psum_words, 48);
    expect_near(r.hops, 32);
    /* One input word a cycle: four filters side by side want each input once, and still take 16 cycles. */
    s.network_ifmap_words_per_cycle = 1;
    r = rs_map(&s, 4, 4, 4);
    expect_near(r.cycles, 16);
    expect_near(r.ifmap_words, 16);
    /* Half a word for sums, too: 16 results are at least 16 sums, 32 cycles. */
    s.network_psum_words_per_cycle = 0.5;
    s.spads_ifmap_words = s.spads_filter_words = 4;
    expect_near(rs_map(&s, 4, 4, 4).cycles, 32);
}
END_TEST

START_TEST(mapper_is_never_better_than_all_pes) {
    const dtq_system_eyeriss s = small_array(14, 16);
    static const uint32_t sizes[][3] = {{128, 64, 128}, {384, 64, 384}, {384, 384, 64}, {1, 64, 1}, {7, 3, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rs_mapping r = rs_map(&s, sizes[i][0], sizes[i][1], sizes[i][2]);
        ck_assert_double_le(r.utilisation, 1);
        ck_assert_double_gt(r.utilisation, 0);
        /* Output rows over one side, output columns over the other, nothing else: a mapping that is in the space. */
        double plain = ceil(sizes[i][0] / 16.0) * ceil(sizes[i][2] / 14.0) * sizes[i][1];
        ck_assert_double_le(r.cycles, plain);
    }
    ck_assert_double_ge(rs_map(&s, 128, 64, 128).utilisation, 0.914); /* what that mapping alone fills */
    ck_assert_double_ge(rs_map(&s, 384, 64, 384).utilisation, 0.946);
}
END_TEST

/* All factors and all uses of the pads, without a thought. */
static double brute_force(const dtq_system_eyeriss *s, uint32_t m, uint32_t k, uint32_t n, double *traffic) {
    double best = INFINITY;
    for (int swapped = 0; swapped < 2; swapped++) {
        const double a = swapped ? n : m, b = swapped ? m : n;
        for (uint64_t e = 1; e <= s->array_cols; e++)
            for (uint64_t r = 1; r <= s->array_rows; r++)
                for (uint64_t t = 1; t <= s->array_rows / r * (s->array_cols / e); t++)
                    for (uint64_t q = 1; q <= s->spads_ifmap_words; q++)
                        for (uint64_t p = 1; p <= s->spads_psum_words && p * q <= s->spads_filter_words; p++) {
                            const double pixels = (double)e, own_k = ceil(k / (double)r), own_n = ceil(b / (double)t);
                            const double in = a * k * ceil(own_n / (double)p), filter = b * k;
                            const double sums = a * b * (2 * ceil(own_k / (double)q) - 1);
                            double cycles = fmax(ceil(a / pixels) * own_n * own_k, sums / 2);
                            cycles = fmax(cycles, fmax(in / 1.5, filter / 3));
                            const double words = in + filter + sums;
                            if (cycles < best || (cycles <= best && words < *traffic)) {
                                best = cycles;
                                *traffic = words;
                            }
                        }
    }
    return best;
}

START_TEST(mapper_equals_brute_force) {
    dtq_system_eyeriss s = small_array(5, 6);
    s.spads_ifmap_words = 3;
    s.spads_filter_words = 10;
    s.spads_psum_words = 4;
    s.network_ifmap_words_per_cycle = 1.5;
    s.network_filter_words_per_cycle = 3;
    s.network_psum_words_per_cycle = 2;
    for (uint32_t i = 0; i < 60; i++) {
        const uint32_t m = 1 + i * 7 % 23, k = 1 + i * 11 % 17, n = 1 + i * 5 % 19;
        double words = INFINITY;
        const double cycles = brute_force(&s, m, k, n, &words);
        const rs_mapping r = rs_map(&s, m, k, n);
        ck_assert_msg(r.cycles == cycles, "%u x %u x %u: %g, not %g", m, k, n, r.cycles, cycles);
        ck_assert_msg(r.ifmap_words + r.filter_words + r.psum_words == words, "%u x %u x %u: traffic", m, k, n);
    }
}
END_TEST

START_TEST(mapper_of_a_huge_array_ends) {
    dtq_system_eyeriss s = small_array(1024, 1024);
    s.spads_ifmap_words = s.spads_filter_words = s.spads_psum_words = 65536;
    const rs_mapping r = rs_map(&s, 65536, 4096, 65536);
    ck_assert_double_gt(r.utilisation, 0.9);
    ck_assert_double_le(r.utilisation, 1);
}
END_TEST

/* 2 x 2 PEs, 8 tokens, one head of 4 channels: 256 MACs a matmul, 64 cycles. Q, K, V and the output are 128 words of 2
 * bytes; 64 scores fit into 128 bytes, but not into 127, and then go out and come back. */
START_TEST(eyeriss_moves_scores_that_do_not_fit) {
    static const attention_layer layer[] = {{.heads = 1, .head_dim = 4, .causal = true}};
    dtq_system_params p = {.eyeriss = small_array(2, 2)};
    p.eyeriss.buffer_bytes = 128;
    system_cost c = price(DTQ_SYSTEM_eyeriss, &p, 8, layer, 1);
    expect_near(c.cycles, 128);
    expect_near(c.macs, 512);
    expect_near(c.utilisation, 1);
    expect_near(c.dram_bytes, 256);
    p.eyeriss.buffer_bytes = 127;
    expect_near(price(DTQ_SYSTEM_eyeriss, &p, 8, layer, 1).dram_bytes, 512);
    p.eyeriss.dram_gb_per_s = 1; /* a byte a cycle: DRAM is what takes the time */
    expect_near(price(DTQ_SYSTEM_eyeriss, &p, 8, layer, 1).cycles, 512);
    p.eyeriss.top_causal = 1; /* 9/16 of the scores */
    c = price(DTQ_SYSTEM_eyeriss, &p, 8, layer, 1);
    expect_near(c.qk_cycles, 36);
    expect_near(c.macs, 288);
    expect_near(c.probabilities, 36);
}
END_TEST

/* ---- spatten ----------------------------------------------------------------------------------------------------- */

START_TEST(quickselect_of_few) {
    expect_near(quickselect_cycles(1, 1, 1, 0), 1); /* one pass over one element */
    /* Of two, the first pivot is the one wanted half the time: 1.5 passes, over 2 and then 1 elements. */
    expect_near(quickselect_cycles(2, 1, 1, 0), 2.5);
    expect_near(quickselect_cycles(2, 2, 1, 0), 2.5);
    expect_near(quickselect_cycles(2, 1, 2, 10), 1.25 + 15);
    /* H8 = 761/280, H4 = 25/12, H5 = 137/60: 13.954762 comparisons in 3.366667 passes. */
    expect_near(quickselect_cycles(8, 4, 16, 4), 14.549256);
    expect_near(quickselect_cycles(8, 0, 16, 4), 0);
    expect_near(quickselect_cycles(8, 9, 16, 4), 0);
}
END_TEST

START_TEST(cascade_is_linear_after_the_first_layers) {
    /* Of 12 layers the first ceil(1.8) = 2 keep all; then 0 to 0.9 in nine steps of 0.1. */
    static const uint32_t kept[] = {100, 100, 100, 90, 80, 70, 60, 50, 40, 30, 20, 10};
    for (size_t i = 0; i < 12; i++)
        ck_assert_uint_eq(dtq_cascade_kept(100, i, 12, 0.15, 0.45, 0), kept[i]);
    ck_assert_uint_eq(dtq_cascade_kept(12, 11, 12, 0.30, 0.091, 0.091), 10); /* floor(10.9) */
    ck_assert_uint_eq(dtq_cascade_kept(3, 1, 2, 0, 1, 1), 1);                /* never none */
    ck_assert_uint_eq(dtq_cascade_kept(3, 1, 2, 0, 0, 0), 3);
}
END_TEST

/* 128 keys, 8 a cycle: 16 batches. Fill 128 * 16, drain 103 + 16; keys are 8192 bytes, 256 transactions, 16 of each
 * channel, and values as many. */
START_TEST(spatten_one_head) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    system_cost c = price(DTQ_SYSTEM_spatten, &p, 128, one_head, 1);
    expect_near(c.qk_cycles, 2048);
    expect_near(c.latency_cycles, 119);
    expect_near(c.dram_cycles, 32);
    expect_near(c.topk_cycles, 0);
    expect_near(c.cycles, 2199);
    expect_near(c.dram_bytes, 16384);
}
END_TEST

/* An eighth: 64 multipliers a side, 2 channels. 100 keys, one a cycle, two heads: 2 * 100 * 100, 103 + 100, and per
 * head and operand 6400 bytes, 200 transactions, 100 cycles. */
START_TEST(spatten_eighth) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    p.spatten.multipliers_per_side = 64;
    p.spatten.dram_channels = 2;
    system_cost c = price(DTQ_SYSTEM_spatten, &p, 100, two_heads, 1);
    expect_near(c.cycles, 20000 + 203 + 400);
    /* A quarter of the queries want 4 bits more: half the transactions for a quarter, and scores again. */
    p.spatten.dram_refetch_bits = 4;
    p.spatten.dram_refetch_share = 0.25;
    expect_near(price(DTQ_SYSTEM_spatten, &p, 100, two_heads, 1).cycles, 25000 + 203 + 400 + 50);
    /* 6 bits move as 8, as do 12. */
    p.spatten.dram_refetch_bits = 0;
    p.spatten.dram_word_bits = 6;
    expect_near(price(DTQ_SYSTEM_spatten, &p, 100, two_heads, 1).dram_cycles, 400);
    p.spatten.dram_word_bits = 4;
    expect_near(price(DTQ_SYSTEM_spatten, &p, 100, two_heads, 1).dram_cycles, 200);
}
END_TEST

/* A layer of BERT-Base on a document: 384 keys are 48 batches. Fill 12 * 384 * 48, drain 103 + 48; a head's keys are
 * 24576 bytes, 768 transactions, 48 of each channel. */
START_TEST(spatten_of_bert_base) {
    static const attention_layer bert[] = {{.heads = 12, .head_dim = 64}};
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    expect_near(price(DTQ_SYSTEM_spatten, &p, 384, bert, 1).cycles, 221184 + 151 + 12 * 2 * 48);
}
END_TEST

/* A layer of GPT-2 on 1000 tokens with 6 bits first and 4 for a tenth of the queries: 125 batches, 1.1 times 12 * 1000
 * * 125, drain 103 + 125. 6 bits move as 8: 64000 bytes, 2000 transactions, 125 a channel; 4 bits are 1000, 63 a
 * channel. 61 keys are 8 batches, of which the last is fetched whole: 4096 bytes, 128 transactions, 8 a channel. */
START_TEST(spatten_of_gpt2) {
    static const attention_layer gpt2[] = {{.heads = 12, .head_dim = 64, .causal = true}};
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    p.spatten.dram_word_bits = 6;
    p.spatten.dram_refetch_bits = 4;
    p.spatten.dram_refetch_share = 0.1;
    expect_near(price(DTQ_SYSTEM_spatten, &p, 1000, gpt2, 1).cycles, 1650000 + 228 + 12 * 2 * (125 + 6.3));
    p.spatten.dram_refetch_share = 0;
    expect_near(price(DTQ_SYSTEM_spatten, &p, 61, gpt2, 1).cycles, 12 * 61 * 8 + 111 + 12 * 2 * 8);
}
END_TEST

/* 8 tokens, half of them gone after the first of two layers: 8 and 4 cycles of filling, 104 of draining each, 2 of DRAM
 * each (a batch of 8 keys is one transaction a channel), and one selection: a batch in, 14.549256, a batch out. */
START_TEST(spatten_cascade) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    p.spatten.tokens_whole_layers = 0.5;
    p.spatten.tokens_pruned_mean = 0.5;
    p.spatten.heads_pruned_mean = 0;
    system_cost c = price(DTQ_SYSTEM_spatten, &p, 8, one_head, 2);
    expect_near(c.topk_cycles, 16.549256);
    expect_near(c.cycles, 8 + 104 + 2 + 16.549256 + 4 + 104 + 2);
    expect_near(c.macs, (64 + 16) * 128);
    /* The same by a policy that keeps so many, whatever the numbers say. */
    static const attention_layer kept[] = {{.heads = 1, .head_dim = 64, .tokens = 8},
                                           {.heads = 1, .head_dim = 64, .tokens = 4}};
    p.spatten.tokens_schedule = 1;
    p.spatten.tokens_pruned_mean = 0;
    expect_near(price(DTQ_SYSTEM_spatten, &p, 8, kept, 2).cycles, c.cycles);
    p.spatten.tokens_schedule = 0;
    p.spatten.tokens_pruned_mean = 0.5;
    p.spatten.values_kept = 0.5; /* takes energy from P.V, and no cycle */
    expect_near(price(DTQ_SYSTEM_spatten, &p, 8, one_head, 2).macs, (64 + 16) * 96);
    expect_near(price(DTQ_SYSTEM_spatten, &p, 8, one_head, 2).cycles, c.cycles);
}
END_TEST

/* ---- a3, mnnfast ------------------------------------------------------------------------------------------------- */

START_TEST(a3_by_query) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_a3, &p);
    p.a3.top_approximate = 0;
    system_cost c = price(DTQ_SYSTEM_a3, &p, 57, one_head, 1);
    expect_near(c.cycles, 57 * 66 + 3 * 57 + 27);
    expect_near(c.macs, 2 * 57 * 57 * 64);
    p.a3.top_approximate = 1; /* the search's 50 steps outlast 39 candidates */
    expect_near(price(DTQ_SYSTEM_a3, &p, 100, one_head, 1).cycles, 100 * 59 + 327);
    p.a3.search_iterations = 0.125; /* and the candidates 13 steps */
    expect_near(price(DTQ_SYSTEM_a3, &p, 100, one_head, 1).cycles, 100 * 48 + 327);
    p.a3.search_sort_cycles_per_key = 8;
    expect_near(price(DTQ_SYSTEM_a3, &p, 100, one_head, 1).cycles, 100 * 56 + 327);
    p.a3.dram_gb_per_s = 1; /* four times 100 x 64 x 9 bits, a byte a cycle */
    expect_near(price(DTQ_SYSTEM_a3, &p, 100, one_head, 1).cycles, 28800 + 327);
}
END_TEST

START_TEST(mnnfast_skips_values) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_mnnfast, &p);
    system_cost c = price(DTQ_SYSTEM_mnnfast, &p, 100, one_head, 1);
    expect_near(c.qk_cycles, 10000);
    expect_near(c.pv_cycles, 300);
    expect_near(c.cycles, 10300);
    p.mnnfast.top_phases = 1;
    expect_near(price(DTQ_SYSTEM_mnnfast, &p, 100, one_head, 1).cycles, 10000);
    p.mnnfast.values_skipped = 0;
    p.mnnfast.top_phases = 0;
    expect_near(price(DTQ_SYSTEM_mnnfast, &p, 100, two_heads, 1).cycles, 40000);
    p.mnnfast.dram_gb_per_s = 1;
    expect_near(price(DTQ_SYSTEM_mnnfast, &p, 100, one_head, 1).cycles, 51200);
}
END_TEST

/* Shares of a run stand in the place of the parameters. */
START_TEST(measured_shares_are_priced) {
    const system_measured run = {.tokens = 50, .heads = 1, .candidates = 0.6, .survivors = 0.25, .refetched = 0.5};
    const attention_layer layer[] = {{.heads = 1, .head_dim = 64, .measured = &run}};
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_a3, &p);
    system_cost c = price(DTQ_SYSTEM_a3, &p, 100, layer, 1);
    expect_near(c.cycles, 100 * 69 + 327); /* 60 candidates outlast the search's 50 steps */
    expect_near(c.macs, 100 * (60 + 25) * 64);
    expect_near(c.search_products, 100 * 2 * 50);
    dtq_system_init(DTQ_SYSTEM_mnnfast, &p);
    expect_near(price(DTQ_SYSTEM_mnnfast, &p, 100, layer, 1).cycles, 100 * 125);
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    p.spatten.dram_refetch_bits = 4;
    const attention_layer two[] = {{.heads = 2, .head_dim = 64}, {.heads = 2, .head_dim = 64, .measured = &run}};
    c = price(DTQ_SYSTEM_spatten, &p, 100, two, 2);
    /* 100 tokens of 2 heads, 13 batches, then 50 of one, 7 batches, half of the queries twice */
    expect_near(c.qk_cycles, 2 * 100 * 13 + 50 * 7 * 1.5);
    expect_near(c.macs, 2 * 10000 * 64 * 2 + 1.5 * 2500 * 64 * 1.25);
    ck_assert_double_gt(c.topk_cycles, 0);
    const attention_layer causal[] = {{.heads = 2, .head_dim = 64, .causal = true, .measured = &run}};
    c = price(DTQ_SYSTEM_spatten, &p, 100, causal, 1);
    expect_near(c.qk_cycles, 100 * 7 * 1.5); /* all rows, 50 keys */
    expect_near(c.macs, 1.5 * 100 * 50 * 64 * 1.25);
}
END_TEST

/* ---- energy and area --------------------------------------------------------------------------------------------- */

START_TEST(energy_is_events_times_the_table) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_mnnfast, &p);
    dtq_system_common *e = &p.common;
    e->energy_mac_pj = 1;
    e->energy_idle_pj = 10;
    e->energy_register_pj = 100;
    e->energy_network_pj = 1e3;
    e->energy_buffer_pj_per_byte = 1e4;
    e->energy_dram_pj_per_byte = 1e5;
    e->energy_softmax_pj = 1e6;
    e->energy_topk_pj = 1e7;
    const system_cost c = {.macs = 2,
                           .multipliers = 1,
                           .cycles = 5,
                           .register_accesses = 4,
                           .network_words = 5,
                           .buffer_bytes = 6,
                           .dram_bytes = 7,
                           .probabilities = 8,
                           .topk_elements = 9};
    energy_parts parts = system_energy(&p, &c);
    expect_near(parts.idle, 30);
    expect_near(parts.memory, 65400);
    expect_near(parts.total, 98765432);
    e->area_mac_um2 = 1e4;
    e->area_sram_um2_per_byte = 10;
    e->area_sram_bytes = 1e5;
    e->area_other_mm2 = 3;
    expect_near(system_area(DTQ_SYSTEM_mnnfast, &p), 1.28 + 1 + 3);
}
END_TEST

REPORT_MAIN("systems", defaults_are_within_their_ranges, mapper_finds_the_least_traffic,
            mapper_is_never_better_than_all_pes, mapper_equals_brute_force, mapper_of_a_huge_array_ends,
            eyeriss_moves_scores_that_do_not_fit, quickselect_of_few, cascade_is_linear_after_the_first_layers,
            spatten_one_head, spatten_eighth, spatten_of_bert_base, spatten_of_gpt2, spatten_cascade, a3_by_query,
            mnnfast_skips_values, measured_shares_are_priced, energy_is_events_times_the_table)
