/* Functions: signatures, blocks, phis and the ends of blocks. A phi is a variable that each edge sets; those of one
 * edge are set at once. */
#include <string.h>

#include "codegen/c/state.h"

static bool has_attribute(LLVMValueRef f, LLVMAttributeIndex at, const char *name) {
    return LLVMGetEnumAttributeAtIndex(f, at, LLVMGetEnumAttributeKindForName(name, strlen(name))) != NULL;
}

static bool is_marked(LLVMValueRef f, const char *name) {
    return has_attribute(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, name);
}

/* ---- signatures ------------------------------------------------------------------------------------------------- */

static bool is_main(LLVMValueRef f) {
    return strcmp(LLVMGetValueName(f), "main") == 0;
}

static bool is_hidden(LLVMValueRef f) {
    LLVMLinkage l = LLVMGetLinkage(f);
    return l == LLVMInternalLinkage || l == LLVMPrivateLinkage;
}

static bool is_weak(LLVMValueRef f) {
    LLVMLinkage l = LLVMGetLinkage(f);
    return l == LLVMWeakAnyLinkage || l == LLVMWeakODRLinkage || l == LLVMLinkOnceAnyLinkage ||
           l == LLVMLinkOnceODRLinkage || l == LLVMExternalWeakLinkage;
}

static const char *parameter(c_printer *p, LLVMValueRef f, unsigned i, LLVMTypeRef t, const char *name) {
    LLVMAttributeIndex at = i + 1;
    bool is_signed = is_main(f) || has_attribute(f, at, "signext");
    bool pointer = LLVMGetTypeKind(t) == LLVMPointerTypeKind;
    if (is_main(f) && pointer)
        return c_text(p, "char **%s", name);
    const char *type = pointer && !LLVMIsDeclaration(f) ? "char *" : c_abi_type(p, t, is_signed);
    bool alone = pointer && has_attribute(f, at, "noalias");
    return c_text(p, "%s%s%s%s", type, alone ? "restrict" : "", *name && (alone || !pointer) ? " " : "", name);
}

void c_print_signature(c_printer *p, LLVMValueRef function, FILE *out, const char *const *params) {
    LLVMTypeRef type = LLVMGlobalGetValueType(function), result = LLVMGetReturnType(type);
    unsigned count = LLVMCountParams(function);
    bool is_signed = is_main(function) || has_attribute(function, LLVMAttributeReturnIndex, "signext");
    if (is_hidden(function))
        fputs(is_marked(function, "alwaysinline") ? "static DTQ_ALWAYS_INLINE " : "static ", out);
    if (is_marked(function, "noinline"))
        fputs("DTQ_NOINLINE ", out);
    if (is_weak(function))
        fputs("DTQ_WEAK ", out);
    if (is_marked(function, "noreturn"))
        fputs("_Noreturn ", out);
    const char *type_name = c_abi_type(p, result, is_signed);
    fprintf(out, "%s%s%s(", type_name, type_name[strlen(type_name) - 1] == '*' ? "" : " ", c_global_name(p, function));
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? ", " : "",
                parameter(p, function, i, LLVMTypeOf(LLVMGetParam(function, i)), params ? params[i] : ""));
    fputs(LLVMIsFunctionVarArg(type) ? ", ...)" : count ? ")" : "void)", out);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static c_local *add_local(c_printer *p, LLVMValueRef v, unsigned number) {
    size_t length;
    const char *name = LLVMGetValueName2(v, &length);
    c_local *l = ARENA_NEW(p->mem, c_local);
    l->name = c_local_name(p, name, length, number);
    *c_map_at(p->locals, v) = l;
    return l;
}

static bool is_printed(LLVMBasicBlockRef b) {
    return b == LLVMGetEntryBasicBlock(LLVMGetBasicBlockParent(b)) || LLVMGetFirstUse(LLVMBasicBlockAsValue(b));
}

/* Values that nothing uses get no name and, unless they do something, are not computed. */
static void name_locals(c_printer *p, LLVMValueRef function) {
    unsigned number = 0, blocks = 0;
    p->locals = c_map_new(p->mem);
    p->blocks = c_map_new(p->mem);
    for (LLVMValueRef a = LLVMGetFirstParam(function); a; a = LLVMGetNextParam(a))
        add_local(p, a, ++number);
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b)) {
        const char *name = LLVMGetBasicBlockName(b);
        *c_map_at(p->blocks, b) =
            (void *)(uintptr_t)c_local_name(p, *name ? name : "block", *name ? strlen(name) : 5, ++blocks);
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
            if (LLVMGetFirstUse(i))
                add_local(p, i, ++number);
    }
}

/* ---- phis ------------------------------------------------------------------------------------------------------- */

static bool is_phi(LLVMValueRef i) {
    return i && LLVMGetInstructionOpcode(i) == LLVMPHI;
}

static void declare_phis(c_printer *p, LLVMValueRef function) {
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); is_phi(i); i = LLVMGetNextInstruction(i)) {
            const c_local *l = c_map_get(p->locals, i);
            if (!l)
                continue;
            const char *type = c_type_of(p, i);
            fprintf(p->body, "    %s%s%s;\n", type, type[strlen(type) - 1] == '*' ? "" : " ", l->name);
        }
}

static const char *phi_value(c_printer *p, LLVMValueRef phi, LLVMValueRef v) {
    return c_is_mask(LLVMTypeOf(phi)) ? c_mask_value(p, v, c_mask_bits(p, phi)) : c_value(p, v);
}

static LLVMValueRef incoming(c_printer *p, LLVMValueRef phi, LLVMBasicBlockRef from) {
    unsigned count = LLVMCountIncoming(phi);
    for (unsigned i = 0; i < count; i++)
        if (LLVMGetIncomingBlock(phi, i) == from)
            return LLVMGetIncomingValue(phi, i);
    c_cannot(p, "a phi without a value for an edge");
    return phi;
}

/* Whether an edge gives one phi of its block the value that another one has before the edge. */
static bool needs_copies(c_printer *p, LLVMBasicBlockRef from, LLVMBasicBlockRef to) {
    for (LLVMValueRef i = LLVMGetFirstInstruction(to); is_phi(i); i = LLVMGetNextInstruction(i)) {
        LLVMValueRef v = incoming(p, i, from);
        if (v != i && LLVMIsAPHINode(v) && LLVMGetInstructionParent(v) == to)
            return true;
    }
    return false;
}

static void set_phis(c_printer *p, LLVMBasicBlockRef from, LLVMBasicBlockRef to, const char *indent) {
    bool copies = needs_copies(p, from, to);
    for (int step = copies ? 0 : 1; step < 2; step++)
        for (LLVMValueRef i = LLVMGetFirstInstruction(to); is_phi(i); i = LLVMGetNextInstruction(i)) {
            const c_local *l = c_map_get(p->locals, i);
            LLVMValueRef v = incoming(p, i, from);
            if (!l || v == i)
                continue;
            if (step == 0) {
                const char *type = c_type_of(p, i);
                fprintf(p->body, "%s%s next_%s = %s;\n", indent, type, l->name, phi_value(p, i, v));
            } else if (copies) {
                fprintf(p->body, "%s%s = next_%s;\n", indent, l->name, l->name);
            } else {
                fprintf(p->body, "%s%s = %s;\n", indent, l->name, phi_value(p, i, v));
            }
        }
}

static bool sets_phis(LLVMBasicBlockRef to) {
    return is_phi(LLVMGetFirstInstruction(to));
}

/* ---- ends of blocks --------------------------------------------------------------------------------------------- */

static const char *label(c_printer *p, LLVMBasicBlockRef b) {
    return c_map_get(p->blocks, b);
}

static void jump(c_printer *p, LLVMBasicBlockRef from, LLVMBasicBlockRef to, const char *indent) {
    set_phis(p, from, to, indent);
    fprintf(p->body, "%sgoto %s;\n", indent, label(p, to));
}

static void print_branch(c_printer *p, LLVMBasicBlockRef from, LLVMValueRef end) {
    LLVMBasicBlockRef next = LLVMGetNextBasicBlock(from), to = LLVMGetSuccessor(end, 0);
    if (LLVMIsConditional(end)) {
        fprintf(p->body, "    if (%s) {\n", c_value(p, LLVMGetCondition(end)));
        jump(p, from, to, "        ");
        fputs("    }\n", p->body);
        to = LLVMGetSuccessor(end, 1);
    }
    if (sets_phis(to)) { /* a scope of its own: the copies' names may come again */
        fputs("    {\n", p->body);
        set_phis(p, from, to, "        ");
        fputs("    }\n", p->body);
    }
    if (to != next)
        fprintf(p->body, "    goto %s;\n", label(p, to));
}

static void print_switch(c_printer *p, LLVMBasicBlockRef from, LLVMValueRef end) {
    LLVMValueRef x = LLVMGetOperand(end, 0);
    fprintf(p->body, "    switch (%s) {\n", c_value(p, x));
    unsigned count = LLVMGetNumSuccessors(end);
    for (unsigned s = 1; s < count; s++) {
        fprintf(p->body, "    case %s: {\n", c_constant(p, LLVMGetOperand(end, 2 * s)));
        jump(p, from, LLVMGetSuccessor(end, s), "        ");
        fputs("    }\n", p->body);
    }
    fputs("    default: {\n", p->body);
    jump(p, from, LLVMGetSwitchDefaultDest(end), "        ");
    fputs("    }\n    }\n", p->body);
}

static void print_return(c_printer *p, LLVMBasicBlockRef from, LLVMValueRef end) {
    (void)from;
    if (LLVMGetNumOperands(end) == 0) {
        fputs("    return;\n", p->body);
        return;
    }
    LLVMValueRef v = LLVMGetOperand(end, 0);
    fprintf(p->body, "    return %s;\n", c_is_mask(LLVMTypeOf(v)) ? c_mask_value(p, v, C_MASK_BITS) : c_value(p, v));
}

static void print_unreachable(c_printer *p, LLVMBasicBlockRef from, LLVMValueRef end) {
    (void)from;
    (void)end;
    fputs("    DTQ_UNREACHABLE;\n", p->body);
}

static void print_end(c_printer *p, LLVMBasicBlockRef from, LLVMValueRef end) {
    static const struct {
        LLVMOpcode opcode;
        void (*print)(c_printer *p, LLVMBasicBlockRef from, LLVMValueRef end);
    } ends[] = {{LLVMBr, print_branch},
                {LLVMSwitch, print_switch},
                {LLVMRet, print_return},
                {LLVMUnreachable, print_unreachable}};
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
        if (ends[e].opcode == LLVMGetInstructionOpcode(end)) {
            ends[e].print(p, from, end);
            return;
        }
    c_cannot(p, "a block that ends in an exception or a computed jump");
}

/* ---- bodies ----------------------------------------------------------------------------------------------------- */

/* Parameters whose C type is not that of the value get another name in the signature. */
static const char *signature_name(c_printer *p, LLVMValueRef function, unsigned i, bool *differs) {
    LLVMValueRef a = LLVMGetParam(function, i);
    LLVMTypeRef t = LLVMTypeOf(a);
    const c_local *l = c_map_get(p->locals, a);
    bool is_int = LLVMGetTypeKind(t) == LLVMIntegerTypeKind;
    *differs = (is_int && (is_main(function) || has_attribute(function, i + 1, "signext"))) ||
               (is_main(function) && LLVMGetTypeKind(t) == LLVMPointerTypeKind) ||
               (c_is_mask(t) && c_mask_bits(p, a) != C_MASK_BITS);
    return *differs ? c_text(p, "given_%s", l->name) : l->name;
}

static void print_parameters(c_printer *p, LLVMValueRef function, const char *const *names) {
    for (unsigned i = 0; i < LLVMCountParams(function); i++) {
        LLVMValueRef a = LLVMGetParam(function, i);
        const c_local *l = c_map_get(p->locals, a);
        if (names[i] == l->name)
            continue;
        LLVMTypeRef t = LLVMTypeOf(a);
        const char *x = c_is_mask(t) ? c_mask_convert(p, t, C_MASK_BITS, c_mask_bits(p, a), names[i])
                                     : c_text(p, "(%s)%s", c_type_of(p, a), names[i]);
        fprintf(p->body, "    %s;\n", c_text(p, "%s%s", c_definition(p, a), x));
    }
}

/* Whether the instruction is printed: what only computes an unused value is not. */
static bool is_computed(LLVMValueRef i) {
    LLVMOpcode opcode = LLVMGetInstructionOpcode(i);
    if (LLVMGetFirstUse(i) || opcode == LLVMStore)
        return !c_is_dropped(i);
    return opcode == LLVMCall && !c_is_pure(i) && !c_is_dropped(i);
}

static void print_block(c_printer *p, LLVMBasicBlockRef b) {
    LLVMValueRef i = LLVMGetFirstInstruction(b), end = LLVMGetBasicBlockTerminator(b);
    if (LLVMGetFirstUse(LLVMBasicBlockAsValue(b)))
        fprintf(p->body, "%s:;\n", label(p, b));
    while (is_phi(i))
        i = LLVMGetNextInstruction(i);
    for (; i != end && !p->problem; i = LLVMGetNextInstruction(i))
        if (is_computed(i))
            c_print_instruction(p, i);
    print_end(p, b, end);
}

void c_print_function(c_printer *p, LLVMValueRef function) {
    unsigned count = LLVMCountParams(function);
    const char **names = ARENA_ARRAY(p->mem, const char *, count + 1);
    name_locals(p, function);
    c_choose_masks(p, function);
    bool differs;
    for (unsigned i = 0; i < count; i++)
        names[i] = signature_name(p, function, i, &differs);
    fputc('\n', p->body);
    c_print_signature(p, function, p->body, names);
    fputs(" {\n", p->body);
    print_parameters(p, function, names);
    declare_phis(p, function);
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b && !p->problem; b = LLVMGetNextBasicBlock(b))
        if (is_printed(b))
            print_block(p, b);
    fputs("}\n", p->body);
}
