/* dtqc sweep: the HTML document. What is drawn is in it as JSON; the table is there without scripts. */
#include <inttypes.h>

#include "codegen/report/html/html.h"
#include "frontend/cli/page.h"
#include "frontend/cli/sweep.h"

static void put_heads(const sweep *w, FILE *out) {
    fputs("<thead><tr><th>row</th><th>model</th><th>tokens</th>", out);
    for (size_t i = 0; i < w->base.space->count; i++) {
        fputs("<th>", out);
        html_text(out, w->base.space->axes[i].key);
        fputs("</th>", out);
    }
    for (int k = 0; k < COSTS; k++)
        fprintf(out, "<th>%s</th>", cost_table[k].title);
    fputs("<th>limit</th></tr></thead>\n", out);
}

static void put_row(const sweep *w, size_t i, uint32_t *point, FILE *out) {
    const sweep_result *r = &w->results[i];
    const sweep_place at = sweep_place_of(w, i);
    const space *sp = w->base.space;
    fprintf(out, "<tr data-trial=\"%zu\"%s><td>%zu</td><td>", i, w->front[i] ? " class=\"front\"" : "", i);
    html_text(out, w->names[at.model]);
    fprintf(out, "</td><td>%" PRIu32 "</td>", sweep_tokens_of(w, at));
    space_point(sp, at.point, point);
    for (size_t x = 0; x < sp->count; x++) {
        fputs("<td>", out);
        html_text(out, sp->axes[x].texts[point[x]]);
        fputs("</td>", out);
    }
    if (*r->error) {
        fprintf(out, "<td colspan=\"%d\" style=\"text-align: left\">", COSTS + 1);
        html_text(out, r->error);
        fputs("</td></tr>\n", out);
        return;
    }
    for (int k = 0; k < COSTS; k++)
        page_cell(r->costs[k], cost_table[k].digits, out);
    fprintf(out, "<td>%s</td></tr>\n", r->outside ? "outside" : r->limit);
}

static void put_json(const void *context, FILE *out) {
    sweep_json(context, out);
}

void sweep_page(const sweep *w, FILE *out) {
    uint32_t *point = ARENA_ARRAY(w->session->arena, uint32_t, w->base.space->count);
    page_begin(w->names[0], "sweep", out);
    fputs("<h1>", out);
    for (size_t i = 0; i < w->model_count; i++) {
        fputs(i ? ", " : "", out);
        html_text(out, w->names[i]);
    }
    fprintf(out,
            ": %zu combinations</h1>\n<p class=\"note\">Of the rows of one model and length those are the front that "
            "no other "
            "is as good as in time, energy and area, and better in one.</p>\n<p>Row <select id=\"trial\" "
            "aria-label=\"Row\"></select></p>\n<div class=\"charts\">\n<section>\n<h2>Front</h2>\n<p>Across <select "
            "id=\"x\" "
            "aria-label=\"Across\"></select> and up <select id=\"y\" aria-label=\"Up\"></select></p>\n<figure>",
            w->count);
    page_chart("front-chart", "Rows by two of their numbers; the front stands out", out);
    fputs("<figcaption>Filled and large: the front. Hollow: breaks a "
          "constraint.</figcaption></figure>\n</section>\n</div>\n"
          "<section>\n<h2>Parallel coordinates</h2>\n<figure>",
          out);
    page_chart("parallel-chart", "A line for each row through the values of all axes, time, energy and area", out);
    fputs("<figcaption>Of shares of tokens those of 0 and of 8 bits; the rest has 4. A click chooses a "
          "row.</figcaption></figure>\n</section>\n<section>\n<h2>Rows</h2>\n<div class=\"scroll\"><table>\n",
          out);
    put_heads(w, out);
    fputs("<tbody>\n", out);
    for (size_t i = 0; i < w->count; i++)
        put_row(w, i, point, out);
    fputs("</tbody></table></div>\n</section>\n", out);
    page_end(put_json, w, out);
}
