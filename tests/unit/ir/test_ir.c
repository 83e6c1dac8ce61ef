#include "ir_util.h"

#include "runtime/machine_members.h"

static const ir_type float_type = {IR_ELEM_F32, 2, {9, 4, 0}};

START_TEST(ops_values_and_operands) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH);
    size_t x = ir_append(m, IR_INPUT, NULL, 0, float_type, (src_loc){"f", 1, 2});
    size_t sum = ir_append(m, IR_ADD, (ir_value[]){ir_result(m, x), ir_result(m, x)}, 2, float_type, (src_loc){0});
    size_t out = ir_append(m, IR_OUTPUT, (ir_value[]){ir_result(m, sum)}, 1, float_type, (src_loc){0});
    ck_assert_uint_eq(m->op_count, 3);
    ck_assert_uint_eq(m->value_count, 2);
    ck_assert_uint_eq(ir_result(m, out), IR_NONE);
    ck_assert_uint_eq(m->defs[ir_operand(m, out, 0)], sum);
    ck_assert_uint_eq(ir_operand(m, sum, 1), ir_result(m, x));
    ck_assert_uint_eq(m->types[ir_result(m, x)].dim[1], 4);
    ck_assert_uint_eq(m->ops[x].loc.col, 2);
    /* operands may stand in the module's own pool, which moves when it grows */
    enum { MANY = 200000 };
    for (int i = 0; i < MANY; i++)
        ir_append(m, IR_ADD, &m->operands[m->ops[sum].operands], 2, float_type, (src_loc){0});
    ck_assert_uint_eq(m->op_count, MANY + 3);
    for (size_t op = 3; op < m->op_count; op++)
        if (ir_operand(m, op, 0) != ir_result(m, x) || ir_operand(m, op, 1) != ir_result(m, x))
            ck_abort_msg("operands of op %zu are lost", op);
    arena_free(a);
}
END_TEST

START_TEST(attributes_of_old_ops_may_grow) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH);
    enum { OPS = 300 };
    for (int i = 0; i < OPS; i++) {
        ir_append(m, IR_ATTENTION, (ir_value[]){0, 0, 0}, 3, float_type, (src_loc){0});
        ir_set_int(m, (size_t)i, IR_KEY_index, i);
        ir_set_str(m, (size_t)i, IR_KEY_mask, "causal");
    }
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < OPS; i++) {
            ir_set_int(m, i, (unsigned[]){IR_KEY_slots, IR_KEY_high, IR_KEY_bops}[round], (int64_t)(10 * i) + round);
            ir_set_real(m, i, IR_KEY_epsilon, round);
        }
    for (size_t i = 0; i < OPS; i++) {
        ck_assert_int_eq(ir_int(m, i, IR_KEY_index, -1), (int64_t)i);
        ck_assert_int_eq(ir_int(m, i, IR_KEY_slots, -1), (int64_t)(10 * i));
        ck_assert_int_eq(ir_int(m, i, IR_KEY_bops, -1), (int64_t)(10 * i) + 2);
        ck_assert_double_eq(ir_real(m, i, IR_KEY_epsilon, -1), 2);
        ck_assert_str_eq(ir_str(m, i, IR_KEY_mask), "causal");
        ck_assert_uint_eq(m->ops[i].attr_count, 6);
    }
    ck_assert_uint_lt(m->attr_count, 20 * OPS);
    ir_unset(m, 5, IR_KEY_slots);
    ir_unset(m, 5, IR_KEY_slots);
    ck_assert_ptr_null(ir_get(m, 5, IR_KEY_slots));
    ck_assert_int_eq(ir_int(m, 5, IR_KEY_slots, 77), 77);
    ck_assert_int_eq(ir_int(m, 5, IR_KEY_high, -1), 51);
    ck_assert_ptr_null(ir_str(m, 5, IR_KEY_source));
    arena_free(a);
}
END_TEST

START_TEST(shared_attributes_change_for_one_op_alone) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_STREAM);
    for (size_t i = 0; i < 3; i++)
        ir_append(m, IR_I_SIGNAL, NULL, 0, (ir_type){0}, (src_loc){0});
    ir_set_int(m, 0, IR_KEY_queue, 3);
    ir_set_int(m, 0, IR_KEY_start, 5);
    ir_fill_like(m, 1, 0, (src_loc){0});
    ir_fill_like(m, 2, 1, (src_loc){0});
    size_t pool = m->attr_count;
    ck_assert_ptr_eq(ir_get(m, 2, IR_KEY_queue), ir_get(m, 0, IR_KEY_queue));
    ir_set_int(m, 0, IR_KEY_queue, 4); /* the first owner, too */
    ir_set_int(m, 1, IR_KEY_done, 9);
    ir_unset(m, 2, IR_KEY_start);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(ir_int(m, i, IR_KEY_queue, -1), i == 0 ? 4 : 3);
        ck_assert_int_eq(ir_int(m, i, IR_KEY_start, -1), i == 2 ? -1 : 5);
        ck_assert_int_eq(ir_int(m, i, IR_KEY_done, -1), i == 1 ? 9 : -1);
    }
    ck_assert_uint_gt(m->attr_count, pool);
    arena_free(a);
}
END_TEST

START_TEST(ops_are_spread_and_values_follow) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_STREAM);
    enum { OPS = 100 };
    uint32_t place[OPS];
    for (size_t i = 0; i < OPS; i++) {
        size_t op = ir_append(m, IR_BUFFER, NULL, 0, (ir_type){.elem = IR_ELEM_BUFFER}, (src_loc){.line = (uint32_t)i});
        ir_set_int(m, op, IR_KEY_bytes, (int64_t)i);
        place[i] = (uint32_t)(i + i / 3);
    }
    ir_spread(m, place, OPS + OPS / 3 + 2);
    ck_assert_uint_eq(m->op_count, OPS + OPS / 3 + 2);
    for (uint32_t v = 0; v < OPS; v++) {
        ck_assert_uint_eq(m->defs[v], place[v]);
        ck_assert_uint_eq(ir_result(m, place[v]), v);
        ck_assert_int_eq(ir_int(m, place[v], IR_KEY_bytes, -1), v);
        ck_assert_uint_eq(m->ops[place[v]].loc.line, v);
    }
    ir_fill(m, 3, IR_I_WAIT, (src_loc){.line = 7});
    ck_assert_uint_eq(m->ops[3].code, IR_I_WAIT);
    ck_assert_uint_eq(ir_result(m, 3), IR_NONE);
    ck_assert_ptr_null(ir_get(m, 3, IR_KEY_bytes));
    arena_free(a);
}
END_TEST

START_TEST(arrays_and_strings_are_copied) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH);
    size_t op = ir_append(m, IR_ATTENTION, (ir_value[]){0, 0, 0}, 3, float_type, (src_loc){0});
    int64_t ids[] = {1, 5, 9};
    ir_run runs[] = {{53, 4}, {39, 8}};
    char text[] = "name";
    ir_set_ints(m, op, IR_KEY_pinned, ids, 3);
    ir_set_ints(m, op, IR_KEY_ids, NULL, 0);
    ir_set_runs(m, op, IR_KEY_segments, runs, 2);
    ir_set_str(m, op, IR_KEY_source, text);
    ir_set_range(m, op, IR_KEY_slot_range, 3, 6);
    ids[0] = runs[0].count = 0;
    text[0] = 'x';
    ck_assert_int_eq(ir_get(m, op, IR_KEY_pinned)->ints[0], 1);
    ck_assert_uint_eq(ir_get(m, op, IR_KEY_ids)->count, 0);
    ck_assert_int_eq(ir_get(m, op, IR_KEY_segments)->runs[0].count, 53);
    ck_assert_str_eq(ir_str(m, op, IR_KEY_source), "name");
    ck_assert_int_eq(ir_get(m, op, IR_KEY_slot_range)->range->hi, 6);
    size_t copy = ir_append(m, IR_ATTENTION, (ir_value[]){0, 0, 0}, 3, float_type, (src_loc){0});
    for (unsigned i = 0; i < m->ops[op].attr_count; i++)
        ir_set(m, copy, &m->attrs[m->ops[op].attrs + i]);
    ck_assert_int_eq(ir_get(m, copy, IR_KEY_pinned)->ints[2], 9);
    arena_free(a);
}
END_TEST

START_TEST(runs_and_values_are_inverse) {
    arena *a = arena_new();
    const uint8_t values[] = {4, 4, 4, 8, 4, 0, 0};
    size_t count = 0, back = 0;
    ir_run *runs = ir_runs_of(a, values, 7, &count);
    ck_assert_uint_eq(count, 4);
    ck_assert_int_eq(runs[0].count, 3);
    ck_assert_int_eq(runs[1].value, 8);
    ir_attr attr = {.kind = IR_KIND_RUNS, .count = 4, .runs = runs};
    uint8_t *again = ir_runs_expand(a, &attr, &back);
    ck_assert_uint_eq(back, 7);
    ck_assert_mem_eq(again, values, 7);
    ir_runs_of(a, values, 0, &count);
    ck_assert_uint_eq(count, 0);
    arena_free(a);
}
END_TEST

START_TEST(tensors_and_passes) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH);
    char name[] = "w";
    ir_add_tensor(m, &(ir_tensor){.name = "v", .dtype = "synthetic", .rows = 1, .cols = 2});
    ck_assert_uint_eq(ir_add_tensor(m, &(ir_tensor){.name = name, .dtype = "F32", .file = "f", .rows = 3}), 1);
    name[0] = 'x';
    ck_assert_int_eq(ir_tensor_find(m, "w"), 1);
    ck_assert_int_eq(ir_tensor_find(m, "x"), -1);
    ck_assert(!ir_pass_ran(m, "stall"));
    ir_mark_pass(m, "stall");
    ck_assert(ir_pass_ran(m, "stall"));
    ck_assert_uint_eq(m->machine->vssa_rows, 18); /* a new module has the default machine */
    arena_free(a);
}
END_TEST

IR_MAIN("ir", ops_values_and_operands, attributes_of_old_ops_may_grow, shared_attributes_change_for_one_op_alone,
        ops_are_spread_and_values_follow, arrays_and_strings_are_copied, runs_and_values_are_inverse,
        tensors_and_passes)
