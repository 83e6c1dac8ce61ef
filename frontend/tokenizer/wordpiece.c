/* WordPiece: words to ids of a vocabulary by greedy longest match, and BERT's frame around sentences and pairs. */
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "frontend/tokenizer/basic.h"
#include "frontend/tokenizer/tokenizer_json.h"
#include "frontend/tokenizer/vocabulary.h"

static const char *const special_names[SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

enum { NO_ID = UINT32_MAX, NO_TOKEN = UINT32_MAX };

/* Tokens are numbered by their place among the ids, which may have gaps. */
struct wordpiece {
    basic_rules rules;
    size_t count;
    const char **tokens;        /* [count] */
    uint32_t *ids;              /* [count] ascending */
    uint32_t *lengths;          /* [count] bytes */
    size_t longest;             /* bytes of the longest token */
    size_t mask;                /* slots of the hash table - 1 */
    uint32_t *slots;            /* token, or NO_TOKEN */
    uint32_t *hashes;           /* of the slot's token */
    uint32_t special[SPECIALS]; /* ids; NO_ID if the vocabulary has it not */
};

/* FNV-1a, byte by byte, so that the hashes of all prefixes of a word come from one walk over it. */
static const uint32_t hash_start = 2166136261u;
static inline uint32_t hash_byte(uint32_t h, char c) {
    return (h ^ (unsigned char)c) * 16777619u;
}
static inline uint32_t hash_finish(uint32_t h) {
    return h ^ (h >> 15);
}

/* The token that is `prefix` ("" or "##") followed by `bytes` of `text`, whose hash is `hash`. */
static uint32_t find(const wordpiece *w, uint32_t hash, const char *prefix, size_t prefix_bytes, const char *text,
                     size_t bytes) {
    uint32_t finished = hash_finish(hash);
    for (size_t at = finished & w->mask; w->slots[at] != NO_TOKEN; at = (at + 1) & w->mask) {
        uint32_t t = w->slots[at];
        if (w->hashes[at] == finished && w->lengths[t] == prefix_bytes + bytes &&
            memcmp(w->tokens[t], prefix, prefix_bytes) == 0 && memcmp(w->tokens[t] + prefix_bytes, text, bytes) == 0)
            return t;
    }
    return NO_TOKEN;
}

static uint32_t hash_text(const char *text, size_t bytes) {
    uint32_t h = hash_start;
    for (size_t i = 0; i < bytes; i++)
        h = hash_byte(h, text[i]);
    return h;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static void reserve(wordpiece *w, arena *a, size_t count) {
    w->count = count;
    w->tokens = ARENA_ARRAY(a, const char *, count + 1);
    w->ids = ARENA_ARRAY(a, uint32_t, count + 1);
    w->lengths = ARENA_ARRAY(a, uint32_t, count + 1);
    size_t table = 16;
    while (table < count * 3)
        table *= 2;
    w->mask = table - 1;
    w->slots = ARENA_ARRAY(a, uint32_t, table);
    w->hashes = ARENA_ARRAY(a, uint32_t, table);
    memset(w->slots, 0xFF, table * sizeof *w->slots);
}

/* Fills in token `t`. Returns a token of the same text that is there already, or NO_TOKEN. */
static uint32_t add_token(wordpiece *w, uint32_t t, uint32_t id, const char *text, size_t bytes) {
    uint32_t hash = hash_text(text, bytes), finished = hash_finish(hash);
    uint32_t twin = find(w, hash, "", 0, text, bytes);
    if (twin != NO_TOKEN)
        return twin;
    w->tokens[t] = text;
    w->ids[t] = id;
    w->lengths[t] = (uint32_t)bytes;
    size_t at = finished & w->mask;
    while (w->slots[at] != NO_TOKEN)
        at = (at + 1) & w->mask;
    w->slots[at] = t;
    w->hashes[at] = finished;
    if (bytes > w->longest)
        w->longest = bytes;
    return NO_TOKEN;
}

/* A line of vocab.txt, whose number is its id. */
static bool add_line(wordpiece *w, diag *d, src_loc loc, const char *token, size_t bytes) {
    size_t bad = utf8_check(token, bytes);
    if (bad < bytes) {
        loc.col = (uint32_t)bad + 1;
        return diag_error(d, loc, "the vocabulary is not UTF-8: byte 0x%02x", (unsigned char)token[bad]);
    }
    if (!bytes)
        return diag_error(d, loc, "an empty line among the tokens; a vocabulary has one token a line");
    uint32_t twin = add_token(w, loc.line - 1, loc.line - 1, token, bytes);
    if (twin != NO_TOKEN)
        return diag_error(d, loc, "token '%s' stands in the vocabulary twice, first in line %u", token, twin + 1);
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
    reserve(w, a, count_lines(text, bytes));
    char *p = text, *end = text + bytes;
    for (uint32_t line = 1; line <= w->count; line++) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        char *stop = newline ? newline : end;
        char *next = newline ? newline + 1 : end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        *stop = '\0'; /* file_read adds a byte after the end */
        if (!add_line(w, d, (src_loc){path, line, 1}, p, (size_t)(stop - p)))
            return false;
        p = next;
    }
    return true;
}

static bool load_json(wordpiece *w, arena *a, diag *d, const char *path) {
    tokenizer_json j;
    if (!tokenizer_json_load(a, d, path, &j))
        return false;
    w->rules.split_ideographs = j.split_ideographs;
    if (j.accents_said)
        w->rules.strip_accents = j.strip_accents;
    reserve(w, a, j.count);
    for (size_t i = 0; i < j.count; i++) /* no text stands there twice */
        add_token(w, (uint32_t)i, j.tokens[i].id, j.tokens[i].text, strlen(j.tokens[i].text));
    return true;
}

static bool find_specials(wordpiece *w, diag *d, const char *path) {
    for (int s = 0; s < SPECIALS; s++) {
        size_t n = strlen(special_names[s]);
        uint32_t t = find(w, hash_text(special_names[s], n), "", 0, special_names[s], n);
        w->special[s] = t == NO_TOKEN ? NO_ID : w->ids[t];
        if (t == NO_TOKEN && (s == UNK || s == CLS || s == SEP))
            return diag_error(d, (src_loc){path, 0, 0}, "the vocabulary has no token %s; is it a BERT vocabulary?",
                              special_names[s]);
    }
    return true;
}

wordpiece *wordpiece_load(arena *a, diag *d, const char *path, bool lower_case) {
    size_t n = strlen(path);
    bool json = n > 5 && strcmp(path + n - 5, ".json") == 0;
    wordpiece *w = ARENA_NEW(a, wordpiece);
    w->rules = (basic_rules){lower_case, lower_case, true};
    bool ok = json ? load_json(w, a, d, path) : load_lines(w, a, d, path);
    return ok && find_specials(w, d, path) ? w : NULL;
}

const char *wordpiece_token(const wordpiece *w, uint32_t id) {
    size_t lo = 0, hi = w->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (w->ids[middle] < id)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < w->count && w->ids[lo] == id ? w->tokens[lo] : NULL;
}

/* ---- words to ids ------------------------------------------------------------------------------------------------ */

typedef struct {
    const wordpiece *vocabulary;
    arena *arena;
    uint32_t *ids;
    size_t count, capacity;
} id_list;

static void add_id(id_list *l, uint32_t id) {
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        uint32_t *ids = ARENA_ARRAY(l->arena, uint32_t, capacity);
        if (l->count)
            memcpy(ids, l->ids, l->count * sizeof *ids);
        l->ids = ids;
        l->capacity = capacity;
    }
    l->ids[l->count++] = id;
}

static inline bool starts_char(char c) {
    return ((unsigned char)c & 0xC0) != 0x80;
}

/* The id of the longest token at the start of `text`, or NO_ID; its bytes go to *matched. */
static uint32_t longest_match(const wordpiece *w, const char *prefix, size_t prefix_bytes, const char *text,
                              size_t bytes, size_t *matched) {
    uint32_t hashes[BASIC_WORD_CHARACTERS * 4 + 1]; /* of the prefixes */
    size_t most = w->longest > prefix_bytes ? w->longest - prefix_bytes : 0;
    most = bytes < most ? bytes : most;
    hashes[0] = hash_text(prefix, prefix_bytes);
    for (size_t i = 0; i < most; i++)
        hashes[i + 1] = hash_byte(hashes[i], text[i]);
    for (size_t n = most; n > 0; n--) {
        if (n < bytes && !starts_char(text[n]))
            continue;
        uint32_t t = find(w, hashes[n], prefix, prefix_bytes, text, n);
        if (t != NO_TOKEN) {
            *matched = n;
            return w->ids[t];
        }
    }
    return NO_ID;
}

static void add_word(void *user, const char *word, size_t bytes) {
    id_list *l = user;
    const wordpiece *w = l->vocabulary;
    size_t before = l->count, at = 0;
    while (word && at < bytes) {
        size_t matched = 0;
        uint32_t id = longest_match(w, CONTINUATION, at ? strlen(CONTINUATION) : 0, word + at, bytes - at, &matched);
        if (id == NO_ID) {
            word = NULL;
            break;
        }
        add_id(l, id);
        at += matched;
    }
    if (!word) { /* one piece unknown: the whole word is */
        l->count = before;
        add_id(l, w->special[UNK]);
    }
}

/* The special token that `text` starts with, or SPECIALS. */
static int special_at(const wordpiece *w, const char *text, size_t bytes) {
    for (int s = 0; s < SPECIALS; s++) {
        size_t n = strlen(special_names[s]);
        if (w->special[s] != NO_ID && bytes >= n && memcmp(text, special_names[s], n) == 0)
            return s;
    }
    return SPECIALS;
}

/* Special tokens are found in the raw text, before anything is lower-cased or cut. */
static bool add_text(id_list *l, diag *d, const char *what, const char *text) {
    const wordpiece *w = l->vocabulary;
    size_t bytes = strlen(text), start = 0;
    size_t bad = utf8_check(text, bytes);
    if (bad < bytes)
        return diag_error(d, (src_loc){0}, "%s is not UTF-8: byte 0x%02x at offset %zu; convert it to UTF-8", what,
                          (unsigned char)text[bad], bad);
    for (size_t at = 0; at < bytes;) {
        const char *bracket = memchr(text + at, '[', bytes - at);
        if (!bracket)
            break;
        at = (size_t)(bracket - text);
        int s = special_at(w, bracket, bytes - at);
        if (s == SPECIALS) {
            at++;
            continue;
        }
        basic_words(text + start, at - start, w->rules, add_word, l);
        add_id(l, w->special[s]);
        at += strlen(special_names[s]);
        start = at;
    }
    basic_words(text + start, bytes - start, w->rules, add_word, l);
    return true;
}

/* ---- sentences and pairs ----------------------------------------------------------------------------------------- */

/* Cuts the longer of two sentences first until `room` ids remain; then both alike, an odd one left to the one that was
 * longer (to b if neither was). */
static void cut_longest_first(size_t *a, size_t *b, size_t room) {
    if (*a + *b <= room)
        return;
    bool a_longer = *a > *b;
    size_t shorter = a_longer ? *b : *a, longer;
    if (2 * shorter < room) {
        longer = room - shorter;
    } else {
        shorter = room / 2;
        longer = room - shorter;
    }
    *a = a_longer ? longer : shorter;
    *b = a_longer ? shorter : longer;
}

static void append(token_list *out, const uint32_t *ids, size_t count, uint32_t segment) {
    for (size_t i = 0; i < count; i++) {
        out->ids[out->count] = ids[i];
        out->segments[out->count++] = segment;
    }
}

bool wordpiece_encode(const wordpiece *w, arena *a, diag *d, const char *text, const char *pair, size_t limit,
                      size_t pad_to, token_list *out) {
    id_list first = {.vocabulary = w, .arena = a}, second = first;
    size_t frame = pair ? 3 : 2; /* [CLS] and the [SEP]s */
    if (limit && limit < frame)
        return diag_error(d, (src_loc){0}, "%zu tokens are too few for %s; the least is %zu", limit,
                          pair ? "a pair of sentences" : "a sentence", frame);
    if (!add_text(&first, d, "the text", text) || (pair && !add_text(&second, d, "the second text of the pair", pair)))
        return false;
    size_t kept_first = first.count, kept_second = second.count;
    if (limit)
        cut_longest_first(&kept_first, &kept_second, limit - frame);
    size_t count = frame + kept_first + kept_second;
    if (pad_to > count && w->special[PAD] == NO_ID)
        return diag_error(d, (src_loc){0}, "the vocabulary has no token [PAD] to pad with");
    size_t room = pad_to > count ? pad_to : count;
    *out = (token_list){.ids = ARENA_ARRAY(a, uint32_t, room), .segments = ARENA_ARRAY(a, uint32_t, room)};
    out->truncated = kept_first < first.count || kept_second < second.count;
    append(out, &w->special[CLS], 1, 0);
    append(out, first.ids, kept_first, 0);
    append(out, &w->special[SEP], 1, 0);
    if (pair) {
        append(out, second.ids, kept_second, 1);
        append(out, &w->special[SEP], 1, 1);
    }
    while (out->count < pad_to)
        append(out, &w->special[PAD], 1, 0);
    return true;
}
