/* Kernels written, compiled and loaded into this process, to be called. */
#ifndef TESTS_BENCH_MODULE_H
#define TESTS_BENCH_MODULE_H

#include "codegen/llvm/kernels.h"
#include "codegen/llvm/machine.h"

enum { MODULE_FUNCTIONS_MOST = 16 };

/** Functions of one level; they live until the process ends. */
typedef struct {
    diag *diag;
    LLVMTargetMachineRef machine;
    emitter e;
    val functions[MODULE_FUNCTIONS_MOST];
    unsigned count;
} module;

/** The levels that this processor runs, ascending; the last with all that LLVM knows of this processor. */
unsigned module_levels(arena *a, machine_level out[MACHINE_LEVELS_MOST]);

module *module_begin(arena *a, const machine_level *level);
/** Notes a function to be called. */
void module_add(module *m, val function);
/** Addresses in the order in which functions were added. Ends the process if LLVM refuses. */
void *const *module_load(module *m);

#endif
