/* Any bytes as YAML and as JSON: read or refused. The first byte chooses. */
#include "frontend/files/document.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (!bytes)
        return 0;
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    doc_node *n = doc_parse(a, d, "fuzz", (const char *)data + 1, bytes - 1, data[0] & 1);
    if (!n && !diag_count(d, DIAG_ERROR))
        __builtin_trap();
    arena_free(a);
    return 0;
}
