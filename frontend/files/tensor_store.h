/* Where the tensors of a checkpoint lie, whatever its format: names, types, shapes and places in files. Private to the
 * frontend. */
#ifndef DTQ_FRONTEND_TENSOR_STORE_H
#define DTQ_FRONTEND_TENSOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"

typedef struct {
    const char *name, *dtype; /* as the format calls it: "F32", "I64", "Q4_1" … */
    const char *file;
    uint64_t file_bytes, file_stamp, offset; /* file_stamp: of file_map */
    uint32_t rank;
    uint64_t shape[8]; /* the last one is that of elements side by side */
} stored_tensor;

/** Its places in files are checked. */
typedef struct {
    const char *path; /* of the checkpoint, for messages */
    size_t count;
    stored_tensor *tensors; /* ascending by name */
} tensor_store;

/** Brings the tensors into order; false after an error: two of one name. */
bool tensor_store_sort(diag *d, tensor_store *s);
const stored_tensor *tensor_store_find(const tensor_store *s, const char *name);

/** The tensors of safetensors files, taken together. */
bool tensor_store_safetensors(arena *a, diag *d, const char *const *paths, size_t count, tensor_store *out);

#endif
