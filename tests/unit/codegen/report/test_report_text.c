/* The report for people: what it says, how it lines up, what it leaves out. */
#include "codegen/report_util.h"

#include "runtime/machine_members.h"

static dtq_machine machine;
static report_layer layers[40];

/** `count` layers of 64 tokens, 1000 cycles each, on two arrays at 2 GHz. */
static report sample(size_t count) {
    dtq_machine_init(&machine);
    machine.top_clock_ghz = 2;
    machine.vssa_arrays = 2;
    report r = {.model = "sample",
                .target = "small",
                .machine = &machine,
                .seq = 100,
                .clustered = true,
                .layer_count = count,
                .layers = layers,
                .cycles = 1000.0 * (double)count,
                .bound_cycles = 800.0 * (double)count,
                .tile_bound_cycles = 840.0 * (double)count,
                .utilisation = 0.8,
                .dram_bytes = 4720000 * count,
                .instructions = 12345,
                .mac_cycles = 1234567,
                .stall_cycles = 65433,
                .energy_pj = 91.4e6,
                .dense_ops = 1e6 * (double)count};
    for (size_t i = 0; i < count; i++)
        layers[i] = (report_layer){.index = (uint32_t)i,
                                   .tokens = 64,
                                   .pruned = 36,
                                   .low = 40,
                                   .high = 24,
                                   .start = 1000 * i,
                                   .end = 1000 * (i + 1),
                                   .cycles = 1000,
                                   .share = 1 / (double)count,
                                   .utilisation = 0.8,
                                   .limit = LIMIT_SOFTMAX,
                                   .dram_bytes = 4720000,
                                   .qk = {20, 5, 0.125, 33.5, 400, 300, 320},
                                   .pv = {40, 10, 0.25, 1234, 600, 500, 520}};
    return r;
}

static char *print(const report *r) {
    memory_file f;
    ck_assert(report_print(r, REPORT_TEXT, memory_open(&f)));
    char *text = memory_close(&f);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n");
        ck_assert_msg(length <= 100, "%zu columns: %.*s", length, (int)length, line);
        ck_assert_msg(length == 0 || line[length - 1] != ' ', "blank at the end: %.*s", (int)length, line);
    }
    return text;
}

static const char *expect(const char *text, const char *wanted) {
    const char *found = strstr(text, wanted);
    ck_assert_msg(found, "no \"%s\" in\n%s", wanted, text);
    return found;
}

static void expect_no(const char *text, const char *unwanted) {
    ck_assert_msg(!strstr(text, unwanted), "\"%s\" in\n%s", unwanted, text);
}

START_TEST(area_where_the_target_has_one) {
    report r = sample(1);
    char *text = print(&r);
    expect_no(text, "  area ");
    free(text);
    machine.area_pe_um2 = 1000;
    machine.area_topk_lane_um2 = 500;
    machine.area_other_mm2 = 2;
    text = print(&r);
    expect(text, "  area                   2.436 mm2   PEs 0.396, buffers 0, softmax 0, top-k 0.04, other 2\n");
    free(text);
}
END_TEST

START_TEST(summary) {
    report r = sample(2);
    char *text = print(&r);
    expect(text, "sample, 100 tokens, on small\n2 arrays of 18 x 11 PEs at 2 GHz; drain overlapped, prob_bits row, "
                 "prefetch data\n");
    expect(text, "  cycles                 2,000       1 us at 2 GHz\n");
    expect(text, "  bound                  1,600       utilisation 80.0 %");
    expect(text, "  work               1,234,567       PE-cycles of work, and 65,433 stalled (5.0 % of both)\n");
    expect(text, "  DRAM                    9.44 MB ");
    expect(text, "  energy                  91.4 uJ\n");
    expect(text, "  throughput             2,000 GOP/s dense-equivalent: 2 operations for each MAC of attention");
    expect(text, "  instructions          12,345\n");
    expect(text, "attention; projections, FFN and norms run on the host and take no accelerator cycles\n");
    expect_no(text, "unclustered");
    expect_no(text, "~");
    expect_no(text, "remarks");
    free(text);

    r.unclustered_cycles = 3000;
    text = print(&r);
    expect(text,
           "  unclustered            3,000       cycles with tokens in their original order, 1.50 times as many\n");
    free(text);
}
END_TEST

START_TEST(equal_neighbours_share_a_row) {
    report r = sample(6);
    layers[0].cycles = 1700;
    layers[5].limit = LIMIT_TOPK;
    char *text = print(&r);
    const char *rows = expect(text, "  layer  0-bit   4-bit  8-bit");
    rows = expect(rows, "\n  0         36      40     24   1,700   16.7   80.0   12.5   25.0   4,720  softmax\n");
    rows = expect(rows, "  1-4       36      40     24   1,000   16.7   80.0   12.5   25.0   4,720  softmax\n");
    rows = expect(rows, "  5         36      40     24   1,000   16.7   80.0   12.5   25.0   4,720  topk\n  ---");
    expect(rows, "  total                         6,000          80.0   12.5   25.0  28,320\n");
    /* their matmuls are all alike */
    expect(text,
           "  whole tiles            5,040       the least in whole tiles; their edges are 20 % of what is above");
    expect(rows, "  0-5    Q.K             20        5   12.5    33.5     400     300    320\n"
                 "         P.V             40       10   25.0   1,234     600     500    520\n");
    expect(text, "  layer a-b ");
    free(text);
}
END_TEST

START_TEST(a_single_layer_needs_no_total) {
    report r = sample(1);
    char *text = print(&r);
    expect_no(text, "total  ");
    expect_no(text, "layer a-b");
    expect(text, "100.0");
    free(text);
}
END_TEST

START_TEST(expectations_are_marked) {
    report r = sample(2);
    r.clustered = false;
    layers[1].expected = true;
    char *text = print(&r);
    expect(text, "tokens not clustered; cycles depend on the data: expectations are marked ~\n");
    expect(text, "  cycles                ~2,000 ");
    expect(text, "  0         36      40     24   1,000 ");
    expect(text, "  1         36      40     24  ~1,000 ");
    expect(text, "~34    ~400     300    320\n");
    expect(text, "  ~             which slots run at 8 bits is known only at run time");
    free(text);
    r.measured = true;
    text = print(&r);
    expect(text, "tokens not clustered; cycles measured by the simulator\n");
    expect(text, "  cycles                 2,000 ");
    expect_no(text, "~1,000");
    free(text);
}
END_TEST

START_TEST(remarks_wrap_and_repeat_once) {
    report r = sample(1);
    const diag_entry entries[] = {
        {DIAG_REMARK,
         {"a.yaml", 3, 1},
         "a remark so long that it does not fit on one line of a hundred columns and has to be "
         "broken between two of its words"},
        {DIAG_REMARK, {0}, "twice"},
        {DIAG_REMARK, {0}, "twice"},
        {DIAG_REMARK,
         {0},
         "line\nbreaks\tand "
         "\x1b[31m colours"},
    };
    const diag_entry *remarks[] = {&entries[0], &entries[1], &entries[2], &entries[3]};
    r.remarks = remarks;
    r.remark_count = 4;
    char *text = print(&r);
    const char *at = expect(text, "\nremarks\n  a.yaml:3: a remark so long that");
    at = expect(at, "\n  twice\n");
    expect_no(at + 8, "twice");
    expect(at, "  line breaks and \\x1b[31m colours\n");
    free(text);
}
END_TEST

START_TEST(large_numbers_fit) {
    report r = sample(40);
    for (size_t i = 0; i < 40; i++) {
        layers[i].pruned = layers[i].low = layers[i].high = 65536 - (uint32_t)i;
        layers[i].cycles = 5.5e12 + (double)i;
        layers[i].expected = true;
        layers[i].dram_bytes = 123456789012 + i;
        layers[i].qk = (report_matmul){1e10, 1e10, 0.99999, 123456789012.5, 1e12, 999999999999.9, 999999999999.9};
    }
    r.cycles = 2.2e14;
    r.dram_bytes = 40 * 123456789012;
    r.mac_cycles = r.stall_cycles = 1000000000000000;
    r.energy_pj = 1e15;
    char *text = print(&r);
    expect(text, "~5,500,000M");
    expect(text, "4.94 TB");
    expect(text, "1,000,000,000 uJ");
    free(text);
}
END_TEST

START_TEST(an_empty_report_prints) {
    report r = sample(0);
    r.model = "";
    char *text = print(&r);
    expect(text, "(unnamed model), 100 tokens");
    expect_no(text, "layer  ");
    free(text);
}
END_TEST

START_TEST(a_full_disk_is_noticed) {
    report r = sample(1);
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        return;
    for (int format = REPORT_TEXT; format <= REPORT_CSV; format++)
        ck_assert(!report_print(&r, (report_format)format, full));
    fclose(full);
}
END_TEST

REPORT_MAIN("report_text", area_where_the_target_has_one, summary, equal_neighbours_share_a_row,
            a_single_layer_needs_no_total, expectations_are_marked, remarks_wrap_and_repeat_once, large_numbers_fit,
            an_empty_report_prints, a_full_disk_is_noticed)
