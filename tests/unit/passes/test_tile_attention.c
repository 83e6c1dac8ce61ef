/* tile-attention: attention becomes a token-id table, strips and a top-k. */
#include "passes/pass_util.h"

START_TEST(fig5_makes_three_strips) {
    pass_case c = pass_attention((attention_problem){.policy = {FIG5_POLICY}}, TO_TILES, false);
    static const ir_opcode codes[] = {IR_TILE_QK, IR_TILE_SOFTMAX, IR_TILE_IMPORTANCE, IR_TILE_PV};
    static const char *const ranges[] = {"0..3", "3..6", "6..9"};
    ck_assert_int_eq(c.m->level, IR_TILE);
    ck_assert_uint_eq(count_ops(c.m, IR_ATTENTION), 0);
    size_t tiles = find_op(c.m, IR_TILES, 0), select = find_op(c.m, IR_SELECT, 0);
    expect_attr(&c, select, IR_KEY_ids, "0 2 3 5 6 7 8 1 4");
    expect_attr(&c, select, IR_KEY_order, "low-first");
    ck_assert_uint_eq(c.m->ops[select].operand_count, 0);
    ck_assert_uint_eq(ir_operand(c.m, tiles, 3), ir_result(c.m, select));
    expect_attr(&c, tiles, IR_KEY_k_bits, "7*4 2*8");
    expect_attr(&c, tiles, IR_KEY_source, "layer.0");
    for (size_t strip = 0; strip < 3; strip++)
        for (size_t i = 0; i < 4; i++) {
            size_t op = find_op(c.m, codes[i], strip);
            ck_assert_uint_eq(op, tiles + 1 + 4 * strip + i);
            expect_attr(&c, op, IR_KEY_slot_range, ranges[strip]);
            expect_attr(&c, op, IR_KEY_key_range, "0..9");
        }
    ck_assert_uint_eq(count_ops(c.m, IR_TILE_QK), 3);
    ck_assert_uint_eq(find_op(c.m, IR_TILE_TOPK, 0), tiles + 13);
    ck_assert_uint_eq(ir_operand(c.m, find_op(c.m, IR_OUTPUT, 0), 0), ir_result(c.m, tiles));
    ck_assert(remarked(&c, "layer 0: 3 strips of 3 rows, 3 column tiles of 3 in Q.K^T and 2 in P.V, for each of 1"));
    pass_end(&c);
}
END_TEST

START_TEST(the_last_strip_is_what_is_left) {
    attention_problem p = {.machine = "vssa.rows = 4\nvssa.cols = 3\n", .policy = {"token_bits = [2*0, 7*4]"}};
    pass_case c = pass_attention(p, TO_TILES, false);
    ck_assert_uint_eq(count_ops(c.m, IR_TILE_PV), 2);
    expect_attr(&c, find_op(c.m, IR_TILE_PV, 0), IR_KEY_slot_range, "0..4");
    expect_attr(&c, find_op(c.m, IR_TILE_PV, 1), IR_KEY_slot_range, "4..7");
    expect_attr(&c, find_op(c.m, IR_TILE_PV, 1), IR_KEY_key_range, "0..7");
    pass_end(&c);
}
END_TEST

/* A layer chosen at run time takes its ids from the attention before; a static one from nobody. */
START_TEST(layers_chain_through_their_ids) {
    attention_problem p = {.policy = {"counts = [0, 7, 2]", "counts = [1, 6, 2], pinned = [3]", "counts = [2, 5, 2]"}};
    pass_case c = pass_attention(p, TO_TILES, false);
    for (size_t layer = 0; layer < 3; layer++) {
        size_t select = find_op(c.m, IR_SELECT, layer), tiles = find_op(c.m, IR_TILES, layer);
        ck_assert_uint_eq(c.m->ops[select].operand_count, layer ? 1 : 0);
        if (layer)
            ck_assert_uint_eq(ir_operand(c.m, select, 0), ir_result(c.m, find_op(c.m, IR_TILES, layer - 1)));
        ck_assert_uint_eq(ir_operand(c.m, tiles, 3), ir_result(c.m, select));
        expect_attr(&c, select, IR_KEY_pinned, layer == 1 ? "3" : "none");
        ck_assert_uint_eq(c.m->types[ir_result(c.m, select)].dim[0], 9 - layer);
    }
    pass_end(&c);
}
END_TEST

/* Nothing leaves and all run alike: which tokens it works on is known, so the layer takes no ids from the one before.
 */
START_TEST(a_static_layer_selects_by_itself) {
    pass_case c =
        pass_attention((attention_problem){.policy = {"counts = [0, 7, 2]", "counts = [0, 9, 0]"}}, TO_TILES, false);
    size_t select = find_op(c.m, IR_SELECT, 1);
    ck_assert_uint_eq(c.m->ops[select].operand_count, 0);
    expect_attr(&c, select, IR_KEY_ids, "0 1 2 3 4 5 6 7 8");
    pass_end(&c);
}
END_TEST

/* A strip inside one cluster never sees what stands behind it there; one that lies in both may see all. What a dump
 * says of that is held to what the order of slots hides. */
START_TEST(strips_of_a_causal_layer_say_what_is_hidden) {
    attention_problem p = {.mask = "causal", .machine = FIG5_MACHINE, .policy = {FIG5_POLICY}};
    pass_case c = pass_attention(p,
                                 "infer-shapes assign-precision cluster-precision skip-masked reorder-tokens "
                                 "tile-attention stall",
                                 false);
    static const ir_opcode codes[] = {IR_TILE_QK, IR_TILE_SOFTMAX, IR_TILE_IMPORTANCE, IR_TILE_PV};
    static const char *const hidden[] = {"3..7", "6..7", "none"}, *const steps[] = {"5", "8", "9"},
                             *const tiles[] = {"1*1 1*2", "2*1 1*2", "2*2 1*4"};
    expect_attr(&c, find_op(c.m, IR_TILES, 0), IR_KEY_masked_tiles, "skipped");
    for (size_t strip = 0; strip < 3; strip++) {
        for (size_t i = 0; i < 4; i++)
            expect_attr(&c, find_op(c.m, codes[i], strip), IR_KEY_hidden_range, hidden[strip]);
        expect_attr(&c, find_op(c.m, IR_TILE_PV, strip), IR_KEY_steps, steps[strip]);
        expect_attr(&c, find_op(c.m, IR_TILE_QK, strip), IR_KEY_tiles, tiles[strip]);
    }
    ck_assert(ir_verify(c.m, c.d));
    static const struct {
        int64_t lo, hi;
        const char *says;
    } wrong[] = {
        {3, 6, "`hidden_range` is 3..6, but what rows 0..3 never see is slots 3..7"},
        {2, 7, "`hidden_range` is 2..7, but what rows 0..3 never see is slots 3..7"},
        {0, 0, "it has no `hidden_range`: its layer skips masked tiles, and rows 0..3 see none of slots 3..7"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const size_t op = find_op(c.m, codes[i], 0);
        if (wrong[i].hi)
            ir_set_range(c.m, op, IR_KEY_hidden_range, wrong[i].lo, wrong[i].hi);
        else
            ir_unset(c.m, op, IR_KEY_hidden_range);
        ck_assert(!ir_verify(c.m, c.d));
        ck_assert_msg(strstr(ir_diag_text(c.memory, c.d), wrong[i].says), "%s", ir_diag_text(c.memory, c.d));
        ir_set_range(c.m, op, IR_KEY_hidden_range, 3, 7);
    }
    pass_end(&c);
}
END_TEST

IR_MAIN("tile-attention", fig5_makes_three_strips, strips_of_a_causal_layer_say_what_is_hidden,
        the_last_strip_is_what_is_left, layers_chain_through_their_ids, a_static_layer_selects_by_itself)
