/* Hugging Face directories: config.json, weights in one safetensors file or several, a tokeniser, and of encoders what
 * sentence-transformers adds about pooling.
 *
 * Pooling: modules.json lists the modules behind the transformer; its Pooling module's config.json says mean, [CLS] or
 * last token, and a Normalize module that the row is divided by its length. Without modules.json, 1_Pooling/config.json
 * is taken if it is there; else the rows are averaged and not normalised.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/models/huggingface.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/vocabulary.h"
#include "ir/base/path.h"
#include "runtime/base/words.h"

/** A directory's own name: it is what the user called the model. */
static const char *directory_name(arena *a, const char *path) {
    char *real = realpath(path, NULL);
    const char *name = path_stem(a, real ? real : path);
    free(real);
    return name;
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
    if (dtq_ends_with(kind, ".Transformer"))
        return true;
    if (dtq_ends_with(kind, ".Normalize")) {
        t->normalize = true;
        return true;
    }
    if (dtq_ends_with(kind, ".Pooling"))
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

/** The tokeniser of a decoder, which has its own rules of case. */
static void find_tokenizer(arena *a, diag *d, const char *directory, model *m) {
    static const char *const names[] = {"tokenizer.json", "vocab.json", "encoder.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !m->vocabulary; i++)
        if (path_is_file(path_join(a, directory, names[i])))
            m->vocabulary = path_join(a, directory, names[i]);
    if (!m->vocabulary)
        diag_remark(d, m->loc, "huggingface",
                    "'%s' has neither tokenizer.json nor vocab.json: inputs are token ids, not text", directory);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

enum { SHARDS_MOST = 4096 };

/** The files that model.safetensors.index.json names. */
static bool read_index(arena *a, diag *d, const char *directory, const char *path, tensor_store *store) {
    const doc_node *root = doc_load(a, d, path, (size_t)64 << 20), *map = doc_find(root, "weight_map");
    const char **files = ARENA_ARRAY(a, const char *, SHARDS_MOST);
    size_t count = 0;
    if (!root)
        return false;
    if (!map || map->kind != DOC_MAPPING || map->count == 0)
        return diag_error(d, root->loc, "has no weight_map that says which file holds each tensor");
    for (size_t i = 0; i < map->count; i++) {
        const char *name;
        if (!doc_string(d, map->items[i], "a file of weight_map", &name))
            return false;
        if (strchr(name, '/'))
            return diag_error(d, map->items[i]->loc, "'%.100s' is not the name of a file beside this one", name);
        const char *file = path_join(a, directory, name);
        size_t k = 0;
        while (k < count && strcmp(files[k], file) != 0)
            k++;
        if (k == SHARDS_MOST)
            return diag_error(d, map->loc, "names more than %d files", SHARDS_MOST);
        if (k == count)
            files[count++] = file;
    }
    return tensor_store_safetensors(a, d, files, count, store);
}

static bool read_weights(arena *a, diag *d, const char *directory, model *m, weight_family family) {
    const char *path = path_join(a, directory, "model.safetensors");
    const char *index = path_join(a, directory, "model.safetensors.index.json");
    src_loc whole = {path, 0, 0};
    tensor_store store;
    if (path_is_file(path))
        return tensor_store_safetensors(a, d, &path, 1, &store) && weights_find(a, d, m, &store, family, NULL);
    if (path_is_file(index))
        return read_index(a, d, directory, index, &store) && weights_find(a, d, m, &store, family, NULL);
    if (path_is_file(path_join(a, directory, "pytorch_model.bin")))
        return diag_error(d, whole, "is missing; pytorch_model.bin cannot be read, convert it to model.safetensors");
    return diag_error(d, whole, "is missing; the weights must be there");
}

/** What the directory says beside config.json and weights. */
static bool read_rest(arena *a, diag *d, const char *directory, model *m, weight_family family) {
    if (family != FAMILY_BERT) {
        find_tokenizer(a, d, directory, m);
        return true;
    }
    return (m->transformer.classes || read_modules(a, d, directory, m->loc, &m->transformer)) &&
           read_tokenizer(a, d, directory, m);
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
    weight_family family;
    bool ok = huggingface_config(d, root, &m->transformer, &family) && read_rest(a, d, path, m, family) &&
              read_weights(a, d, path, m, family);
    return ok ? m : NULL;
}
