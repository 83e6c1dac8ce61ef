/* Model descriptions in YAML: a transformer by its dimensions, or a bare attention problem. */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "ir/base/path.h"

/** `transformer:`. What is missing is as transformer_defaults and transformer_check say. */
static const field transformer_fields[] = {
    {"layers", FIELD_U32, offsetof(transformer, layers), 1, MODEL_MAX_LAYERS, NULL, true},
    {"hidden", FIELD_U32, offsetof(transformer, hidden), 1, MODEL_MAX_WIDTH, NULL, true},
    {"heads", FIELD_U32, offsetof(transformer, heads), 1, MODEL_MAX_HEADS, NULL, true},
    {"kv_heads", FIELD_U32, offsetof(transformer, kv_heads), 1, MODEL_MAX_HEADS, NULL, false},
    {"head_dim", FIELD_U32, offsetof(transformer, head_dim), 1, MODEL_MAX_WIDTH, NULL, false},
    {"ffn", FIELD_U32, offsetof(transformer, ffn), 1, MODEL_MAX_FFN, NULL, false},
    {"gated", FIELD_BOOL, offsetof(transformer, gated), 0, 0, NULL, false},
    {"activation", FIELD_WORD, offsetof(transformer, activation), 0, 0, ACTIVATION_WORDS, false},
    {"norm", FIELD_WORD, offsetof(transformer, norm), 0, 0, NORM_WORDS, false},
    {"norm_kind", FIELD_WORD, offsetof(transformer, norm_kind), 0, 0, NORM_KIND_WORDS, false},
    {"norm_epsilon", FIELD_REAL, offsetof(transformer, norm_epsilon), 0, 1, NULL, false},
    {"causal", FIELD_BOOL, offsetof(transformer, causal), 0, 0, NULL, false},
    {"positions", FIELD_U32, offsetof(transformer, positions), 1, MODEL_MAX_TOKENS, NULL, false},
    {"position_kind", FIELD_WORD, offsetof(transformer, position_kind), 0, 0, POSITION_WORDS, false},
    {"rotary_base", FIELD_REAL, offsetof(transformer, rotary_base), 1, 1e12, NULL, false},
    {"rotary_pairs", FIELD_WORD, offsetof(transformer, pairing), 0, 0, PAIRING_WORDS, false},
    {"vocabulary", FIELD_U32, offsetof(transformer, vocabulary), 1, MODEL_MAX_VOCABULARY, NULL, false},
    {"types", FIELD_U32, offsetof(transformer, types), 0, MODEL_MAX_TOKENS, NULL, false},
    {"pooling", FIELD_WORD, offsetof(transformer, pooling), 0, 0, POOLING_WORDS, false},
    {"normalize", FIELD_BOOL, offsetof(transformer, normalize), 0, 0, NULL, false},
    {"pooler", FIELD_BOOL, offsetof(transformer, pooler), 0, 0, NULL, false},
    {"classes", FIELD_U32, offsetof(transformer, classes), 0, MODEL_MAX_FFN, NULL, false},
    {"head", FIELD_WORD, offsetof(transformer, head), 0, 0, HEAD_WORDS, false},
    {"qkv_bias", FIELD_BOOL, offsetof(transformer, qkv_bias), 0, 0, NULL, false},
    {"output_bias", FIELD_BOOL, offsetof(transformer, output_bias), 0, 0, NULL, false},
    {"linear_bias", FIELD_BOOL, offsetof(transformer, linear_bias), 0, 0, NULL, false},
    {"importance", FIELD_WORD, offsetof(transformer, importance), 0, 0, IMPORTANCE_WORDS, false},
};

static const field attention_fields[] = {
    {"tokens", FIELD_U32, offsetof(bare_attention, tokens), 1, MODEL_MAX_TOKENS, NULL, true},
    {"heads", FIELD_U32, offsetof(bare_attention, heads), 1, MODEL_MAX_HEADS, NULL, false},
    {"kv_heads", FIELD_U32, offsetof(bare_attention, kv_heads), 1, MODEL_MAX_HEADS, NULL, false},
    {"head_dim", FIELD_U32, offsetof(bare_attention, head_dim), 1, MODEL_MAX_WIDTH, NULL, true},
    {"causal", FIELD_BOOL, offsetof(bare_attention, causal), 0, 0, NULL, false},
    {"importance", FIELD_WORD, offsetof(bare_attention, importance), 0, 0, IMPORTANCE_WORDS, false},
};

typedef struct {
    uint64_t seed;
    const char *safetensors, *prefix;
} weights_description;

static const field weights_fields[] = {
    {"seed", FIELD_U64, offsetof(weights_description, seed), 0, 9.3e18, NULL, false},
    {"safetensors", FIELD_STRING, offsetof(weights_description, safetensors), 0, 0, NULL, false},
    {"prefix", FIELD_NODE, 0, 0, 0, NULL, false},
};

typedef struct {
    const char *vocab;
    bool lower_case;
} tokenizer_description;

static const field tokenizer_fields[] = {
    {"vocab", FIELD_STRING, offsetof(tokenizer_description, vocab), 0, 0, NULL, true},
    {"lower_case", FIELD_BOOL, offsetof(tokenizer_description, lower_case), 0, 0, NULL, false},
};

static const field model_fields[] = {
    {"name", FIELD_STRING, offsetof(model, name), 0, 0, NULL, false},
    {"tokens", FIELD_U32, offsetof(model, tokens), 1, MODEL_MAX_TOKENS, NULL, false},
    {"transformer", FIELD_NODE, 0, 0, 0, NULL, false},
    {"attention", FIELD_NODE, 0, 0, 0, NULL, false},
    {"weights", FIELD_NODE, 0, 0, 0, NULL, false},
    {"tokenizer", FIELD_NODE, 0, 0, 0, NULL, false},
};

static bool read_attention(diag *d, const doc_node *root, const doc_node *n, model *m) {
    static const char *const unused[] = {"weights", "tokenizer", "tokens"};
    bare_attention *b = &m->attention;
    b->heads = 1;
    m->bare = true;
    m->loc = n->loc;
    if (!fields_read(d, n, "attention", attention_fields, FIELD_COUNT(attention_fields), FIELDS_STRICT, b))
        return false;
    if (b->kv_heads == 0)
        b->kv_heads = b->heads;
    if (b->kv_heads > b->heads || b->heads % b->kv_heads != 0)
        return diag_error(d, n->loc, "heads is %u and kv_heads %u: heads must be a multiple of kv_heads", b->heads,
                          b->kv_heads);
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) {
        const doc_node *other = doc_find(root, unused[i]);
        if (other)
            return diag_error(d, other->loc, "`%s` has no use beside `attention`, whose inputs are q, k and v",
                              unused[i]);
    }
    return true;
}

static bool read_weights(arena *a, diag *d, const doc_node *n, model *m) {
    weights_description w = {.seed = 1};
    const doc_node *prefix = n ? doc_find(n, "prefix") : NULL;
    if (n && !fields_read(d, n, "weights", weights_fields, FIELD_COUNT(weights_fields), FIELDS_STRICT, &w))
        return false;
    if (prefix && (prefix->kind != DOC_SCALAR || (doc_is_null(prefix) && !prefix->quoted)))
        return doc_string(d, prefix, "weights.prefix", &w.prefix); /* the error that it is no text */
    if (prefix)
        w.prefix = prefix->text;
    if (!w.safetensors) {
        if (prefix)
            return diag_error(d, prefix->loc, "weights.prefix has no use without weights.safetensors");
        weights_synthetic(a, m, w.seed);
        return true;
    }
    const doc_node *seed = doc_find(n, "seed");
    if (seed)
        return diag_error(d, seed->loc, "weights has both safetensors and seed; it must have one of them");
    const doc_node *file = doc_find(n, "safetensors");
    const char *path = path_beside(a, m->path, w.safetensors);
    if (!path_is_file(path))
        return diag_error(d, file->loc, "there is no file '%s'; the path must start beside this file", path);
    tensor_store store;
    return tensor_store_safetensors(a, d, &path, 1, &store) && weights_find(a, d, m, &store, FAMILIES, w.prefix);
}

static bool read_tokenizer(arena *a, diag *d, const doc_node *n, model *m) {
    tokenizer_description t = {.lower_case = true};
    if (!fields_read(d, n, "tokenizer", tokenizer_fields, FIELD_COUNT(tokenizer_fields), FIELDS_STRICT, &t))
        return false;
    m->vocabulary = path_beside(a, m->path, t.vocab);
    m->lower_case = t.lower_case;
    return true;
}

static bool read_transformer(arena *a, diag *d, const doc_node *root, const doc_node *n, model *m) {
    const doc_node *text = doc_find(root, "tokenizer"), *tokens = doc_find(root, "tokens");
    transformer *t = &m->transformer;
    *t = transformer_defaults();
    m->loc = n->loc;
    if (!fields_read(d, n, "transformer", transformer_fields, FIELD_COUNT(transformer_fields), FIELDS_STRICT, t) ||
        !transformer_check(d, n->loc, t))
        return false;
    if (!doc_find(n, "output_bias"))
        t->output_bias = t->linear_bias;
    if (tokens && m->tokens > t->positions)
        return diag_error(d, tokens->loc, "tokens is %u, but the model has positions for %u", m->tokens, t->positions);
    return (!text || read_tokenizer(a, d, text, m)) && read_weights(a, d, doc_find(root, "weights"), m);
}

model *model_from_yaml(arena *a, diag *d, const char *path) {
    const doc_node *root = doc_load(a, d, path, 0);
    if (!root)
        return NULL;
    model *m = ARENA_NEW(a, model);
    m->path = arena_strdup(a, path);
    m->name = path_stem(a, path);
    m->lower_case = true;
    bool ok = fields_read(d, root, "", model_fields, FIELD_COUNT(model_fields), FIELDS_STRICT, m);
    const doc_node *stack = doc_find(root, "transformer"), *attention = doc_find(root, "attention");
    if (!ok && !stack && !attention)
        return NULL; /* misspelt, as has been said */
    if (!stack == !attention) {
        src_loc loc = attention ? attention->loc : root->loc;
        diag_error(d, loc,
                   "a model has either `transformer`, its dimensions, or `attention`, a bare attention problem%s",
                   attention ? ", not both" : "");
        return NULL;
    }
    ok = (stack ? read_transformer(a, d, root, stack, m) : read_attention(d, root, attention, m)) && ok;
    return ok ? m : NULL;
}
