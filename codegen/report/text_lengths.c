/* Reports of several input lengths for people: a row for each length, and what the numbers mean once. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/report/format.h"
#include "ir/base/number.h"
#include "ir/base/table.h"

static void put_count(char cell[TABLE_CELL], double value, bool about) {
    char text[NUMBER_MAX];
    const bool millions = value >= 1e9;
    number_grouped(millions ? value / 1e6 : value, text);
    snprintf(cell, TABLE_CELL, "%s%.*s%s", about ? "~" : "", TABLE_CELL - 3, text, millions ? "M" : "");
}

static void put_real(char cell[TABLE_CELL], double value, bool about) {
    char text[NUMBER_MAX];
    if (fabs(value) >= 999.95) {
        put_count(cell, value, about);
    } else {
        snprintf(text, sizeof text, "%.4g", value);
        snprintf(cell, TABLE_CELL, "%s%.*s", about ? "~" : "", TABLE_CELL - 2, text);
    }
}

static void put_row(const report *r, table_row *row) {
    const bool about = report_expected(r) && !r->measured;
    const double work = (double)r->mac_cycles, stalled = (double)r->stall_cycles;
    double share;
    const report_limit limit = report_main_limit(r, &share);
    uint32_t blocks = 1;
    for (size_t i = 0; i < r->layer_count; i++)
        blocks = r->layers[i].key_blocks > blocks ? r->layers[i].key_blocks : blocks;
    snprintf(row->cell[0], TABLE_CELL, "%" PRIu32, r->seq);
    put_count(row->cell[1], r->cycles, about);
    put_real(row->cell[2], report_us(r->machine, r->cycles), about);
    put_count(row->cell[3], r->bound_cycles, false);
    put_count(row->cell[4], r->tile_bound_cycles, false);
    snprintf(row->cell[5], TABLE_CELL, "%.1f", 100 * r->utilisation);
    snprintf(row->cell[6], TABLE_CELL, "%.1f", work + stalled > 0 ? 100 * stalled / (work + stalled) : 0);
    put_real(row->cell[7], (double)r->dram_bytes / 1e3, false);
    put_real(row->cell[8], r->energy_pj / 1e6, about);
    snprintf(row->cell[9], TABLE_CELL, "%s", report_limit_name(limit));
    snprintf(row->cell[10], TABLE_CELL, "%.0f", 100 * share);
    if (blocks > 1)
        snprintf(row->cell[11], TABLE_CELL, "%" PRIu32, blocks);
    if (r->unclustered_cycles > 0)
        put_count(row->cell[12], r->unclustered_cycles, false);
}

static void put_legend(const report *const *reports, size_t count, bool blocked, FILE *out) {
    bool causal = false, about = false;
    for (size_t i = 0; i < count; i++) {
        causal |= reports[i]->causal;
        about |= report_expected(reports[i]) && !reports[i]->measured;
    }
    fputc('\n', out);
    table_paragraph("  bound       ",
                    causal ? "work / PEs, products that the causal mask discards counted as work"
                           : "work / PEs, no schedule takes fewer cycles",
                    out);
    table_paragraph("  tiles       ", "the least cycles in strips of whole tiles, no array ever waiting", out);
    table_paragraph("  util.       ", "bound / cycles", out);
    table_paragraph("  stalled     ", "of the PE-cycles of work and stalls, those that PEs wait for a slower one", out);
    table_paragraph("  limited by  ",
                    "what limits layers that take most of the cycles, and the share of cycles that they take", out);
    if (blocked) {
        table_paragraph("  keys in     ",
                        "blocks: a head's keys do not fit; scores that do not stay on chip are computed in every pass",
                        out);
    }
    if (about) {
        table_paragraph("  ~           ",
                        "which slots run at 8 bits is known only at run time: the mean over all placements", out);
    }
    table_paragraph("  cycles cover  ", report_covers(reports[0]), out);
    table_paragraph("  ", "a single --seq has layers and matmuls, and what its numbers mean", out);
}

void report_text_lengths(const report *const *reports, size_t count, FILE *out) {
    static const table_column columns[] = {
        {"", "tokens", false},      {"", "cycles", false},   {"time", "us", false},   {"", "bound", false},
        {"whole", "tiles", false},  {"util.", "%", false},   {"stalled", "%", false}, {"DRAM", "kB", false},
        {"energy", "uJ", false},    {"limited", "by", true}, {"", "%", false},        {"keys in", "blocks", false},
        {"un-", "clustered", false}};
    enum { BLOCKS = 11, UNCLUSTERED = 12 };
    arena *scratch = arena_new();
    table_row *rows = ARENA_ARRAY(scratch, table_row, count);
    bool blocked = false, compared = false;
    for (size_t i = 0; i < count; i++) {
        put_row(reports[i], &rows[i]);
        blocked |= *rows[i].cell[BLOCKS] != '\0';
        compared |= *rows[i].cell[UNCLUSTERED] != '\0';
    }
    if (!blocked && compared) /* columns that say nothing are left out */
        for (size_t i = 0; i < count; i++)
            memcpy(rows[i].cell[BLOCKS], rows[i].cell[UNCLUSTERED], TABLE_CELL);
    table_column shown[sizeof columns / sizeof *columns];
    memcpy(shown, columns, sizeof columns);
    if (!blocked)
        shown[BLOCKS] = columns[UNCLUSTERED];
    report_text_title(reports[0], count, out);
    table_print(shown, (size_t)BLOCKS + blocked + compared, rows, count, out);
    put_legend(reports, count, blocked, out);
    for (size_t i = 0; i < count; i++) {
        if (reports[i]->remark_count > 0) {
            fprintf(out, "\n%" PRIu32 " tokens", reports[i]->seq);
            report_text_remarks(reports[i], scratch, out);
        }
    }
    arena_free(scratch);
}
