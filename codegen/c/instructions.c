/* Instructions: one statement each. */
#include "codegen/c/state.h"

const char *c_definition(c_printer *p, LLVMValueRef i) {
    const c_local *l = c_map_get(p->locals, i);
    const char *type = c_type_of(p, i);
    return c_text(p, "%s%s%s = ", type, LLVMGetTypeKind(LLVMTypeOf(i)) == LLVMPointerTypeKind ? "" : " ", l->name);
}

static void define(c_printer *p, LLVMValueRef i, const char *text) {
    fprintf(p->body, "    %s%s;\n", c_definition(p, i), text);
}

static LLVMValueRef operand(LLVMValueRef i, unsigned o) {
    return LLVMGetOperand(i, o);
}

static c_shape mask_shape_of(c_printer *p, LLVMValueRef v) {
    return c_mask_shape(LLVMTypeOf(v), c_mask_bits(p, v));
}

/* ---- arithmetic ------------------------------------------------------------------------------------------------- */

/* On i1, sums and differences are exclusive or, products are and. */
static const c_op *on_truths(const c_op *op, LLVMOpcode opcode) {
    return opcode == LLVMAdd || opcode == LLVMSub ? c_op_named("xor") : opcode == LLVMMul ? c_op_named("and") : op;
}

static void print_arithmetic(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef t = LLVMTypeOf(i);
    LLVMOpcode opcode = LLVMGetInstructionOpcode(i);
    const c_op *op = c_op_of_opcode(opcode);
    const char *operands[2] = {NULL, NULL};
    if (c_is_mask(t)) {
        c_shape s = mask_shape_of(p, i);
        for (unsigned o = 0; o < 2; o++)
            operands[o] = c_mask_value(p, operand(i, o), s.bits);
        op = on_truths(op, opcode);
        if (opcode != LLVMAdd && opcode != LLVMSub && opcode != LLVMMul && opcode != LLVMAnd && opcode != LLVMOr &&
            opcode != LLVMXor)
            c_cannot(p, "%s of a vector of i1", op->name);
        define(p, i, c_vector_op(p, op, s, s, operands));
        return;
    }
    for (unsigned o = 0; o < op->arity; o++)
        operands[o] = c_value(p, operand(i, o));
    if (!c_is_vector(t)) {
        if (LLVMGetTypeKind(t) == LLVMIntegerTypeKind && LLVMGetIntTypeWidth(t) == 1)
            op = on_truths(op, opcode);
        define(p, i, c_scalar_op(p, op, t, t, operands));
        return;
    }
    c_shape s = c_shape_of(p, t);
    bool divides = opcode == LLVMUDiv || opcode == LLVMSDiv || opcode == LLVMURem || opcode == LLVMSRem;
    if (divides && c_held_lanes(s) != s.lanes)
        c_cannot(p, "a division of %u lanes", s.lanes);
    define(p, i, c_vector_op(p, op, s, s, operands));
}

static void print_compare(c_printer *p, LLVMValueRef i) {
    bool integers = LLVMGetInstructionOpcode(i) == LLVMICmp;
    const c_op *op = integers ? c_op_of_icmp(LLVMGetICmpPredicate(i)) : c_op_of_fcmp(LLVMGetFCmpPredicate(i));
    LLVMTypeRef t = LLVMTypeOf(operand(i, 0));
    if (!op) {
        c_cannot(p, "a comparison whose result is known");
        return;
    }
    if (!c_is_vector(t)) {
        const char *operands[2] = {c_value(p, operand(i, 0)), c_value(p, operand(i, 1))};
        LLVMTypeRef truth = LLVMTypeOf(i), address = LLVMInt64TypeInContext(p->context);
        if (LLVMGetTypeKind(t) == LLVMPointerTypeKind) {
            for (int o = 0; o < 2; o++)
                operands[o] = c_text(p, "(uint64_t)(uintptr_t)%s", operands[o]);
            t = address;
        }
        define(p, i, c_scalar_op(p, op, truth, t, operands));
        return;
    }
    unsigned bits = c_is_mask(t) ? c_mask_bits(p, operand(i, 0)) : c_shape_of(p, t).bits;
    c_shape s = c_is_mask(t) ? c_mask_shape(t, bits) : c_shape_of(p, t);
    const char *operands[2];
    for (unsigned o = 0; o < 2; o++)
        operands[o] = c_is_mask(t) ? c_mask_value(p, operand(i, o), bits) : c_value(p, operand(i, o));
    define(p, i, c_mask_convert(p, t, bits, c_mask_bits(p, i), c_vector_op(p, op, s, s, operands)));
}

/* ---- conversions ------------------------------------------------------------------------------------------------ */

/* 1, −1 or 1.0 in the lanes that are true. */
static void print_widened_mask(c_printer *p, LLVMValueRef i, LLVMOpcode opcode) {
    c_shape to = c_shape_of(p, LLVMTypeOf(i)), as = to;
    as.kind = 'u';
    const char *x = c_mask_value(p, operand(i, 0), to.bits);
    bool is_signed = opcode == LLVMSExt || opcode == LLVMSIToFP;
    if (!is_signed) {
        const char *and[2] = {x, c_text(p, "%s_splat(1)", c_vector_type(p, as))};
        x = c_vector_op(p, c_op_named("and"), as, as, and);
    }
    if (to.kind == 'f') {
        const char *operands[1] = {x};
        x = c_vector_op(p, c_op_named("sitofp"), to, as, operands);
    }
    define(p, i, x);
}

/* Lanes' lowest bits. */
static void print_narrowed_to_mask(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef t = LLVMTypeOf(operand(i, 0));
    c_shape s = c_shape_of(p, t);
    const char *v = c_vector_type(p, s);
    const char *and[2] = {c_value(p, operand(i, 0)), c_text(p, "%s_splat(1)", v)};
    const char *sub[2] = {c_text(p, "%s_splat(0)", v), c_vector_op(p, c_op_named("and"), s, s, and)};
    define(p, i, c_mask_convert(p, t, s.bits, c_mask_bits(p, i), c_vector_op(p, c_op_named("sub"), s, s, sub)));
}

static void print_conversion(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef to = LLVMTypeOf(i), from = LLVMTypeOf(operand(i, 0));
    LLVMOpcode opcode = LLVMGetInstructionOpcode(i);
    const c_op *op = c_op_of_opcode(opcode);
    if (c_is_mask(to) && opcode == LLVMTrunc) {
        print_narrowed_to_mask(p, i);
    } else if (c_is_mask(to)) {
        c_cannot(p, "%s to a vector of i1", op->name);
    } else if (c_is_mask(from)) {
        print_widened_mask(p, i, opcode);
    } else {
        const char *operands[1] = {c_value(p, operand(i, 0))};
        define(p, i,
               c_is_vector(to) ? c_vector_op(p, op, c_shape_of(p, to), c_shape_of(p, from), operands)
                               : c_scalar_op(p, op, to, from, operands));
    }
}

/* One scalar as another, through memory; a compiler makes that a move. */
static const char *scalar_bits(c_printer *p, LLVMTypeRef to, LLVMTypeRef from, const char *x) {
    bool to_float = LLVMGetTypeKind(to) == LLVMFloatTypeKind, from_float = LLVMGetTypeKind(from) == LLVMFloatTypeKind;
    bool to_double = LLVMGetTypeKind(to) == LLVMDoubleTypeKind;
    bool from_double = LLVMGetTypeKind(from) == LLVMDoubleTypeKind;
    p->pieces[C_PIECE_BITS] = true;
    if (to_float || to_double)
        return c_text(p, "ir_f%u_of_bits(%s)", to_double ? 64u : 32u, x);
    if (from_float || from_double)
        return c_text(p, "ir_bits_of_f%u(%s)", from_double ? 64u : 32u, x);
    return x;
}

static void print_bit_cast(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef to = LLVMTypeOf(i), from = LLVMTypeOf(operand(i, 0));
    LLVMValueRef v = operand(i, 0);
    if (c_is_mask(to) && c_is_mask(from)) {
        define(p, i, c_mask_value(p, v, c_mask_bits(p, i)));
    } else if (c_is_mask(from) && !c_is_vector(to)) {
        define(p, i, c_mask_to_bits(p, mask_shape_of(p, v), c_mask_value(p, v, c_mask_bits(p, v))));
    } else if (c_is_mask(to) && !c_is_vector(from)) {
        define(p, i, c_bits_to_mask(p, mask_shape_of(p, i), c_value(p, v)));
    } else if (c_is_mask(to) || c_is_mask(from)) {
        c_cannot(p, "a bit cast between vectors of i1 and of more");
    } else if (c_is_vector(to) && c_is_vector(from)) {
        define(p, i, c_reinterpret(p, c_shape_of(p, to), c_shape_of(p, from), c_value(p, v)));
    } else if (c_is_vector(to) || c_is_vector(from)) {
        const c_local *l = c_map_get(p->locals, i);
        bool local = c_map_get(p->locals, v) != NULL;
        const char *x = local ? c_value(p, v) : c_text(p, "source_%s", l->name);
        if (!local) {
            const char *type = c_type_of(p, v);
            fprintf(p->body, "    %s source_%s = %s;\n", type, l->name, c_value(p, v));
        }
        fprintf(p->body, "    %s %s;\n", c_type_of(p, i), l->name);
        fprintf(p->body, "    memcpy(&%s, &%s, %llu);\n", l->name, x, LLVMSizeOfTypeInBits(p->layout, to) / 8);
    } else {
        define(p, i, scalar_bits(p, to, from, c_value(p, v)));
    }
}

static void print_pointer_cast(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef to = LLVMTypeOf(i), address = LLVMInt64TypeInContext(p->context);
    const char *x = c_value(p, operand(i, 0));
    if (LLVMGetInstructionOpcode(i) == LLVMIntToPtr) {
        define(p, i, c_text(p, "(char *)(uintptr_t)%s", x));
        return;
    }
    const char *operands[1] = {c_text(p, "(uint64_t)(uintptr_t)%s", x)};
    define(p, i, c_scalar_op(p, c_op_named("trunc"), to, address, operands));
}

/* ---- choice and lanes ------------------------------------------------------------------------------------------- */

static const char *as_type_of(c_printer *p, LLVMValueRef v, LLVMValueRef i) {
    return c_is_mask(LLVMTypeOf(i)) ? c_mask_value(p, v, c_mask_bits(p, i)) : c_value(p, v);
}

static void print_select(c_printer *p, LLVMValueRef i) {
    LLVMValueRef condition = operand(i, 0);
    const char *a = as_type_of(p, operand(i, 1), i), *b = as_type_of(p, operand(i, 2), i);
    if (!c_is_vector(LLVMTypeOf(condition))) {
        define(p, i, c_text(p, "%s ? %s : %s", c_value(p, condition), a, b));
        return;
    }
    LLVMTypeRef t = LLVMTypeOf(i);
    c_shape s = c_is_mask(t) ? mask_shape_of(p, i) : c_shape_of(p, t);
    const char *type = c_vector_type(p, s);
    define(p, i, c_text(p, "%s_select(%s, %s, %s)", type, c_mask_value(p, condition, s.bits), a, b));
}

static void print_extract(c_printer *p, LLVMValueRef i) {
    LLVMValueRef v = operand(i, 0);
    const char *type = c_type_of(p, v), *x = as_type_of(p, v, v);
    define(p, i, c_text(p, "%s_extract(%s, %s)", type, x, c_value(p, operand(i, 1))));
}

static void print_insert(c_printer *p, LLVMValueRef i) {
    const char *lane = c_value(p, operand(i, 1)), *type = c_type_of(p, i);
    if (c_is_mask(LLVMTypeOf(i)))
        lane = c_text(p, "(uint%u_t)0 - %s", c_mask_bits(p, i), lane);
    const char *x = as_type_of(p, operand(i, 0), i);
    define(p, i, c_text(p, "%s_insert(%s, %s, %s)", type, x, c_value(p, operand(i, 2)), lane));
}

static void print_shuffle(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef t = LLVMTypeOf(i), from = LLVMTypeOf(operand(i, 0));
    unsigned count = LLVMGetNumMaskElements(i);
    int *mask = ARENA_ARRAY(p->mem, int, count);
    for (unsigned lane = 0; lane < count; lane++)
        mask[lane] = LLVMGetMaskValue(i, lane);
    bool truths = c_is_mask(t);
    unsigned bits = truths ? c_mask_bits(p, i) : 0;
    c_shape to = truths ? c_mask_shape(t, bits) : c_shape_of(p, t);
    c_shape have = truths ? c_mask_shape(from, bits) : c_shape_of(p, from);
    const char *a = truths ? c_mask_value(p, operand(i, 0), bits) : c_value(p, operand(i, 0));
    const char *b = LLVMIsUndef(operand(i, 1)) ? a
                    : truths                   ? c_mask_value(p, operand(i, 1), bits)
                                               : c_value(p, operand(i, 1));
    define(p, i, c_shuffle(p, to, have, a, b, mask));
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* How accesses to scalars end: "u32", "f64", "ptr", "bool". Odd widths take the bytes that they have. */
static const char *access_name(c_printer *p, LLVMTypeRef t) {
    switch (LLVMGetTypeKind(t)) {
    case LLVMPointerTypeKind:
        return "ptr";
    case LLVMIntegerTypeKind: {
        unsigned bits = LLVMGetIntTypeWidth(t);
        if (bits > 1 && c_int_bits(bits) != bits)
            c_cannot(p, "an integer of %u bits in memory", bits);
        return bits == 1 ? "bool" : c_text(p, "u%u", bits);
    }
    default:
        return LLVMGetTypeKind(t) == LLVMFloatTypeKind ? "f32" : "f64";
    }
}

static void plain_access_only(c_printer *p, LLVMValueRef i) {
    if (LLVMGetVolatile(i) || LLVMGetOrdering(i) != LLVMAtomicOrderingNotAtomic)
        c_cannot(p, "volatile or atomic accesses");
}

/* The suffix and the last argument of an access to a vector: one of fewer lanes than its type takes fewer bytes. */
static const char *partial(c_printer *p, c_shape s) {
    return c_held_lanes(s) == s.lanes ? "" : c_text(p, ", %u", s.lanes * s.bits / 8);
}

static void print_load(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef t = LLVMTypeOf(i);
    const char *from = c_value(p, operand(i, 0));
    plain_access_only(p, i);
    if (c_is_mask(t)) {
        unsigned lanes = LLVMGetVectorSize(t);
        const char *bits = c_text(p, "ir_load_u%u(%s)", c_int_bits(lanes), from);
        define(p, i, c_bits_to_mask(p, mask_shape_of(p, i), bits));
    } else if (c_is_vector(t)) {
        c_shape s = c_shape_of(p, t);
        const char *part = partial(p, s);
        define(p, i, c_text(p, "%s_load%s(%s%s)", c_vector_type(p, s), *part ? "_part" : "", from, part));
    } else {
        (void)c_scalar_type(p, t);
        define(p, i, c_text(p, "ir_load_%s(%s)", access_name(p, t), from));
    }
}

static void print_store(c_printer *p, LLVMValueRef i) {
    LLVMValueRef v = operand(i, 0);
    LLVMTypeRef t = LLVMTypeOf(v);
    const char *to = c_value(p, operand(i, 1));
    plain_access_only(p, i);
    if (c_is_mask(t)) {
        unsigned lanes = LLVMGetVectorSize(t);
        c_shape s = mask_shape_of(p, v);
        fprintf(p->body, "    ir_store_u%u(%s, %s);\n", c_int_bits(lanes), to,
                c_mask_to_bits(p, s, c_mask_value(p, v, s.bits)));
    } else if (c_is_vector(t)) {
        c_shape s = c_shape_of(p, t);
        const char *part = partial(p, s);
        const char *type = c_vector_type(p, s);
        fprintf(p->body, "    %s_store%s(%s, %s%s);\n", type, *part ? "_part" : "", to, c_value(p, v), part);
    } else {
        (void)c_scalar_type(p, t);
        fprintf(p->body, "    ir_store_%s(%s, %s);\n", access_name(p, t), to, c_value(p, v));
    }
}

/* Space in the function's frame, of the type that is kept there, so that a compiler can keep it in registers. */
static void print_alloca(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef t = LLVMGetAllocatedType(i);
    LLVMValueRef count = operand(i, 0);
    const c_local *l = c_map_get(p->locals, i);
    if (!LLVMIsAConstantInt(count) ||
        LLVMGetInstructionParent(i) != LLVMGetEntryBasicBlock(LLVMGetBasicBlockParent(LLVMGetInstructionParent(i))))
        c_cannot(p, "an alloca outside of the entry block or of a size that is not constant");
    uint64_t items = LLVMIsAConstantInt(count) ? LLVMConstIntGetZExtValue(count) : 1;
    while (LLVMGetTypeKind(t) == LLVMArrayTypeKind) {
        items *= LLVMGetArrayLength2(t);
        t = LLVMGetElementType(t);
    }
    unsigned align = LLVMGetAlignment(i), natural = LLVMABIAlignmentOfType(p->layout, t);
    const char *type = "char";
    LLVMTypeKind kind = LLVMGetTypeKind(t);
    bool exact = c_is_vector(t) && !c_is_mask(t) && c_held_lanes(c_shape_of(p, t)) == LLVMGetVectorSize(t);
    if (exact)
        type = c_vector_type(p, c_shape_of(p, t));
    else if (c_is_vector(t) || kind == LLVMStructTypeKind)
        items *= LLVMABISizeOfType(p->layout, t);
    else
        type = c_scalar_type(p, t);
    bool one = items == 1;
    fprintf(p->body, "    _Alignas(%u) %s%s%s_space", align > natural ? align : natural, type,
            kind == LLVMPointerTypeKind ? "" : " ", l->name);
    if (!one)
        fprintf(p->body, "[%llu]", (unsigned long long)(items ? items : 1));
    fprintf(p->body, ";\n    char *%s = (char *)%s%s_space;\n", l->name, one ? "&" : "", l->name);
}

static void print_gep(c_printer *p, LLVMValueRef i) {
    define(p, i, c_address(p, i));
}

static void print_freeze(c_printer *p, LLVMValueRef i) {
    define(p, i, as_type_of(p, operand(i, 0), i));
}

static void print_call_statement(c_printer *p, LLVMValueRef i) {
    bool named = c_map_get(p->locals, i) != NULL;
    c_print_call(p, i, named ? c_definition(p, i) : "");
}

void c_print_instruction(c_printer *p, LLVMValueRef i) {
    static const struct {
        LLVMOpcode opcode;
        void (*print)(c_printer *p, LLVMValueRef i);
    } printers[] = {
        {LLVMICmp, print_compare},
        {LLVMFCmp, print_compare},
        {LLVMBitCast, print_bit_cast},
        {LLVMPtrToInt, print_pointer_cast},
        {LLVMIntToPtr, print_pointer_cast},
        {LLVMSelect, print_select},
        {LLVMExtractElement, print_extract},
        {LLVMInsertElement, print_insert},
        {LLVMShuffleVector, print_shuffle},
        {LLVMLoad, print_load},
        {LLVMStore, print_store},
        {LLVMAlloca, print_alloca},
        {LLVMGetElementPtr, print_gep},
        {LLVMFreeze, print_freeze},
        {LLVMCall, print_call_statement},
    };
    LLVMOpcode opcode = LLVMGetInstructionOpcode(i);
    for (size_t k = 0; k < sizeof printers / sizeof *printers; k++)
        if (printers[k].opcode == opcode) {
            printers[k].print(p, i);
            return;
        }
    if (!c_op_of_opcode(opcode)) {
        char *text = LLVMPrintValueToString(i);
        c_cannot(p, "the instruction%s", text);
        LLVMDisposeMessage(text);
    } else if (opcode >= LLVMTrunc && opcode <= LLVMBitCast) {
        print_conversion(p, i);
    } else {
        print_arithmetic(p, i);
    }
}
