/* Services that all sub-commands share. */
#include "frontend/cli/session.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/path.h"

static const char examples[] = DTQC_SOURCE_DIR "/examples";

bool given(const session *s, option_id id) {
    return s->options->values[id].given;
}

const option_value *value(const session *s, option_id id) {
    return &s->options->values[id];
}

bool usage_error(session *s, const char *format, ...) {
    const char *name = command_table[s->options->command].name;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "dtqc %s: error: ", name);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (see `dtqc %s --help`)\n", name);
    va_end(args);
    s->usage = true;
    return false;
}

bool runtime_error(session *s, const dtq_error *e, bool made_here) {
    src_loc nowhere = {0};
    bool outside = e->status == DTQ_BAD_INPUT || e->status == DTQ_IO || e->status == DTQ_NO_MEMORY;
    if (made_here && !outside)
        return diag_internal(s->diag, nowhere, "%s", e->message);
    return diag_error(s->diag, nowhere, "%s", e->message);
}

/* The number behind the colon at *at, which moves behind it; 0 if there is none. */
static uint32_t take_place(const char **at) {
    if (**at != ':' || (*at)[1] < '0' || (*at)[1] > '9')
        return 0;
    char *end;
    unsigned long n = strtoul(*at + 1, &end, 10);
    *at = end;
    return n > UINT32_MAX ? 0 : (uint32_t)n;
}

bool runtime_error_at(session *s, const dtq_error *e, const char *path) {
    src_loc loc = {path, 0, 0};
    const char *message = e->message;
    size_t n = strlen(path);
    if (strncmp(message, path, n) == 0 && message[n] == ':') {
        message += n;
        loc.line = take_place(&message);
        loc.col = take_place(&message);
        message += strspn(message, ": ");
        if (strncmp(message, "error: ", 7) == 0)
            message += 7;
    }
    return diag_error(s->diag, loc, "%s", message);
}

/* ---- shipped files ----------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **shipped_list(session *s, const char *kind, size_t *count) {
    enum { MOST = 256 };
    const char **names = ARENA_ARRAY(s->arena, const char *, MOST);
    DIR *d = opendir(arena_printf(s->arena, "%s/%s", examples, kind));
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
    return arena_printf(s->arena, "%s/%s/%s.yaml", examples, kind, name);
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

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

bool is_stdout(const char *path) {
    return strcmp(path, "-") == 0;
}

bool output_begin(session *s, output *o, const char *path) {
    *o = (output){.out = stdout};
    if (is_stdout(path))
        return true;
    if (!file_begin(&o->file, s->diag, path))
        return false;
    o->out = o->file.out;
    return true;
}

bool output_end(session *s, output *o, bool ok) {
    if (o->out == stdout)
        return ok; /* main checks stdout */
    if (ok)
        return file_commit(&o->file, s->diag);
    file_abandon(&o->file);
    return false;
}
