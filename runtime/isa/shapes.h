/* Shapes of the host's matrices and tensors, as the docs of isa.def's fields say them. */
#ifndef DTQRT_ISA_SHAPES_H
#define DTQRT_ISA_SHAPES_H

#include "runtime/isa/instruction.h"

/** The columns of a matrix in DRAM, as the doc of its field says: "r: float [seq][width]", or of one row, "[1][width]".
 */
typedef struct {
    const char *name; /* of `length` bytes; NULL: the doc says of no such matrix */
    size_t length;
    bool one_row;
} dtq_columns;
dtq_columns dtq_field_columns(const dtq_field_info *f);

/** Which field of an instruction says how much `name` is: an INT of that name, or a TENSOR whose doc has it as a
 * dimension: of a vector, "[width]", its columns; else axis 0 or 1 of the matrix as it is when it is not transposed. */
typedef struct {
    int field; /* -1: none does */
    unsigned axis;
    bool of_vector;
} dtq_dimension;
dtq_dimension dtq_find_dimension(const dtq_op_info *op, const char *name, size_t length);
/** What `name` is by the tensor's shape, rows and columns as they lie in its file. */
static inline uint32_t dtq_dimension_of(const dtq_dimension *d, uint32_t rows, uint32_t cols, bool transposed) {
    return (d->of_vector || (d->axis ^ (unsigned)transposed)) ? cols : rows;
}

/** The dimension that a TENSOR field must be a vector of, "[width]", or NULL with *length 0. */
const char *dtq_field_vector(const dtq_field_info *f, size_t *length);

#endif
