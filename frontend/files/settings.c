/* Keys of a model's files, by the table of those that are known. */
#include "frontend/files/settings.h"

#include <string.h>

#include "frontend/files/fields.h"

#define MODELS_OF_ANY        MODELS_ANY
#define MODELS_OF_BERT       (MODELS_BERT | MODELS_ROBERTA)
#define MODELS_OF_ROBERTA    MODELS_ROBERTA
#define MODELS_OF_DISTILBERT MODELS_DISTILBERT
#define MODELS_OF_OTHERS     (MODELS_ANY - MODELS_ROBERTA)
#define MODELS_OF_GPT2       MODELS_GPT2
#define MODELS_OF_ROTARY     MODELS_ROTARY
#define READ                 NULL
#define IGNORED              ""
#define MUST(words)          words

const settings_row settings_rows[] = {
#define SETTINGS(file, models, allowed, keys, why) {SETTINGS_##file, MODELS_OF_##models, allowed, keys, why},
#include "frontend/files/settings.def"
};
const size_t settings_row_count = sizeof settings_rows / sizeof *settings_rows;

const char *settings_file_name(settings_file f) {
    static const char *const names[SETTINGS_FILES] = {
        [SETTINGS_CONFIG] = "config.json",
        [SETTINGS_GENERATION] = "generation_config.json",
        [SETTINGS_TOKENIZER] = "tokenizer_config.json of BERT",
        [SETTINGS_MODULE] = "modules.json",
        [SETTINGS_POOLING] = "config.json of Pooling",
        [SETTINGS_NORMALIZE] = "config.json of Normalize",
        [SETTINGS_SENTENCE] = "sentence_bert_config.json",
        [SETTINGS_SENTENCE_MODEL] = "config_sentence_transformers.json",
        [SETTINGS_GGUF] = "GGUF",
        [SETTINGS_GGUF_MODEL] = "GGUF, behind the architecture",
    };
    return names[f];
}

/** Whether `word` is one of "a|b|c*"; a last * matches every end. */
static bool among(const char *word, const char *words) {
    size_t length = strlen(word);
    for (const char *at = words; *at; at += *at == '|') {
        size_t n = strcspn(at, "|");
        bool open = n && at[n - 1] == '*';
        if (open ? length >= n - 1 && memcmp(word, at, n - 1) == 0 : length == n && memcmp(word, at, n) == 0)
            return true;
        at += n;
    }
    return false;
}

const settings_row *settings_find(settings_file file, unsigned models, const char *key) {
    for (size_t i = 0; i < settings_row_count; i++) {
        const settings_row *r = &settings_rows[i];
        if (r->file == file && (r->models & models) && among(key, r->keys))
            return r;
    }
    return NULL;
}

static bool allows(const char *words, const doc_node *n) {
    if (n->kind == DOC_SCALAR)
        return doc_is_null(n) || among(n->text, words);
    if (n->count == 0)
        return among(n->kind == DOC_SEQUENCE ? "[]" : "{}", words);
    for (size_t i = 0; i < n->count; i++)
        if (n->kind != DOC_SEQUENCE || n->items[i]->kind != DOC_SCALAR || !among(n->items[i]->text, words))
            return false;
    return true;
}

bool settings_check(diag *d, const doc_node *mapping, settings_file file, unsigned models) {
    bool ok = doc_kind_is(d, mapping, settings_file_name(file), DOC_MAPPING);
    for (size_t i = 0; ok && i < mapping->count; i++) {
        const doc_node *n = mapping->items[i];
        const settings_row *r = settings_find(file, models, mapping->keys[i]);
        if (!r)
            ok = diag_unknown(d, n->loc, "'%.80s' is not known here; what it asks for would be lost", mapping->keys[i]);
        else if (r->allowed && *r->allowed && !allows(r->allowed, n))
            ok = diag_unknown(d, n->loc, "'%.80s' must be null%s%s: it stands for %s, which is not computed",
                              mapping->keys[i], " or one of ", r->allowed, r->why);
    }
    return ok;
}
