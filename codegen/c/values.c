/* Operands: locals by name, constants as C expressions, tables for vectors of constants. */
#include <math.h>
#include <string.h>

#include "codegen/c/state.h"

/* ---- scalars ---------------------------------------------------------------------------------------------------- */

static bool is_floating(LLVMTypeRef t) {
    LLVMTypeKind k = LLVMGetTypeKind(t);
    return k == LLVMFloatTypeKind || k == LLVMDoubleTypeKind;
}

uint64_t c_constant_bits(LLVMValueRef v) {
    if (LLVMIsUndef(v) || LLVMIsNull(v))
        return 0;
    if (LLVMIsAConstantInt(v))
        return LLVMConstIntGetZExtValue(v);
    LLVMTypeRef t = LLVMTypeOf(v);
    LLVMContextRef c = LLVMGetTypeContext(t);
    bool single = LLVMGetTypeKind(t) == LLVMFloatTypeKind;
    return LLVMConstIntGetZExtValue(
        LLVMConstBitCast(v, single ? LLVMInt32TypeInContext(c) : LLVMInt64TypeInContext(c)));
}

bool c_not_finite(LLVMValueRef v) {
    LLVMBool loses;
    return is_floating(LLVMTypeOf(v)) && LLVMIsAConstantFP(v) && !isfinite(LLVMConstRealGetDouble(v, &loses));
}

static const char *floating(c_printer *p, LLVMValueRef v) {
    LLVMBool loses;
    bool single = LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMFloatTypeKind;
    double x = LLVMIsUndef(v) ? 0 : LLVMConstRealGetDouble(v, &loses);
    const char *suffix = single ? "f" : "";
    if (!isfinite(x)) {
        p->pieces[C_PIECE_BITS] = true;
        return c_text(p, "ir_f%u_of_bits(0x%llxu)", single ? 32u : 64u, (unsigned long long)c_constant_bits(v));
    }
    bool negative = signbit(x);
    if (fabs(x) < 1e6 && x == rint(x))
        return c_text(p, negative ? "(%.1f%s)" : "%.1f%s", x, suffix);
    return c_text(p, negative ? "(%a%s)" : "%a%s", x, suffix);
}

static const char *integer(c_printer *p, uint64_t bits, unsigned width) {
    if (width == 1)
        return bits ? "true" : "false";
    return c_text(p, bits < 65536 ? "%llu%s" : "0x%llx%s", (unsigned long long)bits, width > 32 ? "ull" : "u");
}

/* The address that a constant expression is. */
static const char *expression(c_printer *p, LLVMValueRef v) {
    LLVMOpcode opcode = LLVMGetConstOpcode(v);
    LLVMTypeRef t = LLVMTypeOf(v);
    const char *x = NULL;
    switch (opcode) {
    case LLVMGetElementPtr:
        return c_address(p, v);
    case LLVMPtrToInt:
        x = c_constant(p, LLVMGetOperand(v, 0));
        return c_text(p, "(%s)(uintptr_t)%s", c_scalar_type(p, t), x);
    case LLVMIntToPtr:
        x = c_constant(p, LLVMGetOperand(v, 0));
        return c_text(p, "(char *)(uintptr_t)%s", x);
    case LLVMAdd:
    case LLVMSub:
    case LLVMXor:
    case LLVMTrunc: {
        const c_op *op = c_op_of_opcode(opcode);
        LLVMTypeRef from = LLVMTypeOf(LLVMGetOperand(v, 0));
        const char *operands[2] = {c_constant(p, LLVMGetOperand(v, 0)), NULL};
        if (op->arity == 2)
            operands[1] = c_constant(p, LLVMGetOperand(v, 1));
        return c_text(p, "(%s)", c_scalar_op(p, op, t, from, operands));
    }
    default: {
        char *text = LLVMPrintValueToString(v);
        c_cannot(p, "the constant %s", text);
        LLVMDisposeMessage(text);
        return "0";
    }
    }
}

const char *c_constant(c_printer *p, LLVMValueRef v) {
    LLVMTypeRef t = LLVMTypeOf(v);
    if (LLVMIsAGlobalVariable(v))
        return c_text(p, "(char *)&%s", c_global_name(p, v));
    if (LLVMIsAFunction(v))
        return c_text(p, "(char *)%s", c_global_name(p, v));
    if (LLVMIsAConstantExpr(v))
        return expression(p, v);
    if (is_floating(t))
        return floating(p, v);
    if (LLVMGetTypeKind(t) == LLVMPointerTypeKind && (LLVMIsNull(v) || LLVMIsUndef(v)))
        return "(char *)0";
    if (LLVMGetTypeKind(t) == LLVMIntegerTypeKind && (LLVMIsAConstantInt(v) || LLVMIsUndef(v)))
        return LLVMGetIntTypeWidth(t) > 64 ? c_scalar_type(p, t)
                                           : integer(p, c_constant_bits(v), LLVMGetIntTypeWidth(t));
    char *text = LLVMPrintValueToString(v);
    c_cannot(p, "the constant %s", text);
    LLVMDisposeMessage(text);
    return "0";
}

/* ---- vectors ---------------------------------------------------------------------------------------------------- */

static LLVMValueRef lane_of(LLVMValueRef v, unsigned i) {
    return LLVMGetAggregateElement(v, i);
}

/* The constant in all lanes that are defined, or NULL if they differ. */
static LLVMValueRef splat_of(LLVMValueRef v, unsigned lanes) {
    LLVMValueRef splat = NULL;
    for (unsigned i = 0; i < lanes; i++) {
        LLVMValueRef lane = lane_of(v, i);
        if (!lane || (splat && !LLVMIsUndef(lane) && lane != splat))
            return NULL;
        if (!LLVMIsUndef(lane))
            splat = lane;
    }
    return splat ? splat : lane_of(v, 0);
}

/* The load of a table with the lanes; a table of the same content is shared. */
static const char *table(c_printer *p, c_shape s, const char *lanes, bool as_bits) {
    const char *type = as_bits ? c_text(p, "uint%u_t", s.bits) : c_lane_type(p, s);
    const char *content = c_text(p, "%s[%u] = {%s};", type, c_held_lanes(s), lanes);
    void **known = c_map_at_string(p->emitted, content);
    if (!*known) {
        const char *name = c_text(p, "ir_lanes_%u", ++p->counter);
        *known = (void *)(uintptr_t)name;
        fprintf(p->constants, "static const %s %s[%u] = {%s};\n", type, name, c_held_lanes(s), lanes);
    }
    return c_text(p, "%s_load(%s)", c_vector_type(p, s), (const char *)*known);
}

static const char *listed(c_printer *p, c_shape s, LLVMValueRef v,
                          const char *(*print)(c_printer *, LLVMValueRef, unsigned)) {
    const char **items = ARENA_ARRAY(p->mem, const char *, c_held_lanes(s));
    size_t length = 1;
    for (unsigned i = 0; i < c_held_lanes(s); i++) {
        LLVMValueRef lane = lane_of(v, i < s.lanes ? i : 0);
        items[i] = print(p, lane, s.bits);
        length += strlen(items[i]) + 2;
    }
    char *text = arena_alloc(p->mem, length), *to = text;
    for (unsigned i = 0; i < c_held_lanes(s); i++)
        to += sprintf(to, "%s%s", i ? ", " : "", items[i]);
    return text;
}

static const char *as_literal(c_printer *p, LLVMValueRef lane, unsigned bits) {
    (void)bits;
    return c_constant(p, lane);
}

static const char *as_bits(c_printer *p, LLVMValueRef lane, unsigned bits) {
    return integer(p, c_constant_bits(lane), bits);
}

static const char *as_mask(c_printer *p, LLVMValueRef lane, unsigned bits) {
    return integer(p, c_constant_bits(lane) ? UINT64_MAX >> (64 - bits) : 0, bits);
}

static const char *vector_constant(c_printer *p, LLVMValueRef v) {
    LLVMTypeRef t = LLVMTypeOf(v);
    c_shape s = c_shape_of(p, t);
    LLVMValueRef splat = splat_of(v, s.lanes);
    if (splat) {
        const char *type = c_vector_type(p, s);
        return c_text(p, "%s_splat(%s)", type, c_constant(p, splat));
    }
    bool finite = true;
    for (unsigned i = 0; i < s.lanes; i++) {
        LLVMValueRef lane = lane_of(v, i);
        if (!lane || LLVMIsAConstantExpr(lane)) {
            c_cannot(p, "a vector constant of addresses");
            return "0";
        }
        finite &= !c_not_finite(lane);
    }
    return table(p, s, listed(p, s, v, finite ? as_literal : as_bits), !finite);
}

static const char *mask_constant(c_printer *p, LLVMValueRef v, unsigned bits) {
    c_shape s = c_mask_shape(LLVMTypeOf(v), bits);
    LLVMValueRef splat = splat_of(v, s.lanes);
    if (splat)
        return c_text(p, "%s_splat(%s)", c_vector_type(p, s), as_mask(p, splat, bits));
    return table(p, s, listed(p, s, v, as_mask), false);
}

/* ---- operands --------------------------------------------------------------------------------------------------- */

const char *c_mask_value(c_printer *p, LLVMValueRef v, unsigned bits) {
    const c_local *l = c_map_get(p->locals, v);
    if (!l)
        return mask_constant(p, v, bits);
    return c_mask_convert(p, LLVMTypeOf(v), c_mask_bits(p, v), bits, l->name);
}

const char *c_value(c_printer *p, LLVMValueRef v) {
    const c_local *l = c_map_get(p->locals, v);
    if (l)
        return l->name;
    LLVMTypeRef t = LLVMTypeOf(v);
    if (c_is_mask(t))
        return mask_constant(p, v, C_MASK_BITS);
    return c_is_vector(t) ? vector_constant(p, v) : c_constant(p, v);
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

/* index * scale, as a signed number of bytes. */
static const char *scaled(c_printer *p, LLVMValueRef index, uint64_t scale, bool wraps) {
    unsigned bits = LLVMGetIntTypeWidth(LLVMTypeOf(index));
    const char *x = c_value(p, index);
    if (bits != 64) {
        const char *operands[1] = {x};
        x = c_scalar_op(p, c_op_named("sext"), LLVMInt64TypeInContext(p->context), LLVMTypeOf(index), operands);
        x = wraps ? c_text(p, "(%s)", x) : c_text(p, "(int64_t)(%s)", x);
    } else if (!wraps) {
        x = c_text(p, "(int64_t)%s", x);
    }
    return scale == 1 ? x : c_text(p, "%s * %llu", x, (unsigned long long)scale);
}

const char *c_address(c_printer *p, LLVMValueRef gep) {
    LLVMTypeRef t = LLVMGetGEPSourceElementType(gep);
    const char *text = c_value(p, LLVMGetOperand(gep, 0));
    bool wraps = !LLVMIsInBounds(gep);
    int64_t offset = 0;
    int count = LLVMGetNumOperands(gep);
    for (int o = 1; o < count; o++) {
        LLVMValueRef index = LLVMGetOperand(gep, (unsigned)o);
        if (c_is_vector(LLVMTypeOf(index)) || c_is_vector(LLVMTypeOf(LLVMGetOperand(gep, 0)))) {
            c_cannot(p, "vectors of addresses");
            return "0";
        }
        if (o > 1 && LLVMGetTypeKind(t) == LLVMStructTypeKind) {
            unsigned field = (unsigned)LLVMConstIntGetZExtValue(index);
            offset += (int64_t)LLVMOffsetOfElement(p->layout, t, field);
            t = LLVMStructGetTypeAtIndex(t, field);
            continue;
        }
        if (o > 1)
            t = LLVMGetElementType(t);
        uint64_t scale = LLVMABISizeOfType(p->layout, t);
        if (LLVMIsAConstantInt(index))
            offset += LLVMConstIntGetSExtValue(index) * (int64_t)scale;
        else
            text = c_text(p, "%s + %s", text, scaled(p, index, scale, wraps));
    }
    if (offset)
        text = c_text(p, "%s %c %lld", text, offset < 0 ? '-' : '+', (long long)(offset < 0 ? -offset : offset));
    return c_text(p, "(%s)", text);
}
