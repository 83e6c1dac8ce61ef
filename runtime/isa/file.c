/* Programs on disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/file.h"

/* The whole of an open file, also of one whose size is not known beforehand (a pipe). `path` stands in messages. */
static bool read_all(FILE *f, const char *path, uint8_t **data, size_t *bytes, dtq_error *e) {
    size_t room = 1 << 16;
    uint8_t *all = malloc(room), *more = all;
    size_t used = 0;
    while (more) {
        used += fread(all + used, 1, room - used, f);
        if (used < room)
            break;
        room *= 2;
        more = realloc(all, room);
        all = more ? more : all;
    }
    bool ok =
        more ? !ferror(f) || dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno)) : dtq_no_memory(e, room, "%s", path);
    if (!ok) {
        free(all);
        all = NULL;
    }
    *data = all;
    *bytes = used;
    return ok;
}

bool dtq_do_program_load(const char *path, dtq_program **out, dtq_error *e) {
    *out = NULL;
    FILE *f = fopen(path, "rb");
    if (!f)
        return dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    uint8_t *data;
    size_t bytes;
    bool ok = read_all(f, path, &data, &bytes, e);
    fclose(f);
    if (!ok)
        return false;
    dtq_error why;
    ok = dtq_do_program_decode(data, bytes, out, &why);
    free(data);
    return ok || dtq_fail(e, why.status, "%s: %s", path, why.message);
}

bool dtq_do_program_save(const dtq_program *p, const char *path, dtq_error *e) {
    uint8_t *data;
    size_t bytes;
    if (!dtq_do_program_encode(p, &data, &bytes, e))
        return false;
    bool ok = dtq_replace_file(path, &(dtq_part){data, bytes}, 1);
    if (!ok)
        dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    free(data);
    return ok;
}
