/* Properties of programs of several attention layers, whose tokens are pruned and ranked again between them at run
 * time, on random machines. DTQ_SEED repeats a run. */
#include "codegen/random_problem.h"
#include "ir_util.h"
#include "runtime/machine_members.h"
#include "runtime/numerics/numerics.h"

enum { CASES = 40, LAYERS_MAX = 3 };

/** Layers on top of a random problem, of which they take shape, machine and inputs. */
typedef struct {
    random_problem base;
    uint32_t layers, kept[LAYERS_MAX], high[LAYERS_MAX], pinned[LAYERS_MAX]; /* pinned: one token in each layer */
    const char *cluster, *promote, *importance, *prune;
    uint32_t queries; /* of a step of generation, or 0 */
} layered_problem;

static arena *memory;
static diag *d;
static random_source source;

static void begin(void) {
    const char *seed = getenv("DTQ_SEED");
    source.state = seed ? strtoull(seed, NULL, 10) : 1912;
    printf("random layers: seed %llu\n", (unsigned long long)source.state);
    memory = arena_new();
    d = diag_new(memory, NULL);
}

/** A fresh arena for each case, so that memory stays small. */
static void next_case(void) {
    arena_free(memory);
    memory = arena_new();
    d = diag_new(memory, NULL);
}

static bool prunes_keys(const layered_problem *p) {
    return strcmp(p->prune, "keys") == 0;
}

static layered_problem layered_problem_new(bool tight) {
    static const char *const clusters[] = {"low-first", "high-first", "none"};
    layered_problem p = {.base = random_problem_new(memory, &source, tight),
                         .layers = random_in(&source, 1, LAYERS_MAX),
                         .cluster = clusters[random_in(&source, 0, 2)],
                         .promote = "none",
                         .importance = random_in(&source, 0, 1) ? "mean" : "sum",
                         .prune = random_in(&source, 0, 2) ? "rows" : "keys"};
    if (prunes_keys(&p))
        p.cluster = clusters[random_in(&source, 0, 1)]; /* keys leave clusters only */
    uint32_t kept = p.base.tokens;
    for (uint32_t l = 0; l < p.layers; l++) {
        kept = random_in(&source, 0, 2) ? random_in(&source, (kept + 1) / 2, kept) : kept;
        p.kept[l] = kept;
        p.high[l] = random_in(&source, 0, kept);
        p.pinned[l] = random_in(&source, 0, p.base.tokens - 1);
    }
    return p;
}

/** The same with layers that choose among all tokens by their own probes. */
static void let_probe(layered_problem *p) {
    p->base.causal = false;
    p->importance = random_in(&source, 0, 1) ? "probe" : "probe_heads";
    p->prune = "keys";
    p->cluster = random_in(&source, 0, 1) ? "low-first" : "high-first";
    for (uint32_t l = 0; l < p->layers; l++) {
        p->kept[l] = random_in(&source, 1, p->base.tokens);
        p->high[l] = random_in(&source, 0, p->kept[l]);
    }
}

/** The same with layers that choose late, which may have a causal mask. */
static void let_be_late(layered_problem *p) {
    const bool causal = p->base.causal;
    let_probe(p);
    p->base.causal = causal;
    p->importance = random_in(&source, 0, 1) ? "late" : "late_heads";
}

/** Each layer asks the keys and values of the input with the queries plus the output of the layer before. */
static const char *text_of(const layered_problem *p) {
    const random_problem *b = &p->base;
    uint32_t width = b->heads * b->head_dim, kv_width = b->kv_heads * b->head_dim;
    const char *text = arena_printf(memory,
                                    "dtir 1 graph\nmodel = \"m\"\nseq = %u\nqkv_input = yes\nmachine \"toy\" {\n}\n"
                                    "%%q = input {name = \"q\"} : f32[%u, %u]\n%%k = input {name = \"k\"} : f32[%u, %u]"
                                    "\n%%v = input {name = \"v\"} : f32[%u, %u]\n",
                                    b->tokens, b->tokens, width, b->tokens, kv_width, b->tokens, kv_width);
    for (uint32_t l = 0; l < p->layers; l++) {
        const char *query = l ? arena_printf(memory, "s%u", l) : "q";
        if (l)
            text = arena_printf(memory, "%s%%s%u = add %%q, %%a%u : ?\n", text, l, l - 1);
        text = arena_printf(memory,
                            "%s%%a%u = attention %%%s, %%k, %%v {index = %u, query_heads = %u, kv_heads = %u, head_dim "
                            "= %u, mask = %s, importance_rule = %s, counts = [%u, %u, %u], pinned = [%u], cluster = "
                            "%s, promote = %s, prune = %s%s, source = \"layer.%u\"} : ?\n",
                            text, l, query, l, b->heads, b->kv_heads, b->head_dim, b->causal ? "causal" : "none",
                            p->importance, b->tokens - p->kept[l], p->kept[l] - p->high[l], p->high[l], p->pinned[l],
                            p->cluster, p->promote, p->prune,
                            p->queries ? arena_printf(memory, ", queries = %u", p->queries) : "", l);
    }
    return arena_printf(memory, "%soutput %%a%u\n", text, p->layers - 1);
}

/** The finished module; NULL if the machine is too small for it, which must be an error of the input. */
static ir_module *compile(const layered_problem *p) {
    ir_module *m = ir_parse_text(memory, d, text_of(p));
    ck_assert_msg(m, "%s", ir_diag_text(memory, d));
    *m->machine = p->base.machine;
    size_t count;
    const char *const *names = passes_pipeline(p->base.optimise, &count);
    pass_options o = {.optimise = p->base.optimise, .dump_level = -1};
    if (passes_run(memory, d, &m, names, count, &o))
        return m;
    ck_assert_msg(diag_exit_code(d) == EXIT_INPUT, "%s", ir_diag_text(memory, d));
    return NULL;
}

static dtq_program *program_of(const ir_module *m) {
    dtq_program *program = codegen_program(memory, d, &m, 1);
    ck_assert_msg(program, "%s", ir_diag_text(memory, d));
    return program;
}

static dtq_input input_of(const layered_problem *p) {
    return (dtq_input){.q = p->base.q, .k = p->base.k, .v = p->base.v};
}

static dtq_output run(const dtq_program *program, const layered_problem *p) {
    dtq_input input = input_of(p);
    dtq_run_options o = {.threads = 1, .shuffle = true, .seed = random_next(&source)};
    dtq_output out = {0};
    dtq_error e;
    ck_assert_msg(dtq_run(program, &program->streams[0], NULL, &input, &o, &out, NULL, false, &e), "%s", e.message);
    return out;
}

/** The precision of some slot of some layer is not known at compile time. */
static bool is_dynamic(const dtq_stream *s) {
    for (size_t l = 0; l < s->layer_count; l++)
        if (!s->layers[l].bits[0])
            return true;
    return false;
}

/** Every instruction of the module starts, is busy and ends when the simulator says. */
static void expect_timeline(const ir_module *m, const dtq_event *events, int number) {
    size_t at = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        if (!ir_is_instr((ir_opcode)m->ops[op].code))
            continue;
        const dtq_event *e = &events[at++];
        if (ir_get(m, op, IR_KEY_start))
            ck_assert_msg((uint64_t)ir_int(m, op, IR_KEY_start, -1) == e->start &&
                              (uint64_t)ir_int(m, op, IR_KEY_busy, -1) == e->busy &&
                              (uint64_t)ir_int(m, op, IR_KEY_done, -1) == e->done,
                          "case %d: instruction %zu: %lld %lld %lld in the timeline, %llu %llu %llu simulated", number,
                          at - 1, (long long)ir_int(m, op, IR_KEY_start, -1), (long long)ir_int(m, op, IR_KEY_busy, -1),
                          (long long)ir_int(m, op, IR_KEY_done, -1), (unsigned long long)e->start,
                          (unsigned long long)e->busy, (unsigned long long)e->done);
    }
}

/** What reports count of the module is what the simulator counts. */
static void expect_counts(const ir_module *m, const dtq_stats *stats, int number) {
    const report *r = report_build(memory, d, m);
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(r->mac_cycles == stats->mac_cycles && r->stall_cycles == stats->stall_cycles &&
                      r->dram_bytes == stats->dram_read_bytes + stats->dram_write_bytes &&
                      r->energy_pj == stats->energy_pj,
                  "case %d: the report counts otherwise", number);
}

START_TEST(programs_are_race_free_and_on_time) {
    unsigned fixed = 0, several = 0, steps = 0, probes = 0, by_head = 0, late = 0;
    begin();
    for (int i = 0; i < CASES; i++, next_case()) {
        layered_problem p = layered_problem_new(i % 3 == 0);
        if (i % 2 && p.base.causal) { /* steps of generation, too */
            p.queries = random_in(&source, 1, random_in(&source, 0, 1) ? 2 : p.base.tokens);
            p.queries = p.queries < p.base.tokens ? p.queries : p.base.tokens;
            p.cluster = i % 4 == 1 ? "low-first" : "high-first";
            p.promote = "free";
        } else if (i % 2) {
            let_probe(&p);
        } else if (i % 4 == 2) {
            let_be_late(&p);
        }
        ir_module *m = compile(&p);
        if (!m)
            continue;
        dtq_program *program = program_of(m);
        const dtq_stream *s = &program->streams[0];
        dtq_error e;
        steps += dtq_stream_queries(s) < s->seq;
        ck_assert_msg(dtq_verify(program, s, &e), "case %d: %s", i, e.message);
        ck_assert_uint_eq(s->layer_count, p.layers);
        if (is_dynamic(s)) {
            ck_assert_uint_eq(s->static_cycles, UINT64_MAX);
            continue;
        }
        dtq_run_options o = {.timing_only = true, .shuffle = true, .seed = random_next(&source)};
        dtq_output none = {0};
        dtq_stats stats = {0};
        ck_assert_msg(dtq_run(program, s, NULL, NULL, &o, &none, &stats, true, &e), "case %d: %s", i, e.message);
        expect_timeline(m, stats.events, i);
        expect_counts(m, &stats, i);
        probes += dtq_probes(&s->layers[p.layers - 1]);
        by_head += dtq_tables(&s->layers[p.layers - 1]) > 1;
        late += dtq_lates(&s->layers[p.layers - 1]);
        ck_assert_uint_eq(stats.cycles, s->static_cycles);
        uint64_t bound = 0;
        for (size_t op = 0; op < m->op_count; op++)
            if (m->ops[op].code == IR_LAYER)
                bound += (uint64_t)ir_int(m, op, IR_KEY_bound_cycles, 0);
        ck_assert_msg(bound <= stats.cycles, "case %d beats its bound", i);
        dtq_stats_free(&stats);
        fixed++;
        several += p.layers > 1;
    }
    ck_assert_uint_gt(fixed, CASES / 3);
    ck_assert_uint_gt(several, CASES / 5);
    ck_assert_uint_gt(steps, 2);
    ck_assert_uint_gt(probes, 4);
    ck_assert_uint_gt(by_head, 0);
    ck_assert_uint_gt(late, 1);
    arena_free(memory);
}
END_TEST

START_TEST(the_simulator_equals_the_reference) {
    begin();
    for (int i = 0; i < CASES; i++, next_case()) {
        layered_problem p = layered_problem_new(i % 3 == 0);
        p.promote = i % 2 ? "free" : "none"; /* promotions change numbers, but the same in both */
        if (i % 4 > 2)
            let_probe(&p);
        else if (i % 4 > 1)
            let_be_late(&p);
        ir_module *m = compile(&p);
        if (!m)
            continue;
        dtq_program *program = program_of(m);
        dtq_input input = input_of(&p);
        dtq_run_options o = {.threads = 1, .shuffle = true, .seed = random_next(&source)};
        dtq_error e;
        ck_assert_msg(dtq_check(program, &program->streams[0], NULL, &input, &o, &e), "case %d: %s\n%s", i, e.message,
                      text_of(&p));
    }
    arena_free(memory);
}
END_TEST

/** Tokens of the next layer are those that the definition selects by this layer's importance. */
static void expect_selection(const layered_problem *p, const dtq_output *out, uint32_t layer, int number) {
    uint32_t n = p->base.tokens, active = 0, *ids = ARENA_ARRAY(memory, uint32_t, n);
    uint32_t *chosen = ARENA_ARRAY(memory, uint32_t, n);
    uint64_t *importance = ARENA_ARRAY(memory, uint64_t, n);
    uint8_t *high = ARENA_ARRAY(memory, uint8_t, n), *bits = ARENA_ARRAY(memory, uint8_t, n);
    const uint8_t *before = out->bits + (size_t)layer * n, *after = before + n;
    for (uint32_t id = 0; id < n; id++)
        if (before[id]) {
            ids[active] = id;
            importance[active++] = out->importance[(size_t)layer * n + id];
        }
    dtq_select(importance, ids, active, &p->pinned[layer + 1], 1, p->kept[layer + 1], p->high[layer + 1],
               DTQ_ORDER_ORIGINAL, chosen, high);
    for (uint32_t i = 0; i < p->kept[layer + 1]; i++)
        bits[chosen[i]] = high[i] ? 8 : 4;
    for (uint32_t id = 0; id < n; id++)
        ck_assert_msg(bits[id] == after[id], "case %d: token %u of layer %u runs at %u bits instead of %u", number, id,
                      layer + 1, after[id], bits[id]);
}

START_TEST(each_layer_keeps_what_the_one_before_found_important) {
    unsigned selections = 0;
    begin();
    for (int i = 0; i < CASES; i++, next_case()) {
        layered_problem p = layered_problem_new(false);
        dtq_output out = run(program_of(compile(&p)), &p);
        for (uint32_t l = 0; l < p.layers; l++) {
            uint32_t kept = 0, high = 0;
            for (uint32_t id = 0; id < p.base.tokens; id++) {
                uint8_t bits = out.bits[(size_t)l * p.base.tokens + id];
                kept += bits != 0;
                high += bits == 8;
                ck_assert_msg(bits || !out.importance[(size_t)l * p.base.tokens + id], "case %d: a pruned token", i);
            }
            ck_assert_uint_eq(kept, p.kept[l]);
            ck_assert_uint_eq(high, p.high[l]);
            if (l + 1 < p.layers) {
                expect_selection(&p, &out, l, i);
                selections++;
            }
        }
        dtq_output_free(&out);
    }
    ck_assert_uint_gt(selections, CASES / 2);
    arena_free(memory);
}
END_TEST

START_TEST(no_bit_depends_on_order_or_machine) {
    begin();
    for (int i = 0; i < CASES; i++, next_case()) {
        layered_problem p = layered_problem_new(false), other;
        if (i % 4 == 3)
            let_probe(&p);
        other = p;
        p.cluster = "low-first";
        other.cluster = i % 2 || prunes_keys(&p) ? "high-first" : "none";
        other.base.machine = random_problem_new(memory, &source, i % 3 == 0).machine;
        other.base.machine.top_prob_bits = p.base.machine.top_prob_bits;
        other.base.optimise = !p.base.optimise;
        ir_module *m = compile(&other);
        if (!m)
            continue;
        dtq_output a = run(program_of(compile(&p)), &p), b = run(program_of(m), &other);
        size_t tokens = (size_t)p.layers * p.base.tokens;
        ck_assert_uint_eq(a.count, b.count);
        ck_assert_msg(memcmp(a.data, b.data, a.count * sizeof *a.data) == 0, "case %d: outputs differ", i);
        ck_assert_msg(memcmp(a.importance, b.importance, tokens * sizeof *a.importance) == 0,
                      "case %d: importance differs", i);
        ck_assert_msg(memcmp(a.bits, b.bits, tokens) == 0, "case %d: choices differ", i);
        dtq_output_free(&a);
        dtq_output_free(&b);
    }
    arena_free(memory);
}
END_TEST

IR_MAIN("random layers", programs_are_race_free_and_on_time, the_simulator_equals_the_reference,
        each_layer_keeps_what_the_one_before_found_important, no_bit_depends_on_order_or_machine)
