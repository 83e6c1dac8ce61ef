/* A skip list of address ranges: cutting, joining and walking in logarithmic time, whatever the order of addresses. */
#include "runtime/isa/segments.h"

#include <stdlib.h>
#include <string.h>

struct dtq_segments {
    dtq_segment *head; /* the segment at address 0, which has all levels and never goes */
    dtq_reader *spare; /* readers to be used again */
    uint64_t random;   /* state that node heights are drawn from; fixed start, so that runs repeat */
};

static dtq_segment *new_segment(uint64_t start, unsigned levels) {
    dtq_segment *g = calloc(1, sizeof *g + levels * sizeof g->next[0]);
    if (g) {
        g->start = start;
        g->writer = DTQ_NOBODY;
        g->levels = (uint8_t)levels;
    }
    return g;
}

dtq_segments *dtq_segments_new(void) {
    dtq_segments *s = calloc(1, sizeof *s);
    if (s) {
        s->random = 0x9e3779b97f4a7c15u;
        s->head = new_segment(0, DTQ_SEGMENT_LEVELS);
        if (!s->head) {
            free(s);
            s = NULL;
        }
    }
    return s;
}

static void free_readers(dtq_reader *r) {
    for (dtq_reader *next; r; r = next) {
        next = r->next;
        free(r);
    }
}

void dtq_segments_free(dtq_segments *s) {
    if (!s)
        return;
    for (dtq_segment *g = s->head, *next; g; g = next) {
        next = g->next[0];
        free_readers(g->readers);
        free(g);
    }
    free_readers(s->spare);
    free(s);
}

/* Fills, for each level, the last node that starts below `at` (at > 0). */
static void find_before(dtq_segments *s, uint64_t at, dtq_segment *before[DTQ_SEGMENT_LEVELS]) {
    dtq_segment *g = s->head;
    for (unsigned level = DTQ_SEGMENT_LEVELS; level-- > 0;) {
        while (g->next[level] && g->next[level]->start < at)
            g = g->next[level];
        before[level] = g;
    }
}

/* Each level holds a quarter of the one below. */
static unsigned draw_levels(dtq_segments *s) {
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    unsigned levels = 1;
    for (uint64_t r = s->random; levels < DTQ_SEGMENT_LEVELS && (r & 3) == 0; r >>= 2)
        levels++;
    return levels;
}

static dtq_reader *new_reader(dtq_segments *s) {
    dtq_reader *r = s->spare;
    if (r)
        s->spare = r->next;
    else
        r = malloc(sizeof *r);
    return r;
}

static void drop_readers(dtq_segments *s, dtq_segment *g) {
    dtq_reader **last = &g->readers;
    while (*last)
        last = &(*last)->next;
    *last = s->spare;
    s->spare = g->readers;
    g->readers = NULL;
}

/* The segment that starts at `at`, cut off the one around it if need be. */
static dtq_segment *cut(dtq_segments *s, uint64_t at) {
    if (at == 0)
        return s->head;
    dtq_segment *before[DTQ_SEGMENT_LEVELS];
    find_before(s, at, before);
    dtq_segment *g = before[0]->next[0];
    if (g && g->start == at)
        return g;
    g = new_segment(at, draw_levels(s));
    if (!g)
        return NULL;
    g->writer = before[0]->writer;
    for (const dtq_reader *r = before[0]->readers; r; r = r->next)
        if (!dtq_segments_read(s, g, r->instr, r->queue)) {
            free_readers(g->readers);
            free(g);
            return NULL;
        }
    for (unsigned level = 0; level < g->levels; level++) {
        g->next[level] = before[level]->next[level];
        before[level]->next[level] = g;
    }
    return g;
}

dtq_segment *dtq_segments_cut(dtq_segments *s, uint64_t start, uint64_t end) {
    dtq_segment *first = cut(s, start);
    return first && cut(s, end) ? first : NULL;
}

void dtq_segments_write(dtq_segments *s, uint64_t start, uint64_t end, uint32_t writer) {
    dtq_segment *before[DTQ_SEGMENT_LEVELS];
    find_before(s, start + 1, before);
    dtq_segment *first = before[0], *g = first->next[0];
    drop_readers(s, first);
    first->writer = writer;
    for (dtq_segment *next; g && g->start < end; g = next) {
        next = g->next[0];
        for (unsigned level = 0; level < g->levels; level++)
            before[level]->next[level] = g->next[level];
        drop_readers(s, g);
        free(g);
    }
}

bool dtq_segments_read(dtq_segments *s, dtq_segment *g, uint32_t instr, uint8_t queue) {
    for (dtq_reader *r = g->readers; r; r = r->next)
        if (r->queue == queue) {
            r->instr = instr;
            return true;
        }
    dtq_reader *r = new_reader(s);
    if (!r)
        return false;
    *r = (dtq_reader){g->readers, instr, queue};
    g->readers = r;
    return true;
}
