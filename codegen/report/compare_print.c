/* A comparison as text, JSON and CSV. */
#include <math.h>
#include <string.h>

#include "codegen/report/compare.h"
#include "codegen/report/format.h"
#include "ir/base/number.h"
#include "ir/base/table.h"

/* ---- columns for programs ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    size_t offset; /* of a double in comparison_row */
    int part;      /* of the row it belongs to in JSON */
} real_column;

enum { PART_ROW, PART_CYCLES, PART_ENERGY, PARTS };

#define REAL(name, member, part) {name, offsetof(comparison_row, member), part}
static const real_column columns[] = {
    REAL("clock_ghz", clock_ghz, PART_ROW),
    REAL("time_us", time_us, PART_ROW),
    REAL("dense_gop_per_s", dense_gops, PART_ROW),
    REAL("utilisation", utilisation, PART_ROW),
    REAL("dram_bytes", dram_bytes, PART_ROW),
    REAL("area_mm2", area_mm2, PART_ROW),
    REAL("pes", pes, PART_ROW),
    REAL("array_share", array_share, PART_ROW),
    REAL("key_blocks", key_blocks, PART_ROW),
    REAL("total_cycles", cycles, PART_CYCLES),
    REAL("qk_cycles", qk_cycles, PART_CYCLES),
    REAL("pv_cycles", pv_cycles, PART_CYCLES),
    REAL("softmax_cycles", softmax_cycles, PART_CYCLES),
    REAL("topk_cycles", topk_cycles, PART_CYCLES),
    REAL("dram_cycles", dram_cycles, PART_CYCLES),
    REAL("total_pj", energy_pj.total, PART_ENERGY),
    REAL("compute_pj", energy_pj.compute, PART_ENERGY),
    REAL("memory_pj", energy_pj.memory, PART_ENERGY),
    REAL("dram_pj", energy_pj.dram, PART_ENERGY),
    REAL("softmax_pj", energy_pj.softmax, PART_ENERGY),
    REAL("topk_pj", energy_pj.topk, PART_ENERGY),
    REAL("idle_pj", energy_pj.idle, PART_ENERGY),
};
enum { COLUMN_COUNT = sizeof columns / sizeof *columns };

/** Its value; NAN (null, an empty cell) where the system has none. */
static double real_of(const comparison_row *row, const real_column *c) {
    double value;
    memcpy(&value, (const char *)row + c->offset, sizeof value);
    return c->offset == offsetof(comparison_row, area_mm2) && value <= 0 ? NAN : value;
}

static double speedup(const comparison *c, size_t row) {
    return c->rows[row].time_us > 0 ? c->rows[0].time_us / c->rows[row].time_us : NAN;
}

static double energy_ratio(const comparison *c, size_t row) {
    return c->rows[0].energy_pj.total > 0 ? c->rows[row].energy_pj.total / c->rows[0].energy_pj.total : NAN;
}

/* GOP/J is operations in a nanojoule. */
static double efficiency(const comparison *c, size_t row) {
    return c->rows[row].energy_pj.total > 0 ? c->dense_ops / c->rows[row].energy_pj.total * 1000 : NAN;
}

/** What the numbers are of. */
static const char *covers(const comparison *c) {
    return c->linears ? "attention, projections and FFN; norms, activations and heads are not counted on any system"
                      : "attention; projections, FFN and norms are not counted on any system";
}

static void print_json(const comparison *c, FILE *out) {
    static const char *const parts[PARTS] = {NULL, "cycles", "energy"};
    json_writer w = {.out = out};
    json_open(&w, NULL, '{');
    json_str(&w, "schema", "dtqc-comparison/1");
    json_str(&w, "model", c->model);
    json_int(&w, "seq", c->seq);
    json_real(&w, "dense_ops", c->dense_ops);
    json_str(&w, "covers", covers(c));
    json_open(&w, "systems", '[');
    for (size_t i = 0; i < c->count; i++) {
        const comparison_row *row = &c->rows[i];
        json_open(&w, NULL, '{');
        json_str(&w, "name", row->name);
        json_str(&w, "kind", row->kind);
        json_bool(&w, "expected", row->expected);
        json_real(&w, "speedup", speedup(c, i));
        json_real(&w, "energy_ratio", energy_ratio(c, i));
        json_real(&w, "dense_gop_per_j", efficiency(c, i));
        for (int part = 0; part < PARTS; part++) {
            if (parts[part])
                json_open(&w, parts[part], '{');
            for (size_t k = 0; k < COLUMN_COUNT; k++)
                if (columns[k].part == part)
                    json_real(&w, columns[k].name, real_of(row, &columns[k]));
            if (parts[part])
                json_close(&w, '}');
        }
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

static void put_csv_real(double value, FILE *out) {
    char text[NUMBER_MAX];
    number_shortest(value, text);
    fprintf(out, ",%s", text);
}

/** A field in quotes where it must be (RFC 4180). */
static void put_csv_text(const char *text, FILE *out) {
    arena *scratch = arena_new();
    const bool quoted = strpbrk(text, ",\"\r\n");
    fputs(quoted ? "\"" : "", out);
    for (text = diag_visible(scratch, text); *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputs(quoted ? "\"" : "", out);
    arena_free(scratch);
}

static void print_csv(const comparison *c, FILE *out) {
    fputs("name,kind,expected,speedup,energy_ratio,dense_gop_per_j", out);
    for (size_t k = 0; k < COLUMN_COUNT; k++)
        fprintf(out, ",%s", columns[k].name);
    fputc('\n', out);
    for (size_t i = 0; i < c->count; i++) {
        const comparison_row *row = &c->rows[i];
        put_csv_text(row->name, out);
        fprintf(out, ",%s,%s", row->kind, row->expected ? "true" : "false");
        put_csv_real(speedup(c, i), out);
        put_csv_real(energy_ratio(c, i), out);
        put_csv_real(efficiency(c, i), out);
        for (size_t k = 0; k < COLUMN_COUNT; k++)
            put_csv_real(real_of(row, &columns[k]), out);
        fputc('\n', out);
    }
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void cell(table_row *row, size_t column, const char *text) {
    snprintf(row->cell[column], TABLE_CELL, "%.*s", TABLE_CELL - 1, text);
}

static void cell_count(table_row *row, size_t column, double value, bool expected) {
    char text[NUMBER_MAX];
    number_grouped(value, text);
    snprintf(row->cell[column], TABLE_CELL, "%s%.*s", expected ? "~" : "", TABLE_CELL - 2, text);
}

/** Four digits, or a whole number; a dash where there is none. */
static void cell_real(table_row *row, size_t column, double value) {
    char text[NUMBER_MAX];
    if (!isfinite(value))
        cell(row, column, "-");
    else if (fabs(value) >= 999.95)
        cell(row, column, number_grouped(value, text));
    else
        snprintf(row->cell[column], TABLE_CELL, "%.4g", value);
}

static void print_cycles(const comparison *c, table_row *rows, FILE *out) {
    static const table_column heads[] = {{"cycles", "system", true}, {"", "kind", true},  {"", "total", false},
                                         {"", "Q.K", false},         {"", "P.V", false},  {"", "softmax", false},
                                         {"", "top-k", false},       {"", "DRAM", false}, {"", "PEs", false},
                                         {"arrays", "%", false}};
    for (size_t i = 0; i < c->count; i++) {
        const comparison_row *row = &c->rows[i];
        const double cycles[] = {row->cycles,         row->qk_cycles,   row->pv_cycles,
                                 row->softmax_cycles, row->topk_cycles, row->dram_cycles};
        cell(&rows[i], 1, row->kind);
        for (size_t k = 0; k < sizeof cycles / sizeof *cycles; k++)
            cell_count(&rows[i], 2 + k, cycles[k], row->expected);
        cell_count(&rows[i], 8, row->pes, false);
        cell_real(&rows[i], 9, round(1000 * row->array_share) / 10);
    }
    table_print(heads, sizeof heads / sizeof *heads, rows, c->count, out);
}

/** Of what is compared with the first system: a mark where it is better than that, a blank elsewhere. */
static void mark_better(table_row *row, size_t column, bool better) {
    const size_t n = strlen(row->cell[column]);
    snprintf(row->cell[column] + n, TABLE_CELL - n, "%s", better ? "*" : " ");
}

static void print_speed(const comparison *c, table_row *rows, FILE *out) {
    static const table_column heads[] = {{"", "system", true},      {"time", "us", false},     {"speed", "x", false},
                                         {"dense", "GOP/s", false}, {"used", "%", false},      {"energy", "uJ", false},
                                         {"energy", "x", false},    {"dense", "GOP/J", false}, {"DRAM", "MB", false},
                                         {"area", "mm2", false}};
    for (size_t i = 0; i < c->count; i++) {
        const comparison_row *row = &c->rows[i];
        const double values[] = {row->time_us,
                                 speedup(c, i),
                                 row->dense_gops,
                                 100 * row->utilisation,
                                 row->energy_pj.total / 1e6,
                                 energy_ratio(c, i),
                                 efficiency(c, i),
                                 row->dram_bytes / 1e6,
                                 row->area_mm2 > 0 ? row->area_mm2 : NAN};
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            cell_real(&rows[i], 1 + k, values[k]);
        mark_better(&rows[i], 2, i > 0 && speedup(c, i) > 1);
        mark_better(&rows[i], 6, i > 0 && energy_ratio(c, i) < 1);
    }
    table_print(heads, sizeof heads / sizeof *heads, rows, c->count, out);
}

static void print_energy(const comparison *c, table_row *rows, FILE *out) {
    static const table_column heads[] = {{"energy", "system", true}, {"total", "uJ", false}, {"compute", "uJ", false},
                                         {"memory", "uJ", false},    {"DRAM", "uJ", false},  {"softmax", "uJ", false},
                                         {"top-k", "uJ", false},     {"idle", "uJ", false}};
    for (size_t i = 0; i < c->count; i++) {
        const energy_parts *e = &c->rows[i].energy_pj;
        const double values[] = {e->total, e->compute, e->memory, e->dram, e->softmax, e->topk, e->idle};
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            cell_real(&rows[i], 1 + k, values[k] / 1e6);
    }
    table_print(heads, sizeof heads / sizeof *heads, rows, c->count, out);
}

static bool any_expected(const comparison *c) {
    for (size_t i = 0; i < c->count; i++)
        if (c->rows[i].expected)
            return true;
    return false;
}

/** Machines that take keys in blocks, which costs more than anything else that the tables show. */
static void put_blocked(const comparison *c, FILE *out) {
    for (size_t i = 0; i < c->count; i++) {
        char name[TABLE_CELL], text[256];
        if (c->rows[i].key_blocks > 1) {
            table_name(name, c->rows[i].name, TABLE_CELL - 2);
            snprintf(text, sizeof text, "%s: " REPORT_BLOCKED " %g blocks", name, c->rows[i].key_blocks);
            fputc('\n', out);
            table_paragraph("keys do not fit  ", text, out);
        }
    }
}

static void print_text(const comparison *c, FILE *out) {
    enum { MOST_ROWS = 64, LONGEST_NAME = 24 /* longer ones would make tables wider than a page */ };
    static void (*const tables[])(const comparison *, table_row *, FILE *) = {print_cycles, print_speed, print_energy};
    comparison shown = *c;
    table_row rows[MOST_ROWS];
    shown.count = c->count > MOST_ROWS ? MOST_ROWS : c->count;
    fputs(c->linears ? "attention, projections and FFN of " : "attention of ", out);
    diag_text(out, c->model);
    fprintf(out, ", %u token%s, on %zu system%s\n", c->seq, c->seq == 1 ? "" : "s", c->count, c->count == 1 ? "" : "s");
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        memset(rows, 0, sizeof rows);
        for (size_t i = 0; i < shown.count; i++)
            table_name(rows[i].cell[0], c->rows[i].name, LONGEST_NAME);
        fputc('\n', out);
        tables[t](&shown, rows, out);
    }
    put_blocked(c, out);
    if (c->more)
        return;
    fputc('\n', out);
    if (any_expected(c))
        table_paragraph("~ ", "depends on the data: a mean over all choices of the 8-bit tokens", out);
    char text[200];
    snprintf(text, sizeof text, "Cycles and energy cover %s.", covers(c));
    table_paragraph("", text, out);
    table_paragraph("",
                    "Speed and energy are relative to the first system, * where better than it. PEs: multipliers of "
                    "systems that have no "
                    "PEs of 4 bits. Arrays: what the busiest of a machine's works of its cycles. Operations are dense: "
                    "nothing pruned, "
                    "nothing masked. Parts run under one another as each system's model says, so that they need "
                    "not sum to its cycles. Models and their assumptions: codegen/systems/SYSTEMS.md.",
                    out);
}

bool comparison_print(const comparison *c, report_format format, FILE *out) {
    static void (*const formats[])(const comparison *, FILE *) = {
        [REPORT_TEXT] = print_text, [REPORT_JSON] = print_json, [REPORT_CSV] = print_csv};
    formats[format](c, out);
    return fflush(out) == 0 && !ferror(out);
}
