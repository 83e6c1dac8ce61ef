/* What every form of the report says alike: words of a machine's parameters, times and rates of its clock. */
#include "codegen/report/format.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/machine_members.h"

double report_us(const dtq_machine *machine, double cycles) {
    return cycles / (machine->top_clock_ghz * 1000.0);
}

double report_dense_gops(const report *r) {
    return r->cycles > 0 ? r->dense_ops * r->machine->top_clock_ghz / r->cycles : 0;
}

int report_word(const char *section, const char *name, const dtq_machine *machine, const char **word) {
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        if (p->kind != DTQ_PARAM_ENUM || strcmp(p->section, section) != 0 || strcmp(p->name, name) != 0)
            continue;
        const char *at = p->words;
        for (double n = dtq_machine_get(machine, p); n > 0 && strchr(at, '|'); n--)
            at = strchr(at, '|') + 1;
        *word = at;
        return (int)strcspn(at, "|");
    }
    *word = "";
    return 0;
}

bool report_blocked(const report *r, size_t *at, uint32_t *first, uint32_t *last, uint32_t *blocks) {
    while (*at < r->layer_count && r->layers[*at].key_blocks <= 1)
        ++*at;
    if (*at == r->layer_count)
        return false;
    *first = r->layers[*at].index;
    *blocks = 0;
    for (; *at < r->layer_count && r->layers[*at].key_blocks > 1; ++*at) {
        *last = r->layers[*at].index;
        *blocks = r->layers[*at].key_blocks > *blocks ? r->layers[*at].key_blocks : *blocks;
    }
    return true;
}

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
