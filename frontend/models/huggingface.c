/* Hugging Face directories: config.json, weights in one safetensors file or several, a tokeniser, and what
 * sentence-transformers adds (sentence_modules.c). */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/models/huggingface.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/bert_rules.h"
#include "frontend/tokenizer/vocabulary.h"
#include "ir/base/path.h"
#include "runtime/base/words.h"

/* ---- the rest of the directory ----------------------------------------------------------------------------------- */

/** What the normaliser of tokenizer.json says of case. Whether the file describes a tokeniser that can be had matters
 * only to who has text: token ids do without. */
static bool read_normalizer_case(arena *a, diag *d, const char *path, bool *lower_case) {
    const doc_node *root = doc_load(a, d, path, VOCABULARY_BYTES);
    const doc_node *said = doc_find(doc_find(root, "normalizer"), "lowercase");
    return root && (!said || doc_is_null(said) || doc_bool(d, said, "normalizer.lowercase", lower_case));
}

static bool read_tokenizer(arena *a, diag *d, const char *directory, model *m) {
    const char *vocab = path_join(a, directory, "vocab.txt");
    const char *json = path_join(a, directory, "tokenizer.json");
    bool has_json = path_is_file(json);
    bert_rules r;
    if (!bert_rules_read(a, d, has_json ? json : vocab, &r))
        return false;
    m->lower_case = r.lower_case;
    if (path_is_file(vocab) && !(has_json && r.json_holds))
        m->vocabulary = vocab;
    else if (has_json)
        m->vocabulary = json;
    else
        diag_remark(d, m->loc, "huggingface",
                    "'%s' has neither vocab.txt nor tokenizer.json: inputs are token ids, not text", directory);
    if (!has_json)
        return true;
    bool lower_case = r.lower_case;
    if (!read_normalizer_case(a, d, json, &lower_case))
        return false;
    if (r.json_holds)
        m->lower_case = lower_case;
    else if (lower_case != r.lower_case)
        diag_remark(d, (src_loc){json, 0, 0}, "huggingface",
                    "its rule of case is not obeyed: BertTokenizer goes by tokenizer_config.json, or lower-cases");
    return true;
}

/** The tokeniser of a decoder, which has its own rules of case. */
static void find_tokenizer(arena *a, diag *d, const char *directory, weight_family family, model *m) {
    static const char *const names[] = {"tokenizer.json", "vocab.json", "encoder.json"};
    /* The others know of no frame, which RoBERTa has. */
    size_t count = family == FAMILY_ROBERTA ? 1 : sizeof names / sizeof *names;
    for (size_t i = 0; i < count && !m->vocabulary; i++)
        if (path_is_file(path_join(a, directory, names[i])))
            m->vocabulary = path_join(a, directory, names[i]);
    if (!m->vocabulary)
        diag_remark(d, m->loc, "huggingface", "'%s' has %s: inputs are token ids, not text", directory,
                    count == 1 ? "no tokenizer.json" : "neither tokenizer.json nor vocab.json");
}

bool model_read_surroundings(arena *a, diag *d, const char *directory, model *m) {
    if (!sentence_modules_read(a, d, directory, m->loc, &m->transformer))
        return false;
    if (m->transformer.first_position == 0)
        return read_tokenizer(a, d, directory, m);
    find_tokenizer(a, d, directory, FAMILY_ROBERTA, m);
    return true;
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
    transformer *t = &m->transformer;
    bool embeds = path_is_file(path_join(a, directory, "modules.json"));
    if (embeds) { /* rows are wanted: sentence-transformers leaves a head alone */
        t->head = HEAD_NONE;
        t->classes = 0;
        t->pooler = false;
    }
    bool words = family == FAMILY_BERT || family == FAMILY_DISTILBERT, encodes = words || family == FAMILY_ROBERTA;
    if ((embeds || (encodes && !t->classes && t->head == HEAD_NONE)) &&
        !sentence_modules_read(a, d, directory, m->loc, t))
        return false;
    if (words)
        return read_tokenizer(a, d, directory, m);
    find_tokenizer(a, d, directory, family, m);
    return true;
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
    m->name = model_directory_name(a, path);
    m->loc = root->loc;
    weight_family family;
    bool ok = huggingface_config(a, d, root, &m->transformer, &family) && read_rest(a, d, path, m, family) &&
              read_weights(a, d, path, m, family);
    return ok ? m : NULL;
}
