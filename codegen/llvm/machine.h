/* Processors: which levels there are, how LLVM calls them, and from IR to machine code. Private to codegen/llvm. */
#ifndef DTQ_CODEGEN_LLVM_MACHINE_H
#define DTQ_CODEGEN_LLVM_MACHINE_H

#include <llvm-c/TargetMachine.h>

#include "codegen/llvm/emitter.h"
#include "ir/base/diag.h"

typedef struct {
    dtq_host_level level;
    const char *suffix;         /* of the names of its functions */
    const char *cpu, *features; /* NULL: none, of the portable level */
} machine_level;

enum { MACHINE_LEVELS_MOST = DTQ_HOST_LEVELS };

/** The levels that `cpu` ("native", "x86-64-v2", …, "dispatch") stands for, ascending; at most MACHINE_LEVELS_MOST. 0
 * after an error: an unknown name, or a processor that is below x86-64-v2. */
unsigned machine_levels(arena *a, diag *d, const char *cpu, machine_level *out);

/** "znver4 +avx512f …": what native means here. */
const char *machine_native(arena *a);

/** A machine to generate code with; functions carry their own processor. NULL after an error. */
LLVMTargetMachineRef machine_new(diag *d);

/** Tells the module which machine it is for. */
void machine_describe(LLVMModuleRef m, LLVMTargetMachineRef machine);

/** Promotes to registers and no more: for code that is going to be C. */
bool machine_simplify(diag *d, LLVMModuleRef m, LLVMTargetMachineRef machine);

/** Inlines, promotes to registers and cleans up: the passes that code of this generator gains from. */
bool machine_optimise(diag *d, LLVMModuleRef m, LLVMTargetMachineRef machine);

#endif
