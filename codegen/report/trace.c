/* The engines' timeline in Chrome's trace format, which Perfetto and chrome://tracing open.
 *
 * Perfetto counts in whole nanoseconds and drops a slice that crosses the one before it on its thread, be it by the
 * rounding of its end. So the edges are rounded, not the lengths: where one slice ends and the next begins is one
 * number. Its older importers draw the thread whose id is 0 on the one whose id is the process's; ids start behind it.
 * What has no length is stacked there if it begins where another does; instructions that take no time are therefore
 * joined to one instant for each time. */
#include <inttypes.h>
#include <math.h>

#include "codegen/report/format.h"

#include "runtime/machine_members.h"

enum { TRACE_PROCESS = 1, FIRST_THREAD = 2 };

/** Threads are shown in the order in which data flow: in, through the arrays and softmax, out; the host last. */
static int64_t sort_index(unsigned queue) {
    switch (queue) {
    case DTQ_LOAD:
        return 0;
    case DTQ_SOFTMAX:
        return 300;
    case DTQ_TOPK:
        return 301;
    case DTQ_STORE:
        return 302;
    case DTQ_HOST:
        return 303;
    default: /* arrays */
        return 1 + (int64_t)queue - DTQ_ARRAY0;
    }
}

/** An event object with the members every kind has; the caller adds more and closes it with end_event. */
static void begin_event(json_writer *w, const char *name, const char *phase, unsigned queue) {
    json_open(w, NULL, '{');
    w->compact = true;
    json_str(w, "name", name);
    json_str(w, "ph", phase);
    json_int(w, "pid", TRACE_PROCESS);
    json_int(w, "tid", FIRST_THREAD + (int64_t)queue);
}

static void end_event(json_writer *w) {
    json_close(w, '}');
    w->compact = false;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/** How times are written: `scale` units of the trace are a nanosecond. */
typedef struct {
    double clock_ghz;
    unsigned scale;
} trace_clock;

/** A cycle as a whole number of the trace's units. Monotone, so slices that do not overlap do not overlap here. */
static double edge(const trace_clock *c, uint64_t cycle) {
    return round((double)cycle * c->scale / c->clock_ghz);
}

static bool takes_no_turn(const dtq_instr *in) {
    return in->op == DTQ_OP_WAIT || in->op == DTQ_OP_SIGNAL;
}

/** Nanoseconds, if every slice has a length in whole ones; else picoseconds, of which a cycle of the fastest clock
 *  (machine.def) has 50. */
static trace_clock choose_clock(const dtq_program *p, const dtq_stream *s, const dtq_event *events) {
    trace_clock c = {.clock_ghz = p->machine->top_clock_ghz, .scale = 1};
    for (size_t i = 0; i < s->count; i++) {
        const dtq_event *e = &events[i];
        if (!takes_no_turn(&s->instrs[i]) && e->busy > 0 && edge(&c, e->start + e->busy) == edge(&c, e->start)) {
            c.scale = 1000;
            break;
        }
    }
    return c;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void put_process(json_writer *w, const dtq_program *p, const dtq_stream *s, const trace_clock *c) {
    char name[512];
    snprintf(name, sizeof name, "%.200s, %" PRIu32 " tokens, on %.200s%s", p->model ? p->model : "", s->seq,
             p->machine->name, c->scale > 1 ? "; 1 ns shown is 1 ps" : "");
    begin_event(w, "process_name", "M", 0);
    json_open(w, "args", '{');
    json_str(w, "name", name);
    json_close(w, '}');
    end_event(w);
}

static void put_thread(json_writer *w, unsigned queue) {
    char name[16];
    begin_event(w, "thread_name", "M", queue);
    json_open(w, "args", '{');
    json_str(w, "name", dtq_queue_name(queue, name));
    json_close(w, '}');
    end_event(w);
    begin_event(w, "thread_sort_index", "M", queue);
    json_open(w, "args", '{');
    json_int(w, "sort_index", sort_index(queue));
    json_close(w, '}');
    end_event(w);
}

/** What the slice says at a glance: "qk h3 [18,36)". */
static void slice_name(const dtq_instr *in, const dtq_source *src, char *out, size_t bytes) {
    int n = snprintf(out, bytes, "%s", dtq_ops[in->op].mnemonic);
    if (src->head != UINT32_MAX)
        n += snprintf(out + n, bytes - (size_t)n, " h%" PRIu32, src->head);
    if (src->rows > 0)
        snprintf(out + n, bytes - (size_t)n, " [%" PRIu32 ",%" PRIu32 ")", src->row, src->row + src->rows);
}

static void put_slice(json_writer *w, const dtq_program *p, const dtq_stream *s, const trace_clock *c, size_t index,
                      const dtq_event *e) {
    const dtq_instr *in = &s->instrs[index];
    const dtq_source *src = &s->sources[index];
    const double start = edge(c, e->start);
    char name[96];
    slice_name(in, src, name, sizeof name);
    begin_event(w, name, "X", in->queue);
    json_str(w, "cat", dtq_ops[in->op].mnemonic);
    json_real(w, "ts", start / 1000);
    json_real(w, "dur", (edge(c, e->start + e->busy) - start) / 1000);
    json_open(w, "args", '{');
    json_int(w, "instruction", (int64_t)index);
    if (src->layer != UINT32_MAX)
        json_int(w, "layer", src->layer);
    if (src->head != UINT32_MAX)
        json_int(w, "head", src->head);
    if (src->rows > 0) {
        json_int(w, "row", src->row);
        json_int(w, "rows", src->rows);
    }
    if (src->tile_cols > 0) {
        json_int(w, "col", src->tile_col);
        json_int(w, "cols", src->tile_cols);
    }
    json_int(w, "start_cycle", (int64_t)e->start);
    json_int(w, "busy_cycles", (int64_t)e->busy);
    json_int(w, "done_cycle", (int64_t)e->done);
    if (src->op < p->string_count && *p->strings[src->op])
        json_str(w, "source", p->strings[src->op]);
    json_close(w, '}');
    end_event(w);
}

/* ---- instants ---------------------------------------------------------------------------------------------------- */

/** Instructions of one queue that take no time, all at one time of the trace. */
typedef struct {
    size_t first, count; /* the first one's index in the stream; 0: none */
    double at;
    uint64_t cycle;
} instant;

static void put_instant(json_writer *w, const dtq_stream *s, instant *group) {
    if (group->count == 0)
        return;
    const dtq_instr *in = &s->instrs[group->first];
    char name[64];
    snprintf(name, sizeof name, "%zu instructions", group->count);
    begin_event(w, group->count == 1 ? dtq_ops[in->op].mnemonic : name, "i", in->queue);
    json_str(w, "s", "t");
    json_real(w, "ts", group->at / 1000);
    json_open(w, "args", '{');
    json_int(w, "instruction", (int64_t)group->first);
    json_int(w, "instructions", (int64_t)group->count);
    json_int(w, "start_cycle", (int64_t)group->cycle);
    json_close(w, '}');
    end_event(w);
    group->count = 0;
}

static void add_instant(json_writer *w, const dtq_stream *s, const trace_clock *c, size_t index, uint64_t cycle,
                        instant *group) {
    const double at = edge(c, cycle);
    if (group->count > 0 && group->at != at)
        put_instant(w, s, group);
    if (group->count == 0)
        *group = (instant){.first = index, .at = at, .cycle = cycle};
    group->count++;
}

/* ---- document ---------------------------------------------------------------------------------------------------- */

static void put_events(json_writer *w, const dtq_program *p, const dtq_stream *s, const trace_clock *c,
                       const dtq_event *events) {
    instant groups[DTQ_QUEUE_MAX + 1] = {{0}};
    for (size_t i = 0; i < s->count; i++) {
        if (takes_no_turn(&s->instrs[i]))
            continue;
        if (events[i].busy > 0)
            put_slice(w, p, s, c, i, &events[i]);
        else
            add_instant(w, s, c, i, events[i].start, &groups[s->instrs[i].queue]);
    }
    for (unsigned queue = 0; queue <= DTQ_QUEUE_MAX; queue++)
        put_instant(w, s, &groups[queue]);
}

bool report_trace(const dtq_program *p, const dtq_stream *s, const dtq_event *events, FILE *out) {
    bool used[DTQ_QUEUE_MAX + 1] = {false};
    for (size_t i = 0; i < s->count; i++)
        used[s->instrs[i].queue] = true;
    const trace_clock c = choose_clock(p, s, events);
    json_writer w = {.out = out};
    json_open(&w, NULL, '{');
    json_str(&w, "displayTimeUnit", "ns");
    json_open(&w, "otherData", '{');
    w.compact = true;
    json_real(&w, "clock_ghz", c.clock_ghz);
    json_int(&w, "units_per_ns", c.scale);
    json_close(&w, '}');
    w.compact = false;
    json_open(&w, "traceEvents", '[');
    put_process(&w, p, s, &c);
    for (unsigned queue = 0; queue <= DTQ_QUEUE_MAX; queue++)
        if (used[queue])
            put_thread(&w, queue);
    put_events(&w, p, s, &c, events);
    json_close(&w, ']');
    json_close(&w, '}');
    return fflush(out) == 0 && !ferror(out);
}
