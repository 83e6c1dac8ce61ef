/* What sentence-transformers says of texts: how long they may be, their case, and what is put before them. */
#include "frontend/tokenizer/sentence.h"

#include <string.h>

#include "frontend/files/fields.h"
#include "frontend/files/settings.h"
#include "frontend/tokenizer/vocabulary.h"
#include "ir/base/path.h"

/* The first of the transformer's that is there holds; the later ones are of old versions. */
enum { MODULES, MODEL, TRANSFORMER };
const char *const sentence_files[] = {[MODULES] = "modules.json",
                                      [MODEL] = "config_sentence_transformers.json",
                                      [TRANSFORMER] = "sentence_bert_config.json",
                                      "sentence_roberta_config.json",
                                      "sentence_distilbert_config.json",
                                      "sentence_camembert_config.json",
                                      "sentence_albert_config.json",
                                      "sentence_xlm-roberta_config.json",
                                      "sentence_xlnet_config.json",
                                      NULL};

static bool read_transformer(arena *a, diag *d, const char *path, sentence_settings *out) {
    static const field fields[] = {
        {"max_seq_length", FIELD_U32, offsetof(sentence_settings, max_length), 1, INT32_MAX, NULL, false},
        {"do_lower_case", FIELD_BOOL, offsetof(sentence_settings, lower_case), 0, 0, NULL, false},
    };
    const doc_node *root = doc_load(a, d, path, 0);
    return root && settings_check(d, root, SETTINGS_SENTENCE, MODELS_ANY) &&
           fields_read(d, root, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, out);
}

/** The prompt of default_prompt_name. */
static bool read_prompt(diag *d, const doc_node *root, sentence_settings *out) {
    const doc_node *prompts = doc_find(root, "prompts"), *name = doc_find(root, "default_prompt_name");
    const char *word;
    if (!name || doc_is_null(name))
        return true;
    if (!doc_string(d, name, "default_prompt_name", &word))
        return false;
    const doc_node *prompt = doc_find(prompts, word);
    if (!prompt)
        return diag_error(d, name->loc, "default_prompt_name is '%.60s', but prompts has none of that name", word);
    out->prompt = "";
    return doc_is_null(prompt) || (prompt->kind == DOC_SCALAR && !*prompt->text) ||
           doc_string(d, prompt, "a prompt", &out->prompt);
}

static bool read_model(arena *a, diag *d, const char *path, sentence_settings *out) {
    static const field fields[] = {
        {"truncate_dim", FIELD_U32, offsetof(sentence_settings, truncate_dim), 1, INT32_MAX, NULL, false},
    };
    const doc_node *root = doc_load(a, d, path, VOCABULARY_BYTES);
    return root && settings_check(d, root, SETTINGS_SENTENCE_MODEL, MODELS_ANY) &&
           fields_read(d, root, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, out) && read_prompt(d, root, out);
}

/** Where no max_seq_length is given, the tokeniser's own bound holds. Its usual value is no bound at all. */
static bool read_model_max_length(arena *a, diag *d, const char *path, sentence_settings *out) {
    static const double no_bound = 1 << 30;
    const char *config = path_beside(a, path, "tokenizer_config.json");
    double most = no_bound;
    if (out->max_length || !path_is_file(config))
        return true;
    const doc_node *root = doc_load(a, d, config, VOCABULARY_BYTES), *said = doc_find(root, "model_max_length");
    if (!root || (said && !doc_is_null(said) && !doc_real(d, said, "model_max_length", 1, 1e40, &most)))
        return false;
    if (most < no_bound)
        out->max_length = (uint32_t)most;
    return true;
}

bool sentence_read(arena *a, diag *d, const char *path, sentence_settings *out) {
    *out = (sentence_settings){.prompt = ""};
    if (!path_is_file(path_beside(a, path, sentence_files[MODULES])))
        return true;
    const char *whole = path_beside(a, path, sentence_files[MODEL]);
    if (path_is_file(whole) && !read_model(a, d, whole, out))
        return false;
    for (size_t i = TRANSFORMER; sentence_files[i]; i++) {
        const char *transformer = path_beside(a, path, sentence_files[i]);
        if (path_is_file(transformer))
            return read_transformer(a, d, transformer, out) && read_model_max_length(a, d, path, out);
    }
    return read_model_max_length(a, d, path, out);
}
