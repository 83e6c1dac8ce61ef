/* A bump allocator over malloc'd chunks. */
#include "runtime/isa/program_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct chunk {
    struct chunk *next;
    size_t used, size; /* bytes of `data` */
    max_align_t data[];
} chunk;

struct dtq_pool {
    chunk *chunks; /* the one allocated from is first */
    size_t wanted; /* what could not be had; 0: nothing */
};

enum { CHUNK_BYTES = 32768 };

dtq_pool *dtq_pool_new(void) {
    return calloc(1, sizeof(dtq_pool));
}

/* Notes what there was no memory for. */
static void *want(dtq_pool *pool, size_t bytes) {
    pool->wanted = pool->wanted ? pool->wanted : bytes;
    return NULL;
}

size_t dtq_pool_wanted(const dtq_pool *pool) {
    return pool ? pool->wanted : 0;
}

void *dtq_pool_alloc(dtq_pool *pool, size_t count, size_t size) {
    const size_t align = sizeof(max_align_t);
    if (size && count > (SIZE_MAX / 2) / size)
        return want(pool, SIZE_MAX);
    size_t bytes = (count * size + align - 1) / align * align;
    if (!pool->chunks || pool->chunks->size - pool->chunks->used < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk *c = calloc(1, sizeof *c + room);
        if (!c)
            return want(pool, sizeof *c + room);
        c->size = room;
        c->next = pool->chunks;
        pool->chunks = c;
    }
    void *at = (char *)pool->chunks->data + pool->chunks->used;
    pool->chunks->used += bytes;
    return at;
}

char *dtq_pool_string(dtq_pool *pool, const char *text, size_t length) {
    char *copy = dtq_pool_alloc(pool, length + 1, 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

void dtq_pool_free(dtq_pool *pool) {
    if (!pool)
        return;
    for (chunk *c = pool->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(pool);
}
