/* What every host instruction begins with: its rows, its matrices in DRAM, its tensors. Private to runtime. */
#ifndef DTQRT_NUMERICS_HOST_ROWS_H
#define DTQRT_NUMERICS_HOST_ROWS_H

#include "runtime/exec.h"

/** The rows of a layer's tokens, or of its queries. */
typedef struct {
    const dtq_layer *layer;
    const dtq_slots *slots;
    uint32_t index; /* of the layer */
    const uint32_t *ids;
    uint32_t rows;
} dtq_rows;
bool dtq_rows_of_layer(const dtq_exec *x, uint64_t layer, dtq_rows *r, dtq_error *e);

/** A float matrix [rows][width] in DRAM; NULL (and an error) if it does not fit. */
float *dtq_matrix(const dtq_exec *x, uint64_t at, uint64_t rows, uint64_t width, dtq_error *e);

/** Rows and columns of a tensor of the program, as dtq_weights_shape; an error if no weights are open. */
bool dtq_tensor_shape(const dtq_exec *x, uint64_t tensor, size_t *rows, size_t *columns, dtq_error *e);

/** A vector operand; *out is NULL if the field says `none`. `width` 0 takes any length and returns it. */
bool dtq_vector(const dtq_exec *x, uint64_t tensor, uint64_t none, size_t *width, const float **out, dtq_error *e);

/** The value of a TENSOR field that means "none". */
#define DTQ_NONE(op, field) (((uint64_t)1 << dtq_ops[DTQ_OP_##op].fields[DTQ_F(op, field)].bits) - 1)

#endif
