/* The tensor table of a transformer: synthetic, or found in a safetensors file. */
#include <math.h>
#include <string.h>

#include "frontend/model.h"
#include "runtime/hash.h"

typedef enum { PLACE_MODEL, PLACE_BLOCK } weight_place;
typedef enum { FILL_EMBEDDING, FILL_LINEAR, FILL_GAMMA, FILL_BIAS } weight_fill;

/** One weight of one transformer, its shape worked out. */
typedef struct {
    weight_place place;
    const char *name, *bert;
    uint32_t rows, cols;
    weight_fill fill;
    bool needed;
} weight_info;

static void weight_table(const transformer *t, weight_info out[WEIGHT_ROLES]) {
    const weight_info table[] = {
#define WEIGHT(role, place, name, bert, rows, cols, fill, needed)                                                      \
    {PLACE_##place, name, bert, rows, cols, FILL_##fill, needed},
#include "frontend/weights.def"
    };
    memcpy(out, table, sizeof table);
}

static const char *name_in_layer(arena *a, const weight_info *w, uint32_t layer) {
    return w->place == PLACE_MODEL ? w->name : arena_printf(a, "layer.%u.%s", layer, w->name);
}

const char *weight_name(arena *a, const transformer *t, weight_role role, uint32_t layer) {
    weight_info table[WEIGHT_ROLES];
    weight_table(t, table);
    return table[role].needed ? name_in_layer(a, &table[role], layer) : NULL;
}

/** Calls for each weight that the model has, blocks in order. Stops at the first false. */
typedef bool (*weight_visit)(void *user, const weight_info *w, uint32_t layer);
static bool weights_each(const transformer *t, weight_visit visit, void *user) {
    weight_info table[WEIGHT_ROLES];
    weight_table(t, table);
    for (int r = 0; r < WEIGHT_ROLES; r++)
        if (table[r].needed && table[r].place == PLACE_MODEL && !visit(user, &table[r], 0))
            return false;
    for (uint32_t layer = 0; layer < t->layers; layer++)
        for (int r = 0; r < WEIGHT_ROLES; r++)
            if (table[r].needed && table[r].place == PLACE_BLOCK && !visit(user, &table[r], layer))
                return false;
    return true;
}

static ir_tensor *append(arena *a, model *m, const weight_info *w, uint32_t layer) {
    if (!m->tensors)
        m->tensors = ARENA_ARRAY(a, ir_tensor, (size_t)WEIGHT_ROLES * (m->transformer.layers + 1));
    ir_tensor *t = &m->tensors[m->tensor_count++];
    t->name = name_in_layer(a, w, layer);
    t->rows = w->rows;
    t->cols = w->cols;
    t->loc = m->loc;
    return t;
}

/* ---- synthetic --------------------------------------------------------------------------------------------------- */

/** A well-mixed step of splitmix64. */
static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t tensor_seed(uint64_t seed, const char *name) {
    return mix(dtq_fnv1a(DTQ_FNV1A_START, name, strlen(name)) ^ mix(seed));
}

typedef struct {
    arena *a;
    diag *d;
    model *m;
    uint64_t seed;
    const safetensors *file;
    const char *path, *prefix;
    bool own_names; /* the file uses dtqc's own names, which cover every transformer, not the BERT family's */
} weight_source;

/** Elements are uniform in mean ± scale. A linear keeps the variance of its input: (scale^2)/3 = 1/inputs. */
static bool synthesise(void *user, const weight_info *w, uint32_t layer) {
    weight_source *s = user;
    ir_tensor *t = append(s->a, s->m, w, layer);
    t->dtype = "synthetic";
    t->seed = tensor_seed(s->seed, t->name);
    switch (w->fill) {
    case FILL_EMBEDDING:
        t->scale = 0.05;
        break;
    case FILL_LINEAR:
        t->scale = (double)(float)sqrt(3.0 / w->cols);
        break;
    case FILL_GAMMA:
        t->mean = 1;
        t->scale = 0.1;
        break;
    case FILL_BIAS:
        t->scale = 0.02;
        break;
    }
    return true;
}

void weights_synthetic(arena *a, model *m, uint64_t seed) {
    weight_source s = {.a = a, .m = m, .seed = seed};
    weights_each(&m->transformer, synthesise, &s);
}

/* ---- from a file ------------------------------------------------------------------------------------------------- */

/** The tensor, also under the names of older checkpoints: LayerNorm.gamma and .beta. */
static const st_tensor *find(const weight_source *s, const char *name) {
    static const char *const renamed[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                             {"LayerNorm.bias", "LayerNorm.beta"}};
    const st_tensor *t = safetensors_find(s->file, name);
    for (size_t i = 0; i < 2 && !t; i++) {
        size_t n = strlen(name), tail = strlen(renamed[i][0]);
        if (n >= tail && strcmp(name + n - tail, renamed[i][0]) == 0)
            t = safetensors_find(s->file, arena_printf(s->a, "%.*s%s", (int)(n - tail), name, renamed[i][1]));
    }
    return t;
}

static const char *shape_text(arena *a, const st_tensor *t) {
    const char *text = "[";
    for (uint32_t i = 0; i < t->rank; i++)
        text = arena_printf(a, "%s%s%llu", text, i ? ", " : "", (unsigned long long)t->shape[i]);
    return arena_printf(a, "%s]", text);
}

static bool missing(const weight_source *s, const char *name) {
    const char **names = ARENA_ARRAY(s->a, const char *, s->file->count + 1);
    for (size_t i = 0; i < s->file->count; i++)
        names[i] = s->file->tensors[i].name;
    const char *near = diag_nearest(name, names, s->file->count);
    return diag_error(s->d, (src_loc){s->path, 0, 0}, "lacks the tensor '%s'%s%s%s", name, near ? "; it has '" : "",
                      near ? near : "", near ? "'" : ", which a model of this description must have");
}

static bool look_up(void *user, const weight_info *w, uint32_t layer) {
    weight_source *s = user;
    src_loc whole = {s->path, 0, 0};
    const char *place = w->place == PLACE_MODEL ? ""
                        : s->own_names          ? arena_printf(s->a, "layer.%u.", layer)
                                                : arena_printf(s->a, "encoder.layer.%u.", layer);
    const char *name = arena_printf(s->a, "%s%s%s", s->prefix, place, s->own_names ? w->name : w->bert);
    const st_tensor *found = find(s, name);
    if (!found)
        return missing(s, name);
    /* A vector must be written as one: [n]. */
    bool vector = w->rows == 1 && (w->fill == FILL_GAMMA || w->fill == FILL_BIAS);
    bool fits = vector ? found->rank == 1 && found->shape[0] == w->cols
                       : found->rank == 2 && found->shape[0] == w->rows && found->shape[1] == w->cols;
    if (!fits) {
        const char *want =
            vector ? arena_printf(s->a, "[%u]", w->cols) : arena_printf(s->a, "[%u, %u]", w->rows, w->cols);
        return diag_error(s->d, whole, "tensor '%s' is %s; the model's description needs %s", found->name,
                          shape_text(s->a, found), want);
    }
    if (strcmp(found->dtype, "F32") != 0 && strcmp(found->dtype, "F16") != 0 && strcmp(found->dtype, "BF16") != 0)
        return diag_error(s->d, whole, "tensor '%s' has elements of type %s; weights must be F32, F16 or BF16",
                          found->name, found->dtype);
    ir_tensor *t = append(s->a, s->m, w, layer);
    t->file = s->path;
    t->file_bytes = s->file->bytes;
    t->offset = found->offset;
    t->dtype = arena_strdup(s->a, found->dtype);
    return true;
}

bool weights_safetensors(arena *a, diag *d, model *m, const char *path, const char *prefix) {
    safetensors *file = safetensors_open(a, d, path);
    if (!file)
        return false;
    weight_source s = {.a = a, .d = d, .m = m, .file = file, .path = arena_strdup(a, path), .prefix = prefix};
    if (!prefix)
        s.prefix = safetensors_find(file, "bert.embeddings.word_embeddings.weight") ? "bert." : "";
    s.own_names = m->transformer.norm != NORM_POST || /* of which the BERT family has none */
                  safetensors_find(file, arena_printf(a, "%sembeddings.word", s.prefix));
    bool ok = weights_each(&m->transformer, look_up, &s);
    safetensors_close(file);
    return ok;
}
