/* The functions that the linker calls instead of those of the C library. */
#include "tests/faults/failing.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

failing *allocations;

static bool fails(const char *which, size_t bytes) {
    if (!allocations)
        return false;
    size_t n = ++allocations->count;
    if (n != allocations->fail_at && !(allocations->all_later && allocations->fail_at && n > allocations->fail_at))
        return false;
    if (!allocations->which) {
        allocations->which = which;
        allocations->bytes = bytes;
    }
    errno = ENOMEM;
    return true;
}

/* The real function, and the one that is called; `failed` is what it returns without memory. */
#define WRAP(type, name, failed, bytes, parameters, arguments)                                                         \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        return fails(#name, bytes) ? failed : __real_##name arguments;                                                 \
    }

WRAP(void *, malloc, NULL, n, (size_t n), (n))
WRAP(void *, calloc, NULL, count *size, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, NULL, n, (void *old, size_t n), (old, n))
WRAP(void *, aligned_alloc, NULL, n, (size_t alignment, size_t n), (alignment, n))
WRAP(void *, mmap, MAP_FAILED, fd < 0 ? n : 0, (void *at, size_t n, int protection, int flags, int fd, off_t offset),
     (at, n, protection, flags, fd, offset))
WRAP(char *, strdup, NULL, 0, (const char *s), (s))
WRAP(char *, strndup, NULL, 0, (const char *s, size_t n), (s, n))
WRAP(char *, realpath, NULL, 0, (const char *path, char *resolved), (path, resolved))
WRAP(FILE *, fopen, NULL, 0, (const char *path, const char *mode), (path, mode))
WRAP(FILE *, fdopen, NULL, 0, (int fd, const char *mode), (fd, mode))
WRAP(FILE *, open_memstream, NULL, 0, (char **text, size_t *bytes), (text, bytes))
WRAP(DIR *, opendir, NULL, 0, (const char *path), (path))

void *__real_mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...);
void *__wrap_mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...);
void *__wrap_mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    return fails("mremap", bytes) ? MAP_FAILED : __real_mremap(old, old_bytes, bytes, flags, to);
}
