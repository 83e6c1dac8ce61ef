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

/** The tokens of the model and those that are only added. */
static bool read_vocabulary(arena *a, diag *d, const doc_node *vocab, const doc_node *added, tokenizer *out) {
    listed_token *tokens = ARENA_ARRAY(a, listed_token, vocab->count + (added ? added->count : 0));
    for (size_t i = 0; i < vocab->count; i++) {
        tokens[i] = (listed_token){vocab->keys[i], strlen(vocab->keys[i]), 0, vocab->items[i]->loc};
        if (!json_id(d, vocab->items[i], "a token's id", &tokens[i].id))
            return false;
    }
    return json_tokens(a, d, tokens, vocab->count, added, out);
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
    const doc_node *vocab = json_need(d, part, "vocab", "model.vocab", DOC_MAPPING);
    const doc_node *merges = vocab ? json_need(d, part, "merges", "model.merges", DOC_SEQUENCE) : NULL;
    if (added && doc_is_null(added))
        added = NULL;
    out->rules.arena = a;
    if (!merges || (added && !doc_kind_is(d, added, "added_tokens", DOC_SEQUENCE)) || !read_options(d, part, &o) ||
        !json_normalizer(d, root, &out->rules) || !json_pre_tokenizer(d, root, &out->rules) ||
        !json_decoder(d, root, &out->rules) || !json_post_processor(d, root, &out->rules) ||
        !read_vocabulary(a, d, vocab, added, out) || !set_unknown(d, part, &o, out) || !json_frame_check(d, root, out))
        return false;
    if (!out->rules.decode_count)
        out->rules.between = " "; /* so a file without a decoder joins them */
    out->bpe.byte_level = out->rules.byte_level;
    out->bpe.byte_fallback = o.byte_fallback;
    out->bpe.fuse_unknown = o.fuse_unk;
    out->bpe.ignore_merges = o.ignore_merges;
    json_frame_roles(out);
    return read_merges(a, d, merges, out) && json_added(a, d, added, out);
}
