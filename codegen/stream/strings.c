/* A table of distinct strings: open addressing over FNV-1a. */
#include "codegen/stream/strings.h"

#include <string.h>

#include "runtime/hash.h"

struct string_table {
    arena *a;
    const char **strings;
    size_t count, capacity;
    uint32_t *buckets; /* number + 1, 0: empty */
    size_t mask;
};

static uint64_t hash_of(const char *s) {
    return dtq_fnv1a(DTQ_FNV1A_START, s, strlen(s));
}

static void place(string_table *t, uint32_t number) {
    size_t i = hash_of(t->strings[number]) & t->mask;
    while (t->buckets[i])
        i = (i + 1) & t->mask;
    t->buckets[i] = number + 1;
}

static void grow(string_table *t) {
    size_t capacity = t->capacity ? 2 * t->capacity : 32;
    const char **strings = ARENA_ARRAY(t->a, const char *, capacity);
    if (t->count)
        memcpy(strings, t->strings, t->count * sizeof *strings);
    t->strings = strings;
    t->capacity = capacity;
    t->mask = 4 * capacity - 1;
    t->buckets = ARENA_ARRAY(t->a, uint32_t, 4 * capacity);
    for (size_t i = 0; i < t->count; i++)
        place(t, (uint32_t)i);
}

string_table *string_table_new(arena *a) {
    string_table *t = ARENA_NEW(a, string_table);
    t->a = a;
    grow(t);
    return t;
}

uint32_t string_add(string_table *t, const char *s) {
    for (size_t i = hash_of(s) & t->mask; t->buckets[i]; i = (i + 1) & t->mask)
        if (strcmp(t->strings[t->buckets[i] - 1], s) == 0)
            return t->buckets[i] - 1;
    if (t->count == t->capacity)
        grow(t);
    t->strings[t->count] = arena_strdup(t->a, s);
    place(t, (uint32_t)t->count);
    return (uint32_t)t->count++;
}

const char **string_list(string_table *t, size_t *count) {
    *count = t->count;
    return t->strings;
}
