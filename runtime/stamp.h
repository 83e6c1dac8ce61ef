/* The stamp by which a file is known again without reading it, and a hash of short data. Private to runtime/. */
#ifndef DTQRT_STAMP_H
#define DTQRT_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/** A file as it was at a moment. Whoever writes to it changes `changed`, whatever they do to the other times. */
typedef struct {
    uint64_t device, inode, bytes;
    uint64_t modified, changed; /* mtime and ctime in nanoseconds since 1970, modulo 2^64 */
} dtq_stamp;

dtq_stamp dtq_stamp_of(const struct stat *st);
bool dtq_stamp_equal(const dtq_stamp *a, const dtq_stamp *b);
/** A number that differs for stamps that differ, by all chance; never 0. */
uint64_t dtq_stamp_number(const dtq_stamp *s);

/** XXH3, 64 bits, seed 0: the checksum of what processes leave to each other. */
uint64_t dtq_hash64(const void *data, size_t bytes);

#endif
