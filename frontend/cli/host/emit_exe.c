/* dtqc compile --emit=exe: an object linked with the command line of executables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/child.h"
#include "frontend/cli/host/emit_host.h"
#include "frontend/files/installed.h"
#include "ir/base/file.h"

enum { MESSAGE_BYTES = 16384 };

/* The linker's command line: $CC, else cc. Flags of CMake are separated by blanks. */
static char **command(session *s, const char *object, const char *executable) {
    enum { FLAGS_MOST = 32 };
    char **argv = ARENA_ARRAY(s->arena, char *, FLAGS_MOST + 16);
    size_t n = 0;
    const char *compiler = getenv("CC");
    argv[n++] = arena_strdup(s->arena, compiler && *compiler ? compiler : "cc");
    argv[n++] = arena_strdup(s->arena, "-o");
    argv[n++] = arena_strdup(s->arena, executable);
    argv[n++] = arena_strdup(s->arena, object);
    argv[n++] = arena_strdup(s->arena, installed_library(s->arena, "libdtq_hostmain.a"));
    argv[n++] = arena_strdup(s->arena, installed_library(s->arena, "libdtqrt.a"));
    char *flags = arena_strdup(s->arena, DTQC_LINK_FLAGS), *rest;
    for (char *flag = strtok_r(flags, " ", &rest); flag && n < FLAGS_MOST; flag = strtok_r(NULL, " ", &rest))
        argv[n++] = flag;
    return argv;
}

static bool write_object(session *s, const host_bytes *object, int fd, const char *path) {
    size_t done = 0;
    while (done < object->bytes) {
        ssize_t n = write(fd, object->data + done, object->bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be written: %s", strerror(errno));
        done += (size_t)n;
    }
    return true;
}

static bool link_object(session *s, const char *object, const char *executable, const char *path) {
    char *said = arena_alloc(s->arena, MESSAGE_BYTES);
    char **argv = command(s, object, executable);
    int status = child_run(argv, said, MESSAGE_BYTES);
    if (status == 0)
        return true;
    for (size_t n = strlen(said); n > 0 && said[n - 1] == '\n'; n--)
        said[n - 1] = '\0';
    for (char *c = said; *c; c++)
        *c = *c == '\n' ? ' ' : *c; /* a message is one line */
    return diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be linked by %s%s%s", argv[0], *said ? ": " : "", said);
}

/* The linker wrote a file under the temporary name; it must be there, and may be run by who may read it. */
static bool finish(session *s, file_writer *w, const char *path, long *bytes) {
    struct stat st;
    if (!dtq_writer_reopen(&w->file) || fstat(w->file.fd, &st) != 0)
        return diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be written: %s", strerror(errno));
    w->file.mode |= (w->file.mode & 0444) >> 2;
    *bytes = (long)st.st_size;
    return true;
}

bool link_executable(session *s, const host_bytes *object, const char *path, long *bytes) {
    file_writer w;
    if (!file_begin(&w, s->diag, path))
        return false;
    if (!w.file.temporary) {
        file_abandon(&w);
        return diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be written: an executable is a regular file");
    }
    const char *directory = getenv("TMPDIR");
    const char *stem = arena_printf(s->arena, "%s/dtqc", directory && *directory ? directory : "/tmp");
    char *temporary;
    dtq_note *note;
    int fd = dtq_temporary_create(stem, ".o", &temporary, &note);
    bool ok = fd >= 0 || diag_error(s->diag, (src_loc){stem, 0, 0}, "cannot be written: %s", strerror(errno));
    ok = ok && write_object(s, object, fd, temporary) && link_object(s, temporary, w.file.temporary, path) &&
         finish(s, &w, path, bytes);
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
        dtq_note_forget(note);
        free(temporary);
    }
    if (ok)
        return file_commit(&w, s->diag);
    file_abandon(&w);
    return false;
}
