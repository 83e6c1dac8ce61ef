/* Any text as a target file: read or refused with an error; what is read prints to text that reads back the same. */
#include <stdlib.h>
#include <string.h>

#include "frontend/target.h"
#include "tests/fuzz/fuzz.h"

static char *printed(const any_target *t, size_t *bytes) {
    char *text;
    FILE *out = open_memstream(&text, bytes);
    if (!out)
        abort();
    target_print(t, out);
    if (fclose(out) != 0)
        abort();
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    any_target t, again;
    fuzz_write("target.yaml", data, bytes);
    if (target_load(a, d, fuzz_path("target.yaml"), &t)) {
        size_t first_bytes, second_bytes;
        char *first = printed(&t, &first_bytes);
        fuzz_write("again.yaml", first, first_bytes);
        if (!target_load(a, d, fuzz_path("again.yaml"), &again))
            fuzz_fail("a target that was printed is refused");
        char *second = printed(&again, &second_bytes);
        if (first_bytes != second_bytes || memcmp(first, second, first_bytes) != 0)
            fuzz_fail("a target that was printed reads back as another");
        free(first);
        free(second);
    } else if (!diag_count(d, DIAG_ERROR)) {
        fuzz_fail("a target is refused without an error");
    }
    if (diag_count(d, DIAG_INTERNAL))
        fuzz_fail("an internal error");
    arena_free(a);
    return 0;
}
