/* The C printer's state, and what its files ask of each other. Private to print_c*.c.
 *
 * Functions are printed first, into memory: that finds out which types, operations on vectors, constants and pieces of
 * the prelude the file needs. Then all is written in the order that C wants.
 *
 * How values are held: integers in unsigned types of 8, 16, 32 or 64 bits, odd widths with zeros above; i1 in bool;
 * pointers in char *; vectors in types such as v16f32 and v16u32 with a power of two of lanes, the lanes beyond the
 * vector's own being anything. A vector of i1 is a vector of unsigned lanes that are all zeros or all ones, as wide as
 * what was compared (masks.c).
 */
#ifndef DTQ_CODEGEN_LLVM_PRINT_C_STATE_H
#define DTQ_CODEGEN_LLVM_PRINT_C_STATE_H

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "codegen/c/map.h"
#include "ir/base/arena.h"

/* The lanes of a vector as C holds them. */
typedef struct {
    unsigned lanes; /* of the vector; its type has the next power of two */
    unsigned bits;  /* of a lane: 8, 16, 32, 64 */
    char kind;      /* 'u' or 'f' */
} c_shape;

/* What is known of a local value. */
typedef struct {
    const char *name;
    uint32_t group; /* of a vector of i1: its set in c_masks; otherwise 0 */
} c_local;

typedef struct {
    uint32_t parent;
    unsigned bits; /* widest comparison in the set, 0: none yet */
} c_mask_set;

/* Pieces of the prelude that are printed if something needs them. */
enum {
    C_PIECE_NONE = -1,
    C_PIECE_DOT4,
    C_PIECE_ROUNDEVEN,
    C_PIECE_SQRT,
    C_PIECE_BITS,
    C_PIECE_COUNT,
    C_PIECE_SWAP,
    C_PIECE_MASK_BITS,
    C_PIECE_MASKED,
    C_PIECE_SHUFFLE,
    C_PIECE_PREFETCH,
    C_PIECES
};

typedef struct {
    arena *mem;
    LLVMModuleRef module;
    LLVMContextRef context;
    LLVMTargetDataRef layout;
    const char *problem; /* the first; printing goes on, its result is dropped */
    FILE *lanes;         /* types and operations of vectors */
    bool has_lanes;      /* there are some */
    FILE *constants;     /* tables of vector constants */
    FILE *body;          /* functions */
    bool pieces[C_PIECES];
    c_map *emitted;   /* names of what was written to `lanes`; texts of `constants` to their names */
    c_map *taken;     /* identifiers of the file scope */
    c_map *globals;   /* LLVMValueRef to name */
    c_map *reached;   /* functions and variables that are needed */
    unsigned counter; /* of constants and unnamed globals */
    /* the function being printed */
    c_map *locals; /* LLVMValueRef to c_local */
    c_map *blocks; /* LLVMBasicBlockRef to label */
    c_mask_set *masks;
    uint32_t mask_count, mask_capacity;
} c_printer;

/** Records what cannot be said in C. */
void c_cannot(c_printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** printf into the printer's memory. */
char *c_text(c_printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- names (names.c) ------------------------------------------------------------------------------------ */

/** Gives names to all functions and variables. */
void c_name_globals(c_printer *p);
/** The C name of a function or variable. */
const char *c_global_name(c_printer *p, LLVMValueRef v);
/** An identifier for a local: its name in the module, if any, and a number. */
const char *c_local_name(c_printer *p, const char *name, size_t length, unsigned number);
/** Whether a declaration of this name comes with the headers that each file includes. */
bool c_from_header(const char *name);

/* ---- types (types.c) ------------------------------------------------------------------------------------ */

bool c_is_vector(LLVMTypeRef t);
/** Whether `t` is a vector of i1. */
bool c_is_mask(LLVMTypeRef t);
/** The scalar C type of a first-class scalar, "char *" for pointers. */
const char *c_scalar_type(c_printer *p, LLVMTypeRef t);
/** An integer's C type of `bits` bits (rounded up), "bool" for 1. */
const char *c_int_type(c_printer *p, unsigned bits, bool is_signed);
/** Bits of the C type that holds an integer of `bits`. */
unsigned c_int_bits(unsigned bits);
/** The shape of a vector that is not of i1. */
c_shape c_shape_of(c_printer *p, LLVMTypeRef t);
/** The shape of a vector of i1 held in lanes of `bits`. */
c_shape c_mask_shape(LLVMTypeRef t, unsigned bits);
/** The C type of a value of the function being printed: its mask set tells the width of a vector of i1. */
const char *c_type_of(c_printer *p, LLVMValueRef v);
/** The C type of `t` as parameter or result. Vectors of i1 have C_MASK_BITS there. */
const char *c_abi_type(c_printer *p, LLVMTypeRef t, bool is_signed);
enum { C_MASK_BITS = 32 };

/* ---- lanes (lanes.c) ------------------------------------------------------------------------------------ */

/** Lanes of the type that holds `s`. */
unsigned c_held_lanes(c_shape s);
/** Name of the C type, "v16f32"; its definition will be there. */
const char *c_vector_type(c_printer *p, c_shape s);
/** Type of a lane: "float", "uint32_t". */
const char *c_lane_type(c_printer *p, c_shape s);

/* An operation on scalars and, lane by lane, on vectors: a row of the table in ops.c. In the templates $x $y $z
 * are operands, $X $Y the same as signed numbers, $r the result's type, $t the signed type like it, $w an unsigned type
 * of at least 32 bits, $u the unsigned type like the operands, $m the number of a lane's highest bit, $b of its bits,
 * $B of the bytes of the vector, $k and $K the sign bit and all bits but it as literals, $S the length of the vector
 * type's last digits ("f32"). */
typedef struct {
    const char *name;
    unsigned arity;
    unsigned flags;
    const char *whole; /* on GNU vectors; NULL: lane by lane */
    const char *lane;  /* on scalars; NULL: as on vectors */
    int piece;         /* that it needs, or C_PIECE_NONE */
} c_op;
enum { C_COMPARES = 1 };

const c_op *c_op_of_opcode(LLVMOpcode opcode);
const c_op *c_op_of_icmp(LLVMIntPredicate predicate);
const c_op *c_op_of_fcmp(LLVMRealPredicate predicate);
/** The operation of an intrinsic such as "llvm.smax", or of a name such as "or"; NULL if there is none. */
const c_op *c_op_of_intrinsic(const char *name);
const c_op *c_op_named(const char *name);

/** An expression of the scalar operation on `operands`, of the type `from`; the result is of the type `to`. */
const char *c_scalar_op(c_printer *p, const c_op *op, LLVMTypeRef to, LLVMTypeRef from, const char *const *operands);
/** A call of the vector operation. `to` is ignored by comparisons, whose result is as `from`, but unsigned. */
const char *c_vector_op(c_printer *p, const c_op *op, c_shape to, c_shape from, const char *const *operands);
/** "v16u32_reduce_add(x)" for an operation of two operands. */
const char *c_reduce(c_printer *p, const c_op *op, c_shape s, const char *x);
/** A vector reinterpreted as another of the same size. */
const char *c_reinterpret(c_printer *p, c_shape to, c_shape from, const char *x);
/** Lanes all ones or zeros to a number of one bit a lane, and back. */
const char *c_mask_to_bits(c_printer *p, c_shape s, const char *x);
const char *c_bits_to_mask(c_printer *p, c_shape s, const char *x);
/** Name of the loads and stores under a mask, made if needed. */
const char *c_masked(c_printer *p, c_shape s, bool stores);
/** The call of a shuffle: result lane i is lane `mask[i]` of a and b one after the other; -1: any. */
const char *c_shuffle(c_printer *p, c_shape to, c_shape from, const char *a, const char *b, const int *mask);

/* ---- the prelude (prelude.c) ---------------------------------------------------------------------------- */

void c_print_prelude(const c_printer *p, const char *banner, FILE *out);
/** The headers of the compiler's intrinsics, if a piece uses them; the pieces (pieces.c). */
void c_print_intrinsics_header(const c_printer *p, FILE *out);
void c_print_pieces(const c_printer *p, FILE *out);

/* ---- values (values.c) ---------------------------------------------------------------------------------- */

/** An operand as a C expression that needs no parentheses. */
const char *c_value(c_printer *p, LLVMValueRef v);
/** The same of a vector of i1, in lanes of `bits`. */
const char *c_mask_value(c_printer *p, LLVMValueRef v, unsigned bits);
/** A scalar constant; in a static initialiser, pointers are of type void *. */
const char *c_constant(c_printer *p, LLVMValueRef v);
/** Whether a constant is a floating-point number that is not finite. */
bool c_not_finite(LLVMValueRef v);
/** The bits of an integer or floating-point constant. */
uint64_t c_constant_bits(LLVMValueRef v);
/** An address as a GEP, instruction or constant, says. */
const char *c_address(c_printer *p, LLVMValueRef gep);

/* ---- masks (masks.c) ------------------------------------------------------------------------------------ */

/** Chooses the widths of all vectors of i1 of a function whose locals have been named. */
void c_choose_masks(c_printer *p, LLVMValueRef function);
/** The bits of a lane of the vector of i1 `v`; constants: C_MASK_BITS. */
unsigned c_mask_bits(c_printer *p, LLVMValueRef v);
/** `x`, in lanes of `from`, in lanes of `to`. */
const char *c_mask_convert(c_printer *p, LLVMTypeRef t, unsigned from, unsigned to, const char *x);

/* ---- functions (functions.c, instructions.c, calls.c) -------------------------------------
 */

/** Whether the function is the primitive dtq.dot4, whose body is the prelude's. */
bool c_is_dot4(LLVMValueRef function);
/** Prints a declaration without the semicolon. `params`: names, or NULL. */
void c_print_signature(c_printer *p, LLVMValueRef function, FILE *out, const char *const *params);
void c_print_function(c_printer *p, LLVMValueRef function);
/** Prints the instruction, neither phi nor terminator. */
void c_print_instruction(c_printer *p, LLVMValueRef i);
/** Prints a call. `target`: "T name = " or "". */
void c_print_call(c_printer *p, LLVMValueRef i, const char *target);
/** Whether a call is of an intrinsic that means nothing to C. */
bool c_is_dropped(LLVMValueRef i);
/** Whether all that a call does is its result. */
bool c_is_pure(LLVMValueRef i);
/** The start of a statement that defines `i`: "T name = ". */
const char *c_definition(c_printer *p, LLVMValueRef i);

/* ---- data (data.c) -------------------------------------------------------------------------------------- */

/** Prints all variables that are needed, each before those that refer to it. */
void c_print_data(c_printer *p, FILE *out);

#endif
