/* Tokens in an array by id and in a hash table by text. */
#include "frontend/tokenizer/token_table.h"

#include <stdlib.h>
#include <string.h>

/* ---- building ---------------------------------------------------------------------------------------------------- */

/** By id; where ids are equal, in the file's order. */
static int compare_tokens(const void *left, const void *right) {
    const listed_token *l = left, *r = right;
    uint64_t a = (uint64_t)l->loc.line << 32 | l->loc.col, b = (uint64_t)r->loc.line << 32 | r->loc.col;
    return l->id != r->id ? (l->id > r->id) - (l->id < r->id) : (a > b) - (a < b);
}

bool listed_tokens_order(diag *d, listed_token *tokens, size_t count) {
    bool ascending = true;
    for (size_t i = 1; i < count && ascending; i++)
        ascending = tokens[i - 1].id < tokens[i].id;
    if (ascending)
        return true;
    qsort(tokens, count, sizeof *tokens, compare_tokens);
    for (size_t i = 1; i < count; i++) {
        const listed_token *before = &tokens[i - 1], *here = &tokens[i];
        if (before->id == here->id)
            return diag_error(d, here->loc, "the id %u is another token's, at %u:%u; every token must have its own",
                              here->id, before->loc.line, before->loc.col);
    }
    return true;
}

static void insert(token_table *t, uint32_t place) {
    const token_entry *e = &t->entries[place];
    uint64_t spread = text_hash_spread(e->hash);
    size_t at = (size_t)spread & t->mask;
    while (t->slots[at].place != NO_PLACE)
        at = (at + 1) & t->mask;
    t->slots[at] = (token_slot){(uint32_t)(spread >> 32), place};
}

void token_table_build(token_table *t, arena *a, const listed_token *tokens, size_t count) {
    *t = (token_table){.count = count, .entries = ARENA_ARRAY(a, token_entry, count + 1)};
    size_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    t->mask = slots - 1;
    t->slots = ARENA_ARRAY(a, token_slot, slots);
    memset(t->slots, 0xFF, slots * sizeof *t->slots);
    for (size_t i = 0; i < count; i++) {
        token_entry *e = &t->entries[i];
        *e = (token_entry){tokens[i].text, (uint32_t)tokens[i].bytes, tokens[i].id, 0, 1};
        for (size_t k = 0; k < e->bytes; k++) {
            e->hash = text_hash_byte(e->hash, e->text[k]);
            e->power *= TEXT_HASH_BASE;
        }
        if (e->bytes > t->longest)
            t->longest = e->bytes;
        if (token_table_find(t, e->hash, "", 0, e->text, e->bytes) == NO_PLACE)
            insert(t, (uint32_t)i);
    }
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

uint32_t token_table_find(const token_table *t, uint64_t hash, const char *left, size_t left_bytes, const char *right,
                          size_t right_bytes) {
    uint64_t spread = text_hash_spread(hash);
    uint32_t tag = (uint32_t)(spread >> 32);
    for (size_t at = (size_t)spread & t->mask; t->slots[at].place != NO_PLACE; at = (at + 1) & t->mask) {
        if (t->slots[at].tag != tag)
            continue;
        const token_entry *e = &t->entries[t->slots[at].place];
        if (e->bytes == left_bytes + right_bytes && memcmp(e->text, left, left_bytes) == 0 &&
            memcmp(e->text + left_bytes, right, right_bytes) == 0)
            return t->slots[at].place;
    }
    return NO_PLACE;
}

uint32_t token_table_find_text(const token_table *t, const char *text, size_t bytes) {
    return bytes > t->longest ? NO_PLACE : token_table_find(t, text_hash(text, bytes), "", 0, text, bytes);
}

uint32_t token_table_find_joined(const token_table *t, uint32_t left, uint32_t right) {
    const token_entry *l = &t->entries[left], *r = &t->entries[right];
    if ((size_t)l->bytes + r->bytes > t->longest)
        return NO_PLACE;
    return token_table_find(t, l->hash * r->power + r->hash, l->text, l->bytes, r->text, r->bytes);
}

uint32_t token_table_twins(const token_table *t, uint32_t *twin) {
    for (size_t i = 0; i < t->count; i++) {
        const token_entry *e = &t->entries[i];
        *twin = token_table_find(t, e->hash, "", 0, e->text, e->bytes);
        if (*twin != i)
            return (uint32_t)i;
    }
    return NO_PLACE;
}

uint32_t token_table_place(const token_table *t, uint32_t id) {
    if (id < t->count && t->entries[id].id == id) /* no gaps before it */
        return id;
    size_t lo = 0, hi = t->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (t->entries[middle].id < id)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < t->count && t->entries[lo].id == id ? (uint32_t)lo : NO_PLACE;
}
