/* The second emitter: an LLVM module as one translation unit of portable C11, for compilers and machines that LLVM is
 * not asked to serve. Bits are those of the module on any little-endian machine of 64-bit pointers. */
#ifndef DTQ_CODEGEN_LLVM_PRINT_C_H
#define DTQ_CODEGEN_LLVM_PRINT_C_H

#include <llvm-c/Types.h>
#include <stdbool.h>
#include <stdio.h>

/** Prints `m` as one C11 translation unit. `banner` is text for the comment at the top; it may be NULL. Vectors become
 *  GNU vector extensions of the width that the compiler's flags allow, or structs and loops (-DDTQ_PLAIN_C). A function
 *  whose name begins with `dtq.dot4` is printed as the primitive acc + sum of 4 unsigned by signed bytes a lane,
 * whatever its body. False, and a message in *problem that the caller frees, if the module has something that cannot be
 * said in C; `out` then holds nothing of use. `m` is not changed. */
bool print_c(LLVMModuleRef m, const char *banner, FILE *out, char **problem);

#endif
