/* Matrices quantised at 8 bits with one scale for all of them: what Q8BERT and Q-BERT share. Private to
 * runtime/numerics. */
#ifndef DTQRT_NUMERICS_PER_TENSOR_H
#define DTQRT_NUMERICS_PER_TENSOR_H

#include "runtime/numerics/host_rows.h"
#include "runtime/numerics/numerics.h"
#include "runtime/weights/weights_coded.h"

/** The one scale of rows `ids` [rows] of a float matrix [..][width] at 8 bits; false and an error that names `what` if
 * a value is not finite or huge. */
bool dtq_per_tensor_scale(const float *x, size_t width, const uint32_t *ids, uint32_t rows, const char *what,
                          float *scale, dtq_error *e);
/** Replaces those rows by what their codes stand for: fl(code · scale). */
bool dtq_per_tensor_round(float *x, size_t width, const uint32_t *ids, uint32_t rows, const char *what, dtq_error *e);

/** host.embed with tables in 8 bits, a scale for each table. */
bool dtq_per_tensor_embed(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** host.quant: the operand of attention is replaced by what its codes stand for. */
bool dtq_per_tensor_operand(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** Attention in float of operands so rounded. */
bool dtq_per_tensor_attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a,
                           dtq_effects *effects, dtq_error *e);

/** A linear layer: weight codes of `bits` in `groups`, inputs at 8 bits with one scale, the bias in int32 at the scale
 * of the products; the result requantised at 8 bits if `requantise`. */
typedef struct {
    unsigned bits;
    size_t groups;
    dtq_code_form form;
    bool requantise;
} dtq_per_tensor_form;
bool dtq_per_tensor_linear(dtq_exec *x, const dtq_instr *in, const dtq_per_tensor_form *f, dtq_error *e);

#endif
