/* Any text as a model YAML: read or refused with an error; what is read makes graphs that verify. */
#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "tests/fuzz/fuzz.h"

/* Graphs grow with the layers; what a thousand would say a few do. */
enum { LAYERS_MOST = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    fuzz_write("model.yaml", data, bytes);
    model *m = model_load(a, d, fuzz_path("model.yaml"));
    if (!m && !diag_count(d, DIAG_ERROR))
        fuzz_fail("a model is refused without an error");
    if (m && (model_is_attention(m) || m->transformer.layers <= LAYERS_MOST)) {
        const model_options o = {.arithmetic = "int8", .cluster = true};
        ir_module *built = model_build(m, a, d, &o);
        if (built ? !ir_verify(built, d) : !diag_count(d, DIAG_ERROR))
            fuzz_fail("a model makes a graph that does not verify, or none and no error");
    }
    if (diag_count(d, DIAG_INTERNAL))
        fuzz_fail("an internal error");
    arena_free(a);
    return 0;
}
