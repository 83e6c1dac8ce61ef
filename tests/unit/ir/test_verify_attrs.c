#include <math.h>

#include "ir_util.h"

#include "runtime/machine_members.h"

static const src_loc nowhere = {0};

static ir_module *graph(arena *a, const char *ops) {
    return ir_parse_text(a, NULL,
                         arena_printf(a,
                                      "dtir 1 graph\nseq = 4\ntensor \"w\" {dtype = synthetic, rows = 2, "
                                      "cols = 2}\n%%x = input {name = \"x\"} : f32[4, 2]\n%s\n",
                                      ops));
}

static void expect(arena *a, const ir_module *m, const char *message) {
    diag *d = diag_new(a, NULL);
    bool good = ir_verify(m, d);
    ck_assert_str_eq(good ? "" : diag_at(d, 0)->message, message);
}

START_TEST(attributes_one_by_one) {
    arena *a = arena_new();
    static const char norm[] = "%y = layernorm %x {tensor = \"w\", epsilon = 1e-5} : f32[4, 2]";
    expect(a, graph(a, norm), "");
    ir_module *m = graph(a, norm);
    ir_set_int(m, 1, IR_KEY_outputs, 2);
    expect(a, m, "`layernorm`: it takes no attribute `outputs`; remove it");
    m = graph(a, norm);
    ir_unset(m, 1, IR_KEY_epsilon);
    expect(a, m, "`layernorm`: attribute `epsilon` is missing: added to the variance of a layernorm");
    m = graph(a, norm);
    ir_set_real(m, 1, IR_KEY_epsilon, NAN);
    expect(a, m, "`layernorm`: `epsilon` is not a finite number");
    m = graph(a, norm);
    ir_set_str(m, 1, IR_KEY_bias_tensor, "nowhere");
    expect(a, m, "`layernorm`: `bias_tensor` is \"nowhere\", which is not in the tensor table");
    ir_set_str(m, 1, IR_KEY_bias_tensor, "");
    expect(a, m, "`layernorm`: `bias_tensor` is \"\", which is not in the tensor table");
    m = graph(a, norm);
    m->attrs[m->ops[1].attrs + 1].key = IR_KEY_tensor;
    m->attrs[m->ops[1].attrs + 1].kind = IR_KIND_STR;
    m->attrs[m->ops[1].attrs + 1].s = "w";
    expect(a, m, "`layernorm`: `tensor` is there twice; remove one");
    m = graph(a, norm);
    m->attrs[m->ops[1].attrs + 1].kind = IR_KIND_INT;
    expect(a, m, "`layernorm`: `epsilon` is not of its key's kind");
    m = graph(a, norm);
    m->attrs[m->ops[1].attrs].key = 60000;
    expect(a, m, "`layernorm`: attribute key 60000 does not exist");
    arena_free(a);
}
END_TEST

START_TEST(words_depend_on_the_op) {
    arena *a = arena_new();
    ir_module *m = graph(a, "%y = pool %x {function = mean} : f32[1, 2]");
    expect(a, m, "");
    ir_set_str(m, 1, IR_KEY_function, "gelu");
    expect(a, m, "`pool`: `function` is `gelu`; it must be mean, first or last");
    m = graph(a, "%y = activation %x {function = silu} : f32[4, 2]");
    expect(a, m, "");
    ir_set_str(m, 1, IR_KEY_function, "mean");
    expect(a, m, "`activation`: `function` is `mean`; it must be gelu, gelu_tanh, relu, tanh or silu");
    arena_free(a);
}
END_TEST

/* Ops share the text of their words; what is good for one op is not for another. */
START_TEST(shared_words_are_checked_for_each_op) {
    arena *a = arena_new();
    ir_module *m = graph(a, "%y = activation %x {function = silu} : f32[4, 2]\n"
                            "%z = activation %y {function = gelu} : f32[4, 2]\n"
                            "%p = pool %z {function = mean} : f32[1, 2]");
    expect(a, m, "");
    ir_attr shared = *ir_get(m, 1, IR_KEY_function);
    ir_set(m, 2, &shared);
    expect(a, m, "");
    ir_set(m, 3, &shared);
    expect(a, m, "`pool`: `function` is `silu`; it must be mean, first or last");
    arena_free(a);
}
END_TEST

START_TEST(numbers_in_their_bounds) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_STREAM);
    m->header.seq = 1;
    size_t op = ir_append(m, IR_I_WAIT, NULL, 0, (ir_type){0}, nowhere);
    ir_set_int(m, op, IR_KEY_queue, 1); /* load */
    ir_set_int(m, op, (unsigned)ir_key_find("from", 4), 0);
    ir_set_str(m, op, (unsigned)ir_key_find("untimed", 7), "no");
    expect(a, m, "");
    ir_set_int(m, op, IR_KEY_start, -1);
    expect(a, m, "`wait`: `start` is -1; it cannot be negative");
    ir_set_int(m, op, IR_KEY_start, INT64_MAX);
    expect(a, m, "");
    ir_set_int(m, op, IR_KEY_queue, 6);
    expect(a, m, "`wait`: `queue` is queue 6, but the machine has 5 engines and, numbered after them, 1 array");
    m->machine->vssa_arrays = 2;
    expect(a, m, "");
    ir_set_int(m, op, IR_KEY_queue, -1);
    ck_assert(!ir_verify(m, diag_new(a, NULL)));
    arena_free(a);
}
END_TEST

START_TEST(runs_and_ranges) {
    arena *a = arena_new();
    static const char *const head =
        "%y = attention %x, %x, %x {index = 0, query_heads = 1, kv_heads = 1, head_dim = 2, "
        "mask = none, importance_rule = mean, slots = 4} : f32[4, 2]";
    ir_module *m = graph(a, head);
    expect(a, m, "");
    ir_set_runs(m, 1, IR_KEY_q_bits, (ir_run[]){{0, 4}}, 1);
    expect(a, m, "`attention`: run 1 of `q_bits` has 0 elements; every run has at least one");
    ir_set_runs(m, 1, IR_KEY_q_bits, (ir_run[]){{INT64_MAX, 4}, {INT64_MAX, 4}}, 2);
    expect(a, m, "`attention`: `q_bits` has more than 16777216 elements");
    arena_free(a);
}
END_TEST

START_TEST(types_fit) {
    arena *a = arena_new();
    expect(a, graph(a, "%y = add %x, %x : f32[4, 3]"), "`add`: its types do not match: f32[4, 2] and f32[4, 3]");
    expect(a, graph(a, "%y = add %x, %x : ?"), "");
    expect(a, graph(a, "%y = normalize %x : f32[4]"), "`normalize`: its types do not match: f32[4, 2] and f32[4]");
    expect(a, graph(a, "%y = linear %x {tensor = \"w\", outputs = 2, arithmetic = fp32} : f32[3, 2]"),
           "`linear`: its types do not match: f32[4, 2] and f32[3, 2]");
    expect(a, graph(a, "%t = input {name = \"t\"} : u32[4]\n%y = add %t, %t : ?"),
           "`add`: operand 1 has type u32[4]; it must be floats, f32");
    expect(a, graph(a, "%y = normalize %x : f32[4, 0]"), "`normalize`: dimension 2 of its result is 0");
    ir_module *m = graph(a, "%y = normalize %x : f32[4, 2]");
    m->types[1].rank = 200;
    expect(a, m, "`normalize`: the type of its result does not exist");
    m->types[1] = (ir_type){.elem = 77};
    expect(a, m, "`normalize`: the type of its result does not exist");
    arena_free(a);
}
END_TEST

IR_MAIN("verify_attrs", attributes_one_by_one, words_depend_on_the_op, shared_words_are_checked_for_each_op,
        numbers_in_their_bounds, runs_and_ranges, types_fit)
