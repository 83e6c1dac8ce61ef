/* Files written whole or not at all. */
#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/thread.h"

/* ---- temporary files --------------------------------------------------------------------------------------------- */

/* As the process's umask has it: w->mode can only be learned from a file that was made with 0666. */
static int create(const char *stem, const char *suffix, mode_t mode, char **name, dtq_note **note) {
    enum { TRIES = 100 };
    enum { ROOM = 40 }; /* of what is added to a name that may be as long as names can be */
    const char *slash = strrchr(stem, '/');
    const size_t before = !slash ? 0 : (size_t)(slash - stem) + 1, all = strlen(stem);
    const size_t kept = all - before > NAME_MAX - ROOM ? before + NAME_MAX - ROOM : all;
    const size_t room = kept + strlen(suffix) + ROOM;
    *name = malloc(room);
    *note = NULL;
    int fd = -1;
    errno = ENOMEM;
    for (unsigned i = 0; *name && fd < 0 && i < TRIES; i++) {
        uint32_t random = i;
        (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
        (void)snprintf(*name, room, "%.*s.%ld.%08x%s", (int)kept, stem, (long)getpid(), random, suffix);
        *note = dtq_note_unfinished(*name);
        fd = open(*name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0) {
            const int problem = errno;
            dtq_note_forget(*note);
            errno = problem;
            if (problem != EEXIST)
                break;
        }
    }
    if (fd < 0) {
        const int problem = errno;
        free(*name);
        *name = NULL;
        *note = NULL;
        errno = problem;
    }
    return fd;
}

int dtq_temporary_create(const char *stem, const char *suffix, char **name, dtq_note **note) {
    return create(stem, suffix, 0600, name, note);
}

/* ---- where an output goes ---------------------------------------------------------------------------------------- */

/* The file that a path of links ends at, whether it is there or not; malloc'd. NULL with errno. */
static char *follow_links(const char *path) {
    enum { LINKS_MOST = 40 };
    char *at = strdup(path), target[PATH_MAX];
    for (unsigned i = 0; at; i++) {
        const ssize_t n = readlink(at, target, sizeof target - 1);
        if (n < 0)
            return at; /* no link, or nothing */
        target[n] = '\0';
        const char *slash = strrchr(at, '/');
        const size_t before = target[0] == '/' || !slash ? 0 : (size_t)(slash - at) + 1;
        char *next = i < LINKS_MOST ? malloc(before + sizeof target) : NULL;
        if (next) {
            memcpy(next, at, before);
            memcpy(next + before, target, (size_t)n + 1);
        } else {
            errno = i < LINKS_MOST ? ENOMEM : ELOOP;
        }
        free(at);
        at = next;
    }
    return NULL;
}

static bool begin_beside(dtq_writer *w, const struct stat *existing) {
    w->fd = create(w->path, ".part", 0666, &w->temporary, &w->note);
    struct stat st;
    if (w->fd < 0 || fstat(w->fd, &st) != 0)
        return false;
    w->mode = existing ? existing->st_mode & 0777 : st.st_mode & 0777;
    if (existing) {
        w->owner = existing->st_uid;
        w->group = existing->st_gid;
        const bool same_owner = st.st_uid == w->owner && st.st_gid == w->group;
        w->in_place = existing->st_nlink > 1 || (!same_owner && fchown(w->fd, w->owner, w->group) != 0);
    }
    return fchmod(w->fd, 0600) == 0;
}

bool dtq_writer_begin(dtq_writer *w, const char *path) {
    *w = (dtq_writer){.fd = -1, .durable = true};
    struct stat st;
    const bool exists = stat(path, &st) == 0;
    w->path = !exists || S_ISREG(st.st_mode) ? follow_links(path) : strdup(path);
    if (!w->path)
        return false;
    bool ok;
    if (exists && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        ok = false;
    } else if (exists && !S_ISREG(st.st_mode)) {
        w->fd = open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        ok = w->fd >= 0;
    } else {
        ok = begin_beside(w, exists ? &st : NULL);
    }
    const int problem = errno;
    if (!ok)
        dtq_writer_abandon(w);
    errno = problem;
    return ok;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* 0, or errno. */
static int write_all(int fd, const uint8_t *data, size_t bytes) {
    while (bytes != 0) {
        const ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

bool dtq_writer_put(dtq_writer *w, const void *data, size_t bytes) {
    if (w->error == 0)
        w->error = write_all(w->fd, data, bytes);
    return w->error == 0;
}

bool dtq_writer_reopen(dtq_writer *w) {
    const int fd = open(w->temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    (void)close(w->fd);
    w->fd = fd;
    return true;
}

/* Some file systems and devices know no fsync; they have nothing to wait for. */
static bool reach_disk(int fd) {
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP;
}

/* A name is on the disk when its directory is. One that cannot be read cannot be waited for. */
static bool name_reaches_disk(const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    const int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    const bool ok = fd < 0 || reach_disk(fd);
    const int problem = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = problem;
    return ok;
}

/* Copies the finished temporary over the bytes of the file: it keeps its names and its owner. Room for all of it is
 * taken first, so that a full disk is found out while the file is still what it was. */
static bool copy_over(dtq_writer *w) {
    const int to = open(w->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat now, was;
    if (to < 0 || fstat(w->fd, &now) != 0 || fstat(to, &was) != 0) {
        if (to >= 0)
            (void)close(to);
        return false;
    }
    int problem = now.st_size == 0 || fallocate(to, 0, 0, now.st_size) == 0 || errno == EOPNOTSUPP ? 0 : errno;
    uint8_t buffer[1 << 16];
    off_t at = 0;
    sigset_t before;
    dtq_signals_block(&before); /* whoever stops the process waits for the copy */
    while (problem == 0 && at < now.st_size) {
        const ssize_t n = pread(w->fd, buffer, sizeof buffer, at);
        problem = n > 0 ? write_all(to, buffer, (size_t)n) : n < 0 ? errno : EIO;
        at += n > 0 ? n : 0;
    }
    if (ftruncate(to, problem == 0 ? now.st_size : was.st_size) != 0 && problem == 0)
        problem = errno;
    if (problem == 0 && !reach_disk(to))
        problem = errno;
    if (close(to) != 0 && problem == 0)
        problem = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = problem;
    return problem == 0;
}

static bool put_in_place(dtq_writer *w) {
    if (fchmod(w->fd, w->mode) != 0 || (w->durable && !reach_disk(w->fd)))
        return false;
    if (w->in_place)
        return copy_over(w); /* the temporary is removed with the writer */
    if (rename(w->temporary, w->path) != 0)
        return false;
    dtq_note_forget(w->note);
    free(w->temporary);
    w->temporary = NULL;
    w->note = NULL;
    return !w->durable || name_reaches_disk(w->path);
}

bool dtq_writer_commit(dtq_writer *w) {
    bool ok = w->error == 0;
    errno = w->error;
    if (ok && w->temporary)
        ok = put_in_place(w);
    int problem = errno;
    if (ok && w->fd >= 0) {
        ok = close(w->fd) == 0; /* where a network or a quota says no */
        problem = errno;
        w->fd = -1;
    }
    dtq_writer_abandon(w);
    errno = problem;
    return ok;
}

void dtq_writer_abandon(dtq_writer *w) {
    if (w->fd >= 0)
        (void)close(w->fd);
    if (w->temporary)
        (void)unlink(w->temporary);
    dtq_note_forget(w->note);
    free(w->temporary);
    free(w->path);
    *w = (dtq_writer){.fd = -1};
}

static bool put_parts(dtq_writer *w, const dtq_part *parts, size_t count) {
    for (size_t i = 0; i < count; i++)
        (void)dtq_writer_put(w, parts[i].data, parts[i].bytes);
    return dtq_writer_commit(w);
}

bool dtq_replace_file(const char *path, const dtq_part *parts, size_t count) {
    dtq_writer w;
    return dtq_writer_begin(&w, path) && put_parts(&w, parts, count);
}

/* ---- files of our own -------------------------------------------------------------------------------------------- */

int dtq_private_open(const char *path, int flags) {
    const int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
                    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
        (void)close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

bool dtq_write_private(const char *path, const dtq_part *parts, size_t count) {
    dtq_writer w = {.fd = -1, .mode = 0600, .path = strdup(path)};
    if (w.path)
        w.fd = create(path, ".part", 0600, &w.temporary, &w.note);
    if (w.fd < 0) {
        const int problem = errno;
        dtq_writer_abandon(&w);
        errno = problem;
        return false;
    }
    return put_parts(&w, parts, count);
}
