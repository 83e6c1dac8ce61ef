/* GGUF files (versions 2 and 3, little-endian; ggml's docs/gguf.md): metadata by keys, and tensors. Private to the
 * frontend. */
#ifndef DTQ_FRONTEND_GGUF_H
#define DTQ_FRONTEND_GGUF_H

#include "frontend/files/tensor_store.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"

/** Types of metadata, numbered as in files. */
typedef enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES
} gguf_type;

/** A value, or an array of values of one type. */
typedef struct {
    const char *key; /* in the arena */
    gguf_type type;  /* of the elements; no array */
    bool is_array;
    uint64_t count;      /* of an array; else 1 */
    const uint8_t *data; /* in the file: numbers side by side; strings as a uint64 and so many bytes */
} gguf_value;

typedef struct {
    const char *path;
    const uint8_t *data; /* the whole file */
    uint64_t bytes;
    bool mapped; /* by gguf_open */
    size_t value_count;
    gguf_value *values; /* ascending by key */
    tensor_store tensors;
} gguf;

/** Maps a file and checks everything in it but the tensors' data: lengths, types, duplicates, places. NULL after an
 *  error. What it takes in memory is bounded by the size of the file. */
gguf *gguf_open(arena *a, diag *d, const char *path);
/** The same for a file's bytes in memory, which stay the caller's. */
gguf *gguf_parse(arena *a, diag *d, const char *name, const uint8_t *data, uint64_t bytes);
void gguf_close(gguf *g);

/** The value of a key, or NULL. */
const gguf_value *gguf_find(const gguf *g, const char *key);
/* A single value as what it is to be; true if it is that, or if the key is missing and not `required`: then *out stays.
 * False after an error. */
bool gguf_uint(const gguf *g, diag *d, const char *key, bool required, uint64_t least, uint64_t most, uint32_t *out);
bool gguf_real(const gguf *g, diag *d, const char *key, bool required, double least, double most, double *out);
bool gguf_bool(const gguf *g, diag *d, const char *key, bool *out);
bool gguf_text(const gguf *g, arena *a, diag *d, const char *key, bool required, const char **out);
/** An array of strings, in the file; the array is in the arena. Missing: none. */
bool gguf_strings(const gguf *g, arena *a, diag *d, const char *key, const token_string **out, size_t *count);
/** An array of `count` numbers of 32 bits of that type, copied to the arena; missing: NULL. */
bool gguf_numbers(const gguf *g, arena *a, diag *d, const char *key, gguf_type type, size_t count, const void **out);

/** The model that a file describes; NULL after an error. (gguf_model.c) */
model *gguf_model(arena *a, diag *d, const gguf *g);
/** The tokeniser in its metadata, which keeps nothing of the file; NULL after an error. (tokenizer/gguf_vocabulary.c)
 */
tokenizer *gguf_tokenizer(arena *a, diag *d, const gguf *g);

#endif
