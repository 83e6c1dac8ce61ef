/* Hugging Face directories of the BERT family: config.json, model.safetensors, vocab.txt or tokenizer.json, and what
 * sentence-transformers adds about pooling.
 *
 * Pooling: modules.json lists the modules behind the transformer; its Pooling module's config.json says mean, [CLS] or
 * last token, and a Normalize module that the row is divided by its length. Without modules.json, 1_Pooling/config.json
 * is taken if it is there; else the rows are averaged and not normalised.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/fields.h"
#include "frontend/model.h"
#include "frontend/path.h"
#include "frontend/tokenizer/vocabulary.h"

typedef struct {
    const char *model_type, *position_type;
    transformer t;
    uint32_t activation;
} bert_config;

/* Their names of activations, and ours in the same order. */
#define HF_ACTIVATIONS "gelu|gelu_new|gelu_pytorch_tanh|gelu_fast|relu|silu|swish|tanh"
static const uint32_t activation_of[] = {0, 1, 1, 1, 2, 3, 3, 4};

static const field config_fields[] = {
    {"position_embedding_type", FIELD_STRING, offsetof(bert_config, position_type), 0, 0, NULL, false},
    {"num_hidden_layers", FIELD_U32, offsetof(bert_config, t.layers), 1, MODEL_MAX_LAYERS, NULL, true},
    {"hidden_size", FIELD_U32, offsetof(bert_config, t.hidden), 1, MODEL_MAX_WIDTH, NULL, true},
    {"num_attention_heads", FIELD_U32, offsetof(bert_config, t.heads), 1, MODEL_MAX_HEADS, NULL, true},
    {"intermediate_size", FIELD_U32, offsetof(bert_config, t.ffn), 1, MODEL_MAX_FFN, NULL, true},
    {"hidden_act", FIELD_WORD, offsetof(bert_config, activation), 0, 0, HF_ACTIVATIONS, false},
    {"layer_norm_eps", FIELD_REAL, offsetof(bert_config, t.norm_epsilon), 0, 1, NULL, false},
    {"max_position_embeddings", FIELD_U32, offsetof(bert_config, t.positions), 1, MODEL_MAX_TOKENS, NULL, true},
    {"vocab_size", FIELD_U32, offsetof(bert_config, t.vocabulary), 1, MODEL_MAX_VOCABULARY, NULL, true},
    {"type_vocab_size", FIELD_U32, offsetof(bert_config, t.types), 0, MODEL_MAX_TOKENS, NULL, false},
    {"is_decoder", FIELD_BOOL, offsetof(bert_config, t.causal), 0, 0, NULL, false},
};

/** A directory's own name: it is what the user called the model. */
static const char *directory_name(arena *a, const char *path) {
    char *real = realpath(path, NULL);
    const char *name = path_stem(a, real ? real : path);
    free(real);
    return name;
}

static bool read_config(diag *d, const doc_node *root, transformer *out) {
    bert_config c = {.model_type = "bert", .position_type = "absolute", .t = transformer_defaults()};
    c.t.types = 2;
    const doc_node *type = doc_find(root, "model_type"), *position = doc_find(root, "position_embedding_type");
    if (type && !doc_string(d, type, "model_type", &c.model_type))
        return false;
    if (strcmp(c.model_type, "bert") != 0)
        return diag_error(d, type->loc, "model_type is '%.40s'; only models of type 'bert' can be read", c.model_type);
    if (!fields_read(d, root, "", config_fields, FIELD_COUNT(config_fields), FIELDS_NULLS, &c))
        return false;
    if (strcmp(c.position_type, "absolute") != 0)
        return diag_error(d, position->loc, "position_embedding_type is '%.40s'; it must be 'absolute'",
                          c.position_type);
    c.t.activation = activation_of[c.activation];
    *out = c.t;
    return transformer_check(d, root->loc, out);
}

/* ---- pooling ----------------------------------------------------------------------------------------------------- */

typedef struct {
    bool first, mean, max, mean_sqrt, weighted, last;
} pooling_config;

static bool read_pooling(arena *a, diag *d, const char *path, transformer *t) {
    static const field fields[] = {
        {"pooling_mode_cls_token", FIELD_BOOL, offsetof(pooling_config, first), 0, 0, NULL, false},
        {"pooling_mode_mean_tokens", FIELD_BOOL, offsetof(pooling_config, mean), 0, 0, NULL, false},
        {"pooling_mode_max_tokens", FIELD_BOOL, offsetof(pooling_config, max), 0, 0, NULL, false},
        {"pooling_mode_mean_sqrt_len_tokens", FIELD_BOOL, offsetof(pooling_config, mean_sqrt), 0, 0, NULL, false},
        {"pooling_mode_weightedmean_tokens", FIELD_BOOL, offsetof(pooling_config, weighted), 0, 0, NULL, false},
        {"pooling_mode_lasttoken", FIELD_BOOL, offsetof(pooling_config, last), 0, 0, NULL, false},
    };
    pooling_config c = {0};
    const doc_node *root = doc_load(a, d, path, 0);
    if (!root || !fields_read(d, root, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, &c))
        return false;
    if (c.max || c.mean_sqrt || c.weighted || c.first + c.mean + c.last != 1)
        return diag_error(d, root->loc,
                          "pooling must be exactly one of pooling_mode_mean_tokens, pooling_mode_cls_token "
                          "and pooling_mode_lasttoken");
    t->pooling = c.first ? POOLING_FIRST : c.last ? POOLING_LAST : POOLING_MEAN;
    return true;
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

/** One entry of modules.json. */
static bool read_module(arena *a, diag *d, const char *directory, const doc_node *entry, transformer *t) {
    const doc_node *type = doc_find(entry, "type"), *path = doc_find(entry, "path");
    const char *kind, *beside = "";
    if (!type || !path)
        return diag_error(d, entry->loc, "a module must have a type and a path");
    if (!doc_string(d, type, "type", &kind))
        return false;
    if (path->kind == DOC_SCALAR)
        beside = path->text;
    if (ends_with(kind, ".Transformer"))
        return true;
    if (ends_with(kind, ".Normalize")) {
        t->normalize = true;
        return true;
    }
    if (ends_with(kind, ".Pooling"))
        return read_pooling(a, d, path_join(a, path_join(a, directory, beside), "config.json"), t);
    return diag_error(d, type->loc,
                      "module '%.60s' is not supported; after the transformer there may be Pooling and "
                      "Normalize",
                      kind);
}

static bool read_modules(arena *a, diag *d, const char *directory, src_loc loc, transformer *t) {
    const char *modules = path_join(a, directory, "modules.json");
    const char *pooling = path_join(a, directory, "1_Pooling/config.json");
    t->pooling = POOLING_MEAN;
    t->normalize = false;
    if (!path_is_file(modules)) {
        if (path_is_file(pooling))
            return read_pooling(a, d, pooling, t);
        diag_remark(d, loc, "huggingface", "nothing in '%s' says how to pool: rows are averaged and not normalised",
                    directory);
        return true;
    }
    const doc_node *root = doc_load(a, d, modules, 0);
    if (!root || !doc_kind_is(d, root, "modules.json", DOC_SEQUENCE))
        return false;
    for (size_t i = 0; i < root->count; i++)
        if (!read_module(a, d, directory, root->items[i], t))
            return false;
    return true;
}

/* ---- the rest of the directory ----------------------------------------------------------------------------------- */

/** What the normaliser of tokenizer.json says of case. Whether the file describes a tokeniser that can be had matters
 * only to who has text: token ids do without. */
static bool read_normalizer_case(arena *a, diag *d, const char *path, bool *lower_case) {
    const doc_node *root = doc_load(a, d, path, VOCABULARY_BYTES);
    const doc_node *said = doc_find(doc_find(root, "normalizer"), "lowercase");
    return root && (!said || doc_is_null(said) || doc_bool(d, said, "normalizer.lowercase", lower_case));
}

static bool read_tokenizer(arena *a, diag *d, const char *directory, model *m) {
    static const field fields[] = {{"do_lower_case", FIELD_BOOL, offsetof(model, lower_case), 0, 0, NULL, false}};
    const char *vocab = path_join(a, directory, "vocab.txt");
    const char *json = path_join(a, directory, "tokenizer.json");
    const char *config = path_join(a, directory, "tokenizer_config.json");
    bool has_tokenizer = path_is_file(json);
    m->lower_case = true;
    if (path_is_file(vocab))
        m->vocabulary = vocab;
    else if (has_tokenizer)
        m->vocabulary = json;
    else
        diag_remark(d, m->loc, "huggingface",
                    "'%s' has neither vocab.txt nor tokenizer.json: inputs are token ids, not text", directory);
    if (path_is_file(config)) {
        const doc_node *root = doc_load(a, d, config, 0);
        if (!root || !fields_read(d, root, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, m))
            return false;
        const doc_node *said = doc_find(root, fields[0].key);
        if (said && !doc_is_null(said))
            return true;
    }
    return !has_tokenizer || read_normalizer_case(a, d, json, &m->lower_case);
}

bool model_read_surroundings(arena *a, diag *d, const char *directory, model *m) {
    return read_modules(a, d, directory, m->loc, &m->transformer) && read_tokenizer(a, d, directory, m);
}

static bool read_weights(arena *a, diag *d, const char *directory, model *m) {
    const char *path = path_join(a, directory, "model.safetensors");
    src_loc whole = {path, 0, 0};
    tensor_store store;
    if (path_is_file(path))
        return tensor_store_safetensors(a, d, &path, 1, &store) && weights_find(a, d, m, &store, FAMILY_BERT, NULL);
    if (path_is_file(path_join(a, directory, "model.safetensors.index.json")))
        return diag_error(d, whole, "is split over several files; weights must be in the one file model.safetensors");
    if (path_is_file(path_join(a, directory, "pytorch_model.bin")))
        return diag_error(d, whole, "is missing; pytorch_model.bin cannot be read, convert it to model.safetensors");
    return diag_error(d, whole, "is missing; the weights must be there");
}

model *model_from_directory(arena *a, diag *d, const char *path) {
    const char *config = path_join(a, path, "config.json");
    if (!path_is_file(config)) {
        diag_error(d, (src_loc){arena_strdup(a, path), 0, 0},
                   "is a directory without config.json; a model is a YAML file or a Hugging Face directory");
        return NULL;
    }
    const doc_node *root = doc_load(a, d, config, 0);
    if (!root)
        return NULL;
    model *m = ARENA_NEW(a, model);
    m->path = arena_strdup(a, path);
    m->name = directory_name(a, path);
    m->loc = root->loc;
    bool ok =
        read_config(d, root, &m->transformer) && model_read_surroundings(a, d, path, m) && read_weights(a, d, path, m);
    return ok ? m : NULL;
}
