/* The C emitter: every operation on scalars and vectors of many types, against LLVM's own execution. Functions come
 * from a table: each row is a body in which $T is a type. */
#include "print_c_util.h"

/* $T: the type. $M: i1 for each lane. $S: the type in names of intrinsics. $E: a lane. $I, $J: integers of the same
 * lanes, of lanes twice as wide. $F: floats of the same lanes. $Q, $X: integers of the same lanes of 16 bits, and
 * floats. $N: the lanes. */
typedef struct {
    const char *type, *mask, *name, *lane, *integers, *wider, *floats, *words;
    unsigned lanes, bits; /* bits of a lane */
    bool is_float;
} type_row;

static const type_row types[] = {
    {"i8", "i1", "i8", "i8", "i8", "i16", "float", "i16", 1, 8, false},
    {"i16", "i1", "i16", "i16", "i16", "i32", "float", "i16", 1, 16, false},
    {"i32", "i1", "i32", "i32", "i32", "i64", "double", "i16", 1, 32, false},
    {"i64", "i1", "i64", "i64", "i64", "i64", "double", "i16", 1, 64, false},
    {"<64 x i8>", "<64 x i1>", "v64i8", "i8", "<64 x i8>", "<64 x i16>", "<64 x float>", "<64 x i16>", 64, 8, false},
    {"<3 x i16>", "<3 x i1>", "v3i16", "i16", "<3 x i16>", "<3 x i32>", "<3 x float>", "<3 x i16>", 3, 16, false},
    {"<16 x i32>", "<16 x i1>", "v16i32", "i32", "<16 x i32>", "<16 x i64>", "<16 x float>", "<16 x i16>", 16, 32,
     false},
    {"<8 x i64>", "<8 x i1>", "v8i64", "i64", "<8 x i64>", "<8 x i64>", "<8 x double>", "<8 x i16>", 8, 64, false},
    {"float", "i1", "f32", "float", "i32", "i64", "float", "i16", 1, 32, true},
    {"double", "i1", "f64", "double", "i64", "i64", "double", "i16", 1, 64, true},
    {"<1 x float>", "<1 x i1>", "v1f32", "float", "<1 x i32>", "<1 x i64>", "<1 x float>", "<1 x i16>", 1, 32, true},
    {"<16 x float>", "<16 x i1>", "v16f32", "float", "<16 x i32>", "<16 x i64>", "<16 x float>", "<16 x i16>", 16, 32,
     true},
    {"<4 x double>", "<4 x i1>", "v4f64", "double", "<4 x i64>", "<4 x i64>", "<4 x double>", "<4 x i16>", 4, 64, true},
};
enum { TYPES = sizeof types / sizeof *types };

enum { INTEGERS = 1, FLOATS = 2, VECTORS = 4, BYTES_OF_8_LANES = 8, WHOLE = 16 };

typedef struct {
    int of; /* types it is for */
    const char *body, *result, *intrinsic;
} operation;

/* %a, %b, %c are of $T, %i and %h small and the same, of integers; %q is a float from a word; %m, %o are masks. */
static const operation operations[] = {
    {INTEGERS, "%r = add $T %a, %b", "$T", NULL},
    {INTEGERS, "%r = sub $T %a, %b", "$T", NULL},
    {INTEGERS, "%r = mul $T %a, %b", "$T", NULL},
    {INTEGERS, "%r = and $T %a, %b", "$T", NULL},
    {INTEGERS, "%r = or $T %a, %b", "$T", NULL},
    {INTEGERS, "%r = xor $T %a, %b", "$T", NULL},
    {INTEGERS, "%r = shl $T %a, %i", "$T", NULL},
    {INTEGERS, "%r = lshr $T %a, %i", "$T", NULL},
    {INTEGERS, "%r = ashr $T %a, %i", "$T", NULL},
    {INTEGERS | WHOLE, "%r = udiv $T %a, %h", "$T", NULL},
    {INTEGERS | WHOLE, "%r = urem $T %a, %h", "$T", NULL},
    {INTEGERS | WHOLE, "%r = sdiv $T %a, %h", "$T", NULL},
    {INTEGERS | WHOLE, "%r = srem $T %a, %h", "$T", NULL},
    {INTEGERS, "%x = icmp ne $T %a, %b\n%r = select $M %x, $T %a, $T %c", "$T", NULL},
    {INTEGERS, "%x = icmp ugt $T %a, %b\n%r = select $M %x, $T %a, $T %b", "$T", NULL},
    {INTEGERS, "%x = icmp uge $T %a, %b\n%r = zext $M %x to $T", "$T", NULL},
    {INTEGERS, "%x = icmp ult $T %a, %b\n%r = sext $M %x to $T", "$T", NULL},
    {INTEGERS, "%x = icmp ule $T %a, %b\n%r = zext $M %x to $J", "$J", NULL},
    {INTEGERS, "%x = icmp sgt $T %a, %b\n%r = sitofp $M %x to $F", "$F", NULL},
    {INTEGERS, "%x = icmp sge $T %a, %b\n%r = uitofp $M %x to $F", "$F", NULL},
    {INTEGERS, "%x = icmp slt $T %a, %b\n%y = xor $M %x, %m\n%r = select $M %y, $T %a, $T %b", "$T", NULL},
    {INTEGERS, "%x = icmp sle $T %a, %b\n%y = or $M %x, %m\n%r = sext $M %y to $T", "$T", NULL},
    {INTEGERS, "%x = icmp eq $T %a, %i\n%y = and $M %x, %o\n%r = zext $M %y to $T", "$T", NULL},
    {INTEGERS, "%x = trunc $T %a to $M\n%y = add $M %x, %o\n%r = select $M %y, $T %a, $T %b", "$T", NULL},
    {INTEGERS, "%x = icmp ult $M %m, %o\n%y = icmp slt $M %m, %o\n%z = sub $M %x, %y\n%r = zext $M %z to $T", "$T",
     NULL},
    {INTEGERS, "%x = select $M %m, $M %o, $M %m\n%y = freeze $M %x\n%z = mul $M %y, %o\n%r = zext $M %z to $T", "$T",
     NULL},
    {INTEGERS, "%r = uitofp $T %a to $F", "$F", NULL},
    {INTEGERS, "%r = sitofp $T %a to $F", "$F", NULL},
    {INTEGERS, "%x = sitofp $Q %q to $F\n%y = fmul $F %x, splat_f(0x3F70000000000000)\n%r = fptosi $F %y to $T", "$T",
     NULL},
    {INTEGERS, "%x = uitofp $Q %q to $F\n%y = fmul $F %x, splat_f(0x3F70000000000000)\n%r = fptoui $F %y to $T", "$T",
     NULL},
    {INTEGERS, "%r = freeze $T %a", "$T", NULL},
    {INTEGERS, "%r = call $T @llvm.smin.$S($T %a, $T %b)", "$T", "$T @llvm.smin.$S($T, $T)"},
    {INTEGERS, "%r = call $T @llvm.smax.$S($T %a, $T %b)", "$T", "$T @llvm.smax.$S($T, $T)"},
    {INTEGERS, "%r = call $T @llvm.umin.$S($T %a, $T %b)", "$T", "$T @llvm.umin.$S($T, $T)"},
    {INTEGERS, "%r = call $T @llvm.umax.$S($T %a, $T %b)", "$T", "$T @llvm.umax.$S($T, $T)"},
    {INTEGERS, "%r = call $T @llvm.abs.$S($T %a, i1 false)", "$T", "$T @llvm.abs.$S($T, i1)"},
    {INTEGERS, "%r = call $T @llvm.uadd.sat.$S($T %a, $T %b)", "$T", "$T @llvm.uadd.sat.$S($T, $T)"},
    {INTEGERS, "%r = call $T @llvm.usub.sat.$S($T %a, $T %b)", "$T", "$T @llvm.usub.sat.$S($T, $T)"},
    {INTEGERS, "%r = call $T @llvm.fshl.$S($T %a, $T %b, $T %c)", "$T", "$T @llvm.fshl.$S($T, $T, $T)"},
    {INTEGERS, "%r = call $T @llvm.fshr.$S($T %a, $T %b, $T %c)", "$T", "$T @llvm.fshr.$S($T, $T, $T)"},
    {INTEGERS, "%r = call $T @llvm.ctpop.$S($T %a)", "$T", "$T @llvm.ctpop.$S($T)"},
    {INTEGERS, "%r = call $T @llvm.ctlz.$S($T %i, i1 false)", "$T", "$T @llvm.ctlz.$S($T, i1)"},
    {INTEGERS, "%r = call $T @llvm.cttz.$S($T %i, i1 false)", "$T", "$T @llvm.cttz.$S($T, i1)"},
    {INTEGERS | VECTORS, "%r = call $E @llvm.vector.reduce.add.$S($T %a)", "$E", "$E @llvm.vector.reduce.add.$S($T)"},
    {INTEGERS | VECTORS, "%r = call $E @llvm.vector.reduce.and.$S($T %a)", "$E", "$E @llvm.vector.reduce.and.$S($T)"},
    {INTEGERS | VECTORS, "%r = call $E @llvm.vector.reduce.or.$S($T %i)", "$E", "$E @llvm.vector.reduce.or.$S($T)"},
    {INTEGERS | VECTORS, "%r = call $E @llvm.vector.reduce.xor.$S($T %a)", "$E", "$E @llvm.vector.reduce.xor.$S($T)"},
    {INTEGERS | VECTORS, "%r = call $E @llvm.vector.reduce.smax.$S($T %a)", "$E", "$E @llvm.vector.reduce.smax.$S($T)"},
    {INTEGERS | VECTORS, "%r = call $E @llvm.vector.reduce.umin.$S($T %a)", "$E", "$E @llvm.vector.reduce.umin.$S($T)"},
    {INTEGERS | BYTES_OF_8_LANES, "%x = icmp slt $T %a, %b\n%r = bitcast $M %x to i$N", "i$N", NULL},
    {INTEGERS | BYTES_OF_8_LANES, "%x = xor $M %m, %o\n%r = select $M %x, $T %a, $T %b", "$T", NULL},
    {INTEGERS | BYTES_OF_8_LANES, "store $M %m, ptr %out, align 1\n%x = load $M, ptr %in\n%r = zext $M %x to $T", "$T",
     NULL},
    {FLOATS, "%r = fadd $T %a, %b", "$T", NULL},
    {FLOATS, "%r = fsub $T %a, %b", "$T", NULL},
    {FLOATS, "%r = fmul $T %a, %b", "$T", NULL},
    {FLOATS, "%r = fdiv $T %a, %b", "$T", NULL},
    {FLOATS, "%x = fmul $T %a, %b\n%r = fadd $T %x, %c", "$T", NULL},
    {FLOATS, "%r = fneg $T %a", "$T", NULL},
    {FLOATS, "%x = fcmp oeq $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp ogt $T %a, %b\n%r = select $M %x, $T %a, $T %b", "$T", NULL},
    {FLOATS, "%x = fcmp oge $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp olt $T %a, %b\n%r = select $M %x, $T %a, $T %b", "$T", NULL},
    {FLOATS, "%x = fcmp ole $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp one $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp ord $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp uno $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp ueq $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp ugt $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp uge $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp ult $T %a, %b\n%r = select $M %x, $T %a, $T %b", "$T", NULL},
    {FLOATS, "%x = fcmp ule $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS, "%x = fcmp une $T %a, %b\n%r = zext $M %x to $I", "$I", NULL},
    {FLOATS,
     "%x = fcmp olt $T %a, %b\n%y = icmp eq $Q %q, splat_q(0)\n%z = or $M %x, %y\n%r = select $M %z, $T %a, $T %b",
     "$T", NULL},
    {FLOATS, "%r = call $T @llvm.roundeven.$S($T %a)", "$T", "$T @llvm.roundeven.$S($T)"},
    {FLOATS, "%x = call $T @llvm.fabs.$S($T %a)\n%r = call $T @llvm.sqrt.$S($T %x)", "$T", "$T @llvm.sqrt.$S($T)"},
    {FLOATS, "%r = call $T @llvm.fabs.$S($T %a)", "$T", "$T @llvm.fabs.$S($T)"},
    {FLOATS, "%r = call $T @llvm.copysign.$S($T %a, $T %b)", "$T", "$T @llvm.copysign.$S($T, $T)"},
    {FLOATS, "%x = fadd $T %a, splat_f(1.0)\n%r = call $T @llvm.minnum.$S($T %x, $T %b)", "$T",
     "$T @llvm.minnum.$S($T, $T)"},
    {FLOATS, "%x = fadd $T %a, splat_f(1.0)\n%r = call $T @llvm.maxnum.$S($T %x, $T %b)", "$T",
     "$T @llvm.maxnum.$S($T, $T)"},
    {FLOATS, "%r = call $T @llvm.floor.$S($T %a)", "$T", "$T @llvm.floor.$S($T)"},
    {FLOATS, "%r = call $T @llvm.ceil.$S($T %a)", "$T", "$T @llvm.ceil.$S($T)"},
    {FLOATS, "%r = call $T @llvm.trunc.$S($T %a)", "$T", "$T @llvm.trunc.$S($T)"},
    {FLOATS, "%r = bitcast $T %a to $I", "$I", NULL},
    {FLOATS, "%x = bitcast $T %a to $I\n%y = xor $I %x, splat_i(255)\n%r = bitcast $I %y to $T", "$T", NULL},
    {FLOATS | VECTORS, "%r = call $E @llvm.vector.reduce.fmax.$S($T %a)", "$E", "$E @llvm.vector.reduce.fmax.$S($T)"},
    {FLOATS | VECTORS, "%r = call $E @llvm.vector.reduce.fadd.$S($E 0.5, $T %a)", "$E",
     "$E @llvm.vector.reduce.fadd.$S($E, $T)"},
    {FLOATS | VECTORS, "%x = extractelement $T %a, i64 %lane\n%r = insertelement $T %b, $E %x, i32 0", "$T", NULL},
    {INTEGERS | VECTORS, "%x = extractelement $T %a, i32 0\n%r = insertelement $T %b, $E %x, i64 %lane", "$T", NULL},
    {INTEGERS | VECTORS,
     "%x = extractelement $M %m, i64 %lane\n%y = insertelement $M %o, i1 %x, i32 0\n%r = sext $M %y to $T", "$T", NULL},
    {FLOATS | VECTORS,
     "%x = call $T @llvm.masked.load.$S.p0(ptr %in, i32 1, $M %f, $T %b)\n"
     "call void @llvm.masked.store.$S.p0($T %x, ptr %next, i32 1, $M %f)\n%r = fneg $T %x",
     "$T", "$T @llvm.masked.load.$S.p0(ptr, i32, $M, $T)\ndeclare void @llvm.masked.store.$S.p0($T, ptr, i32, $M)"},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- functions from rows ---------------------------------------------------------------------------------------- */

static void print_number(const type_row *t, char key, const char *number, size_t length, FILE *out) {
    const char *lane = key == 'q' ? "i16" : key == 'i' || !t->is_float ? NULL : t->lane;
    char name[8];
    if (key == 'i')
        snprintf(name, sizeof name, "i%u", t->bits);
    else if (!lane) /* the floats beside integers */
        snprintf(name, sizeof name, "%s", strstr(t->floats, "double") ? "double" : "float");
    bool vector = strchr(t->type, '<');
    for (unsigned i = 0; i < (vector ? t->lanes : 1); i++) {
        fputs(i ? ", " : vector ? "<" : "", out);
        if (vector)
            fprintf(out, "%s ", lane ? lane : name);
        fwrite(number, 1, length, out);
    }
    fputs(vector ? ">" : "", out);
}

static void print_template(const type_row *t, const char *template, FILE *out) {
    for (const char *c = template; *c; c++) {
        if (strncmp(c, "splat_", 6) == 0) { /* splat_f(1.0): a constant in all lanes */
            size_t length = strcspn(c + 8, ")");
            print_number(t, c[6], c + 8, length, out);
            c += 8 + length;
        } else if (*c != '$') {
            fputc(*c, out);
        } else {
            c++;
            const char *names[] = {t->type, t->mask, t->name, t->lane, t->integers, t->wider, t->floats, t->words};
            const char *key = strchr("TMSEIJFQ", *c);
            if (key)
                fputs(names[key - "TMSEIJFQ"], out);
            else
                fprintf(out, "%u", t->lanes);
        }
    }
}

static bool fits(const operation *o, const type_row *t) {
    bool vector = strchr(t->type, '<'), power = (t->lanes & (t->lanes - 1)) == 0;
    if (!(o->of & (t->is_float ? FLOATS : INTEGERS)))
        return false;
    if (o->of & WHOLE && !power)
        return false;
    if (o->of & VECTORS && (!vector || !power))
        return false;
    return !(o->of & BYTES_OF_8_LANES) || (vector && t->lanes % 8 == 0);
}

/* A word of the input decides the masks. */
static const char start[] = "%%p1 = getelementptr i8, ptr %%in, i64 513\n"
                            "%%p2 = getelementptr i8, ptr %%in, i64 1027\n"
                            "%%p3 = getelementptr i8, ptr %%in, i64 2048\n"
                            "%%next = getelementptr i8, ptr %%out, i64 2048\n"
                            "%%lane = and i64 %%n, %u\n";
static const char values[] = "%a = load $T, ptr %in, align 1\n"
                             "%b = load $T, ptr %p1, align 1\n"
                             "%c = load $T, ptr %p2, align 1\n"
                             "%q = load $Q, ptr %p3, align 1\n"
                             "%m = icmp slt $Q %q, splat_q(100)\n"
                             "%o = trunc $Q %q to $M\n";
static const char integers[] = "%i = and $T %b, splat_i(7)\n%h = or $T %i, splat_i(1)\n";
static const char floats[] = "%f = fcmp olt $T %a, %c\n";

static void print_kernel(size_t number, const operation *o, const type_row *t, FILE *out) {
    fprintf(out, "define void @f%zu(ptr %%in, ptr %%out, i64 %%n) {\n", number);
    fprintf(out, start, t->lanes - 1);
    print_template(t, values, out);
    print_template(t, t->is_float ? floats : integers, out);
    print_template(t, o->body, out);
    fputs("\nstore ", out);
    print_template(t, o->result, out);
    fputs(" %r, ptr %out, align 1\nret void\n}\n", out);
}

/* One module of all; the number of its functions in *count. */
static char *all_kernels(size_t *count) {
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fputs(LAYOUT, out);
    *count = 0;
    for (size_t k = 0; k < TYPES; k++)
        for (size_t o = 0; o < OPERATIONS; o++)
            if (fits(&operations[o], &types[k]))
                print_kernel((*count)++, &operations[o], &types[k], out);
    for (size_t k = 0; k < TYPES; k++)
        for (size_t o = 0; o < OPERATIONS; o++)
            if (fits(&operations[o], &types[k]) && operations[o].intrinsic) {
                fputs("declare ", out);
                print_template(&types[k], operations[o].intrinsic, out);
                fputc('\n', out);
            }
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* Floats are picked where rounding and order show: halves, both zeros, infinities, beside 2^23, and NaN. */
static void fill(uint8_t *in, const type_row *t, uint64_t *state) {
    static const double special[] = {0.0,        -0.0,     0.5,       -0.5,       1.5,       2.5,
                                     -3.5,       INFINITY, -INFINITY, NAN,        8388607.5, 8388609.0,
                                     -4194303.5, 0x1p-130, 1e10,      0.49999997, -0.1};
    enum { SPECIAL = sizeof special / sizeof *special };
    for (size_t i = 0; i < IN; i++)
        in[i] = (uint8_t)(random_bits(state) >> 24);
    static const size_t starts[] = {0, 513, 1027};
    for (size_t s = 0; t->is_float && s < sizeof starts / sizeof *starts; s++)
        for (size_t i = 0; i < 32; i++) {
            uint64_t bits = random_bits(state);
            double x = bits % 3 ? ((double)(bits >> 40) - 8000000) / 4096 : special[bits / 3 % SPECIAL];
            float single = (float)x;
            if (t->bits == 32)
                memcpy(in + starts[s] + 4 * i, &single, 4);
            else
                memcpy(in + starts[s] + 8 * i, &x, 8);
        }
}

static void run_all(const char *flags) {
    size_t count, number = 0;
    char *module = all_kernels(&count);
    LLVMOrcLLJITRef jit = jitted(module);
    void *object = compiled(module, flags);
    static uint8_t in[IN];
    uint64_t state = 1;
    for (size_t k = 0; k < TYPES; k++)
        for (size_t o = 0; o < OPERATIONS; o++) {
            if (!fits(&operations[o], &types[k]))
                continue;
            char name[32], title[400];
            snprintf(name, sizeof name, "f%zu", number++);
            snprintf(title, sizeof title, "%s of %s", operations[o].body, types[k].type);
            kernel *expected = jitted_kernel(jit, name), *actual = compiled_kernel(object, name);
            for (uint64_t run = 0; run < 8; run++) {
                fill(in, &types[k], &state);
                compare(expected, actual, in, run, types[k].is_float ? types[k].bits : 0, title);
            }
        }
    ck_assert_uint_eq(number, count);
    LLVMOrcDisposeLLJIT(jit);
    dlclose(object);
    free(module);
}

START_TEST(as_halves_of_16_bytes) {
    run_all("-O1");
}
END_TEST

START_TEST(as_structs_and_loops) {
    run_all("-O1 -DDTQ_PLAIN_C");
}
END_TEST

START_TEST(as_the_processor_has_them) {
    run_all("-O1 -march=native");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("print_c_lanes");
    TCase *tests = tcase_create("print_c_lanes");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, as_halves_of_16_bytes);
    tcase_add_test(tests, as_structs_and_loops);
    tcase_add_test(tests, as_the_processor_has_them);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
