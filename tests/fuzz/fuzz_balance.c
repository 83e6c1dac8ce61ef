/* Any bytes as constants that `dtqc calibrate` would have written: taken or refused with an error; with what is taken
 * the graph verifies. */
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "ir/base/file.h"
#include "tests/fuzz/fuzz.h"

static const char small[] = "transformer: {layers: 2, hidden: 8, heads: 2, ffn: 8, positions: 16, vocabulary: 9}\n";

static model *small_model(arena *a, diag *d) {
    fuzz_write("model.yaml", small, strlen(small));
    return model_load(a, d, fuzz_path("model.yaml"));
}

int fuzz_seed(size_t index, FILE *out) {
    static const double mean[8] = {0, 1, -2, .5};
    static const float least[8] = {-1, -1, -9, -1, -1, -1, -1, -1}, largest[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float query[8] = {1, 1, 1, 1, 2, 2, 2, 2};
    const balance_range range = {8, mean, least, largest, query}, both[] = {range, range};
    if (index > 0)
        return 0;
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    const char *path = fuzz_path("balance.safetensors");
    char *text;
    size_t bytes;
    if (!balance_write(a, d, path, both, 2, 2, 2) || !(text = file_read(a, d, path, 1 << 20, &bytes)))
        fuzz_fail("constants cannot be written");
    fwrite(text, 1, bytes, out);
    arena_free(a);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    model *m = small_model(a, d);
    fuzz_write("balance.safetensors", data, bytes);
    if (!model_balance(m, a, d, fuzz_path("balance.safetensors"))) {
        if (!diag_count(d, DIAG_ERROR))
            fuzz_fail("constants are refused without an error");
    } else {
        const model_options o = {.seq = 3, .arithmetic = "fp32", .cluster = true};
        ir_module *built = model_build(m, a, d, &o);
        if (built ? !ir_verify(built, d) : !diag_count(d, DIAG_ERROR))
            fuzz_fail("constants make a graph that does not verify, or none and no error");
    }
    if (diag_count(d, DIAG_INTERNAL))
        fuzz_fail("an internal error");
    arena_free(a);
    return 0;
}
