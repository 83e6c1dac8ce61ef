/* Vectors of i1 are lanes of zeros or ones. Their width is free, and a select is cheap if it is that of the lanes it
 * chooses among. So the values that meet in and, or, phi, … form sets, found with union-find; a set is as wide as the
 * widest comparison in it. */
#include "codegen/c/state.h"

static c_local *local_of(c_printer *p, LLVMValueRef v) {
    return c_map_get(p->locals, v);
}

static uint32_t root(c_printer *p, uint32_t set) {
    while (p->masks[set].parent != set) {
        p->masks[set].parent = p->masks[p->masks[set].parent].parent;
        set = p->masks[set].parent;
    }
    return set;
}

static uint32_t new_set(c_printer *p) {
    if (p->mask_count == p->mask_capacity) {
        uint32_t capacity = p->mask_capacity ? 2 * p->mask_capacity : 64;
        p->masks = arena_resize(p->mem, p->masks, p->mask_capacity * sizeof *p->masks, capacity * sizeof *p->masks);
        p->mask_capacity = capacity;
    }
    p->masks[p->mask_count] = (c_mask_set){p->mask_count, 0};
    return p->mask_count++;
}

static void give_set(c_printer *p, LLVMValueRef v) {
    c_local *l = local_of(p, v);
    if (l && c_is_mask(LLVMTypeOf(v)))
        l->group = new_set(p);
}

static void join(c_printer *p, LLVMValueRef a, LLVMValueRef b) {
    c_local *x = local_of(p, a), *y = local_of(p, b);
    if (!x || !y || !x->group || !y->group)
        return;
    uint32_t to = root(p, x->group), from = root(p, y->group);
    if (p->masks[from].bits > p->masks[to].bits)
        p->masks[to].bits = p->masks[from].bits;
    p->masks[from].parent = to;
}

static unsigned compared_bits(c_printer *p, LLVMValueRef i) {
    LLVMTypeRef t = LLVMTypeOf(LLVMGetOperand(i, 0));
    return c_is_vector(t) && !c_is_mask(t) ? c_shape_of(p, t).bits : 0;
}

static void join_operands(c_printer *p, LLVMValueRef i) {
    LLVMOpcode opcode = LLVMGetInstructionOpcode(i);
    int count = LLVMGetNumOperands(i);
    if (opcode == LLVMCall || opcode == LLVMShuffleVector)
        return; /* the former has the width of calls; the latter may have another number of lanes */
    for (int o = opcode == LLVMSelect ? 1 : 0; o < count; o++)
        if (c_is_mask(LLVMTypeOf(LLVMGetOperand(i, (unsigned)o))))
            join(p, i, LLVMGetOperand(i, (unsigned)o));
    if (opcode == LLVMICmp || opcode == LLVMFCmp) {
        c_mask_set *s = &p->masks[root(p, local_of(p, i)->group)];
        unsigned bits = compared_bits(p, i);
        if (bits > s->bits)
            s->bits = bits;
    }
}

void c_choose_masks(c_printer *p, LLVMValueRef function) {
    p->mask_count = 0;
    new_set(p); /* set 0: of what is not a mask */
    for (LLVMValueRef a = LLVMGetFirstParam(function); a; a = LLVMGetNextParam(a))
        give_set(p, a);
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
            give_set(p, i);
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
            if (c_is_mask(LLVMTypeOf(i)) && local_of(p, i))
                join_operands(p, i);
}

unsigned c_mask_bits(c_printer *p, LLVMValueRef v) {
    c_local *l = local_of(p, v);
    unsigned bits = l && l->group ? p->masks[root(p, l->group)].bits : 0;
    return bits ? bits : C_MASK_BITS;
}

const char *c_mask_convert(c_printer *p, LLVMTypeRef t, unsigned from, unsigned to, const char *x) {
    if (from == to)
        return x;
    const char *operands[1] = {x};
    return c_vector_op(p, c_op_named(from < to ? "sext" : "trunc"), c_mask_shape(t, to), c_mask_shape(t, from),
                       operands);
}

const char *c_type_of(c_printer *p, LLVMValueRef v) {
    LLVMTypeRef t = LLVMTypeOf(v);
    if (c_is_mask(t))
        return c_vector_type(p, c_mask_shape(t, c_mask_bits(p, v)));
    return c_is_vector(t) ? c_vector_type(p, c_shape_of(p, t)) : c_scalar_type(p, t);
}

const char *c_abi_type(c_printer *p, LLVMTypeRef t, bool is_signed) {
    if (LLVMGetTypeKind(t) == LLVMVoidTypeKind)
        return "void";
    if (LLVMGetTypeKind(t) == LLVMPointerTypeKind)
        return "void *";
    if (c_is_mask(t))
        return c_vector_type(p, c_mask_shape(t, C_MASK_BITS));
    if (c_is_vector(t))
        return c_vector_type(p, c_shape_of(p, t));
    if (LLVMGetTypeKind(t) == LLVMIntegerTypeKind)
        return c_int_type(p, LLVMGetIntTypeWidth(t), is_signed);
    return c_scalar_type(p, t);
}
