/* Text and numbers in HTML. */
#include <math.h>

#include "codegen/report/html.h"
#include "codegen/report/number.h"
#include "codegen/report/utf8.h"

void html_text(FILE *out, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t length = utf8_length(s);
        if (length > 1) {
            fwrite(s, 1, length, out);
        } else if (length == 0) {
            fputs(UTF8_REPLACEMENT, out);
        } else if (*s == '&') {
            fputs("&amp;", out);
        } else if (*s == '<') {
            fputs("&lt;", out);
        } else if (*s == '>') {
            fputs("&gt;", out);
        } else if (*s == '"') {
            fputs("&quot;", out);
        } else if (*s == '\'') {
            fputs("&#39;", out);
        } else if ((*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7F) {
            fputs(UTF8_REPLACEMENT, out);
        } else {
            fputc(*s, out);
        }
        s += length > 0 ? length : 1;
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
    if (!whole) {
        fprintf(out, ".%d", (int)lround((tenths - floor(tenths)) * 10));
    }
}

void html_percent(FILE *out, double fraction) {
    fprintf(out, "%.1f", 100.0 * fraction);
}

void html_value(FILE *out, double value) {
    char text[NUMBER_MAX];
    number_shortest(value, text);
    fprintf(out, " data-value=\"%s\"", text);
}
