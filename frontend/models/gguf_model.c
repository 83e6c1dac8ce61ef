/* Models of Llama's architecture and its kin from GGUF files: dimensions from the metadata, weights where they lie, in
 * the file's own types. */
#include <string.h>

#include "frontend/files/gguf.h"
#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "ir/base/path.h"

/** An architecture: what its keys begin with, and how its heads are turned. llama.cpp's converter permutes the rows of
 *  Llama's queries and keys, but not of the others'. */
static const struct architecture {
    const char *name;
    rotary_pairing pairing;
} architectures[] = {{"llama", PAIRING_ADJACENT}, {"qwen2", PAIRING_HALVES}};

/** A file and what the keys of its architecture begin with. */
typedef struct {
    arena *a;
    diag *d;
    const gguf *g;
    const char *prefix;
} source;

static const char *key_of(const source *s, const char *name) {
    return arena_printf(s->a, "%s.%s", s->prefix, name);
}

static bool read_uint(const source *s, const char *name, bool required, uint64_t least, uint64_t most, uint32_t *out) {
    return gguf_uint(s->g, s->d, key_of(s, name), required, least, most, out);
}

static bool read_dimensions(const source *s, transformer *t) {
    const gguf *g = s->g;
    diag *d = s->d;
    uint32_t rotated = 0, value_length = 0, experts = 0;
    bool ok = read_uint(s, "block_count", true, 1, MODEL_MAX_LAYERS, &t->layers) &&
              read_uint(s, "embedding_length", true, 1, MODEL_MAX_WIDTH, &t->hidden) &&
              read_uint(s, "attention.head_count", true, 1, MODEL_MAX_HEADS, &t->heads) &&
              read_uint(s, "attention.head_count_kv", false, 1, MODEL_MAX_HEADS, &t->kv_heads) &&
              read_uint(s, "attention.key_length", false, 1, MODEL_MAX_WIDTH, &t->head_dim) &&
              read_uint(s, "attention.value_length", false, 1, MODEL_MAX_WIDTH, &value_length) &&
              read_uint(s, "feed_forward_length", true, 1, MODEL_MAX_FFN, &t->ffn) &&
              read_uint(s, "context_length", true, 1, INT32_MAX, &t->positions) &&
              read_uint(s, "rope.dimension_count", false, 1, MODEL_MAX_WIDTH, &rotated) &&
              read_uint(s, "expert_count", false, 0, INT32_MAX, &experts) &&
              gguf_real(g, d, key_of(s, "rope.freq_base"), false, 1, 1e12, &t->rotary_base) &&
              gguf_real(g, d, key_of(s, "attention.layer_norm_rms_epsilon"), true, 0, 1, &t->norm_epsilon);
    src_loc whole = {g->path, 0, 0};
    if (!ok)
        return false;
    if (experts)
        return diag_error(d, whole, "has %u experts in each layer; only models with one FFN can be read", experts);
    if (t->positions > MODEL_MAX_TOKENS)
        t->positions = MODEL_MAX_TOKENS;
    if (!transformer_check(d, whole, t))
        return false;
    if ((rotated && rotated != t->head_dim) || (value_length && value_length != t->head_dim))
        return diag_error(d, whole,
                          "heads of %u channels, of which %u are rotated, with values of %u: all must be the same",
                          t->head_dim, rotated ? rotated : t->head_dim, value_length ? value_length : t->head_dim);
    return true;
}

/** Rotary frequencies other than the plain ones would make it another model. */
static bool check_scaling(const source *s) {
    const gguf *g = s->g;
    diag *d = s->d;
    src_loc whole = {g->path, 0, 0};
    const char *type = "none";
    double factor = 1;
    if (!gguf_text(g, s->a, d, key_of(s, "rope.scaling.type"), false, &type) ||
        !gguf_real(g, d, key_of(s, "rope.scale_linear"), false, 0, 1e12, &factor))
        return false;
    if (strcmp(type, "none") != 0 || factor != 1 || tensor_store_find(&g->tensors, "rope_freqs.weight"))
        return diag_error(d, whole, "scales its rotary positions; only unscaled ones can be computed");
    return true;
}

static bool read_model(const gguf *g, arena *a, diag *d, model *m) {
    transformer *t = &m->transformer;
    const char *architecture = NULL;
    const stored_tensor *words = tensor_store_find(&g->tensors, "token_embd.weight");
    if (!gguf_text(g, a, d, "general.architecture", true, &architecture))
        return false;
    const struct architecture *kind = NULL;
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (strcmp(architecture, architectures[i].name) == 0)
            kind = &architectures[i];
    if (!kind)
        return diag_error(d, m->loc, "holds a model of the architecture '%.40s'; only llama and qwen2 can be read",
                          architecture);
    if (!words || words->rank != 2 || words->shape[0] < 1 || words->shape[0] > MODEL_MAX_VOCABULARY)
        return diag_error(d, m->loc, "has no matrix token_embd.weight with a row for each token");
    *t = transformer_defaults();
    t->vocabulary = (uint32_t)words->shape[0];
    t->activation = ACTIVATION_SILU;
    t->gated = t->causal = true;
    t->norm = NORM_PRE;
    t->norm_kind = NORM_RMS;
    t->position_kind = POSITION_ROTARY;
    t->pairing = kind->pairing;
    t->qkv_bias = tensor_store_find(&g->tensors, "blk.0.attn_q.bias");
    t->output_bias = tensor_store_find(&g->tensors, "blk.0.attn_output.bias");
    t->linear_bias = tensor_store_find(&g->tensors, "blk.0.ffn_down.bias");
    t->head = tensor_store_find(&g->tensors, "output.weight") ? HEAD_OWN : HEAD_TIED;
    if (gguf_find(g, "tokenizer.ggml.tokens"))
        m->vocabulary = m->path;
    const source s = {a, d, g, kind->name};
    return read_dimensions(&s, t) && check_scaling(&s) && weights_find(a, d, m, &g->tensors, FAMILY_GGUF, "");
}

model *gguf_model(arena *a, diag *d, const gguf *g) {
    model *m = ARENA_NEW(a, model);
    m->path = g->path;
    m->name = path_stem(a, g->path);
    m->loc = (src_loc){m->path, 0, 0};
    return read_model(g, a, d, m) ? m : NULL;
}

model *model_from_gguf(arena *a, diag *d, const char *path) {
    gguf *g = gguf_open(a, d, path);
    model *m = g ? gguf_model(a, d, g) : NULL;
    gguf_close(g);
    return m;
}
