/* From floats to codes. Private to codegen/llvm. */
#ifndef DTQ_CODEGEN_LLVM_CODES_H
#define DTQ_CODEGEN_LLVM_CODES_H

#include "codegen/llvm/emitter.h"

/** Bits of |x|, a vector. Those of non-negative floats order like the floats, and infinities and NaN come last. */
val magnitude_bits(emitter *e, val x);
/** <16 x i1> or i1: magnitudes of 2^50 or more, and what is not finite. */
val cannot_be_quantised(emitter *e, val bits);
/** Calls dtq_host_bad if the magnitude, a scalar, is such. */
void report_unless_quantisable(emitter *e, val bits, val frame, val site, val slot, val head);
/** NUMERICS.md's scale for a largest magnitude (bits), scalars or vectors. */
val quantisation_scale(emitter *e, val bits, val limit);
/** Codes as i32 of `count` (at most 4) vectors, each with its scale; `rounded` are <16 x float> to work with. */
void quantised(emitter *e, unsigned count, const val *x, const val *scales, const val *reciprocals, const var *rounded,
               val *codes);

#endif
