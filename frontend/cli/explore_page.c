/* dtqc explore: the HTML document. What is drawn is in it as JSON; the table is there without scripts. */
#include <math.h>
#include <stdlib.h>

#include "codegen/report/html/html.h"
#include "frontend/cli/explore.h"
#include "frontend/cli/page.h"
#include "frontend/models/models.h"

static void put_row(const exploration *e, const trial *t, FILE *out) {
    if (t->name) {
        fputs("<tr><td>", out);
        html_text(out, t->name);
        fputs("</td>", out);
    } else {
        fprintf(out, "<tr data-trial=\"%zu\"%s><td>%zu</td>", t->number, t->on_front ? " class=\"front\"" : "",
                t->number);
    }
    if (*t->error) {
        fprintf(out, "<td colspan=\"%zu\" style=\"text-align: left\">", 1 + VALUES + e->metric_count + COSTS);
        html_text(out, t->error);
        fputs("</td></tr>\n", out);
        return;
    }
    for (int i = 0; i < VALUES; i++)
        page_cell(explore_value(e, t, &(value_ref){.kind = (value_kind)i}), value_table[i].digits, out);
    for (size_t i = 0; i < e->metric_count; i++)
        page_cell(explore_value(e, t, &(value_ref){.kind = VALUE_METRIC, .index = i}), 4, out);
    for (size_t i = 0; i < COSTS; i++)
        page_cell(explore_value(e, t, &(value_ref){.kind = VALUE_COST, .index = i}), cost_table[i].digits, out);
    fprintf(out, "<td>%zu</td></tr>\n", t->samples);
}

static void put_table(const exploration *e, FILE *out) {
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th>trial</th>", out);
    for (int i = 0; i < VALUES; i++)
        fprintf(out, "<th>%s</th>", value_table[i].title);
    for (size_t i = 0; i < e->metric_count; i++)
        fprintf(out, "<th>%s</th>", e->eval.task->metrics[i].title);
    for (int i = 0; i < COSTS; i++)
        fprintf(out, "<th>%s</th>", cost_table[i].title);
    fputs("<th>samples</th></tr></thead>\n<tbody>\n", out);
    for (size_t i = 0; i < e->search.count; i++)
        put_row(e, &e->trials[i], out);
    for (size_t i = 0; i < e->compared_done; i++)
        put_row(e, &e->compared[i], out);
    fputs("</tbody></table></div>\n", out);
}

static void put_json(const void *context, FILE *out) {
    explore_json(context, out);
}

static void put_heading(const void *context, FILE *out) {
    const exploration *e = context;
    eval_print_heading(&e->eval, out);
}

void explore_page(const exploration *e, FILE *out) {
    page_begin(model_name(e->eval.source.model), "explore", out);
    fputs("<h1>", out);
    html_text(out, model_name(e->eval.source.model));
    fprintf(out, ": %zu trials by %s</h1>\n<p class=\"note\">", e->search.count, e->method->name);
    page_text(put_heading, e, out);
    fprintf(out, "<br>Seed %llu; float32 has a loss of %.5g", (unsigned long long)e->search.seed, e->fp32_loss);
    for (size_t i = 0; i < e->metric_count; i++)
        fprintf(out, ", %s %.4f", e->eval.task->metrics[i].key, e->fp32_metrics[i]);
    fputs(".</p>\n<p>Trial <select id=\"trial\" aria-label=\"Trial\"></select></p>\n<div "
          "class=\"charts\">\n<section>\n<h2>Front</h2>\n"
          "<p>Across <select id=\"x\" aria-label=\"Across\"></select> and up <select id=\"y\" "
          "aria-label=\"Up\"></select></p>\n<figure>",
          out);
    page_chart("front-chart", "Trials by two of their numbers; the front stands out", out);
    fputs("<figcaption>Filled and large: the front. Hollow: breaks a constraint. Squares: what is "
          "compared.</figcaption></figure>\n</section>\n"
          "<section>\n<h2>Trials over time</h2>\n<p>The line is the best so far.</p>\n<figure>",
          out);
    page_chart("time-chart", "The first objective of each trial, and the best so far", out);
    fputs("</figure>\n</section>\n</div>\n<section>\n<h2>Parallel coordinates</h2>\n<figure>", out);
    page_chart("parallel-chart", "A line for each trial through the values of all axes and its objectives", out);
    fputs(
        "<figcaption>Of shares of tokens those of 0 and of 8 bits; the rest has 4. A click chooses a "
        "trial.</figcaption></figure>\n"
        "</section>\n<section id=\"layers\">\n<h2>Layers by precision: <span id=\"layers-name\"></span></h2>\n<figure>",
        out);
    page_chart("layers-chart", "Shares of 0, 4 and 8 bits in each layer of the chosen trial", out);
    fputs("</figure>\n</section>\n<section>\n<h2>Trials</h2>\n", out);
    put_table(e, out);
    fputs("</section>\n", out);
    page_end(put_json, e, out);
}
