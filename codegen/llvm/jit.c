/* Loading object files into this process by LLVM's ORC. */
#include "codegen/llvm/jit.h"

#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <stdlib.h>
#include <string.h>

struct host_code {
    LLVMOrcLLJITRef jit;
};

typedef struct {
    arena *arena;
    const char *text; /* of the first error that ORC only reports */
} reported;

/* Names of missing symbols come this way alone. */
static void report(void *context, LLVMErrorRef error) {
    reported *r = context;
    char *message = LLVMGetErrorMessage(error);
    if (!r->text)
        r->text = arena_strdup(r->arena, message);
    LLVMDisposeErrorMessage(message);
}

static bool failed(diag *d, const reported *r, LLVMErrorRef error) {
    if (!error)
        return false;
    char *message = LLVMGetErrorMessage(error);
    diag_internal(d, (src_loc){0}, "LLVM: %s", r->text ? r->text : message);
    LLVMDisposeErrorMessage(message);
    return true;
}

static LLVMErrorRef define(arena *a, LLVMOrcLLJITRef jit, const host_symbol *symbols, size_t count) {
    LLVMOrcCSymbolMapPair *pairs = ARENA_ARRAY(a, LLVMOrcCSymbolMapPair, count + 1);
    for (size_t i = 0; i < count; i++) {
        pairs[i].Name = LLVMOrcLLJITMangleAndIntern(jit, symbols[i].name);
        pairs[i].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)symbols[i].address;
        pairs[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
        pairs[i].Sym.Flags.TargetFlags = 0;
    }
    return LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(jit), LLVMOrcAbsoluteSymbols(pairs, count));
}

host_code *jit_load(arena *a, diag *d, const uint8_t *object, size_t bytes, const char *name,
                    const host_symbol *symbols, size_t symbol_count, const dtq_host_model **model) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    reported r = {.arena = a};
    host_code *code = calloc(1, sizeof *code);
    if (!code) {
        diag_error(d, (src_loc){0}, "out of memory for generated code: %zu bytes are needed", sizeof *code);
        return NULL;
    }
    if (failed(d, &r, LLVMOrcCreateLLJIT(&code->jit, NULL))) {
        free(code);
        return NULL;
    }
    LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(code->jit), report, &r);
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)object, bytes, name);
    LLVMOrcExecutorAddress at = 0;
    bool ok = !failed(d, &r, define(a, code->jit, symbols, symbol_count)) &&
              !failed(d, &r, LLVMOrcLLJITAddObjectFile(code->jit, LLVMOrcLLJITGetMainJITDylib(code->jit), buffer)) &&
              !failed(d, &r, LLVMOrcLLJITLookup(code->jit, &at, name));
    if (!ok) {
        jit_unload(code);
        return NULL;
    }
    *model = (const dtq_host_model *)(uintptr_t)at;
    return code;
}

void jit_unload(host_code *c) {
    LLVMConsumeError(LLVMOrcDisposeLLJIT(c->jit));
    free(c);
}
