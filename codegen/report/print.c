/* The door to all formats of a report. */
#include <string.h>

#include "codegen/report/format.h"

bool report_blocked(const report *r, size_t *at, uint32_t *first, uint32_t *last, uint32_t *blocks) {
    while (*at < r->layer_count && r->layers[*at].key_blocks <= 1) {
        ++*at;
    }
    if (*at == r->layer_count) {
        return false;
    }
    *first = r->layers[*at].index;
    *blocks = 0;
    for (; *at < r->layer_count && r->layers[*at].key_blocks > 1; ++*at) {
        *last = r->layers[*at].index;
        *blocks = r->layers[*at].key_blocks > *blocks ? r->layers[*at].key_blocks : *blocks;
    }
    return true;
}

bool report_print_lengths(const report *const *reports, size_t count, FILE *out) {
    report_text_lengths(reports, count, out);
    return fflush(out) == 0 && !ferror(out);
}

bool report_print(const report *r, report_format format, FILE *out) {
    static void (*const formats[])(const report *, FILE *) = {[REPORT_TEXT] = report_text,
                                                              [REPORT_JSON] = report_json,
                                                              [REPORT_CSV] = report_csv,
                                                              [REPORT_HTML] = report_html_one};
    formats[format](r, out);
    return fflush(out) == 0 && !ferror(out);
}
