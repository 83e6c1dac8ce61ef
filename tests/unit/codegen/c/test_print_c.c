/* The C emitter: control flow, memory, data, calls and names, against LLVM's own execution of the same module; and what
 * the text of C holds, or is refused. */
#include "print_c_util.h"

static char *module_text(void) {
    FILE *f = fopen(DTQC_SOURCE_DIR "/tests/unit/codegen/c/print_c.ll", "r");
    ck_assert_ptr_nonnull(f);
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_gt(getdelim(&text, &size, EOF, f), 0);
    fclose(f);
    return text;
}

/* What the kernel `calls` is given to call. */
static void called(uint32_t *to, int32_t argument) {
    *to = (uint32_t)argument * 3;
}

static void fill(uint8_t *in, const char *name, uint64_t *state) {
    for (size_t i = 0; i < IN; i++)
        in[i] = (uint8_t)(random_bits(state) >> 24);
    if (strcmp(name, "calls") == 0) {
        void (*function)(uint32_t *, int32_t) = called;
        memcpy(in, &function, sizeof function);
    }
    if (strcmp(name, "twice_rounded") == 0)
        for (uint32_t i = 0; i < 16; i++) {
            float x = 1.0f + 0x1p-12f * (float)(i + 1);
            memcpy(in + 4 * i, &x, sizeof x);
        }
}

static const char *const kernels[] = {"swapped", "cases", "masks", "addresses", "odd_widths",
                                      "data",    "calls", "dot",   "shuffles",  "twice_rounded"};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static void run_all(const char *flags) {
    char *module = module_text();
    LLVMOrcLLJITRef jit = jitted(module);
    void *object = compiled(module, flags);
    static uint8_t in[IN];
    uint64_t state = 7;
    for (size_t k = 0; k < KERNELS; k++)
        for (uint64_t run = 1; run < 12; run++) {
            fill(in, kernels[k], &state);
            compare(jitted_kernel(jit, kernels[k]), compiled_kernel(object, kernels[k]), in, run, 0, kernels[k]);
        }
    LLVMOrcDisposeLLJIT(jit);
    dlclose(object);
    free(module);
}

START_TEST(optimised_for_any_processor) {
    run_all("-O2");
}
END_TEST

START_TEST(with_structs_and_loops) {
    run_all("-O2 -DDTQ_PLAIN_C");
}
END_TEST

/* The compiler is told to fuse, and must not. */
START_TEST(for_this_processor) {
    run_all("-O3 -march=native -std=gnu11 -ffp-contract=fast");
}
END_TEST

START_TEST(without_optimisation) {
    run_all("-O0");
}
END_TEST

/* ---- the text --------------------------------------------------------------------------------------------------- */

START_TEST(only_what_is_needed_is_printed) {
    char *module = module_text(), *problem, *text = printed(module, &problem);
    ck_assert_msg(text, "%s", text ? "" : problem);
    ck_assert_ptr_eq(strstr(text, "/* A module of the tests. */\n"), text);
    static const char *const absent[] = {"never_used",    "never_called", "int memcmp", "llvm",
                                         "dot4.portable", "lifetime",     "assume(",    "v4f64"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        ck_assert_msg(!strstr(text, absent[i]), "%s", absent[i]);
    static const char *const present[] = {"static DTQ_ALWAYS_INLINE v16f32 a_b(",
                                          "static DTQ_NOINLINE float a_b_1(",
                                          "static DTQ_NOINLINE void register_1(",
                                          "void dot(char *restrict in_1, ",
                                          "static int8_t narrow_1(int8_t, bool, char *restrict);",
                                          "    memmove("};
    for (size_t i = 0; i < sizeof present / sizeof *present; i++)
        ck_assert_msg(strstr(text, present[i]), "%s", present[i]);
    free(text);
    free(module);
}
END_TEST

START_TEST(banner_cannot_end_the_comment) {
    LLVMContextRef c = LLVMContextCreate();
    LLVMModuleRef m = parsed(c, LAYOUT "define i32 @one() {\nret i32 1\n}\n");
    char *text, *problem;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    ck_assert(print_c(m, "a */ b\nc", out, &problem));
    fclose(out);
    ck_assert_ptr_eq(strstr(text, "/* a * / b\n * c */\n"), text);
    ck_assert_ptr_nonnull(strstr(text, "\nuint32_t one(void) {\n    return 1u;\n}\n"));
    ck_assert_ptr_null(strstr(text, "DTQ_VECTOR"));
    free(text);
    LLVMDisposeModule(m);
    LLVMContextDispose(c);
}
END_TEST

START_TEST(refused_with_a_message) {
    static const char *const cases[][2] = {
        {"define i128 @f(i128 %x) {\nret i128 %x\n}", "integers of 128 bits"},
        {"define half @f(half %x) {\nret half %x\n}", "values of type half"},
        {"define <2 x ptr> @f(<2 x ptr> %x) {\nret <2 x ptr> %x\n}", "values of type <2 x ptr>"},
        {"define i32 @f(ptr %p) {\n%x = load volatile i32, ptr %p\nret i32 %x\n}", "volatile or atomic accesses"},
        {"define i32 @f(ptr %p) {\n%x = atomicrmw add ptr %p, i32 1 seq_cst\nret i32 %x\n}", "the instruction"},
        {"define void @f() {\ncall void asm \"nop\", \"\"()\nret void\n}", "assembly"},
        {"define void @f() {\nret void\n}\n@g = alias void (), ptr @f", "aliases of functions or variables"},
        {"define void @f.g() {\nret void\n}\ndefine void @f_g() {\nret void\n}", "the name 'f_g' is not free in C"},
        {"define void @while() {\nret void\n}", "the name 'while' is not free in C"},
        {"define void @v16f32_fadd() {\nret void\n}", "the name 'v16f32_fadd' is not free in C"},
        {"declare void @llvm.trap()\ndefine void @f() {\ncall void @llvm.trap()\nunreachable\n}",
         "the intrinsic llvm.trap"},
        {"define void @f(i64 %n) {\n%x = alloca i8, i64 %n\nstore i8 1, ptr %x\nret void\n}", "an alloca"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char module[512], *problem = NULL;
        snprintf(module, sizeof module, LAYOUT "%s\n", cases[i][0]);
        ck_assert_ptr_null(printed(module, &problem));
        ck_assert_msg(strncmp(problem, cases[i][1], strlen(cases[i][1])) == 0, "%s, not %s", problem, cases[i][1]);
        free(problem);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        optimised_for_any_processor,    with_structs_and_loops,        for_this_processor,    without_optimisation,
        only_what_is_needed_is_printed, banner_cannot_end_the_comment, refused_with_a_message};
    Suite *suite = suite_create("print_c");
    TCase *tcase = tcase_create("print_c");
    tcase_set_timeout(tcase, 120);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
