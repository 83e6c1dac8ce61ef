/* Ids of tokens as they are found. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_ID_LIST_H
#define DTQ_TOKENIZER_ID_LIST_H

#include <stdint.h>

#include "ir/base/arena.h"

typedef struct {
    arena *arena;
    uint32_t *ids;
    size_t count, capacity;
} id_list;

static inline void add_id(id_list *l, uint32_t id) {
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        l->ids = (uint32_t *)arena_resize(l->arena, l->ids, l->capacity * sizeof *l->ids, capacity * sizeof *l->ids);
        l->capacity = capacity;
    }
    l->ids[l->count++] = id;
}

#endif
