/* Any bytes as a checkpoint of llama2.c: read or refused with an error; a model that is read makes a graph that
 * verifies. */
#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    model *m = model_from_llama2c_bytes(a, d, "fuzz.bin", data, bytes);
    if (!m && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    if (m) {
        const model_options o = {.seq = 1, .arithmetic = "fp32", .cluster = true};
        ir_module *built = model_build(m, a, d, &o);
        if (!built || !ir_verify(built, d))
            __builtin_trap();
    }
    arena_free(a);
    return 0;
}
