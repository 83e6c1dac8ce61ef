/* Types: what C calls the types of LLVM's values. */
#include "codegen/c/state.h"

bool c_is_vector(LLVMTypeRef t) {
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind;
}

bool c_is_mask(LLVMTypeRef t) {
    if (!c_is_vector(t))
        return false;
    LLVMTypeRef e = LLVMGetElementType(t);
    return LLVMGetTypeKind(e) == LLVMIntegerTypeKind && LLVMGetIntTypeWidth(e) == 1;
}

unsigned c_int_bits(unsigned bits) {
    unsigned held = 8;
    while (held < bits)
        held *= 2;
    return held;
}

const char *c_int_type(c_printer *p, unsigned bits, bool is_signed) {
    if (bits == 1)
        return "bool";
    if (bits > 64)
        c_cannot(p, "integers of %u bits", bits);
    return c_text(p, "%sint%u_t", is_signed ? "" : "u", c_int_bits(bits));
}

const char *c_scalar_type(c_printer *p, LLVMTypeRef t) {
    switch (LLVMGetTypeKind(t)) {
    case LLVMIntegerTypeKind:
        return c_int_type(p, LLVMGetIntTypeWidth(t), false);
    case LLVMFloatTypeKind:
        return "float";
    case LLVMDoubleTypeKind:
        return "double";
    case LLVMPointerTypeKind:
        return "char *";
    default: {
        char *name = LLVMPrintTypeToString(t);
        c_cannot(p, "values of type %s", name);
        LLVMDisposeMessage(name);
        return "int";
    }
    }
}

c_shape c_shape_of(c_printer *p, LLVMTypeRef t) {
    LLVMTypeRef e = LLVMGetElementType(t);
    c_shape s = {LLVMGetVectorSize(t), 32, 'f'};
    switch (LLVMGetTypeKind(e)) {
    case LLVMFloatTypeKind:
        return s;
    case LLVMDoubleTypeKind:
        s.bits = 64;
        return s;
    case LLVMIntegerTypeKind:
        s.kind = 'u';
        s.bits = LLVMGetIntTypeWidth(e);
        if (s.bits == 8 || s.bits == 16 || s.bits == 32 || s.bits == 64)
            return s;
        break;
    default:
        break;
    }
    char *name = LLVMPrintTypeToString(t);
    c_cannot(p, "values of type %s", name);
    LLVMDisposeMessage(name);
    s.bits = 8;
    return s;
}

c_shape c_mask_shape(LLVMTypeRef t, unsigned bits) {
    return (c_shape){LLVMGetVectorSize(t), bits, 'u'};
}
