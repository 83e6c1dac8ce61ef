/* Models, targets and policies that come with dtqc, by name. */
#include "frontend/cli/shipped.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/files/installed.h"

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **shipped_list(session *s, const char *kind, size_t *count) {
    enum { MOST = 256 };
    const char **names = ARENA_ARRAY(s->arena, const char *, MOST);
    DIR *d = opendir(arena_printf(s->arena, "%s/%s", installed_data(s->arena), kind));
    *count = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e && *count < MOST; e = readdir(d)) {
        size_t n = strlen(e->d_name);
        if (n > 5 && e->d_name[0] != '.' && strcmp(e->d_name + n - 5, ".yaml") == 0)
            names[(*count)++] = arena_strndup(s->arena, e->d_name, n - 5);
    }
    if (d)
        closedir(d);
    qsort(names, *count, sizeof *names, by_name);
    return names;
}

const char *shipped_path(session *s, const char *kind, const char *name) {
    return installed_file(s->arena, kind, name);
}

const char *shipped_find(session *s, const char *kind, const char *name) {
    struct stat st;
    size_t n = strlen(name);
    bool path = strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".yaml") == 0);
    bool directories = strcmp(kind, "models") == 0; /* only a model may be one */
    if (path || (stat(name, &st) == 0 && (directories || !S_ISDIR(st.st_mode))))
        return name;
    const char *file = shipped_path(s, kind, name);
    if (stat(file, &st) == 0)
        return file;
    size_t count;
    const char **names = shipped_list(s, kind, &count);
    const char *near = count ? diag_nearest(name, names, count) : NULL;
    src_loc loc = {name, 0, 0};
    if (near)
        diag_error(s->diag, loc, "neither a file nor a name among the shipped %s; did you mean '%s'?", kind, near);
    else
        diag_error(s->diag, loc, "neither a file nor a name among the shipped %s", kind);
    return NULL;
}
