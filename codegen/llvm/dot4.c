/* The one operation that processors differ in: products of four unsigned and four signed bytes, added to an int32 lane.
 * It is a function of the module, always inlined, with a body for the level that is being compiled; where code is
 * printed as C it becomes a helper with a body for each kind of processor. */
#include <string.h>

#include "codegen/llvm/emitter.h"

static val intrinsic(emitter *e, const char *name, val *args, unsigned count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    return call(e, LLVMGetIntrinsicDeclaration(e->module, id, NULL, 0), args, count);
}

/* Products of pairs of int16, added pairwise to int32: exact, as no product of a byte by a byte overflows. */
static val products_of_pairs(emitter *e, val a, val b) {
    static const struct {
        const char *name;
        unsigned lanes;
    } widest[DTQ_HOST_LEVELS] = {
        [DTQ_HOST_V2] = {"llvm.x86.sse2.pmadd.wd", 8},
        [DTQ_HOST_V3] = {"llvm.x86.avx2.pmadd.wd", 16},
        [DTQ_HOST_V4] = {"llvm.x86.avx512.pmaddw.d.512", 32},
    };
    unsigned lanes = widest[e->level].lanes;
    unsigned numbers[64];
    for (unsigned i = 0; i < 64; i++)
        numbers[i] = i;
    val parts[4];
    for (unsigned p = 0; p < 32 / lanes; p++) {
        val args[2] = {shuffle(e, a, NULL, numbers + p * lanes, lanes),
                       shuffle(e, b, NULL, numbers + p * lanes, lanes)};
        parts[p] = intrinsic(e, widest[e->level].name, args, 2);
    }
    unsigned have = lanes / 2;
    for (unsigned count = 32 / lanes; count > 1; count /= 2, have *= 2)
        for (unsigned p = 0; p < count / 2; p++)
            parts[p] = shuffle(e, parts[2 * p], parts[2 * p + 1], numbers, 2 * have);
    return parts[0];
}

static val shifted(emitter *e, LLVMOpcode shift, val x, unsigned bits) {
    val amounts[32];
    for (int i = 0; i < 32; i++)
        amounts[i] = LLVMConstInt(e->i16, bits, false);
    return LLVMBuildBinOp(e->builder, shift, x, LLVMConstVector(amounts, 32), "");
}

/* Bytes 0 and 2 of a lane as two int16, then bytes 1 and 3. */
static val by_pairs(emitter *e, val acc, val a, val b) {
    type words = LLVMVectorType(e->i16, 32);
    a = LLVMBuildBitCast(e->builder, a, words, "");
    b = LLVMBuildBitCast(e->builder, b, words, "");
    val a_even = shifted(e, LLVMLShr, shifted(e, LLVMShl, a, 8), 8);
    val b_even = shifted(e, LLVMAShr, shifted(e, LLVMShl, b, 8), 8);
    acc = add(e, acc, products_of_pairs(e, a_even, b_even));
    val a_odd = shifted(e, LLVMLShr, a, 8), b_odd = shifted(e, LLVMAShr, b, 8);
    return add(e, acc, products_of_pairs(e, a_odd, b_odd));
}

static val function_of_level(emitter *e) {
    const char *name = name_of(e, "dtq.dot4");
    val f = function_find(e, name);
    if (f)
        return f;
    type params[3] = {e->vi, e->vi, e->vi};
    if (e->level == DTQ_HOST_PORTABLE)
        return external(e, name, e->vi, params, 3);
    f = function_begin(e, name, e->vi, params, 3);
    function_attribute(e, f, "alwaysinline");
    val args[3] = {arg(e, 0), arg(e, 1), arg(e, 2)};
    LLVMBuildRet(e->builder, e->level == DTQ_HOST_VNNI ? intrinsic(e, "llvm.x86.avx512.vpdpbusd.512", args, 3)
                                                       : by_pairs(e, args[0], args[1], args[2]));
    function_end(e);
    return f;
}

val dot4(emitter *e, val acc, val a, val b) {
    val args[3] = {acc, a, b};
    return call(e, function_of_level(e), args, 3);
}
