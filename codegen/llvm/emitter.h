/* Writing LLVM IR: the state of one module and the few idioms that all kernels are made of. Private to codegen/llvm.
 *
 * All vectors are of DTQ_HOST_LANES (16) lanes whatever the processor has; LLVM splits them. What a processor can do is
 * asked for in one place, the dot product of bytes (dot4.c). Floats are never contracted or reordered: plain plus,
 * times, fdiv without fast-math flags are NUMERICS.md's fl().
 */
#ifndef DTQ_CODEGEN_LLVM_EMITTER_H
#define DTQ_CODEGEN_LLVM_EMITTER_H

#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "runtime/host/abi.h"

typedef LLVMValueRef val;
typedef LLVMTypeRef type;

enum { LANES = DTQ_HOST_LANES, FUNCTIONS_NESTED = 8 };

typedef struct {
    arena *arena;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    dtq_host_level level;       /* whose kernels are being written */
    const char *suffix;         /* of their names: ".v4" */
    const char *cpu, *features; /* function attributes "target-cpu" and "target-features"; NULL: none */
    type i1, i8, i16, i32, i64, f32, ptr, none, vf, vi, vb, vu; /* vf, vi, vb, vu: 16 x float, i32, i8, i64 */
    val function;                                               /* being written */
    LLVMBasicBlockRef entry;                                    /* its allocas */
    struct {
        val function;
        LLVMBasicBlockRef entry, here;
    } outer[FUNCTIONS_NESTED]; /* functions that wait for one that they call to be written */
    unsigned depth;
    bool device; /* attention is a device's: no code is written for it */
} emitter;

/** Starts a module. Everything that the emitter allocates lives in `a`; LLVM's objects are disposed of by the caller.
 */
emitter emitter_new(arena *a, LLVMContextRef c, const char *name);

/* ---- functions and control -------------------------------------------------------------------------------------- */

/** "name" + suffix, and printf-like names in the arena. */
const char *name_of(emitter *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Begins a function of the current level; params in `types`. Internal linkage. The builder stands in its entry. A
 * function may be begun while another is being written, which goes on after function_end. */
val function_begin(emitter *e, const char *name, type result, const type *params, unsigned count);
void function_end(emitter *e);
/** Adds an attribute such as "alwaysinline". */
void function_attribute(emitter *e, val f, const char *name);
/** Parameter `i` of the function being written. */
val arg(emitter *e, unsigned i);
/** The internal function called `name` in the module, or NULL. */
val function_find(emitter *e, const char *name);
val call(emitter *e, val function, const val *args, unsigned count);
/** Declares (once) an external function. */
val external(emitter *e, const char *name, type result, const type *params, unsigned count);

/** for (index = from; index < to; index += step), unsigned; `step` a positive number. */
typedef struct {
    val index, to, step;
    LLVMBasicBlockRef body, done;
} loop;
loop loop_begin(emitter *e, val from, val to, uint64_t step);
void loop_end(emitter *e, loop *l);

/** if (condition) { … } [else { … }] */
typedef struct {
    LLVMBasicBlockRef other, done;
    bool has_other;
} branch;
branch if_begin(emitter *e, val condition);
void if_else(emitter *e, branch *b);
void if_end(emitter *e, branch *b);

/** A variable: promoted to a register if nothing takes its address. */
typedef struct {
    val at;
    type of;
} var;
var var_new(emitter *e, type of, val initial); /* initial NULL: not set */
val var_get(emitter *e, var v);
void var_set(emitter *e, var v, val x);

/* ---- values ----------------------------------------------------------------------------------------------------- */

val i64_of(emitter *e, uint64_t n);
val i32_of(emitter *e, uint32_t n);
val f32_of(emitter *e, float x);
val splat_f(emitter *e, float x);    /* a constant, in all lanes */
val splat_i(emitter *e, uint32_t x); /* the same of integers */
val spread(emitter *e, val scalar);  /* a scalar float or i32 in all lanes */

val add(emitter *e, val a, val b); /* integers, scalar or vector, wrapping */
val sub(emitter *e, val a, val b);
val mul(emitter *e, val a, val b);
val plus(emitter *e, val a, val b);
val minus(emitter *e, val a, val b);
val times(emitter *e, val a, val b);
val over(emitter *e, val a, val b);
val smaller(emitter *e, val a, val b);        /* integers, unsigned: the minimum */
val less(emitter *e, val a, val b);           /* integers, unsigned: a < b */
val round_up(emitter *e, val n, uint64_t to); /* `to` a power of two */

/** base + bytes; base + index * stride bytes. */
val at(emitter *e, val base, val bytes);
val at_index(emitter *e, val base, val index, uint64_t stride);
/** Loads and stores assume the alignment of one element only. */
val load(emitter *e, type of, val from);
val store(emitter *e, val x, val to);
/** Asks for a line of memory to be brought to the second cache; touches nothing, so any address will do. */
void prefetch(emitter *e, val from);
/** A field of a C struct at `base` (use offsetof). */
val field(emitter *e, type of, val base, uint64_t offset);
/** Element `index` of an array of pointers or numbers at `base`. */
val element(emitter *e, type of, val base, val index);

/* ---- vectors of 16 ---------------------------------------------------------------------------------------------- */

val to_float(emitter *e, val x);      /* signed integers to floats, rounded to nearest */
val to_int(emitter *e, val x);        /* floats that are whole and in range, to i32 */
val round_even(emitter *e, val x);    /* NUMERICS.md's rne as float */
val square_root(emitter *e, val x);   /* correctly rounded */
val magnitude(emitter *e, val x);     /* |x| */
val bits_to_float(emitter *e, val x); /* bit casts between <16 x i32> and <16 x float>, or scalars */
val bits_to_int(emitter *e, val x);
val fgreater(emitter *e, val a, val b); /* ordered a > b */
val fless(emitter *e, val a, val b);
val fgreater_or_nan(emitter *e, val a, val b); /* true where one is a NaN, too */
val fless_or_nan(emitter *e, val a, val b);
val choose(emitter *e, val condition, val a, val b);
val larger_of(emitter *e, val a, val b); /* a > b ? a : b */
val shuffle(emitter *e, val a, val b, const unsigned *lanes, unsigned count);
/** NUMERICS.md's tree over 16 lanes; the maximum of 16 lanes. */
val sum_tree(emitter *e, val x);
val max_lane(emitter *e, val x);
val larger_unsigned(emitter *e, val a, val b); /* of integers */
val max_lane_unsigned(emitter *e, val x);      /* of integers */
val any_lane(emitter *e, val condition);       /* whether a <16 x i1> holds anywhere */
val lane_numbers(emitter *e);                  /* <0, 1, … 15> as i32 */

/** 2^t by NUMERICS.md's polynomial for t in (-126, 0]; other lanes are whatever the caller then replaces. */
val exp2_inside(emitter *e, val t);
/** 2^t for t <= 0: 0 for t <= -126 and NaN. */
val exp2_nonpositive(emitter *e, val t);

/** acc + the products of the four unsigned bytes of each lane of `a` and the signed ones of `b` (dot4.c). */
val dot4(emitter *e, val acc, val a, val b);

#endif
