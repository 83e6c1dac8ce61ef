/* What a run of a system's program took, against the model by hand. */
#include "codegen/report_util.h"

#include <math.h>

#include "codegen/systems/systems.h"

static dtq_layer layers[2] = {{.slots = 100, .heads = 1, .kv_heads = 1, .head_dim = 64},
                              {.slots = 100, .heads = 1, .kv_heads = 1, .head_dim = 64}};
static const dtq_stream stream = {.seq = 100, .layer_count = 2, .layers = layers};

START_TEST(runs_are_priced_by_what_they_did) {
    dtq_system_params p;
    dtq_system_init(DTQ_SYSTEM_a3, &p);
    p.common.top_clock_ghz = 0.5;
    p.a3.search_iterations = 0;
    const dtq_program program = {.scheme = dtq_system_scheme(DTQ_SYSTEM_a3, &p)};
    const dtq_effects did[2] = {{.tokens_kept = 100, .heads_kept = 1, .candidates = 0.2, .survivors = 0.1},
                                {.tokens_kept = 60, .heads_kept = 1, .candidates = 0.7, .survivors = 0.3}};
    system_run run;
    ck_assert(system_price_run(&program, &stream, did, &run));
    ck_assert_double_eq_tol(run.cost.cycles, 100 * (20 + 9) + 100 * (70 + 9) + 2 * 327, 1e-6);
    ck_assert_double_eq_tol(run.cost.macs, 100 * 64 * (20 + 10 + 70 + 30), 1e-6);
    ck_assert_double_eq(run.clock_ghz, 0.5);
    ck_assert_double_eq_tol(run.tokens, 80, 1e-9);
    ck_assert_double_eq_tol(run.energy.compute, run.cost.macs * p.common.energy_mac_pj, 1e-6);
    /* without a run the parameter 0.385 holds */
    ck_assert(system_price_run(&program, &stream, NULL, &run));
    ck_assert_double_eq_tol(run.cost.cycles, 2 * (100 * (39 + 9) + 327), 1e-6);
}
END_TEST

START_TEST(other_programs_have_no_price) {
    const dtq_program program = {.scheme = {.kind = DTQ_SCHEME_MIXED}};
    system_run run;
    ck_assert(!system_price_run(&program, &stream, NULL, &run));
}
END_TEST

REPORT_MAIN("systems_run", runs_are_priced_by_what_they_did, other_programs_have_no_price)
