/* Writing LLVM IR: functions, control and scalars. Vectors are in vectors.c. */
#include "codegen/llvm/emitter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

emitter emitter_new(arena *a, LLVMContextRef c, const char *name) {
    emitter e = {.arena = a, .context = c, .suffix = ""};
    e.module = LLVMModuleCreateWithNameInContext(name, c);
    e.builder = LLVMCreateBuilderInContext(c);
    e.i1 = LLVMInt1TypeInContext(c);
    e.i8 = LLVMInt8TypeInContext(c);
    e.i16 = LLVMInt16TypeInContext(c);
    e.i32 = LLVMInt32TypeInContext(c);
    e.i64 = LLVMInt64TypeInContext(c);
    e.f32 = LLVMFloatTypeInContext(c);
    e.ptr = LLVMPointerTypeInContext(c, 0);
    e.none = LLVMVoidTypeInContext(c);
    e.vf = LLVMVectorType(e.f32, LANES);
    e.vi = LLVMVectorType(e.i32, LANES);
    e.vb = LLVMVectorType(e.i8, LANES);
    e.vu = LLVMVectorType(e.i64, LANES);
    return e;
}

/* ---- functions -------------------------------------------------------------------------------------------------- */

const char *name_of(emitter *e, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_printf(e->arena, "%s%s", text, e->suffix);
}

/* The constant is declared as an int. */
static const LLVMAttributeIndex whole_function = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;

static void attribute(emitter *e, val f, const char *key, const char *value) {
    LLVMAddAttributeAtIndex(
        f, whole_function,
        LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value)));
}

void function_attribute(emitter *e, val f, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(f, whole_function, LLVMCreateEnumAttribute(e->context, kind, 0));
}

val function_begin(emitter *e, const char *name, type result, const type *params, unsigned count) {
    type t = LLVMFunctionType(result, (type *)params, count, false);
    val f = LLVMAddFunction(e->module, name, t);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    function_attribute(e, f, "nounwind");
    if (e->cpu) {
        attribute(e, f, "target-cpu", e->cpu);
        attribute(e, f, "target-features", e->features);
        attribute(e, f, "prefer-vector-width", "512");
    }
    e->outer[e->depth].function = e->function;
    e->outer[e->depth].entry = e->entry;
    e->outer[e->depth++].here = LLVMGetInsertBlock(e->builder);
    e->function = f;
    e->entry = LLVMAppendBasicBlockInContext(e->context, f, "entry");
    LLVMBasicBlockRef first = LLVMAppendBasicBlockInContext(e->context, f, "first");
    LLVMPositionBuilderAtEnd(e->builder, first);
    return f;
}

void function_end(emitter *e) {
    if (LLVMGetReturnType(LLVMGlobalGetValueType(e->function)) == e->none)
        LLVMBuildRetVoid(e->builder);
    LLVMPositionBuilderAtEnd(e->builder, e->entry);
    LLVMBuildBr(e->builder, LLVMGetNextBasicBlock(e->entry));
    e->function = e->outer[--e->depth].function;
    e->entry = e->outer[e->depth].entry;
    if (e->outer[e->depth].here)
        LLVMPositionBuilderAtEnd(e->builder, e->outer[e->depth].here);
}

val arg(emitter *e, unsigned i) {
    return LLVMGetParam(e->function, i);
}

val function_find(emitter *e, const char *name) {
    return LLVMGetNamedFunction(e->module, name);
}

val call(emitter *e, val function, const val *args, unsigned count) {
    return LLVMBuildCall2(e->builder, LLVMGlobalGetValueType(function), function, (val *)args, count, "");
}

val external(emitter *e, const char *name, type result, const type *params, unsigned count) {
    val f = LLVMGetNamedFunction(e->module, name);
    return f ? f : LLVMAddFunction(e->module, name, LLVMFunctionType(result, (type *)params, count, false));
}

/* ---- control ---------------------------------------------------------------------------------------------------- */

static LLVMBasicBlockRef block(emitter *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->context, e->function, name);
}

loop loop_begin(emitter *e, val from, val to, uint64_t step) {
    loop l = {.to = to, .step = i64_of(e, step), .body = block(e, "loop"), .done = block(e, "done")};
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
    LLVMBuildCondBr(e->builder, less(e, from, to), l.body, l.done);
    LLVMPositionBuilderAtEnd(e->builder, l.body);
    l.index = LLVMBuildPhi(e->builder, e->i64, "i");
    LLVMAddIncoming(l.index, &from, &before, 1);
    return l;
}

void loop_end(emitter *e, loop *l) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
    val next = LLVMBuildNUWAdd(e->builder, l->index, l->step, "");
    LLVMAddIncoming(l->index, &next, &last, 1);
    LLVMBuildCondBr(e->builder, less(e, next, l->to), l->body, l->done);
    LLVMPositionBuilderAtEnd(e->builder, l->done);
}

branch if_begin(emitter *e, val condition) {
    branch b = {.other = block(e, "else"), .done = block(e, "endif")};
    LLVMBasicBlockRef yes = block(e, "then");
    LLVMBuildCondBr(e->builder, condition, yes, b.other);
    LLVMPositionBuilderAtEnd(e->builder, yes);
    return b;
}

void if_else(emitter *e, branch *b) {
    LLVMBuildBr(e->builder, b->done);
    LLVMPositionBuilderAtEnd(e->builder, b->other);
    b->has_other = true;
}

void if_end(emitter *e, branch *b) {
    LLVMBuildBr(e->builder, b->done);
    if (!b->has_other) {
        LLVMPositionBuilderAtEnd(e->builder, b->other);
        LLVMBuildBr(e->builder, b->done);
    }
    LLVMPositionBuilderAtEnd(e->builder, b->done);
}

var var_new(emitter *e, type of, val initial) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
    LLVMPositionBuilderAtEnd(e->builder, e->entry);
    var v = {LLVMBuildAlloca(e->builder, of, ""), of};
    LLVMPositionBuilderAtEnd(e->builder, here);
    if (initial)
        var_set(e, v, initial);
    return v;
}

val var_get(emitter *e, var v) {
    return LLVMBuildLoad2(e->builder, v.of, v.at, "");
}

void var_set(emitter *e, var v, val x) {
    LLVMBuildStore(e->builder, x, v.at);
}

/* ---- scalars ---------------------------------------------------------------------------------------------------- */

val i64_of(emitter *e, uint64_t n) {
    return LLVMConstInt(e->i64, n, false);
}

val i32_of(emitter *e, uint32_t n) {
    return LLVMConstInt(e->i32, n, false);
}

val f32_of(emitter *e, float x) {
    return LLVMConstReal(e->f32, (double)x);
}

val add(emitter *e, val a, val b) {
    return LLVMBuildAdd(e->builder, a, b, "");
}

val sub(emitter *e, val a, val b) {
    return LLVMBuildSub(e->builder, a, b, "");
}

val mul(emitter *e, val a, val b) {
    return LLVMBuildMul(e->builder, a, b, "");
}

val plus(emitter *e, val a, val b) {
    return LLVMBuildFAdd(e->builder, a, b, "");
}

val minus(emitter *e, val a, val b) {
    return LLVMBuildFSub(e->builder, a, b, "");
}

val times(emitter *e, val a, val b) {
    return LLVMBuildFMul(e->builder, a, b, "");
}

val over(emitter *e, val a, val b) {
    return LLVMBuildFDiv(e->builder, a, b, "");
}

val less(emitter *e, val a, val b) {
    return LLVMBuildICmp(e->builder, LLVMIntULT, a, b, "");
}

val smaller(emitter *e, val a, val b) {
    return LLVMBuildSelect(e->builder, less(e, a, b), a, b, "");
}

val round_up(emitter *e, val n, uint64_t to) {
    return LLVMBuildAnd(e->builder, add(e, n, i64_of(e, to - 1)), i64_of(e, ~(to - 1)), "");
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

val at(emitter *e, val base, val bytes) {
    return LLVMBuildGEP2(e->builder, e->i8, base, &bytes, 1, "");
}

val at_index(emitter *e, val base, val index, uint64_t stride) {
    return at(e, base, mul(e, index, i64_of(e, stride)));
}

static unsigned element_bytes(type t) {
    switch (LLVMGetTypeKind(t)) {
    case LLVMVectorTypeKind:
        return element_bytes(LLVMGetElementType(t));
    case LLVMIntegerTypeKind:
        return (LLVMGetIntTypeWidth(t) + 7) / 8;
    case LLVMFloatTypeKind:
        return 4;
    default:
        return 8;
    }
}

val load(emitter *e, type of, val from) {
    val x = LLVMBuildLoad2(e->builder, of, from, "");
    LLVMSetAlignment(x, element_bytes(of));
    return x;
}

val store(emitter *e, val x, val to) {
    val s = LLVMBuildStore(e->builder, x, to);
    LLVMSetAlignment(s, element_bytes(LLVMTypeOf(x)));
    return s;
}

void prefetch(emitter *e, val from) {
    val args[] = {from, i32_of(e, 0), i32_of(e, 2), i32_of(e, 1)}; /* for reading, second cache, data */
    val f = LLVMGetIntrinsicDeclaration(e->module, LLVMLookupIntrinsicID("llvm.prefetch", 13), &e->ptr, 1);
    call(e, f, args, 4);
}

val field(emitter *e, type of, val base, uint64_t offset) {
    return load(e, of, at(e, base, i64_of(e, offset)));
}

val element(emitter *e, type of, val base, val index) {
    return load(e, of, at_index(e, base, index, element_bytes(of)));
}
