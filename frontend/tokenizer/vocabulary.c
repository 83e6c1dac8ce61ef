/* The vocabulary of a tokeniser: its tokens, merges and roles, as all kinds of files fill them in. */
#include "frontend/tokenizer/vocabulary.h"

#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/tokenizer.h"
#include "ir/base/path.h"

tokenizer *tokenizer_new(arena *a) {
    tokenizer *t = ARENA_NEW(a, tokenizer);
    for (int r = 0; r < TOKEN_ROLES; r++)
        t->roles[r] = TOKEN_NONE;
    t->bpe.unknown = NO_PLACE;
    t->rules.between = "";
    t->rules.frames = frames_bare();
    return t;
}

void tokenizer_set_tokens(tokenizer *t, arena *a, const listed_token *tokens, size_t count) {
    token_table *table = ARENA_NEW(a, token_table);
    token_table_build(table, a, tokens, count);
    t->tokens = t->bpe.tokens = table;
    t->special = ARENA_ARRAY(a, bool, count);
}

bool tokenizer_add(tokenizer *t, arena *a, diag *d, src_loc loc, added_token token, const char *text, size_t bytes) {
    if (token.normalized)
        text = normalize(t->rules.normal, t->rules.normal_count, a, text, &bytes);
    if (bytes == 0)
        return true; /* it is found nowhere */
    if (bytes > ADDED_BYTES)
        return diag_error(d, loc, "an added token of %zu bytes; at most %d are possible", bytes, ADDED_BYTES);
    if (token.special)
        t->special[token.place] = true;
    t->added[t->added_count] = token;
    added_insert(token.normalized ? &t->normalized : &t->raw, a, text, bytes, (uint32_t)t->added_count++);
    return true;
}

/** The place of the token of two texts, joined; NO_PLACE after an error. */
static uint32_t need_token(const tokenizer *t, diag *d, src_loc loc, const char *what, token_string l, token_string r) {
    enum { SHOWN = 60 };
    uint64_t hash = text_hash_more(text_hash(l.text, l.bytes), r.text, r.bytes);
    uint32_t place = token_table_find(t->tokens, hash, l.text, l.bytes, r.text, r.bytes);
    if (place == NO_PLACE)
        diag_error(d, loc, "%s '%.*s%.*s' of a merge is no token of the vocabulary", what,
                   (int)(l.bytes > SHOWN ? SHOWN : l.bytes), l.text, (int)(r.bytes > SHOWN ? SHOWN : r.bytes), r.text);
    return place;
}

bool tokenizer_read_merge(const tokenizer *t, diag *d, src_loc loc, token_string left, token_string right,
                          bpe_merge *out) {
    const token_string none = {"", 0};
    if (!left.bytes || !right.bytes)
        return diag_error(d, loc, "a merge must be two texts with one space between");
    out->left = need_token(t, d, loc, "the left side", left, none);
    if (out->left == NO_PLACE)
        return false;
    out->right = need_token(t, d, loc, "the right side", right, none);
    if (out->right == NO_PLACE)
        return false;
    out->result = need_token(t, d, loc, "the result", left, right);
    return out->result != NO_PLACE;
}

void tokenizer_decode_pieces(text_rules *r) {
    static const decode_step steps[] = {
        {DECODE_REPLACE, "\u2581", " ", 0, 0},
        {DECODE_FALLBACK, NULL, NULL, 0, 0},
        {DECODE_FUSE, NULL, NULL, 0, 0},
        {DECODE_STRIP, " ", NULL, 1, 0},
    };
    r->decode_count = sizeof steps / sizeof *steps;
    memcpy(r->decode, steps, sizeof steps);
}

/** One key of tokenizer_config.json: a token's text, or a mapping with it as `content`. */
static bool read_role(tokenizer *t, diag *d, const doc_node *config, const char *key, token_role role) {
    const doc_node *n = doc_find(config, key);
    const char *text;
    if (n && n->kind == DOC_MAPPING)
        n = doc_find(n, "content");
    if (!n || doc_is_null(n))
        return true;
    if (!doc_string(d, n, key, &text))
        return false;
    uint32_t place = token_table_find_text(t->tokens, text, strlen(text));
    if (place == NO_PLACE) {
        diag_warning(d, n->loc, "%s '%.60s' is no token of the vocabulary", key, text);
        return true;
    }
    t->roles[role] = t->tokens->entries[place].id;
    t->special[place] = true;
    return true;
}

bool tokenizer_read_config(tokenizer *t, arena *a, diag *d, const char *path, const doc_node **config) {
    static const struct {
        const char *key;
        token_role role;
    } keys[] = {{"bos_token", TOKEN_BOS}, {"eos_token", TOKEN_EOS}, {"unk_token", TOKEN_UNK}, {"pad_token", TOKEN_PAD}};
    const char *beside = path_beside(a, path, TOKENIZER_CONFIG);
    if (!path_is_file(beside))
        return true;
    const doc_node *root = doc_load(a, d, beside, VOCABULARY_BYTES);
    if (!root || !doc_kind_is(d, root, "tokenizer_config.json", DOC_MAPPING))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!read_role(t, d, root, keys[i].key, keys[i].role))
            return false;
    if (config)
        *config = root;
    return true;
}

uint32_t tokenizer_find(const tokenizer *t, const char *text, size_t bytes) {
    uint32_t place = token_table_find_text(t->tokens, text, bytes);
    return place == NO_PLACE ? TOKEN_NONE : t->tokens->entries[place].id;
}
