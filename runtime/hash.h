/* FNV-1a, 64 bits: the hash of programs' checksums, machines, weight files and of every look-up by name. */
#ifndef DTQRT_HASH_H
#define DTQRT_HASH_H

#include <stddef.h>
#include <stdint.h>

#define DTQ_FNV1A_START 0xcbf29ce484222325u

/** The hash of `bytes` more bytes after those that gave `hash` (DTQ_FNV1A_START before the first). */
static inline uint64_t dtq_fnv1a(uint64_t hash, const void *data, size_t bytes) {
    const uint8_t *b = (const uint8_t *)data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ b[i]) * 0x100000001b3u;
    return hash;
}

#endif
