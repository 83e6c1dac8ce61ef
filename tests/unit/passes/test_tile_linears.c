/* tile-linears: which linears are cut, and what is said of them. */
#include "passes/linear_util.h"

#define IDEAL_3x3 LINEARS_VSSA FIG5_MACHINE "vssa.arrays = 1\ntop.drain = ideal\n"

static pass_case cut(const char *machine, const char *attention, bool optimise) {
    arena *a = arena_new();
    pass_case c = pass_text(linear_text(a, machine, attention), TO_CUT_LINEARS " stall", optimise);
    arena_free(a);
    return c;
}

/* Seven tokens at 4 bits and two at 8, clustered, three to a strip: two strips of 2 cycles a step, a third of 4. A row
 * of the last is at 4 bits: of 3 PEs in a column two are at work for 4 cycles and one for 2, which loses a sixth. */
START_TEST(costs_by_hand) {
    pass_case c = cut(IDEAL_3x3, FIG5_POLICY, false);
    size_t op = find_op(c.m, IR_LINEAR, 0);
    expect_attr(&c, op, IR_KEY_row_edges, "0 9");
    expect_attr(&c, op, IR_KEY_turned_chunks, "0");
    expect_attr(&c, op, IR_KEY_input_block, "8");
    expect_attr(&c, op, IR_KEY_linear_cycles, "192"); /* 3 tiles of columns, (2 + 2 + 4) cycles, 8 inputs */
    expect_attr(&c, op, IR_KEY_stall_ppm, "55556");
    expect_attr(&c, op, IR_KEY_bound_cycles, "157"); /* (7 * 2 + 2 * 4) * 8 * 8 / 9, rounded up */
    op = find_op(c.m, IR_LINEAR, 2);
    expect_attr(&c, op, IR_KEY_linear_cycles, "256"); /* up: 4 tiles of columns */
    op = find_op(c.m, IR_LINEAR, 3);
    expect_attr(&c, op, IR_KEY_input_block, "12");
    expect_attr(&c, op, IR_KEY_linear_cycles, "288"); /* down: 12 inputs */
    ck_assert(remarked(&c, "query: 9 rows in 1 chunks, 8 outputs by"));
    pass_end(&c);
    c = cut(IDEAL_3x3 "buffers.out = 128\n", FIG5_POLICY, false); /* three sums of 3 outputs and 9 rows do not fit */
    op = find_op(c.m, IR_LINEAR, 0);
    ck_assert_int_eq(ir_get(c.m, op, IR_KEY_output_block)->ints[0], 3);
    expect_attr(&c, op, IR_KEY_linear_cycles, "192"); /* of three matmuls */
    pass_end(&c);
}
END_TEST

/* Heads are the host's, and so is everything on a machine whose arrays do not compute linears. */
START_TEST(only_mixed_ones_are_cut) {
    pass_case c = cut(IDEAL_3x3, FIG5_POLICY, true);
    for (size_t i = 0; i < 5; i++) {
        size_t op = find_op(c.m, IR_LINEAR, i);
        ck_assert((ir_get(c.m, op, IR_KEY_row_edges) != NULL) == (i < 4));
        ck_assert((ir_get(c.m, op, IR_KEY_outer) != NULL) == (i < 4));
    }
    pass_end(&c);
    c = cut(FIG5_MACHINE, FIG5_POLICY, true);
    for (size_t i = 0; i < 5; i++)
        expect_attr(&c, find_op(c.m, IR_LINEAR, i), IR_KEY_row_edges, "none");
    for (size_t i = 0; i < c.m->pass_count; i++)
        ck_assert_str_ne(c.m->passes[i], "tile-linears"); /* it had nothing to do */
    pass_end(&c);
}
END_TEST

/* Pruned tokens have no rows; where precision is known only at run time cycles are expectations: of 9 tokens 3 have 8
 * bits, and a strip of three has none with a chance of 5 / 21. */
START_TEST(rows_are_the_layers_slots) {
    pass_case c = cut(IDEAL_3x3, "token_bits = [2*0, 5*4, 2*8]", true);
    size_t op = find_op(c.m, IR_LINEAR, 0);
    const ir_attr *edges = ir_get(c.m, op, IR_KEY_row_edges);
    ck_assert_int_eq(edges->ints[0], 0);
    ck_assert_int_eq(edges->ints[edges->count - 1], 7);
    pass_end(&c);
    c = cut(IDEAL_3x3, "counts = [0, 6, 3], cluster = none", true);
    op = find_op(c.m, IR_LINEAR, 0);
    expect_attr(&c, op, IR_KEY_linear_cycles, "254"); /* 9 tiles, 8 inputs, 2 (2 - 5 / 21) cycles: 253.7 */
    pass_end(&c);
}
END_TEST

START_TEST(what_cannot_be_cut_is_an_error) {
    arena *a = arena_new();
    pass_refuses_text(
        linear_text(a, LINEARS_VSSA FIG5_MACHINE "buffers.k = 47\n", FIG5_POLICY), TO_CUT_LINEARS,
        "t.dtir:21:1: a linear of 8 inputs and 8 outputs does not fit: a tile of weights of 8 inputs takes "
        "48 bytes, buffers.k has 47; enlarge it, or leave linears to the host (`linear: host`)");
    pass_refuses_text(
        "dtir 1 graph\nseq = 9\nmachine \"toy\" {\n" LINEARS_VSSA "}\n" LINEAR_TENSOR(
            "w", "8", "8") "%x = input {name = \"q\"} : f32[9, 8]\n"
                           "%y = linear %x {tensor = \"w\", outputs = 8, arithmetic = mixed} : ?\noutput %y\n",
        TO_CUT_LINEARS,
        "t.dtir:8:1: a linear of mixed precision without any attention, whose tokens' precisions its rows "
        "would have; give it `arithmetic = int8`");
    arena_free(a);
}
END_TEST

IR_MAIN("tile_linears", costs_by_hand, only_mixed_ones_are_cut, rows_are_the_layers_slots,
        what_cannot_be_cut_is_an_error)
