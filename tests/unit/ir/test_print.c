#include <float.h>
#include <math.h>

#include "ir_util.h"

#include "runtime/machine_members.h"

static const src_loc nowhere = {0};

/* The text after the machine's block. */
static const char *body(arena *a, const ir_module *m) {
    return strstr(ir_text(a, m, NULL), "\n}\n") + 3;
}

START_TEST(ops_print_one_a_line) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_TILE);
    m->header = (ir_header){.model = "a \"quoted\"\n\x01 name", .seq = 9};
    ir_add_tensor(m, &(ir_tensor){.name = "w",
                                  .dtype = "F16",
                                  .file = "m.safetensors",
                                  .offset = UINT64_MAX,
                                  .file_bytes = 7,
                                  .rows = 2,
                                  .cols = 3,
                                  .stride = 9,
                                  .transposed = true,
                                  .loc = {"m.safetensors", 1, 1}});
    ir_add_tensor(m, &(ir_tensor){.name = "s", .dtype = "synthetic", .rows = 1, .cols = 3, .seed = 5, .scale = 0.1});
    ir_add_tensor(
        m,
        &(ir_tensor){
            .name = "c", .dtype = "I8", .file = "m", .rows = 1, .cols = 3, .scales = 8, .zeros = 4, .by_rows = true});
    ir_mark_pass(m, "infer-shapes");
    ir_mark_pass(m, "assign-precision");
    size_t x = ir_append(m, IR_INPUT, NULL, 0, (ir_type){IR_ELEM_U32, 1, {9, 0, 0}}, (src_loc){"model.yaml", 3, 5});
    size_t e = ir_append(m, IR_EMBED, (ir_value[]){ir_result(m, x)}, 1, (ir_type){0}, nowhere);
    ir_set_str(m, e, IR_KEY_tensor, "w");
    ir_set_real(m, e, IR_KEY_epsilon, 1e-12);
    size_t q = ir_append(m, IR_TILE_QK, NULL, 0, (ir_type){0}, nowhere);
    ir_set_range(m, q, IR_KEY_slot_range, 36, 54);
    ir_set_runs(m, q, IR_KEY_tiles, (ir_run[]){{4, 1}, {5, 2}}, 2);
    ir_set_ints(m, q, IR_KEY_ids, (int64_t[]){1, -5, INT64_MIN}, 3);
    ir_set_int(m, q, IR_KEY_queue, 8);
    ck_assert_str_eq(body(a, m),
                     "weights [\"w\" {dtype = F16, file = \"m.safetensors\", rows = 2, cols = 3, stride = 9, "
                     "offset = 18446744073709551615, file_bytes = 7, transposed = yes} @ \"m.safetensors\":1:1]\n"
                     "weights [\"s\" {dtype = synthetic, rows = 1, cols = 3, seed = 5, scale = 0.1}, "
                     "\"c\" {dtype = I8, file = \"m\", seed = 0, scales = 8, zeros = 4, by_rows = yes, scale = 0}]\n"
                     "\n"
                     "%0 = input : u32[9] @ \"model.yaml\":3:5\n"
                     "%1 = embed %0 {tensor = \"w\", epsilon = 1e-12} : ?\n"
                     "tile.qk {slot_range = 36..54, tiles = [4*1, 5*2], ids = [1, -5, -9223372036854775808], "
                     "queue = array3}\n");
    static const char top[] = "dtir 1 tile\nmodel = \"a \\\"quoted\\\"\\n\\x01 name\"\nlower_case = no\nseq = 9\n"
                              "vocabulary = 0\npositions = 0\nqkv_input = no\nmachine \"default\" {\n";
    ck_assert_int_eq(strncmp(ir_text(a, m, NULL), top, sizeof top - 1), 0);
    arena_free(a);
}
END_TEST

START_TEST(values_are_numbered_by_definition) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_STREAM);
    for (int i = 0; i < 3; i++)
        ir_append(m, IR_BUFFER, NULL, 0, (ir_type){.elem = IR_ELEM_BUFFER}, nowhere);
    ir_append(m, IR_I_SOFTMAX, (ir_value[]){2, IR_NONE, 1}, 3, (ir_type){0}, nowhere);
    memmove(&m->ops[0], &m->ops[1], 3 * sizeof *m->ops); /* a pass removes the first op in place */
    m->op_count = 3;
    ck_assert_str_eq(body(a, m), "\n%0 = buffer : buffer\n%1 = buffer : buffer\nsoftmax %1, _, %0\n");
    arena_free(a);
}
END_TEST

START_TEST(reals_read_back_bit_for_bit) {
    arena *a = arena_new();
    static const double values[] = {0.0,      -0.0,
                                    0.1,      1e-12,
                                    1.0 / 3,  0.28,
                                    1e300,    DBL_MIN,
                                    DBL_MAX,  DBL_TRUE_MIN,
                                    INFINITY, -INFINITY,
                                    1e15,     123456789012345678.0,
                                    5e-324,   2.2250738585072011e-308};
    enum { COUNT = sizeof values / sizeof values[0] };
    ir_module *m = ir_module_new(a, IR_GRAPH);
    for (int i = 0; i < COUNT; i++) {
        size_t op = ir_append(m, IR_LAYERNORM, (ir_value[]){0}, i > 0, (ir_type){0}, nowhere);
        m->ops[op].code = i ? IR_LAYERNORM : IR_INPUT;
        ir_set_real(m, op, IR_KEY_epsilon, values[i]);
    }
    ir_unset(m, 0, IR_KEY_epsilon);
    ir_module *back = ir_parse_text(a, NULL, ir_text(a, m, NULL));
    for (size_t i = 1; i < COUNT; i++) {
        double value = ir_real(back, i, IR_KEY_epsilon, 42);
        ck_assert_mem_eq(&value, &values[i], sizeof value);
    }
    arena_free(a);
}
END_TEST

START_TEST(equal_means_the_same_text) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH), *n = ir_module_new(a, IR_GRAPH);
    ck_assert(ir_equal(m, n));
    n->machine->vssa_cols++;
    ck_assert(!ir_equal(m, n));
    n->machine->vssa_cols--;
    ir_append(n, IR_INPUT, NULL, 0, (ir_type){0}, nowhere);
    ck_assert(!ir_equal(m, n));
    arena_free(a);
}
END_TEST

IR_MAIN("print", ops_print_one_a_line, values_are_numbered_by_definition, reals_read_back_bit_for_bit,
        equal_means_the_same_text)
