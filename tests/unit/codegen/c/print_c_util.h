/* Helpers of the tests of the C emitter: a module as text is run twice, by LLVM and as C that the system's compiler
 * made, and both must give the same bytes. */
#ifndef DTQ_TESTS_PRINT_C_UTIL_H
#define DTQ_TESTS_PRINT_C_UTIL_H

#include <dlfcn.h>
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <math.h>
#include <unistd.h>

#include "codegen/c/print.h"
#include "ir_util.h"

#define LAYOUT                                                                                                         \
    "target datalayout = \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128\"\n"

/* What all functions of these tests are: they read `in`, and write `out`. */
typedef void kernel(const void *in, void *out, uint64_t n);

static inline LLVMModuleRef parsed(LLVMContextRef c, const char *text) {
    LLVMMemoryBufferRef b = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "test");
    LLVMModuleRef m = NULL;
    char *problem = NULL;
    ck_assert_msg(!LLVMParseIRInContext(c, b, &m, &problem), "%s", problem ? problem : "");
    return m;
}

/** The module as C, to be freed; or NULL, and what print_c says in *problem, to be freed, too. */
static inline char *printed(const char *module, char **problem) {
    LLVMContextRef c = LLVMContextCreate();
    LLVMModuleRef m = parsed(c, module);
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    bool good = print_c(m, "A module of the tests.", out, problem);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_ptr_eq(good ? *problem : NULL, NULL);
    if (!good) {
        free(text);
        text = NULL;
    }
    LLVMDisposeModule(m);
    LLVMContextDispose(c);
    return text;
}

/** The shared object that the compiler makes of a module's C, with `flags`, without a warning. */
static inline void *compiled(const char *module, const char *flags) {
    char directory[] = "/tmp/dtq-print-c-XXXXXX", path[64], *problem;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    char *text = printed(module, &problem);
    ck_assert_msg(text, "%s", text ? "" : problem);
    snprintf(path, sizeof path, "%s/m.c", directory);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
    free(text);
    char command[512];
    snprintf(command, sizeof command, "cc -std=c11 -Wall -Wextra -Werror -shared -fPIC %s %s/m.c -o %s/m.so -lm", flags,
             directory, directory);
    ck_assert_msg(system(command) == 0, "%s", command);
    snprintf(path, sizeof path, "%s/m.so", directory);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(object, "%s", dlerror());
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
    return object;
}

static inline kernel *compiled_kernel(void *object, const char *name) {
    kernel *k;
    *(void **)&k = dlsym(object, name);
    ck_assert_msg(k, "%s", name);
    return k;
}

/** The module run by LLVM. */
static inline LLVMOrcLLJITRef jitted(const char *module) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMOrcThreadSafeContextRef safe = LLVMOrcCreateNewThreadSafeContext();
    LLVMModuleRef m = parsed(LLVMOrcThreadSafeContextGetContext(safe), module);
    LLVMOrcLLJITRef jit;
    ck_assert_ptr_null(LLVMOrcCreateLLJIT(&jit, NULL));
    LLVMOrcDefinitionGeneratorRef process;
    ck_assert_ptr_null(
        LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(jit), NULL, NULL));
    LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(jit), process);
    ck_assert_ptr_null(
        LLVMOrcLLJITAddLLVMIRModule(jit, LLVMOrcLLJITGetMainJITDylib(jit), LLVMOrcCreateNewThreadSafeModule(m, safe)));
    LLVMOrcDisposeThreadSafeContext(safe);
    return jit;
}

static inline kernel *jitted_kernel(LLVMOrcLLJITRef jit, const char *name) {
    LLVMOrcExecutorAddress address = 0;
    LLVMErrorRef e = LLVMOrcLLJITLookup(jit, &address, name);
    ck_assert_msg(!e, "%s", e ? LLVMGetErrorMessage(e) : "");
    kernel *k;
    memcpy(&k, &address, sizeof k);
    return k;
}

enum { IN = 4096, OUT = 4096 };

static inline uint64_t random_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33 ^ *state;
}

/** Runs both on the same bytes; the outputs must be equal. Floats of `bits` bits (0: bytes) that are NaN may differ. */
static inline void compare(kernel *expected, kernel *actual, const void *in, uint64_t n, unsigned bits,
                           const char *name) {
    static union {
        uint8_t b[OUT];
        float f[OUT / 4];
        double d[OUT / 8];
    } want, have;
    memset(&want, 0x5a, sizeof want);
    memset(&have, 0x5a, sizeof have);
    expected(in, &want, n);
    actual(in, &have, n);
    for (size_t i = 0; bits == 32 && i < OUT / 4; i++)
        if (isnan(want.f[i]) && isnan(have.f[i]))
            have.f[i] = want.f[i];
    for (size_t i = 0; bits == 64 && i < OUT / 8; i++)
        if (isnan(want.d[i]) && isnan(have.d[i]))
            have.d[i] = want.d[i];
    size_t i = 0; /* Check writes a file for every assertion: one is enough */
    while (i < OUT - 1 && want.b[i] == have.b[i])
        i++;
    ck_assert_msg(want.b[i] == have.b[i], "%s: byte %zu is %02x, not %02x", name, i, have.b[i], want.b[i]);
}

#endif
