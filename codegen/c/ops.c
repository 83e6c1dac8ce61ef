/* The operations that are the same on scalars and on each lane of a vector, as a table of C expressions. */
#include <string.h>

#include "codegen/c/state.h"

#define CHOOSE(condition, a, b) "DTQ_CHOOSE($u, $r, " condition ", " a ", " b ")"

static const c_op ops[] = {
    {"add", 2, 0, "$x + $y", NULL, C_PIECE_NONE},
    {"sub", 2, 0, "$x - $y", NULL, C_PIECE_NONE},
    {"mul", 2, 0, "$x * $y", "($w)$x * $y", C_PIECE_NONE},
    {"and", 2, 0, "$x & $y", NULL, C_PIECE_NONE},
    {"or", 2, 0, "$x | $y", NULL, C_PIECE_NONE},
    {"xor", 2, 0, "$x ^ $y", NULL, C_PIECE_NONE},
    /* amounts too large give poison, which may be computed and not used: it must not be undefined */
    {"shl", 2, 0, "$x << ($y & $m)", "($w)$x << ($y & $m)", C_PIECE_NONE},
    {"lshr", 2, 0, "$x >> ($y & $m)", NULL, C_PIECE_NONE},
    {"ashr", 2, 0, "($r)($X >> ($t)($y & $m))", "($r)($X >> ($y & $m))", C_PIECE_NONE},
    {"udiv", 2, 0, "$x / $y", NULL, C_PIECE_NONE},
    {"urem", 2, 0, "$x % $y", NULL, C_PIECE_NONE},
    {"sdiv", 2, 0, "($r)($X / $Y)", NULL, C_PIECE_NONE},
    {"srem", 2, 0, "($r)($X % $Y)", NULL, C_PIECE_NONE},
    {"fadd", 2, 0, "$x + $y", NULL, C_PIECE_NONE},
    {"fsub", 2, 0, "$x - $y", NULL, C_PIECE_NONE},
    {"fmul", 2, 0, "$x * $y", NULL, C_PIECE_NONE},
    {"fdiv", 2, 0, "$x / $y", NULL, C_PIECE_NONE},
    {"fneg", 1, 0, "-$x", NULL, C_PIECE_NONE},

    {"eq", 2, C_COMPARES, "($u)($x == $y)", "$x == $y", C_PIECE_NONE},
    {"ne", 2, C_COMPARES, "($u)($x != $y)", "$x != $y", C_PIECE_NONE},
    {"ugt", 2, C_COMPARES, "($u)($x > $y)", "$x > $y", C_PIECE_NONE},
    {"uge", 2, C_COMPARES, "($u)($x >= $y)", "$x >= $y", C_PIECE_NONE},
    {"ult", 2, C_COMPARES, "($u)($x < $y)", "$x < $y", C_PIECE_NONE},
    {"ule", 2, C_COMPARES, "($u)($x <= $y)", "$x <= $y", C_PIECE_NONE},
    {"sgt", 2, C_COMPARES, "($u)($X > $Y)", "$X > $Y", C_PIECE_NONE},
    {"sge", 2, C_COMPARES, "($u)($X >= $Y)", "$X >= $Y", C_PIECE_NONE},
    {"slt", 2, C_COMPARES, "($u)($X < $Y)", "$X < $Y", C_PIECE_NONE},
    {"sle", 2, C_COMPARES, "($u)($X <= $Y)", "$X <= $Y", C_PIECE_NONE},

    {"foeq", 2, C_COMPARES, "($u)($x == $y)", "$x == $y", C_PIECE_NONE},
    {"fogt", 2, C_COMPARES, "($u)($x > $y)", "$x > $y", C_PIECE_NONE},
    {"foge", 2, C_COMPARES, "($u)($x >= $y)", "$x >= $y", C_PIECE_NONE},
    {"folt", 2, C_COMPARES, "($u)($x < $y)", "$x < $y", C_PIECE_NONE},
    {"fole", 2, C_COMPARES, "($u)($x <= $y)", "$x <= $y", C_PIECE_NONE},
    {"fone", 2, C_COMPARES, "($u)($x < $y) | ($u)($x > $y)", "$x < $y || $x > $y", C_PIECE_NONE},
    {"ford", 2, C_COMPARES, "($u)($x == $x) & ($u)($y == $y)", "$x == $x && $y == $y", C_PIECE_NONE},
    {"funo", 2, C_COMPARES, "($u)($x != $x) | ($u)($y != $y)", "$x != $x || $y != $y", C_PIECE_NONE},
    {"fueq", 2, C_COMPARES, "~(($u)($x < $y) | ($u)($x > $y))", "!($x < $y || $x > $y)", C_PIECE_NONE},
    {"fugt", 2, C_COMPARES, "~($u)($x <= $y)", "!($x <= $y)", C_PIECE_NONE},
    {"fuge", 2, C_COMPARES, "~($u)($x < $y)", "!($x < $y)", C_PIECE_NONE},
    {"fult", 2, C_COMPARES, "~($u)($x >= $y)", "!($x >= $y)", C_PIECE_NONE},
    {"fule", 2, C_COMPARES, "~($u)($x > $y)", "!($x > $y)", C_PIECE_NONE},
    {"fune", 2, C_COMPARES, "($u)($x != $y)", "$x != $y", C_PIECE_NONE},

    {"trunc", 1, 0, "__builtin_convertvector($x, $r)", "($r)$x", C_PIECE_NONE},
    {"zext", 1, 0, "__builtin_convertvector($x, $r)", "($r)$x", C_PIECE_NONE},
    {"sext", 1, 0, "($r)__builtin_convertvector($X, $t)", "($r)($t)$X", C_PIECE_NONE},
    {"fptoui", 1, 0, "__builtin_convertvector($x, $r)", "($r)$x", C_PIECE_NONE},
    {"fptosi", 1, 0, "($r)__builtin_convertvector($x, $t)", "($r)($t)$x", C_PIECE_NONE},
    {"uitofp", 1, 0, "__builtin_convertvector($x, $r)", "($r)$x", C_PIECE_NONE},
    {"sitofp", 1, 0, "__builtin_convertvector($X, $r)", "($r)$X", C_PIECE_NONE},
    {"fptrunc", 1, 0, "__builtin_convertvector($x, $r)", "($r)$x", C_PIECE_NONE},
    {"fpext", 1, 0, "__builtin_convertvector($x, $r)", "($r)$x", C_PIECE_NONE},

    {"smin", 2, 0, CHOOSE("$X < $Y", "$x", "$y"), "$X < $Y ? $x : $y", C_PIECE_NONE},
    {"smax", 2, 0, CHOOSE("$X > $Y", "$x", "$y"), "$X > $Y ? $x : $y", C_PIECE_NONE},
    {"umin", 2, 0, CHOOSE("$x < $y", "$x", "$y"), "$x < $y ? $x : $y", C_PIECE_NONE},
    {"umax", 2, 0, CHOOSE("$x > $y", "$x", "$y"), "$x > $y ? $x : $y", C_PIECE_NONE},
    {"abs", 1, 0, CHOOSE("$X < 0", "-$x", "$x"), "$X < 0 ? 0 - ($w)$x : $x", C_PIECE_NONE},
    {"uadd_sat", 2, 0, "($x + $y) | ($r)(($x + $y) < $x)", "($r)($x + $y) < $x ? ($r)~($w)0 : ($r)($x + $y)",
     C_PIECE_NONE},
    {"usub_sat", 2, 0, "($x - $y) & ($r)($x > $y)", "$x > $y ? $x - $y : 0", C_PIECE_NONE},
    {"fshl", 3, 0, "($x << ($z & $m)) | ($y >> 1 >> (~$z & $m))", "(($w)$x << ($z & $m)) | ($y >> 1 >> (~$z & $m))",
     C_PIECE_NONE},
    {"fshr", 3, 0, "($x << 1 << (~$z & $m)) | ($y >> ($z & $m))", "(($w)$x << 1 << (~$z & $m)) | ($y >> ($z & $m))",
     C_PIECE_NONE},
    {"ctpop", 1, 0, NULL, "($r)ir_ones($x)", C_PIECE_COUNT},
    {"ctlz", 1, 0, NULL, "($r)ir_leading_zeros($x, $b)", C_PIECE_COUNT},
    {"cttz", 1, 0, NULL, "($r)ir_trailing_zeros($x, $b)", C_PIECE_COUNT},
    {"bswap", 1, 0, NULL, "($r)ir_swapped($x, $b)", C_PIECE_SWAP},

    {"fabs", 1, 0, "($r)(($u)$x & $K)", "ir_fabs_f$b($x)", C_PIECE_BITS},
    {"copysign", 2, 0, "($r)((($u)$x & $K) | (($u)$y & $k))", "ir_copysign_f$b($x, $y)", C_PIECE_BITS},
    {"minnum", 2, 0, CHOOSE("($x < $y) | ($y != $y)", "$x", "$y"), "$x < $y || $y != $y ? $x : $y", C_PIECE_NONE},
    {"maxnum", 2, 0, CHOOSE("($x > $y) | ($y != $y)", "$x", "$y"), "$x > $y || $y != $y ? $x : $y", C_PIECE_NONE},
    {"roundeven", 1, 0, "DTQ_ROUNDEVEN_F$b_$B($r, $u, $x)", "ir_roundeven_f$b($x)", C_PIECE_ROUNDEVEN},
    {"sqrt", 1, 0, "DTQ_SQRT_F$b_$B($r, $x)", "ir_sqrt_f$b($x)", C_PIECE_SQRT},
    {"floor", 1, 0, NULL, "floor$F($x)", C_PIECE_NONE},
    {"ceil", 1, 0, NULL, "ceil$F($x)", C_PIECE_NONE},
    {"ftrunc", 1, 0, NULL, "trunc$F($x)", C_PIECE_NONE},
    {"fma", 3, 0, NULL, "fma$F($x, $y, $z)", C_PIECE_NONE},
    {"dot4", 3, 0, "DTQ_DOT4_$B($r, $x, $y, $z)", "ir_dot4($x, $y, $z)", C_PIECE_DOT4},
};

const c_op *c_op_named(const char *name) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}

const c_op *c_op_of_opcode(LLVMOpcode opcode) {
    static const struct {
        LLVMOpcode opcode;
        const char *name;
    } names[] = {
        {LLVMAdd, "add"},       {LLVMSub, "sub"},         {LLVMMul, "mul"},       {LLVMAnd, "and"},
        {LLVMOr, "or"},         {LLVMXor, "xor"},         {LLVMShl, "shl"},       {LLVMLShr, "lshr"},
        {LLVMAShr, "ashr"},     {LLVMUDiv, "udiv"},       {LLVMURem, "urem"},     {LLVMSDiv, "sdiv"},
        {LLVMSRem, "srem"},     {LLVMFAdd, "fadd"},       {LLVMFSub, "fsub"},     {LLVMFMul, "fmul"},
        {LLVMFDiv, "fdiv"},     {LLVMFNeg, "fneg"},       {LLVMTrunc, "trunc"},   {LLVMZExt, "zext"},
        {LLVMSExt, "sext"},     {LLVMFPToUI, "fptoui"},   {LLVMFPToSI, "fptosi"}, {LLVMUIToFP, "uitofp"},
        {LLVMSIToFP, "sitofp"}, {LLVMFPTrunc, "fptrunc"}, {LLVMFPExt, "fpext"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].opcode == opcode)
            return c_op_named(names[i].name);
    return NULL;
}

const c_op *c_op_of_icmp(LLVMIntPredicate predicate) {
    static const char *const names[] = {"eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle"};
    return c_op_named(names[predicate - LLVMIntEQ]);
}

const c_op *c_op_of_fcmp(LLVMRealPredicate predicate) {
    static const char *const names[] = {"foeq", "fogt", "foge", "folt", "fole", "fone", "ford",
                                        "funo", "fueq", "fugt", "fuge", "fult", "fule", "fune"};
    return predicate == LLVMRealPredicateFalse || predicate == LLVMRealPredicateTrue
               ? NULL
               : c_op_named(names[predicate - LLVMRealOEQ]);
}

const c_op *c_op_of_intrinsic(const char *name) {
    static const struct {
        const char *intrinsic, *name;
    } names[] = {
        {"llvm.smin", "smin"},         {"llvm.smax", "smax"},
        {"llvm.umin", "umin"},         {"llvm.umax", "umax"},
        {"llvm.abs", "abs"},           {"llvm.uadd.sat", "uadd_sat"},
        {"llvm.usub.sat", "usub_sat"}, {"llvm.fshl", "fshl"},
        {"llvm.fshr", "fshr"},         {"llvm.ctpop", "ctpop"},
        {"llvm.ctlz", "ctlz"},         {"llvm.cttz", "cttz"},
        {"llvm.bswap", "bswap"},       {"llvm.fabs", "fabs"},
        {"llvm.copysign", "copysign"}, {"llvm.minnum", "minnum"},
        {"llvm.maxnum", "maxnum"},     {"llvm.roundeven", "roundeven"},
        {"llvm.rint", "roundeven"},    {"llvm.nearbyint", "roundeven"},
        {"llvm.sqrt", "sqrt"},         {"llvm.floor", "floor"},
        {"llvm.ceil", "ceil"},         {"llvm.trunc", "ftrunc"},
        {"llvm.fma", "fma"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].intrinsic, name) == 0)
            return c_op_named(names[i].name);
    return NULL;
}
