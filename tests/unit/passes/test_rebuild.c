/* Rebuilding a module op by op. */
#include "passes/pass_util.h"
#include "passes/rebuild.h"
#include "runtime/machine_members.h"

static const char text[] =
    "dtir 1 graph\nmodel = \"m\"\nseq = 9\nqkv_input = yes\nmachine \"toy\" {\nvssa.rows = 3\n}\n"
    "tensor \"w\" {dtype = synthetic, rows = 4, cols = 4, seed = 1, mean = 0, scale = 1}\n"
    "passes = [infer-shapes]\n"
    "%q = input {name = \"q\"} : f32[9, 4]\n%k = input {name = \"k\"} : f32[9, 4]\n"
    "%s = add %q, %k {source = \"sum\"} : f32[9, 4] @ \"model.yaml\":3:5\n"
    "%d = add %s, %s : f32[9, 4]\noutput %d\n";

START_TEST(a_copy_of_every_op_is_the_module) {
    pass_case c = pass_begin(text);
    rebuild r = rebuild_begin(c.m, IR_GRAPH);
    for (size_t op = 0; op < c.m->op_count; op++)
        ck_assert_uint_eq(rebuild_copy(&r, op), op);
    ck_assert(ir_equal(c.m, r.to));
    ck_assert_str_eq(r.to->text_file, "t.dtir"); /* ops located there still print no location */
    ck_assert(ir_pass_ran(r.to, "infer-shapes"));
    const src_loc *origin = ir_origin(r.to, &r.to->ops[2].loc);
    ck_assert_uint_eq(origin->line, 3);
    ck_assert_str_eq(origin->file, "model.yaml");
    pass_end(&c);
}
END_TEST

/* What is left out has no value; what stands for it in the map is what later ops get. */
START_TEST(operands_follow_the_map) {
    pass_case c = pass_begin(text);
    rebuild r = rebuild_begin(c.m, IR_TILE);
    r.spare = 2;
    ck_assert_int_eq(r.to->level, IR_TILE);
    ck_assert_uint_eq(r.to->machine->vssa_rows, 3);
    ck_assert_uint_eq(r.to->header.seq, 9);
    ck_assert_int_eq(ir_tensor_find(r.to, "w"), 0);
    for (size_t v = 0; v < c.m->value_count; v++)
        ck_assert_uint_eq(r.map[v], IR_NONE);
    rebuild_copy(&r, 1); /* k alone */
    ck_assert_uint_eq(rebuild_operand(&r, 2, 0), IR_NONE);
    ck_assert_uint_eq(rebuild_operand(&r, 2, 1), 0);
    r.map[ir_result(c.m, 0)] = r.map[ir_result(c.m, 1)];
    size_t sum = rebuild_copy(&r, 2);
    ck_assert_uint_eq(ir_operand(r.to, sum, 0), 0);
    ck_assert_uint_eq(ir_operand(r.to, sum, 1), 0);
    ck_assert_str_eq(ir_str(r.to, sum, IR_KEY_source), "sum");
    ir_set_str(r.to, sum, IR_KEY_source, "other"); /* a copy, not the op itself */
    ck_assert_str_eq(ir_str(c.m, 2, IR_KEY_source), "sum");
    ck_assert_uint_eq(r.to->types[ir_result(r.to, sum)].dim[1], 4);
    pass_end(&c);
}
END_TEST

IR_MAIN("rebuild", a_copy_of_every_op_is_the_module, operands_follow_the_map)
