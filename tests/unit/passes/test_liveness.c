/* liveness: peaks by hand. */
#include "passes/pass_util.h"

/* Fig. 5 in one piece: q and k of 9 scales, 7 rows of 2 and 2 of 4 bytes: 58; v of 2 * 4 class scales and the rows: 54;
 * scores of 9 * 9 + 9 + 9 words: 396; probabilities of 16 + 9 bytes a row: 225; out of 9 * 4 words: 144; 72. */
START_TEST(one_unit_holds_each_buffer_once) {
    pass_case c = pass_attention((attention_problem){.policy = {FIG5_POLICY}}, TO_ADDRESSES " liveness", false);
    expect_attr(&c, find_op(c.m, IR_LAYER, 0), IR_KEY_live, "58 58 54 396 225 144 72");
    pass_end(&c);
}
END_TEST

/* Key blocks of three on chip: k is dead after its Q.K^T, v lives on until the P.V that runs one block behind. */
START_TEST(values_of_two_blocks_live_at_once) {
    attention_problem p = {.machine = FIG5_MACHINE "buffers.k = 64\n", .policy = {""}};
    pass_case c = pass_attention(p, TO_ADDRESSES " liveness", false);
    /* q 3 * (4 + 4), k the same, v two of 32 + 3 * 4, scores 9 + 3 + 3 words, probs 3 rows of 25, out 2 * 3 * 4 words
     */
    expect_attr(&c, find_op(c.m, IR_LAYER, 0), IR_KEY_live, "24 24 88 60 75 96 72");
    pass_end(&c);
}
END_TEST

/* Where values of one block alone fit, P.V is over before those of the next come: 32 + 6 * 4. */
START_TEST(values_of_one_block_live_alone) {
    attention_problem p = {.machine = FIG5_MACHINE "buffers.v = 60\n", .policy = {""}};
    pass_case c = pass_attention(p, TO_ADDRESSES " liveness", false);
    const ir_attr *live = ir_get(c.m, find_op(c.m, IR_LAYER, 0), IR_KEY_live);
    ck_assert_int_eq(live->ints[2], 56);
    pass_end(&c);
}
END_TEST

/* By hand, in list order: 10 | 10 + 20 | 20 | 20 + 5. Each layer has its own peak. */
START_TEST(peaks_are_by_layer) {
    const char *layer = "layer %c, %c, %c, %c, %c, %c, %c, %c {slots = 9, high = 2, query_heads = 1, "
                        "kv_heads = 1, head_dim = 4, mask = none, importance_rule = mean, order = original, "
                        "static_bits = no, segments = [7*4, 2*8], index = ";
    const char *load = "{queue = load, operand = q, head = 0, row = 0, rows = 1, layer = ";
    arena *a = arena_new();
    const char *text = arena_printf(
        a,
        "dtir 1 stream\nmodel = \"m\"\nseq = 9\npasses = [schedule-tiles, lower-schedule, allocate-buffers]\n"
        "%%c = buffer {space = dram, bytes = 144, address = 0} : buffer\n%s0}\n%s1}\n"
        "%%x = buffer {space = q, bytes = 10, address = 0} : buffer\n%%y = buffer {space = q, bytes = 20, "
        "address = 64} : buffer\n"
        "%%z = buffer {space = q, bytes = 5, address = 0} : buffer\n"
        "load %%x %s0}\nload %%y %s0}\nload %%x %s0}\nload %%z %s1}\nload %%y %s1}\n",
        layer, layer, load, load, load, load, load);
    pass_case c = pass_text(text, "liveness", false);
    expect_attr(&c, find_op(c.m, IR_LAYER, 0), IR_KEY_live, "30 0 0 0 0 0 0");
    expect_attr(&c, find_op(c.m, IR_LAYER, 1), IR_KEY_live, "25 0 0 0 0 0 0");
    pass_end(&c);
    arena_free(a);
}
END_TEST

IR_MAIN("liveness", one_unit_holds_each_buffer_once, values_of_two_blocks_live_at_once, values_of_one_block_live_alone,
        peaks_are_by_layer)
