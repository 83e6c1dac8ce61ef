/* Comparisons: rows from reports and from other systems, and their three forms. */
#include "codegen/report_util.h"

#include <math.h>

#include "codegen/report/compare.h"
#include "runtime/machine_members.h"

static const attention_layer fig5_layer[] = {{.heads = 1, .head_dim = 9}};
static const attention_workload fig5 = {.seq = 9, .layer_count = 1, .layers = fig5_layer};

static void expect_near(double value, double wanted) {
    ck_assert_msg(fabs(value - wanted) <= 1e-9 * fmax(1, fabs(wanted)), "%.17g is not %.17g", value, wanted);
}

static report *fig5_report(arena *a, bool clustered) {
    ir_module *m = fig5_module(a, clustered);
    m->machine->energy_idle_pj = 2;
    m->machine->area_pe_um2 = 1e6;
    m->machine->area_softmax_lane_um2 = 1e4;
    return report_build(a, diag_new(a, NULL), m);
}

START_TEST(row_of_a_report) {
    arena *a = arena_new();
    const report *r = fig5_report(a, true);
    const comparison_row row = comparison_of_report(r, "vssa");
    const dtq_machine *m = r->machine;
    ck_assert_str_eq(row.name, "array3x3");
    expect_near(row.qk_cycles, 144);
    expect_near(row.cycles, r->cycles);
    expect_near(row.time_us, r->cycles / 1000);
    expect_near(row.dense_gops, 4 * 9 * 9 * 9 / r->cycles);
    expect_near(row.area_mm2, 9 + 0.64); /* 9 PEs, 64 lanes */
    /* 2 * 121 * 9 PE-cycles of work; what is left of 9 PEs' time is stalled or idle. */
    expect_near(row.energy_pj.compute, 2178 * m->energy_mac_pj);
    const double stalled = (double)r->stall_cycles, idle = 9 * r->cycles - 2178 - stalled;
    expect_near(row.energy_pj.idle, m->energy_stall_pj * stalled + 2 * idle);
    const energy_parts *e = &row.energy_pj;
    expect_near(e->total, e->compute + e->memory + e->dram + e->softmax + e->topk + e->idle);
    arena_free(a);
}
END_TEST

static char *print(const comparison *c, report_format format) {
    memory_file f;
    ck_assert(comparison_print(c, format, memory_open(&f)));
    return memory_close(&f);
}

START_TEST(three_forms) {
    arena *a = arena_new();
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_a3, &p);
    p.common.top_clock_ghz = 2;
    comparison_row rows[] = {comparison_of_report(fig5_report(a, true), "vssa"),
                             comparison_of_report(fig5_report(a, false), "systolic"),
                             comparison_of_system("a,\"3\"", DTQ_SYSTEM_a3, &p, &fig5)};
    const comparison c = {.model = "fig5", .seq = 9, .dense_ops = 2916, .count = 3, .rows = rows};
    rows[1].expected = true;
    char *json = print(&c, REPORT_JSON), *csv = print(&c, REPORT_CSV), *text = print(&c, REPORT_TEXT);
    ck_assert(json_valid(json));
    const char *third = strstr(json, "\"a,\\\"3\\\"\"");
    ck_assert_ptr_nonnull(third);
    expect_near(json_number(third, "speedup"), 2 * rows[0].cycles / rows[2].cycles);
    expect_near(json_number(third, "dense_gop_per_j"), 2916 / rows[2].energy_pj.total * 1000);
    ck_assert_int_eq(strncmp(json_after(third, "area_mm2"), "null", 4), 0);
    /* A heading for every cell of a row without commas in it. */
    size_t commas[2] = {0};
    const char *at = csv;
    for (int line = 0; line < 2; line++, at++)
        for (; *at != '\n'; at++)
            commas[line] += *at == ',';
    ck_assert_uint_eq(commas[0], commas[1]);
    ck_assert_ptr_nonnull(strstr(csv, "\n\"a,\"\"3\"\"\",a3,false,"));
    ck_assert_ptr_nonnull(strstr(csv, ",area_mm2,pes,array_share,key_blocks,total_cycles,"));
    ck_assert_ptr_nonnull(strstr(text, "attention of fig5, 9 tokens, on 3 systems\n"));
    const char *second = strstr(text, "\n  array3x3  systolic ");
    ck_assert_ptr_nonnull(second);
    ck_assert_int_eq(second[22 + strspn(second + 22, " ")], '~'); /* its cycles, and only its, are a mean */
    ck_assert_ptr_null(memchr(strstr(text, "  vssa "), '~', 40));
    free(json);
    free(csv);
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(workload_of_a_module) {
    arena *a = arena_new();
    attention_workload w;
    ck_assert(attention_workload_read(a, diag_new(a, NULL), fig5_module(a, true), &w));
    ck_assert_uint_eq(w.seq, 9);
    ck_assert_uint_eq(w.layer_count, 1);
    ck_assert_uint_eq(w.layers[0].head_dim, 9);
    ck_assert_uint_eq(w.layers[0].tokens, 9);
    expect_near(attention_dense_ops(&w), 2916);
    arena_free(a);
}
END_TEST

REPORT_MAIN("compare", row_of_a_report, three_forms, workload_of_a_module)
