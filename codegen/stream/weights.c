/* Weights of a program: the files they lie in, and where in them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/stream/layers.h"

enum { HASH_DIGITS = 32 };

static const char *hash_text(arena *a, const dtq_identity *hash) {
    return arena_printf(a, "%016llx%016llx", (unsigned long long)hash->high, (unsigned long long)hash->low);
}

/* What a text says, which the verifier has seen. */
static dtq_identity hash_read(const char *text) {
    char high[HASH_DIGITS / 2 + 1] = {0};
    memcpy(high, text, HASH_DIGITS / 2);
    return (dtq_identity){strtoull(high, NULL, 16), strtoull(text + HASH_DIGITS / 2, NULL, 16)};
}

/* Reads the file of a tensor as it is now, and holds it to what is known of it from before. */
static bool identify(arena *a, diag *d, const ir_tensor *t, dtq_known *known, const char **hash) {
    src_loc loc = {.file = t->file};
    dtq_file file = {.path = t->file};
    uint64_t stamp;
    dtq_error e;
    if (!dtq_file_describe(&file, known, 0, &stamp, &e)) {
        const char *why = e.message;
        size_t n = strlen(t->file); /* it begins with the path, too */
        why += strncmp(why, t->file, n) == 0 && why[n] == ':' ? n + 2 : 0;
        return diag_error(d, loc, "cannot read the weights: %s", why);
    }
    *hash = hash_text(a, &file.hash);
    if ((t->file_stamp && t->file_stamp != stamp) || t->file_bytes != file.bytes)
        return diag_error(d, loc,
                          t->file_stamp ? "changed since the model was read from it; run it again"
                                        : "has %llu bytes, and the IR was made from a file of %llu",
                          (unsigned long long)file.bytes, (unsigned long long)t->file_bytes);
    if (t->file_hash && strcmp(t->file_hash, *hash) != 0)
        return diag_error(d, loc,
                          "is not the file that the IR was made from: it has as many bytes, but others (%s, not %s); "
                          "make the IR again for these weights",
                          *hash, t->file_hash);
    return true;
}

bool weights_identify(arena *a, diag *d, ir_module *m, dtq_known *known) {
    const ir_tensor *last = NULL; /* tensors of one file mostly stand together */
    for (size_t i = 0; i < m->tensor_count; i++) {
        ir_tensor *t = &m->tensors[i];
        const char *hash = NULL;
        if (!t->file)
            continue;
        bool same = last && (last->file == t->file || strcmp(last->file, t->file) == 0) &&
                    last->file_bytes == t->file_bytes && last->file_stamp == t->file_stamp &&
                    (!t->file_hash || strcmp(t->file_hash, last->file_hash) == 0);
        if (!same && !identify(a, d, t, known, &hash))
            return false;
        t->file_hash = same ? last->file_hash : hash;
        last = t;
    }
    return true;
}

static bool describe_file(arena *a, diag *d, const ir_tensor *t, dtq_file *out) {
    char resolved[PATH_MAX];
    const char *hash = t->file_hash;
    if (!realpath(t->file, resolved))
        return diag_error(d, (src_loc){.file = t->file}, "cannot read the weights: %s", strerror(errno));
    if (!hash && !identify(a, d, t, NULL, &hash))
        return false;
    *out = (dtq_file){.path = arena_strdup(a, resolved), .bytes = t->file_bytes, .hash = hash_read(hash)};
    return true;
}

static bool file_index(arena *a, diag *d, dtq_program *p, const ir_tensor *t, const char **known, uint32_t *out) {
    for (size_t i = 0; i < p->file_count; i++)
        if (known[i] == t->file || strcmp(known[i], t->file) == 0) {
            *out = (uint32_t)i;
            return true;
        }
    known[p->file_count] = t->file;
    *out = (uint32_t)p->file_count;
    return describe_file(a, d, t, &p->files[p->file_count++]);
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
        *out = (dtq_tensor){.name = arena_strdup(a, t->name),
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
                            .by_rows = t->by_rows,
                            .frequencies = t->frequencies};
        for (unsigned type = 0; type < DTQ_DTYPES; type++) /* of synthetic ones none is right, nor is any looked at */
            if (strcmp(t->dtype, dtq_dtypes[type].word) == 0)
                out->dtype = (uint8_t)type;
        if (t->file && !file_index(a, d, p, t, known, &out->file))
            return false;
    }
    return true;
}
