/* tokenizer.json of a byte-pair model: vocabulary, merges, added tokens. */
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/tokenizers.h"

/** Options of the model; a key that is not among them changes nothing that is done here. */
typedef struct {
    bool byte_fallback, fuse_unk, ignore_merges;
    double dropout;
    const char *unk_token, *prefix, *suffix;
} bpe_options;

static const field option_fields[] = {
    {"byte_fallback", FIELD_BOOL, offsetof(bpe_options, byte_fallback), 0, 0, NULL, false},
    {"fuse_unk", FIELD_BOOL, offsetof(bpe_options, fuse_unk), 0, 0, NULL, false},
    {"ignore_merges", FIELD_BOOL, offsetof(bpe_options, ignore_merges), 0, 0, NULL, false},
    {"dropout", FIELD_REAL, offsetof(bpe_options, dropout), 0, 1, NULL, false},
    {"unk_token", FIELD_STRING, offsetof(bpe_options, unk_token), 0, 0, NULL, false},
    {"continuing_subword_prefix", FIELD_STRING, offsetof(bpe_options, prefix), 0, 0, NULL, false},
    {"end_of_word_suffix", FIELD_STRING, offsetof(bpe_options, suffix), 0, 0, NULL, false},
};

static bool read_options(diag *d, const doc_node *part, bpe_options *o) {
    if (!fields_read(d, part, "model", option_fields, FIELD_COUNT(option_fields), FIELDS_NULLS, o))
        return false;
    if (o->dropout > 0)
        return diag_error(d, doc_find(part, "dropout")->loc, "model.dropout must be null or 0: nothing is random here");
    if (o->prefix && *o->prefix)
        return diag_error(d, doc_find(part, "continuing_subword_prefix")->loc,
                          "model.continuing_subword_prefix must be empty");
    if (o->suffix && *o->suffix)
        return diag_error(d, doc_find(part, "end_of_word_suffix")->loc, "model.end_of_word_suffix must be empty");
    return true;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

/** A part of the file that must be there and be of a kind. */
static const doc_node *need(diag *d, const doc_node *mapping, const char *key, const char *what, doc_kind kind) {
    const doc_node *n = doc_find(mapping, key);
    if (!n) {
        diag_error(d, mapping->loc, "%s is missing", what);
        return NULL;
    }
    return doc_kind_is(d, n, what, kind) ? n : NULL;
}

/** An added token's text and id, which both must be there. */
static bool read_added_name(diag *d, const doc_node *n, listed_token *out) {
    const doc_node *content = doc_find(n, "content"), *id = doc_find(n, "id");
    if (!content || !id)
        return diag_error(d, n->loc, "an added token must have a content and an id");
    out->loc = id->loc;
    if (!doc_string(d, content, "an added token", &out->text) || !json_id(d, id, "an added token's id", &out->id))
        return false;
    out->bytes = strlen(out->text);
    return true;
}

/** The tokens of the model and those that are only added. */
static bool read_tokens(arena *a, diag *d, const doc_node *vocab, const doc_node *added, tokenizer *out) {
    size_t count = 0;
    listed_token *tokens = ARENA_ARRAY(a, listed_token, vocab->count + (added ? added->count : 0));
    for (size_t i = 0; i < vocab->count; i++) {
        listed_token *t = &tokens[count++];
        *t = (listed_token){vocab->keys[i], strlen(vocab->keys[i]), 0, vocab->items[i]->loc};
        if (!json_id(d, vocab->items[i], "a token's id", &t->id))
            return false;
    }
    token_table known; /* by their order in the file */
    listed_token *numbered = ARENA_ARRAY(a, listed_token, count);
    for (uint32_t i = 0; i < count; i++)
        numbered[i] = (listed_token){tokens[i].text, tokens[i].bytes, i, tokens[i].loc};
    token_table_build(&known, a, numbered, count);
    for (size_t i = 0; added && i < added->count; i++) {
        listed_token t = {.text = NULL};
        if (!read_added_name(d, added->items[i], &t))
            return false;
        uint32_t twin = token_table_find_text(&known, t.text, t.bytes);
        if (twin == NO_PLACE)
            tokens[count++] = t;
        else if (tokens[twin].id != t.id)
            return diag_error(d, t.loc, "the added token '%.60s' has the id %u, but %u in model.vocab", t.text, t.id,
                              tokens[twin].id);
    }
    if (!listed_tokens_order(d, tokens, count))
        return false;
    tokenizer_set_tokens(out, a, tokens, count);
    return true;
}

static bool read_added(arena *a, diag *d, const doc_node *n, tokenizer *out) {
    static const field fields[] = {
        {"special", FIELD_BOOL, offsetof(added_token, special), 0, 0, NULL, false},
        {"single_word", FIELD_BOOL, offsetof(added_token, single_word), 0, 0, NULL, false},
        {"lstrip", FIELD_BOOL, offsetof(added_token, takes_left), 0, 0, NULL, false},
        {"rstrip", FIELD_BOOL, offsetof(added_token, takes_right), 0, 0, NULL, false},
        {"normalized", FIELD_BOOL, offsetof(added_token, normalized), 0, 0, NULL, false},
    };
    listed_token name = {.text = NULL};
    added_token t = {.special = false};
    if (!read_added_name(d, n, &name) ||
        !fields_read(d, n, "added_tokens", fields, FIELD_COUNT(fields), FIELDS_NULLS, &t))
        return false;
    t.place = token_table_place(out->tokens, name.id);
    return tokenizer_add(out, a, d, n->loc, t, name.text, name.bytes);
}

static bool read_all_added(arena *a, diag *d, const doc_node *added, tokenizer *out) {
    size_t count = added ? added->count : 0;
    out->added = ARENA_ARRAY(a, added_token, count);
    for (size_t i = 0; i < count; i++)
        if (!read_added(a, d, added->items[i], out))
            return false;
    return true;
}

/* ---- merges ------------------------------------------------------------------------------------------------------ */

/** "a b" or ["a", "b"]. */
static bool read_merge(diag *d, const doc_node *n, const tokenizer *t, bpe_merge *m) {
    const char *left, *right;
    if (n->kind == DOC_SEQUENCE && n->count == 2) {
        return doc_string(d, n->items[0], "a merge", &left) && doc_string(d, n->items[1], "a merge", &right) &&
               tokenizer_read_merge(t, d, n->loc, (token_string){left, strlen(left)},
                                    (token_string){right, strlen(right)}, m);
    }
    if (!doc_string(d, n, "a merge", &left))
        return false;
    const char *space = strchr(left, ' ');
    if (!space || strchr(space + 1, ' '))
        return diag_error(d, n->loc, "a merge must be two texts with one space between");
    return tokenizer_read_merge(t, d, n->loc, (token_string){left, (size_t)(space - left)},
                                (token_string){space + 1, strlen(space + 1)}, m);
}

static bool read_merges(arena *a, diag *d, const doc_node *list, tokenizer *out) {
    bpe_merge *merges = ARENA_ARRAY(a, bpe_merge, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (!read_merge(d, list->items[i], out, &merges[i]))
            return false;
        merges[i].rank = (uint32_t)i;
    }
    bpe_merges_by_rank(&out->bpe, a, merges, list->count);
    arena_release(a, merges, list->count * sizeof *merges);
    return true;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/** Without a tokenizer_config.json the frame says which tokens begin and end a text. */
static void roles_of_frame(tokenizer *t) {
    const frame *f = &t->rules.frames.single;
    const frame_piece *first = &f->pieces[0], *last = &f->pieces[f->count - 1];
    if (first->kind == FRAME_ID)
        t->roles[TOKEN_BOS] = first->id;
    if (last->kind == FRAME_ID)
        t->roles[TOKEN_EOS] = last->id;
}

static bool check_frame_ids(diag *d, const doc_node *root, const tokenizer *t) {
    const frame *shapes[2] = {&t->rules.frames.single, &t->rules.frames.pair};
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < shapes[s]->count; i++)
            if (shapes[s]->pieces[i].kind == FRAME_ID &&
                token_table_place(t->tokens, shapes[s]->pieces[i].id) == NO_PLACE)
                return diag_error(d, doc_find(root, "post_processor")->loc,
                                  "no token has the id %u of the post_processor", shapes[s]->pieces[i].id);
    return true;
}

static bool set_unknown(diag *d, const doc_node *part, const bpe_options *o, tokenizer *out) {
    if (!o->unk_token)
        return true;
    out->bpe.unknown = token_table_find_text(out->tokens, o->unk_token, strlen(o->unk_token));
    if (out->bpe.unknown == NO_PLACE)
        return diag_error(d, doc_find(part, "unk_token")->loc, "model.unk_token '%.60s' is no token of the vocabulary",
                          o->unk_token);
    out->roles[TOKEN_UNK] = out->tokens->entries[out->bpe.unknown].id;
    return true;
}

bool json_bpe(arena *a, diag *d, const doc_node *root, tokenizer *out) {
    bpe_options o = {.dropout = 0};
    const doc_node *part = doc_find(root, "model"), *added = doc_find(root, "added_tokens");
    const doc_node *vocab = need(d, part, "vocab", "model.vocab", DOC_MAPPING);
    const doc_node *merges = vocab ? need(d, part, "merges", "model.merges", DOC_SEQUENCE) : NULL;
    if (added && doc_is_null(added))
        added = NULL;
    if (!merges || (added && !doc_kind_is(d, added, "added_tokens", DOC_SEQUENCE)) || !read_options(d, part, &o) ||
        !json_normalizer(d, root, &out->rules) || !json_pre_tokenizer(d, root, &out->rules) ||
        !json_decoder(d, root, &out->rules) || !json_post_processor(d, root, &out->rules) ||
        !read_tokens(a, d, vocab, added, out) || !set_unknown(d, part, &o, out) || !check_frame_ids(d, root, out))
        return false;
    if (!out->rules.decode_count)
        out->rules.between = " "; /* so a file without a decoder joins them */
    out->bpe.byte_level = out->rules.byte_level;
    out->bpe.byte_fallback = o.byte_fallback;
    out->bpe.fuse_unknown = o.fuse_unk;
    out->bpe.ignore_merges = o.ignore_merges;
    roles_of_frame(out);
    return read_merges(a, d, merges, out) && read_all_added(a, d, added, out);
}
