/* The layers of a report as CSV: a row for each layer, a column for each member of layer_members.def but lists. */
#include <inttypes.h>

#include "codegen/report/format.h"
#include "codegen/report/members.h"
#include "ir/base/number.h"

static bool is_column(const report *r, const layer_member *m) {
    return m->kind != MEMBER_LIST && member_is_there(r, m);
}

static void put_cell(const report_layer *l, const layer_member *m, FILE *out) {
    const void *member = (const char *)l + m->offset;
    char text[NUMBER_MAX];
    switch (m->kind) {
    case MEMBER_U32:
    case MEMBER_U64:
        fprintf(out, "%" PRIu64, member_whole(l, m));
        break;
    case MEMBER_REAL:
        number_shortest(member_real(l, m), text);
        fputs(text, out);
        break;
    case MEMBER_BOOL:
        fputs(*(const bool *)member ? "true" : "false", out);
        break;
    case MEMBER_LIMIT:
        fputs(report_limit_name(*(const report_limit *)member), out);
        break;
    case MEMBER_LIST:
        break;
    }
}

static void put_heading(const report_layer *l, const layer_member *m, FILE *out) {
    (void)l;
    fprintf(out, "%s%s%s", m->object, *m->object ? "." : "", m->name);
}

/** A line: of every column what `put` writes. */
static void put_line(const report *r, const report_layer *l,
                     void (*put)(const report_layer *, const layer_member *, FILE *), FILE *out) {
    const char *comma = "";
    for (size_t i = 0; i < layer_member_count; i++) {
        if (is_column(r, &layer_members[i])) {
            fputs(comma, out);
            put(l, &layer_members[i], out);
            comma = ",";
        }
    }
    fputc('\n', out);
}

void report_csv(const report *r, FILE *out) {
    put_line(r, NULL, put_heading, out);
    for (size_t i = 0; i < r->layer_count; i++)
        put_line(r, &r->layers[i], put_cell, out);
}
