/* Open addressing with linear probing; at most half full. */
#include "ir/base/names.h"

#include <string.h>

#include "runtime/hash.h"

uint64_t names_hash(const char *text, size_t length) {
    uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, text, length);
    return hash ^ hash >> 32;
}

static names_entry *slot_of(const names *t, const char *text, size_t length, uint64_t hash) {
    size_t i = (size_t)hash & (t->capacity - 1);
    while (t->slots[i].text &&
           (t->slots[i].hash != hash || t->slots[i].length != length || memcmp(t->slots[i].text, text, length) != 0))
        i = (i + 1) & (t->capacity - 1);
    return &t->slots[i];
}

static void grow(names *t) {
    names old = *t;
    t->capacity = old.capacity ? 2 * old.capacity : 64;
    t->slots = ARENA_ARRAY(t->arena, names_entry, t->capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].text)
            *slot_of(t, old.slots[i].text, old.slots[i].length, old.slots[i].hash) = old.slots[i];
}

names_entry *names_add(names *t, const char *text, size_t length, uint32_t number, bool *added) {
    if (2 * (t->count + 1) > t->capacity)
        grow(t);
    uint64_t hash = names_hash(text, length);
    names_entry *slot = slot_of(t, text, length, hash);
    *added = !slot->text;
    if (*added) {
        *slot = (names_entry){text, (uint32_t)length, number, hash};
        t->count++;
    }
    return slot;
}

const names_entry *names_find(const names *t, const char *text, size_t length) {
    if (t->capacity == 0)
        return NULL;
    const names_entry *slot = slot_of(t, text, length, names_hash(text, length));
    return slot->text ? slot : NULL;
}
