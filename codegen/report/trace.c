/* The engines' timeline in Chrome's trace format, which Perfetto and chrome://tracing open. */
#include <inttypes.h>

#include "codegen/report/format.h"

enum { TRACE_PROCESS = 1 };

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
    json_int(w, "tid", queue);
}

static void end_event(json_writer *w) {
    json_close(w, '}');
    w->compact = false;
}

static void put_process(json_writer *w, const dtq_program *p, const dtq_stream *s) {
    char name[512];
    snprintf(name, sizeof name, "%.200s, %" PRIu32 " tokens, on %.200s", p->model ? p->model : "", s->seq,
             p->machine.name);
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
    if (src->head != UINT32_MAX) {
        n += snprintf(out + n, bytes - (size_t)n, " h%" PRIu32, src->head);
    }
    if (src->rows > 0) {
        snprintf(out + n, bytes - (size_t)n, " [%" PRIu32 ",%" PRIu32 ")", src->row, src->row + src->rows);
    }
}

static void put_slice(json_writer *w, const dtq_program *p, const dtq_stream *s, size_t index, const dtq_event *e) {
    const dtq_instr *in = &s->instrs[index];
    const dtq_source *src = &s->sources[index];
    char name[96];
    slice_name(in, src, name, sizeof name);
    begin_event(w, name, "X", in->queue);
    json_str(w, "cat", dtq_ops[in->op].mnemonic);
    json_real(w, "ts", report_us(&p->machine, (double)e->start));
    json_real(w, "dur", report_us(&p->machine, (double)e->busy));
    json_open(w, "args", '{');
    json_int(w, "instruction", (int64_t)index);
    if (src->layer != UINT32_MAX) {
        json_int(w, "layer", src->layer);
    }
    if (src->head != UINT32_MAX) {
        json_int(w, "head", src->head);
    }
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
    if (src->op < p->string_count && *p->strings[src->op]) {
        json_str(w, "source", p->strings[src->op]);
    }
    json_close(w, '}');
    end_event(w);
}

bool report_trace(const dtq_program *p, const dtq_stream *s, const dtq_event *events, FILE *out) {
    bool used[DTQ_QUEUE_MAX + 1] = {false};
    for (size_t i = 0; i < s->count; i++) {
        used[s->instrs[i].queue] = true;
    }
    json_writer w = {.out = out};
    json_open(&w, NULL, '{');
    json_str(&w, "displayTimeUnit", "ns");
    json_open(&w, "traceEvents", '[');
    put_process(&w, p, s);
    for (unsigned queue = 0; queue <= DTQ_QUEUE_MAX; queue++) {
        if (used[queue]) {
            put_thread(&w, queue);
        }
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->instrs[i].op != DTQ_OP_WAIT && s->instrs[i].op != DTQ_OP_SIGNAL) {
            put_slice(&w, p, s, i, &events[i]);
        }
    }
    json_close(&w, ']');
    json_close(&w, '}');
    return fflush(out) == 0 && !ferror(out);
}
