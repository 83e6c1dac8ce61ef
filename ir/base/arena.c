/* Arena: a list of zeroed chunks; allocation moves a mark, release is one walk. Requests from BIG bytes on get pages of
 * their own, huge ones, so that pools can grow without being copied and be given back early. */
#include "ir/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ir/base/diag.h"

enum { ALIGNMENT = 16, FIRST_CHUNK = 1 << 16, LAST_CHUNK = 1 << 22, BIG = 1 << 20, HUGE_PAGE = 1 << 21 };

typedef struct chunk {
    struct chunk *next;
    size_t padding; /* keeps `data` aligned */
    unsigned char data[];
} chunk;

_Static_assert(offsetof(chunk, data) % ALIGNMENT == 0, "what a chunk holds must be aligned");

/* Huge pages of one big request, or of many small ones. */
typedef struct pages {
    struct pages *next, *previous;
    size_t mapped; /* bytes, this header included */
    size_t padding;
    unsigned char data[];
} pages;

_Static_assert(offsetof(pages, data) % ALIGNMENT == 0, "what pages hold must be aligned");

struct arena {
    pages *pages;
    chunk *chunks;        /* those of the heap */
    unsigned char *mark;  /* next free byte of the chunk or pages being filled */
    size_t left;          /* free bytes after the mark */
    size_t next_capacity; /* of the next chunk; doubles, so that small compilations stay small */
    size_t used;
};

/* An error of the input, which asks for more than there is: nobody's fault here. Other threads say nothing any more. */
_Noreturn static void out_of_memory(size_t bytes, size_t used) {
    flockfile(stderr);
    fprintf(stderr,
            "dtqc: error: out of memory: %zu bytes are needed beside the %zu in use here; use a smaller model, ", bytes,
            used);
    fputs("fewer tokens, or allow more memory\n", stderr);
    exit(EXIT_INPUT);
}

arena *arena_new(void) {
    arena *a = calloc(1, sizeof *a);
    if (!a)
        out_of_memory(sizeof *a, 0);
    a->next_capacity = FIRST_CHUNK;
    return a;
}

void arena_free(arena *a) {
    if (!a)
        return;
    for (chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (pages *p = a->pages, *next; p; p = next) {
        next = p->next;
        munmap(p, p->mapped);
    }
    free(a);
}

/* Asks for pages of 2 MB: a large compilation touches tens of thousands of small ones, and a page fault for each takes
 * as long as a pass. That the kernel has none is no error. */
static void *want_huge_pages(void *at, size_t bytes) {
    if (at != MAP_FAILED)
        (void)madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

/* Zeroed address space, a multiple of HUGE_PAGE, that begins where such a page can. */
static void *map_pages(size_t bytes) {
    unsigned char *space = bytes > SIZE_MAX - HUGE_PAGE ? MAP_FAILED
                                                        : mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return MAP_FAILED;
    size_t head = (HUGE_PAGE - (uintptr_t)space % HUGE_PAGE) % HUGE_PAGE;
    if (head)
        munmap(space, head);
    munmap(space + head + bytes, HUGE_PAGE - head);
    return want_huge_pages(space + head, bytes);
}

/* Enters pages into the list, also after they moved. */
static void *link_pages(arena *a, pages *p) {
    if (p->previous)
        p->previous->next = p;
    else
        a->pages = p;
    if (p->next)
        p->next->previous = p;
    return p->data;
}

/* Bytes to map for so many of data; 0 if there is no such number. */
static size_t mapped_for(size_t bytes) {
    return bytes > SIZE_MAX - sizeof(pages) - HUGE_PAGE
               ? 0
               : (bytes + sizeof(pages) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void *link_new_pages(arena *a, size_t mapped) {
    pages *p = map_pages(mapped);
    if (p == MAP_FAILED)
        out_of_memory(mapped, a->used);
    p->mapped = mapped;
    p->next = a->pages;
    return link_pages(a, p);
}

static void *big_alloc(arena *a, size_t bytes) {
    size_t mapped = mapped_for(bytes);
    if (mapped == 0)
        out_of_memory(bytes, a->used);
    a->used += bytes;
    return link_new_pages(a, mapped);
}

static pages *pages_of(void *memory) {
    return (pages *)((unsigned char *)memory - offsetof(pages, data));
}

/* In place if what follows is free, else where huge pages stay whole when they move. */
static pages *grow_pages(pages *old, size_t mapped) {
    pages *p = mremap(old, old->mapped, mapped, 0);
    if (p == MAP_FAILED) {
        void *space = map_pages(mapped);
        p = space == MAP_FAILED ? space : mremap(old, old->mapped, mapped, MREMAP_MAYMOVE | MREMAP_FIXED, space);
    }
    return want_huge_pages(p, mapped); /* what moved does not know of it yet */
}

void *arena_resize(arena *a, void *old, size_t old_bytes, size_t new_bytes) {
    if (!old || old_bytes < BIG) {
        void *grown = arena_alloc(a, new_bytes);
        if (old_bytes)
            memcpy(grown, old, old_bytes);
        return grown;
    }
    size_t mapped = mapped_for(new_bytes);
    pages *p = mapped ? grow_pages(pages_of(old), mapped) : MAP_FAILED;
    if (p == MAP_FAILED)
        out_of_memory(new_bytes, a->used);
    a->used += new_bytes - old_bytes;
    p->mapped = mapped;
    return link_pages(a, p);
}

void arena_release(arena *a, void *memory, size_t bytes) {
    if (!memory || bytes < BIG)
        return;
    pages *p = pages_of(memory);
    if (p->previous)
        p->previous->next = p->next;
    else
        a->pages = p->next;
    if (p->next)
        p->next->previous = p->previous;
    a->used -= bytes;
    munmap(p, p->mapped);
}

static chunk *chunk_new(arena *a, size_t capacity) {
    chunk *c = calloc(1, sizeof *c + capacity);
    if (!c)
        out_of_memory(capacity, a->used);
    c->next = a->chunks;
    a->chunks = c;
    return c;
}

/* The next room for small requests: of the heap while the arena is small, then pages. */
static void refill(arena *a) {
    bool small = a->next_capacity < LAST_CHUNK;
    a->left = small ? a->next_capacity : LAST_CHUNK - sizeof(pages);
    a->mark = small ? chunk_new(a, a->next_capacity)->data : link_new_pages(a, LAST_CHUNK);
    if (small)
        a->next_capacity *= 2;
}

void *arena_alloc(arena *a, size_t bytes) {
    if (bytes > SIZE_MAX - ALIGNMENT)
        out_of_memory(bytes, a->used);
    if (bytes >= BIG)
        return big_alloc(a, bytes);
    size_t size = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size == 0)
        size = ALIGNMENT; /* distinct pointers even for nothing */
    a->used += size;
    if (size > a->left) {
        if (size >= a->next_capacity / 2)
            return chunk_new(a, size)->data; /* what is larger must not waste the rest of the chunk being filled */
        refill(a);
    }
    void *p = a->mark;
    a->mark += size;
    a->left -= size;
    return p;
}

void *arena_array(arena *a, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory(SIZE_MAX, a->used);
    return arena_alloc(a, bytes);
}

char *arena_strndup(arena *a, const char *s, size_t n) {
    n = strnlen(s, n);
    char *copy = arena_alloc(a, n + 1);
    memcpy(copy, s, n);
    return copy;
}

char *arena_strdup(arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(arena *a, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *s = arena_alloc(a, n < 0 ? 1 : (size_t)n + 1);
    if (n >= 0)
        vsnprintf(s, (size_t)n + 1, format, again);
    va_end(again);
    return s;
}

char *arena_printf(arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *s = arena_vprintf(a, format, args);
    va_end(args);
    return s;
}

size_t arena_used(const arena *a) {
    return a->used;
}
