/* The critical path of a schedule (REPORT.md, "Critical path"). */
#include "codegen/report/critical.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/machine_members.h"

const critical_info critical_infos[CRITICAL_PARTS] = {
#define CRITICAL(name, json, text, meaning) [CRITICAL_##name] = {json, text, meaning},
#include "codegen/report/critical.def"
};

enum { NOBODY = UINT32_MAX };

/** An instruction on the clock, and whom it waited for. */
typedef struct {
    uint64_t start, end, done; /* end: of the engine's work; done: of the result */
    uint32_t before;           /* the node that it began behind, or NOBODY */
    bool by_token;             /* it began when that one was done, not when it left the engine */
    uint8_t operand;           /* of a load: the letter */
    uint16_t queue;
    uint32_t layer;
    dtq_opcode op;
} node;

/** Nodes of a channel's tokens, first in first out. */
typedef struct {
    uint32_t *nodes;
    size_t head, tail, room;
} channel;

typedef struct {
    uint32_t newest, last_done; /* on the engine: the newest, and the one that is done last */
    uint32_t waited;            /* the token that came last since the newest */
} engine;

typedef struct {
    arena *arena;
    const report *report;
    const ir_module *module;
    const dtq_event *events; /* or NULL */
    unsigned layer, operand, from, to, untimed;
    size_t queues;
    engine *engines;
    channel *channels; /* [from * queues + to] */
    node *nodes;
    size_t count;
} walk;

static uint64_t done_of(const walk *w, uint32_t n) {
    return n == NOBODY ? 0 : w->nodes[n].done;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void put(walk *w, channel *c, uint32_t n) {
    if (c->tail == c->room) {
        const size_t room = c->room ? 2 * c->room : 16;
        c->nodes = arena_resize(w->arena, c->nodes, c->room * sizeof *c->nodes, room * sizeof *c->nodes);
        c->room = room;
    }
    c->nodes[c->tail++] = n;
}

static void take(walk *w, size_t op, engine *e, channel *c) {
    const char *untimed = ir_str(w->module, op, w->untimed);
    if (c->head == c->tail)
        return;
    const uint32_t n = c->nodes[c->head++];
    if ((!untimed || strcmp(untimed, "yes") != 0) && n != NOBODY && done_of(w, n) > done_of(w, e->waited))
        e->waited = n;
}

static void add(walk *w, size_t op, size_t queue, size_t index) {
    const ir_module *m = w->module;
    engine *e = &w->engines[queue];
    const char *operand = ir_str(m, op, w->operand);
    const uint32_t me = (uint32_t)w->count++;
    node *n = &w->nodes[me];
    *n = (node){.queue = (uint16_t)queue,
                .operand = operand ? (uint8_t)*operand : 0,
                .layer = (uint32_t)ir_int(m, op, w->layer, 0),
                .op = (dtq_opcode)IR_ISA_OP(m->ops[op].code)};
    if (w->events) {
        n->start = w->events[index].start;
        n->end = n->start + w->events[index].busy;
        n->done = w->events[index].done;
    } else {
        n->start = (uint64_t)ir_int(m, op, IR_KEY_start, 0);
        n->end = n->start + (uint64_t)ir_int(m, op, IR_KEY_busy, 0);
        n->done = (uint64_t)ir_int(m, op, IR_KEY_done, (int64_t)n->end);
    }
    const uint64_t free = e->newest == NOBODY ? 0 : w->nodes[e->newest].end;
    n->by_token = done_of(w, e->waited) > free;
    n->before = n->by_token ? e->waited : e->newest;
    e->newest = me;
    e->last_done = e->last_done == NOBODY || n->done > done_of(w, e->last_done) ? me : e->last_done;
}

static void go_forward(walk *w) {
    const ir_module *m = w->module;
    size_t index = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        const ir_opcode code = (ir_opcode)m->ops[op].code;
        if (!ir_is_instr(code))
            continue;
        const size_t queue = (size_t)ir_int(m, op, IR_KEY_queue, 0);
        const dtq_opcode isa_op = (dtq_opcode)IR_ISA_OP(code);
        engine *e = &w->engines[queue];
        if (isa_op == DTQ_OP_SIGNAL)
            put(w, &w->channels[queue * w->queues + (size_t)ir_int(m, op, w->to, 0)], e->last_done);
        else if (isa_op == DTQ_OP_WAIT)
            take(w, op, e, &w->channels[(size_t)ir_int(m, op, w->from, 0) * w->queues + queue]);
        else
            add(w, op, queue, index);
        index++;
    }
}

/* ---- how many arrays work ---------------------------------------------------------------------------------------- */

/** Cycles of all arrays together up to a time. */
typedef struct {
    uint64_t at, sum; /* sum: up to `at` */
    int64_t change;   /* in the number of arrays that work, from there on */
} load_point;

typedef struct {
    load_point *points;
    size_t count;
    uint64_t arrays;
} load_curve;

static int by_time(const void *a, const void *b) {
    const load_point *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static load_curve curve_of(const walk *w) {
    load_curve c = {.points = ARENA_ARRAY(w->arena, load_point, 2 * w->count + 1), .arrays = w->queues - DTQ_ARRAY0};
    for (size_t i = 0; i < w->count; i++) {
        if (w->nodes[i].queue >= DTQ_ARRAY0) {
            c.points[c.count++] = (load_point){.at = w->nodes[i].start, .change = 1};
            c.points[c.count++] = (load_point){.at = w->nodes[i].end, .change = -1};
        }
    }
    qsort(c.points, c.count, sizeof *c.points, by_time);
    int64_t working = 0;
    for (size_t i = 0; i < c.count; i++) {
        c.points[i].sum = i == 0 ? 0 : c.points[i - 1].sum + (uint64_t)working * (c.points[i].at - c.points[i - 1].at);
        working += c.points[i].change;
        c.points[i].change = working;
    }
    return c;
}

static uint64_t sum_at(const load_curve *c, uint64_t at) {
    size_t low = 0, high = c->count; /* points before `low` are not later than `at` */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (c->points[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : c->points[low - 1].sum + (uint64_t)c->points[low - 1].change * (at - c->points[low - 1].at);
}

/* ---- back -------------------------------------------------------------------------------------------------------- */

/** The buffer that an instruction found in use, given whose token it waited for: one that reads what lies there. Of
 *  CRITICAL_PARTS: that token brought it its operand. */
static critical_part buffer_waited_for(const node *n, const node *token) {
    switch (n->op) {
    case DTQ_OP_LOAD:
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_LOAD_ROWS:
    case DTQ_OP_LOAD_WEIGHTS:
        if (token->queue < DTQ_ARRAY0)
            return CRITICAL_PARTS;
        return n->operand == 'k' || n->op == DTQ_OP_LOAD_WEIGHTS ? CRITICAL_BUFFER_K
               : n->operand == 'v'                               ? CRITICAL_BUFFER_V
                                                                 : CRITICAL_BUFFER_Q;
    case DTQ_OP_QK:
    case DTQ_OP_QK_SEEN:
        return token->queue == DTQ_SOFTMAX ? CRITICAL_BUFFER_SCORES : CRITICAL_PARTS;
    case DTQ_OP_SOFTMAX:
    case DTQ_OP_SOFTMAX_SEEN:
        return token->op == DTQ_OP_PV || token->op == DTQ_OP_PV_SEEN ? CRITICAL_BUFFER_PROBS : CRITICAL_PARTS;
    case DTQ_OP_PV:
    case DTQ_OP_PV_SEEN:
    case DTQ_OP_MATMUL:
        return token->queue == DTQ_STORE ? CRITICAL_BUFFER_OUT : CRITICAL_PARTS;
    default:
        return CRITICAL_PARTS;
    }
}

static critical_part part_of(const walk *w, const load_curve *c, const node *n) {
    if (n->by_token && n->before != NOBODY) {
        const critical_part buffer = buffer_waited_for(n, &w->nodes[n->before]);
        if (buffer != CRITICAL_PARTS)
            return buffer;
    }
    switch (n->queue) {
    case DTQ_LOAD:
    case DTQ_STORE:
        return CRITICAL_DMA;
    case DTQ_SOFTMAX:
        return CRITICAL_SOFTMAX;
    case DTQ_TOPK:
        return CRITICAL_TOPK;
    default:
        return 2 * (sum_at(c, n->end) - sum_at(c, n->start)) < c->arrays * (n->end - n->start) ? CRITICAL_SHARES
                                                                                               : CRITICAL_ARRAY;
    }
}

static void count(critical_path *out, uint32_t layer, critical_part part, uint64_t cycles) {
    out->total[part] += cycles;
    out->layers[layer][part] += cycles;
}

static void go_back(const walk *w, critical_path *out) {
    const load_curve curve = curve_of(w);
    uint32_t at = NOBODY;
    for (size_t q = 0; q < w->queues; q++) {
        const uint32_t last = w->engines[q].last_done;
        at = q != DTQ_HOST && done_of(w, last) > done_of(w, at) ? last : at;
    }
    out->makespan = done_of(w, at);
    for (bool finished = true; at != NOBODY; at = w->nodes[at].before) { /* finished: its result is waited for */
        const node *n = &w->nodes[at];
        const uint32_t layer = n->layer < w->report->layer_count ? n->layer : 0;
        count(out, layer, part_of(w, &curve, n), n->end - n->start);
        count(out, layer, CRITICAL_LATENCY, finished ? n->done - n->end : 0);
        finished = n->by_token;
        /* Nothing says what a module without tokens waited for. */
        const uint64_t since = n->before == NOBODY ? 0 : finished ? done_of(w, n->before) : w->nodes[n->before].end;
        count(out, layer, CRITICAL_LATENCY, n->start - since);
    }
}

bool critical_find(arena *a, const report *r, critical_path *out) {
    const ir_module *m = r->module;
    if (r->critical) {
        *out = *r->critical;
        return true;
    }
    *out = (critical_path){.layers = arena_alloc(a, (r->layer_count + 1) * sizeof *out->layers)};
    if (!m || m->level != IR_STREAM || r->layer_count == 0)
        return false;
    walk w = {.arena = a,
              .report = r,
              .module = m,
              .events = r->input ? r->input->events : NULL,
              .layer = (unsigned)ir_key_find("layer", 5),
              .operand = (unsigned)ir_key_find("operand", 7),
              .from = (unsigned)ir_key_find("from", 4),
              .to = (unsigned)ir_key_find("to", 2),
              .untimed = (unsigned)ir_key_find("untimed", 7),
              .queues = DTQ_ARRAY0 + (size_t)m->machine->vssa_arrays,
              .nodes = ARENA_ARRAY(a, node, m->op_count + 1)};
    w.engines = ARENA_ARRAY(a, engine, w.queues);
    w.channels = ARENA_ARRAY(a, channel, w.queues * w.queues);
    for (size_t q = 0; q < w.queues; q++)
        w.engines[q] = (engine){NOBODY, NOBODY, NOBODY};
    go_forward(&w);
    go_back(&w, out);
    return out->makespan > 0;
}

critical_path *critical_copy(arena *a, const critical_path *p, size_t layers) {
    critical_path *out = ARENA_NEW(a, critical_path);
    *out = *p;
    out->layers = arena_alloc(a, (layers + 1) * sizeof *out->layers);
    memcpy(out->layers, p->layers, layers * sizeof *out->layers);
    return out;
}

void report_find_critical(arena *a, report *r) {
    arena *scratch = arena_new();
    critical_path path;
    if (critical_find(scratch, r, &path))
        r->critical = critical_copy(a, &path, r->layer_count);
    arena_free(scratch);
}

critical_part critical_most(const uint64_t parts[CRITICAL_PARTS]) {
    critical_part most = CRITICAL_ARRAY;
    for (unsigned i = 0; i < CRITICAL_PARTS; i++)
        most = parts[i] > parts[most] ? (critical_part)i : most;
    return most;
}

const char *critical_words(arena *a, const report *r) {
    critical_path path;
    if (!critical_find(a, r, &path))
        return NULL;
    const char *text = "";
    for (;;) {
        const critical_part most = critical_most(path.total);
        const double share = (double)path.total[most] / (double)path.makespan;
        if (share < .0005)
            return text;
        text = arena_printf(a, "%s%s%s %.1f %%", text, *text ? ", " : "", critical_infos[most].words, 100 * share);
        path.total[most] = 0;
    }
}

const char *report_limited_by(const report *r) {
    arena *scratch = arena_new();
    critical_path path;
    double share;
    const char *name = critical_find(scratch, r, &path) ? critical_infos[critical_most(path.total)].name
                                                        : report_limit_name(report_main_limit(r, &share));
    arena_free(scratch);
    return name;
}
