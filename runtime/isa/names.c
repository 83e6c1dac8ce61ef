/* An open-addressing hash table with linear probing. */
#include "runtime/isa/names.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/hash.h"

static struct dtq_name *place_of(const dtq_names *names, const char *text, size_t length) {
    uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, text, length);
    for (size_t at = hash & (names->size - 1);; at = (at + 1) & (names->size - 1)) {
        struct dtq_name *n = &names->places[at];
        if (n->index == UINT32_MAX || (n->length == length && (!length || memcmp(n->text, text, length) == 0)))
            return n;
    }
}

static size_t larger_size(const dtq_names *names) {
    return names->size ? 2 * names->size : 64;
}

static bool is_full(const dtq_names *names) {
    return 2 * (names->count + 1) > names->size;
}

static bool grow(dtq_names *names) {
    dtq_names bigger = {.size = larger_size(names), .count = names->count};
    bigger.places = malloc(bigger.size * sizeof *bigger.places);
    if (!bigger.places)
        return false;
    for (size_t i = 0; i < bigger.size; i++)
        bigger.places[i].index = UINT32_MAX;
    for (size_t i = 0; i < names->size; i++)
        if (names->places[i].index != UINT32_MAX)
            *place_of(&bigger, names->places[i].text, names->places[i].length) = names->places[i];
    free(names->places);
    *names = bigger;
    return true;
}

bool dtq_names_add(dtq_names *names, const char *text, size_t length, uint32_t index) {
    if (is_full(names) && !grow(names))
        return false;
    struct dtq_name *n = place_of(names, text, length);
    if (n->index == UINT32_MAX) {
        *n = (struct dtq_name){text, length, index};
        names->count++;
    }
    return true;
}

uint32_t dtq_names_find(const dtq_names *names, const char *text, size_t length) {
    return names->size ? place_of(names, text, length)->index : UINT32_MAX;
}

size_t dtq_names_bytes(const dtq_names *names) {
    return (is_full(names) ? larger_size(names) : names->size) * sizeof *names->places;
}

void dtq_names_free(dtq_names *names) {
    free(names->places);
    *names = (dtq_names){0};
}
