/* Structure, header and tensors. Modules that only code can build, not text, are built here; tests/ir has the others.
 */
#include "ir_util.h"

#include "runtime/machine_members.h"

static const src_loc nowhere = {0};
static const ir_type buffer_type = {.elem = IR_ELEM_BUFFER};

static ir_module *good_module(arena *a) {
    ir_module *m = ir_parse_text(a, NULL,
                                 "dtir 1 graph\nseq = 4\n%x = input {name = \"x\"} : f32[4, 2]\n"
                                 "%y = add %x, %x : f32[4, 2]\noutput %y\n");
    ck_assert(ir_verify(m, diag_new(a, NULL)));
    return m;
}

static void expect(arena *a, const ir_module *m, const char *message) {
    diag *d = diag_new(a, NULL);
    ck_assert_msg(!ir_verify(m, d), "not noticed: %s", message);
    ck_assert_str_eq(diag_at(d, 0)->message, message);
    ck_assert_uint_eq(diag_count(d, DIAG_ERROR), diag_total(d));
}

START_TEST(structure_is_checked) {
    arena *a = arena_new();
    ir_module *m = good_module(a);
    m->ops[1].code = IR_OPCODES;
    expect(a, m, arena_printf(a, "`?`: opcode %d does not exist", IR_OPCODES));
    arena_free(a);
}
END_TEST

START_TEST(schemes_define_the_ops) {
    arena *a = arena_new();
    ir_module *m = ir_parse_text(a, NULL,
                                 "dtir 1 graph\nseq = 4\n%x = input {name = \"x\"} : f32[4, 2]\n"
                                 "%y = multiply %x, %x : f32[4, 2]\n%z = activation %y {function = silu} : f32[4, 2]\n"
                                 "output %z\n");
    m->header.scheme = dtq_scheme_of(DTQ_SCHEME_QBERT);
    ck_assert(ir_verify(m, diag_new(a, NULL)));
    m->header.scheme = dtq_scheme_of(DTQ_SCHEME_IBERT);
    expect(a, m, "`multiply`: the scheme i-bert has no definition of it");
    m->ops[1].code = IR_ADD;
    expect(a, m, "`activation`: the scheme i-bert has no definition of silu");
    arena_free(a);
}
END_TEST

START_TEST(definitions_and_uses) {
    arena *a = arena_new();
    ir_module *m = good_module(a);
    m->operands[m->ops[1].operands] = 1;
    expect(a, m, "`add`: operand 1 is used before the `add` that defines it; move that op up");
    m->operands[m->ops[1].operands] = 99;
    expect(a, m, "`add`: operand 1 is a value that no op defines");
    m->operands[m->ops[1].operands] = IR_NONE;
    expect(a, m, "`add`: operand 1 is `_`, but it must be a value");
    m = good_module(a);
    m->ops[1].operand_count = 1;
    expect(a, m, "`add`: it has 1 operands, but takes 2");
    m = good_module(a);
    m->ops[1].result = IR_NONE;
    expect(a, m, "`add`: it must have a result");
    m = good_module(a);
    m->ops[2].result = 0;
    expect(a, m, "`output`: it has a result, but makes no value");
    m = good_module(a);
    m->ops[1].result = 0;
    expect(a, m, "`add`: its result is defined elsewhere");
    m = good_module(a);
    m->level = IR_STREAM;
    expect(a, m, "`input`: it is no op of the stream level but of graph or tile");
    arena_free(a);
}
END_TEST

START_TEST(none_is_for_instructions_that_allow_it) {
    arena *a = arena_new();
    const char *text =
        "dtir 1 stream\nseq = 9\n%%d = buffer {space = dram, bytes = 144} : buffer\n"
        "%%s = buffer {space = scores, bytes = 4} : buffer\n%%p = buffer {space = probs, bytes = 4} : buffer\n"
        "layer %%d, %%d, %%d, %%d, %%d, %%d, %%d, %%d {index = 0, slots = 9, high = 9, query_heads = 1, "
        "kv_heads = 1, head_dim = 4, mask = none, importance_rule = mean, order = low-first, "
        "static_bits = yes, segments = [9*8]}\n"
        "softmax %s {queue = softmax, mode = full, layer = 0, head = 0, row = 0, rows = 9, col = 0, cols = 9}\n";
    ck_assert_str_eq(ir_messages(a, arena_printf(a, text, "%s, _, %p")), "");
    ck_assert_str_eq(ir_messages(a, arena_printf(a, text, "_, _, %p")),
                     "`softmax`: operand 1 is `_`, but it must be a value");
    ck_assert_str_eq(ir_messages(a, arena_printf(a, text, "%p, _, %p")),
                     "`softmax`: operand 1, s is a buffer in `probs`; it must be in `scores`");
    arena_free(a);
}
END_TEST

START_TEST(header_and_machine) {
    arena *a = arena_new();
    ir_module *m = good_module(a);
    m->header.seq = 0;
    expect(a, m, "`seq` is 0; the input has 1 to 65536 tokens");
    m->header.seq = 65537;
    expect(a, m, "`seq` is 65537; the input has 1 to 65536 tokens");
    m = good_module(a);
    m->machine->vssa_rows = 0;
    expect(a, m, "the machine's `vssa.rows` is 0; it must be between 1 and 1024");
    arena_free(a);
}
END_TEST

START_TEST(tensors) {
    arena *a = arena_new();
    static const struct {
        ir_tensor tensor;
        const char *message; /* NULL: good */
    } cases[] = {
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 24, .rows = 2, .cols = 3}, NULL},
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 24, .offset = 1, .rows = 2, .cols = 3},
         "tensor \"t\" ends past the end of its file of 24 bytes; the file may be cut short"},
        {{.name = "t", .dtype = "F16", .file = "f", .file_bytes = 24, .offset = 12, .rows = 2, .cols = 3}, NULL},
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 24, .offset = UINT64_MAX, .rows = 2, .cols = 3},
         "tensor \"t\" ends past the end of its file of 24 bytes; the file may be cut short"},
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 24, .rows = UINT32_MAX, .cols = UINT32_MAX},
         "tensor \"t\" ends past the end of its file of 24 bytes; the file may be cut short"},
        {{.name = "t", .dtype = "synthetic", .file = "f", .file_bytes = 24, .rows = 2, .cols = 3},
         "tensor \"t\" is synthetic but has a file; remove `file` or give its dtype"},
        {{.name = "t", .dtype = "synthetic", .rows = 2, .cols = 3, .scale = 1.0 / 0.0},
         "tensor \"t\" has a mean or scale that is not finite"},
        {{.name = "t", .dtype = "Q8_0", .file = "f", .file_bytes = 68, .rows = 1, .cols = 64}, NULL},
        {{.name = "t", .dtype = "Q8_0", .file = "f", .file_bytes = 67, .rows = 1, .cols = 64},
         "tensor \"t\" ends past the end of its file of 67 bytes; the file may be cut short"},
        {{.name = "t", .dtype = "Q8_0", .file = "f", .file_bytes = 68, .rows = 1, .cols = 63},
         "tensor \"t\", 1 x 63: a row is not a whole number of blocks"},
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 44, .rows = 2, .cols = 3, .stride = 8}, NULL},
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 43, .rows = 2, .cols = 3, .stride = 8},
         "tensor \"t\" ends past the end of its file of 43 bytes; the file may be cut short"},
        {{.name = "t", .dtype = "I8", .file = "f", .file_bytes = 20, .rows = 2, .cols = 3, .scales = 8}, NULL},
        {{.name = "t", .dtype = "I8", .file = "f", .file_bytes = 20, .rows = 2, .cols = 3, .scales = 9},
         "tensor \"t\" ends past the end of its file of 20 bytes; the file may be cut short"},
        {{.name = "t", .dtype = "F32", .file = "f", .file_bytes = 40, .rows = 2, .cols = 3, .zeros = 9},
         "tensor \"t\", 2 x 3: scales and zeros are of I8, U8 and I32"},
        {{.name = "t", .dtype = "rotary", .rows = 2, .cols = 4, .scale = 10000}, NULL},
        {{.name = "t", .dtype = "rotary", .rows = 2, .cols = 4, .file = "f", .scale = 10000},
         "tensor \"t\" is rotary but has a file; remove `file` or give its dtype"},
        {{.name = "t", .dtype = "rotary", .rows = 2, .cols = 4},
         "tensor \"t\", 2 x 4: a rotary table has pairs of columns, and scale, its base, from 1 on"},
        {{.name = "t", .dtype = "F31", .file = "f", .rows = 2, .cols = 4},
         "tensor \"t\" has the unknown dtype `F31`; it is F32, F16, BF16, I8, U8, I32, one of ggml's blocks, synthetic "
         "or rotary"},
        {{.name = "", .dtype = "synthetic", .rows = 2, .cols = 3}, "a tensor has no name; give it one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ir_module *m = good_module(a);
        ir_add_tensor(m, &cases[i].tensor);
        if (cases[i].message)
            expect(a, m, cases[i].message);
        else
            ck_assert(ir_verify(m, diag_new(a, NULL)));
    }
    arena_free(a);
}
END_TEST

START_TEST(errors_come_to_an_end) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_STREAM);
    m->header.seq = 1;
    for (int i = 0; i < 1000; i++)
        ir_append(m, IR_BUFFER, NULL, 0, buffer_type, nowhere);
    diag *d = diag_new(a, NULL);
    ck_assert(!ir_verify(m, d));
    ck_assert_uint_eq(diag_total(d), 21);
    arena_free(a);
}
END_TEST

IR_MAIN("verify", structure_is_checked, schemes_define_the_ops, definitions_and_uses,
        none_is_for_instructions_that_allow_it, header_and_machine, tensors, errors_come_to_an_end)
