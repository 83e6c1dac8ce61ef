/* What another machine would make of the same model: the merit of each change is compiled, not guessed. */
#include "frontend/cli/what_if.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/number.h"
#include "ir/base/table.h"
#include "runtime/machine.h"
#include "runtime/machine_members.h"

enum { PARAMETERS_MOST = 64 };
/* What is less than this faster is not worth a line. */
static const double least_merit = 1.001;

/** One parameter with another value, and what it brings. */
typedef struct {
    const dtq_machine_param *param;
    double value, cycles, area;
} change;

/** How much of a resource a parameter is: the factor that makes a better machine of it; 0: none that is tried. */
static double factor_of(const dtq_machine_param *p) {
    if (p->kind == DTQ_PARAM_ENUM)
        return 0;
    if (strcmp(p->name, "latency_cycles") == 0)
        return .5;
    const bool rate = p->unit && (strcmp(p->unit, "elements/cycle") == 0 || strcmp(p->unit, "GB/s") == 0);
    return rate || strcmp(p->section, "vssa") == 0 || strcmp(p->section, "buffers") == 0 ? 2 : 0;
}

/** Cycles on a machine, or 0 if it cannot run the model; all memory is given back. */
static double cycles_on(session *s, const source *src, dtq_machine *machine, uint32_t seq) {
    static const pass_options quiet = {.dump_level = -1};
    session own = *s;
    source other = *src;
    compiled c;
    pass_options o = quiet;
    own.arena = arena_new();
    own.diag = diag_new(own.arena, NULL);
    o.optimise = value(s, OPT_optimise)->word == 1;
    other.target.machine = machine;
    double cycles = 0;
    if (compile_length(&own, &other, seq, !given(s, OPT_no_cluster), &o, &c)) {
        const report *r = report_build(own.arena, own.diag, c.module);
        cycles = r ? r->cycles : 0;
    }
    arena_free(own.arena);
    return cycles;
}

static int by_cycles(const void *a, const void *b) {
    const change *x = a, *y = b;
    return x->cycles != y->cycles ? (x->cycles > y->cycles) - (x->cycles < y->cycles)
                                  : (x->param > y->param) - (x->param < y->param);
}

static void print_value(const change *c, char *text, size_t room) {
    static const char *const units[] = {"", " KiB", " MiB", " GiB"};
    double shown = c->value;
    size_t unit = 0;
    while (strcmp(c->param->section, "buffers") == 0 && unit < 3 && shown >= 1024) {
        shown /= 1024;
        unit++;
    }
    snprintf(text, room, "%s.%s = %.6g%s", c->param->section, c->param->name, shown, units[unit]);
}

static void print_table(const change *changes, size_t count, const report *base, FILE *out) {
    static const table_column columns[] = {
        {"", "change", true}, {"", "cycles", false}, {"", "faster", false}, {"area", "mm2", false}};
    table_row rows[PARAMETERS_MOST];
    const double area = dtq_machine_area(base->machine).total_mm2;
    for (size_t i = 0; i < count; i++) {
        rows[i] = (table_row){0};
        print_value(&changes[i], rows[i].cell[0], TABLE_CELL);
        char cycles[NUMBER_MAX];
        snprintf(rows[i].cell[1], TABLE_CELL, "%s", number_grouped(changes[i].cycles, cycles));
        snprintf(rows[i].cell[2], TABLE_CELL, "%.3f x", base->cycles / changes[i].cycles);
        snprintf(rows[i].cell[3], TABLE_CELL, "%+.2f", changes[i].area - area);
    }
    table_print(columns, area > 0 ? 4 : 3, rows, count, out);
}

bool what_if_print(session *s, const source *src, const report *base, FILE *out) {
    change changes[PARAMETERS_MOST];
    size_t count = 0;
    unsigned tried = 0;
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        const double now = dtq_machine_get(src->target.machine, p), factor = factor_of(p);
        double then = now * factor;
        then = p->kind == DTQ_PARAM_INT ? (double)(uint64_t)then : then;
        if (factor == 0 || then < p->lo || then > p->hi || then == now || count == PARAMETERS_MOST)
            continue;
        dtq_machine *machine = ARENA_NEW(s->arena, dtq_machine);
        *machine = *src->target.machine;
        dtq_machine_set(machine, p, then);
        const double cycles = cycles_on(s, src, machine, base->seq);
        tried++;
        if (cycles > 0 && base->cycles / cycles >= least_merit)
            changes[count++] = (change){p, then, cycles, dtq_machine_area(machine).total_mm2};
    }
    qsort(changes, count, sizeof *changes, by_cycles);
    fputs("\nwhat if one parameter of the machine were another\n", out);
    if (count > 0)
        print_table(changes, count, base, out);
    char text[128];
    snprintf(text, sizeof text, "%u changes compiled: twice of each resource, half of each latency; %s", tried,
             count > 0 ? "the others bring less than .1 %" : "none brings .1 %");
    table_paragraph("  ", text, out);
    return true;
}
