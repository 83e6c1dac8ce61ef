/* Stamps of files, and XXH3 from xxHash's header. */
#include "runtime/stamp.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

dtq_stamp dtq_stamp_of(const struct stat *st) {
    const uint64_t second = 1000000000;
    return (dtq_stamp){.device = (uint64_t)st->st_dev,
                       .inode = (uint64_t)st->st_ino,
                       .bytes = (uint64_t)st->st_size,
                       .modified = (uint64_t)st->st_mtim.tv_sec * second + (uint64_t)st->st_mtim.tv_nsec,
                       .changed = (uint64_t)st->st_ctim.tv_sec * second + (uint64_t)st->st_ctim.tv_nsec};
}

bool dtq_stamp_equal(const dtq_stamp *a, const dtq_stamp *b) {
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes && a->modified == b->modified &&
           a->changed == b->changed;
}

uint64_t dtq_stamp_number(const dtq_stamp *s) {
    return dtq_hash64(s, sizeof *s) | 1;
}

uint64_t dtq_hash64(const void *data, size_t bytes) {
    return XXH3_64bits(data, bytes);
}
