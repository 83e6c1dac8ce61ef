/* Any text as a policy file: read or refused with an error. What is read is applied to a small model, and a graph that
 * takes it verifies. */
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "tests/fuzz/fuzz.h"

static const char small[] = "transformer: {layers: 3, hidden: 8, heads: 2, ffn: 8, positions: 16, vocabulary: 9}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    fuzz_write("policy.yaml", data, bytes);
    fuzz_write("model.yaml", small, strlen(small));
    const policy *p = policy_load(a, d, fuzz_path("policy.yaml"));
    if (!p && !diag_count(d, DIAG_ERROR))
        fuzz_fail("a policy is refused without an error");
    model *m = p ? model_load(a, d, fuzz_path("model.yaml")) : NULL;
    for (uint32_t seq = 1; m && seq <= 16; seq += 5) {
        const model_options o = {.seq = seq, .arithmetic = "fp32", .cluster = true};
        ir_module *built = model_build(m, a, d, &o);
        size_t errors = diag_count(d, DIAG_ERROR);
        if (!built)
            fuzz_fail("a good model is refused");
        if (policy_apply(p, built, d) ? !ir_verify(built, d) : diag_count(d, DIAG_ERROR) == errors)
            fuzz_fail("a policy leaves a graph that does not verify, or no error");
    }
    if (diag_count(d, DIAG_INTERNAL))
        fuzz_fail("an internal error");
    arena_free(a);
    return 0;
}
