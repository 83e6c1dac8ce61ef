/* The JSON report: valid, complete, and with the numbers of the report it prints. */
#include "codegen/report_util.h"

#include "runtime/machine_members.h"

#include <math.h>

static char *print(const report *r) {
    memory_file f;
    ck_assert(report_print(r, REPORT_JSON, memory_open(&f)));
    char *text = memory_close(&f);
    ck_assert_msg(json_valid(text), "not JSON:\n%s", text);
    return text;
}

static void expect(const char *text, const char *wanted) {
    ck_assert_msg(strstr(text, wanted), "no %s in\n%s", wanted, text);
}

START_TEST(fig5) {
    arena *a = arena_new();
    report *r = report_build(a, diag_new(a, NULL), fig5_module(a, false));
    ck_assert_ptr_nonnull(r);
    char *text = print(r);
    expect(text, "\"schema\": \"dtqc-report/1\"");
    expect(text, "\"model\": \"fig5\"");
    expect(text, "\"drain\": \"ideal\"");
    expect(text, "\"prefetch\": \"data\"");
    expect(text, "\"clock_ghz\": 1\n");
    expect(text, "\"clustered\": false");
    expect(text, "{\"bits\": 4, \"tokens\": 1},\n        {\"bits\": 8, \"tokens\": 1},");
    const char *qk = json_after(text, "qk"), *pv = json_after(text, "pv"), *total = json_after(text, "total");
    expect(qk, "\"iterations\": 9,");
    expect(qk, "\"stalled_iterations\": 8,");
    expect(qk, "\"step_cycles\": 25,");
    expect(qk, "\"cycles\": 225,");
    expect(qk, "\"bound_cycles\": 121,\n");
    expect(qk, "\"tile_bound_cycles\": 144\n");
    ck_assert_double_eq_tol(json_number(qk, "stall_ratio_mean"), 0.395, 5e-4);
    ck_assert_double_eq(json_number(pv, "cycles"), 165);
    ck_assert_double_eq(json_number(text, "tokens"), 9);
    ck_assert_double_eq(json_number(pv, "share"), 1);
    expect(pv, "\"limiter\": \"array\"");
    ck_assert_double_eq(json_number(total, "cycles"), r->cycles);
    ck_assert_double_eq(json_number(total, "bound_cycles"), 242);
    ck_assert_double_eq(json_number(total, "tile_bound_cycles"), 276);
    ck_assert_double_eq(json_number(total, "utilisation"), r->utilisation);
    ck_assert_double_eq(json_number(total, "energy_pj"), r->energy_pj);
    ck_assert_int_eq(strncmp(json_after(total, "area_mm2"), "null", 4), 0); /* the target says nothing of it */
    ck_assert_double_eq(json_number(total, "dram_bytes"), 627);
    ck_assert_double_eq(json_number(total, "time_us"), r->cycles / 1000);
    expect(total, "\"unclustered_cycles\": null");
    expect(total, "\"remarks\": []");
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(every_member_shows) {
    dtq_machine machine;
    dtq_machine_init(&machine);
    machine.top_clock_ghz = 0.5;
    report_layer layer = {.index = 3,
                          .tokens = 7,
                          .pruned = 2,
                          .low = 4,
                          .high = 3,
                          .promoted = {1, 2, 3, 4},
                          .expected = true,
                          .start = 11,
                          .end = 111,
                          .cycles = 100,
                          .share = 0.25,
                          .utilisation = 0.5,
                          .array_busy = 60,
                          .softmax_busy = 61,
                          .dma_busy = 62,
                          .topk_busy = 63,
                          .limit = LIMIT_TOPK,
                          .dram_bytes = 64,
                          .bops = 65,
                          .qk = {.cycles = 1.5},
                          .pv = {.stall_ratio_mean = NAN}};
    diag_entry remark = {DIAG_REMARK, {"m.yaml", 4, 2}, "a \"quoted\" remark"};
    const diag_entry *remarks[] = {&remark};
    report r = {.model = "m\"\xff",
                .target = "t",
                .machine = &machine,
                .seq = 9,
                .clustered = true,
                .optimised = true,
                .measured = true,
                .layer_count = 1,
                .layers = &layer,
                .cycles = 400,
                .unclustered_cycles = 800,
                .instructions = 21,
                .mac_cycles = 22,
                .stall_cycles = 23,
                .bops = 24,
                .dense_ops = 4000,
                .remark_count = 1,
                .remarks = remarks};
    char *text = print(&r);
    static const char *const wanted[] = {"\"model\": \"m\\\"\xEF\xBF\xBD\"",
                                         "\"name\": \"t\"",
                                         "\"clock_ghz\": 0.5",
                                         "\"seq\": 9",
                                         "\"clustered\": true",
                                         "\"optimised\": true",
                                         "\"measured\": true",
                                         "\"index\": 3",
                                         "\"tokens\": 7",
                                         "\"pruned\": 2",
                                         "\"low\": 4",
                                         "\"high\": 3",
                                         "\"segments\": []",
                                         "\"promoted\": {\"q\": 1, \"k\": 2, \"v\": 3, \"p\": 4}",
                                         "\"expected\": true",
                                         "\"cycles\": 1.5",
                                         "\"stall_ratio_mean\": null",
                                         "\"start_cycle\": 11",
                                         "\"end_cycle\": 111",
                                         "\"cycles\": 100",
                                         "\"share\": 0.25",
                                         "\"limiter\": \"topk\"",
                                         "\"busy_cycles\": {\"array\": 60, \"softmax\": 61, \"dma\": 62, \"topk\": 63}",
                                         "\"dram_bytes\": 64",
                                         "\"bops\": 65",
                                         "\"unclustered_cycles\": 800",
                                         "\"time_us\": 0.8",
                                         "\"dense_gop_per_s\": 5",
                                         "\"instructions\": 21",
                                         "\"mac_cycles\": 22",
                                         "\"stall_cycles\": 23",
                                         "\"bops\": 24",
                                         "\"file\": \"m.yaml\"",
                                         "\"line\": 4",
                                         "\"col\": 2",
                                         "\"message\": \"a \\\"quoted\\\" remark\""};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        expect(text, wanted[i]);
    free(text);
}
END_TEST

START_TEST(names_the_target_by_hash) {
    dtq_machine machine;
    dtq_machine_init(&machine);
    report r = {.model = "", .target = "", .machine = &machine};
    char *text = print(&r), hash[40];
    snprintf(hash, sizeof hash, "\"hash\": \"%016llx\"", (unsigned long long)dtq_machine_hash(&machine));
    expect(text, hash);
    static const char *const drains[] = {"ideal", "serial", "overlapped"};
    free(text);
    for (unsigned i = 0; i < 3; i++) {
        machine.top_drain = i;
        text = print(&r);
        ck_assert(strncmp(json_after(text, "drain") + 1, drains[i], strlen(drains[i])) == 0);
        free(text);
    }
}
END_TEST

REPORT_MAIN("report_json", fig5, every_member_shows, names_the_target_by_hash)
