/* Any bytes as a GGUF file: read or refused with an error; tensors lie inside the file; a model that is read makes a
 * graph that verifies, a vocabulary that is read encodes. */
#include "frontend/files/gguf.h"
#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    gguf *g = gguf_parse(a, d, "fuzz.gguf", data, bytes);
    if (!g && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    for (size_t i = 0; g && i < g->tensors.count; i++)
        if (g->tensors.tensors[i].offset > bytes)
            __builtin_trap();
    model *m = g ? gguf_model(a, d, g) : NULL;
    if (!m && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    if (m) {
        const model_options o = {.seq = 1, .arithmetic = "fp32", .cluster = true};
        ir_module *built = model_build(m, a, d, &o);
        if (!built || !ir_verify(built, d))
            __builtin_trap();
    }
    token_list ids;
    tokenizer *t = g ? gguf_tokenizer(a, d, g) : NULL;
    if (t)
        tokenizer_encode(t, a, d, "abc 12", 6, NULL, &ids);
    arena_free(a);
    return 0;
}
