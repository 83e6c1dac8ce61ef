/* The report for people: a summary, a row for each layer, a row for each matmul, and what the numbers mean. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/report/critical.h"
#include "codegen/report/format.h"
#include "ir/base/number.h"
#include "ir/base/table.h"
#include "runtime/machine_members.h"

/* ---- cells ------------------------------------------------------------------------------------------------------- */

/** A count, `~` before it if it is an expectation; one decimal only where it is not whole; M: millions. */
static void put_count(char cell[TABLE_CELL], double value, bool expected) {
    char text[NUMBER_MAX];
    double tenths = round(value * 10) / 10;
    const bool millions = value >= 1e9; /* so that tables stay narrow */
    value = millions ? value / 1e6 : value;
    if (expected || tenths == round(tenths) || tenths >= 1e5) {
        number_grouped(value, text);
    } else {
        double whole = floor(tenths);
        number_grouped(whole, text);
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, ".%d", (int)lround((tenths - whole) * 10));
    }
    snprintf(cell, TABLE_CELL, "%s%.*s%s", expected ? "~" : "", TABLE_CELL - 3, text, millions ? "M" : "");
}

static void put_percent(char cell[TABLE_CELL], double fraction) {
    snprintf(cell, TABLE_CELL, "%.1f", 100.0 * fraction);
}

/** Four digits, or a whole number with its digits grouped. */
static const char *decimal(double value, char out[NUMBER_MAX]) {
    if (fabs(value) >= 999.95)
        return number_grouped(value, out);
    snprintf(out, NUMBER_MAX, "%.4g", value);
    return out;
}

/** Bytes divided by a unit that fits the largest layer. */
typedef struct {
    const char *name;
    double bytes;
} byte_unit;

static byte_unit choose_unit(const report *r) {
    static const byte_unit units[] = {{"bytes", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
    size_t unit = 0;
    while (unit < 3 && (double)r->dram_bytes / units[unit].bytes >= 1e5)
        unit++;
    return units[unit];
}

static void put_bytes(char cell[TABLE_CELL], uint64_t bytes, byte_unit unit) {
    put_count(cell, (double)bytes / unit.bytes, false);
}

/* ---- summary ----------------------------------------------------------------------------------------------------- */

static void put_line(FILE *out, const char *label, const char *value, const char *unit, const char *comment) {
    char lead[64];
    snprintf(lead, sizeof lead, "  %-13s %14s %-5s ", label, value, unit);
    if (*comment)
        table_paragraph(lead, comment, out);
    else
        fprintf(out, "  %-13s %14s%s%s\n", label, value, *unit ? " " : "", unit);
}

/** The value with `~` before it if it is an expectation. */
static const char *about(bool expected, const char *value, char out[NUMBER_MAX + 1]) {
    snprintf(out, NUMBER_MAX + 1, "%s%s", expected ? "~" : "", value);
    return out;
}

void report_text_title(const report *r, size_t count, FILE *out) {
    char title[512];
    const dtq_machine *m = r->machine;
    char lengths[48];
    snprintf(lengths, sizeof lengths, count > 1 ? "%zu lengths" : "%zu token%s", count > 1 ? count : r->seq,
             r->seq == 1 ? "" : "s");
    snprintf(title, sizeof title, "%.200s, %s, on %.200s", *r->model ? r->model : "(unnamed model)", lengths,
             r->target && *r->target ? r->target : "(unnamed target)");
    table_paragraph("", title, out);
    const char *drain, *prob;
    const char *prefetch;
    int drain_length = report_word("top", "drain", m, &drain), prob_length = report_word("top", "prob_bits", m, &prob);
    const int prefetch_length = report_word("top", "prefetch", m, &prefetch);
    snprintf(title, sizeof title,
             "%" PRIu64 " array%s of %" PRIu64 " x %" PRIu64
             " PEs at %g GHz; drain %.*s, prob_bits %.*s, prefetch %.*s",
             m->vssa_arrays, m->vssa_arrays == 1 ? "" : "s", m->vssa_rows, m->vssa_cols, m->top_clock_ghz, drain_length,
             drain, prob_length, prob, prefetch_length, prefetch);
    table_paragraph("", title, out);
    snprintf(title, sizeof title, "%s; cycles %s",
             r->clustered ? "tokens clustered by precision" : "tokens not clustered",
             r->measured          ? "measured by the simulator"
             : report_expected(r) ? "depend on the data: expectations are marked ~"
                                  : "static and exact");
    table_paragraph("", title, out);
    fputc('\n', out);
}

/** Attention and linears side by side: cycles, share and utilisation of each. */
static void put_parts(const report *r, FILE *out) {
    const bool expected = report_expected(r) && !r->measured;
    double linear = 0, linear_bound = 0;
    for (size_t i = 0; i < r->layer_count; i++) {
        linear += r->layers[i].linear_cycles;
        linear_bound += r->layers[i].linear.bound_cycles;
    }
    const struct {
        const char *name;
        double cycles, bound, busy;
    } parts[] = {{"  attention", r->cycles - linear, r->bound_cycles - linear_bound, r->part_busy[0]},
                 {"  linears", linear, linear_bound, r->part_busy[1]}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char a[NUMBER_MAX], b[NUMBER_MAX + 1], c[NUMBER_MAX], text[256];
        snprintf(text, sizeof text, "cycles, %.1f %% of all; bound %s, utilisation %.1f %%",
                 r->cycles > 0 ? 100 * parts[i].cycles / r->cycles : 0, number_grouped(parts[i].bound, c),
                 parts[i].bound > 0 ? 100 * parts[i].bound / fmax(parts[i].cycles, parts[i].busy) : 0);
        put_line(out, parts[i].name, about(expected, number_grouped(parts[i].cycles, a), b), "", text);
    }
}

/** How much of what is above the bound is lost at the edges of tiles, and so not to be had by any schedule. */
static void put_tile_bound(const report *r, FILE *out) {
    const double above = r->cycles - r->bound_cycles, edges = r->tile_bound_cycles - r->bound_cycles;
    char a[NUMBER_MAX], text[256] = "the least in whole tiles";
    if (edges < above) {
        snprintf(text, sizeof text,
                 "the least in whole tiles; their edges are %.0f %% of what is above the bound, the rest is skew, "
                 "uneven shares and waiting",
                 100 * edges / above);
    }
    put_line(out, "whole tiles", number_grouped(r->tile_bound_cycles, a), "", text);
}

static void put_summary(const report *r, FILE *out) {
    const bool expected = report_expected(r) && !r->measured;
    char a[NUMBER_MAX], b[NUMBER_MAX + 1], text[256];
    double us = report_us(r->machine, r->cycles);

    snprintf(text, sizeof text, "%s us at %g GHz", decimal(us, a), r->machine->top_clock_ghz);
    put_line(out, "cycles", about(expected, number_grouped(r->cycles, a), b), "", text);
    snprintf(text, sizeof text, "utilisation %.1f %%; %s", 100 * r->utilisation, report_bound_words(r));
    put_line(out, "bound", number_grouped(r->bound_cycles, a), "", text);
    if (r->pairs_seen == r->pairs) /* of strips that see fewer keys than others no more is known than the bound */
        put_tile_bound(r, out);
    if (r->pairs_seen < r->pairs) {
        put_line(out, "left out", decimal(100 * (1 - r->pairs_seen / r->pairs), a), "%",
                 "of pairs of a query and a key, which the causal mask hides whatever tokens are chosen");
    }
    if (r->unclustered_cycles > 0) {
        snprintf(text, sizeof text, "cycles with tokens in their original order, %.2f times as many",
                 r->cycles > 0 ? r->unclustered_cycles / r->cycles : 0);
        put_line(out, "unclustered", number_grouped(r->unclustered_cycles, a), "", text);
    }
    double busy = (double)r->mac_cycles + (double)r->stall_cycles;
    snprintf(text, sizeof text, "PE-cycles of work, and %s stalled (%.1f %% of both)",
             number_grouped((double)r->stall_cycles, a), busy > 0 ? 100 * (double)r->stall_cycles / busy : 0);
    char work[NUMBER_MAX];
    put_line(out, "work", number_grouped((double)r->mac_cycles, work), "", text);
    char *unit = strchr(number_bytes((double)r->dram_bytes, a), ' ');
    *unit++ = '\0';
    put_line(out, "DRAM", a, unit, "read and written");
    put_line(out, "energy", about(expected, decimal(r->energy_pj / 1e6, a), b), "uJ", "");
    const dtq_area area = dtq_machine_area(r->machine);
    if (area.total_mm2 > 0) {
        snprintf(text, sizeof text, "PEs %.3g, buffers %.3g, softmax %.3g, top-k %.3g, other %.3g", area.pes,
                 area.buffers, area.softmax, area.topk, area.other);
        put_line(out, "area", decimal(area.total_mm2, a), "mm2", text);
    }
    snprintf(text, sizeof text,
             "dense-equivalent: 2 operations for each MAC of %s over all %" PRIu32 " tokens, none pruned",
             r->linears ? "attention, projections and FFN" : "attention", r->seq);
    put_line(out, "throughput", about(expected, decimal(report_dense_gops(r), a), b), "GOP/s", text);
    put_line(out, "instructions", number_grouped((double)r->instructions, a), "", "");
    if (r->linears)
        put_parts(r, out);
    table_paragraph("  cycles cover  ", report_covers(r), out);
    if (r->scheme) {
        snprintf(text, sizeof text, "%s; " REPORT_SCHEME, r->scheme);
        table_paragraph("  arithmetic    ", text, out);
    }
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/** Mean stall ratio over the iterations of all layers. */
static double mean_stall(const report *r, bool is_pv) {
    double sum = 0, iterations = 0;
    for (size_t i = 0; i < r->layer_count; i++) {
        const report_matmul *m = is_pv ? &r->layers[i].pv : &r->layers[i].qk;
        sum += m->stall_ratio_mean * m->iterations;
        iterations += m->iterations;
    }
    return iterations > 0 ? sum / iterations : 0;
}

/** Returns whether one row stands for several layers. */
static bool put_layers(const report *r, table_row *rows, FILE *out) {
    const byte_unit unit = choose_unit(r);
    const table_column columns[] = {{"", "layer", true},        {"", "0-bit", false},      {"tokens", "4-bit", false},
                                    {"", "8-bit", false},       {"", "cycles", false},     {"share", "%", false},
                                    {"util.", "%", false},      {"stall", "Q.K %", false}, {"stall", "P.V %", false},
                                    {"DRAM", unit.name, false}, {"limited", "by", true},   {"linears", "cycles", false},
                                    {"stall", "lin. %", false}};
    enum { OF_LINEARS = 2 };
    const size_t column_count = sizeof columns / sizeof *columns - (r->linears ? 0 : OF_LINEARS);
    for (size_t i = 0; i < r->layer_count; i++) {
        const report_layer *l = &r->layers[i];
        const bool expected = l->expected && !r->measured;
        table_row *row = &rows[i];
        *row = (table_row){.first = l->index, .last = l->index};
        put_count(row->cell[1], l->pruned, false);
        put_count(row->cell[2], l->low, false);
        put_count(row->cell[3], l->high, false);
        put_count(row->cell[4], l->cycles, expected);
        put_percent(row->cell[5], l->share);
        put_percent(row->cell[6], l->utilisation);
        put_percent(row->cell[7], l->qk.stall_ratio_mean);
        put_percent(row->cell[8], l->pv.stall_ratio_mean);
        put_bytes(row->cell[9], l->dram_bytes, unit);
        snprintf(row->cell[10], TABLE_CELL, "%s", report_limit_name(l->limit));
        if (r->linears) {
            put_count(row->cell[11], l->linear_cycles, expected);
            put_percent(row->cell[12], l->linear.stall_ratio_mean);
        }
    }
    size_t count = table_collapse(rows, r->layer_count, 1);
    const bool collapsed = count < r->layer_count;
    if (r->layer_count > 1) {
        table_row *total = &rows[count++];
        *total = (table_row){.cell = {"total"}};
        put_count(total->cell[4], r->cycles, report_expected(r) && !r->measured);
        put_percent(total->cell[6], r->utilisation);
        put_percent(total->cell[7], mean_stall(r, false));
        put_percent(total->cell[8], mean_stall(r, true));
        put_bytes(total->cell[9], r->dram_bytes, unit);
    }
    fputc('\n', out);
    table_print(columns, column_count, rows, count, out);
    return collapsed;
}

static void put_matmul(table_row *row, const char *name, const report_layer *l) {
    const report_matmul *m = *name == 'Q' ? &l->qk : *name == 'P' ? &l->pv : &l->linear;
    *row = (table_row){.first = l->index, .last = l->index};
    snprintf(row->cell[1], TABLE_CELL, "%s", name);
    put_count(row->cell[2], m->iterations, false);
    put_count(row->cell[3], m->stalled_iterations, l->expected);
    put_percent(row->cell[4], m->stall_ratio_mean);
    put_count(row->cell[5], m->step_cycles, l->expected);
    put_count(row->cell[6], m->cycles, l->expected);
    put_count(row->cell[7], m->bound_cycles, false);
    put_count(row->cell[8], m->tile_bound_cycles, false);
}

static void put_matmuls(const report *r, table_row *rows, FILE *out) {
    static const table_column columns[] = {
        {"", "layer", true},        {"", "matmul", true},       {"", "iterations", false},
        {"", "stalled", false},     {"stall", "%", false},      {"step", "cycles", false},
        {"array", "cycles", false}, {"bound", "cycles", false}, {"whole", "tiles", false}};
    static const char *const names[] = {"Q.K", "P.V", "linears"};
    const size_t each = r->linears ? 3 : 2;
    for (size_t i = 0; i < each * r->layer_count; i++)
        put_matmul(&rows[i], names[i % each], &r->layers[i / each]);
    size_t count = table_collapse(rows, each * r->layer_count, each);
    fputc('\n', out);
    table_print(columns, sizeof columns / sizeof *columns, rows, count, out);
}

/* ---- notes ------------------------------------------------------------------------------------------------------- */

/** Layers whose keys do not fit, which costs more than anything else that a table shows. */
static void put_blocked(const report *r, FILE *out) {
    uint32_t first, last, blocks;
    for (size_t at = 0; report_blocked(r, &at, &first, &last, &blocks);) {
        char range[32], text[256];
        snprintf(range, sizeof range, first == last ? "%" PRIu32 : "%" PRIu32 "-%" PRIu32, first, last);
        snprintf(text, sizeof text, "layer%s %s: " REPORT_BLOCKED " %" PRIu32 " blocks (--remarks has more)",
                 first == last ? "" : "s", range, blocks);
        fputc('\n', out);
        table_paragraph("  keys do not fit  ", text, out);
    }
}

static void put_streamed(const report *r, FILE *out) {
    char text[REPORT_STREAMED_MOST];
    for (size_t at = 0; report_streamed(r, &at, text);)
        table_paragraph("  tokens        ", text, out);
}

/** What the makespan is spent on, the largest part first. */
static void put_critical(const report *r, arena *scratch, FILE *out) {
    const char *text = critical_words(scratch, r);
    if (text)
        table_paragraph("  critical path ", text, out);
}

static void put_notes(const report *r, bool collapsed, arena *scratch, FILE *out) {
    put_blocked(r, out);
    fputc('\n', out);
    put_critical(r, scratch, out);
    put_streamed(r, out);
    static const struct {
        const char *term, *meaning;
    } legend[] = {
        {"util.", "bound / cycles, or / its busiest array's time, if part of that runs under the layer before"},
        {"stall", "share of a tile's PE-cycles lost to its slowest PE, mean over the tiles (iterations)"},
        {"cycles", "from the end of the layer before to the layer's own; its loads run under the layer before"},
        {"limited by", "the engine that is busiest in the layer's cycles; latency or dependencies: none works for half "
                       "of them"},
        {"step cycles", "sum over iterations of what the slowest PE costs in a step; all heads"},
        {"array cycles", "what the matmul occupies of one array, or of the busiest; all heads"},
        {"whole tiles", "the least cycles in strips of whole tiles, no array ever waiting"},
    };
    for (size_t i = 0; i < sizeof legend / sizeof *legend; i++) {
        char lead[32];
        snprintf(lead, sizeof lead, "  %-13s ", legend[i].term);
        table_paragraph(lead, legend[i].meaning, out);
    }
    if (collapsed)
        table_paragraph("  layer a-b     ", "the numbers of each of these layers, not their sum", out);
    if (report_expected(r)) {
        table_paragraph("  ~             ",
                        "which slots run at 8 bits is known only at run time: the mean over all placements", out);
    }
}

void report_text_remarks(const report *r, arena *scratch, FILE *out) {
    fputs(r->remark_count ? "\nremarks\n" : "", out);
    for (size_t i = 0; i < r->remark_count; i++) {
        const diag_entry *e = r->remarks[i];
        if (i > 0 && strcmp(e->message, r->remarks[i - 1]->message) == 0)
            continue;
        const char *text = e->message;
        if (e->loc.file && e->loc.line)
            text = arena_printf(scratch, "%s:%" PRIu32 ": %s", e->loc.file, e->loc.line, e->message);
        table_paragraph("  ", text, out);
    }
}

void report_text(const report *r, FILE *out) {
    arena *scratch = arena_new();
    report_text_title(r, 1, out);
    put_summary(r, out);
    if (r->layer_count > 0) {
        table_row *rows = ARENA_ARRAY(scratch, table_row, 3 * r->layer_count + 1);
        bool collapsed = put_layers(r, rows, out);
        put_matmuls(r, rows, out);
        put_notes(r, collapsed, scratch, out);
    }
    report_text_remarks(r, scratch, out);
    arena_free(scratch);
}
