/* The memories that buffers live in. */
#include "passes/spaces.h"

#include <stddef.h>
#include <string.h>

#include "runtime/machine_members.h"

static const struct {
    const char *name;
    size_t capacity; /* member of dtq_machine */
} spaces[] = {
    [SPACE_Q] = {"q", offsetof(dtq_machine, buffers_q)},
    [SPACE_K] = {"k", offsetof(dtq_machine, buffers_k)},
    [SPACE_V] = {"v", offsetof(dtq_machine, buffers_v)},
    [SPACE_SCORES] = {"scores", offsetof(dtq_machine, buffers_scores)},
    [SPACE_PROBS] = {"probs", offsetof(dtq_machine, buffers_probs)},
    [SPACE_OUT] = {"out", offsetof(dtq_machine, buffers_out)},
    [SPACE_IMPORTANCE] = {"importance", offsetof(dtq_machine, buffers_importance)},
    [SPACE_DRAM] = {"dram", 0},
};

int space_find(const char *name) {
    for (int s = 0; name && s <= SPACE_DRAM; s++)
        if (*spaces[s].name == *name) /* first letters differ */
            return strcmp(spaces[s].name, name) == 0 ? s : -1;
    return -1;
}

const char *space_name(int space) {
    return spaces[space].name;
}

uint64_t space_capacity(const dtq_machine *m, int space) {
    uint64_t bytes;
    memcpy(&bytes, (const char *)m + spaces[space].capacity, sizeof bytes);
    return bytes;
}
