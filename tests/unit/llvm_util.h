/* Kernels written, compiled and loaded, one level of processors after the other. */
#ifndef TESTS_LLVM_UTIL_H
#define TESTS_LLVM_UTIL_H

#include <check.h>
#include <llvm-c/Analysis.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/llvm/jit.h"
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/machine.h"
#include "runtime/error.h"
#include "runtime/host/abi.h"
#include "runtime/host/model.h"
#include "runtime/layer.h"
#include "runtime/numerics/numerics.h"
#include "runtime/program.h"
#include "runtime/run.h"

enum { KERNELS_MOST = 16 };

/** Functions of one module at one level. */
typedef struct {
    arena *arena;
    diag *diag;
    LLVMContextRef context;
    LLVMTargetMachineRef machine;
    emitter e;
    val functions[KERNELS_MOST];
    unsigned count;
    host_code *code;
} kernels;

/** The levels that this processor runs. */
static inline unsigned kernel_levels(machine_level out[MACHINE_LEVELS_MOST]) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    machine_level native[MACHINE_LEVELS_MOST];
    ck_assert_uint_eq(machine_levels(a, d, "native", native), 1);
    unsigned count = machine_levels(a, d, "dispatch", out), n = 0;
    while (n < count && out[n].level <= native[0].level)
        n++;
    arena_free(a);
    return n;
}

static inline kernels kernels_begin(const machine_level *level) {
    kernels k = {.arena = arena_new()};
    k.diag = diag_new(k.arena, stderr);
    k.context = LLVMContextCreate();
    k.machine = machine_new(k.diag);
    k.e = emitter_new(k.arena, k.context, "test");
    k.e.level = level->level;
    k.e.suffix = level->suffix;
    k.e.cpu = level->cpu;
    k.e.features = level->features;
    return k;
}

/** Notes a function to be called; returns its number in what kernels_load gives. */
static inline unsigned kernels_add(kernels *k, val function) {
    ck_assert_uint_lt(k->count, KERNELS_MOST);
    k->functions[k->count] = function;
    return k->count++;
}

/* Generated code that reports in tests gets here. */
static inline void count_bad(dtq_host_frame *f, uint64_t site, uint64_t slot, uint64_t head) {
    f->failed = 1 + site * 1000000 + slot * 1000 + head;
}

/** Compiles and loads; the functions in the order in which they were added, valid until kernels_end. */
static inline void *const *kernels_load(kernels *k) {
    val table = LLVMConstArray2(k->e.ptr, k->functions, k->count);
    val g = LLVMAddGlobal(k->e.module, LLVMTypeOf(table), "kernels");
    LLVMSetInitializer(g, table);
    char *problem = NULL;
    ck_assert_msg(!LLVMVerifyModule(k->e.module, LLVMReturnStatusAction, &problem), "%s", problem);
    LLVMDisposeMessage(problem);
    machine_describe(k->e.module, k->machine);
    ck_assert(machine_optimise(k->diag, k->e.module, k->machine));
    LLVMMemoryBufferRef object;
    ck_assert(!LLVMTargetMachineEmitToMemoryBuffer(k->machine, k->e.module, LLVMObjectFile, &problem, &object));
    host_symbol symbols[] = {{"dtq_host_bad", (void *)(uintptr_t)count_bad}};
    const dtq_host_model *at;
    k->code = jit_load(k->arena, k->diag, (const uint8_t *)LLVMGetBufferStart(object), LLVMGetBufferSize(object),
                       "kernels", symbols, 1, &at);
    LLVMDisposeMemoryBuffer(object);
    ck_assert_ptr_nonnull(k->code);
    return (void *const *)(const void *)at;
}

static inline void kernels_end(kernels *k) {
    jit_unload(k->code);
    LLVMDisposeBuilder(k->e.builder);
    LLVMDisposeModule(k->e.module);
    LLVMDisposeTargetMachine(k->machine);
    LLVMContextDispose(k->context);
    arena_free(k->arena);
}

/** Numbers in (-1, 1), from a state that is printed when a test begins. */
static inline float random_float(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(*state >> 33) - (1 << 30)) / (float)(1 << 30);
}

static inline uint64_t test_seed(void) {
    const char *given = getenv("DTQ_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20240607u;
    printf("seed %llu (DTQ_SEED)\n", (unsigned long long)seed);
    return seed;
}

#endif
