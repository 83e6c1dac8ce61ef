/* Services that all sub-commands share. */
#include "frontend/cli/session.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/file.h"

bool given(const session *s, option_id id) {
    return s->options->values[id].given;
}

const option_value *value(const session *s, option_id id) {
    return &s->options->values[id];
}

bool usage_error(session *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: error: ", s->program);
    diag_text(stderr, arena_vprintf(s->arena, format, args));
    fprintf(stderr, " (see `%s --help`)\n", s->program);
    va_end(args);
    s->usage = true;
    return false;
}

bool runtime_error(session *s, const dtq_error *e, bool made_here) {
    bool outside =
        e->status == DTQ_BAD_INPUT || e->status == DTQ_IO || e->status == DTQ_NO_MEMORY || e->status == DTQ_NOT_FINITE;
    if (made_here && !s->from_ir && !outside)
        return diag_internal(s->diag, s->place, "%s", e->message);
    return diag_error(s->diag, s->place, "%s", e->message);
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

void mark(session *s, const char *phase) {
    if (s->times)
        phase_end(s->times, phase);
}

const char *directory_of(arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash ? "." : slash == path ? "/" : arena_strndup(a, path, (size_t)(slash - path));
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
