/* Hash maps of the C printer: open addressing, at most half full. */
#include "codegen/c/map.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/hash.h"

typedef struct {
    const void *key;
    void *value;
} cell;

struct c_map {
    arena *a;
    cell *cells;
    size_t count, capacity; /* a power of two */
};

c_map *c_map_new(arena *a) {
    c_map *m = ARENA_NEW(a, c_map);
    m->a = a;
    m->capacity = 64;
    m->cells = ARENA_ARRAY(a, cell, m->capacity);
    return m;
}

static uint64_t hash_of(const void *key, bool string) {
    if (string)
        return dtq_fnv1a(DTQ_FNV1A_START, key, strlen(key));
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static cell *find(const c_map *m, const void *key, bool string) {
    size_t i = hash_of(key, string) & (m->capacity - 1);
    while (m->cells[i].key && (string ? strcmp(m->cells[i].key, key) != 0 : m->cells[i].key != key))
        i = (i + 1) & (m->capacity - 1);
    return &m->cells[i];
}

static void **at(c_map *m, const void *key, bool string) {
    if (2 * m->count >= m->capacity) {
        cell *old = m->cells;
        size_t capacity = m->capacity;
        m->capacity *= 2;
        m->cells = ARENA_ARRAY(m->a, cell, m->capacity);
        for (size_t i = 0; i < capacity; i++)
            if (old[i].key)
                *find(m, old[i].key, string) = old[i];
        arena_release(m->a, old, capacity * sizeof *old);
    }
    cell *c = find(m, key, string);
    m->count += !c->key;
    c->key = key;
    return &c->value;
}

void **c_map_at(c_map *m, const void *key) {
    return at(m, key, false);
}

void *c_map_get(const c_map *m, const void *key) {
    return find(m, key, false)->value;
}

void **c_map_at_string(c_map *m, const char *key) {
    return at(m, key, true);
}

void *c_map_get_string(const c_map *m, const char *key) {
    return find(m, key, true)->value;
}
