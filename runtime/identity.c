/* Hashing whole files, with XXH3 from xxHash's header: nothing more is linked. Reading by `pread` into a buffer that
 * stays in the cache is as fast as hashing a mapping, and a file that becomes shorter is then a short read, no signal.
 */
#include "runtime/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/parallel.h"

enum { LEAF = 1 << 20, DIGEST = 16 };

typedef struct {
    int fd;
    uint64_t bytes;
    uint8_t *copy;      /* [bytes], or NULL */
    uint8_t *digests;   /* [leaves][DIGEST] */
    atomic_int problem; /* errno; -1: the file ended early; 0: none */
} reading;

static void store_digest(XXH128_hash_t hash, uint8_t *out) {
    const uint64_t halves[] = {hash.low64, hash.high64};
    for (unsigned i = 0; i < DIGEST; i++)
        out[i] = (uint8_t)(halves[i / 8] >> 8 * (i % 8));
}

static bool read_at(reading *r, uint8_t *to, size_t bytes, uint64_t at) {
    for (size_t have = 0; have < bytes;) {
        const ssize_t n = pread(r->fd, to + have, bytes - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            atomic_store(&r->problem, n < 0 ? errno : -1);
            return false;
        }
        have += (size_t)n;
    }
    return true;
}

static void hash_leaves(void *context, size_t first, size_t last) {
    reading *r = context;
    uint8_t *own = !r->copy ? malloc(LEAF) : NULL;
    if (!r->copy && !own) {
        atomic_store(&r->problem, ENOMEM);
        return;
    }
    for (size_t i = first; i < last && atomic_load(&r->problem) == 0; i++) {
        const uint64_t at = (uint64_t)i * LEAF;
        const size_t bytes = r->bytes - at < LEAF ? (size_t)(r->bytes - at) : LEAF;
        uint8_t *to = own ? own : r->copy + at;
        if (read_at(r, to, bytes, at))
            store_digest(XXH3_128bits(to, bytes), r->digests + i * DIGEST);
    }
    free(own);
}

static bool hash_file(reading *r, const char *path, unsigned threads, dtq_identity *out, dtq_error *e) {
    const size_t leaves = (size_t)((r->bytes + LEAF - 1) / LEAF), room = leaves * DIGEST + sizeof r->bytes;
    r->digests = malloc(room);
    if (!r->digests)
        return dtq_no_memory(e, room, "hashing %s", path);
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    dtq_parallel(threads != 0 ? threads : (unsigned)sysconf(_SC_NPROCESSORS_ONLN), leaves, hash_leaves, r);
    for (unsigned i = 0; i < sizeof r->bytes; i++)
        r->digests[leaves * DIGEST + i] = (uint8_t)(r->bytes >> 8 * i);
    const XXH128_hash_t hash = XXH3_128bits(r->digests, room);
    *out = (dtq_identity){hash.high64, hash.low64};
    free(r->digests);
    const int problem = atomic_load(&r->problem);
    if (problem == ENOMEM)
        return dtq_no_memory(e, LEAF, "hashing %s", path);
    return problem <= 0 || dtq_fail(e, DTQ_IO, "%s: cannot be read: %s", path, strerror(problem));
}

bool dtq_identify(int fd, const char *path, const dtq_stamp *stamp, dtq_known *known, unsigned threads, uint8_t *copy,
                  dtq_identity *out, dtq_error *e) {
    if (!copy && dtq_known_find(known, stamp, out))
        return true;
    const uint64_t begun = dtq_file_clock();
    reading r = {.fd = fd, .bytes = stamp->bytes, .copy = copy};
    if (!hash_file(&r, path, threads, out, e))
        return false;
    struct stat st;
    const dtq_stamp now = fstat(fd, &st) == 0 ? dtq_stamp_of(&st) : (dtq_stamp){0};
    if (atomic_load(&r.problem) != 0 || !dtq_stamp_equal(&now, stamp)) {
        return dtq_fail(e, DTQ_BAD_INPUT, "%s: changed while it was being read; try again when nobody writes to it",
                        path);
    }
    dtq_known_add(known, stamp, out, begun);
    return true;
}
