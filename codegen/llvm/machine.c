/* Processors and the way from IR to machine code. */
#include "codegen/llvm/machine.h"

#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>

static const machine_level named[] = {
    {DTQ_HOST_V2, ".v2", "x86-64-v2", ""},
    {DTQ_HOST_V3, ".v3", "x86-64-v3", ""},
    {DTQ_HOST_V4, ".v4", "x86-64-v4", ""},
    {DTQ_HOST_VNNI, ".vnni", "x86-64-v4", "+avx512vnni"},
};
static const char triple[] = "x86_64-unknown-linux-gnu";
enum { NAMED = sizeof named / sizeof *named };

/* LLVM's string, copied into the arena and given back. */
static const char *take(arena *a, char *message) {
    const char *copy = arena_strdup(a, message);
    LLVMDisposeMessage(message);
    return copy;
}

static bool has(const char *features, const char *name) {
    size_t n = strlen(name);
    for (const char *at = features; (at = strstr(at, name)); at += n)
        if (at > features && at[-1] == '+' && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

static bool has_all(const char *features, const char *const *names) {
    for (; *names; names++)
        if (!has(features, *names))
            return false;
    return true;
}

/* What a level needs beyond the one before it. */
static const char *const needs_v2[] = {"sse4.2", "ssse3", "popcnt", "cx16", NULL};
static const char *const needs_v3[] = {"avx2", "bmi", "bmi2", "fma", "f16c", "lzcnt", "movbe", NULL};
static const char *const needs_v4[] = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", NULL};
static const char *const needs_vnni[] = {"avx512vnni", NULL};
static const char *const *const needs[NAMED] = {needs_v2, needs_v3, needs_v4, needs_vnni};

unsigned machine_levels(arena *a, diag *d, const char *cpu, machine_level *out) {
    if (strcmp(cpu, "dispatch") == 0) {
        memcpy(out, named, sizeof named);
        return NAMED;
    }
    if (strcmp(cpu, "native") == 0) {
        const char *features = take(a, LLVMGetHostCPUFeatures());
        unsigned n = 0;
        while (n < NAMED && has_all(features, needs[n]))
            n++;
        if (!n) {
            diag_error(d, (src_loc){0}, "this processor is below x86-64-v2; emit C and compile that");
            return 0;
        }
        *out = named[n - 1];
        out->cpu = take(a, LLVMGetHostCPUName());
        out->features = features;
        return 1;
    }
    for (unsigned i = 0; i < NAMED; i++)
        if (strcmp(named[i].cpu, cpu) == 0) {
            *out = named[i];
            return 1;
        }
    diag_error(d, (src_loc){0}, "there is no processor '%s'; native, x86-64-v2, x86-64-v3, x86-64-v4, dispatch", cpu);
    return 0;
}

const char *machine_native(arena *a) {
    const char *cpu = take(a, LLVMGetHostCPUName());
    return arena_printf(a, "%s %s", cpu, take(a, LLVMGetHostCPUFeatures()));
}

LLVMTargetMachineRef machine_new(diag *d) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMTargetRef target;
    char *problem = NULL;
    if (LLVMGetTargetFromTriple(triple, &target, &problem)) {
        diag_internal(d, (src_loc){0}, "LLVM: %s", problem);
        LLVMDisposeMessage(problem);
        return NULL;
    }
    return LLVMCreateTargetMachine(target, triple, "x86-64", "", LLVMCodeGenLevelAggressive, LLVMRelocPIC,
                                   LLVMCodeModelDefault);
}

void machine_describe(LLVMModuleRef m, LLVMTargetMachineRef machine) {
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(m, triple);
    LLVMSetModuleDataLayout(m, layout);
    LLVMDisposeTargetData(layout);
}

static bool run_passes(diag *d, LLVMModuleRef m, LLVMTargetMachineRef machine, const char *passes) {
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(m, passes, machine, o);
    LLVMDisposePassBuilderOptions(o);
    if (!error)
        return true;
    char *message = LLVMGetErrorMessage(error);
    diag_internal(d, (src_loc){0}, "LLVM: %s", message);
    LLVMDisposeErrorMessage(message);
    return false;
}

bool machine_simplify(diag *d, LLVMModuleRef m, LLVMTargetMachineRef machine) {
    return run_passes(d, m, machine, "function(sroa,early-cse,simplifycfg)");
}

bool machine_optimise(diag *d, LLVMModuleRef m, LLVMTargetMachineRef machine) {
    return run_passes(
        d, m, machine,
        "always-inline,function(sroa,early-cse<memssa>,instcombine,loop-mssa(licm),early-cse<memssa>,simplifycfg)");
}
