/* The engines' timeline: the data of the drawing. Programs of many instructions are thinned out: neighbours on a queue
 * become one bar, which says how many they are and how long the engine was busy. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/report/html/html.h"

#include "runtime/machine_members.h"

enum { NARROWEST = 65536, MIXED_FROM = 4096 /* parts of the whole timeline */ };

typedef struct {
    uint64_t start, end, busy; /* cycles; end: of the last one's occupation */
    uint32_t layer, row, rows, count;
    int32_t head; /* -1: none */
    uint8_t op;   /* dtq_opcode */
} timeline_bar;

/** The bars of a queue, in the order of time. */
typedef struct {
    timeline_bar *bars;
    size_t count, capacity;
} timeline_lane;

typedef struct {
    timeline_lane lanes[DTQ_QUEUE_MAX + 1];
    size_t count;
} timeline;

static void add_bar(arena *a, timeline_lane *l, const timeline_bar *bar) {
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        timeline_bar *more = ARENA_ARRAY(a, timeline_bar, capacity);
        if (l->count > 0)
            memcpy(more, l->bars, l->count * sizeof *more);
        l->bars = more;
        l->capacity = capacity;
    }
    l->bars[l->count++] = *bar;
}

static int64_t attribute(const ir_module *m, size_t op, int key, int64_t missing) {
    return key < 0 ? missing : ir_int(m, op, (unsigned)key, missing);
}

/** Every instruction of the accelerator that takes time, on its queue. */
static void collect(const html_page *p, timeline *t) {
    const ir_module *m = p->report->module;
    const dtq_event *events = p->report->input ? p->report->input->events : NULL;
    const int layer = ir_key_find("layer", 5), head = ir_key_find("head", 4), row = ir_key_find("row", 3),
              rows = ir_key_find("rows", 4);
    size_t index = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        ir_opcode code = (ir_opcode)m->ops[op].code;
        if (!ir_is_instr(code))
            continue;
        const dtq_event *event = events ? &events[index] : NULL;
        index++;
        dtq_opcode isa_op = (dtq_opcode)IR_ISA_OP(code);
        int64_t queue = ir_int(m, op, IR_KEY_queue, DTQ_HOST);
        if (isa_op == DTQ_OP_WAIT || isa_op == DTQ_OP_SIGNAL || queue <= DTQ_HOST || queue > DTQ_QUEUE_MAX)
            continue;
        timeline_bar bar = {.start = event ? event->start : (uint64_t)ir_int(m, op, IR_KEY_start, 0),
                            .busy = event ? event->busy : (uint64_t)ir_int(m, op, IR_KEY_busy, 0),
                            .layer = (uint32_t)attribute(m, op, layer, 0),
                            .row = (uint32_t)attribute(m, op, row, 0),
                            .rows = (uint32_t)attribute(m, op, rows, 0),
                            .count = 1,
                            .head = (int32_t)attribute(m, op, head, -1),
                            .op = (uint8_t)isa_op};
        bar.end = bar.start + bar.busy;
        add_bar(p->arena, &t->lanes[queue], &bar);
        t->count++;
    }
}

/** Joins neighbours of one layer, and of one kind unless `mixed`, that together span at most `quantum` cycles. */
static void join_lane(timeline_lane *l, uint64_t quantum, bool mixed) {
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++) {
        timeline_bar *last = n > 0 ? &l->bars[n - 1] : NULL;
        const timeline_bar *bar = &l->bars[i];
        if (last && last->layer == bar->layer && (mixed || last->op == bar->op) && bar->end >= last->start &&
            bar->end - last->start <= quantum) {
            last->end = bar->end > last->end ? bar->end : last->end;
            last->busy += bar->busy;
            last->count += bar->count;
            last->op = last->op == bar->op ? last->op : DTQ_OP_COUNT;
        } else {
            l->bars[n++] = *bar;
        }
    }
    l->count = n;
}

/** Joins ever longer neighbours until there are at most `most` bars: of one kind as long as they are narrower than what
 *  can be seen of the whole timeline, then of several. */
static void thin_out(timeline *t, uint64_t cycles, size_t most) {
    for (uint64_t quantum = cycles / NARROWEST + 1; t->count > most && quantum <= 2 * cycles;
         quantum += quantum / 4 + 1) {
        t->count = 0;
        for (size_t q = 0; q <= DTQ_QUEUE_MAX; q++) {
            join_lane(&t->lanes[q], quantum, quantum > cycles / MIXED_FROM);
            t->count += t->lanes[q].count;
        }
    }
}

static void put_lane(FILE *out, const timeline_lane *l, unsigned queue, bool first) {
    char name[16];
    fprintf(out, "%s\n{\"name\":\"%s\",\"bars\":[", first ? "" : ",", dtq_queue_name(queue, name));
    uint64_t before = 0;
    for (size_t i = 0; i < l->count; i++) {
        const timeline_bar *b = &l->bars[i];
        fprintf(out,
                "%s%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%u,%" PRIu32 ",%" PRId32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32,
                i ? "," : "", (int64_t)(b->start - before), b->end - b->start, b->busy, b->op, b->layer, b->head,
                b->row, b->rows, b->count);
        before = b->start;
    }
    fputs("]}", out);
}

static void put_data(const html_page *p, const timeline *t) {
    const report *r = p->report;
    FILE *out = p->out;
    fprintf(out, "<script type=\"application/json\" class=\"data\">{\"cycles\":%.0f,\"clock_ghz\":%g,\"ops\":[",
            r->cycles, r->machine->top_clock_ghz);
    for (int i = 0; i < DTQ_OP_COUNT; i++)
        fprintf(out, "%s\"%s\"", i ? "," : "", dtq_ops[i].mnemonic);
    fputs("],\"layers\":[", out);
    for (size_t i = 0; i < r->layer_count; i++)
        fprintf(out, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", r->layers[i].start, r->layers[i].end);
    fputs("],\"lanes\":[", out);
    bool first = true;
    for (unsigned i = 0; i <= DTQ_QUEUE_MAX; i++) { /* as data flow: in, through arrays and softmax, out */
        static const unsigned engines[] = {DTQ_SOFTMAX, DTQ_TOPK, DTQ_STORE};
        const unsigned arrays = DTQ_QUEUE_MAX + 1 - DTQ_ARRAY0;
        unsigned queue = i == 0            ? DTQ_LOAD
                         : i <= arrays     ? DTQ_ARRAY0 + i - 1
                         : i <= arrays + 3 ? engines[i - arrays - 1]
                                           : 0;
        if (t->lanes[queue].count > 0) {
            put_lane(out, &t->lanes[queue], queue, first);
            first = false;
        }
    }
    fputs("]}</script>\n", out);
}

void html_timeline(const html_page *p) {
    timeline *t = ARENA_NEW(p->arena, timeline);
    collect(p, t);
    size_t all = t->count;
    thin_out(t, (uint64_t)p->report->cycles, p->most_bars);
    FILE *out = p->out;
    html_section(p, "timeline", "Timeline");
    fprintf(
        out,
        "<p class=\"note\">Each queue of the accelerator is a lane, each instruction a bar as long as it occupies its "
        "engine: %s. ",
        p->report->input && p->report->input->events ? "as the simulator ran them" : "the static schedule");
    html_count(out, (double)all, false);
    fputs(" instructions take time", out);
    if (t->count < all) {
        fputs("; neighbours are joined to ", out);
        html_count(out, (double)t->count, false);
        fputs(" bars, in which the darker part is the share of time that the engine is busy", out);
    }
    fputs(".</p>\n<div class=\"timeline script\">\n<p class=\"tools\">"
          "<button type=\"button\" data-do=\"in\" aria-label=\"zoom in\">+</button>"
          "<button type=\"button\" data-do=\"out\" aria-label=\"zoom out\">−</button>"
          "<button type=\"button\" data-do=\"fit\">Fit</button>"
          "<button type=\"button\" data-do=\"before\">‹ Layer</button>"
          "<button type=\"button\" data-do=\"after\">Layer ›</button>"
          "<span class=\"legend\"></span></p>\n"
          "<canvas tabindex=\"0\" role=\"application\" aria-label=\"Timeline of the engines. Left and right move, plus "
          "and "
          "minus zoom, 0 shows all, up and down choose a lane, comma and full stop go to the instruction before and "
          "after, "
          "brackets to the layer before and after\"></canvas>\n"
          "<p class=\"note help\">Point at a bar; drag to move; turn the wheel over the focused timeline, or with "
          "Ctrl, to "
          "zoom. Keys: <kbd>←</kbd> <kbd>→</kbd> move, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>0</kbd> all, <kbd>↑</kbd> "
          "<kbd>↓</kbd> lane, <kbd>,</kbd> <kbd>.</kbd> instruction, <kbd>[</kbd> <kbd>]</kbd> layer.</p>\n<p "
          "class=\"readout\"></p>\n",
          out);
    put_data(p, t);
    fputs("</div>\n</section>\n", out);
}
