/* Properties of the whole compiler on random problems: what it promises of every program. DTQ_SEED repeats a run. */
#include <check.h>

#include "codegen/random_problem.h"

#include "runtime/machine_members.h"

enum { CASES = 120 };

static arena *memory;
static diag *d;
static random_source source;

static void setup(void) {
    const char *seed = getenv("DTQ_SEED");
    source.state = seed ? strtoull(seed, NULL, 10) : 20220314;
    printf("random problems: seed %llu\n", (unsigned long long)source.state);
    memory = arena_new();
    d = diag_new(memory, NULL);
}

static void teardown(void) {
    arena_free(memory);
}

/** A fresh arena for each case, so that memory stays small. */
static void next_case(void) {
    teardown();
    memory = arena_new();
    d = diag_new(memory, NULL);
}

/** The compiled problem; NULL if the machine is too small for it, which must be an error of the input. */
static ir_module *compile(const random_problem *p) {
    ir_module *m = random_problem_compile(memory, d, p);
    if (!m)
        ck_assert_msg(diag_exit_code(d) == EXIT_INPUT, "%s", diag_at(d, diag_total(d) - 1)->message);
    return m;
}

static dtq_program *program_of(const ir_module *m) {
    dtq_program *program = codegen_program(memory, d, &m, 1);
    ck_assert_ptr_nonnull(program);
    return program;
}

static dtq_output run(const dtq_program *program, const random_problem *p, uint64_t shuffle) {
    dtq_input input = {.q = p->q, .k = p->k, .v = p->v};
    dtq_run_options o = {.engine = DTQ_ENGINE_SIM, .threads = 1, .shuffle = shuffle != 0, .seed = shuffle};
    dtq_output out = {0};
    dtq_error e;
    ck_assert_msg(dtq_run(program, &program->streams[0], NULL, &input, &o, &out, NULL, false, &e), "%s", e.message);
    return out;
}

START_TEST(programs_are_sound_and_static_cycles_are_simulated_cycles) {
    unsigned blocked = 0, refused = 0;
    for (int i = 0; i < CASES; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, i % 2);
        if (i % 3 == 1)
            p.cluster = "none";
        ir_module *m = compile(&p);
        if (!m) {
            refused++;
            continue;
        }
        dtq_program *program = program_of(m);
        const dtq_stream *s = &program->streams[0];
        dtq_error e;
        ck_assert_msg(dtq_verify(program, s, &e), "case %d: %s", i, e.message);
        dtq_run_options o = {.timing_only = true, .shuffle = true, .seed = random_next(&source)};
        dtq_stats stats = {0};
        dtq_output none = {0};
        ck_assert_msg(dtq_run(program, s, NULL, NULL, &o, &none, &stats, true, &e), "case %d: %s", i, e.message);
        ck_assert_uint_eq(stats.cycles, s->static_cycles);
        size_t at = 0;
        for (size_t op = 0; op < m->op_count; op++) {
            if (!ir_is_instr((ir_opcode)m->ops[op].code))
                continue;
            blocked += s->instrs[at].op == DTQ_OP_SOFTMAX && DTQ_GET(&s->instrs[at], SOFTMAX, mode) != 0;
            if (ir_get(m, op, IR_KEY_start)) {
                ck_assert_int_eq(ir_int(m, op, IR_KEY_start, -1), (int64_t)stats.events[at].start);
                ck_assert_int_eq(ir_int(m, op, IR_KEY_busy, -1), (int64_t)stats.events[at].busy);
                ck_assert_int_eq(ir_int(m, op, IR_KEY_done, -1), (int64_t)stats.events[at].done);
            }
            at++;
        }
        ck_assert_uint_eq(at, s->count);
        report *r = report_build(memory, d, m);
        ck_assert_ptr_nonnull(r);
        ck_assert_msg(r->tile_bound_cycles <= (double)stats.cycles + 1e-9, "case %d beats whole tiles", i);
        ck_assert_msg(r->bound_cycles <= r->tile_bound_cycles + 1e-9, "case %d: whole tiles beat its bound", i);
        ck_assert_uint_eq(r->mac_cycles, stats.mac_cycles);
        ck_assert_uint_eq(r->stall_cycles, stats.stall_cycles);
        ck_assert_uint_eq(r->dram_bytes, stats.dram_read_bytes + stats.dram_write_bytes);
        ck_assert_double_eq(r->energy_pj, stats.energy_pj);
        dtq_stats_free(&stats);
    }
    ck_assert_uint_gt(blocked, 20);
    ck_assert_uint_lt(refused, CASES / 3);
}
END_TEST

START_TEST(the_simulator_equals_the_reference) {
    for (int i = 0; i < CASES; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, i % 2);
        p.cluster = (const char *const[]){"low-first", "high-first", "none"}[i % 3];
        ir_module *m = compile(&p);
        if (!m)
            continue;
        dtq_program *program = program_of(m);
        dtq_input input = {.q = p.q, .k = p.k, .v = p.v};
        dtq_run_options o = {.threads = 1, .shuffle = true, .seed = random_next(&source)};
        dtq_error e;
        ck_assert_msg(dtq_check(program, &program->streams[0], NULL, &input, &o, &e), "case %d: %s", i, e.message);
    }
}
END_TEST

/** Bytes of output and importance in one block, for comparison. */
static void expect_same(const random_problem *p, const dtq_output *a, const dtq_output *b, const char *what, int i) {
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_msg(memcmp(a->data, b->data, a->count * sizeof *a->data) == 0, "case %d: outputs of %s differ", i, what);
    ck_assert_msg(memcmp(a->importance, b->importance, p->tokens * sizeof *a->importance) == 0,
                  "case %d: importance of %s differs", i, what);
}

START_TEST(no_bit_depends_on_order_machine_or_shuffle) {
    for (int i = 0; i < CASES; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, false);
        dtq_output first = run(program_of(compile(&p)), &p, 0);
        random_problem other = random_problem_new(memory, &source, i % 2);
        random_problem changed = p;
        changed.machine = other.machine;
        changed.machine.top_prob_bits = p.machine.top_prob_bits;
        changed.cluster = (const char *const[]){"high-first", "none"}[i % 2];
        changed.optimise = !p.optimise;
        ir_module *m = compile(&changed);
        if (m) {
            dtq_output second = run(program_of(m), &changed, random_next(&source) | 1);
            expect_same(&p, &first, &second, "another order and machine", i);
            dtq_output_free(&second);
        }
        dtq_output_free(&first);
    }
}
END_TEST

/* Eqs. 4 and 5: tokens permuted by A give outputs permuted by A and importance permuted by A, bit for bit. */
START_TEST(outputs_permute_with_tokens) {
    for (int i = 0; i < CASES; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, false), q = p;
        p.causal = q.causal = false;
        uint32_t *order = ARENA_ARRAY(memory, uint32_t, p.tokens);
        for (uint32_t t = 0; t < p.tokens; t++) {
            uint32_t j = random_in(&source, 0, t);
            order[t] = order[j];
            order[j] = t;
        }
        size_t q_size = (size_t)p.heads * p.tokens * p.head_dim, k_size = (size_t)p.kv_heads * p.tokens * p.head_dim;
        q.bits = ARENA_ARRAY(memory, uint8_t, p.tokens);
        q.q = ARENA_ARRAY(memory, float, q_size);
        q.k = ARENA_ARRAY(memory, float, k_size);
        q.v = ARENA_ARRAY(memory, float, k_size);
        for (uint32_t t = 0; t < p.tokens; t++) {
            q.bits[t] = p.bits[order[t]];
            for (uint32_t h = 0; h < p.heads; h++) {
                size_t to = ((size_t)h * p.tokens + t) * p.head_dim,
                       from = ((size_t)h * p.tokens + order[t]) * p.head_dim;
                memcpy(q.q + to, p.q + from, p.head_dim * sizeof(float));
                if (h < p.kv_heads) {
                    memcpy(q.k + to, p.k + from, p.head_dim * sizeof(float));
                    memcpy(q.v + to, p.v + from, p.head_dim * sizeof(float));
                }
            }
        }
        dtq_output a = run(program_of(compile(&p)), &p, 0), b = run(program_of(compile(&q)), &q, 0);
        for (uint32_t t = 0; t < p.tokens; t++) {
            ck_assert_uint_eq(b.importance[t], a.importance[order[t]]);
            for (uint32_t h = 0; h < p.heads; h++)
                ck_assert_mem_eq(b.data + ((size_t)h * p.tokens + t) * p.head_dim,
                                 a.data + ((size_t)h * p.tokens + order[t]) * p.head_dim, p.head_dim * sizeof(float));
        }
        dtq_output_free(&a);
        dtq_output_free(&b);
    }
}
END_TEST

static char *text_of(const dtq_program *program, size_t *bytes) {
    char *text;
    FILE *out = open_memstream(&text, bytes);
    dtq_error e;
    ck_assert_msg(dtq_disassemble(program, out, &e), "%s", e.message);
    fclose(out);
    return text;
}

START_TEST(programs_survive_their_forms) {
    for (int i = 0; i < CASES / 5; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, i % 2);
        ir_module *m = compile(&p);
        if (!m)
            continue;
        dtq_program *program = program_of(m), *decoded, *assembled;
        uint8_t *first, *second, *third;
        size_t first_bytes, second_bytes, third_bytes, text_bytes;
        dtq_error e;
        ck_assert_msg(dtq_program_encode(program, &first, &first_bytes, &e), "%s", e.message);
        ck_assert_msg(dtq_program_decode(first, first_bytes, &decoded, &e), "%s", e.message);
        ck_assert(dtq_program_encode(decoded, &second, &second_bytes, &e));
        char *text = text_of(decoded, &text_bytes);
        ck_assert_msg(dtq_assemble("text", text, text_bytes, &assembled, &e), "%s", e.message);
        ck_assert(dtq_program_encode(assembled, &third, &third_bytes, &e));
        ck_assert_uint_eq(first_bytes, second_bytes);
        ck_assert_uint_eq(first_bytes, third_bytes);
        ck_assert_mem_eq(first, second, first_bytes);
        ck_assert_mem_eq(first, third, first_bytes);
        dtq_program_free(decoded);
        dtq_program_free(assembled);
        free(first);
        free(second);
        free(third);
        free(text);
    }
}
END_TEST

START_TEST(modules_parse_back_at_every_level) {
    for (int i = 0; i < CASES / 5; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, i % 2);
        size_t count;
        const char *const *names = passes_pipeline(p.optimise, &count);
        pass_options o = {.optimise = p.optimise, .dump_level = -1};
        ir_module *m = random_problem_graph(memory, &p);
        for (size_t n = 0; n < count; n++) {
            if (names[n] && !passes_run(memory, d, &m, &names[n], 1, &o))
                break;
            char *text;
            size_t bytes;
            FILE *out = open_memstream(&text, &bytes);
            ir_print(m, out);
            fclose(out);
            ir_module *again = ir_parse(memory, d, "dump.dtir", text, bytes);
            ck_assert_msg(again && ir_verify(again, d), "case %d after %s", i, names[n] ? names[n] : "nothing");
            ck_assert(ir_equal(m, again));
            free(text);
            m = again; /* what is left of the pipeline runs on what was parsed */
        }
    }
}
END_TEST

/* 8-bit first never loses to the original order; 4-bit first may, where a partial last tile is left to 8-bit tokens,
 * and then an optimising compiler takes the other. */
START_TEST(clustered_is_not_slower) {
    for (int i = 0; i < CASES; i++, next_case()) {
        random_problem p = random_problem_new(memory, &source, false), plain = p;
        p.optimise = plain.optimise = true;
        p.machine.vssa_arrays = plain.machine.vssa_arrays = 1;
        plain.cluster = "none";
        report *clustered = report_build(memory, d, compile(&p)), *original = report_build(memory, d, compile(&plain));
        const report_layer *c = &clustered->layers[0], *o = &original->layers[0];
        ck_assert_double_le(c->qk.cycles + c->pv.cycles, o->qk.cycles + o->pv.cycles);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random problems");
    const TTest *const tests[] = {programs_are_sound_and_static_cycles_are_simulated_cycles,
                                  the_simulator_equals_the_reference,
                                  no_bit_depends_on_order_machine_or_shuffle,
                                  outputs_permute_with_tokens,
                                  programs_survive_their_forms,
                                  modules_parse_back_at_every_level,
                                  clustered_is_not_slower};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        TCase *one = tcase_create(tests[i]->name);
        tcase_add_checked_fixture(one, setup, teardown);
        tcase_set_timeout(one, 60);
        tcase_add_test(one, tests[i]);
        suite_add_tcase(suite, one);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
