/* Memo: results of matmuls by key, an open-addressing hash table of byte strings. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sim/timing.h"

struct dtq_memo_entry {
    uint8_t *key; /* NULL: free place */
    size_t bytes;
    uint64_t hash;
    dtq_wavefront result;
};

/** Eight bytes at a time, mixed as in splitmix64. */
static uint64_t hash_of(const void *key, size_t bytes) {
    const uint8_t *at = key;
    uint64_t hash = bytes;
    while (bytes) {
        uint64_t word = 0;
        size_t n = bytes < sizeof word ? bytes : sizeof word;
        memcpy(&word, at, n);
        hash = (hash ^ word) * UINT64_C(0xBF58476D1CE4E5B9);
        hash ^= hash >> 29;
        at += n;
        bytes -= n;
    }
    return hash * UINT64_C(0x94D049BB133111EB) >> 7;
}

/** The entry that has the key, or the free place where it belongs. */
static struct dtq_memo_entry *probe(const dtq_memo *m, const void *key, size_t bytes, uint64_t hash) {
    for (size_t i = hash & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        struct dtq_memo_entry *entry = &m->entries[i];
        if (!entry->key || (entry->hash == hash && entry->bytes == bytes && memcmp(entry->key, key, bytes) == 0))
            return entry;
    }
}

const dtq_wavefront *dtq_memo_find(const dtq_memo *m, const void *key, size_t bytes) {
    if (!m->capacity)
        return NULL;
    const struct dtq_memo_entry *entry = probe(m, key, bytes, hash_of(key, bytes));
    return entry->key ? &entry->result : NULL;
}

static size_t larger_capacity(const dtq_memo *m) {
    return m->capacity ? 2 * m->capacity : 64;
}

size_t dtq_memo_bytes(const dtq_memo *m, size_t key_bytes) {
    return key_bytes + larger_capacity(m) * sizeof *m->entries;
}

static bool grow(dtq_memo *m) {
    dtq_memo larger = {.capacity = larger_capacity(m), .count = m->count};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < m->capacity; i++) {
        const struct dtq_memo_entry *entry = &m->entries[i];
        if (entry->key)
            *probe(&larger, entry->key, entry->bytes, entry->hash) = *entry;
    }
    free(m->entries);
    *m = larger;
    return true;
}

bool dtq_memo_add(dtq_memo *m, const void *key, size_t bytes, const dtq_wavefront *result) {
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy || ((m->count + 1) * 2 > m->capacity && !grow(m))) {
        free(copy);
        return false;
    }
    memcpy(copy, key, bytes);
    uint64_t hash = hash_of(key, bytes);
    *probe(m, key, bytes, hash) = (struct dtq_memo_entry){copy, bytes, hash, *result};
    m->count++;
    return true;
}

void dtq_memo_free(dtq_memo *m) {
    for (size_t i = 0; i < m->capacity; i++)
        free(m->entries[i].key);
    free(m->entries);
    *m = (dtq_memo){0};
}
