/* Any bytes as a safetensors file: read or refused with an error; tensors lie inside the file. */
#include "frontend/files/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    safetensors *s = safetensors_parse(a, d, "fuzz", data, bytes);
    if (!s && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    for (size_t i = 0; s && i < s->count; i++)
        if (s->tensors[i].offset + s->tensors[i].bytes > bytes)
            __builtin_trap();
    arena_free(a);
    return 0;
}
