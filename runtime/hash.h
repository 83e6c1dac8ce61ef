/* FNV-1a, 64 bits: the hash of machines, weight files and of every look-up by name; and the checksum of programs. */
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

/** The checksum of a program's bytes: four chains of FNV-1a steps on little-endian words of 8 bytes, for one chain of
 *  multiplications leaves the processor idle. Chain l (0 to 3) starts at DTQ_FNV1A_START + l and takes word l of every
 * 32 bytes; chain 0 then the bytes that are left, one by one. The checksum is a fifth chain, over the four. */
static inline uint64_t dtq_checksum(const uint8_t *data, size_t bytes) {
    enum { CHAINS = 4, WORD = 8, GROUP = CHAINS * WORD };
    const uint64_t prime = 0x100000001b3u;
    uint64_t chain[CHAINS], sum = DTQ_FNV1A_START;
    for (unsigned l = 0; l < CHAINS; l++)
        chain[l] = DTQ_FNV1A_START + l;
    size_t at = 0;
    for (; bytes - at >= GROUP; at += GROUP)
        for (unsigned l = 0; l < CHAINS; l++) {
            const uint8_t *b = data + at + (size_t)l * WORD;
            uint64_t word = 0;
            for (unsigned i = 0; i < WORD; i++)
                word |= (uint64_t)b[i] << 8 * i;
            chain[l] = (chain[l] ^ word) * prime;
        }
    chain[0] = dtq_fnv1a(chain[0], data + at, bytes - at);
    for (unsigned l = 0; l < CHAINS; l++)
        sum = (sum ^ chain[l]) * prime;
    return sum;
}

#endif
