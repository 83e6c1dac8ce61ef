/* What tiles cost before and after clustering: a table of sums, and the data of the drawing. */
#include <inttypes.h>
#include <string.h>

#include "codegen/report/html/html.h"
#include "codegen/report/tile_grid.h"
#include "ir/base/number.h"

enum { BEFORE, AFTER, ORDERS };

/** Neighbouring layers that look the same. */
typedef struct {
    uint32_t first, last;
    const layer_facts *facts;
    order_origin origin;
    slot_order order[ORDERS];
    tile_grid qk[ORDERS], pv[ORDERS];
} layer_group;

static const uint8_t *chosen_of(const html_page *p, uint32_t layer) {
    const report_input *in = p->report->input;
    return in && in->bits ? in->bits + (size_t)layer * p->report->seq : NULL;
}

/** How many slots have an operand. */
static uint32_t operand_slots(const layer_facts *l, int operand) {
    return operand == DTQ_K ? l->cols : operand == DTQ_V ? l->keys : l->queries;
}

static bool same_bits(const slot_order *a, const slot_order *b, const layer_facts *l) {
    for (int i = 0; i < DTQ_OPERANDS; i++)
        if (memcmp(a->bits[i], b->bits[i], operand_slots(l, i)) != 0)
            return false;
    return a->turned == b->turned || (a->turned && b->turned && memcmp(a->turned, b->turned, l->queries) == 0);
}

static bool same_group(const layer_group *a, const layer_group *b) {
    const layer_facts *x = a->facts, *y = b->facts;
    return x->queries == y->queries && x->keys == y->keys && x->cols == y->cols && x->heads == y->heads &&
           x->head_dim == y->head_dim && a->origin == b->origin && same_bits(&a->order[BEFORE], &b->order[BEFORE], x) &&
           same_bits(&a->order[AFTER], &b->order[AFTER], x);
}

static layer_group *make_groups(const html_page *p, size_t *count) {
    const report *r = p->report;
    layer_group *groups = ARENA_ARRAY(p->arena, layer_group, r->layer_count);
    size_t n = 0;
    for (uint32_t i = 0; i < r->layer_count; i++) {
        layer_group g = {.first = i, .last = i, .facts = &p->facts[i]};
        g.order[BEFORE] = original_order(p->arena, r->module, g.facts, chosen_of(p, i), &g.origin);
        g.order[AFTER] = clustered_order(p->arena, r->module, g.facts);
        if (n > 0 && same_group(&groups[n - 1], &g)) {
            groups[n - 1].last = i;
            continue;
        }
        for (int o = 0; o < ORDERS; o++) {
            g.qk[o] = tile_grid_qk(p->arena, p->cost, r->machine, &g.order[o], g.facts->queries, g.facts->cols,
                                   g.facts->head_dim);
            g.pv[o] = tile_grid_pv(p->arena, p->cost, r->machine, &g.order[o], g.facts->queries, g.facts->keys,
                                   g.facts->head_dim);
        }
        groups[n++] = g;
    }
    *count = n;
    return groups;
}

static const char *label(const html_page *p, const layer_group *g) {
    return g->first == g->last ? arena_printf(p->arena, "%" PRIu32, g->first)
                               : arena_printf(p->arena, "%" PRIu32 "–%" PRIu32, g->first, g->last);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/** Tiles, stalled ones, stall ratio and step cycles of one head. */
typedef struct {
    double tiles, stalled, stall_ratio_mean, step_cycles;
} grid_sums;

static grid_sums sums_of(const tile_grid *g) {
    return (grid_sums){(double)g->tiles, (double)g->stalled, g->stall_ratio_mean, g->step_cycles_sum};
}

/** The mean over all placements, which an example is one of. */
static grid_sums expected_sums(const html_page *p, const layer_facts *l, bool is_pv) {
    cost_expectation e = is_pv ? cost_pv_expected(p->cost, l->slots, l->high, facts_prob8(p->report->machine), 0,
                                                  l->slots, 0, l->slots, l->head_dim)
                               : cost_qk_expected(p->cost, l->slots, l->high, 0, l->slots, 0, l->slots, l->head_dim);
    return (grid_sums){e.tiles, e.stalled_tiles, e.tiles > 0 ? e.stall_ratio_sum / e.tiles : 0, e.step_cycles};
}

static void put_sums(FILE *out, grid_sums s, uint32_t heads, bool about) {
    const double counts[] = {s.stalled * heads, s.step_cycles * heads};
    fputs("<td", out);
    html_value(out, counts[0]);
    fputc('>', out);
    html_count(out, counts[0], about);
    fputs("</td><td", out);
    html_value(out, s.stall_ratio_mean);
    fprintf(out, ">%s", about ? "~" : "");
    html_percent(out, s.stall_ratio_mean);
    fputs("</td><td", out);
    html_value(out, counts[1]);
    fputc('>', out);
    html_count(out, counts[1], about);
    fputs("</td>", out);
}

/** True if the original order's sums are means over all placements. Where queries outnumber keys there is no closed
 * form of them, and the sums are of the example. */
static bool is_expected(const layer_group *g) {
    return g->origin == ORIGIN_EXAMPLE && g->facts->keys == g->facts->slots;
}

static void put_row(const html_page *p, const layer_group *g, bool is_pv) {
    FILE *out = p->out;
    bool about = is_expected(g);
    grid_sums after = sums_of(is_pv ? &g->pv[AFTER] : &g->qk[AFTER]);
    grid_sums before = about ? expected_sums(p, g->facts, is_pv) : sums_of(is_pv ? &g->pv[BEFORE] : &g->qk[BEFORE]);
    fprintf(out, "<tr><th scope=\"row\">%s</th><td class=\"word\">%s</td><td>", label(p, g),
            is_pv ? "P·V" : "Q·K<sup>T</sup>");
    html_count(out, before.tiles * g->facts->heads, false);
    fputs("</td>", out);
    put_sums(out, before, g->facts->heads, about);
    fputs("<td>", out);
    html_count(out, after.tiles * g->facts->heads, false);
    fputs("</td>", out);
    put_sums(out, after, g->facts->heads, false);
    fprintf(out, "<td>%.2f</td></tr>\n", after.step_cycles > 0 ? before.step_cycles / after.step_cycles : 1);
}

static void put_table(const html_page *p, const layer_group *groups, size_t count) {
    bool example = false;
    for (size_t i = 0; i < count; i++)
        example = example || (groups[i].origin == ORIGIN_EXAMPLE && !is_expected(&groups[i]));
    fprintf(p->out,
            "<p class=\"note\">Sums over the tiles of all heads. Step cycles: what the slowest PE of "
            "each "
            "tile takes for one step. Layers with the same numbers share a row, which has the numbers of "
            "each.%s</p>\n"
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Sums over the tiles\">\n"
            "<table class=\"numbers\">\n"
            "<thead><tr><th colspan=\"2\" class=\"group\"></th><th colspan=\"4\" scope=\"colgroup\" "
            "class=\"group\">original order</th><th colspan=\"4\" scope=\"colgroup\" class=\"group\">clustered</th><th "
            "class=\"group\"></th></tr>\n<tr><th scope=\"col\">layer</th><th scope=\"col\">matmul</th>",
            example ? " Where queries outnumber keys, the numbers of the original order are those of the placement "
                      "that is drawn."
                    : "");
    for (int i = 0; i < ORDERS; i++) {
        fputs("<th scope=\"col\">tiles</th><th scope=\"col\">stalled</th><th scope=\"col\">stall&nbsp;%</th><th "
              "scope=\"col\">step cycles</th>",
              p->out);
    }
    fputs("<th scope=\"col\">times as many</th></tr></thead>\n<tbody>\n", p->out);
    for (size_t i = 0; i < count; i++) {
        put_row(p, &groups[i], false);
        put_row(p, &groups[i], true);
    }
    fputs("</tbody>\n</table>\n</div>\n", p->out);
}

/* ---- data of the drawing ----------------------------------------------------------------------------------------- */

static void put_numbers(FILE *out, const char *key, const double *values, size_t count) {
    char text[NUMBER_MAX];
    fprintf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        number_shortest(values[i], text);
        fprintf(out, "%s%s", i ? "," : "", text);
    }
    fputc(']', out);
}

static void put_side(FILE *out, const char *key, const tile_side *s) {
    fprintf(out, "\"%s\":{\"tiles\":[", key);
    for (uint32_t i = 0; i < s->count; i++)
        fprintf(out, "%s%" PRIu32, i ? "," : "", s->class_of[i]);
    fputs("],\"classes\":[", out);
    for (uint32_t i = 0; i < s->class_count; i++)
        fprintf(out, "%s[%" PRIu32 ",%" PRIu32 "]", i ? "," : "", s->classes[i].size, s->classes[i].high);
    fputs("]}", out);
}

static void put_grid(FILE *out, const char *key, const tile_grid *g) {
    fprintf(out, ",\n\"%s\":{\"bands\":[", key);
    for (uint32_t i = 0; i < g->band_count; i++) {
        const tile_band *b = &g->bands[i];
        size_t classes = (size_t)b->rows.class_count * b->cols.class_count;
        fprintf(out, "%s{\"first\":%" PRIu32 ",\"turned\":%s,", i ? "," : "", b->first, b->turned ? "true" : "false");
        put_side(out, "rows", &b->rows);
        fputc(',', out);
        put_side(out, "cols", &b->cols);
        put_numbers(out, "step_cycles", b->step_cycles, classes);
        put_numbers(out, "stall", b->stall_ratio, classes);
        fputc('}', out);
    }
    fprintf(out, "],\"steps\":%" PRIu32 ",\"tiles\":%" PRIu64 ",\"stalled\":%" PRIu64, g->steps, g->tiles, g->stalled);
    put_numbers(out, "sums", (const double[]){g->stall_ratio_mean, g->step_cycles_sum}, 2);
    fputc('}', out);
}

/** Bits as digits, one for each slot; nothing if they are those of the queries, which have been written. */
static void put_bits(FILE *out, const char *key, const uint8_t *bits, const uint8_t *q, uint32_t slots, bool all) {
    if (q && all && memcmp(bits, q, slots) == 0)
        return;
    fprintf(out, "%s\"%s\":\"", q ? "," : "", key);
    for (uint32_t i = 0; i < slots; i++)
        fputc(bits[i] == 8 ? '8' : '4', out);
    fputc('"', out);
}

static void put_order(const html_page *p, const layer_group *g, int o) {
    static const char *const origins[] = {[ORIGIN_KNOWN] = "known", [ORIGIN_RUN] = "run", [ORIGIN_EXAMPLE] = "example"};
    static const char *const operands[DTQ_OPERANDS] = {[DTQ_Q] = "q", [DTQ_K] = "k", [DTQ_V] = "v", [DTQ_P] = "p"};
    const slot_order *order = &g->order[o];
    fprintf(p->out, "%s{\"name\":\"%s\",\"bits\":{", o ? ",\n" : "", o == BEFORE ? origins[g->origin] : "clustered");
    put_bits(p->out, "q", order->bits[DTQ_Q], NULL, g->facts->queries, true);
    for (int i = 0; i < DTQ_OPERANDS; i++) {
        if (i != DTQ_Q) {
            put_bits(p->out, operands[i], order->bits[i], order->bits[DTQ_Q], operand_slots(g->facts, i),
                     operand_slots(g->facts, i) == g->facts->queries);
        }
    }
    fputc('}', p->out);
    put_grid(p->out, "qk", &g->qk[o]);
    put_grid(p->out, "pv", &g->pv[o]);
    fputc('}', p->out);
}

static void put_data(const html_page *p, const layer_group *groups, size_t count) {
    FILE *out = p->out;
    fprintf(out, "<script type=\"application/json\" class=\"data\">{\"groups\":[");
    for (size_t i = 0; i < count; i++) {
        const layer_group *g = &groups[i];
        fprintf(out,
                "%s\n{\"first\":%" PRIu32 ",\"last\":%" PRIu32 ",\"slots\":%" PRIu32 ",\"heads\":%" PRIu32
                ",\"orders\":[",
                i ? "," : "", g->first, g->last, g->facts->queries, g->facts->heads);
        put_order(p, g, BEFORE);
        put_order(p, g, AFTER);
        fputs("]}", out);
    }
    fputs("]}</script>\n", out);
}

/* ---- section ----------------------------------------------------------------------------------------------------- */

static void put_figure(const html_page *p, int order, bool is_pv) {
    fprintf(
        p->out,
        "<figure><figcaption><b>%s</b> <span class=\"sums\"></span><br><span "
        "class=\"ratio\"></span></figcaption><canvas tabindex=\"0\" "
        "role=\"application\" data-order=\"%d\" data-matmul=\"%s\" aria-label=\"Tiles of %s, %s; arrow keys go from "
        "tile to tile\"></canvas></figure>\n",
        is_pv ? "P·V" : "Q·K<sup>T</sup>", order, is_pv ? "pv" : "qk", is_pv ? "P·V" : "Q·K transposed",
        order == BEFORE ? "original order" : "clustered");
}

/** The layer that has most to show: the first with tokens of both precisions, else the first. */
static size_t most_telling(const layer_group *groups, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (groups[i].facts->high > 0 && groups[i].facts->high < groups[i].facts->keys)
            return i;
    return 0;
}

void html_tiles(const html_page *p) {
    size_t count;
    const layer_group *groups = make_groups(p, &count);
    FILE *out = p->out;
    html_section(p, "tiles", "Tiles");
    fputs("<p class=\"note\">All PEs of an array move in lockstep: one 8-bit token makes every PE of its tile wait. "
          "Clustering gathers the 8-bit tokens into few tiles.</p>\n",
          out);
    if (p->report->pairs_seen < p->report->pairs) {
        fputs(
            "<p class=\"note\">Here all tiles are drawn and counted, those too that are left out since the causal mask "
            "hides their keys from all of their queries.</p>\n",
            out);
    }
    put_table(p, groups, count);
    fprintf(out,
            "<div class=\"tiles script\">\n<p class=\"tools\"><label>Layer <select id=\"r%zu-group\" class=\"group\">",
            p->index);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "<option value=\"%zu\"%s>%s</option>", i, i == most_telling(groups, count) ? " selected" : "",
                label(p, &groups[i]));
    }
    fputs("</select></label>\n<span class=\"ramp\"></span></p>\n<div class=\"grids\">\n", out);
    for (int o = 0; o < ORDERS; o++) {
        fprintf(out, "<div class=\"order\"><h3>%s</h3><p class=\"origin\"></p><div class=\"pair\">\n",
                o == BEFORE ? "Before: original order" : "After: clustered");
        put_figure(p, o, false);
        put_figure(p, o, true);
        fputs("</div></div>\n", out);
    }
    fputs("</div>\n<p class=\"readout\">Point at a tile, or go to a grid with Tab and move with the arrow keys.</p>\n",
          out);
    put_data(p, groups, count);
    fputs("</div>\n</section>\n", out);
}
