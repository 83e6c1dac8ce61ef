/* What comes with dtqc, found from where the running program lies. */
#include "frontend/files/installed.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* `name` as seen from the directory of the running program. */
static const char *from_program(arena *a, const char *name) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    if (n < 0) { /* no /proc, as in a bare root: the name that the program was started by */
        const char *started = (const char *)getauxval(AT_EXECFN);
        n = started && realpath(started, self) ? (ssize_t)strlen(self) : 0;
    }
    while (n > 0 && self[n - 1] != '/')
        n--;
    return arena_printf(a, "%.*s%s", (int)(n > 0 ? n : 0), self, name);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* A path without links and `..`, as messages name it. */
static const char *plain(arena *a, const char *path) {
    char real[PATH_MAX];
    return realpath(path, real) ? arena_strdup(a, real) : path;
}

const char *installed_data(arena *a) {
    const char *own = getenv("DTQC_DATA");
    if (own && *own != '\0')
        return own;
    const char *path = from_program(a, DTQC_BIN_TO_DATA);
    return plain(a, exists(path) ? path : from_program(a, "share/dtqc"));
}

const char *installed_file(arena *a, const char *kind, const char *name) {
    return arena_printf(a, "%s/%s/%s.yaml", installed_data(a), kind, name);
}

const char *installed_library(arena *a, const char *name) {
    const char *beside = from_program(a, name);
    if (exists(beside))
        return beside;
    static const char *const directories[] = {DTQC_BIN_TO_LIB "/dtqc/", DTQC_BIN_TO_LIB "/"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        const char *path = from_program(a, arena_printf(a, "%s%s", directories[i], name));
        if (exists(path))
            return plain(a, path);
    }
    return beside;
}
