/* Names of values and what they mean: a hash table with open addressing. */
#include "frontend/onnx/bindings.h"

#include <string.h>

bindings bindings_new(arena *a, size_t count) {
    size_t size = 16;
    while (size < 2 * count)
        size *= 2;
    return (bindings){ARENA_ARRAY(a, binding, size), size - 1};
}

binding *bindings_slot(const bindings *b, const char *name) {
    uint64_t hash = 14695981039346656037u;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 1099511628211u;
    size_t i = (size_t)(hash ^ hash >> 32) & b->mask;
    while (b->slots[i].name && strcmp(b->slots[i].name, name) != 0)
        i = (i + 1) & b->mask;
    return &b->slots[i];
}
