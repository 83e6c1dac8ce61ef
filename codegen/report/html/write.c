/* Text and numbers in HTML. */
#include <math.h>
#include <string.h>

#include "codegen/report/html/html.h"
#include "ir/base/number.h"
#include "runtime/visible.h"

void html_text(FILE *out, const char *text) {
    static const char marked[] = "&<>\"'";
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = *text == '\n' || *text == '\t' ? 1 : dtq_visible_length(text, left);
        const char *found = strchr(marked, *text);
        if (found) {
            fputs(entities[found - marked], out);
        } else if (n > 0) {
            fwrite(text, 1, n, out);
        } else {
            fputs("\xEF\xBF\xBD", out); /* U+FFFD */
            n = dtq_utf8_length(text, left);
        }
        n = n > 0 ? n : 1;
    }
}

void html_section(const html_page *p, const char *id, const char *heading) {
    fprintf(p->out, "<section id=\"r%zu-%s\" aria-labelledby=\"r%zu-%s-h\">\n<h2 id=\"r%zu-%s-h\">%s</h2>\n", p->index,
            id, p->index, id, p->index, id, heading);
}

void html_count(FILE *out, double value, bool expected) {
    char text[NUMBER_MAX];
    double tenths = round(value * 10) / 10;
    bool whole = expected || tenths == round(tenths) || tenths >= 1e5;
    fputs(expected ? "~" : "", out);
    fputs(number_grouped(whole ? value : floor(tenths), text), out);
    if (!whole)
        fprintf(out, ".%d", (int)lround((tenths - floor(tenths)) * 10));
}

void html_percent(FILE *out, double fraction) {
    fprintf(out, "%.1f", 100.0 * fraction);
}

void html_value(FILE *out, double value) {
    char text[NUMBER_MAX];
    number_shortest(value, text);
    fprintf(out, " data-value=\"%s\"", text);
}
