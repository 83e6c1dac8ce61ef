/* tokenizer.json of a Unigram model: pieces with their scores, added tokens. */
#include <math.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/json.h"

/** Pieces are listed by their ids: [text, score]. */
static bool read_pieces(diag *d, const doc_node *vocab, listed_token *tokens, double *scores) {
    for (size_t i = 0; i < vocab->count; i++) {
        const doc_node *piece = vocab->items[i];
        if (piece->kind != DOC_SEQUENCE || piece->count != 2)
            return diag_error(d, piece->loc, "a piece must be a text and its score: [text, score]");
        tokens[i] = (listed_token){.id = (uint32_t)i, .loc = piece->loc};
        if (!doc_string(d, piece->items[0], "a piece", &tokens[i].text) ||
            !doc_real(d, piece->items[1], "the score of a piece", -1e30, 1e30, &scores[i])) {
            return false;
        }
        tokens[i].bytes = strlen(tokens[i].text);
    }
    return true;
}

/** Scores by place, which is by id; tokens that are only added have none. */
static bool read_vocabulary(arena *a, diag *d, const doc_node *vocab, const doc_node *added, tokenizer *out) {
    const size_t most = vocab->count + (added ? added->count : 0);
    listed_token *tokens = ARENA_ARRAY(a, listed_token, most);
    double *scores = ARENA_ARRAY(a, double, most);
    if (!read_pieces(d, vocab, tokens, scores) || !json_tokens(a, d, tokens, vocab->count, added, out))
        return false;
    uint32_t twin;
    const uint32_t first = token_table_twins(out->tokens, &twin);
    if (first != NO_PLACE)
        return diag_error(d, vocab->loc, "the pieces %u and %u have the same text", twin, first);
    for (size_t i = vocab->count; i < most; i++)
        scores[i] = NAN;
    out->pieces = ARENA_NEW(a, unigram);
    *out->pieces = (unigram){.tokens = out->tokens, .scores = scores, .unknown = NO_PLACE, .fuse_unknown = true};
    return true;
}

static bool read_options(diag *d, const doc_node *part, size_t pieces, tokenizer *out) {
    const doc_node *unknown = doc_find(part, "unk_id"), *fallback = doc_find(part, "byte_fallback");
    int64_t id = 0;
    if (fallback && !doc_is_null(fallback) && !doc_bool(d, fallback, "byte_fallback", &out->pieces->byte_fallback))
        return false;
    if (!unknown || doc_is_null(unknown))
        return diag_error(d, part->loc, "model.unk_id is missing: text that no piece covers would be an error");
    if (!doc_int(d, unknown, "model.unk_id", 0, (int64_t)pieces - 1, &id))
        return false;
    out->pieces->unknown = token_table_place(out->tokens, (uint32_t)id);
    out->roles[TOKEN_UNK] = (uint32_t)id;
    return true;
}

bool json_unigram(arena *a, diag *d, const doc_node *root, tokenizer *out) {
    const doc_node *part = doc_find(root, "model"), *added = doc_find(root, "added_tokens");
    const doc_node *vocab = json_need(d, part, "vocab", "model.vocab", DOC_SEQUENCE);
    if (added && doc_is_null(added))
        added = NULL;
    out->rules.arena = a;
    if (!vocab || (added && !doc_kind_is(d, added, "added_tokens", DOC_SEQUENCE)) ||
        !json_normalizer(d, root, &out->rules) || !json_pre_tokenizer(d, root, &out->rules) ||
        !json_decoder(d, root, &out->rules) || !json_post_processor(d, root, &out->rules) ||
        !read_vocabulary(a, d, vocab, added, out) || !read_options(d, part, vocab->count, out) ||
        !json_frame_check(d, root, out)) {
        return false;
    }
    if (out->rules.byte_level)
        return diag_error(d, part->loc, "a Unigram model whose text is spelled in bytes (ByteLevel) is not known here");
    if (!out->rules.decode_count)
        out->rules.between = " "; /* so a file without a decoder joins them */
    unigram_prepare(out->pieces);
    json_frame_roles(out);
    return json_added(a, d, added, out);
}
