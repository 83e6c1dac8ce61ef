/* The door to all formats of a report. */
#include <string.h>

#include "codegen/report/format.h"

int report_word(const char *section, const char *name, const dtq_machine *machine, const char **word) {
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        if (p->kind != DTQ_PARAM_ENUM || strcmp(p->section, section) != 0 || strcmp(p->name, name) != 0) {
            continue;
        }
        const char *at = p->words;
        for (double n = dtq_machine_get(machine, p); n > 0 && strchr(at, '|'); n--) {
            at = strchr(at, '|') + 1;
        }
        *word = at;
        return (int)strcspn(at, "|");
    }
    *word = "";
    return 0;
}

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
