/* Files written whole or not at all. */
#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, const dtq_part *part) {
    const uint8_t *data = part->data;
    for (size_t left = part->bytes; left != 0;) {
        const ssize_t n = write(fd, data, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        left -= (size_t)n;
    }
    return true;
}

bool dtq_replace_file(const char *path, const dtq_part *parts, size_t count) {
    struct stat st;
    const bool direct = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    const size_t room = strlen(path) + 32;
    char *temporary = malloc(room);
    if (temporary == NULL) {
        return false;
    }
    (void)snprintf(temporary, room, "%s.%ld.tmp", path, (long)getpid());
    const int fd = direct ? open(path, O_WRONLY) : open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool ok = fd >= 0;
    for (size_t i = 0; ok && i < count; i++) {
        ok = write_all(fd, &parts[i]);
    }
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && !direct && rename(temporary, path) != 0) {
        ok = false;
        error = errno;
    }
    if (!ok && fd >= 0 && !direct) {
        (void)unlink(temporary);
    }
    free(temporary);
    errno = error;
    return ok;
}
