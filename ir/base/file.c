/* Whole files in, whole files out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/file.h"
#include "runtime/identity.h"

char *file_read(arena *a, diag *d, const char *path, size_t limit, size_t *bytes) {
    src_loc whole = {arena_strdup(a, path), 0, 0};
    struct stat st;
    char *text = NULL;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        diag_error(d, whole, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        diag_error(d, whole, "cannot be read: %s, not a regular file",
                   S_ISDIR(st.st_mode) ? "a directory" : "a device");
    } else if ((uint64_t)st.st_size > limit) {
        diag_error(d, whole, "is %lld bytes long; at most %zu are read", (long long)st.st_size, limit);
    } else {
        size_t size = (size_t)st.st_size;
        text = arena_alloc(a, size + 1);
        while (got < size) {
            ssize_t n = read(fd, text + got, size - got);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0) {
                diag_error(d, whole, "cannot be read: %s", n < 0 ? strerror(errno) : "it shrank while being read");
                text = NULL;
                break;
            }
            got += (size_t)n;
        }
    }
    if (fd >= 0)
        close(fd);
    *bytes = text ? got : 0;
    return text;
}

bool file_map(diag *d, const char *path, const uint8_t **data, uint64_t *bytes, uint64_t *stamp) {
    src_loc whole = {path, 0, 0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool ok = true;
    *data = NULL;
    *bytes = 0;
    if (fd < 0 || fstat(fd, &st) != 0) {
        ok = diag_error(d, whole, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        ok = diag_error(d, whole, "cannot be read: it is no regular file");
    } else if (st.st_size > 0) {
        *data = dtq_map(fd, path, (size_t)st.st_size, false);
        ok = *data || diag_error(d, whole, "cannot be mapped: %s", strerror(errno));
        *bytes = ok ? (uint64_t)st.st_size : 0;
    }
    if (ok && stamp) {
        dtq_stamp now = dtq_stamp_of(&st);
        *stamp = dtq_stamp_number(&now);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

void file_unmap(const uint8_t *data, uint64_t bytes) {
    dtq_unmap(data, (size_t)bytes);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool write_error(diag *d, const char *path, int error) {
    return diag_error(d, (src_loc){path, 0, 0}, "cannot be written: %s", strerror(error));
}

/* What the stream has gathered goes to the writer, which keeps why a write failed: a stream only knows that one did. */
static ssize_t put(void *cookie, const char *data, size_t bytes) {
    return dtq_writer_put(cookie, data, bytes) ? (ssize_t)bytes : 0;
}

static int seek(void *cookie, off64_t *at, int whence) {
    *at = lseek(((const dtq_writer *)cookie)->fd, *at, whence);
    return *at < 0 ? -1 : 0;
}

bool file_begin(file_writer *w, diag *d, const char *path) {
    *w = (file_writer){0};
    if (!dtq_writer_begin(&w->file, path))
        return write_error(d, path, errno);
    w->out = fopencookie(&w->file, "wb", (cookie_io_functions_t){.write = put, .seek = seek});
    if (w->out)
        return true;
    dtq_writer_abandon(&w->file);
    return write_error(d, path, ENOMEM);
}

bool file_commit(file_writer *w, diag *d) {
    if (!w->out)
        return false;
    bool closed = fclose(w->out) == 0;
    w->out = NULL;
    char *path = strdup(w->file.path); /* the writer is gone after the commit */
    errno = 0;
    bool ok = dtq_writer_commit(&w->file) && closed;
    if (!ok)
        write_error(d, path ? path : "output", errno ? errno : EIO);
    free(path);
    return ok;
}

void file_abandon(file_writer *w) {
    if (w->out) {
        fclose(w->out);
        dtq_writer_abandon(&w->file);
    }
    *w = (file_writer){0};
}
