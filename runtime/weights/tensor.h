/* Weights that a program refers to: types, shapes, where they lie. */
#ifndef DTQRT_WEIGHTS_TENSOR_H
#define DTQRT_WEIGHTS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Types of elements: rows of runtime/dtypes.def. */
typedef enum {
#define DTYPE(name, word, assembly, elements, bytes) DTQ_##name,
#include "runtime/dtypes.def"
    DTQ_DTYPES
} dtq_dtype;
typedef struct {
    const char *word;         /* "F32", "Q4_1", "rotary" … */
    uint32_t elements, bytes; /* of a block; 0 bytes: computed */
} dtq_dtype_info;
extern const dtq_dtype_info dtq_dtypes[DTQ_DTYPES];
/** True for codes that a tensor's scale and zero point give a meaning: I8, U8 and I32. */
bool dtq_dtype_is_coded(unsigned dtype);

/** A weight that a program refers to: a slice of a file, synthetic numbers, or a rotary table. */
typedef struct {
    const char *name;
    uint32_t file;      /* index into dtq_program.files, or UINT32_MAX: computed */
    uint64_t offset;    /* bytes into the file */
    uint32_t shape[2];  /* rows, columns, as they lie in the file; a vector is [1][columns] */
    uint32_t stride;    /* elements from one row to the next; 0: as many as columns */
    uint8_t dtype;      /* dtq_dtype */
    uint8_t transposed; /* 1: a linear weight stored [inputs][outputs] */
    uint8_t by_rows;    /* 1: scales and zeros are of rows, not of columns */
    uint64_t scales; /* of I8, U8 and I32: byte of the file where a float32 for each column lies; 0: `scale` for all */
    uint64_t zeros;  /* of the same: where a zero point for each lies, in the type of the tensor; 0: `mean` for all */
    /* synthetic: element i is mean + scale * u, u uniform in [-1, 1) from splitmix64(seed + i); rotary: scale is the
     * base of the frequencies; I8, U8 and I32: (code - mean) * scale */
    uint64_t seed;
    float mean, scale;
    const char *frequencies; /* of a rotary table: how they are scaled (runtime/numerics/rotary.h); NULL: not at all */
} dtq_tensor;

/** What is wrong with type, shape, stride or numbers of a tensor by itself, or NULL. */
const char *dtq_tensor_layout_wrong(const dtq_tensor *t);
/** Bytes from the first to the last element of a tensor in a file, whose layout is not wrong; UINT64_MAX: too many. */
uint64_t dtq_tensor_bytes(const dtq_tensor *t);

/** One past the last byte of its file that a tensor uses, scales and zero points included; UINT64_MAX: too many. */
uint64_t dtq_tensor_end(const dtq_tensor *t);

#endif
