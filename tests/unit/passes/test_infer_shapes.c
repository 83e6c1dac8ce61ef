/* infer-shapes: the type of every value, and weights that do not fit. */
#include "passes/pass_util.h"

/* A model with one op in the middle, between n : f32[5, 8] and the output. */
static const char *model(arena *a, const char *op) {
    return arena_printf(a,
                        "dtir 1 graph\nmodel = \"m\"\nseq = 5\nvocabulary = 10\npositions = 6\n"
                        "tensor \"words\" {dtype = synthetic, rows = 10, cols = 8, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"places\" {dtype = synthetic, rows = 6, cols = 8, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"five\" {dtype = synthetic, rows = 5, cols = 8, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"few\" {dtype = synthetic, rows = 4, cols = 8, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"wide\" {dtype = synthetic, rows = 6, cols = 9, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"w\" {dtype = synthetic, rows = 6, cols = 8, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"t\" {dtype = synthetic, rows = 8, cols = 6, transposed = yes, seed = 1, mean = 0, "
                        "scale = 1}\n"
                        "tensor \"b6\" {dtype = synthetic, rows = 1, cols = 6, seed = 1, mean = 0, scale = 1}\n"
                        "tensor \"b8\" {dtype = synthetic, rows = 1, cols = 8, seed = 1, mean = 0, scale = 1}\n"
                        "%%tokens = input {name = \"tokens\"} : u32[5]\n"
                        "%%n = embed %%tokens {tensor = \"words\", position_tensor = \"places\"} : ?\n"
                        "%s\noutput %%x\n",
                        op);
}

/* Every op's result, once. */
START_TEST(values_get_their_types) {
    static const struct {
        const char *op;
        ir_opcode code;
        uint32_t rows, cols;
    } cases[] = {
        {"%x = linear %n {tensor = \"w\", outputs = 6, arithmetic = fp32, bias_tensor = \"b6\"} : ?", IR_LINEAR, 5, 6},
        {"%x = linear %n {tensor = \"t\", outputs = 6, arithmetic = int8} : ?", IR_LINEAR, 5, 6},
        {"%x = embed %tokens {tensor = \"words\", position_tensor = \"five\"} : ?", IR_EMBED, 5, 8},
        {"%x = layernorm %n {tensor = \"b8\", epsilon = 1e-5, bias_tensor = \"b8\"} : ?", IR_LAYERNORM, 5, 8},
        {"%x = activation %n {function = relu} : ?", IR_ACTIVATION, 5, 8},
        {"%x = add %n, %n : ?", IR_ADD, 5, 8},
        {"%x = pool %n {function = mean} : ?", IR_POOL, 1, 8},
        {"%p = pool %n {function = first} : ?\n%x = normalize %p : ?", IR_NORMALIZE, 1, 8},
        {"%x = attention %n, %n, %n {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = none, "
         "importance_rule = sum} : ?",
         IR_ATTENTION, 5, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        pass_case c = pass_text(model(a, cases[i].op), "infer-shapes", false);
        ir_type embed = c.m->types[ir_result(c.m, find_op(c.m, IR_EMBED, 0))];
        ir_type type = c.m->types[ir_result(c.m, find_op(c.m, cases[i].code, 0))];
        ck_assert(embed.elem == IR_ELEM_F32 && embed.rank == 2 && embed.dim[0] == 5 && embed.dim[1] == 8);
        ck_assert_msg(type.elem == IR_ELEM_F32 && type.rank == 2, "%s", cases[i].op);
        ck_assert_uint_eq(type.dim[0], cases[i].rows);
        ck_assert_uint_eq(type.dim[1], cases[i].cols);
        pass_end(&c);
        arena_free(a);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_refused_where_it_stands) {
    static const struct {
        const char *op, *message;
    } cases[] = {
        {"%x = linear %n {tensor = \"none\", outputs = 6, arithmetic = fp32} : ?",
         "t.dtir:17:1: `linear`: `tensor` is \"none\", which is not in the tensor table"},
        {"%x = linear %n {tensor = \"w\", outputs = 7, arithmetic = fp32} : ?",
         "t.dtir:11:1: tensor \"w\" is [6, 8]; the model needs [7, 8] here"},
        {"%x = linear %n {tensor = \"t\", outputs = 8, arithmetic = fp32} : ?",
         "t.dtir:12:1: tensor \"t\" is [8, 6]; the model needs [8, 8] here"},
        {"%x = linear %n {tensor = \"w\", outputs = 6, arithmetic = fp32, bias_tensor = \"b8\"} : ?",
         "t.dtir:14:1: tensor \"b8\" is [1, 8]; the model needs [1, 6] here"},
        {"%x = layernorm %n {tensor = \"b6\", epsilon = 1e-5} : ?",
         "t.dtir:13:1: tensor \"b6\" is [1, 6]; the model needs [1, 8] here"},
        {"%x = embed %tokens {tensor = \"words\", position_tensor = \"wide\"} : ?",
         "t.dtir:10:1: tensor \"wide\" is [6, 9]; the model needs [6, 8] here"},
        {"%x = embed %tokens {tensor = \"words\", type_tensor = \"wide\"} : ?",
         "t.dtir:10:1: tensor \"wide\" is [6, 9]; the model needs [6, 8] here"},
        {"%x = embed %tokens {tensor = \"words\", position_tensor = \"few\"} : ?",
         "t.dtir:17:1: a sequence of 5 tokens does not fit: the model has 4 positions"},
        {"%p = linear %n {tensor = \"w\", outputs = 6, arithmetic = fp32} : ?\n%x = add %n, %p : ?",
         "t.dtir:18:1: add of [5, 8] and [5, 6]: shapes must be equal"},
        {"%x = attention %n, %n, %n {index = 0, query_heads = 4, kv_heads = 2, head_dim = 4, mask = none, "
         "importance_rule = mean} : ?",
         "t.dtir:17:1: operand q of attention is 8 wide; 4 heads of 4 need 16"},
        {"%x = attention %n, %n, %n {index = 0, query_heads = 2, kv_heads = 1, head_dim = 4, mask = none, "
         "importance_rule = mean} : ?",
         "t.dtir:17:1: operand k of attention is 8 wide; 1 heads of 4 need 4"},
        {"%x = add %n, %n : f32[5, 7]", "t.dtir:17:1: the value is written as [5, 7] but comes out as [5, 8]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        pass_refuses_text(model(a, cases[i].op), "infer-shapes", cases[i].message);
        arena_free(a);
    }
}
END_TEST

IR_MAIN("infer-shapes", values_get_their_types, what_does_not_fit_is_refused_where_it_stands)
