/* The directory in which dtqc keeps things for its next run. */
#include "frontend/cli/cache_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *cache_path(session *s) {
    const char *own = getenv("DTQC_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own)
        return own;
    if (xdg && *xdg == '/') /* a relative one is to be ignored */
        return arena_printf(s->arena, "%s/dtqc", xdg);
    return home && *home ? arena_printf(s->arena, "%s/.cache/dtqc", home) : NULL;
}

/* mkdir -p, and the last one for this user alone; what cannot be made is found out when it is opened. */
static void make_directories(session *s, const char *directory) {
    char *path = arena_strdup(s->arena, directory);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    mkdir(path, 0700);
}

/* What keeps a directory that is there from being ours, or NULL. */
static const char *why_not_ours(session *s, const char *path, const struct stat *st) {
    if (S_ISLNK(st->st_mode))
        return "is a link";
    if (!S_ISDIR(st->st_mode))
        return "is no directory";
    if (st->st_uid != geteuid())
        return arena_printf(s->arena, "belongs to user %u", (unsigned)st->st_uid);
    if (st->st_mode & 022)
        return arena_printf(s->arena, "can be written by others (mode %04o; empty it, then chmod 700 '%s')",
                            (unsigned)st->st_mode & 07777, path);
    return NULL;
}

/* A descriptor of the directory, made if need be; -1: it cannot be had, and *why says what is wrong with one that is
 * there. */
static int open_directory(session *s, const char *path, const char **why) {
    char *bare = arena_strdup(s->arena, path);
    for (size_t n = strlen(bare); n > 1 && bare[n - 1] == '/'; n--) /* behind a slash a link would be followed */
        bare[n - 1] = '\0';
    struct stat st;
    *why = NULL;
    make_directories(s, bare);
    if (lstat(bare, &st) != 0 || (*why = why_not_ours(s, bare, &st)))
        return -1;
    int fd = open(bare, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    /* What was opened is what counts. One that others may read was made with another umask: nobody else wrote to it. */
    bool ours =
        fstat(fd, &st) == 0 && !(*why = why_not_ours(s, bare, &st)) && (!(st.st_mode & 077) || fchmod(fd, 0700) == 0);
    if (ours)
        return fd;
    close(fd);
    return -1;
}

/* Whether a file of this name is one that a process, which is no more, was writing: NAME.PID.RANDOM, maybe with .part
 * behind it (runtime/file.c). Another process may have got its number: then the file stays until that has ended. */
static bool is_leftover(const char *name) {
    static const char part[] = ".part";
    size_t n = strlen(name);
    if (n >= sizeof part - 1 && strcmp(name + n - (sizeof part - 1), part) == 0)
        n -= sizeof part - 1;
    enum { RANDOM = 8 };
    if (n < RANDOM + 4 || name[n - RANDOM - 1] != '.' || strspn(name + n - RANDOM, "0123456789abcdef") < RANDOM)
        return false;
    size_t first = n - RANDOM - 1;
    while (first > 0 && name[first - 1] >= '0' && name[first - 1] <= '9')
        first--;
    const long pid = strtol(name + first, NULL, 10);
    return first > 1 && name[first - 1] == '.' && pid > 0 && pid == (pid_t)pid && kill((pid_t)pid, 0) != 0 &&
           errno == ESRCH;
}

/* Removes what interrupted runs have left in the directory. What was written to within a minute stays: its process may
 * be of another container, where it has another number. */
static void remove_leftovers(int fd) {
    enum { MINUTE = 60 };
    const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    const time_t now = time(NULL);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct stat st;
        if (is_leftover(e->d_name) && fstatat(copy, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtime < now - MINUTE)
            unlinkat(copy, e->d_name, 0);
    }
    if (d)
        closedir(d);
    else if (copy >= 0)
        close(copy);
}

const char *cache_directory(session *s) {
    if (s->cache.looked || given(s, OPT_no_cache))
        return s->cache.directory;
    s->cache.looked = true;
    const char *path = cache_path(s), *why = NULL;
    int fd = path ? open_directory(s, path, &why) : -1;
    if (why) {
        const char *beside = arena_printf(s->arena, "%s.%u", path, (unsigned)geteuid()), *no = NULL;
        fd = open_directory(s, beside, &no);
        diag_warning(s->diag, (src_loc){path, 0, 0}, "%s, so that what it holds is not used; %s%s", why,
                     fd >= 0 ? "the cache is " : "nothing is kept", fd >= 0 ? beside : "");
    }
    if (fd < 0)
        return NULL;
    remove_leftovers(fd);
    s->cache.fd = fd;
    s->cache.directory = arena_printf(s->arena, "/proc/self/fd/%d", fd);
    return s->cache.directory;
}

dtq_known *known_files(session *s) {
    if (!s->cache.known) {
        dtq_error e;
        const char *directory = cache_directory(s);
        s->cache.known = dtq_known_open(directory ? arena_printf(s->arena, "%s/identities", directory) : NULL, &e);
        if (!s->cache.known)
            runtime_error(s, &e, false);
    }
    return s->cache.known;
}

void cache_release(session *s) {
    dtq_known_close(s->cache.known);
    if (s->cache.directory)
        close(s->cache.fd);
    memset(&s->cache, 0, sizeof s->cache);
}
