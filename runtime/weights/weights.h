/* Views of a program's tensors. Everything is made at first use and kept; a dtq_weights serves one run at a time.
 * Private to runtime/. */
#ifndef DTQRT_NUMERICS_WEIGHTS_H
#define DTQRT_NUMERICS_WEIGHTS_H

#include "runtime/open_weights.h"

/** A linear weight in 8 bits: laid out as dtq_linear_i8 (kernels.h) takes it. */
typedef struct {
    int8_t *codes;
    float *scales; /* [outputs] */
    int32_t *sums; /* [outputs rounded up to 16] */
    size_t outputs, inputs, input_groups;
} dtq_weight_i8;

/** Rows and columns; of a transposed tensor as if it were not: outputs and inputs. False if there is no such tensor. */
bool dtq_weights_shape(const dtq_weights *w, uint64_t tensor, size_t *rows, size_t *columns);

/** All elements, [rows][columns]; NULL on error. Straight from the file if it holds aligned, untransposed
 *  floats without gaps. */
const float *dtq_weights_float(dtq_weights *w, uint64_t tensor, dtq_error *e);

/** The floats where they lie in the mapped file; NULL if they must be converted, made up, gathered
 *  or transposed. */
const float *dtq_weights_in_place(const dtq_weights *w, uint64_t tensor);

/** Elements [first, first + n), counted along the rows as they lie in the file (of a transposed tensor
 *  [inputs][outputs]) and without what a stride skips, into out [n]. Only the blocks they are in are converted. */
void dtq_weights_read(const dtq_weights *w, uint64_t tensor, uint64_t first, size_t n, float *out);

/** One row of an untransposed tensor into out [columns]; converts or makes up only that row. */
bool dtq_weights_row(const dtq_weights *w, uint64_t tensor, size_t row, float *out, dtq_error *e);

/** Codes and scales of a linear weight, a scale for each output; NULL on error. */
const dtq_weight_i8 *dtq_weights_int8(dtq_weights *w, uint64_t tensor, unsigned threads, dtq_error *e);

/** Codes of inputs [first, first + n) of one output, into out [n]. */
void dtq_weight_output(const dtq_weight_i8 *w, size_t output, size_t first, size_t n, int8_t *out);

/** Element `index` of a synthetic tensor. */
float dtq_synthetic(const dtq_tensor *t, uint64_t index);

#endif
