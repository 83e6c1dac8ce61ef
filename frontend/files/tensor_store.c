/* Where the tensors of a checkpoint lie. */
#include "frontend/files/tensor_store.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/files/safetensors.h"

static int by_name(const void *a, const void *b) {
    const stored_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

bool tensor_store_sort(diag *d, tensor_store *s) {
    if (s->count)
        qsort(s->tensors, s->count, sizeof *s->tensors, by_name);
    for (size_t i = 1; i < s->count; i++)
        if (strcmp(s->tensors[i].name, s->tensors[i - 1].name) == 0)
            return diag_error(d, (src_loc){s->tensors[i].file, 0, 0}, "the tensor '%.200s' is there twice",
                              s->tensors[i].name);
    return true;
}

const stored_tensor *tensor_store_find(const tensor_store *s, const char *name) {
    const stored_tensor key = {.name = name};
    return s->count ? bsearch(&key, s->tensors, s->count, sizeof key, by_name) : NULL;
}

bool tensor_store_safetensors(arena *a, diag *d, const char *const *paths, size_t count, tensor_store *out) {
    safetensors **files = ARENA_ARRAY(a, safetensors *, count + 1);
    size_t total = 0;
    *out = (tensor_store){.path = arena_strdup(a, paths[0])};
    for (size_t f = 0; f < count; f++) {
        files[f] = safetensors_open(a, d, paths[f]);
        if (!files[f])
            return false;
        total += files[f]->count;
        safetensors_close(files[f]); /* what it says of the tensors stays in the arena */
    }
    out->tensors = ARENA_ARRAY(a, stored_tensor, total + 1);
    for (size_t f = 0; f < count; f++)
        for (size_t i = 0; i < files[f]->count; i++) {
            const st_tensor *t = &files[f]->tensors[i];
            stored_tensor *to = &out->tensors[out->count++];
            *to = (stored_tensor){.name = t->name,
                                  .dtype = t->dtype,
                                  .file = files[f]->path,
                                  .file_bytes = files[f]->bytes,
                                  .file_stamp = files[f]->stamp,
                                  .offset = t->offset,
                                  .rank = t->rank};
            memcpy(to->shape, t->shape, sizeof to->shape);
        }
    return tensor_store_sort(d, out);
}
