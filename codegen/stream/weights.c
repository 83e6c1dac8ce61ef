/* Weights of a program: the files they lie in, and where in them. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/stream/layers.h"
#include "runtime/hash.h"

static bool describe_file(arena *a, diag *d, const char *path, dtq_file *out) {
    enum { HASHED = 65536 };
    char resolved[PATH_MAX];
    src_loc loc = {.file = path};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !realpath(path, resolved)) {
        if (fd >= 0)
            close(fd);
        return diag_error(d, loc, "cannot read the weights; is the path right?");
    }
    uint8_t *head = arena_alloc(a, HASHED);
    size_t have = 0;
    for (ssize_t n; have < HASHED && (n = read(fd, head + have, HASHED - have)) > 0;)
        have += (size_t)n;
    close(fd);
    *out = (dtq_file){.path = arena_strdup(a, resolved),
                      .bytes = (uint64_t)st.st_size,
                      .hash = dtq_fnv1a(DTQ_FNV1A_START, head, have)};
    return true;
}

static bool file_index(arena *a, diag *d, dtq_program *p, const char *path, const char **known, uint32_t *out) {
    for (size_t i = 0; i < p->file_count; i++)
        if (known[i] == path || strcmp(known[i], path) == 0) {
            *out = (uint32_t)i;
            return true;
        }
    known[p->file_count] = path;
    *out = (uint32_t)p->file_count;
    return describe_file(a, d, path, &p->files[p->file_count++]);
}

bool weights_describe(arena *a, diag *d, const ir_module *m, dtq_program *p) {
    const char **known = ARENA_ARRAY(a, const char *, m->tensor_count + 1);
    p->files = ARENA_ARRAY(a, dtq_file, m->tensor_count + 1);
    p->tensors = ARENA_ARRAY(a, dtq_tensor, m->tensor_count + 1);
    p->tensor_count = m->tensor_count;
    if (m->tensor_count >= UINT16_MAX)
        return diag_error(d, (src_loc){0}, "%zu tensors; a program holds at most 65534", m->tensor_count);
    for (size_t i = 0; i < m->tensor_count; i++) {
        const ir_tensor *t = &m->tensors[i];
        dtq_tensor *out = &p->tensors[i];
        *out = (dtq_tensor){.name = t->name,
                            .file = UINT32_MAX,
                            .offset = t->offset,
                            .shape = {t->rows, t->cols},
                            .stride = t->stride,
                            .transposed = t->transposed,
                            .seed = t->seed,
                            .mean = (float)t->mean,
                            .scale = (float)t->scale,
                            .scales = t->scales,
                            .zeros = t->zeros,
                            .by_rows = t->by_rows};
        for (unsigned type = 0; type < DTQ_DTYPES; type++) /* of synthetic ones none is right, nor is any looked at */
            if (strcmp(t->dtype, dtq_dtypes[type].word) == 0)
                out->dtype = (uint8_t)type;
        if (t->file && !file_index(a, d, p, t->file, known, &out->file))
            return false;
    }
    return true;
}
