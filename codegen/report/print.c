/* The door to all formats of a report. */
#include <inttypes.h>
#include <string.h>

#include "codegen/report/format.h"

static bool streams_alike(const dtq_streaming *a, const dtq_streaming *b) {
    return a->window == b->window && a->kept == b->kept && a->near_bits == b->near_bits && a->far_bits == b->far_bits;
}

bool report_streamed(const report *r, size_t *at, char text[REPORT_STREAMED_MOST]) {
    while (*at < r->layer_count && !r->layers[*at].streaming.window)
        ++*at;
    if (*at == r->layer_count)
        return false;
    const report_layer *l = &r->layers[*at];
    const dtq_streaming *s = &l->streaming;
    const double all = (double)l->pairs.all, near = (double)l->pairs.near, far = (double)l->pairs.far;
    const size_t first = (*at)++;
    while (*at < r->layer_count && streams_alike(s, &r->layers[*at].streaming))
        ++*at;
    char range[32];
    snprintf(range, sizeof range, *at == first + 1 ? " %" PRIu32 " streams" : "s %" PRIu32 "-%" PRIu32 " stream",
             l->index, r->layers[*at - 1].index);
    snprintf(text, REPORT_STREAMED_MOST,
             "layer%s: of the pairs of a query and a key in front of it %.1f %% are near, at %u bits, %.1f %% far, at "
             "%u, and %.1f %% left out; the columns of tokens have the bits of near ones",
             range, 100 * near / all, s->near_bits, 100 * far / all, s->far_bits, 100 * (all - near - far) / all);
    return true;
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
