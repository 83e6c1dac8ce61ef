/* Loading MPI's module, and what commands ask of it. */
#include "frontend/cli/ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/module.h"
#include "ir/base/diag.h"

bool ranks_wanted(void) {
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_NAMESPACE"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (getenv(marks[i]))
            return true;
    return false;
}

bool ranks_begin(arena *a, const char *path, ranks *out, const char **why) {
    /* Open MPI's own modules look for the symbols of this one. */
    ranks_entry *entry = (ranks_entry *)module_load(a, path, RANKS_ENTRY, true, why);
    if (!entry)
        return false;
    out->functions = entry();
    *why = "MPI cannot begin";
    if (out->functions->begin(&out->index, &out->count) != 0)
        return false;
    return out->index == 0 || (freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr));
}

unsigned ranks_count(const ranks *r) {
    return r ? r->count : 1;
}

unsigned ranks_index(const ranks *r) {
    return r ? r->index : 0;
}

void ranks_share(const ranks *r, const void *mine, size_t bytes, void **all, size_t *sizes) {
    if (r) {
        if (r->functions->share(mine, bytes, all, sizes) == 0)
            return;
        r->functions->end(EXIT_INTERNAL);
        exit(EXIT_INTERNAL);
    }
    *sizes = bytes;
    *all = malloc(bytes + 1);
    if (!*all)
        abort();
    if (bytes)
        memcpy(*all, mine, bytes);
}

bool ranks_any(const ranks *r, bool mine) {
    if (!r)
        return mine;
    const char byte = mine;
    void *all;
    size_t *sizes = calloc(r->count, sizeof *sizes);
    bool any = false;
    if (!sizes)
        abort();
    ranks_share(r, &byte, 1, &all, sizes);
    for (unsigned i = 0; i < r->count; i++)
        any = any || ((const char *)all)[i];
    free(all);
    free(sizes);
    return any;
}
