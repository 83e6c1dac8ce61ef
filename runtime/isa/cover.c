/* Covers: pieces of a whole are sorted into strips; strips must follow each other, and the parts of each strip, too. */
#include "runtime/isa/cover.h"

#include <stdlib.h>

uint64_t dtq_cover_add(dtq_cover *c, dtq_piece piece) {
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 16;
        dtq_piece *more = realloc(c->pieces, room * sizeof *more);
        if (!more)
            return room * sizeof *more;
        c->pieces = more;
        c->room = room;
    }
    c->pieces[c->count++] = piece;
    return 0;
}

void dtq_cover_clear(dtq_cover *c) {
    c->count = c->whole = 0;
}

void dtq_cover_free(dtq_cover *c) {
    free(c->pieces);
    *c = (dtq_cover){0};
}

static int compare(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

static int by_place(const void *left, const void *right) {
    const dtq_piece *a = left, *b = right;
    int outer = compare(a->outer, b->outer), outers = compare(a->outers, b->outers);
    return outer ? outer : outers ? outers : compare(a->inner, b->inner);
}

bool dtq_cover_whole(dtq_cover *c, dtq_piece whole) {
    if (c->count && c->whole == c->count)
        return true;
    if (c->count)
        qsort(c->pieces, c->count, sizeof *c->pieces, by_place);
    uint64_t outer = whole.outer, end = outer + whole.outers, inner_end = (uint64_t)whole.inner + whole.inners;
    for (size_t i = 0; i < c->count;) {
        const dtq_piece strip = c->pieces[i];
        uint64_t inner = whole.inner;
        if (strip.outer != outer)
            return false;
        for (; i < c->count && c->pieces[i].outer == outer && c->pieces[i].outers == strip.outers; i++) {
            if (c->pieces[i].inner != inner)
                return false;
            inner += c->pieces[i].inners;
        }
        if (inner != inner_end)
            return false;
        outer += strip.outers;
    }
    if (outer != end)
        return false;
    c->whole = c->count;
    return true;
}
