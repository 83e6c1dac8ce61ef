/* The CSV report: a heading for every cell, a row for every layer. */
#include "codegen/report_util.h"

#include "runtime/machine_members.h"

static size_t count_of(const char *text, size_t length, char c) {
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += text[i] == c;
    return n;
}

/** The cell under `heading` in row `row` (0: the first layer), copied to `out`. */
static const char *cell(const char *text, const char *heading, int row, char out[64]) {
    size_t header = strcspn(text, "\n"), length = strlen(heading);
    const char *at = text;
    int column = 0;
    while (strncmp(at, heading, length) != 0 || (at[length] != ',' && at[length] != '\n')) {
        size_t step = strcspn(at, ",\n");
        ck_assert_msg(at + step < text + header, "no column %s", heading);
        at += step + 1;
        column++;
    }
    at = text;
    for (int i = 0; i <= row; i++)
        at = strchr(at, '\n') + 1;
    for (int i = 0; i < column; i++)
        at = strchr(at, ',') + 1;
    snprintf(out, 64, "%.*s", (int)strcspn(at, ",\n"), at);
    return out;
}

START_TEST(a_row_a_layer) {
    report_layer layers[2] = {{.index = 0,
                               .tokens = 5,
                               .low = 1,
                               .high = 4,
                               .qk = {.iterations = 2, .bound_cycles = 0.1, .tile_bound_cycles = 0.3},
                               .cycles = 70,
                               .limit = LIMIT_DMA},
                              {.index = 1,
                               .tokens = 3,
                               .pruned = 2,
                               .promoted = {0, 0, 0, 9},
                               .expected = true,
                               .pv = {.step_cycles = 1.25},
                               .end = 99,
                               .share = 0.5,
                               .topk_busy = 12,
                               .dma_busy = 13,
                               .array_busy = 14,
                               .softmax_busy = 15,
                               .dram_bytes = 1234567890123,
                               .bops = 77,
                               .limit = LIMIT_SOFTMAX}};
    dtq_machine machine;
    dtq_machine_init(&machine);
    report r = {.model = "", .target = "", .machine = &machine, .layer_count = 2, .layers = layers};
    memory_file f;
    ck_assert(report_print(&r, REPORT_CSV, memory_open(&f)));
    char *text = memory_close(&f), out[64];
    size_t header = strcspn(text, "\n");
    ck_assert_uint_eq(count_of(text, strlen(text), '\n'), 3);
    ck_assert_uint_eq(count_of(text, strlen(text), ','), 3 * count_of(text, header, ','));
    const struct {
        const char *heading;
        int row;
        const char *value;
    } wanted[] = {{"index", 0, "0"},
                  {"index", 1, "1"},
                  {"tokens", 0, "5"},
                  {"pruned", 1, "2"},
                  {"low", 0, "1"},
                  {"high", 0, "4"},
                  {"promoted.p", 1, "9"},
                  {"expected", 0, "false"},
                  {"expected", 1, "true"},
                  {"qk.iterations", 0, "2"},
                  {"qk.bound_cycles", 0, "0.1"},
                  {"qk.tile_bound_cycles", 0, "0.3"},
                  {"pv.step_cycles", 1, "1.25"},
                  {"end_cycle", 1, "99"},
                  {"cycles", 0, "70"},
                  {"share", 1, "0.5"},
                  {"limiter", 0, "dma"},
                  {"limiter", 1, "softmax"},
                  {"busy_cycles.dma", 1, "13"},
                  {"busy_cycles.array", 1, "14"},
                  {"busy_cycles.softmax", 1, "15"},
                  {"busy_cycles.topk", 1, "12"},
                  {"dram_bytes", 1, "1234567890123"},
                  {"bops", 1, "77"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ck_assert_str_eq(cell(text, wanted[i].heading, wanted[i].row, out), wanted[i].value);
    free(text);
}
END_TEST

REPORT_MAIN("report_csv", a_row_a_layer)
