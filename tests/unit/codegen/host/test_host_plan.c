/* Plans of host code: what a program says of a length, but its instructions; and outlines, which plan as whole graphs
 * do. */
#include "codegen/codegen.h"
#include "codegen/host/plan.h"
#include "passes/pass_util.h"
#include "runtime/isa/program.h"

#define TO_PLANNED "infer-shapes assign-precision cluster-precision snap-precision reorder-tokens"

static const attention_problem problems[] = {
    {.seq = 30, .heads = 2, .policy = {"", RUN_TIME_KEEP, RUN_TIME_KEEP}},
    {.seq = 23, .heads = 4, .kv_heads = 2, .mask = "causal", .policy = {"ratios = [250000000, 500000000, 250000000]"}},
    {.seq = 40, .policy = {"ratios = [0, 500000000, 500000000], pinned = [3, 7]", RUN_TIME_KEEP ", pinned = [2]"}},
    {.seq = 19, .policy = {"", RUN_TIME_KEEP ", cluster = none", RUN_TIME_KEEP}},
    {.policy = {FIG5_POLICY}},
    {.seq = 1, .policy = {"", ""}},
};
enum { PROBLEMS = sizeof problems / sizeof *problems };

static dtq_program *plan_of(pass_case *c) {
    dtq_program *p = host_plan(c->memory, c->d, (const ir_module *const *)&c->m, 1);
    ck_assert_msg(p, "%s", ir_diag_text(c->memory, c->d));
    return p;
}

static uint8_t *encoded(const dtq_program *p, size_t *bytes) {
    uint8_t *data;
    dtq_error e = {0};
    ck_assert_msg(dtq_program_encode(p, &data, bytes, &e), "%s", e.message);
    return data;
}

/* The layers are those of the program that the whole pipeline makes, addresses aside; no instruction and no byte of
 * DRAM is in a plan. */
START_TEST(a_plan_is_a_program_without_instructions) {
    pass_case c = pass_attention(problems[_i], TO_PLANNED, true),
              whole = pass_attention(problems[_i], TO_PLANNED, true);
    const dtq_program *plan = plan_of(&c);
    ck_assert(pass_run(
        &whole,
        "tile-attention bounds bops schedule-tiles lower-schedule allocate-buffers liveness insert-sync timeline",
        true));
    const dtq_program *p = codegen_program(whole.memory, whole.d, (const ir_module *const *)&whole.m, 1);
    ck_assert_ptr_nonnull(p);
    const dtq_stream *s = &plan->streams[0], *t = &p->streams[0];
    ck_assert(plan->stream_count == 1 && s->seq == t->seq && s->layer_count == t->layer_count);
    ck_assert(s->input == t->input && s->output == t->output && s->output_width == t->output_width);
    ck_assert(s->count == 0 && s->dram_bytes == 0);
    ck_assert_uint_eq(plan->target_hash, p->target_hash);
    for (uint32_t l = 0; l < s->layer_count; l++) {
        dtq_layer here = s->layers[l], there = t->layers[l];
        ck_assert(here.q == 0 && here.importance_at == 0 && there.importance_at != 0);
        there.q = there.k = there.v = there.q_scale = there.k_scale = there.v_scale = there.out = 0;
        there.importance_at = 0;
        ck_assert_msg(dtq_layer_same(&here, &there), "layer %u", l);
    }
    pass_end(&c);
    pass_end(&whole);
}
END_TEST

START_TEST(plans_survive_encoding) {
    pass_case c = pass_attention(problems[_i], TO_PLANNED, true);
    size_t bytes, again_bytes;
    uint8_t *data = encoded(plan_of(&c), &bytes);
    dtq_program *back;
    dtq_error e = {0};
    ck_assert_msg(dtq_program_decode(data, bytes, &back, &e), "%s", e.message);
    uint8_t *again = encoded(back, &again_bytes);
    ck_assert_uint_eq(bytes, again_bytes);
    ck_assert_mem_eq(data, again, bytes);
    dtq_program_free(back);
    free(data);
    free(again);
    pass_end(&c);
}
END_TEST

/* One graph, typed at a length of its own, plans every length as the graph of that length does. */
START_TEST(outlines_plan_as_whole_graphs_do) {
    static const uint32_t lengths[] = {1, 2, 17, 18, 19, 64};
    attention_problem p = {.seq = 33, .heads = 2, .policy = {"", RUN_TIME_KEEP, "ratios = [0, 700000000, 300000000]"}};
    pass_case typed = pass_attention(p, "infer-shapes", true);
    dtq_program *all = host_plan_begin(typed.memory, typed.d, typed.m, 6);
    for (int i = 0; i < 6; i++) {
        pass_case outline = {.memory = arena_new()};
        outline.d = diag_new(outline.memory, NULL);
        outline.m = host_plan_outline(outline.memory, typed.m, lengths[i]);
        ck_assert_msg(pass_run(&outline, TO_PLANNED, true), "%s", ir_diag_text(outline.memory, outline.d));
        ck_assert(host_plan_add(typed.memory, typed.d, all, outline.m));
        pass_end(&outline); /* the plan refers to nothing of it */
    }
    ck_assert_uint_eq(all->stream_count, 6);
    for (int i = 0; i < 6; i++) {
        p.seq = lengths[i];
        pass_case c = pass_attention(p, TO_PLANNED, true);
        const dtq_stream *s = &all->streams[i], *t = &plan_of(&c)->streams[0];
        ck_assert(s->seq == t->seq && s->layer_count == 3 && s->output_width == t->output_width);
        for (uint32_t l = 0; l < 3; l++)
            ck_assert_msg(dtq_layer_same(&s->layers[l], &t->layers[l]), "%u tokens, layer %u", lengths[i], l);
        pass_end(&c);
    }
    free(encoded(all, &(size_t){0}));
    pass_end(&typed);
}
END_TEST

/* At the tile level the ids stand on another op. */
START_TEST(tiles_plan_as_their_graph_does) {
    pass_case c = pass_attention(problems[4], TO_PLANNED, true);
    const dtq_program *before = plan_of(&c);
    ck_assert_ptr_nonnull(before->streams[0].layers[0].ids);
    ck_assert(pass_run(&c, "tile-attention", true));
    ck_assert(dtq_layer_same(&before->streams[0].layers[0], &plan_of(&c)->streams[0].layers[0]));
    pass_end(&c);
}
END_TEST

START_TEST(unfinished_modules_are_refused) {
    pass_case c = pass_attention(problems[0], TO_CLUSTERED, true);
    ck_assert_ptr_null(host_plan(c.memory, c.d, (const ir_module *const *)&c.m, 1));
    ck_assert_ptr_nonnull(strstr(ir_diag_text(c.memory, c.d), "end before reorder-tokens"));
    pass_end(&c);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host plan");
    TCase *c = tcase_create("host plan");
    tcase_add_loop_test(c, a_plan_is_a_program_without_instructions, 0, PROBLEMS);
    tcase_add_loop_test(c, plans_survive_encoding, 0, PROBLEMS);
    tcase_add_test(c, outlines_plan_as_whole_graphs_do);
    tcase_add_test(c, tiles_plan_as_their_graph_does);
    tcase_add_test(c, unfinished_modules_are_refused);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
