/* Any bytes as an ONNX model: read or refused with an error; constants lie inside the file. */
#include "frontend/models/models.h"
#include "frontend/onnx/graph.h"
#include "frontend/onnx/import.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    onnx_graph *g = onnx_parse(a, d, "fuzz.onnx", data, bytes);
    if (!g && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    for (size_t i = 0; g && i < g->tensor_count; i++)
        if (g->tensors[i].data && g->tensors[i].offset + g->tensors[i].bytes > bytes)
            __builtin_trap();
    model *m = model_from_onnx_bytes(a, d, "fuzz.onnx", data, bytes);
    if (!m && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    arena_free(a);
    return 0;
}
