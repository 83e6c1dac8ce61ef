/* Loading object files into this process by LLVM's ORC. Private to codegen/llvm. */
#ifndef DTQ_CODEGEN_LLVM_JIT_H
#define DTQ_CODEGEN_LLVM_JIT_H

#include "codegen/host/host.h"

/** See host_backend. */
host_code *jit_load(arena *a, diag *d, const uint8_t *object, size_t bytes, const char *name,
                    const host_symbol *symbols, size_t symbol_count, const dtq_host_model **model);
void jit_unload(host_code *c);

#endif
