/* Kernels written, compiled and loaded into this process, to be called. */
#include "tests/bench/module.h"

#include <stdio.h>
#include <stdlib.h>

#include "codegen/llvm/jit.h"

static _Noreturn void end(const char *why) {
    fprintf(stderr, "bench_kernels: %s\n", why);
    exit(1);
}

unsigned module_levels(arena *a, machine_level out[MACHINE_LEVELS_MOST]) {
    machine_level native[MACHINE_LEVELS_MOST];
    diag *d = diag_new(a, stderr);
    if (!machine_levels(a, d, "native", native))
        end("no level of host code runs here");
    unsigned count = machine_levels(a, d, "dispatch", out), n = 0;
    while (n < count && out[n].level < native[0].level)
        n++;
    out[n] = native[0];
    return n + 1;
}

module *module_begin(arena *a, const machine_level *level) {
    module *m = ARENA_NEW(a, module);
    m->diag = diag_new(a, stderr);
    m->machine = machine_new(m->diag);
    if (!m->machine)
        end("LLVM has no code for this processor");
    m->e = emitter_new(a, LLVMContextCreate(), "bench");
    m->e.level = level->level;
    m->e.suffix = level->suffix;
    m->e.cpu = level->cpu;
    m->e.features = level->features;
    return m;
}

void module_add(module *m, val function) {
    if (m->count == MODULE_FUNCTIONS_MOST)
        end("too many functions in a module");
    m->functions[m->count++] = function;
}

/* Operands are such that nothing is reported. */
static void report_bad(dtq_host_frame *f, uint64_t site, uint64_t slot, uint64_t head) {
    (void)f, (void)site, (void)slot, (void)head;
    end("a kernel found numbers that cannot be quantised");
}

void *const *module_load(module *m) {
    val table = LLVMConstArray2(m->e.ptr, m->functions, m->count);
    LLVMSetInitializer(LLVMAddGlobal(m->e.module, LLVMTypeOf(table), "kernels"), table);
    machine_describe(m->e.module, m->machine);
    if (!machine_optimise(m->diag, m->e.module, m->machine))
        end("kernels cannot be optimised");
    LLVMMemoryBufferRef object;
    char *problem;
    if (LLVMTargetMachineEmitToMemoryBuffer(m->machine, m->e.module, LLVMObjectFile, &problem, &object))
        end(problem);
    const host_symbol symbols[] = {{"dtq_host_bad", (void *)(uintptr_t)report_bad}};
    const dtq_host_model *at;
    if (!jit_load(m->e.arena, m->diag, (const uint8_t *)LLVMGetBufferStart(object), LLVMGetBufferSize(object),
                  "kernels", symbols, 1, &at))
        end("kernels cannot be loaded");
    LLVMDisposeMemoryBuffer(object);
    return (void *const *)(const void *)at;
}
