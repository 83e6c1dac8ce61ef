/* Programs on disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"
#include "runtime/file.h"

/* The whole of an open file, also of one whose size is not known beforehand (a pipe). */
static bool read_all(FILE *f, uint8_t **data, size_t *bytes) {
    size_t room = 1 << 16;
    uint8_t *all = malloc(room);
    size_t used = 0;
    while (all) {
        used += fread(all + used, 1, room - used, f);
        if (used < room)
            break;
        uint8_t *more = room < SIZE_MAX / 2 ? realloc(all, 2 * room) : NULL;
        if (!more) {
            free(all);
            all = NULL;
            errno = ENOMEM;
        }
        all = more;
        room *= 2;
    }
    if (all && ferror(f)) {
        free(all);
        all = NULL;
    }
    *data = all;
    *bytes = used;
    return all != NULL;
}

bool dtq_program_load(const char *path, dtq_program **out, dtq_error *e) {
    *out = NULL;
    FILE *f = fopen(path, "rb");
    if (!f)
        return dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    uint8_t *data;
    size_t bytes;
    bool ok = read_all(f, &data, &bytes);
    if (!ok)
        dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    fclose(f);
    if (!ok)
        return false;
    dtq_error why;
    ok = dtq_program_decode(data, bytes, out, &why);
    free(data);
    return ok || dtq_fail(e, why.status, "%s: %s", path, why.message);
}

bool dtq_program_save(const dtq_program *p, const char *path, dtq_error *e) {
    uint8_t *data;
    size_t bytes;
    if (!dtq_program_encode(p, &data, &bytes, e))
        return false;
    bool ok = dtq_replace_file(path, &(dtq_part){data, bytes}, 1);
    if (!ok)
        dtq_fail(e, DTQ_IO, "%s: %s", path, strerror(errno));
    free(data);
    return ok;
}
