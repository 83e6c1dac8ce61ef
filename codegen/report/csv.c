/* The layers of a report as CSV: units in the header, one row for each layer. */
#include <stddef.h>

#include "codegen/report/format.h"
#include "codegen/report/number.h"

typedef enum { CELL_U32, CELL_U64, CELL_REAL, CELL_BOOL, CELL_LIMIT } cell_kind;

/** A column: its heading and the member of report_layer it shows. */
typedef struct {
    const char *heading;
    cell_kind kind;
    size_t offset;
} csv_column;

#define COLUMN(heading, kind, member) {heading, kind, offsetof(report_layer, member)}
#define MATMUL(name)                                                                                                   \
    COLUMN(#name "_iterations", CELL_REAL, name.iterations),                                                           \
        COLUMN(#name "_stalled_iterations", CELL_REAL, name.stalled_iterations),                                       \
        COLUMN(#name "_stall_ratio_mean", CELL_REAL, name.stall_ratio_mean),                                           \
        COLUMN(#name "_step_cycles", CELL_REAL, name.step_cycles), COLUMN(#name "_cycles", CELL_REAL, name.cycles),    \
        COLUMN(#name "_bound_cycles", CELL_REAL, name.bound_cycles),                                                   \
        COLUMN(#name "_tile_bound_cycles", CELL_REAL, name.tile_bound_cycles)

static const csv_column columns[] = {
    COLUMN("layer", CELL_U32, index),
    COLUMN("tokens", CELL_U32, tokens),
    COLUMN("tokens_0bit", CELL_U32, pruned),
    COLUMN("tokens_4bit", CELL_U32, low),
    COLUMN("tokens_8bit", CELL_U32, high),
    COLUMN("promoted_q", CELL_U32, promoted[DTQ_Q]),
    COLUMN("promoted_k", CELL_U32, promoted[DTQ_K]),
    COLUMN("promoted_v", CELL_U32, promoted[DTQ_V]),
    COLUMN("promoted_p", CELL_U32, promoted[DTQ_P]),
    COLUMN("expected", CELL_BOOL, expected),
    MATMUL(qk),
    MATMUL(pv),
    COLUMN("start_cycle", CELL_U64, start),
    COLUMN("end_cycle", CELL_U64, end),
    COLUMN("cycles", CELL_REAL, cycles),
    COLUMN("share", CELL_REAL, share),
    COLUMN("utilisation", CELL_REAL, utilisation),
    COLUMN("limiter", CELL_LIMIT, limit),
    COLUMN("array_busy_cycles", CELL_U64, array_busy),
    COLUMN("softmax_busy_cycles", CELL_U64, softmax_busy),
    COLUMN("dma_busy_cycles", CELL_U64, dma_busy),
    COLUMN("topk_busy_cycles", CELL_U64, topk_busy),
    COLUMN("dram_bytes", CELL_U64, dram_bytes),
    COLUMN("bops", CELL_U64, bops),
    /* where the arrays compute linears, too */
    MATMUL(linear),
    COLUMN("linear_cycles_added", CELL_REAL, linear_cycles),
};
enum { COLUMN_COUNT = sizeof columns / sizeof *columns, LINEAR_COLUMNS = 8 };

static void put_cell(const report_layer *l, const csv_column *c, FILE *out) {
    const void *member = (const char *)l + c->offset;
    char text[NUMBER_MAX];
    switch (c->kind) {
    case CELL_U32:
        fprintf(out, "%u", *(const uint32_t *)member);
        break;
    case CELL_U64:
        fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)member);
        break;
    case CELL_REAL:
        number_shortest(*(const double *)member, text);
        fputs(text, out);
        break;
    case CELL_BOOL:
        fputs(*(const bool *)member ? "true" : "false", out);
        break;
    case CELL_LIMIT:
        fputs(report_limit_name(*(const report_limit *)member), out);
        break;
    }
}

void report_csv(const report *r, FILE *out) {
    const size_t count = r->linears ? COLUMN_COUNT : COLUMN_COUNT - LINEAR_COLUMNS;
    for (size_t c = 0; c < count; c++) {
        fprintf(out, "%s%s", c ? "," : "", columns[c].heading);
    }
    fputc('\n', out);
    for (size_t i = 0; i < r->layer_count; i++) {
        for (size_t c = 0; c < count; c++) {
            if (c) {
                fputc(',', out);
            }
            put_cell(&r->layers[i], &columns[c], out);
        }
        fputc('\n', out);
    }
}
