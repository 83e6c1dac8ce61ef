/* tokenizer.json to a vocabulary and its rules. The file can describe tokenisers of many kinds; of each of its parts
 * only the one kind that BERT uses is read, and every other is refused where it stands. */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/basic.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/vocabulary.h"

/** The value of a part that must be there and be a mapping; NULL after an error. */
static const doc_node *need_part(diag *d, const doc_node *root, const char *part, const char *types) {
    const doc_node *n = doc_find(root, part);
    int type;
    if (!n || doc_is_null(n)) {
        diag_error(d, n ? n->loc : root->loc, "the file has no %s; it must be of type %s", part, types);
        return NULL;
    }
    if (!doc_kind_is(d, n, part, DOC_MAPPING))
        return NULL;
    const doc_node *said = doc_find(n, "type");
    char what[64];
    snprintf(what, sizeof what, "%s.type", part);
    if (!said) {
        diag_error(d, n->loc, "%s has no type; it must be %s", part, types);
        return NULL;
    }
    return doc_word(d, said, what, types, &type) ? n : NULL;
}

/** A key that may be missing or null, but if it is there says this and nothing else. */
static bool only(diag *d, const doc_node *mapping, const char *part, const char *key, const char *word) {
    const doc_node *n = doc_find(mapping, key);
    char what[96];
    int index;
    snprintf(what, sizeof what, "%s.%s", part, key);
    return !n || doc_is_null(n) || doc_word(d, n, what, word, &index);
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

typedef struct {
    bool ideographs, accents, lower_case;
} normalizer;

static bool read_normalizer(diag *d, const doc_node *root, wordpiece_json *out) {
    static const field fields[] = {
        {"handle_chinese_chars", FIELD_BOOL, offsetof(normalizer, ideographs), 0, 0, NULL, false},
        {"strip_accents", FIELD_BOOL, offsetof(normalizer, accents), 0, 0, NULL, false},
        {"lowercase", FIELD_BOOL, offsetof(normalizer, lower_case), 0, 0, NULL, false},
    };
    normalizer r = {true, true, true};
    const doc_node *n = need_part(d, root, "normalizer", "BertNormalizer");
    if (!n || !only(d, n, "normalizer", "clean_text", "true") ||
        !fields_read(d, n, "normalizer", fields, FIELD_COUNT(fields), FIELDS_NULLS, &r))
        return false;
    const doc_node *accents = doc_find(n, "strip_accents");
    out->accents_said = accents && !doc_is_null(accents);
    out->strip_accents = r.accents;
    out->split_ideographs = r.ideographs;
    out->lower_case = r.lower_case;
    return true;
}

/* ---- the frame --------------------------------------------------------------------------------------------------- */

/** A template as one writes it: "[CLS]:0 $A:0 [SEP]:0". */
static const char *template_text(arena *a, const doc_node *list) {
    enum { MOST_PIECES = 8 }; /* a pair has five */
    const char *text = "";
    for (size_t i = 0; list && list->kind == DOC_SEQUENCE && i < list->count && i < MOST_PIECES; i++) {
        const doc_node *special = doc_find(list->items[i], "SpecialToken");
        const doc_node *piece = special ? special : doc_find(list->items[i], "Sequence");
        const doc_node *id = doc_find(piece, "id"), *type = doc_find(piece, "type_id");
        bool known = id && id->kind == DOC_SCALAR && type && type->kind == DOC_SCALAR;
        text = arena_printf(a, "%s%s%s%s:%s", text, i ? " " : "", special ? "" : "$", known ? id->text : "?",
                            known ? type->text : "?");
    }
    return text;
}

static bool check_template(arena *a, diag *d, const doc_node *processor, const char *key, const char *wanted) {
    const doc_node *n = doc_find(processor, key);
    if (n && strcmp(template_text(a, n), wanted) == 0)
        return true;
    return diag_error(d, n ? n->loc : processor->loc, "post_processor.%s must be the template %s", key, wanted);
}

/** The ["[SEP]", 102] of a BertProcessing. */
static bool check_named(diag *d, const doc_node *processor, const char *key, const char *wanted) {
    const doc_node *n = doc_find(processor, key);
    char what[64];
    int index;
    snprintf(what, sizeof what, "post_processor.%s", key);
    if (!n || n->kind != DOC_SEQUENCE || n->count != 2)
        return diag_error(d, n ? n->loc : processor->loc, "%s must be a list of %s and its id", what, wanted);
    return doc_word(d, n->items[0], what, wanted, &index);
}

/** Files written by hand leave the post-processor out: BERT's frame then holds as it does for a vocab.txt. */
static bool check_frame(arena *a, diag *d, const doc_node *root) {
    const doc_node *n = doc_find(root, "post_processor");
    if (!n || doc_is_null(n))
        return true;
    if (!need_part(d, root, "post_processor", "TemplateProcessing|BertProcessing"))
        return false;
    if (strcmp(doc_find(n, "type")->text, "BertProcessing") == 0)
        return check_named(d, n, "sep", "[SEP]") && check_named(d, n, "cls", "[CLS]");
    return check_template(a, d, n, "single", "[CLS]:0 $A:0 [SEP]:0") &&
           check_template(a, d, n, "pair", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1");
}

static const char *const special_words[SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

/** The WordPiece model. */
static bool read_model(arena *a, diag *d, const doc_node *root, wordpiece_json *out) {
    const doc_node *n = need_part(d, root, "model", "WordPiece");
    if (!n)
        return false;
    char most[16];
    snprintf(most, sizeof most, "%d", BASIC_WORD_CHARACTERS);
    if (!only(d, n, "model", "unk_token", "[UNK]") || !only(d, n, "model", "continuing_subword_prefix", CONTINUATION) ||
        !only(d, n, "model", "max_input_chars_per_word", most))
        return false;
    const doc_node *vocab = doc_find(n, "vocab");
    if (!vocab)
        return diag_error(d, n->loc, "model has no vocab; it must give every token's id");
    if (!doc_kind_is(d, vocab, "model.vocab", DOC_MAPPING))
        return false;
    out->tokens = ARENA_ARRAY(a, listed_token, vocab->count + 1);
    for (size_t i = 0; i < vocab->count; i++) {
        listed_token *t = &out->tokens[out->count++];
        t->text = vocab->keys[i];
        t->bytes = strlen(t->text);
        t->loc = vocab->items[i]->loc;
        if (!json_id(d, vocab->items[i], "a token's id", &t->id))
            return false;
    }
    return true;
}

static const listed_token *find_text(const listed_token *tokens, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(tokens[i].text, text) == 0)
            return &tokens[i];
    return NULL;
}

/** How a token that is none of BERT's own is found in texts. */
static bool read_how(diag *d, const doc_node *n, listed_token t, wordpiece_json *out) {
    static const field fields[] = {
        {"special", FIELD_BOOL, offsetof(added_token, special), 0, 0, NULL, false},
        {"single_word", FIELD_BOOL, offsetof(added_token, single_word), 0, 0, NULL, false},
    };
    found_token *to = &out->added[out->added_count++];
    *to = (found_token){.token = t};
    return fields_read(d, n, "added_tokens", fields, FIELD_COUNT(fields), FIELDS_NULLS, &to->how);
}

/** One added token: one that the vocabulary has under the same id, or one more. White space around it
 *  (`lstrip`, `rstrip`) makes no token anyway. */
static bool read_added(diag *d, const doc_node *n, bool seen[SPECIALS], wordpiece_json *out) {
    const doc_node *content = doc_find(n, "content"), *id = doc_find(n, "id");
    listed_token t;
    const char *text;
    if (!content || !id)
        return diag_error(d, n->loc, "an added token must have a content and an id");
    if (!doc_string(d, content, "an added token", &text) || !only(d, n, "added_tokens", "normalized", "false") ||
        !json_id(d, id, "an added token's id", &t.id))
        return false;
    int special = 0;
    while (special < SPECIALS && strcmp(text, special_words[special]) != 0)
        special++;
    if (special < SPECIALS && seen[special])
        return diag_error(d, content->loc, "the added token %s stands in the list twice", text);
    if (special < SPECIALS && !only(d, n, "added_tokens", "single_word", "false"))
        return false;
    if (special < SPECIALS)
        seen[special] = true;
    t.loc = id->loc;
    t.text = content->text;
    t.bytes = strlen(t.text);
    const listed_token *known = find_text(out->tokens, out->count, t.text);
    if (known && known->id != t.id)
        return diag_error(d, id->loc, "the added token %s has the id %u, but %u in model.vocab", t.text, t.id,
                          known->id);
    if (!known)
        out->tokens[out->count++] = t;
    return special < SPECIALS || read_how(d, n, t, out);
}

static bool read_added_tokens(arena *a, diag *d, const doc_node *root, wordpiece_json *out) {
    const doc_node *list = doc_find(root, "added_tokens");
    bool seen[SPECIALS] = {false};
    if (!list || doc_is_null(list))
        return true;
    if (!doc_kind_is(d, list, "added_tokens", DOC_SEQUENCE))
        return false;
    listed_token *room = ARENA_ARRAY(a, listed_token, out->count + list->count + 1);
    if (out->count)
        memcpy(room, out->tokens, out->count * sizeof *room);
    out->tokens = room;
    out->added = ARENA_ARRAY(a, found_token, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        if (!read_added(d, list->items[i], seen, out))
            return false;
    return true;
}

bool json_wordpiece(arena *a, diag *d, const doc_node *root, wordpiece_json *out) {
    *out = (wordpiece_json){.count = 0};
    return read_model(a, d, root, out) && read_normalizer(d, root, out) &&
           need_part(d, root, "pre_tokenizer", "BertPreTokenizer") && check_frame(a, d, root) &&
           read_added_tokens(a, d, root, out) && listed_tokens_order(d, out->tokens, out->count);
}
