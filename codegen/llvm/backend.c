/* What the compiler sees of this folder: a table of functions (codegen/host/host.h), found by its name when the module
 * is loaded. */
#include <llvm-c/Core.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/c/print.h"
#include "codegen/llvm/jit.h"
#include "codegen/llvm/model.h"

/* Everything of LLVM's that one emission owns. */
typedef struct {
    LLVMContextRef context;
    LLVMTargetMachineRef machine;
    LLVMModuleRef module;
} work;

static void finish(work *w) {
    if (w->module)
        LLVMDisposeModule(w->module);
    if (w->machine)
        LLVMDisposeTargetMachine(w->machine);
    if (w->context)
        LLVMContextDispose(w->context);
}

/* The module of the model, optimised for what will be done with it. */
static bool begin(arena *a, diag *d, const host_program *p, const host_options *o, host_form form, work *w) {
    machine_level levels[MACHINE_LEVELS_MOST] = {{.level = DTQ_HOST_PORTABLE, .suffix = ""}};
    *w = (work){0};
    unsigned count = form == HOST_FORM_C ? 1 : machine_levels(a, d, o->cpu, levels);
    if (!count || !(w->machine = machine_new(d)))
        return false;
    w->context = LLVMContextCreate();
    w->module = model_emit(a, d, w->context, p, o, levels, count);
    if (!w->module)
        return false;
    machine_describe(w->module, w->machine);
    return form == HOST_FORM_C ? machine_simplify(d, w->module, w->machine)
                               : machine_optimise(d, w->module, w->machine);
}

static bool machine_code(diag *d, const work *w, LLVMCodeGenFileType kind, LLVMMemoryBufferRef *out) {
    char *problem = NULL;
    if (!LLVMTargetMachineEmitToMemoryBuffer(w->machine, w->module, kind, &problem, out))
        return true;
    diag_internal(d, (src_loc){0}, "LLVM: %s", problem);
    LLVMDisposeMessage(problem);
    return false;
}

/* The banner, each line behind `prefix`. */
static void print_banner(const char *banner, const char *prefix, FILE *out) {
    for (const char *line = banner; *line;) {
        size_t n = strcspn(line, "\n");
        fprintf(out, "%s%s%.*s\n", prefix, n ? " " : "", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static bool write_c(diag *d, const work *w, const host_options *o, FILE *out) {
    char *problem = NULL;
    if (print_c(w->module, o->banner, out, &problem))
        return true;
    if (problem)
        diag_internal(d, (src_loc){0}, "the module cannot be said in C: %s", problem);
    else
        diag_error(d, (src_loc){0}, "out of memory for the module as C");
    free(problem);
    return false;
}

static bool write_machine_code(diag *d, const work *w, const host_options *o, host_form form, FILE *out) {
    LLVMMemoryBufferRef code;
    if (!machine_code(d, w, form == HOST_FORM_ASM ? LLVMAssemblyFile : LLVMObjectFile, &code))
        return false;
    if (form == HOST_FORM_ASM)
        print_banner(o->banner, "#", out);
    fwrite(LLVMGetBufferStart(code), 1, LLVMGetBufferSize(code), out);
    LLVMDisposeMemoryBuffer(code);
    return true;
}

static bool emit(arena *a, diag *d, const host_program *p, const host_options *o, host_form form, FILE *out) {
    work w;
    bool ok = begin(a, d, p, o, form, &w);
    if (ok && form == HOST_FORM_LLVM) {
        char *text = LLVMPrintModuleToString(w.module);
        print_banner(o->banner, ";", out);
        fputs(text, out);
        LLVMDisposeMessage(text);
    } else if (ok) {
        ok = form == HOST_FORM_C ? write_c(d, &w, o, out) : write_machine_code(d, &w, o, form, out);
    }
    finish(&w);
    return ok;
}

static bool object(arena *a, diag *d, const host_program *p, const host_options *o, host_bytes *out) {
    work w;
    LLVMMemoryBufferRef code;
    bool ok = begin(a, d, p, o, HOST_FORM_OBJECT, &w) && machine_code(d, &w, LLVMObjectFile, &code);
    if (ok) {
        *out = (host_bytes){malloc(LLVMGetBufferSize(code)), LLVMGetBufferSize(code)};
        if (out->data)
            memcpy(out->data, LLVMGetBufferStart(code), out->bytes);
        else
            ok = diag_error(d, (src_loc){0}, "out of memory for generated code: %zu bytes are needed", out->bytes);
        LLVMDisposeMemoryBuffer(code);
    }
    finish(&w);
    return ok;
}

static const char *native(arena *a) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    return arena_printf(a, "LLVM %u.%u.%u %s", major, minor, patch, machine_native(a));
}

const host_backend *dtq_llvm_backend(void);

const host_backend *dtq_llvm_backend(void) {
    static const host_backend backend = {native, emit, object, jit_load, jit_unload};
    return &backend;
}
