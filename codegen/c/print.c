/* The C printer: what of a module is needed, and the order in which C wants it. */
#include "codegen/c/print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/c/state.h"

/* ---- what is needed --------------------------------------------------------------------------------------------- */

/* Things to look at: functions, variables, and constants that refer to them. */
typedef struct {
    c_printer *p;
    LLVMValueRef *items;
    size_t count, capacity;
} work_list;

static void push(work_list *w, LLVMValueRef v) {
    void **seen = c_map_at(w->p->reached, v);
    if (*seen)
        return;
    *seen = w;
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 256;
        w->items = arena_resize(w->p->mem, w->items, w->capacity * sizeof *w->items, capacity * sizeof *w->items);
        w->capacity = capacity;
    }
    w->items[w->count++] = v;
}

static bool refers(LLVMValueRef v) {
    return LLVMIsAFunction(v) || LLVMIsAGlobalVariable(v) || LLVMIsAConstantExpr(v) || LLVMIsAConstantStruct(v) ||
           LLVMIsAConstantArray(v) || LLVMIsAConstantVector(v);
}

static void push_operands(work_list *w, LLVMValueRef v) {
    int count = LLVMGetNumOperands(v);
    for (int o = 0; o < count; o++) {
        LLVMValueRef operand = LLVMGetOperand(v, (unsigned)o);
        if (refers(operand))
            push(w, operand);
    }
}

static void push_body(work_list *w, LLVMValueRef function) {
    if (c_is_dot4(function))
        return;
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
            push_operands(w, i);
}

static bool is_visible(LLVMValueRef v) {
    LLVMLinkage l = LLVMGetLinkage(v);
    return !LLVMIsDeclaration(v) && l != LLVMInternalLinkage && l != LLVMPrivateLinkage &&
           l != LLVMAvailableExternallyLinkage && strncmp(LLVMGetValueName(v), "llvm.", 5) != 0;
}

static void find_reached(c_printer *p) {
    work_list w = {p, NULL, 0, 0};
    for (LLVMValueRef f = LLVMGetFirstFunction(p->module); f; f = LLVMGetNextFunction(f))
        if (is_visible(f) && !c_is_dot4(f))
            push(&w, f);
    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g; g = LLVMGetNextGlobal(g)) {
        if (is_visible(g))
            push(&w, g);
        if (strncmp(LLVMGetValueName(g), "llvm.global_", 12) == 0)
            c_cannot(p, "'%s'", LLVMGetValueName(g));
    }
    if (LLVMGetFirstGlobalAlias(p->module) || LLVMGetFirstGlobalIFunc(p->module))
        c_cannot(p, "aliases of functions or variables");
    while (w.count) {
        LLVMValueRef v = w.items[--w.count];
        if (LLVMIsAFunction(v))
            push_body(&w, v);
        else
            push_operands(&w, v);
    }
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static bool is_needed(c_printer *p, LLVMValueRef function) {
    return c_map_get(p->reached, function) && !c_is_dot4(function) && !LLVMGetIntrinsicID(function);
}

static void print_prototypes(c_printer *p, FILE *out) {
    for (LLVMValueRef f = LLVMGetFirstFunction(p->module); f; f = LLVMGetNextFunction(f)) {
        if (!is_needed(p, f) || (LLVMIsDeclaration(f) && c_from_header(LLVMGetValueName(f))))
            continue;
        c_print_signature(p, f, out, NULL);
        fputs(";\n", out);
    }
}

static void print_bodies(c_printer *p) {
    for (LLVMValueRef f = LLVMGetFirstFunction(p->module); f && !p->problem; f = LLVMGetNextFunction(f))
        if (is_needed(p, f) && !LLVMIsDeclaration(f))
            c_print_function(p, f);
}

/* Parts of the file that are complete only when all has been printed. */
enum { LANES, CONSTANTS, BODY, HEAD, PARTS };
typedef struct {
    char *text[PARTS];
    size_t length[PARTS];
    FILE *stream[PARTS];
} parts;

static bool open_parts(parts *s) {
    bool good = true;
    for (int i = 0; i < PARTS; i++) {
        s->stream[i] = open_memstream(&s->text[i], &s->length[i]);
        good &= s->stream[i] != NULL;
    }
    return good;
}

static bool close_parts(parts *s) {
    bool good = true;
    for (int i = 0; i < PARTS; i++)
        good &= s->stream[i] && fclose(s->stream[i]) == 0;
    return good;
}

static void print_module(c_printer *p, parts *s) {
    p->lanes = s->stream[LANES];
    p->constants = s->stream[CONSTANTS];
    p->body = s->stream[BODY];
    c_name_globals(p);
    find_reached(p);
    print_bodies(p);
    print_prototypes(p, s->stream[HEAD]);
    c_print_data(p, s->stream[HEAD]);
}

bool print_c(LLVMModuleRef m, const char *banner, FILE *out, char **problem) {
    c_printer p = {
        .mem = arena_new(), .module = m, .context = LLVMGetModuleContext(m), .layout = LLVMGetModuleDataLayout(m)};
    p.emitted = c_map_new(p.mem);
    p.taken = c_map_new(p.mem);
    p.globals = c_map_new(p.mem);
    p.reached = c_map_new(p.mem);
    p.locals = c_map_new(p.mem);
    parts s = {{NULL}, {0}, {NULL}};
    bool memory = open_parts(&s);
    if (memory)
        print_module(&p, &s);
    memory &= close_parts(&s);
    if (!memory)
        c_cannot(&p, "memory is exhausted");
    if (!p.problem) {
        c_print_prelude(&p, banner, out);
        for (int i = 0; i < PARTS; i++) {
            static const int order[PARTS] = {LANES, CONSTANTS, HEAD, BODY};
            if (s.length[order[i]] && order[i] != BODY)
                fputc('\n', out);
            fwrite(s.text[order[i]], 1, s.length[order[i]], out);
        }
    }
    for (int i = 0; i < PARTS; i++)
        free(s.text[i]);
    bool good = !p.problem;
    *problem = good ? NULL : strdup(p.problem);
    arena_free(p.mem);
    return good;
}
