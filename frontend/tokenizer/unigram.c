/* Unigram: the best path from the first byte to the last, as tokenizers 0.23 searches it: every character is left with
 * the pieces that begin there, in ascending length, and a later path takes an earlier one's place only if its sum is
 * greater. */
#include "frontend/tokenizer/unigram.h"

#include <math.h>
#include <stdio.h>

#include "frontend/tokenizer/unicode.h"

void unigram_prepare(unigram *u) {
    static const double penalty = 10; /* below the least score of a piece */
    double least = INFINITY;
    for (size_t i = 0; i < u->tokens->count; i++)
        least = u->scores[i] < least ? u->scores[i] : least; /* false for NaN */
    u->unknown_score = least - penalty;
    for (unsigned i = 0; i < 256; i++) {
        char text[8];
        size_t n = (size_t)snprintf(text, sizeof text, "<0x%02X>", i);
        u->bytes[i] = token_table_find_text(u->tokens, text, n);
    }
}

/** The best way to an offset of the word. */
typedef struct {
    double sum;
    size_t from; /* SIZE_MAX: there is none yet */
    uint32_t place;
} step;

static void offer(step *to, const step *here, size_t from, double score, uint32_t place) {
    const double sum = score + here->sum;
    if (to->from == SIZE_MAX || sum > to->sum)
        *to = (step){sum, from, place};
}

/** Paths on from one character. */
static void extend(const unigram *u, const char *word, size_t bytes, size_t at, step *steps) {
    const size_t one = char_bytes(word[at]), rest = bytes - at;
    const size_t most = rest < u->tokens->longest ? rest : u->tokens->longest;
    bool single = false;
    uint64_t hash = 0;
    for (size_t n = 1; n <= most; n++) {
        hash = text_hash_byte(hash, word[at + n - 1]);
        if (n < rest && ((unsigned char)word[at + n] & 0xC0) == 0x80)
            continue;
        const uint32_t place = token_table_find(u->tokens, hash, word + at, n, "", 0);
        if (place == NO_PLACE || isnan(u->scores[place]))
            continue;
        offer(&steps[at + n], &steps[at], at, u->scores[place], place);
        single |= n == one;
    }
    if (!single)
        offer(&steps[at + one], &steps[at], at, u->unknown_score, u->unknown);
}

static bool has_bytes(const unigram *u, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (u->bytes[(unsigned char)text[i]] == NO_PLACE)
            return false;
    return true;
}

/** A piece, or text that is none: as a whole it may be one all the same. */
static void put(const unigram *u, const char *text, size_t bytes, uint32_t place, id_list *out) {
    const uint32_t whole = place == u->unknown ? token_table_find_text(u->tokens, text, bytes) : NO_PLACE;
    if (whole != NO_PLACE && !isnan(u->scores[whole]))
        add_id(out, u->tokens->entries[whole].id);
    else if (place == u->unknown && u->byte_fallback && has_bytes(u, text, bytes))
        for (size_t i = 0; i < bytes; i++)
            add_id(out, u->tokens->entries[u->bytes[(unsigned char)text[i]]].id);
    else if (place != NO_PLACE)
        add_id(out, u->tokens->entries[place].id);
}

void unigram_word(const unigram *u, arena *scratch, const char *word, size_t bytes, id_list *out) {
    step *steps = ARENA_ARRAY(scratch, step, bytes + 1);
    for (size_t i = 1; i <= bytes; i++)
        steps[i].from = SIZE_MAX;
    for (size_t at = 0; at < bytes; at += char_bytes(word[at]))
        extend(u, word, bytes, at, steps);
    /* The path is found from its end: turn it round. */
    size_t *next = ARENA_ARRAY(scratch, size_t, bytes + 1);
    for (size_t end = bytes; end > 0; end = steps[end].from)
        next[steps[end].from] = end;
    for (size_t at = 0, end; at < bytes; at = end) {
        end = next[at];
        while (u->fuse_unknown && steps[end].place == u->unknown && end < bytes && steps[next[end]].place == u->unknown)
            end = next[end];
        put(u, word + at, end - at, steps[end].place, out);
    }
    arena_release(scratch, next, (bytes + 1) * sizeof *next);
    arena_release(scratch, steps, (bytes + 1) * sizeof *steps);
}
