/* The door to all formats of a report. */
#include <string.h>

#include "codegen/report/format.h"

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
