/* The engines' timeline as text: a line for each engine, a character for a stretch of cycles. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/report/format.h"
#include "ir/base/diag.h"
#include "ir/base/number.h"
#include "runtime/machine_members.h"

enum { NAME_WIDTH = 9, SHARE_WIDTH = 7, EMPTIEST = 16 /* characters of a line, whatever the width */ };

/** The letter of each instruction that occupies an engine; capitals are work of the arrays. */
static char letter_of(dtq_opcode op) {
    switch (op) {
    case DTQ_OP_QK:
    case DTQ_OP_QK_SEEN:
        return 'Q';
    case DTQ_OP_PV:
    case DTQ_OP_PV_SEEN:
        return 'P';
    case DTQ_OP_MATMUL:
        return 'M';
    case DTQ_OP_LOAD_WEIGHTS:
        return 'w';
    case DTQ_OP_LOAD_ROWS:
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_LOAD:
        return 'l';
    case DTQ_OP_SOFTMAX:
    case DTQ_OP_SOFTMAX_SEEN:
        return 's';
    case DTQ_OP_IMPORTANCE:
    case DTQ_OP_VOTE_SEEN:
        return 'i';
    case DTQ_OP_TOPK:
    case DTQ_OP_KEEP:
        return 'k';
    case DTQ_OP_STORE:
    case DTQ_OP_STORE_ROWS:
        return 'o';
    default:
        return '?';
    }
}

static const struct {
    char letter;
    const char *meaning;
} legend[] = {{'l', "load"},    {'w', "load weights"}, {'Q', "Q.K"},   {'P', "P.V"},  {'M', "matmul"},
              {'s', "softmax"}, {'i', "importance"},   {'k', "top-k"}, {'o', "store"}};
enum { LETTERS = sizeof legend / sizeof *legend, OTHER_LAYER = LETTERS, KINDS };

/** The cycles that are drawn. */
typedef struct {
    uint64_t from, to;
    size_t columns;
} chart;

/** Cycles of each kind in each column of one engine. */
typedef struct {
    uint64_t (*cells)[KINDS]; /* [columns] */
    uint64_t busy;
    bool any;
} lane;

static bool is_shown(const gantt_options *o, uint32_t layer) {
    return o->layer_count == 0 || (layer >= o->first_layer && layer - o->first_layer < o->layer_count);
}

/** Host work and what takes no time has no length to draw. */
static bool occupies(const dtq_instr *in, const dtq_event *e) {
    return in->queue != DTQ_HOST && e->busy > 0;
}

static uint64_t column_start(const chart *c, size_t column) {
    return c->from + (uint64_t)((double)(c->to - c->from) * (double)column / (double)c->columns);
}

static size_t column_of(const chart *c, uint64_t cycle) {
    size_t column = (size_t)((double)(cycle - c->from) / (double)(c->to - c->from) * (double)c->columns);
    column = column < c->columns ? column : c->columns - 1;
    while (column > 0 && column_start(c, column) > cycle)
        column--;
    while (column + 1 < c->columns && column_start(c, column + 1) <= cycle)
        column++;
    return column;
}

/** From the first to the last cycle of the layers that are asked for. */
static chart choose_chart(const dtq_stream *s, const dtq_event *events, const gantt_options *o, size_t columns) {
    chart c = {.from = UINT64_MAX, .to = 0, .columns = columns};
    for (size_t i = 0; i < s->count; i++) {
        if (s->instrs[i].queue == DTQ_HOST || !is_shown(o, s->sources[i].layer) || events[i].done == 0)
            continue;
        c.from = events[i].start < c.from && occupies(&s->instrs[i], &events[i]) ? events[i].start : c.from;
        c.to = events[i].done > c.to ? events[i].done : c.to;
    }
    c.from = o->layer_count == 0 || c.from > c.to ? 0 : c.from;
    if (c.to - c.from < c.columns) /* no more characters than cycles */
        c.columns = c.to > c.from ? (size_t)(c.to - c.from) : 1;
    return c;
}

static void add_bar(const chart *c, lane *l, const dtq_instr *in, uint32_t layer, const dtq_event *e,
                    const gantt_options *o) {
    const uint64_t begin = e->start > c->from ? e->start : c->from;
    const uint64_t stop = e->start + e->busy < c->to ? e->start + e->busy : c->to;
    if (begin >= stop)
        return;
    size_t kind = 0;
    const char letter = letter_of((dtq_opcode)in->op);
    while (kind + 1 < LETTERS && legend[kind].letter != letter)
        kind++;
    kind = is_shown(o, layer) ? kind : OTHER_LAYER;
    l->any = true;
    l->busy += kind == OTHER_LAYER ? 0 : stop - begin;
    for (size_t column = column_of(c, begin); column < c->columns; column++) {
        const uint64_t left = column_start(c, column), right = column_start(c, column + 1);
        if (left >= stop)
            break;
        l->cells[column][kind] += (stop < right ? stop : right) - (begin > left ? begin : left);
    }
}

/** What most of a column's busy cycles are for; `.` if it is busy for less than half of it, blank if it is not. */
static char cell_letter(const chart *c, const lane *l, size_t column) {
    const uint64_t *cell = l->cells[column], width = column_start(c, column + 1) - column_start(c, column);
    uint64_t busy = 0;
    size_t most = 0;
    for (size_t k = 0; k < KINDS; k++) {
        busy += cell[k];
        most = cell[k] > cell[most] ? k : most;
    }
    return busy == 0 ? ' ' : 2 * busy < width ? '.' : most == OTHER_LAYER ? ':' : legend[most].letter;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void put_line(FILE *out, const char *name, const char *cells, const char *end) {
    size_t n = strlen(cells);
    while (!*end && n > 0 && cells[n - 1] == ' ')
        n--;
    if (n == 0 && !*end)
        fprintf(out, "  %s\n", name);
    else
        fprintf(out, "  %-*s %.*s%s\n", NAME_WIDTH - 1, name, (int)n, cells, end);
}

static void put_lane(FILE *out, const chart *c, const lane *l, const char *name, char *cells) {
    char end[16];
    for (size_t i = 0; i < c->columns; i++)
        cells[i] = cell_letter(c, l, i);
    cells[c->columns] = '\0';
    snprintf(end, sizeof end, " %4.0f %%", 100.0 * (double)l->busy / (double)(c->to > c->from ? c->to - c->from : 1));
    put_line(out, name, cells, end);
}

/** Writes a mark at a column if it does not run into the one before it. */
static void put_mark(char *cells, size_t columns, size_t at, const char *text) {
    const size_t n = strlen(text);
    if (at + n <= columns && (at == 0 || cells[at - 1] == ' '))
        memcpy(cells + at, text, n);
}

/** Cycles, in round steps that leave room for their numbers. */
static void put_ruler(FILE *out, const chart *c, char *cells) {
    enum { ROOM = 14 };
    const double each = (double)(c->to - c->from) * (double)ROOM / (double)c->columns;
    double step = 1;
    for (int i = 0; step < each; i++) /* 1, 2, 5, 10, 20, 50, … */
        step *= i % 3 == 1 ? 2.5 : 2;
    memset(cells, ' ', c->columns);
    cells[c->columns] = '\0';
    for (uint64_t tick = (uint64_t)ceil((double)c->from / step);; tick++) {
        const double at = (double)tick * step;
        if (at >= (double)c->to)
            break;
        char digits[NUMBER_MAX], mark[NUMBER_MAX + 1];
        snprintf(mark, sizeof mark, "|%s", number_grouped(at, digits));
        put_mark(cells, c->columns, column_of(c, (uint64_t)at), mark);
    }
    put_line(out, "cycle", cells, "");
}

/** Where each layer's own cycles begin, which is where the layers before it have ended. */
static void put_layers(FILE *out, const dtq_stream *s, const dtq_event *events, const gantt_options *o, const chart *c,
                       char *cells) {
    memset(cells, ' ', c->columns);
    cells[c->columns] = '\0';
    uint64_t before = 0;
    for (uint32_t layer = 0; layer < s->layer_count; layer++) {
        uint64_t end = before;
        for (size_t i = 0; i < s->count; i++)
            if (s->sources[i].layer == layer && s->instrs[i].queue != DTQ_HOST && events[i].done > end)
                end = events[i].done;
        if (is_shown(o, layer) && before < c->to && (before > c->from || before == 0 || layer == o->first_layer)) {
            char mark[16];
            snprintf(mark, sizeof mark, "|%" PRIu32, layer);
            put_mark(cells, c->columns, column_of(c, before > c->from ? before : c->from), mark);
        }
        before = end;
    }
    put_line(out, "layer", cells, "");
}

static void put_title(FILE *out, const dtq_program *p, const dtq_stream *s, const gantt_options *o, const chart *c) {
    char a[NUMBER_MAX], b[NUMBER_MAX], text[320];
    diag_text(out, p->model && *p->model ? p->model : "(unnamed model)");
    fprintf(out, ", %" PRIu32 " token%s, on ", s->seq, s->seq == 1 ? "" : "s");
    diag_text(out, *p->machine->name ? p->machine->name : "(unnamed target)");
    fputc('\n', out);
    if (o->layer_count > 0) {
        snprintf(text, sizeof text, o->layer_count == 1 ? "layer %" PRIu32 "; " : "layers %" PRIu32 " to %" PRIu32 "; ",
                 o->first_layer, o->first_layer + o->layer_count - 1);
        fputs(text, out);
    }
    snprintf(text, sizeof text, "cycles %s to %s, a character is %.4g of them", number_grouped((double)c->from, a),
             number_grouped((double)c->to, b), (double)(c->to - c->from) / (double)c->columns);
    fprintf(out, "%s\n\n", text);
}

static void put_legend(FILE *out, const bool used[KINDS]) {
    const char *comma = "\n  ";
    for (size_t k = 0; k < LETTERS; k++) {
        if (used[k]) {
            fprintf(out, "%s%c %s", comma, legend[k].letter, legend[k].meaning);
            comma = ", ";
        }
    }
    fputs(used[OTHER_LAYER] ? ", : another layer" : "", out);
    fputs("\n  . less than half of a character's cycles, blank idle; % of the cycles shown\n", out);
}

/* ---- chart ------------------------------------------------------------------------------------------------------- */

static lane *fill_lanes(arena *a, const dtq_stream *s, const dtq_event *events, const gantt_options *o, const chart *c,
                        size_t queues) {
    lane *lanes = ARENA_ARRAY(a, lane, queues);
    for (size_t q = 0; q < queues; q++) {
        lanes[q].cells = arena_alloc(a, c->columns * sizeof *lanes[q].cells);
        memset(lanes[q].cells, 0, c->columns * sizeof *lanes[q].cells);
    }
    for (size_t i = 0; i < s->count; i++) {
        const unsigned queue = s->instrs[i].queue;
        if (queue < queues && occupies(&s->instrs[i], &events[i]))
            add_bar(c, &lanes[queue], &s->instrs[i], s->sources[i].layer, &events[i], o);
    }
    return lanes;
}

/** Arrays that do nothing in these cycles are one line, however many stand together. */
static size_t put_idle_arrays(FILE *out, const lane *lanes, size_t first, size_t queues) {
    size_t last = first;
    while (last + 1 < queues && !lanes[last + 1].any)
        last++;
    if (last > first)
        fprintf(out, "  array%zu to array%zu: idle\n", first - DTQ_ARRAY0, last - DTQ_ARRAY0);
    else
        fprintf(out, "  array%zu: idle\n", first - DTQ_ARRAY0);
    return last;
}

bool report_gantt(const dtq_program *p, const dtq_stream *s, const dtq_event *events, const gantt_options *o,
                  FILE *out) {
    const size_t around = 2 + NAME_WIDTH + SHARE_WIDTH;
    const size_t columns = o->width > around + EMPTIEST ? o->width - around : EMPTIEST;
    const size_t queues = DTQ_ARRAY0 + (size_t)p->machine->vssa_arrays;
    arena *a = arena_new();
    const chart c = choose_chart(s, events, o, columns);
    const lane *lanes = fill_lanes(a, s, events, o, &c, queues);
    char *cells = arena_alloc(a, c.columns + 1);
    bool used[KINDS] = {false};
    for (size_t q = 0; q < queues; q++)
        for (size_t i = 0; i < c.columns * KINDS; i++)
            used[i % KINDS] |= lanes[q].cells[i / KINDS][i % KINDS] > 0;
    put_title(out, p, s, o, &c);
    put_ruler(out, &c, cells);
    put_layers(out, s, events, o, &c, cells);
    put_lane(out, &c, &lanes[DTQ_LOAD], "load", cells); /* as data flow: in, through the arrays and softmax, out */
    for (size_t q = DTQ_ARRAY0; q < queues; q++) {
        char name[16];
        if (lanes[q].any)
            put_lane(out, &c, &lanes[q], dtq_queue_name((unsigned)q, name), cells);
        else
            q = put_idle_arrays(out, lanes, q, queues);
    }
    put_lane(out, &c, &lanes[DTQ_SOFTMAX], "softmax", cells);
    put_lane(out, &c, &lanes[DTQ_TOPK], "topk", cells);
    put_lane(out, &c, &lanes[DTQ_STORE], "store", cells);
    put_legend(out, used);
    arena_free(a);
    return fflush(out) == 0 && !ferror(out);
}
