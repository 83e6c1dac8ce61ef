/* What pages of searches and sweeps share. */
#include "frontend/cli/page.h"

#include <math.h>
#include <stdlib.h>

#include "codegen/report/html/html.h"
#include "frontend/explore/page.h"

void page_begin(const char *name, const char *command, FILE *out) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "script-src 'unsafe-inline'\">\n<meta name=\"generator\" content=\"dtqc\">\n<title>",
          out);
    html_text(out, name);
    fprintf(out, " - dtqc %s</title>\n<style>\n", command);
    fputs(page_style, out);
    fputs("</style>\n</head>\n<body>\n<main>\n", out);
}

void page_chart(const char *id, const char *label, FILE *out) {
    fprintf(out, "<svg id=\"%s\" role=\"img\" aria-label=\"%s\"></svg>\n", id, label);
}

void page_cell(double x, int digits, FILE *out) {
    if (isnan(x))
        fputs("<td>-</td>", out);
    else
        fprintf(out, "<td>%.*f</td>", digits, x);
}

void page_text(page_part *put, const void *context, FILE *out) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    if (!f)
        return;
    put(context, f);
    fclose(f);
    html_text(out, text);
    free(text);
}

/* JSON within a script: `<` would end it. */
static void put_data(page_part *json, const void *context, FILE *out) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    if (!f)
        return;
    json(context, f);
    fclose(f);
    fputs("<script type=\"application/json\" id=\"data\">\n", out);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == '<')
            fputs("\\u003c", out);
        else
            fputc(text[i], out);
    fputs("</script>\n", out);
    free(text);
}

void page_end(page_part *json, const void *context, FILE *out) {
    fputs("</main>\n", out);
    put_data(json, context, out);
    fputs("<script>\n", out);
    fputs(page_script, out);
    fputs("</script>\n</body>\n</html>\n", out);
}
