/* Programs on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/dtqrt.h"

/* The whole of an open file, also of one whose size is not known beforehand (a pipe). */
static bool read_all(FILE *f, uint8_t **data, size_t *bytes) {
    size_t room = 1 << 16;
    uint8_t *all = malloc(room);
    size_t used = 0;
    while (all) {
        used += fread(all + used, 1, room - used, f);
        if (used < room)
            break;
        uint8_t *more = room < SIZE_MAX / 2 ? realloc(all, 2 * room) : NULL;
        if (!more) {
            free(all);
            all = NULL;
            errno = ENOMEM;
        }
        all = more;
        room *= 2;
    }
    if (all && ferror(f)) {
        free(all);
        all = NULL;
    }
    *data = all;
    *bytes = used;
    return all != NULL;
}

bool dtq_program_load(const char *path, dtq_program **out, dtq_error *e) {
    *out = NULL;
    FILE *f = fopen(path, "rb");
    if (!f)
        return dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    uint8_t *data;
    size_t bytes;
    bool ok = read_all(f, &data, &bytes);
    if (!ok)
        dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    fclose(f);
    if (!ok)
        return false;
    dtq_error why;
    ok = dtq_program_decode(data, bytes, out, &why);
    free(data);
    return ok || dtq_fail(e, why.status, "%s: %s", path, why.message);
}

static bool write_all(int fd, const uint8_t *data, size_t bytes) {
    while (bytes) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* Writes beside `path` under a name of this process and renames. What is there and is no regular file (a terminal, a
 * pipe) cannot be replaced and is written to directly. */
static bool replace_file(const char *path, const uint8_t *data, size_t bytes) {
    struct stat st;
    bool direct = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    size_t room = strlen(path) + 32;
    char *temporary = malloc(room);
    if (!temporary)
        return false;
    snprintf(temporary, room, "%s.%ld.tmp", path, (long)getpid());
    int fd = direct ? open(path, O_WRONLY) : open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && write_all(fd, data, bytes);
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && !direct && rename(temporary, path) != 0) {
        ok = false;
        error = errno;
    }
    if (!ok && fd >= 0 && !direct)
        unlink(temporary);
    free(temporary);
    errno = error;
    return ok;
}

bool dtq_program_save(const dtq_program *p, const char *path, dtq_error *e) {
    uint8_t *data;
    size_t bytes;
    if (!dtq_program_encode(p, &data, &bytes, e))
        return false;
    bool ok = replace_file(path, data, bytes);
    if (!ok)
        dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    free(data);
    return ok;
}
