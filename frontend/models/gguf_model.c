/* Models of Llama's architecture and its kin from GGUF files: dimensions from the metadata, weights where they lie, in
 * the file's own types. */
#include <string.h>

#include "frontend/files/gguf.h"
#include "frontend/files/settings.h"
#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "frontend/models/rotary_scaling.h"
#include "ir/base/path.h"
#include "runtime/base/words.h"
#include "runtime/numerics/rotary.h"

/** An architecture: what its keys begin with, and how its heads are turned. llama.cpp's converter permutes the rows of
 *  Llama's queries and keys, but not of the others'. */
static const struct architecture {
    const char *name;
    rotary_pairing pairing;
} architectures[] = {{"llama", PAIRING_ADJACENT}, {"qwen2", PAIRING_HALVES}, {"qwen3", PAIRING_HALVES}};

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

/** Multiplies divisors of frequencies with those that the file has as a tensor, if it has. */
static bool read_divisors(const source *s, uint32_t pairs, float *divisors) {
    const stored_tensor *found = tensor_store_find(&s->g->tensors, "rope_freqs.weight");
    if (!found)
        return true;
    if (strcmp(found->dtype, "F32") != 0 || found->rank != 1 || found->shape[0] != pairs)
        return diag_error(s->d, (src_loc){s->g->path, 0, 0},
                          "rope_freqs.weight must be %u numbers of the type F32, one for each pair of channels", pairs);
    for (uint32_t c = 0; c < pairs; c++) {
        float own;
        memcpy(&own, s->g->data + found->offset + c * sizeof own, sizeof own);
        divisors[c] *= own;
    }
    return true;
}

/** Scaled rotary positions as llama.cpp computes them (rope_yarn of ggml): divided by one factor or as in YaRN, and by
 *  what is in the file for each pair. */
static bool read_scaling(const source *s, transformer *t) {
    const gguf *g = s->g;
    diag *d = s->d;
    src_loc whole = {g->path, 0, 0};
    const char *type = "linear"; /* as llama.cpp takes it where there is a factor and no type */
    double factor = 0, older = 0;
    yarn_scaling y = {.fast = 32, .slow = 1, .truncate = true, .amplitude = 1};
    uint32_t original = 0, context = 1, pairs = t->head_dim / 2;
    if (!gguf_text(g, s->a, d, key_of(s, "rope.scaling.type"), false, &type) ||
        !gguf_real(g, d, key_of(s, "rope.scaling.factor"), false, 0, 1e12, &factor) ||
        !gguf_real(g, d, key_of(s, "rope.scale_linear"), false, 0, 1e12, &older) ||
        !gguf_real(g, d, key_of(s, "rope.scaling.attn_factor"), false, 1e-6, 1e6, &y.amplitude) ||
        !gguf_real(g, d, key_of(s, "rope.scaling.yarn_beta_fast"), false, 1e-6, 1e6, &y.fast) ||
        !gguf_real(g, d, key_of(s, "rope.scaling.yarn_beta_slow"), false, 1e-6, 1e6, &y.slow) ||
        !read_uint(s, "rope.scaling.original_context_length", false, 0, INT32_MAX, &original) ||
        !read_uint(s, "context_length", true, 1, INT32_MAX, &context))
        return false;
    const bool none = strcmp(type, "none") == 0, yarn = strcmp(type, "yarn") == 0;
    if (!none && !yarn && strcmp(type, "linear") != 0)
        return diag_error(d, whole, "%s is '%.40s'; it is one of none, linear, yarn", key_of(s, "rope.scaling.type"),
                          type);
    factor = factor != 0 ? factor : older;
    y.factor = factor != 0 && !none ? factor : 1;
    y.original = original ? original : context;
    if (!(y.factor >= 1) || (yarn && !(t->rotary_base > 1)))
        return diag_error(d, whole, "%s is %g and the base of frequencies %g; they must be from 1 on",
                          key_of(s, "rope.scaling.factor"), y.factor, t->rotary_base);
    float *divisors = ARENA_ARRAY(s->a, float, pairs);
    if (yarn)
        rotary_yarn(&y, t->rotary_base, t->head_dim, divisors);
    for (uint32_t c = 0; c < pairs && !yarn; c++)
        divisors[c] = (float)y.factor;
    if (!read_divisors(s, pairs, divisors))
        return false;
    y.amplitude *= yarn ? rotary_yarn_amplitude(y.factor, 1) : 1;
    t->frequencies = rotary_frequencies(s->a, (float)y.amplitude, divisors, pairs);
    const char *wrong = dtq_frequencies_wrong(t->frequencies, t->head_dim);
    return !wrong || diag_error(d, whole, "scales its rotary positions: %s", wrong);
}

/** Every key of the metadata must be known. */
static bool check_keys(const source *s) {
    size_t prefix = strlen(s->prefix);
    for (size_t i = 0; i < s->g->value_count; i++) {
        const char *key = s->g->values[i].key;
        bool own = strncmp(key, s->prefix, prefix) == 0 && key[prefix] == '.';
        if (!settings_find(own ? SETTINGS_GGUF_MODEL : SETTINGS_GGUF, MODELS_ANY, own ? key + prefix + 1 : key) &&
            !diag_unknown(s->d, (src_loc){s->g->path, 0, 0},
                          "the key '%.80s' of the metadata is not known here; what it asks for "
                          "would be lost",
                          key))
            return false;
    }
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
        return diag_error(d, m->loc,
                          "holds a model of the architecture '%.40s'; only llama, qwen2 and qwen3 can be read",
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
    t->head_norm = tensor_store_find(&g->tensors, "blk.0.attn_q_norm.weight");
    t->output_bias = tensor_store_find(&g->tensors, "blk.0.attn_output.bias");
    t->linear_bias = tensor_store_find(&g->tensors, "blk.0.ffn_down.bias");
    t->head = tensor_store_find(&g->tensors, "output.weight") ? HEAD_OWN : HEAD_TIED;
    if (gguf_find(g, "tokenizer.ggml.tokens"))
        m->vocabulary = m->path;
    const source s = {a, d, g, kind->name};
    return check_keys(&s) && gguf_bool(g, d, key_of(&s, "attention.causal"), &t->causal) && read_dimensions(&s, t) &&
           read_scaling(&s, t) && weights_find(a, d, m, &g->tensors, FAMILY_GGUF, "");
}

model *gguf_model(arena *a, diag *d, const gguf *g) {
    model *m = ARENA_NEW(a, model);
    m->path = g->path;
    m->name = path_stem(a, g->path);
    m->loc = (src_loc){m->path, 0, 0};
    return read_model(g, a, d, m) ? m : NULL;
}

/** The other parts of a model in several files, NAME-00001-of-0000N.gguf: their tensors join those of the first. */
static bool join_parts(arena *a, diag *d, gguf *g) {
    enum { PARTS_MOST = 4096 };
    uint32_t part = 0, parts = 1;
    src_loc whole = {g->path, 0, 0};
    if (!gguf_uint(g, d, "split.count", false, 0, PARTS_MOST, &parts) ||
        !gguf_uint(g, d, "split.no", false, 0, PARTS_MOST, &part))
        return false;
    if (parts <= 1)
        return true;
    const char *tail = arena_printf(a, "-00001-of-%05u.gguf", parts);
    if (part != 0)
        return diag_error(d, whole, "is part %u of %u; name the first, which the others are found by", part + 1, parts);
    if (!dtq_ends_with(g->path, tail))
        return diag_error(d, whole, "is the first part of %u, whose name must end in %s", parts, tail);
    for (uint32_t k = 1; k < parts; k++) {
        size_t stem = strlen(g->path) - strlen(tail);
        gguf *other = gguf_open(a, d, arena_printf(a, "%.*s-%05u-of-%05u.gguf", (int)stem, g->path, k + 1, parts));
        uint32_t number = UINT32_MAX;
        if (!other)
            return false;
        bool ok = gguf_uint(other, d, "split.no", true, 0, PARTS_MOST, &number) &&
                  (number == k ||
                   diag_error(d, (src_loc){other->path, 0, 0}, "is not part %u: split.no is %u", k + 1, number));
        tensor_store *to = &g->tensors;
        stored_tensor *all = ARENA_ARRAY(a, stored_tensor, to->count + other->tensors.count + 1);
        if (to->count)
            memcpy(all, to->tensors, to->count * sizeof *all);
        if (other->tensors.count)
            memcpy(all + to->count, other->tensors.tensors, other->tensors.count * sizeof *all);
        to->tensors = all;
        to->count += other->tensors.count;
        gguf_close(other);
        if (!ok)
            return false;
    }
    return tensor_store_sort(d, &g->tensors);
}

model *model_from_gguf(arena *a, diag *d, const char *path) {
    gguf *g = gguf_open(a, d, path);
    model *m = g && join_parts(a, d, g) ? gguf_model(a, d, g) : NULL;
    gguf_close(g);
    return m;
}
