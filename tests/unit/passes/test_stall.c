/* stall: costs of tiles and the stall ratio of Eq. 3, by hand for Fig. 5. */
#include "passes/pass_util.h"

#define IDEAL FIG5_MACHINE "top.drain = ideal\n"

static void expect_strip(pass_case *c, ir_opcode code, size_t strip, const char *tiles, const char *cycles,
                         const char *ppm) {
    size_t op = find_op(c->m, code, strip);
    expect_attr(c, op, IR_KEY_tiles, tiles);
    expect_attr(c, op, IR_KEY_tile_cycles, cycles);
    expect_attr(c, op, IR_KEY_stall_ppm, ppm);
}

static void expect_layer(pass_case *c, const char *qk, const char *qk_ppm, const char *pv, const char *pv_ppm) {
    size_t op = find_op(c->m, IR_TILES, 0);
    expect_attr(c, op, IR_KEY_qk_cycles, qk);
    expect_attr(c, op, IR_KEY_qk_stall_ppm, qk_ppm);
    expect_attr(c, op, IR_KEY_pv_cycles, pv);
    expect_attr(c, op, IR_KEY_pv_stall_ppm, pv_ppm);
}

/* Slots 4444444 88 in tiles of three: strips 0 and 1 have tiles of cost 1, 1, 2 and the last loses 3 of 18 (1/6);
 * strip 2 has 2, 2, 4, losing 1/6, 1/6 and 11 of 36. Over nine tiles (4 * 1/6 + 11/36) / 9 = 0.108025.
 * P.V: a step for each of nine values costs 1 (seven) or 2 (two), 11 / 9 = 1.222 in the mean; in strip 2 twice that,
 * and one row in three works half of the time: 1/6. */
START_TEST(fig5_clustered) {
    pass_case c = pass_attention((attention_problem){.head_dim = 9, .machine = IDEAL, .policy = {FIG5_POLICY}},
                                 TO_TILES " stall", false);
    expect_strip(&c, IR_TILE_QK, 0, "2*1 1*2", "36", "55556");
    expect_strip(&c, IR_TILE_QK, 1, "2*1 1*2", "36", "55556");
    expect_strip(&c, IR_TILE_QK, 2, "2*2 1*4", "72", "212963");
    expect_strip(&c, IR_TILE_PV, 0, "3*1222", "33", "0");
    expect_strip(&c, IR_TILE_PV, 1, "3*1222", "33", "0");
    expect_strip(&c, IR_TILE_PV, 2, "3*2444", "66", "166667");
    expect_layer(&c, "144", "108025", "132", "55556");
    pass_end(&c);
}
END_TEST

/* In original order 484 484 444 two strips are mixed: rows and columns cost 2, 2, 1. A tile of two mixed sides loses
 * 20 of 36 (PEs of 1 + 2 + 1 squared = 16), one mixed side 6 of 18 = 1/3. */
START_TEST(fig5_original) {
    attention_problem p = {.head_dim = 9, .heads = 2, .machine = IDEAL, .policy = {FIG5_POLICY ", cluster = none"}};
    pass_case c = pass_attention(p, TO_TILES " stall", false);
    expect_strip(&c, IR_TILE_QK, 0, "2*4 1*2", "90", "481481"); /* (5/9 + 5/9 + 1/3) / 3 */
    expect_strip(&c, IR_TILE_QK, 1, "2*4 1*2", "90", "481481");
    expect_strip(&c, IR_TILE_QK, 2, "2*2 1*1", "45", "222222");
    expect_strip(&c, IR_TILE_PV, 0, "3*2444", "66", "333333");
    expect_strip(&c, IR_TILE_PV, 2, "3*1222", "33", "0");
    expect_layer(&c, "450", "395062", "330", "222222"); /* of two heads */
    pass_end(&c);
}
END_TEST

START_TEST(thousandths_are_rounded) {
    pass_case c =
        pass_attention((attention_problem){.seq = 3, .policy = {"counts = [0, 1, 2]"}}, TO_TILES " stall", false);
    expect_attr(&c, find_op(c.m, IR_TILE_PV, 0), IR_KEY_tiles, "2*3333"); /* 2 * (1 + 2 + 2) / 3 */
    pass_end(&c);
    c = pass_attention((attention_problem){.seq = 3, .policy = {"counts = [0, 2, 1]"}}, TO_TILES " stall", false);
    expect_attr(&c, find_op(c.m, IR_TILE_PV, 0), IR_KEY_tiles, "2*2667"); /* 2 * (1 + 1 + 2) / 3 */
    pass_end(&c);
}
END_TEST

/* A strip copied from the one before is what it would have been by itself. */
START_TEST(equal_strips_are_equal) {
    pass_case c =
        pass_attention((attention_problem){.seq = 30, .policy = {"counts = [0, 19, 11]"}}, TO_TILES " stall", false);
    cost_model *cost = cost_new(c.memory, c.m->machine);
    layer_info l = first_layer(&c);
    for (size_t strip = 0; strip < 10; strip++) {
        size_t op = find_op(c.m, IR_TILE_QK, strip);
        uint64_t cycles = cost_qk(cost, l.bits[LAYER_Q] + 3 * strip, 3, l.bits[LAYER_K], 30, 4, 0).cycles;
        ck_assert_int_eq(ir_int(c.m, op, IR_KEY_tile_cycles, -1), (int64_t)cycles);
        op = find_op(c.m, IR_TILE_PV, strip);
        cycles = cost_pv(cost, l.bits[LAYER_P] + 3 * strip, 3, l.bits[LAYER_V], 30, 4, 0).cycles;
        ck_assert_int_eq(ir_int(c.m, op, IR_KEY_tile_cycles, -1), (int64_t)cycles);
    }
    pass_end(&c);
}
END_TEST

/* Precision known only at run time: expectations, and no cost of a tile. On one PE nothing stalls, and the cycles of
 * Q.K^T are the work: the sum over pairs of E[c_i c_j]. */
START_TEST(unknown_precision_gives_expectations) {
    attention_problem p = {.machine = "vssa.rows = 1\nvssa.cols = 1\ntop.drain = ideal\n",
                           .policy = {"counts = [0, 7, 2], cluster = none"}};
    pass_case c = pass_attention(p, TO_TILES " stall", false);
    expect_layer(&c, "484", "0", "484", "0"); /* 11 * 11 * 4, whichever tokens they are */
    expect_attr(&c, find_op(c.m, IR_TILE_QK, 4), IR_KEY_tiles, "none");
    expect_attr(&c, find_op(c.m, IR_TILE_QK, 4), IR_KEY_tile_cycles, "54"); /* 484 / 9 = 53.8 */
    expect_attr(&c, find_op(c.m, IR_TILE_PV, 4), IR_KEY_tile_cycles, "54");
    pass_end(&c);
}
END_TEST

/* Every strip of a layer of 8-bit tokens is alike, but none is like those of the 4-bit layer before. */
START_TEST(layers_do_not_take_over_each_others_strips) {
    pass_case c =
        pass_attention((attention_problem){.machine = IDEAL, .policy = {"counts = [0, 9, 0]", "counts = [0, 0, 9]"}},
                       TO_TILES " stall", false);
    expect_strip(&c, IR_TILE_QK, 2, "3*1", "12", "0"); /* three tiles of four channels */
    expect_strip(&c, IR_TILE_QK, 3, "3*4", "48", "0");
    expect_strip(&c, IR_TILE_PV, 2, "2*1000", "18", "0"); /* two tiles of nine values */
    expect_strip(&c, IR_TILE_PV, 3, "2*4000", "72", "0");
    pass_end(&c);
}
END_TEST

IR_MAIN("stall", fig5_clustered, fig5_original, thousandths_are_rounded, equal_strips_are_equal,
        unknown_precision_gives_expectations, layers_do_not_take_over_each_others_strips)
