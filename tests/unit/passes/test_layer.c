/* Reading layers from attributes and writing them back. */
#include "passes/pass_util.h"

#include "runtime/machine_members.h"

START_TEST(a_layer_is_read_at_every_level) {
    static const char *const passes[] = {TO_ORDERED, TO_TILES, TO_SCHEDULE};
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        attention_problem p = {.heads = 4,
                               .kv_heads = 2,
                               .head_dim = 5,
                               .mask = "causal",
                               .machine = FIG5_MACHINE "top.prob_bits = 8\n",
                               .policy = {FIG5_POLICY}};
        pass_case c = pass_attention(p, passes[i], false);
        layer_info l = first_layer(&c);
        static const uint8_t bits[9] = {4, 4, 4, 4, 4, 4, 4, 8, 8}, probs[9] = {8, 8, 8, 8, 8, 8, 8, 8, 8};
        ck_assert_uint_eq(l.index, 0);
        ck_assert_uint_eq(l.slots, 9);
        ck_assert_uint_eq(l.high, 2);
        ck_assert_uint_eq(l.heads, 4);
        ck_assert_uint_eq(l.kv_heads, 2);
        ck_assert_uint_eq(l.head_dim, 5);
        ck_assert(l.causal && l.is_static);
        ck_assert_str_eq(l.order, "low-first");
        ck_assert_mem_eq(l.bits[LAYER_Q], bits, 9);
        ck_assert_mem_eq(l.bits[LAYER_K], bits, 9);
        ck_assert_mem_eq(l.bits[LAYER_V], bits, 9);
        ck_assert_mem_eq(l.bits[LAYER_P], probs, 9);
        pass_end(&c);
    }
}
END_TEST

START_TEST(unknown_precision_has_no_bits) {
    pass_case c =
        pass_attention((attention_problem){.policy = {"counts = [0, 7, 2], cluster = none"}}, TO_ORDERED, false);
    layer_info l = first_layer(&c);
    ck_assert(!l.is_static && !l.causal);
    for (int i = 0; i < LAYER_OPERANDS; i++)
        ck_assert_ptr_null(l.bits[i]);
    ck_assert_uint_eq(layer_bit_sum(&l, LAYER_K, c.m->machine), 44);
    pass_end(&c);
    c = pass_attention((attention_problem){.policy = {""}}, "infer-shapes", false);
    l = first_layer(&c);
    ck_assert_ptr_null(l.order);
    pass_end(&c);
}
END_TEST

START_TEST(layers_are_alike_in_shape_and_bits_alone) {
    uint8_t bits[3] = {4, 8, 8}, other[3] = {4, 4, 8};
    layer_info l = {.index = 1, .slots = 3, .high = 2, .heads = 4, .kv_heads = 2, .head_dim = 5, .is_static = true};
    for (int i = 0; i < LAYER_OPERANDS; i++)
        l.bits[i] = bits;
    layer_info same = l;
    same.index = 7;
    ck_assert(layer_alike(&l, &same));
#define DIFFERS(change)                                                                                                \
    do {                                                                                                               \
        layer_info o = l;                                                                                              \
        o.change;                                                                                                      \
        ck_assert_msg(!layer_alike(&l, &o), #change);                                                                  \
    } while (0)
    DIFFERS(slots = 2);
    DIFFERS(high = 1);
    DIFFERS(key_first = 1);
    DIFFERS(keys = 1);
    DIFFERS(query_first = 1);
    DIFFERS(queries = 1);
    DIFFERS(cached = true);
    DIFFERS(heads = 2);
    DIFFERS(kv_heads = 4);
    DIFFERS(head_dim = 6);
    DIFFERS(causal = true);
    DIFFERS(clusters.count = 1);
    DIFFERS(is_static = false);
    DIFFERS(bits[LAYER_Q] = other);
    DIFFERS(bits[LAYER_P] = other);
#undef DIFFERS
}
END_TEST

START_TEST(pairs_that_can_be_seen_are_summed) {
    for (uint32_t high = 0; high <= 5; high++)
        for (uint32_t muted = 0; muted <= 7 - high && muted < 7; muted++)
            for (int order = 0; order < 4; order++) { /* 3: nothing is hidden */
                const char *const words[] = {"low-first", "high-first", "original", "low-first"};
                static const uint8_t q[7] = {4, 8, 4, 8, 8, 4, 8}, k[7] = {8, 4, 4, 8, 4, 8, 4};
                layer_info l = {.slots = 7, .high = high, .muted = muted, .order = words[order], .keys = 7 - muted};
                l.key_first = layer_first_key(muted, l.order);
                l.queries = high && !muted ? high : 7;
                l.query_first = layer_first_query(7, high, l.queries, l.order);
                if (order < 3)
                    l.clusters = dtq_clusters_of(7, high, muted, (dtq_slot_order)order);
                uint64_t sum = 0;
                for (uint32_t row = l.query_first; row < l.query_first + l.queries; row++)
                    for (uint32_t key = l.key_first; key < l.key_first + l.keys; key++)
                        sum += dtq_row_sees(&l.clusters, row, key, 1) ? q[row] * k[key] : 0;
                ck_assert_uint_eq(layer_pair_bits(&l, q, k), sum);
            }
}
END_TEST

START_TEST(bits_are_summed_and_written) {
    uint8_t q[4] = {4, 4, 8, 8}, k[4] = {8, 8, 8, 8}, v[4] = {4, 8, 4, 8}, p[4] = {4, 4, 4, 4};
    dtq_machine machine;
    dtq_machine_init(&machine);
    layer_info l = {.slots = 4, .keys = 4, .cols = 4, .queries = 4, .high = 2, .is_static = true, .bits = {q, k, v, p}};
    layer_info three = l;
    three.key_first = three.col_first = 1;
    three.keys = three.cols = 3;
    ck_assert_uint_eq(layer_bit_sum(&three, LAYER_Q, &machine), 24);
    ck_assert_uint_eq(layer_bit_sum(&three, LAYER_K, &machine), 24);
    ck_assert_uint_eq(layer_bit_sum(&three, LAYER_V, &machine), 20);
    three.query_first = 3;
    three.queries = 1;
    ck_assert_uint_eq(layer_bit_sum(&three, LAYER_Q, &machine), 8);
    ck_assert_uint_eq(layer_bit_sum(&three, LAYER_P, &machine), 4);
    ck_assert_uint_eq(layer_bit_sum(&l, LAYER_Q, &machine), 24);
    ck_assert_uint_eq(layer_bit_sum(&l, LAYER_K, &machine), 32);
    ck_assert_uint_eq(layer_bit_sum(&l, LAYER_P, &machine), 16);
    ck_assert_uint_eq(layer_prob_bits(&machine, 4), 4);
    ck_assert_uint_eq(layer_prob_bits(&machine, 8), 8);
    machine.top_prob_bits = DTQ_PROB_8;
    ck_assert_uint_eq(layer_prob_bits(&machine, 4), 8);
    ck_assert_uint_eq(layer_bit_sum(&l, LAYER_P, &machine), 32);
    ck_assert_uint_eq(layer_bit_sum(&l, LAYER_Q, &machine), 24);
    machine.top_prob_bits = DTQ_PROB_4;
    ck_assert_uint_eq(layer_prob_bits(&machine, 8), 4);

    pass_case c = pass_attention((attention_problem){.policy = {""}}, "infer-shapes", false);
    size_t op = find_op(c.m, IR_ATTENTION, 0);
    layer_set_bits(c.m, op, l.bits, 4);
    expect_attr(&c, op, IR_KEY_q_bits, "2*4 2*8");
    expect_attr(&c, op, IR_KEY_k_bits, "4*8");
    expect_attr(&c, op, IR_KEY_v_bits, "1*4 1*8 1*4 1*8");
    expect_attr(&c, op, IR_KEY_p_bits, "4*4");
    pass_end(&c);
}
END_TEST

START_TEST(attributes_that_are_there_are_copied) {
    pass_case c =
        pass_attention((attention_problem){.policy = {"counts = [0, 7, 2], pinned = [3]"}}, TO_ASSIGNED, false);
    size_t from = find_op(c.m, IR_ATTENTION, 0), to = find_op(c.m, IR_OUTPUT, 0);
    static const unsigned keys[] = {IR_KEY_slots, IR_KEY_order, IR_KEY_pinned};
    layer_copy_attrs(c.m, to, c.m, from, keys, 3);
    expect_attr(&c, to, IR_KEY_slots, "9");
    expect_attr(&c, to, IR_KEY_pinned, "3");
    expect_attr(&c, to, IR_KEY_order, "none");
    expect_attr(&c, to, IR_KEY_high, "none");
    pass_end(&c);
}
END_TEST

IR_MAIN("layer", a_layer_is_read_at_every_level, unknown_precision_has_no_bits,
        layers_are_alike_in_shape_and_bits_alone, pairs_that_can_be_seen_are_summed, bits_are_summed_and_written,
        attributes_that_are_there_are_copied)
