/* Finding repetition, as LZ77 does: the last place where the same WINDOW of opcodes and queues began, found by a hash,
 * and from there on as far as both go the same way. */
#include "runtime/isa/repeats.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 16, TABLE_BITS = 15, NOWHERE = 0 };

struct dtq_repeats {
    size_t count, at;
    dtq_repeat waiting;              /* found behind a stretch that repeats nothing; count 0: none */
    uint32_t table[1 << TABLE_BITS]; /* where a window of this hash began last, + 1 */
    uint16_t shape[];                /* [count] opcode and queue */
};

size_t dtq_repeats_bytes(size_t count) {
    const struct dtq_repeats *r = NULL;
    return sizeof *r + (count + 1) * sizeof *r->shape;
}

dtq_repeats *dtq_repeats_begin(size_t count) {
    dtq_repeats *r = count < UINT32_MAX ? calloc(1, dtq_repeats_bytes(count)) : NULL;
    if (r)
        r->count = count;
    return r;
}

uint16_t *dtq_repeats_shapes(dtq_repeats *r) {
    return r->shape;
}

void dtq_repeats_end(dtq_repeats *r) {
    free(r);
}

/* Of the WINDOW instructions at `at`. */
static uint32_t hash_at(const dtq_repeats *r, size_t at) {
    uint64_t words[WINDOW / 4], hash = 0;
    _Static_assert(sizeof words == WINDOW * sizeof *r->shape, "a window is read in words");
    memcpy(words, &r->shape[at], sizeof words);
    for (unsigned i = 0; i < WINDOW / 4; i++)
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> (64 - TABLE_BITS));
}

/* Notes the window at `at` and says where it began before, or NOWHERE. */
static size_t note(dtq_repeats *r, size_t at) {
    if (r->count - at < WINDOW)
        return NOWHERE;
    uint32_t *entry = &r->table[hash_at(r, at)];
    size_t before = *entry;
    *entry = (uint32_t)at + 1;
    return before;
}

static size_t same_length(const dtq_repeats *r, size_t a, size_t b) {
    size_t n = 0;
    while (b + n < r->count && r->shape[a + n] == r->shape[b + n])
        n++;
    return n;
}

bool dtq_repeats_next(dtq_repeats *r, dtq_repeat *out) {
    if (r->waiting.count) {
        *out = r->waiting;
        r->waiting.count = 0;
        return true;
    }
    const size_t first = r->at;
    while (r->at < r->count) {
        const size_t at = r->at, before = note(r, at);
        const size_t length = before == NOWHERE ? 0 : same_length(r, before - 1, at);
        if (length < WINDOW) {
            r->at++;
            continue;
        }
        for (size_t i = 1; i < length; i++)
            note(r, at + i);
        r->at = at + length;
        const dtq_repeat found = {at, length, at - (before - 1)};
        if (at == first) {
            *out = found;
        } else {
            r->waiting = found;
            *out = (dtq_repeat){first, at - first, 0};
        }
        return true;
    }
    *out = (dtq_repeat){first, r->at - first, 0};
    return out->count > 0;
}
