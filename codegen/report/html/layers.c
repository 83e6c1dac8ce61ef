/* The layers of the HTML report: a table that sorts, and bars of what each uses of the machine. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "codegen/report/html/html.h"

/* ---- table ------------------------------------------------------------------------------------------------------- */

typedef enum {
    CELL_U32,
    CELL_COUNT,
    CELL_SURE, /* a count that depends on how many tokens run at which precision alone, not on where they are */
    CELL_PERCENT,
    CELL_BYTES,
    CELL_LIMIT
} cell_kind;

/** A column: heading, what it means, and the member of report_layer it shows. */
typedef struct {
    const char *heading, *meaning;
    cell_kind kind;
    size_t offset;
} html_column;

#define COLUMN(heading, meaning, kind, member) {heading, meaning, kind, offsetof(report_layer, member)}
#define MATMUL(m)                                                                                                      \
    COLUMN("tiles", "tiles of the matmul, all heads", CELL_SURE, m.iterations),                                        \
        COLUMN("stalled", "tiles in which some PE waits for a slower one", CELL_COUNT, m.stalled_iterations),          \
        COLUMN("stall&nbsp;%", "mean over the tiles of the share of PE-cycles lost to the slowest PE", CELL_PERCENT,   \
               m.stall_ratio_mean),                                                                                    \
        COLUMN("cycles", "what the matmul occupies of one array, or of the busiest; all heads", CELL_COUNT, m.cycles), \
        COLUMN("bound", "work / PEs, cycles", CELL_SURE, m.bound_cycles)

static const html_column columns[] = {
    COLUMN("layer", "", CELL_U32, index),
    COLUMN("0-bit", "tokens of the input whose key has left; where keys are pruned they stay as 4-bit queries",
           CELL_U32, pruned),
    COLUMN("4-bit", "active tokens chosen for 4 bits", CELL_U32, low),
    COLUMN("8-bit", "active tokens chosen for 8 bits", CELL_U32, high),
    COLUMN("Q", "4-bit queries that run at 8 bits because it costs nothing", CELL_U32, promoted[DTQ_Q]),
    COLUMN("K", "4-bit keys that run at 8 bits because it costs nothing", CELL_U32, promoted[DTQ_K]),
    COLUMN("V", "4-bit values that run at 8 bits because it costs nothing", CELL_U32, promoted[DTQ_V]),
    COLUMN("P", "4-bit rows of probabilities that run at 8 bits because it costs nothing", CELL_U32, promoted[DTQ_P]),
    COLUMN("cycles", "from the end of the layer before to the layer's own", CELL_COUNT, cycles),
    COLUMN("share&nbsp;%", "of the total cycles", CELL_PERCENT, share),
    COLUMN("util.&nbsp;%", "bound / cycles, or / what its busiest array is busy for it, where that is more",
           CELL_PERCENT, utilisation),
    MATMUL(qk),
    MATMUL(pv),
    MATMUL(linear),
    COLUMN("added", "cycles of the layer that are not attention's", CELL_COUNT, linear_cycles),
    COLUMN("DRAM&nbsp;kB", "read and written, 1 kB = 1000 bytes", CELL_BYTES, dram_bytes),
    COLUMN("limited by",
           "the engine that is busiest in the layer; latency or dependencies: none works for half of its cycles",
           CELL_LIMIT, limit),
};
enum { COLUMN_COUNT = sizeof columns / sizeof *columns };

enum { OF_MATMUL = 5, OF_LINEARS = OF_MATMUL + 1 };
static const struct {
    const char *heading;
    int columns;
    bool of_linears;
} groups[] = {{"", 1, false},
              {"tokens", 3, false},
              {"promoted", 4, false},
              {"layer", 3, false},
              {"Q·K<sup>T</sup>", OF_MATMUL, false},
              {"P·V", OF_MATMUL, false},
              {"projections, FFN", OF_LINEARS, true},
              {"", 2, false}};

/** Columns of linears are shown where the arrays compute them. */
static bool is_shown(const report *r, const html_column *c) {
    bool of_linears = c->offset >= offsetof(report_layer, linear) && c->offset < offsetof(report_layer, start);
    return r->linears || !of_linears;
}

static void put_cell(const report_layer *l, const html_column *c, bool about, FILE *out) {
    const void *member = (const char *)l + c->offset;
    double value = 0;
    if (c->kind == CELL_U32)
        value = *(const uint32_t *)member;
    else if (c->kind == CELL_BYTES)
        value = (double)*(const uint64_t *)member;
    else if (c->kind != CELL_LIMIT)
        value = *(const double *)member;
    fputs(c->offset == 0 ? "<th scope=\"row\"" : "<td", out);
    if (c->kind == CELL_LIMIT) {
        const char *name = report_limit_name(*(const report_limit *)member);
        fprintf(out, " class=\"word\" data-value=\"%s\">%s</td>", name, name);
        return;
    }
    html_value(out, value);
    fputc('>', out);
    if (c->kind == CELL_PERCENT)
        html_percent(out, value);
    else if (c->kind == CELL_BYTES)
        html_count(out, value / 1000, false);
    else
        html_count(out, value, c->kind == CELL_COUNT && about);
    fputs(c->offset == 0 ? "</th>" : "</td>", out);
}

static void put_headings(const report *r, FILE *out) {
    fputs("<thead>\n<tr>", out);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (r->linears || !groups[i].of_linears) {
            fprintf(out, "<th colspan=\"%d\" scope=\"colgroup\" class=\"group\">%s</th>", groups[i].columns,
                    groups[i].heading);
        }
    }
    fputs("</tr>\n<tr>", out);
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        if (!is_shown(r, &columns[c]))
            continue;
        fprintf(out, "<th scope=\"col\"%s><button type=\"button\" title=\"%s%ssort\">%s</button></th>",
                c == 0 ? " aria-sort=\"ascending\"" : "", columns[c].meaning, *columns[c].meaning ? "; " : "",
                columns[c].heading);
    }
    fputs("</tr>\n</thead>\n", out);
}

void html_layers(const html_page *p) {
    const report *r = p->report;
    FILE *out = p->out;
    html_section(p, "layers", "Layers");
    fputs(
        "<p class=\"note\">A heading sorts; pointing at it says what the column is. Cycles and bytes are of the layer, "
        "all heads together.</p>\n"
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of layers\">\n"
        "<table class=\"numbers sortable\">\n",
        out);
    put_headings(r, out);
    fputs("<tbody>\n", out);
    for (size_t i = 0; i < r->layer_count; i++) {
        const report_layer *l = &r->layers[i];
        fputs("<tr>", out);
        for (size_t c = 0; c < COLUMN_COUNT; c++) {
            if (!is_shown(r, &columns[c]))
                continue;
            /* of a run only matmuls remain expectations */
            bool matmul =
                columns[c].offset >= offsetof(report_layer, qk) && columns[c].offset < offsetof(report_layer, start);
            put_cell(l, &columns[c], l->expected && (matmul || !r->measured), out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n<tfoot><tr><th scope=\"row\">total</th><td colspan=\"7\"></td><td>", out);
    html_count(out, r->cycles, report_expected(r) && !r->measured);
    fputs("</td><td>100.0</td><td>", out);
    html_percent(out, r->utilisation);
    fprintf(out, "</td><td colspan=\"%d\"></td><td>", 2 * OF_MATMUL + (r->linears ? OF_LINEARS : 0));
    html_count(out, (double)r->dram_bytes / 1000, false);
    fputs("</td><td></td></tr></tfoot>\n</table>\n</div>\n</section>\n", out);
}

/* ---- utilisation ------------------------------------------------------------------------------------------------- */

static void put_bar(FILE *out, const char *class, double part, double whole) {
    double percent = whole > 0 ? 100 * part / whole : 0;
    fprintf(out, "<span class=\"%s\" style=\"width:%.2f%%\"></span>", class, percent > 100 ? 100 : percent);
}

static void put_engine(FILE *out, double share, bool limits) {
    fprintf(out, "<td%s", limits ? " class=\"limits\"" : "");
    html_value(out, share);
    fputs("><span class=\"meter\" aria-hidden=\"true\">", out);
    put_bar(out, "busy", share, 1);
    fputs("</span> ", out);
    html_percent(out, share);
    fputs(limits ? " %&nbsp;◂</td>" : " %&nbsp;&nbsp;</td>", out);
}

void html_utilisation(const html_page *p) {
    const report *r = p->report;
    FILE *out = p->out;
    double longest = 0;
    for (size_t i = 0; i < r->layer_count; i++)
        longest = fmax(r->layers[i].cycles, longest);
    html_section(p, "utilisation", "Utilisation");
    fputs(
        "<p class=\"note\"><span class=\"key bound\"></span> bound (work / PEs), <span class=\"key "
        "edges\"></span> what edges of tiles add to it at least, and <span class=\"key rest\"></span> skew, uneven "
        "shares "
        "and waiting make up the layer's cycles, all layers to one scale. Where arrays work for a layer under the one "
        "before for longer than its own cycles, the bound is taken as a share of that time. Then how much of these "
        "cycles each engine is busy; ◂ marks the one that limits the layer, if one is busy for half of them.</p>\n"
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Utilisation of each layer\">\n"
        "<table class=\"bars\">\n"
        "<thead><tr><th scope=\"col\">layer</th><th scope=\"col\" class=\"wide\">bound within cycles</th>"
        "<th scope=\"col\">util.</th><th scope=\"col\">bound, in tiles, cycles</th><th scope=\"col\">array</th>"
        "<th scope=\"col\">softmax</th><th scope=\"col\">DMA</th><th scope=\"col\">top-k</th></tr></thead>\n<tbody>\n",
        out);
    for (size_t i = 0; i < r->layer_count; i++) {
        const report_layer *l = &r->layers[i];
        const double bound = report_bound(l), within = l->utilisation * l->cycles;
        const double tiles = bound > 0 ? fmin(within * report_tile_bound(l) / bound, l->cycles) : 0;
        fprintf(out, "<tr><th scope=\"row\">%u</th><td class=\"wide\"><span class=\"stack\" aria-hidden=\"true\">",
                l->index);
        put_bar(out, "bound", within, longest);
        put_bar(out, "edges", fmax(tiles - within, 0), longest);
        put_bar(out, "rest", fmax(l->cycles - fmax(tiles, within), 0), longest);
        fputs("</span></td><td", out);
        html_value(out, l->utilisation);
        fputc('>', out);
        html_percent(out, l->utilisation);
        fputs(" %</td><td>", out);
        html_count(out, bound, false);
        fputs(", ", out);
        html_count(out, report_tile_bound(l), false);
        fputs(", ", out);
        html_count(out, l->cycles, l->expected && !r->measured);
        fputs("</td>", out);
        put_engine(out, l->busy_share[LIMIT_ARRAY], l->limit == LIMIT_ARRAY);
        put_engine(out, l->busy_share[LIMIT_SOFTMAX], l->limit == LIMIT_SOFTMAX);
        put_engine(out, l->busy_share[LIMIT_DMA], l->limit == LIMIT_DMA);
        put_engine(out, l->busy_share[LIMIT_TOPK], l->limit == LIMIT_TOPK);
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table>\n</div>\n</section>\n", out);
}
