/* WordPiece: words to ids of a vocabulary by greedy longest match, and BERT's frame around sentences and pairs. */
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/basic.h"
#include "frontend/tokenizer/bert_rules.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/unicode.h"
#include "frontend/tokenizer/vocabulary.h"
#include "ir/base/file.h"

struct wordpiece {
    basic_rules rules;
    token_table tokens;
    uint32_t special[SPECIALS]; /* ids; TOKEN_NONE if the vocabulary has it not */
    frames frames;
    added_token *added; /* special ones, and what was added to the vocabulary */
    size_t added_count;
    added_set found; /* their texts */
};

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* A line of vocab.txt, whose number is its id. */
static bool add_line(listed_token *t, diag *d, src_loc loc, const char *token, size_t bytes) {
    size_t bad = utf8_check(token, bytes);
    if (bad < bytes) {
        loc.col = (uint32_t)bad + 1;
        return diag_error(d, loc, "the vocabulary is not UTF-8: byte 0x%02x", (unsigned char)token[bad]);
    }
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

static int by_text(const void *a, const void *b) {
    const listed_token *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

/** Each line has its number, whatever stands in it: empty ones are no token, and of equal ones the last counts. */
static size_t keep_last(diag *d, listed_token *tokens, size_t count) {
    size_t kept = 0;
    if (count)
        qsort(tokens, count, sizeof *tokens, by_text);
    for (size_t i = 0; i < count; i++) {
        bool again = i + 1 < count && strcmp(tokens[i].text, tokens[i + 1].text) == 0;
        if (again && tokens[i].bytes)
            diag_remark(d, tokens[i].loc, "tokenizer", "'%.60s' stands again in line %u, which counts", tokens[i].text,
                        tokens[i + 1].id + 1);
        if (!again && tokens[i].bytes)
            tokens[kept++] = tokens[i];
    }
    return kept;
}

/** Room for `more` tokens is left behind. */
static listed_token *load_lines(arena *a, diag *d, const char *path, size_t more, size_t *count) {
    size_t bytes;
    char *text = file_read(a, d, path, VOCABULARY_BYTES, &bytes);
    if (!text)
        return NULL;
    size_t lines = count_lines(text, bytes);
    listed_token *tokens = ARENA_ARRAY(a, listed_token, lines + more + 1);
    char *p = text, *end = text + bytes;
    for (uint32_t line = 1; line <= lines; line++) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        char *stop = newline ? newline : end;
        char *next = newline ? newline + 1 : end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        *stop = '\0'; /* file_read adds a byte after the end */
        if (!add_line(&tokens[line - 1], d, (src_loc){path, line, 1}, p, (size_t)(stop - p)))
            return NULL;
        p = next;
    }
    token_table all;
    uint32_t twin;
    bool gaps = false;
    token_table_build(&all, a, tokens, lines);
    for (size_t i = 0; i < lines && !gaps; i++)
        gaps = !tokens[i].bytes;
    *count = gaps || token_table_twins(&all, &twin) != NO_PLACE ? keep_last(d, tokens, lines) : lines;
    return tokens;
}

/** Adds what was added to a vocabulary, as far as it is not in it, and builds the table. `tokens` has room. */
static bool build_table(wordpiece *w, arena *a, diag *d, listed_token *tokens, size_t count, const found_token *added,
                        size_t added_count) {
    token_table known; /* by their order */
    listed_token *numbered = ARENA_ARRAY(a, listed_token, count + 1);
    for (uint32_t i = 0; i < count && added_count; i++)
        numbered[i] = (listed_token){tokens[i].text, tokens[i].bytes, i, tokens[i].loc};
    token_table_build(&known, a, numbered, added_count ? count : 0);
    size_t own = count;
    for (size_t i = 0; i < added_count; i++) {
        listed_token t = added[i].token;
        uint32_t twin = t.bytes ? token_table_find_text(&known, t.text, t.bytes) : NO_PLACE;
        bool again = !t.bytes;
        for (size_t k = own; k < count && !again; k++)
            again = tokens[k].id == t.id && strcmp(tokens[k].text, t.text) == 0;
        if (twin != NO_PLACE && tokens[twin].id != t.id)
            return diag_error(d, t.loc, "the added token '%.60s' has the id %u, but %u in the vocabulary", t.text, t.id,
                              tokens[twin].id);
        if (twin == NO_PLACE && !again)
            tokens[count++] = t;
    }
    if (!listed_tokens_order(d, tokens, count))
        return false;
    token_table_build(&w->tokens, a, tokens, count);
    return true;
}

/** A token is found in texts as it stands. */
static bool find_in_texts(wordpiece *w, arena *a, diag *d, src_loc loc, const char *text, size_t bytes,
                          added_token how) {
    if (bytes > ADDED_BYTES)
        return diag_error(d, loc, "an added token of %zu bytes; at most %d are possible", bytes, ADDED_BYTES);
    how.place = token_table_find_text(&w->tokens, text, bytes);
    if (!bytes || how.place == NO_PLACE)
        return true;
    w->added[w->added_count] = how;
    added_insert(&w->found, a, text, bytes, (uint32_t)w->added_count++);
    return true;
}

static bool find_added(wordpiece *w, arena *a, diag *d, const bert_rules *r, const found_token *more,
                       size_t more_count) {
    w->added = ARENA_ARRAY(a, added_token, SPECIALS + r->added_count + more_count + 1);
    for (int s = 0; s < SPECIALS; s++)
        if (!find_in_texts(w, a, d, (src_loc){0}, r->names[s], strlen(r->names[s]), (added_token){.special = true}))
            return false;
    for (size_t i = 0; i < r->added_count + more_count; i++) {
        const found_token *t = i < r->added_count ? &r->added[i] : &more[i - r->added_count];
        if (!find_in_texts(w, a, d, t->token.loc, t->token.text, t->token.bytes, t->how))
            return false;
    }
    return true;
}

static bool find_specials(wordpiece *w, diag *d, const char *path, const char *const names[SPECIALS]) {
    for (int s = 0; s < SPECIALS; s++) {
        uint32_t place = token_table_find_text(&w->tokens, names[s], strlen(names[s]));
        w->special[s] = place == NO_PLACE ? TOKEN_NONE : w->tokens.entries[place].id;
        if (place == NO_PLACE && (s == UNK || s == CLS || s == SEP))
            return diag_error(d, (src_loc){path, 0, 0}, "the vocabulary has no token %s; is it a BERT vocabulary?",
                              names[s]);
    }
    const frame_piece first = {FRAME_FIRST, 0, 0}, second = {FRAME_SECOND, 0, 1};
    const frame_piece cls = {FRAME_ID, w->special[CLS], 0}, sep = {FRAME_ID, w->special[SEP], 0};
    const frame_piece end = {FRAME_ID, w->special[SEP], 1};
    w->frames = (frames){{3, {cls, first, sep}}, {5, {cls, first, sep, second, end}}, w->special[PAD]};
    return true;
}

wordpiece *wordpiece_from_json(arena *a, diag *d, const doc_node *root, bool lower_case) {
    wordpiece_json j;
    bert_rules r;
    wordpiece *w = ARENA_NEW(a, wordpiece);
    const char *path = root->loc.file;
    if (!doc_kind_is(d, root, "tokenizer.json", DOC_MAPPING) || !json_wordpiece(a, d, root, &j) ||
        !bert_rules_read(a, d, path, &r))
        return NULL;
    if (r.json_holds) {
        r.accents_said = j.accents_said;
        r.strip_accents = j.strip_accents;
        r.split_ideographs = j.split_ideographs;
    }
    w->rules = (basic_rules){lower_case, r.accents_said ? r.strip_accents : lower_case, r.split_ideographs};
    listed_token *tokens = ARENA_ARRAY(a, listed_token, j.count + r.added_count + 1);
    if (j.count)
        memcpy(tokens, j.tokens, j.count * sizeof *tokens);
    return build_table(w, a, d, tokens, j.count, r.added, r.added_count) && find_specials(w, d, path, r.names) &&
                   find_added(w, a, d, &r, j.added, j.added_count)
               ? w
               : NULL;
}

wordpiece *wordpiece_load(arena *a, diag *d, const char *path, bool lower_case) {
    size_t n = strlen(path), count = 0;
    bert_rules r;
    if (n > 5 && strcmp(path + n - 5, ".json") == 0) {
        const doc_node *root = doc_load(a, d, path, VOCABULARY_BYTES);
        return root ? wordpiece_from_json(a, d, root, lower_case) : NULL;
    }
    wordpiece *w = ARENA_NEW(a, wordpiece);
    listed_token *tokens = bert_rules_read(a, d, path, &r) ? load_lines(a, d, path, r.added_count, &count) : NULL;
    if (!tokens)
        return NULL;
    w->rules = (basic_rules){lower_case, r.accents_said ? r.strip_accents : lower_case, r.split_ideographs};
    return build_table(w, a, d, tokens, count, r.added, r.added_count) && find_specials(w, d, path, r.names) &&
                   find_added(w, a, d, &r, NULL, 0)
               ? w
               : NULL;
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

static void add_part(void *user, uint32_t token, const char *text, size_t bytes) {
    const word_reader *r = user;
    const wordpiece *w = r->vocabulary;
    if (token == UINT32_MAX)
        basic_words(text, bytes, w->rules, add_word, user);
    else
        add_id(r->out, w->tokens.entries[w->added[token].place].id);
}

/* Special and added tokens are found in the raw text, before anything is lower-cased or cut. */
void wordpiece_text(const wordpiece *w, const char *text, size_t bytes, bool literal, id_list *out) {
    word_reader r = {w, out};
    added_find(&w->found, w->added, literal, text, bytes, add_part, &r);
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
