/* WordPiece: words to ids of a vocabulary by greedy longest match, and BERT's frame around sentences and pairs. */
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/basic.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/vocabulary.h"
#include "ir/base/file.h"

static const char *const special_names[SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

struct wordpiece {
    basic_rules rules;
    token_table tokens;
    uint32_t special[SPECIALS]; /* ids; TOKEN_NONE if the vocabulary has it not */
    frames frames;
};

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* A line of vocab.txt, whose number is its id. */
static bool add_line(listed_token *t, diag *d, src_loc loc, const char *token, size_t bytes) {
    size_t bad = utf8_check(token, bytes);
    if (bad < bytes) {
        loc.col = (uint32_t)bad + 1;
        return diag_error(d, loc, "the vocabulary is not UTF-8: byte 0x%02x", (unsigned char)token[bad]);
    }
    if (!bytes)
        return diag_error(d, loc, "an empty line among the tokens; a vocabulary has one token a line");
    *t = (listed_token){token, bytes, loc.line - 1, loc};
    return true;
}

static size_t count_lines(const char *text, size_t bytes) {
    size_t lines = 0;
    for (const char *p = text, *end = text + bytes; p < end; lines++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
    }
    return lines;
}

static bool load_lines(wordpiece *w, arena *a, diag *d, const char *path) {
    size_t bytes;
    char *text = file_read(a, d, path, VOCABULARY_BYTES, &bytes);
    if (!text)
        return false;
    size_t count = count_lines(text, bytes);
    listed_token *tokens = ARENA_ARRAY(a, listed_token, count);
    char *p = text, *end = text + bytes;
    for (uint32_t line = 1; line <= count; line++) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        char *stop = newline ? newline : end;
        char *next = newline ? newline + 1 : end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        *stop = '\0'; /* file_read adds a byte after the end */
        if (!add_line(&tokens[line - 1], d, (src_loc){path, line, 1}, p, (size_t)(stop - p)))
            return false;
        p = next;
    }
    token_table_build(&w->tokens, a, tokens, count);
    uint32_t first, twin = token_table_twins(&w->tokens, &first);
    return twin == NO_PLACE ||
           diag_error(d, tokens[twin].loc, "token '%s' stands in the vocabulary twice, first in line %u",
                      tokens[twin].text, first + 1);
}

static bool find_specials(wordpiece *w, diag *d, const char *path) {
    for (int s = 0; s < SPECIALS; s++) {
        uint32_t place = token_table_find_text(&w->tokens, special_names[s], strlen(special_names[s]));
        w->special[s] = place == NO_PLACE ? TOKEN_NONE : w->tokens.entries[place].id;
        if (place == NO_PLACE && (s == UNK || s == CLS || s == SEP))
            return diag_error(d, (src_loc){path, 0, 0}, "the vocabulary has no token %s; is it a BERT vocabulary?",
                              special_names[s]);
    }
    const frame_piece first = {FRAME_FIRST, 0, 0}, second = {FRAME_SECOND, 0, 1};
    const frame_piece cls = {FRAME_ID, w->special[CLS], 0}, sep = {FRAME_ID, w->special[SEP], 0};
    const frame_piece end = {FRAME_ID, w->special[SEP], 1};
    w->frames = (frames){{3, {cls, first, sep}}, {5, {cls, first, sep, second, end}}, w->special[PAD]};
    return true;
}

wordpiece *wordpiece_from_json(arena *a, diag *d, const doc_node *root, bool lower_case) {
    wordpiece_json j;
    wordpiece *w = ARENA_NEW(a, wordpiece);
    if (!doc_kind_is(d, root, "tokenizer.json", DOC_MAPPING) || !json_wordpiece(a, d, root, &j))
        return NULL;
    w->rules = (basic_rules){lower_case, j.accents_said ? j.strip_accents : lower_case, j.split_ideographs};
    token_table_build(&w->tokens, a, j.tokens, j.count); /* no text stands there twice */
    return find_specials(w, d, root->loc.file) ? w : NULL;
}

wordpiece *wordpiece_load(arena *a, diag *d, const char *path, bool lower_case) {
    size_t n = strlen(path);
    if (n > 5 && strcmp(path + n - 5, ".json") == 0) {
        const doc_node *root = doc_load(a, d, path, VOCABULARY_BYTES);
        return root ? wordpiece_from_json(a, d, root, lower_case) : NULL;
    }
    wordpiece *w = ARENA_NEW(a, wordpiece);
    w->rules = (basic_rules){lower_case, lower_case, true};
    return load_lines(w, a, d, path) && find_specials(w, d, path) ? w : NULL;
}

const char *wordpiece_token(const wordpiece *w, uint32_t id) {
    uint32_t place = token_table_place(&w->tokens, id);
    return place == NO_PLACE ? NULL : w->tokens.entries[place].text;
}

const token_table *wordpiece_tokens(const wordpiece *w) {
    return &w->tokens;
}

void wordpiece_lower_case(wordpiece *w) {
    w->rules.lower_case = true;
}

const frames *wordpiece_frames(const wordpiece *w) {
    return &w->frames;
}

uint32_t wordpiece_special(const wordpiece *w, token_role role) {
    static const int of[TOKEN_ROLES] = {[TOKEN_BOS] = CLS, [TOKEN_EOS] = SEP, [TOKEN_UNK] = UNK, [TOKEN_PAD] = PAD};
    return w->special[of[role]];
}

bool wordpiece_is_special(const wordpiece *w, uint32_t place) {
    for (int s = 0; s < SPECIALS; s++)
        if (w->special[s] == w->tokens.entries[place].id)
            return true;
    return false;
}

/* ---- words to ids ------------------------------------------------------------------------------------------------ */

typedef struct {
    const wordpiece *vocabulary;
    id_list *out;
} word_reader;

static inline bool starts_char(char c) {
    return ((unsigned char)c & 0xC0) != 0x80;
}

/* The id of the longest token at the start of `text`, or TOKEN_NONE; its bytes go to *matched. */
static uint32_t longest_match(const token_table *t, const char *prefix, size_t prefix_bytes, const char *text,
                              size_t bytes, size_t *matched) {
    uint64_t hashes[BASIC_WORD_CHARACTERS * 4 + 1]; /* of the prefixes */
    size_t most = t->longest > prefix_bytes ? t->longest - prefix_bytes : 0;
    most = bytes < most ? bytes : most;
    hashes[0] = text_hash(prefix, prefix_bytes);
    for (size_t i = 0; i < most; i++)
        hashes[i + 1] = text_hash_byte(hashes[i], text[i]);
    for (size_t n = most; n > 0; n--) {
        if (n < bytes && !starts_char(text[n]))
            continue;
        uint32_t place = token_table_find(t, hashes[n], prefix, prefix_bytes, text, n);
        if (place != NO_PLACE) {
            *matched = n;
            return t->entries[place].id;
        }
    }
    return TOKEN_NONE;
}

static void add_word(void *user, const char *word, size_t bytes) {
    const word_reader *r = user;
    const token_table *t = &r->vocabulary->tokens;
    size_t before = r->out->count, at = 0;
    while (word && at < bytes) {
        size_t matched = 0;
        uint32_t id = longest_match(t, CONTINUATION, at ? strlen(CONTINUATION) : 0, word + at, bytes - at, &matched);
        if (id == TOKEN_NONE) {
            word = NULL;
            break;
        }
        add_id(r->out, id);
        at += matched;
    }
    if (!word) { /* one piece unknown: the whole word is */
        r->out->count = before;
        add_id(r->out, r->vocabulary->special[UNK]);
    }
}

/* The special token that `text` starts with, or SPECIALS. */
static int special_at(const wordpiece *w, const char *text, size_t bytes) {
    for (int s = 0; s < SPECIALS; s++) {
        size_t n = strlen(special_names[s]);
        if (w->special[s] != TOKEN_NONE && bytes >= n && memcmp(text, special_names[s], n) == 0)
            return s;
    }
    return SPECIALS;
}

/* Special tokens are found in the raw text, before anything is lower-cased or cut. */
void wordpiece_text(const wordpiece *w, const char *text, size_t bytes, bool literal, id_list *out) {
    word_reader r = {w, out};
    size_t start = 0;
    for (size_t at = 0; at < bytes && !literal;) {
        const char *bracket = memchr(text + at, '[', bytes - at);
        if (!bracket)
            break;
        at = (size_t)(bracket - text);
        int s = special_at(w, bracket, bytes - at);
        if (s == SPECIALS) {
            at++;
            continue;
        }
        basic_words(text + start, at - start, w->rules, add_word, &r);
        add_id(out, w->special[s]);
        at += strlen(special_names[s]);
        start = at;
    }
    basic_words(text + start, bytes - start, w->rules, add_word, &r);
}

bool wordpiece_encode(const wordpiece *w, arena *a, diag *d, const char *text, const char *pair, size_t limit,
                      size_t pad_to, token_list *out) {
    id_list first = {.arena = a}, second = first;
    if (!text_check(d, "the text", text, strlen(text)) ||
        (pair && !text_check(d, "the second text of the pair", pair, strlen(pair))))
        return false;
    wordpiece_text(w, text, strlen(text), false, &first);
    if (pair)
        wordpiece_text(w, pair, strlen(pair), false, &second);
    return frame_join(&w->frames, a, d, &first, pair ? &second : NULL, limit, pad_to, out);
}
