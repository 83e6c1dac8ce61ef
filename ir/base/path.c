/* File names. */
#include "ir/base/path.h"

#include <string.h>
#include <sys/stat.h>

const char *path_stem(arena *a, const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    size_t dot = end;
    for (size_t i = begin + 1; i < end; i++)
        if (path[i] == '.')
            dot = i;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        dot = end;
    return arena_strndup(a, path + begin, dot - begin);
}

const char *path_join(arena *a, const char *directory, const char *name) {
    size_t n = strlen(directory);
    if (name[0] == '/' || n == 0)
        return arena_strdup(a, name);
    return arena_printf(a, "%s%s%s", directory, directory[n - 1] == '/' ? "" : "/", name);
}

const char *path_beside(arena *a, const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return arena_strdup(a, name);
    return path_join(a, arena_strndup(a, path, (size_t)(slash - path) + 1), name);
}

bool path_is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}
