/* Calls: of the module's functions, of pointers, and of intrinsics. */
#include <string.h>

#include "codegen/c/state.h"

enum { MOST_ARGUMENTS = 64 };

static bool begins(const char *s, const char *start) {
    return strncmp(s, start, strlen(start)) == 0;
}

bool c_is_dot4(LLVMValueRef function) {
    return LLVMIsAFunction(function) && begins(LLVMGetValueName(function), "dtq.dot4");
}

/* The name of the intrinsic that is called, without its types; NULL if none is. */
static const char *intrinsic_of(LLVMValueRef call) {
    LLVMValueRef f = LLVMGetCalledValue(call);
    unsigned id = LLVMIsAFunction(f) ? LLVMGetIntrinsicID(f) : 0;
    if (!id)
        return NULL;
    size_t length;
    return LLVMIntrinsicGetName(id, &length);
}

bool c_is_dropped(LLVMValueRef i) {
    static const char *const dropped[] = {
        "llvm.lifetime.",  "llvm.assume",    "llvm.dbg.",      "llvm.experimental.noalias",
        "llvm.invariant.", "llvm.donothing", "llvm.sideeffect"};
    const char *name = LLVMIsACallInst(i) ? intrinsic_of(i) : NULL;
    for (size_t d = 0; name && d < sizeof dropped / sizeof *dropped; d++)
        if (begins(name, dropped[d]))
            return true;
    return false;
}

bool c_is_pure(LLVMValueRef i) {
    LLVMValueRef f = LLVMGetCalledValue(i);
    return c_is_dot4(f) || (intrinsic_of(i) && LLVMGetTypeKind(LLVMTypeOf(i)) != LLVMVoidTypeKind);
}

static LLVMValueRef argument(LLVMValueRef call, unsigned a) {
    return LLVMGetOperand(call, a);
}

/* ---- intrinsics ------------------------------------------------------------------------------------------------- */

typedef const char *(*intrinsic_printer)(c_printer *p, LLVMValueRef call);

static const char *three_arguments(c_printer *p, const char *function, LLVMValueRef call) {
    const char *a = c_value(p, argument(call, 0)), *b = c_value(p, argument(call, 1));
    return c_text(p, "%s(%s, %s, %s)", function, a, b, c_value(p, argument(call, 2)));
}

static const char *move_bytes(c_printer *p, LLVMValueRef call) {
    bool may_overlap = strcmp(intrinsic_of(call), "llvm.memmove") == 0;
    return three_arguments(p, may_overlap ? "memmove" : "memcpy", call);
}

static const char *set_bytes(c_printer *p, LLVMValueRef call) {
    return three_arguments(p, "memset", call);
}

static const char *prefetch(c_printer *p, LLVMValueRef call) {
    p->pieces[C_PIECE_PREFETCH] = true;
    return three_arguments(p, "DTQ_PREFETCH", call);
}

/* Sums of floats go from the first lane to the last. */
static const char *ordered_sum(c_printer *p, LLVMValueRef call) {
    c_shape s = c_shape_of(p, LLVMTypeOf(argument(call, 1)));
    const char *v = c_vector_type(p, s), *name = c_text(p, "%s_ordered_sum_%u", v, s.lanes);
    void **seen = c_map_at_string(p->emitted, name);
    if (!*seen)
        fprintf(p->lanes, "DTQ_ORDERED_SUM(%s, %u, %s, %s)\n", name, s.lanes, c_lane_type(p, s), v);
    *seen = p;
    const char *start = c_value(p, argument(call, 0));
    return c_text(p, "%s(%s, %s)", name, start, c_value(p, argument(call, 1)));
}

static const char *reduction(c_printer *p, LLVMValueRef call) {
    static const struct {
        const char *suffix, *op;
    } ops[] = {{"fmax", "maxnum"}, {"fmin", "minnum"}};
    const char *name = intrinsic_of(call) + strlen("llvm.vector.reduce.");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].suffix, name) == 0)
            name = ops[i].op;
    const c_op *op = c_op_named(name);
    LLVMValueRef v = argument(call, 0);
    if (!op || strcmp(name, "fadd") == 0 || strcmp(name, "fmul") == 0) {
        c_cannot(p, "the intrinsic %s", intrinsic_of(call));
        return "0";
    }
    if (!c_is_mask(LLVMTypeOf(v)))
        return c_reduce(p, op, c_shape_of(p, LLVMTypeOf(v)), c_value(p, v));
    /* as numbers of one bit: -1 is the smaller one if they are signed; sums wrap */
    if (strcmp(name, "add") == 0 || strcmp(name, "mul") == 0)
        op = c_op_named(strcmp(name, "add") == 0 ? "xor" : "and");
    unsigned bits = c_mask_bits(p, v);
    return c_reduce(p, op, c_mask_shape(LLVMTypeOf(v), bits), c_mask_value(p, v, bits));
}

static const char *masked_load(c_printer *p, LLVMValueRef call) {
    c_shape s = c_shape_of(p, LLVMTypeOf(call));
    const char *function = c_masked(p, s, false), *from = c_value(p, argument(call, 0));
    const char *mask = c_mask_value(p, argument(call, 2), s.bits);
    return c_text(p, "%s(%s, %s, %s)", function, from, mask, c_value(p, argument(call, 3)));
}

static const char *masked_store(c_printer *p, LLVMValueRef call) {
    c_shape s = c_shape_of(p, LLVMTypeOf(argument(call, 0)));
    const char *function = c_masked(p, s, true), *to = c_value(p, argument(call, 1));
    const char *mask = c_mask_value(p, argument(call, 3), s.bits);
    return c_text(p, "%s(%s, %s, %s)", function, to, mask, c_value(p, argument(call, 0)));
}

/* What LLVM may also round twice is rounded twice. */
static const char *multiply_add(c_printer *p, LLVMValueRef call) {
    LLVMTypeRef t = LLVMTypeOf(call);
    const c_op *times = c_op_named("fmul"), *plus = c_op_named("fadd");
    const char *factors[2] = {c_value(p, argument(call, 0)), c_value(p, argument(call, 1))}, *terms[2];
    terms[1] = c_value(p, argument(call, 2));
    if (c_is_vector(t)) {
        c_shape s = c_shape_of(p, t);
        terms[0] = c_vector_op(p, times, s, s, factors);
        return c_vector_op(p, plus, s, s, terms);
    }
    terms[0] = c_scalar_op(p, times, t, t, factors);
    return c_scalar_op(p, plus, t, t, terms);
}

static const struct {
    const char *name;
    intrinsic_printer print;
} intrinsics[] = {
    {"llvm.memcpy", move_bytes},        {"llvm.memmove", move_bytes},
    {"llvm.memset", set_bytes},         {"llvm.prefetch", prefetch},
    {"llvm.masked.load", masked_load},  {"llvm.masked.store", masked_store},
    {"llvm.fmuladd", multiply_add},     {"llvm.vector.reduce.fadd", ordered_sum},
    {"llvm.vector.reduce.", reduction},
};

static const char *operation(c_printer *p, const c_op *op, LLVMValueRef call) {
    LLVMTypeRef t = LLVMTypeOf(call);
    const char *operands[3] = {NULL, NULL, NULL};
    for (unsigned a = 0; a < op->arity; a++)
        operands[a] = c_value(p, argument(call, a));
    if (c_is_mask(t)) {
        c_cannot(p, "the intrinsic %s on vectors of i1", intrinsic_of(call));
        return operands[0];
    }
    return c_is_vector(t) ? c_vector_op(p, op, c_shape_of(p, t), c_shape_of(p, t), operands)
                          : c_scalar_op(p, op, t, t, operands);
}

static const char *intrinsic_call(c_printer *p, LLVMValueRef call, const char *name) {
    const c_op *op = c_op_of_intrinsic(name);
    if (op)
        return operation(p, op, call);
    for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++)
        if (begins(name, intrinsics[i].name))
            return intrinsics[i].print(p, call);
    c_cannot(p, "the intrinsic %s", name);
    return "0";
}

/* ---- functions -------------------------------------------------------------------------------------------------- */

/* The type of a pointer to what is called. */
static const char *pointer_type(c_printer *p, LLVMTypeRef type) {
    LLVMTypeRef params[MOST_ARGUMENTS];
    unsigned count = LLVMCountParamTypes(type);
    LLVMGetParamTypes(type, params);
    const char *text = c_text(p, "%s (*)(", c_abi_type(p, LLVMGetReturnType(type), false));
    for (unsigned i = 0; i < count; i++)
        text = c_text(p, "%s%s%s", text, i ? ", " : "", c_abi_type(p, params[i], false));
    return c_text(p, "%s%s)", text, LLVMIsFunctionVarArg(type) ? ", ..." : count ? "" : "void");
}

static const char *function_call(c_printer *p, LLVMValueRef call) {
    LLVMValueRef f = LLVMGetCalledValue(call);
    LLVMTypeRef type = LLVMGetCalledFunctionType(call);
    unsigned count = LLVMGetNumArgOperands(call);
    const char *text;
    if (LLVMCountParamTypes(type) > MOST_ARGUMENTS) {
        c_cannot(p, "a call of more than %d arguments", (int)MOST_ARGUMENTS);
        return "0";
    }
    if (LLVMIsAInlineAsm(f))
        c_cannot(p, "assembly");
    if (LLVMIsAFunction(f) && LLVMGlobalGetValueType(f) == type) {
        text = c_text(p, "%s(", c_global_name(p, f));
    } else {
        const char *pointer = pointer_type(p, type);
        text = c_text(p, "((%s)%s)(", pointer, c_value(p, f));
    }
    for (unsigned a = 0; a < count; a++) {
        LLVMValueRef v = argument(call, a);
        const char *x = c_is_mask(LLVMTypeOf(v)) ? c_mask_value(p, v, C_MASK_BITS) : c_value(p, v);
        text = c_text(p, "%s%s%s", text, a ? ", " : "", x);
    }
    text = c_text(p, "%s)", text);
    if (c_is_mask(LLVMTypeOf(call)) && c_map_get(p->locals, call))
        return c_mask_convert(p, LLVMTypeOf(call), C_MASK_BITS, c_mask_bits(p, call), text);
    return text;
}

void c_print_call(c_printer *p, LLVMValueRef i, const char *target) {
    LLVMValueRef f = LLVMGetCalledValue(i);
    const char *name = intrinsic_of(i), *text;
    if (name && begins(name, "llvm.x86.")) {
        c_cannot(p, "the intrinsic %s", name);
        return;
    }
    if (c_is_dot4(f)) {
        c_shape s = c_shape_of(p, LLVMTypeOf(i));
        const char *operands[3];
        for (unsigned a = 0; a < 3; a++)
            operands[a] = c_value(p, argument(i, a));
        text = c_vector_op(p, c_op_named("dot4"), s, s, operands);
    } else {
        text = name ? intrinsic_call(p, i, name) : function_call(p, i);
    }
    fprintf(p->body, "    %s%s;\n", target, text);
}
