/* Byte-pair encoding. Short words are searched for their best pair, long ones keep all pairs in a heap. */
#include "frontend/tokenizer/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/tokenizer/unicode.h"

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static inline size_t pair_hash(uint32_t left, uint32_t right) {
    return (size_t)text_hash_spread(((uint64_t)left << 32 | right) * TEXT_HASH_BASE);
}

/* Units are what cuts are decided by: of a vocabulary that spells bytes these bytes, else the bytes of the text, but
 * 255, which is in no text, for the character that sentencepiece writes for a space. */
enum { SPACE_UNIT = 255 };
static const char marked_space[] = "\u2581";

static inline bool is_marked_space(const char *text, size_t bytes) {
    return bytes >= 3 && memcmp(text, marked_space, 3) == 0;
}

static void note_join(bpe *b, int last, int next) {
    b->joins[last][next / 8] |= (unsigned char)(1 << next % 8);
}

/** Which units stand beside each other inside some token. Between any others a word can be cut before anything is
 * merged, because what is merged is always a token. */
static void find_joins(bpe *b) {
    for (size_t t = 0; t < b->tokens->count; t++) {
        const char *text = b->tokens->entries[t].text, *end = text + b->tokens->entries[t].bytes;
        int last = -1, unit;
        for (const char *p = text; p < end; last = unit) {
            if (b->byte_level) {
                int32_t c;
                p = next_char(p, &c);
                unit = spelled_byte(c);
                if (last >= 0 && unit >= 0)
                    note_join(b, last, unit);
                continue;
            }
            unit = (unsigned char)*p;
            if (last >= 0)
                note_join(b, last, is_marked_space(p, (size_t)(end - p)) ? SPACE_UNIT : unit);
            p++;
        }
    }
}

/** The tokens of single bytes and of ASCII characters. */
static void find_alphabet(bpe *b) {
    for (uint32_t i = 0; i < 256; i++) {
        char text[8];
        size_t n = b->byte_level ? spell_byte((uint8_t)i, text) : (size_t)snprintf(text, sizeof text, "<0x%02X>", i);
        b->bytes[i] = token_table_find_text(b->tokens, text, n);
        if (i < 128)
            b->ascii[i] = token_table_find_text(b->tokens, (const char[]){(char)i}, 1);
    }
}

void bpe_merges_by_rank(bpe *b, arena *a, const bpe_merge *merges, size_t count) {
    size_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    b->mask = slots - 1;
    b->merges = ARENA_ARRAY(a, bpe_merge, slots);
    memset(b->merges, 0xFF, slots * sizeof *b->merges);
    for (size_t i = 0; i < count; i++) {
        const bpe_merge *m = &merges[i];
        size_t at = pair_hash(m->left, m->right) & b->mask;
        while (b->merges[at].left != NO_PLACE && (b->merges[at].left != m->left || b->merges[at].right != m->right))
            at = (at + 1) & b->mask;
        b->merges[at] = *m;
    }
    find_alphabet(b);
    find_joins(b);
}

typedef struct {
    float score;
    uint32_t place;
} scored;

static int compare_scores(const void *left, const void *right) {
    const scored *l = left, *r = right;
    if (l->score != r->score)
        return l->score < r->score ? 1 : -1;
    return (l->place > r->place) - (l->place < r->place);
}

void bpe_merges_by_score(bpe *b, arena *a, const float *scores, const bool *makes) {
    size_t count = b->tokens->count;
    scored *order = ARENA_ARRAY(a, scored, count);
    for (uint32_t i = 0; i < count; i++)
        order[i] = (scored){scores[i], i};
    qsort(order, count, sizeof *order, compare_scores);
    b->ranks = ARENA_ARRAY(a, uint32_t, count);
    uint32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && order[i].score != order[i - 1].score)
            rank++;
        b->ranks[order[i].place] = makes && !makes[order[i].place] ? NO_PLACE : rank;
    }
    find_alphabet(b);
    find_joins(b);
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/** What two tokens make; false if they do not merge. */
static bool find_merge(const bpe *b, uint32_t left, uint32_t right, uint32_t *rank, uint32_t *result) {
    if (left == NO_PLACE || right == NO_PLACE)
        return false;
    if (!b->merges) {
        *result = token_table_find_joined(b->tokens, left, right);
        if (*result == NO_PLACE)
            return false;
        *rank = b->ranks[*result];
        return *rank != NO_PLACE;
    }
    for (size_t at = pair_hash(left, right) & b->mask;; at = (at + 1) & b->mask) {
        const bpe_merge *m = &b->merges[at];
        if (m->left == NO_PLACE)
            return false;
        if (m->left == left && m->right == right) {
            *rank = m->rank;
            *result = m->result;
            return true;
        }
    }
}

enum { SHORT_WORD = 24 };

/** Merges a short word in place: every round the best pair, found by looking at all. */
static void merge_short(const bpe *b, bpe_symbol *s, size_t *count) {
    uint32_t ranks[SHORT_WORD], results[SHORT_WORD]; /* of symbol i with the one behind it */
    size_t n = *count;
    for (size_t i = 0; i + 1 < n; i++)
        if (!find_merge(b, s[i].place, s[i + 1].place, &ranks[i], &results[i]))
            ranks[i] = NO_PLACE;
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == NO_PLACE)
            break;
        s[best].place = results[best];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            s[i].place = s[i + 1].place;
            ranks[i - 1] = ranks[i];
            results[i - 1] = results[i];
        }
        if (best + 1 < n && !find_merge(b, s[best].place, s[best + 1].place, &ranks[best], &results[best]))
            ranks[best] = NO_PLACE;
        if (best > 0 && !find_merge(b, s[best - 1].place, s[best].place, &ranks[best - 1], &results[best - 1]))
            ranks[best - 1] = NO_PLACE;
    }
    *count = n;
}

static void sift_down(bpe_candidate *heap, size_t count, size_t at) {
    bpe_candidate moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1].key < heap[child].key)
            child++;
        if (heap[child].key >= moving.key)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void push(bpe_coder *c, uint32_t at) {
    const bpe_symbol *s = &c->symbols[at];
    uint32_t rank, result;
    if (s->next == NO_PLACE || !find_merge(c->rules, s->place, c->symbols[s->next].place, &rank, &result))
        return;
    bpe_candidate fresh = {(uint64_t)rank << 32 | at, result};
    size_t hole = c->heap_count++;
    for (; hole && c->heap[(hole - 1) / 2].key > fresh.key; hole = (hole - 1) / 2)
        c->heap[hole] = c->heap[(hole - 1) / 2];
    c->heap[hole] = fresh;
}

static bpe_candidate pop(bpe_coder *c) {
    bpe_candidate top = c->heap[0];
    c->heap[0] = c->heap[--c->heap_count];
    if (c->heap_count)
        sift_down(c->heap, c->heap_count, 0);
    return top;
}

/** Every pair enters the heap when it comes to be neighbours: at most 3 n of them. One that is no more is known by its
 *  length, since what stands at a place only grows. */
static void merge_long(bpe_coder *c) {
    bpe_symbol *s = c->symbols;
    size_t n = c->count;
    if (c->heap_capacity < 3 * n) {
        arena_release(c->scratch, c->heap, c->heap_capacity * sizeof *c->heap);
        c->heap_capacity = 4 * n;
        c->heap = ARENA_ARRAY(c->scratch, bpe_candidate, c->heap_capacity);
    }
    for (uint32_t i = 0; i < n; i++) {
        s[i].previous = i ? i - 1 : NO_PLACE;
        s[i].next = i + 1 < n ? i + 1 : NO_PLACE;
    }
    c->heap_count = 0;
    for (uint32_t i = 0; i + 1 < n; i++)
        push(c, i);
    while (c->heap_count) {
        bpe_candidate best = pop(c);
        uint32_t at = (uint32_t)best.key, right = s[at].next;
        uint32_t length = c->rules->tokens->entries[best.result].bytes;
        if (s[at].bytes == 0 || right == NO_PLACE || s[at].bytes + s[right].bytes != length)
            continue;
        s[at].place = best.result;
        s[at].bytes = length;
        s[at].next = s[right].next;
        s[right].bytes = 0;
        if (s[at].next != NO_PLACE)
            s[s[at].next].previous = at;
        push(c, at);
        if (s[at].previous != NO_PLACE)
            push(c, s[at].previous);
    }
    c->count = 0;
    for (uint32_t i = 0; i != NO_PLACE; i = s[i].next)
        s[c->count++].place = s[i].place;
}

/** Merges the symbols gathered so far and gives out their ids. */
static void flush(bpe_coder *c) {
    if (c->count > SHORT_WORD)
        merge_long(c);
    else if (c->count > 1)
        merge_short(c->rules, c->symbols, &c->count);
    for (size_t i = 0; i < c->count; i++)
        add_id(c->out, c->rules->tokens->entries[c->symbols[i].place].id);
    c->count = 0;
}

/* ---- words to symbols -------------------------------------------------------------------------------------------- */

/** Appends a symbol that begins and ends with these units (-1: not known); the word before it ends if no token has the
 *  two beside each other. */
static void add_symbol(bpe_coder *c, uint32_t place, int first, int last) {
    const bpe *b = c->rules;
    if (c->count && c->last >= 0 && first >= 0 && !(b->joins[c->last][first / 8] >> first % 8 & 1))
        flush(c);
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 64;
        c->symbols = (bpe_symbol *)arena_resize(c->scratch, c->symbols, c->capacity * sizeof *c->symbols,
                                                capacity * sizeof *c->symbols);
        c->capacity = capacity;
    }
    c->symbols[c->count].place = place;
    c->symbols[c->count++].bytes = b->tokens->entries[place].bytes;
    c->last = last;
}

/** The tokens of a character's bytes; false if one has none. */
static bool fall_back(bpe_coder *c, const char *character, size_t bytes) {
    const bpe *b = c->rules;
    for (size_t i = 0; i < bytes; i++)
        if (b->bytes[(unsigned char)character[i]] == NO_PLACE)
            return false;
    for (size_t i = 0; i < bytes; i++)
        add_symbol(c, b->bytes[(unsigned char)character[i]], '<', '>');
    return true;
}

/** A character that has a token. */
static void add_char(bpe_coder *c, uint32_t place, const char *text, size_t bytes) {
    int first = (unsigned char)text[0], last = (unsigned char)text[bytes - 1];
    add_symbol(c, place, !c->rules->byte_level && is_marked_space(text, bytes) ? SPACE_UNIT : first, last);
}

static uint32_t find_char(const bpe *b, const char *text, size_t bytes) {
    unsigned char first = (unsigned char)*text;
    if (b->byte_level)
        return b->bytes[first];
    return first < 128 ? b->ascii[first] : token_table_find_text(b->tokens, text, bytes);
}

/** The token that is the whole word, or NO_PLACE. */
static uint32_t find_word(bpe_coder *c, const char *word, size_t bytes) {
    const token_table *t = c->rules->tokens;
    if (!c->rules->byte_level || bytes > t->longest)
        return token_table_find_text(t, word, bytes);
    if (!c->spelling)
        c->spelling = arena_alloc(c->scratch, 2 * t->longest);
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += spell_byte((uint8_t)word[i], c->spelling + n);
    return token_table_find_text(t, c->spelling, n);
}

void bpe_word(bpe_coder *c, const char *word, size_t bytes) {
    const bpe *b = c->rules;
    uint32_t whole = b->ignore_merges ? find_word(c, word, bytes) : NO_PLACE;
    if (whole != NO_PLACE) {
        add_id(c->out, b->tokens->entries[whole].id);
        return;
    }
    bool unknown = false; /* an unknown token is due: before the next known character, behind bytes fallen back to */
    for (size_t at = 0, n; at < bytes; at += n) {
        n = b->byte_level ? 1 : char_bytes(word[at]);
        uint32_t place = find_char(b, word + at, n);
        if (place == NO_PLACE) {
            if (b->byte_fallback && fall_back(c, word + at, n))
                continue;
            if (unknown && !b->fuse_unknown)
                add_symbol(c, b->unknown, -1, -1);
            unknown = b->unknown != NO_PLACE;
            continue;
        }
        if (unknown)
            add_symbol(c, b->unknown, -1, -1);
        unknown = false;
        add_char(c, place, word + at, n);
    }
    if (unknown)
        add_symbol(c, b->unknown, -1, -1);
    flush(c);
}
