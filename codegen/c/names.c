/* Names: what a module calls things, as C identifiers without clashes. */
#include <ctype.h>
#include <string.h>

#include "codegen/c/state.h"

/* Words that no definition may be called: C's own, and what the headers may define as macros or types. */
static const char *const reserved[] = {
    "auto",    "break",     "case",     "char",      "const",    "continue",  "default", "do",     "double",
    "else",    "enum",      "extern",   "float",     "for",      "goto",      "if",      "inline", "int",
    "long",    "register",  "restrict", "return",    "short",    "signed",    "sizeof",  "static", "struct",
    "switch",  "typedef",   "union",    "unsigned",  "void",     "volatile",  "while",   "bool",   "true",
    "false",   "asm",       "typeof",   "linux",     "unix",     "i386",      "size_t",  "errno",  "nullptr",
    "alignas", "constexpr", "lgamma_r", "lgammaf_r", "strtok_r", "strerror_r"};

/* What <string.h> and <math.h> declare and generated code may call. */
static const char *const from_headers[] = {
    "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcmp",  "strncmp", "strcpy", "strncpy",
    "strcat", "strchr",  "strstr", "sqrtf",  "sqrt",   "fabsf",  "fabs",    "floorf",  "floor",  "ceilf",
    "ceil",   "truncf",  "trunc",  "roundf", "round",  "rintf",  "rint",    "expf",    "exp",    "exp2f",
    "exp2",   "logf",    "log",    "log2f",  "log2",   "powf",   "pow",     "sinf",    "sin",    "cosf",
    "cos",    "tanhf",   "tanh",   "fminf",  "fmin",   "fmaxf",  "fmax",    "fmaf",    "fma",    "copysignf",
    "erff",   "erf",     "fmodf",  "fmod",   "ldexpf", "ldexp",  "copysign"};

static bool among(const char *const *words, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], name) == 0)
            return true;
    return false;
}

bool c_from_header(const char *name) {
    return among(from_headers, sizeof from_headers / sizeof *from_headers, name);
}

static bool is_reserved(const char *name) {
    return among(reserved, sizeof reserved / sizeof *reserved, name);
}

/* Names that the prelude gives: v16f32…, ir_…, DTQ_…. */
static bool is_ours(const char *name) {
    return (name[0] == 'v' && isdigit((unsigned char)name[1])) || strncmp(name, "ir_", 3) == 0 ||
           strncmp(name, "DTQ_", 4) == 0;
}

static char *identifier(c_printer *p, const char *name, size_t length) {
    bool prefix = length == 0 || isdigit((unsigned char)name[0]) || name[0] == '_';
    char *s = arena_alloc(p->mem, length + 2);
    char *to = s;
    if (prefix)
        *to++ = 'x';
    for (size_t i = 0; i < length; i++)
        *to++ = (char)(isalnum((unsigned char)name[i]) && (unsigned char)name[i] < 128 ? name[i] : '_');
    return s;
}

static bool is_hidden(LLVMValueRef v) {
    LLVMLinkage l = LLVMGetLinkage(v);
    return l == LLVMInternalLinkage || l == LLVMPrivateLinkage;
}

static void take(c_printer *p, LLVMValueRef v, const char *name) {
    *c_map_at_string(p->taken, name) = v;
    *c_map_at(p->globals, v) = (void *)(uintptr_t)name;
}

static void name_visible(c_printer *p, LLVMValueRef v) {
    size_t length;
    const char *name = LLVMGetValueName2(v, &length);
    if (is_hidden(v) || strncmp(name, "llvm.", 5) == 0)
        return;
    char *valid = identifier(p, name, length);
    if (name[0] == '_' && valid[0] == 'x')
        valid++; /* a linker's name stays what it is */
    if (c_map_get_string(p->taken, valid) || is_reserved(valid) || is_ours(valid))
        c_cannot(p, "the name '%s' is not free in C", name);
    take(p, v, valid);
}

/* Names without an underscore may be some header's: math.h has many. */
static void name_hidden(c_printer *p, LLVMValueRef v) {
    size_t length;
    const char *name = LLVMGetValueName2(v, &length);
    if (!is_hidden(v))
        return;
    const char *base = identifier(p, name, length), *free_name = base;
    bool plain = !strchr(base, '_');
    for (unsigned n = 1; plain || c_map_get_string(p->taken, free_name) || is_reserved(free_name) || is_ours(free_name);
         n++, plain = false)
        free_name = c_text(p, "%s_%u", is_ours(base) ? c_text(p, "x%s", base) : base, n);
    take(p, v, free_name);
}

void c_name_globals(c_printer *p) {
    static void (*const passes[2])(c_printer *p, LLVMValueRef v) = {name_visible, name_hidden};
    for (int pass = 0; pass < 2; pass++) {
        for (LLVMValueRef f = LLVMGetFirstFunction(p->module); f; f = LLVMGetNextFunction(f))
            passes[pass](p, f);
        for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g; g = LLVMGetNextGlobal(g))
            passes[pass](p, g);
    }
}

const char *c_global_name(c_printer *p, LLVMValueRef v) {
    const char *name = c_map_get(p->globals, v);
    if (name)
        return name;
    c_cannot(p, "'%s' has no meaning in C", LLVMGetValueName(v));
    return "nothing";
}

const char *c_local_name(c_printer *p, const char *name, size_t length, unsigned number) {
    enum { LONGEST = 40 };
    if (length > LONGEST)
        length = LONGEST;
    const char *s = length ? c_text(p, "%s_%u", identifier(p, name, length), number) : c_text(p, "t%u", number);
    while (c_map_get_string(p->taken, s) || is_ours(s))
        s = c_text(p, "x%s", s);
    return s;
}
