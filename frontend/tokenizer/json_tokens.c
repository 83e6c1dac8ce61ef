/* tokenizer.json: what models of pieces share: their tokens, those that are only added, and the frame's. */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/tokenizers.h"

const doc_node *json_need(diag *d, const doc_node *mapping, const char *key, const char *what, doc_kind kind) {
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

bool json_tokens(arena *a, diag *d, listed_token *tokens, size_t count, const doc_node *added, tokenizer *out) {
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

bool json_added(arena *a, diag *d, const doc_node *added, tokenizer *out) {
    size_t count = added ? added->count : 0;
    out->added = ARENA_ARRAY(a, added_token, count);
    for (size_t i = 0; i < count; i++)
        if (!read_added(a, d, added->items[i], out))
            return false;
    return true;
}

/* ---- the frame --------------------------------------------------------------------------------------------------- */

void json_frame_roles(tokenizer *t) {
    const frame *f = &t->rules.frames.single;
    const frame_piece *first = &f->pieces[0], *last = &f->pieces[f->count - 1];
    if (first->kind == FRAME_ID)
        t->roles[TOKEN_BOS] = first->id;
    if (last->kind == FRAME_ID)
        t->roles[TOKEN_EOS] = last->id;
}

bool json_frame_check(diag *d, const doc_node *root, const tokenizer *t) {
    const frame *shapes[2] = {&t->rules.frames.single, &t->rules.frames.pair};
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < shapes[s]->count; i++)
            if (shapes[s]->pieces[i].kind == FRAME_ID &&
                token_table_place(t->tokens, shapes[s]->pieces[i].id) == NO_PLACE)
                return diag_error(d, doc_find(root, "post_processor")->loc,
                                  "no token has the id %u of the post_processor", shapes[s]->pieces[i].id);
    return true;
}
