/* The roofline of a report (Williams, Waterman and Patterson 2009): what each layer does in a cycle against what it
 * does for a byte of DRAM, under the roofs of the arrays and of DRAM. Work is PE-cycles: a 4-bit by 4-bit MAC is one.
 */
#include <math.h>
#include <string.h>

#include "codegen/report/html/html.h"

#include "runtime/machine_members.h"

enum { WORK_BOPS = 16 /* of a PE-cycle */, COLUMNS = 64, ROWS = 16 };

typedef struct {
    const char *name;
    char text[24];
    double per_byte, per_cycle, roof;
} roof_point;

typedef struct {
    double peak, bytes; /* of a cycle: PE-cycles of work, and bytes of DRAM in both directions */
    size_t count;
    roof_point *points; /* runs of layers that are alike, and the whole */
} roofline;

static double roof_at(const roofline *r, double per_byte) {
    return fmin(r->peak, per_byte * r->bytes);
}

static void add(roofline *r, const char *name, double bops, double bytes, double cycles) {
    roof_point *p = &r->points[r->count++];
    snprintf(p->text, sizeof p->text, "%s", name);
    p->name = p->text;
    p->per_byte = bytes > 0 ? bops / (double)WORK_BOPS / bytes : (double)INFINITY;
    p->per_cycle = cycles > 0 ? bops / (double)WORK_BOPS / cycles : 0;
    p->roof = roof_at(r, p->per_byte);
}

static bool alike(const report_layer *a, const report_layer *b) {
    return a->bops == b->bops && a->dram_bytes == b->dram_bytes && a->cycles == b->cycles;
}

static roofline build(arena *a, const report *r) {
    roofline l = {.peak = (double)dtq_machine_pes(r->machine),
                  .bytes = 2 * r->machine->dram_gb_per_s / r->machine->top_clock_ghz,
                  .points = ARENA_ARRAY(a, roof_point, r->layer_count + 1)};
    for (size_t i = 0, end; i < r->layer_count; i = end) {
        const report_layer *first = &r->layers[i];
        for (end = i + 1; end < r->layer_count && alike(first, &r->layers[end]); end++)
            continue;
        add(&l,
            end == i + 1 ? arena_printf(a, "%u", first->index)
                         : arena_printf(a, "%u-%u", first->index, r->layers[end - 1].index),
            (double)first->bops, (double)first->dram_bytes, first->cycles);
    }
    add(&l, "total", (double)r->bops, (double)r->dram_bytes, r->cycles);
    return l;
}

/* Logarithms of what is shown across and up. */
typedef struct {
    double x0, x1, y0, y1;
} range;

static range range_of(const roofline *l) {
    const double ridge = l->peak / l->bytes;
    range r = {log10(ridge) - .5, log10(ridge) + .5, INFINITY, log10(l->peak) + .15};
    for (size_t i = 0; i < l->count; i++) {
        if (isfinite(l->points[i].per_byte) && l->points[i].per_byte > 0) {
            r.x0 = fmin(r.x0, log10(l->points[i].per_byte) - .2);
            r.x1 = fmax(r.x1, log10(l->points[i].per_byte) + .2);
        }
        if (l->points[i].per_cycle > 0)
            r.y0 = fmin(r.y0, log10(l->points[i].per_cycle) - .2);
    }
    r.y0 = fmin(fmin(r.y0, log10(roof_at(l, pow(10, r.x0)))), r.y1 - 1);
    return r;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void plot(const roofline *l, FILE *out) {
    const range r = range_of(l);
    char grid[ROWS][COLUMNS + 1];
    memset(grid, ' ', sizeof grid);
    for (int c = 0; c < COLUMNS; c++) {
        const double x = r.x0 + (r.x1 - r.x0) * (c + .5) / (double)COLUMNS;
        const int row = (int)((r.y1 - log10(roof_at(l, pow(10, x)))) / (r.y1 - r.y0) * (double)ROWS);
        if (row >= 0 && row < ROWS)
            grid[row][c] = pow(10, x) * l->bytes < l->peak ? '/' : '-';
    }
    for (size_t i = 0; i < l->count; i++) {
        const roof_point *p = &l->points[i];
        const int c = (int)((log10(p->per_byte) - r.x0) / (r.x1 - r.x0) * (double)COLUMNS);
        const int row = (int)((r.y1 - log10(p->per_cycle)) / (r.y1 - r.y0) * (double)ROWS);
        if (isfinite(p->per_byte) && p->per_cycle > 0 && c >= 0 && c < COLUMNS && row >= 0 && row < ROWS)
            grid[row][c] = i + 1 == l->count ? 'T' : 'o';
    }
    fputs("\n  work / cycle\n", out);
    for (int row = 0; row < ROWS; row++) {
        int end = COLUMNS;
        while (end > 0 && grid[row][end - 1] == ' ')
            end--;
        fprintf(out, "  %7.0f |%.*s\n", pow(10, r.y1 - (r.y1 - r.y0) * (row + .5) / (double)ROWS), end, grid[row]);
    }
    fprintf(out, "          +");
    for (int c = 0; c < COLUMNS; c++)
        fputc('-', out);
    fprintf(out, "\n           %-*.3g%8.3g  work / byte\n", COLUMNS - 8, pow(10, r.x0), pow(10, r.x1));
}

static void print_text(const report *r, const roofline *l, FILE *out) {
    fprintf(out, "%s, %u tokens, on %s: roofline\n\n", r->model, r->seq, r->target);
    fprintf(out, "  arrays  %.0f PE-cycles of work a cycle; DRAM %.4g bytes a cycle; they meet at %.4g work / byte\n\n",
            l->peak, l->bytes, l->peak / l->bytes);
    fprintf(out, "  %-7s  %11s  %12s  %9s  %9s  %s\n", "layer", "work / byte", "work / cycle", "roof", "of it %",
            "under");
    for (size_t i = 0; i < l->count; i++) {
        const roof_point *p = &l->points[i];
        fprintf(out, "  %-7s  %11.2f  %12.1f  %9.1f  %9.1f  %s\n", p->name, p->per_byte, p->per_cycle, p->roof,
                p->roof > 0 ? 100 * p->per_cycle / p->roof : 0, p->roof < l->peak ? "DRAM" : "arrays");
    }
    plot(l, out);
    fputs("\n  o a layer, or several alike; T the whole; / DRAM's roof; - the arrays'. Both axes are logarithmic.\n",
          out);
}

/* ---- HTML -------------------------------------------------------------------------------------------------------- */

enum { WIDTH = 760, HEIGHT = 420, LEFT = 70, RIGHT = 20, TOP = 20, BOTTOM = 50 };

static double across(const range *r, double per_byte) {
    return (double)LEFT + (log10(per_byte) - r->x0) / (r->x1 - r->x0) * (WIDTH - LEFT - RIGHT);
}

static double up(const range *r, double per_cycle) {
    return HEIGHT - BOTTOM - (log10(per_cycle) - r->y0) / (r->y1 - r->y0) * (HEIGHT - TOP - BOTTOM);
}

static void put_grid(const range *r, FILE *out) {
    static const int steps[] = {1, 2, 5};
    for (int e = (int)floor(r->x0) - 1; e <= (int)ceil(r->x1); e++)
        for (size_t i = 0; i < 3; i++) {
            const double v = steps[i] * pow(10, e);
            if (log10(v) >= r->x0 && log10(v) <= r->x1)
                fprintf(out,
                        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text x=\"%.1f\" y=\"%d\" "
                        "text-anchor=\"middle\">%g</text>\n",
                        across(r, v), across(r, v), TOP, HEIGHT - BOTTOM, across(r, v), HEIGHT - BOTTOM + 16, v);
        }
    for (int e = (int)floor(r->y0) - 1; e <= (int)ceil(r->y1); e++)
        for (size_t i = 0; i < 3; i++) {
            const double v = steps[i] * pow(10, e);
            if (log10(v) >= r->y0 && log10(v) <= r->y1)
                fprintf(out,
                        "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
                        "text-anchor=\"end\">%g</text>\n",
                        LEFT, WIDTH - RIGHT, up(r, v), up(r, v), LEFT - 6, up(r, v) + 4, v);
        }
}

static void put_chart(const roofline *l, FILE *out) {
    const range r = range_of(l);
    const double ridge = l->peak / l->bytes;
    fprintf(out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Roofline: work of a cycle by work for a byte\">\n<g "
            "class=\"grid\">\n",
            WIDTH, HEIGHT);
    put_grid(&r, out);
    fprintf(out, "</g>\n<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1f\"/>\n", across(&r, pow(10, r.x0)),
            up(&r, roof_at(l, pow(10, r.x0))), across(&r, ridge), up(&r, l->peak), across(&r, pow(10, r.x1)),
            up(&r, l->peak));
    for (size_t i = 0; i < l->count; i++) {
        const roof_point *p = &l->points[i];
        if (!isfinite(p->per_byte) || !(p->per_cycle > 0) || !(p->per_byte > 0))
            continue;
        fprintf(
            out,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\"%s><title>%s: %.4g work / byte, %.5g work / cycle, %.1f %% of its "
            "roof</title></circle>\n",
            across(&r, p->per_byte), up(&r, p->per_cycle), i + 1 == l->count ? " class=\"whole\"" : "", p->name,
            p->per_byte, p->per_cycle, 100 * p->per_cycle / p->roof);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">work / byte of DRAM</text>\n", (LEFT + WIDTH) / 2,
            HEIGHT - 10);
    fprintf(out, "<text x=\"%d\" y=\"%d\">work / cycle</text>\n</svg>\n", LEFT, TOP - 6);
}

static void print_html(const report *r, const roofline *l, FILE *out) {
    fputs("<h1>", out);
    html_text(out, r->model);
    fprintf(out, ", %u tokens, on ", r->seq);
    html_text(out, r->target);
    fprintf(out,
            "</h1>\n<p>%.0f PE-cycles of work a cycle (a 4-bit by 4-bit MAC is one); DRAM %.4g bytes a cycle.</p>\n",
            l->peak, l->bytes);
    put_chart(l, out);
    fputs("<table><thead><tr><th>layer</th><th>work / byte</th><th>work / cycle</th><th>roof</th><th>of it "
          "%</th><th>under</th>"
          "</tr></thead>\n<tbody>\n",
          out);
    for (size_t i = 0; i < l->count; i++) {
        const roof_point *p = &l->points[i];
        fprintf(out, "<tr><td>%s</td><td>%.2f</td><td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%s</td></tr>\n", p->name,
                p->per_byte, p->per_cycle, p->roof, p->roof > 0 ? 100 * p->per_cycle / p->roof : 0,
                p->roof < l->peak ? "DRAM" : "arrays");
    }
    fputs("</tbody></table>\n", out);
}

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"generator\" "
    "content=\"dtqc\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>dtqc roofline</title>\n<style>\n"
    "body { font: 14px/1.45 system-ui, sans-serif; max-width: 900px; margin: 0 auto; padding: 10px 20px; color-scheme: "
    "light dark; }\n"
    "h1 { font-size: 20px; } svg { width: 100%; } svg text { font-size: 11px; fill: currentColor; }\n"
    ".grid line { stroke: #8884; } .roof { fill: none; stroke: #2c6cb4; stroke-width: 2; } circle { fill: #b1480c; }\n"
    "circle.whole { fill: #c2185b; } th, td { padding: 2px 12px; text-align: right; border-bottom: 1px solid #8886; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; }\n</style>\n</head>\n<body>\n";

bool report_roofline(arena *a, const report *const *reports, size_t count, bool html, FILE *out) {
    if (html)
        fputs(head, out);
    for (size_t i = 0; i < count; i++) {
        const roofline l = build(a, reports[i]);
        if (i > 0 && !html)
            fputc('\n', out);
        (html ? print_html : print_text)(reports[i], &l, out);
    }
    if (html)
        fputs("</body>\n</html>\n", out);
    return !ferror(out);
}
