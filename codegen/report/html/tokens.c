/* The tokens of a run, layer by layer, by the precision that each was chosen for. */
#include "codegen/report/html/html.h"

#include <string.h>

/** In how many layers token `i` runs at which precision, in words for its heading. */
static void put_fate(const html_page *p, size_t i) {
    const report *r = p->report;
    const uint8_t *bits = r->input->bits;
    size_t high = 0, low = 0;
    for (size_t l = 0; l < r->layer_count; l++) {
        high += bits[l * r->seq + i] == 8;
        low += bits[l * r->seq + i] == 4;
    }
    fprintf(p->out, "8 bits in %zu layer%s, 4 bits in %zu, pruned in %zu", high, high == 1 ? "" : "s", low,
            r->layer_count - high - low);
}

/** A token's text, in which line breaks and tabs can be seen. */
static void put_token(FILE *out, arena *scratch, const char *text) {
    for (size_t n; *text; text += n) {
        n = strcspn(text, "\n\t");
        html_text(out, arena_strndup(scratch, text, n));
        if (text[n]) {
            fputs(text[n] == '\n' ? "↵" : "⇥", out);
            n++;
        }
    }
}

static void put_token_headings(const html_page *p) {
    const report_input *in = p->report->input;
    fputs("<thead><tr><th scope=\"col\">layer</th>", p->out);
    for (size_t i = 0; i < p->report->seq; i++) {
        fprintf(p->out, "<th scope=\"col\" title=\"token %zu: ", i);
        put_fate(p, i);
        fputs("\"><span>", p->out);
        if (in->tokens && in->tokens[i])
            put_token(p->out, p->arena, in->tokens[i]);
        else
            fprintf(p->out, "%zu", i);
        fputs("</span></th>", p->out);
    }
    fputs("</tr></thead>\n", p->out);
}

void html_tokens(const html_page *p) {
    const report *r = p->report;
    FILE *out = p->out;
    html_section(p, "tokens", "Tokens");
    bool muted = false;
    for (size_t l = 0; l < r->layer_count; l++)
        muted = muted || r->layers[l].muted > 0;
    fprintf(out,
            "<p class=\"note\">Each token of the input by the precision it was chosen for: <span class=\"key "
            "b8\">8</span> 8 "
            "bits, <span class=\"key b4\">4</span> 4 bits, <span class=\"key b0\">·</span> pruned%s. What a layer "
            "measures as a token's importance chooses for the layer after it; the first has none to go by. With the "
            "rule `probe` each layer chooses for itself.</p>\n"
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Tokens by layer\">\n"
            "<table class=\"tokens\">\n",
            muted ? ": its key and value have left, it goes on as a 4-bit query" : "");
    put_token_headings(p);
    fputs("<tbody>\n", out);
    for (size_t l = 0; l < r->layer_count; l++) {
        const uint8_t *bits = r->input->bits + l * r->seq;
        fprintf(out, "<tr><th scope=\"row\">%zu</th>", l);
        for (size_t i = 0; i < r->seq; i++) {
            fputs(bits[i] == 8   ? "<td class=\"b8\">8</td>"
                  : bits[i] == 4 ? "<td class=\"b4\">4</td>"
                                 : "<td class=\"b0\">·</td>",
                  out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table>\n</div>\n</section>\n", out);
}
