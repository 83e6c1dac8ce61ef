/* Whole files in, whole files out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/frontend.h"

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

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool write_error(diag *d, const char *path, int error) {
    return diag_error(d, (src_loc){path, 0, 0}, "cannot be written: %s", strerror(error));
}

bool file_begin(file_writer *w, diag *d, const char *path) {
    struct stat st;
    *w = (file_writer){0};
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return write_error(d, path, EISDIR);
    /* A link keeps pointing where it does: its target is replaced. */
    w->path = exists ? realpath(path, NULL) : strdup(path);
    if (!w->path)
        return write_error(d, path, errno);
    int fd = -1, error = 0;
    if (exists && !S_ISREG(st.st_mode)) { /* /dev/null, a pipe: nothing to rename */
        fd = open(w->path, O_WRONLY | O_CLOEXEC);
        error = errno;
    } else {
        size_t room = strlen(w->path) + 48;
        w->temporary = malloc(room);
        for (unsigned n = 0; w->temporary && fd < 0 && n < 100; n++) {
            snprintf(w->temporary, room, "%s.%ld.%u.part", w->path, (long)getpid(), n);
            fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            error = errno;
            if (fd < 0 && error != EEXIST)
                break;
        }
    }
    if (fd >= 0 && !(w->out = fdopen(fd, "wb"))) {
        error = errno;
        close(fd);
        if (w->temporary)
            unlink(w->temporary);
    }
    if (w->out)
        return true;
    write_error(d, path, error ? error : ENOMEM);
    free(w->path);
    free(w->temporary);
    *w = (file_writer){0};
    return false;
}

bool file_commit(file_writer *w, diag *d) {
    if (!w->out)
        return false;
    int error = ferror(w->out) ? EIO : 0;
    if (fflush(w->out) != 0 && !error)
        error = errno;
    if (fclose(w->out) != 0 && !error)
        error = errno;
    w->out = NULL;
    if (!error && w->temporary && rename(w->temporary, w->path) != 0)
        error = errno;
    bool ok = error == 0 || write_error(d, w->path, error);
    if (error && w->temporary)
        unlink(w->temporary);
    file_abandon(w);
    return ok;
}

void file_abandon(file_writer *w) {
    if (w->out) {
        fclose(w->out);
        if (w->temporary)
            unlink(w->temporary);
    }
    free(w->path);
    free(w->temporary);
    *w = (file_writer){0};
}
