/* Constants that even out the channels of queries and keys: from what calibration saw to a file, and from the file to a
 * model's tensors. The pass balance-qk puts them to work. */
#include <math.h>
#include <string.h>

#include "frontend/files/safetensors.h"
#include "frontend/models/model.h"
#include "frontend/models/models.h"

static const char *const parts[] = {"query", "key", "shift"};
enum { QUERY, KEY, SHIFT, PARTS };

/* Exponents of t = (largest key)^a / (largest query)^b: between leaving keys as they are and making all their channels
 * alike, which would spoil the queries. */
static const double key_exponent = 0.75, query_exponent = 0.25;

/* ---- from calibration -------------------------------------------------------------------------------------------- */

typedef struct {
    float t, shift; /* shift: -μ/t */
} constants;

/* A channel that is zero in all that was seen is left alone. */
static constants of_channel(const balance_range *l, size_t c) {
    double mean = l->mean[c];
    double key = fmax((double)l->largest[c] - mean, mean - (double)l->least[c]), query = (double)l->query[c];
    double t = key > 1e-12 && query > 1e-12 ? pow(key, key_exponent) / pow(query, query_exponent) : 1;
    return (constants){(float)t, (float)(-mean / t)};
}

bool balance_write(arena *a, diag *d, const char *path, const balance_range *layers, size_t count, uint32_t heads,
                   uint32_t kv_heads) {
    st_output *out = ARENA_ARRAY(a, st_output, PARTS * count);
    uint32_t group = heads / kv_heads;
    for (size_t l = 0; l < count; l++) {
        size_t width = layers[l].width, dim = width / kv_heads;
        float *values[PARTS] = {ARENA_ARRAY(a, float, width *group), ARENA_ARRAY(a, float, width),
                                ARENA_ARRAY(a, float, width)};
        for (size_t c = 0; c < width; c++) {
            constants k = of_channel(&layers[l], c);
            for (size_t g = 0; g < group; g++)
                values[QUERY][(c / dim * group + g) * dim + c % dim] = k.t;
            values[KEY][c] = 1 / k.t;
            values[SHIFT][c] = k.shift;
        }
        for (int p = 0; p < PARTS; p++) {
            size_t n = p == QUERY ? width * group : width;
            out[PARTS * l + (size_t)p] = (st_output){.name = ir_balance_tensor(a, (int64_t)l, parts[p]),
                                                     .dtype = "F32",
                                                     .rank = 1,
                                                     .shape = {n},
                                                     .data = values[p],
                                                     .bytes = n * sizeof(float)};
        }
    }
    return safetensors_write(d, path, out, PARTS * count);
}

/* ---- to a model -------------------------------------------------------------------------------------------------- */

static bool add_part(arena *a, diag *d, model *m, const safetensors *file, const char *path, uint32_t layer, int part) {
    const transformer *t = &m->transformer;
    const char *name = ir_balance_tensor(a, (int64_t)layer, parts[part]);
    const st_tensor *found = safetensors_find(file, name);
    uint32_t width = t->head_dim * (part == QUERY ? t->heads : t->kv_heads);
    src_loc whole = {path, 0, 0};
    if (!found)
        return diag_error(d, whole, "lacks the tensor '%s'; balance '%s' with what dtqc calibrate wrote for it", name,
                          m->name);
    if (found->rank != 1 || found->shape[0] != width || strcmp(found->dtype, "F32") != 0)
        return diag_error(d, whole, "tensor '%s' is no F32 [%u], as '%s' needs: it was calibrated for another model",
                          name, width, m->name);
    m->tensors[m->tensor_count++] = (ir_tensor){.name = name,
                                                .file = path,
                                                .file_bytes = file->bytes,
                                                .file_stamp = file->stamp,
                                                .offset = found->offset,
                                                .dtype = "F32",
                                                .rows = 1,
                                                .cols = width,
                                                .loc = m->loc};
    return true;
}

bool model_balance(model *m, arena *a, diag *d, const char *path) {
    if (m->bare)
        return diag_error(d, m->loc, "'%s' is a bare attention: whoever makes its q and k balances them", m->name);
    safetensors *file = safetensors_open(a, d, path);
    if (!file)
        return false;
    size_t more = (size_t)PARTS * m->transformer.layers;
    ir_tensor *tensors = ARENA_ARRAY(a, ir_tensor, m->tensor_count + more);
    if (m->tensor_count)
        memcpy(tensors, m->tensors, m->tensor_count * sizeof *tensors);
    m->tensors = tensors;
    bool ok = true;
    path = arena_strdup(a, path);
    for (uint32_t layer = 0; layer < m->transformer.layers && ok; layer++)
        for (int part = 0; part < PARTS && ok; part++)
            ok = add_part(a, d, m, file, path, layer, part);
    safetensors_close(file);
    return ok;
}
