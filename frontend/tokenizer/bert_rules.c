/* Rules of BERT's tokeniser: tokenizer_config.json, added_tokens.json, and which class reads the vocabulary. */
#include "frontend/tokenizer/bert_rules.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/files/fields.h"
#include "frontend/files/settings.h"
#include "frontend/tokenizer/json.h"
#include "ir/base/path.h"
#include "runtime/base/words.h"

static bool read_class(diag *d, const doc_node *root, bert_rules *out) {
    static const char *const of_json[] = {"PreTrainedTokenizerFast", "TokenizersBackend"};
    static const char *const of_bert[] = {"BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer",
                                          "DistilBertTokenizerFast"};
    const doc_node *n = doc_find(root, "tokenizer_class");
    const char *name;
    out->json_holds = false;
    if (!n || doc_is_null(n))
        return true;
    if (!doc_string(d, n, "tokenizer_class", &name))
        return false;
    for (size_t i = 0; i < sizeof of_json / sizeof *of_json; i++)
        out->json_holds = out->json_holds || strcmp(name, of_json[i]) == 0;
    for (size_t i = 0; i < sizeof of_bert / sizeof *of_bert; i++)
        if (out->json_holds || strcmp(name, of_bert[i]) == 0)
            return true;
    return diag_unknown(d, n->loc, "tokenizer_class '%.60s' cuts words in a way that is not known here", name);
}

/** The text of a token, or of a mapping that has it as `content`. */
static bool read_name(diag *d, const doc_node *root, const char *key, const char **out) {
    const doc_node *n = doc_find(root, key);
    if (n && n->kind == DOC_MAPPING)
        n = doc_find(n, "content");
    return !n || doc_is_null(n) || doc_string(d, n, key, out);
}

static found_token *more(arena *a, bert_rules *out, size_t count) {
    out->added = arena_resize(a, out->added, out->added_count * sizeof *out->added,
                              (out->added_count + count) * sizeof *out->added);
    return out->added;
}

/** added_tokens_decoder: descriptions by id. */
static bool read_decoder(arena *a, diag *d, const doc_node *n, bert_rules *out) {
    static const field fields[] = {
        {"special", FIELD_BOOL, offsetof(added_token, special), 0, 0, NULL, false},
        {"single_word", FIELD_BOOL, offsetof(added_token, single_word), 0, 0, NULL, false},
        {"normalized", FIELD_BOOL, offsetof(added_token, normalized), 0, 0, NULL, false},
    };
    if (!n || doc_is_null(n))
        return true;
    if (!doc_kind_is(d, n, "added_tokens_decoder", DOC_MAPPING))
        return false;
    more(a, out, n->count);
    for (size_t i = 0; i < n->count; i++) {
        const doc_node *entry = n->items[i], *content = doc_find(entry, "content");
        found_token t = {.token = {.loc = entry->loc}};
        char *end;
        unsigned long id = strtoul(n->keys[i], &end, 10);
        if (*end || end == n->keys[i] || id > INT32_MAX || !content)
            return diag_error(d, entry->loc, "added_tokens_decoder must give, by a token's id, its content");
        if (!doc_string(d, content, "an added token", &t.token.text) ||
            !fields_read(d, entry, "added_tokens_decoder", fields, FIELD_COUNT(fields), FIELDS_NULLS, &t.how))
            return false;
        if (t.how.normalized)
            return diag_unknown(d, entry->loc,
                                "the added token '%.60s' is looked for in the normalised text, which is not done "
                                "of words in pieces; normalized must be false",
                                t.token.text);
        t.token.id = (uint32_t)id;
        t.token.bytes = strlen(t.token.text);
        out->added[out->added_count++] = t;
    }
    return true;
}

/** added_tokens.json: ids by text. */
static bool read_added(arena *a, diag *d, const char *path, bert_rules *out) {
    if (!path_is_file(path))
        return true;
    const doc_node *root = doc_load(a, d, path, VOCABULARY_BYTES);
    if (!root || !doc_kind_is(d, root, "added_tokens.json", DOC_MAPPING))
        return false;
    more(a, out, root->count);
    for (size_t i = 0; i < root->count; i++) {
        listed_token t = {root->keys[i], strlen(root->keys[i]), 0, root->items[i]->loc};
        if (!json_id(d, root->items[i], "an added token's id", &t.id))
            return false;
        out->added[out->added_count++] = (found_token){t, {.place = 0}};
    }
    return true;
}

bool bert_rules_read(arena *a, diag *d, const char *path, bert_rules *out) {
    static const field fields[] = {
        {"do_lower_case", FIELD_BOOL, offsetof(bert_rules, lower_case), 0, 0, NULL, false},
        {"strip_accents", FIELD_BOOL, offsetof(bert_rules, strip_accents), 0, 0, NULL, false},
        {"tokenize_chinese_chars", FIELD_BOOL, offsetof(bert_rules, split_ideographs), 0, 0, NULL, false},
    };
    static const char *const keys[SPECIALS] = {"pad_token", "unk_token", "cls_token", "sep_token", "mask_token"};
    *out = (bert_rules){
        .lower_case = true, .split_ideographs = true, .names = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}};
    const char *config = path_beside(a, path, "tokenizer_config.json");
    out->json_holds = dtq_ends_with(path, ".json") && !path_is_file(path_beside(a, path, "config.json"));
    if (!path_is_file(config))
        return read_added(a, d, path_beside(a, path, "added_tokens.json"), out);
    const doc_node *root = doc_load(a, d, config, VOCABULARY_BYTES);
    if (!root || !settings_check(d, root, SETTINGS_TOKENIZER, MODELS_ANY) || !read_class(d, root, out) ||
        !fields_read(d, root, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, out))
        return false;
    const doc_node *accents = doc_find(root, "strip_accents");
    out->accents_said = accents && !doc_is_null(accents);
    for (int s = 0; s < SPECIALS; s++)
        if (!read_name(d, root, keys[s], &out->names[s]))
            return false;
    return read_decoder(a, d, doc_find(root, "added_tokens_decoder"), out) &&
           read_added(a, d, path_beside(a, path, "added_tokens.json"), out);
}
