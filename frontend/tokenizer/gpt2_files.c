/* GPT-2's own files: vocab.json, ids by text, and merges.txt, one merge a line, best first. */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/unicode.h"

static const char end_of_text[] = "<|endoftext|>";

static bool read_vocab(arena *a, diag *d, const doc_node *root, tokenizer *out) {
    listed_token *tokens = ARENA_ARRAY(a, listed_token, root->count);
    for (size_t i = 0; i < root->count; i++) {
        tokens[i] = (listed_token){root->keys[i], strlen(root->keys[i]), 0, root->items[i]->loc};
        if (!json_id(d, root->items[i], "a token's id", &tokens[i].id))
            return false;
    }
    if (!listed_tokens_order(d, tokens, root->count))
        return false;
    tokenizer_set_tokens(out, a, tokens, root->count);
    return true;
}

static size_t count_lines(const char *text, size_t bytes) {
    size_t lines = 1;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

static bool read_line(tokenizer *t, diag *d, src_loc loc, const char *line, size_t bytes, bpe_merge *m) {
    const char *space = memchr(line, ' ', bytes);
    size_t left = space ? (size_t)(space - line) : 0;
    if (!space || memchr(space + 1, ' ', bytes - left - 1))
        return diag_error(d, loc, "a merge must be two texts with one space between");
    return tokenizer_read_merge(t, d, loc, (token_string){line, left}, (token_string){space + 1, bytes - left - 1}, m);
}

static bool read_merges(arena *a, diag *d, const char *name, const char *text, size_t bytes, tokenizer *out) {
    const char *path = arena_strdup(a, name);
    size_t count = 0;
    size_t lines = count_lines(text, bytes), bad = utf8_check(text, bytes);
    if (bad < bytes)
        return diag_error(d, (src_loc){path, (uint32_t)count_lines(text, bad), 1}, "the merges are not UTF-8");
    bpe_merge *merges = ARENA_ARRAY(a, bpe_merge, lines);
    const char *p = text, *end = text + bytes;
    for (uint32_t line = 1; p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        size_t length = (size_t)(stop - p);
        length -= length && p[length - 1] == '\r';
        bool heading = line == 1 && length >= 8 && memcmp(p, "#version", 8) == 0;
        bool last = !length && (newline ? newline + 1 : end) == end;
        if (!heading && !last) {
            if (!read_line(out, d, (src_loc){path, line, 1}, p, length, &merges[count]))
                return false;
            merges[count].rank = (uint32_t)count;
            count++;
        }
        p = newline ? newline + 1 : end;
    }
    bpe_merges_by_rank(&out->bpe, a, merges, count);
    return true;
}

/** A token that ends texts is also found in them. */
static bool add_roles(arena *a, diag *d, src_loc loc, tokenizer *t) {
    t->added = ARENA_ARRAY(a, added_token, TOKEN_ROLES);
    for (int r = 0; r < TOKEN_ROLES; r++) {
        if (t->roles[r] == TOKEN_NONE)
            continue;
        uint32_t place = token_table_place(t->tokens, t->roles[r]);
        const token_entry *e = &t->tokens->entries[place];
        if (!tokenizer_add(t, a, d, loc, (added_token){.place = place, .special = true}, e->text, e->bytes))
            return false;
    }
    return true;
}

/** What tokenizer_config.json says of GPT-2's rules. */
static bool read_config(arena *a, diag *d, const doc_node *root, tokenizer *t) {
    typedef struct {
        bool add_bos_token, add_prefix_space;
    } settings;
    static const field fields[] = {
        {"add_bos_token", FIELD_BOOL, offsetof(settings, add_bos_token), 0, 0, NULL, false},
        {"add_prefix_space", FIELD_BOOL, offsetof(settings, add_prefix_space), 0, 0, NULL, false},
    };
    settings s = {false, false};
    const doc_node *config = NULL;
    uint32_t end = tokenizer_find(t, end_of_text, strlen(end_of_text));
    t->roles[TOKEN_BOS] = t->roles[TOKEN_EOS] = t->roles[TOKEN_UNK] = end;
    if (!tokenizer_read_config(t, a, d, root->loc.file, &config) ||
        (config && !fields_read(d, config, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, &s)))
        return false;
    if (s.add_prefix_space)
        t->rules.split[t->rules.split_count++] = (split_step){.kind = SPLIT_PREFIX};
    t->rules.split[t->rules.split_count++] = (split_step){.kind = SPLIT_GPT2};
    if (s.add_bos_token && t->roles[TOKEN_BOS] != TOKEN_NONE) {
        const frame_piece bos = {FRAME_ID, t->roles[TOKEN_BOS], 0}, first = {FRAME_FIRST, 0, 0};
        const frame_piece second = {FRAME_SECOND, 0, 1}, again = {FRAME_ID, t->roles[TOKEN_BOS], 1};
        t->rules.frames.single = (frame){2, {bos, first}};
        t->rules.frames.pair = (frame){4, {bos, first, again, second}};
    }
    return true;
}

tokenizer *gpt2_load(arena *a, diag *d, const doc_node *root, const char *name, const char *merges, size_t bytes) {
    tokenizer *t = tokenizer_new(a);
    t->bpe.byte_level = t->rules.byte_level = true;
    t->rules.decode[t->rules.decode_count++] = (decode_step){.kind = DECODE_BYTES};
    bool ok = read_vocab(a, d, root, t) && read_config(a, d, root, t) && read_merges(a, d, name, merges, bytes, t) &&
              add_roles(a, d, root->loc, t);
    return ok ? t : NULL;
}
