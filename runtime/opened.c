/* Files that weights lie in: opened, identified, and mapped or copied. */
#include "runtime/opened.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/unfinished.h"

/* Opens a regular file without waiting for what is none. -1, and an error. */
static int open_regular(const char *path, dtq_stamp *stamp, dtq_error *e) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0) {
        (void)dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        (void)dtq_fail(e, DTQ_IO, "%s: not a regular file", path);
        return -1;
    }
    *stamp = dtq_stamp_of(&st);
    return fd;
}

bool dtq_file_describe(dtq_file *f, dtq_known *known, unsigned threads, uint64_t *stamp, dtq_error *e) {
    dtq_stamp now;
    const int fd = open_regular(f->path, &now, e);
    if (fd < 0)
        return false;
    const bool ok = dtq_identify(fd, f->path, &now, known, threads, NULL, &f->hash, e);
    f->bytes = now.bytes;
    if (stamp)
        *stamp = dtq_stamp_number(&now);
    (void)close(fd);
    return ok;
}

/* What the file holds is mapped, or copied and hashed in one reading: a copy cannot change any more. */
static bool take_bytes(dtq_opened *f, const dtq_weights_options *o, dtq_identity *hash, dtq_error *e) {
    uint8_t *copy = NULL;
    if (f->bytes == 0)
        return dtq_identify(f->fd, f->path, &f->stamp, o->known, o->threads, NULL, hash, e);
    if (!o->copy) {
        f->data = dtq_map(f->fd, f->path, f->bytes, false);
        return !f->data ? dtq_fail(e, DTQ_IO, "%s: cannot be mapped: %s", f->path, strerror(errno))
                        : dtq_identify(f->fd, f->path, &f->stamp, o->known, o->threads, NULL, hash, e);
    }
    copy = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return dtq_no_memory(e, f->bytes, "a copy of %s", f->path);
    f->data = copy;
    const bool ok = dtq_identify(f->fd, f->path, &f->stamp, o->known, o->threads, copy, hash, e);
    (void)close(f->fd);
    f->fd = -1;
    return ok;
}

bool dtq_opened_open(dtq_opened *f, const dtq_file *described, const dtq_weights_options *o, dtq_error *e) {
    *f = DTQ_OPENED_NONE;
    const char *directory = o->directory;
    const bool relative = directory && described->path[0] != '/';
    const size_t room = (relative ? strlen(directory) : 0) + strlen(described->path) + 2;
    f->path = malloc(room);
    if (!f->path)
        return dtq_no_memory(e, room, "a path");
    (void)snprintf(f->path, room, "%s%s%s", relative ? directory : "", relative ? "/" : "", described->path);
    f->fd = open_regular(f->path, &f->stamp, e);
    if (f->fd < 0)
        return false;
    f->bytes = (size_t)f->stamp.bytes;
    if (f->bytes != described->bytes) {
        return dtq_fail(e, DTQ_BAD_INPUT, "%s: has %zu bytes, but the program was compiled from a file of %llu",
                        f->path, f->bytes, (unsigned long long)described->bytes);
    }
    dtq_identity hash;
    if (!take_bytes(f, o, &hash, e))
        return false;
    return (hash.high == described->hash.high && hash.low == described->hash.low) ||
           dtq_fail(e, DTQ_BAD_INPUT,
                    "%s: is not the file that the program was compiled from: it has as many bytes, but others "
                    "(%016llx%016llx, not %016llx%016llx); compile the program again for these weights",
                    f->path, (unsigned long long)hash.high, (unsigned long long)hash.low,
                    (unsigned long long)described->hash.high, (unsigned long long)described->hash.low);
}

void dtq_opened_close(dtq_opened *f) {
    if (f->fd >= 0) {
        dtq_unmap(f->data, f->bytes);
        (void)close(f->fd);
    } else if (f->data) {
        (void)munmap((void *)(uintptr_t)f->data, f->bytes);
    }
    free(f->path);
    *f = DTQ_OPENED_NONE;
}

bool dtq_opened_unchanged(const dtq_opened *f, const dtq_identity *was, dtq_error *e) {
    struct stat st;
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return true;
    const dtq_stamp now = dtq_stamp_of(&st);
    if (dtq_stamp_equal(&now, &f->stamp))
        return true;
    /* Another name or mode changes the stamp, too, and no number. */
    dtq_identity hash;
    return (now.bytes == f->stamp.bytes && dtq_identify(f->fd, f->path, &now, NULL, 0, NULL, &hash, NULL) &&
            hash.high == was->high && hash.low == was->low) ||
           dtq_fail(e, DTQ_BAD_INPUT,
                    "%s: was written to while it was in use, so that results are of no weights at all", f->path);
}
