/* Engines and layers: who is busy, and in whose time. */
#include "codegen/report/occupancy.h"

#include "runtime/machine.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t start, end;
    unsigned queue;
} work_bar;

struct occupancy {
    arena *arena;
    size_t queues;
    work_bar *bars;
    size_t count, capacity;
};

/** The time that a layer adds to the total, and what happens in it, whichever layer it is for. */
typedef struct {
    uint64_t from, to;
    uint64_t *busy; /* [queues] */
    uint64_t idle;  /* in which no engine works */
} window;

occupancy *occupancy_new(arena *a, const dtq_machine *machine) {
    occupancy *o = ARENA_NEW(a, occupancy);
    o->arena = a;
    o->queues = DTQ_ARRAY0 + (size_t)dtq_machine_arrays(machine);
    return o;
}

void occupancy_add(occupancy *o, unsigned queue, uint64_t start, uint64_t busy) {
    if (o->count == o->capacity) {
        const size_t capacity = o->capacity ? 2 * o->capacity : 1024;
        o->bars = arena_resize(o->arena, o->bars, o->capacity * sizeof *o->bars, capacity * sizeof *o->bars);
        o->capacity = capacity;
    }
    o->bars[o->count++] = (work_bar){.start = start, .end = start + busy, .queue = queue};
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* ---- what happens in a window ------------------------------------------------------------------------------------ */

/** The first window that ends after `cycle`; the count if none does. Windows come in the order of time and do not
 *  overlap. */
static size_t window_at(const window *windows, size_t count, uint64_t cycle) {
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (windows[middle].to > cycle)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void fill_busy(const occupancy *o, window *windows, size_t count) {
    for (size_t i = 0; i < o->count; i++) {
        const work_bar *bar = &o->bars[i];
        for (size_t k = window_at(windows, count, bar->start); k < count && windows[k].from < bar->end; k++) {
            const uint64_t begin = larger(bar->start, windows[k].from), end = smaller(bar->end, windows[k].to);
            windows[k].busy[bar->queue] += end > begin ? end - begin : 0;
        }
    }
}

static int by_start(const void *a, const void *b) {
    const work_bar *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/** Cycles of each window in which nobody works. Sorts the bars. */
static void fill_idle(occupancy *o, window *windows, size_t count) {
    if (o->count > 0)
        qsort(o->bars, o->count, sizeof *o->bars, by_start);
    uint64_t covered = 0;
    for (size_t i = 0; i <= o->count; i++) {
        const uint64_t next = i < o->count ? o->bars[i].start : UINT64_MAX;
        for (size_t k = window_at(windows, count, covered); next > covered && k < count && windows[k].from < next;
             k++) {
            const uint64_t begin = larger(covered, windows[k].from), end = smaller(next, windows[k].to);
            windows[k].idle += end > begin ? end - begin : 0;
        }
        covered = i < o->count ? larger(covered, o->bars[i].end) : covered;
    }
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/** The busiest array and the fixed engines. */
static void by_engine(const occupancy *o, const uint64_t *queues, uint64_t out[LIMIT_ENGINES]) {
    out[LIMIT_ARRAY] = 0;
    for (size_t q = DTQ_ARRAY0; q < o->queues; q++)
        out[LIMIT_ARRAY] = larger(out[LIMIT_ARRAY], queues[q]);
    out[LIMIT_SOFTMAX] = queues[DTQ_SOFTMAX];
    out[LIMIT_DMA] = larger(queues[DTQ_LOAD], queues[DTQ_STORE]);
    out[LIMIT_TOPK] = queues[DTQ_TOPK];
}

/** Shares of the engines; true if one of them works for half of the time or more, and so is what limits the layer. */
static bool finish_engines(const occupancy *o, report_layer *l, const window *w) {
    const uint64_t cycles = w->to - w->from;
    uint64_t busy[LIMIT_ENGINES];
    by_engine(o, w->busy, busy);
    int busiest = LIMIT_ARRAY;
    for (int i = 0; i < LIMIT_ENGINES; i++) {
        l->busy_share[i] = cycles > 0 ? (double)busy[i] / (double)cycles : 0;
        busiest = busy[i] > busy[busiest] ? i : busiest;
    }
    l->limit = (report_limit)busiest;
    return 2 * busy[busiest] >= cycles;
}

void occupancy_finish(occupancy *o, report *r) {
    const size_t count = r->layer_count;
    window *windows = ARENA_ARRAY(o->arena, window, count + 1);
    bool *limited = ARENA_ARRAY(o->arena, bool, count + 1), all = true;
    uint64_t *busy = ARENA_ARRAY(o->arena, uint64_t, count * o->queues + 1), before = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t end = larger(before, r->layers[i].end);
        windows[i] = (window){.from = before, .to = end, .busy = &busy[i * o->queues]};
        before = end;
    }
    fill_busy(o, windows, count);
    for (size_t i = 0; i < count; i++) {
        limited[i] = finish_engines(o, &r->layers[i], &windows[i]);
        all = all && limited[i];
    }
    if (all)
        return; /* nobody asks when all engines stand still, for which the bars would have to be sorted */
    fill_idle(o, windows, count);
    for (size_t i = 0; i < count; i++) {
        if (!limited[i]) {
            r->layers[i].limit =
                2 * windows[i].idle >= windows[i].to - windows[i].from ? LIMIT_LATENCY : LIMIT_DEPENDENCIES;
        }
    }
}
