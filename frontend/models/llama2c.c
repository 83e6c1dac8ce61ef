/* Checkpoints of llama2.c in its first format (export.py, version 0; memory_map_weights in run.c): seven int32, then
 * float32 tensors in a fixed order, each of all layers together. */
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "ir/base/file.h"
#include "ir/base/path.h"

/** In the order of the file. */
typedef struct {
    int32_t dim, hidden, layers, heads, kv_heads, vocabulary, positions;
} header;

/** The tensors in the order of the file, under dtqc's own names; NULL: passed over. */
typedef struct {
    const char *name;
    bool each_layer;
    uint64_t rows, cols; /* 0 rows: a vector */
} section;

static bool read_header(diag *d, src_loc whole, const uint8_t *data, uint64_t bytes, header *h) {
    const struct {
        const char *name;
        const int32_t *value;
        int32_t most;
    } fields[] = {
        {"channels", &h->dim, MODEL_MAX_WIDTH},       {"FFN channels", &h->hidden, MODEL_MAX_FFN},
        {"layers", &h->layers, MODEL_MAX_LAYERS},     {"heads", &h->heads, MODEL_MAX_HEADS},
        {"key heads", &h->kv_heads, MODEL_MAX_HEADS}, {"positions", &h->positions, MODEL_MAX_TOKENS},
    };
    if (bytes < sizeof *h)
        return diag_error(d, whole, "is no checkpoint of llama2.c: it is shorter than the header of seven numbers");
    memcpy(h, data, sizeof *h);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (*fields[i].value < 1 || *fields[i].value > fields[i].most)
            return diag_error(d, whole,
                              "is no checkpoint of llama2.c as its first version wrote them: the header says %d %s, 1 "
                              "to %d are possible",
                              *fields[i].value, fields[i].name, fields[i].most);
    if (h->vocabulary == 0 || h->vocabulary < -MODEL_MAX_VOCABULARY || h->vocabulary > MODEL_MAX_VOCABULARY)
        return diag_error(d, whole, "is no checkpoint of llama2.c: the header says %d tokens", h->vocabulary);
    if (h->dim % h->heads != 0 || h->heads % h->kv_heads != 0 || h->dim / h->heads % 2 != 0)
        return diag_error(d, whole, "%d channels in %d heads, %d of keys, do not make whole heads of pairs", h->dim,
                          h->heads, h->kv_heads);
    return true;
}

/** Where the tensors lie; false if the file is not exactly as long. */
static bool place(arena *a, diag *d, src_loc whole, const section *sections, size_t count, uint32_t layers,
                  uint64_t file_bytes, tensor_store *store) {
    uint64_t at = sizeof(header); /* at most 2^59 or so: the header's numbers are bounded */
    store->tensors = ARENA_ARRAY(a, stored_tensor, count * layers);
    for (size_t s = 0; s < count; s++)
        for (uint32_t layer = 0; layer < (sections[s].each_layer ? layers : 1); layer++) {
            const section *from = &sections[s];
            uint64_t offset = at;
            at += 4 * (from->rows ? from->rows : 1) * from->cols;
            if (!from->name)
                continue;
            stored_tensor *t = &store->tensors[store->count++];
            *t = (stored_tensor){.name =
                                     from->each_layer ? arena_printf(a, "layer.%u.%s", layer, from->name) : from->name,
                                 .dtype = "F32",
                                 .file = store->path,
                                 .file_bytes = file_bytes,
                                 .offset = offset,
                                 .rank = from->rows ? 2 : 1,
                                 .shape = {from->rows ? from->rows : from->cols, from->cols}};
        }
    if (at != file_bytes)
        return diag_error(d, whole, "has %llu bytes, but a checkpoint of llama2.c with this header has %llu",
                          (unsigned long long)file_bytes, (unsigned long long)at);
    return tensor_store_sort(d, store);
}

static bool read_weights(arena *a, diag *d, model *m, const header *h, uint64_t file_bytes) {
    const transformer *t = &m->transformer;
    const uint64_t dim = t->hidden, kv = (uint64_t)t->head_dim * t->kv_heads, ffn = t->ffn;
    const section sections[] = {
        {"embeddings.word", false, t->vocabulary, dim},
        {"attention.norm.weight", true, 0, dim},
        {"query.weight", true, dim, dim},
        {"key.weight", true, kv, dim},
        {"value.weight", true, kv, dim},
        {"attention.output.weight", true, dim, dim},
        {"ffn.norm.weight", true, 0, dim},
        {"ffn.gate.weight", true, ffn, dim},
        {"ffn.down.weight", true, dim, ffn},
        {"ffn.up.weight", true, ffn, dim},
        {"final.norm.weight", false, 0, dim},
        {NULL, false, t->positions, t->head_dim / 2}, /* cosines and sines, which llama2.c does not read either */
        {NULL, false, t->positions, t->head_dim / 2},
        {"head.weight", false, t->vocabulary, dim},
    };
    size_t count = sizeof sections / sizeof *sections - (h->vocabulary > 0);
    tensor_store store = {.path = m->path};
    return place(a, d, m->loc, sections, count, t->layers, file_bytes, &store) &&
           weights_find(a, d, m, &store, FAMILY_OWN, "");
}

/** tokN.bin, N its tokens, or tokenizer.bin beside the checkpoint. */
static void find_tokenizer(arena *a, diag *d, model *m) {
    const char *own = path_beside(a, m->path, arena_printf(a, "tok%u.bin", m->transformer.vocabulary));
    const char *usual = path_beside(a, m->path, "tokenizer.bin");
    m->vocabulary = path_is_file(own) ? own : path_is_file(usual) ? usual : NULL;
    if (!m->vocabulary)
        diag_remark(d, m->loc, "llama2c", "there is neither '%s' nor '%s': inputs are token ids, not text", own, usual);
}

model *model_from_llama2c_bytes(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes) {
    header h;
    model *m = ARENA_NEW(a, model);
    m->path = arena_strdup(a, path);
    m->name = path_stem(a, path);
    m->loc = (src_loc){m->path, 0, 0};
    if (!read_header(d, m->loc, data, bytes, &h))
        return NULL;
    transformer *t = &m->transformer;
    *t = transformer_defaults();
    t->layers = (uint32_t)h.layers;
    t->hidden = (uint32_t)h.dim;
    t->heads = (uint32_t)h.heads;
    t->kv_heads = (uint32_t)h.kv_heads;
    t->ffn = (uint32_t)h.hidden;
    t->vocabulary = (uint32_t)(h.vocabulary < 0 ? -h.vocabulary : h.vocabulary);
    t->positions = (uint32_t)h.positions;
    t->activation = ACTIVATION_SILU;
    t->gated = t->causal = true;
    t->norm = NORM_PRE;
    t->norm_kind = NORM_RMS;
    t->norm_epsilon = 1e-5;
    t->position_kind = POSITION_ROTARY;
    t->pairing = PAIRING_ADJACENT;
    t->qkv_bias = t->output_bias = t->linear_bias = false;
    t->head = h.vocabulary < 0 ? HEAD_OWN : HEAD_TIED;
    find_tokenizer(a, d, m);
    return transformer_check(d, m->loc, t) && read_weights(a, d, m, &h, bytes) ? m : NULL;
}

model *model_from_llama2c(arena *a, diag *d, const char *path) {
    const uint8_t *data;
    uint64_t bytes, stamp;
    if (!file_map(d, path, &data, &bytes, &stamp))
        return NULL;
    model *m = model_from_llama2c_bytes(a, d, path, data, bytes);
    file_unmap(data, bytes);
    if (m)
        model_stamp(m, stamp);
    return m;
}
