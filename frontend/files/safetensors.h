/* Files of tensors in the safetensors format. */
#ifndef DTQ_FRONTEND_FILES_SAFETENSORS_H
#define DTQ_FRONTEND_FILES_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"

typedef struct {
    const char *name, *dtype; /* "F32", "F16", "BF16", "U64", "I64" … */
    uint32_t rank;
    uint64_t shape[8];
    uint64_t offset, bytes; /* from the start of the file */
} st_tensor;

typedef struct {
    const char *path;
    const uint8_t *data;   /* the whole file */
    uint64_t bytes, stamp; /* stamp: as of file_map; 0: in memory */
    bool mapped;           /* by safetensors_open */
    size_t count;
    st_tensor *tensors; /* ascending by name */
} safetensors;

/** Maps a file and checks its header: sizes, overlaps, dtypes, shapes; hostile headers are errors. NULL after an error.
 */
safetensors *safetensors_open(arena *a, diag *d, const char *path);
/** The same for a file's bytes in memory, which stay the caller's; `name` stands in messages. */
safetensors *safetensors_parse(arena *a, diag *d, const char *name, const uint8_t *data, uint64_t bytes);
void safetensors_close(safetensors *s);
const st_tensor *safetensors_find(const safetensors *s, const char *name);

typedef struct {
    const char *name, *dtype;
    uint32_t rank;
    uint64_t shape[8];
    const void *data;
    uint64_t bytes;
} st_output;
/** Writes a file of these tensors, whole or not at all. */
bool safetensors_write(diag *d, const char *path, const st_output *tensors, size_t count);

#endif
