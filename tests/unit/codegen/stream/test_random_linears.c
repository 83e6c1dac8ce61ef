/* Properties of programs whose projections and FFN run on the arrays (`linear: vssa`): random small encoders, decoders
 * and steps of generation on random machines. DTQ_SEED repeats a run. */
#include "codegen/random_problem.h"
#include "ir_util.h"
#include "runtime/machine_members.h"

enum { CASES = 60, LAYERS_MAX = 3, VOCABULARY = 20, POSITIONS = 64 };

typedef struct {
    random_problem base; /* machine, heads, tokens, causal, optimise */
    uint32_t layers, hidden, ffn, kept[LAYERS_MAX], high[LAYERS_MAX], queries;
    const char *cluster, *promote, *prune;
    unsigned biases; /* a bit for each linear of a block */
    bool transposed;
    uint32_t tokens[POSITIONS];
} encoder;

static arena *memory;
static diag *d;
static random_source source;

static void begin(const char *test) {
    const char *seed = getenv("DTQ_SEED");
    source.state = seed ? strtoull(seed, NULL, 10) : 2026;
    printf("random linears, %s: seed %llu\n", test, (unsigned long long)source.state);
    memory = arena_new();
    d = diag_new(memory, NULL);
}

static void next_case(void) {
    arena_free(memory);
    memory = arena_new();
    d = diag_new(memory, NULL);
}

/** `tight`: buffers of linears hold few blocks, or none. */
static encoder encoder_new(bool tight) {
    static const char *const clusters[] = {"low-first", "high-first", "none"};
    encoder p = {.base = random_problem_new(memory, &source, false),
                 .layers = random_in(&source, 1, LAYERS_MAX),
                 .hidden = random_in(&source, 1, tight ? 150 : 40),
                 .ffn = random_in(&source, 1, tight ? 200 : 60),
                 .cluster = clusters[random_in(&source, 0, 1)],
                 .promote = random_in(&source, 0, 1) ? "free" : "none",
                 .prune = random_in(&source, 0, 1) ? "rows" : "keys",
                 .biases = random_in(&source, 0, 63),
                 .transposed = random_in(&source, 0, 1)};
    dtq_machine *m = &p.base.machine;
    m->top_linear = DTQ_LINEAR_VSSA;
    if (tight) {
        m->buffers_q = random_in(&source, 200, 4000);
        m->buffers_k = random_in(&source, 200, 4000);
        m->buffers_out = random_in(&source, 100, 4000);
    }
    if (strcmp(p.prune, "rows") == 0)
        p.cluster = clusters[random_in(&source, 0, 2)];
    uint32_t kept = p.base.tokens;
    for (uint32_t l = 0; l < p.layers; l++) {
        kept = random_in(&source, 0, 2) ? random_in(&source, (kept + 1) / 2, kept) : kept;
        p.kept[l] = kept;
        p.high[l] = random_in(&source, 0, kept);
    }
    for (uint32_t t = 0; t < p.base.tokens; t++)
        p.tokens[t] = random_in(&source, 0, VOCABULARY - 1);
    return p;
}

/** A step of generation, or what fills the cache before it: all tokens stay as keys or rows, as the policy says. */
static void make_decoder(encoder *p, uint32_t queries) {
    p->base.causal = true;
    p->queries = queries;
    p->prune = "rows";
    p->promote = "free";
    if (strcmp(p->cluster, "none") == 0)
        p->cluster = "low-first";
}

static const char *tensor(const char *text, const char *name, uint32_t rows, uint32_t cols, bool transposed) {
    return arena_printf(memory,
                        "%stensor \"%s\" {dtype = synthetic, rows = %u, cols = %u%s, seed = %u, mean = 0, scale = "
                        "%s}\n",
                        text, name, rows, cols, transposed ? ", transposed = yes" : "",
                        (unsigned)random_in(&source, 1, 1u << 30), rows == 1 ? "1" : "0.4");
}

/** Block `l`: its linears are numbered 0 to 5, query, key, value, output, up and down. */
static const char *add_linear(const encoder *p, const char *text, uint32_t l, unsigned number, const char *result,
                              const char *x, uint32_t outputs) {
    static const char *const names[] = {"query", "key", "value", "attention.output", "ffn.up", "ffn.down"};
    const char *bias = p->biases >> number & 1 ? arena_printf(memory, ", bias_tensor = \"b%u.%u\"", l, number) : "";
    return arena_printf(memory,
                        "%s%%%s%u = linear %%%s {tensor = \"w%u.%u\"%s, outputs = %u, arithmetic = mixed, source = "
                        "\"layer.%u.%s\"} : ?\n",
                        text, result, l, x, l, number, bias, outputs, l, names[number]);
}

static const char *text_of(const encoder *p) {
    const random_problem *b = &p->base;
    uint32_t width = b->heads * b->head_dim, kv_width = b->kv_heads * b->head_dim;
    const uint32_t outputs[] = {width, kv_width, kv_width, p->hidden, p->ffn, p->hidden};
    const uint32_t inputs[] = {p->hidden, p->hidden, p->hidden, width, p->hidden, p->ffn};
    const char *text = arena_printf(memory,
                                    "dtir 1 graph\nmodel = \"m\"\nseq = %u\nvocabulary = %u\npositions = %u\nmachine "
                                    "\"toy\" {\n}\n",
                                    b->tokens, (unsigned)VOCABULARY, (unsigned)POSITIONS);
    text = tensor(text, "words", VOCABULARY, p->hidden, false);
    for (uint32_t l = 0; l < p->layers; l++)
        for (unsigned i = 0; i < 6; i++) {
            bool turned = p->transposed && (i + l) % 2;
            text = tensor(text, arena_printf(memory, "w%u.%u", l, i), turned ? inputs[i] : outputs[i],
                          turned ? outputs[i] : inputs[i], turned);
            if (p->biases >> i & 1)
                text = tensor(text, arena_printf(memory, "b%u.%u", l, i), 1, outputs[i], false);
        }
    text =
        arena_printf(memory, "%s%%t = input {name = \"tokens\"} : u32[%u]\n%%x0 = embed %%t {tensor = \"words\"} : ?\n",
                     text, b->tokens);
    for (uint32_t l = 0; l < p->layers; l++) {
        const char *x = arena_printf(memory, "x%u", l);
        text = add_linear(p, text, l, 0, "q", x, width);
        text = add_linear(p, text, l, 1, "k", x, kv_width);
        text = add_linear(p, text, l, 2, "v", x, kv_width);
        text = arena_printf(memory,
                            "%s%%a%u = attention %%q%u, %%k%u, %%v%u {index = %u, query_heads = %u, kv_heads = %u, "
                            "head_dim = %u, mask = %s, importance_rule = mean, counts = [%u, %u, %u], cluster = %s, "
                            "promote = %s, prune = %s%s, source = \"layer.%u.attention\"} : ?\n",
                            text, l, l, l, l, l, b->heads, b->kv_heads, b->head_dim, b->causal ? "causal" : "none",
                            b->tokens - p->kept[l], p->kept[l] - p->high[l], p->high[l], p->cluster, p->promote,
                            p->prune, p->queries ? arena_printf(memory, ", queries = %u", p->queries) : "", l);
        text = add_linear(p, text, l, 3, "o", arena_printf(memory, "a%u", l), p->hidden);
        text = arena_printf(memory, "%s%%r%u = add %%o%u, %%x%u : ?\n", text, l, l, l);
        text = add_linear(p, text, l, 4, "u", arena_printf(memory, "r%u", l), p->ffn);
        text = arena_printf(memory, "%s%%g%u = activation %%u%u {function = gelu} : ?\n", text, l, l);
        text = add_linear(p, text, l, 5, "d", arena_printf(memory, "g%u", l), p->hidden);
        text = arena_printf(memory, "%s%%x%u = add %%r%u, %%d%u : ?\n", text, l + 1, l, l);
    }
    return arena_printf(memory, "%soutput %%x%u\n", text, p->layers);
}

/** The finished module of a text; NULL if the machine is too small for it, which must be an error of the input. */
static ir_module *compile_text(const encoder *p, const char *text) {
    ir_module *m = ir_parse_text(memory, d, text);
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

static bool is_dynamic(const dtq_stream *s) {
    for (size_t l = 0; l < s->layer_count; l++)
        if (!s->layers[l].bits[0])
            return true;
    return false;
}

static unsigned count_of(const dtq_stream *s, dtq_opcode op) {
    unsigned count = 0;
    for (size_t i = 0; i < s->count; i++)
        count += s->instrs[i].op == op;
    return count;
}

/** Every counter of the report is the simulator's. */
static void expect_counters(const ir_module *m, const dtq_stats *stats, int number) {
    report *r = report_build(memory, d, m);
    ck_assert_msg(r, "case %d: %s", number, ir_diag_text(memory, d));
    ck_assert(r->linears);
    ck_assert_msg(r->tile_bound_cycles <= (double)stats->cycles + 1e-9, "case %d beats whole tiles", number);
    ck_assert_msg(r->bound_cycles <= r->tile_bound_cycles + 1e-9, "case %d: whole tiles beat its bound", number);
    ck_assert_double_eq(r->cycles, (double)stats->cycles);
    ck_assert_uint_eq(r->mac_cycles, stats->mac_cycles);
    ck_assert_uint_eq(r->stall_cycles, stats->stall_cycles);
    ck_assert_uint_eq(r->dram_bytes, stats->dram_read_bytes + stats->dram_write_bytes);
    ck_assert_double_eq(r->buffer_bytes, (double)stats->buffer_bytes);
    ck_assert_double_eq(r->probabilities, (double)stats->probabilities);
    ck_assert_double_eq(r->topk_elements, (double)stats->topk_elements);
    ck_assert_double_eq_tol(r->energy_pj, stats->energy_pj, 1e-9 * stats->energy_pj);
    double cycles = 0, linears = 0;
    for (size_t l = 0; l < r->layer_count; l++) {
        cycles += r->layers[l].cycles;
        linears += r->layers[l].linear_cycles;
        ck_assert_double_le(r->layers[l].linear_cycles, r->layers[l].cycles + 1e-9);
    }
    ck_assert_double_eq_tol(cycles, r->cycles, 1e-6);
    ck_assert_double_gt(linears, 0);
}

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
                          "case %d: instruction %zu is not when the simulator has it", number, at - 1);
    }
}

START_TEST(programs_are_sound_and_on_time) {
    unsigned refused = 0, fixed = 0, steps = 0, parts = 0, turned = 0;
    begin("programs are sound and on time");
    for (int i = 0; i < CASES; i++, next_case()) {
        encoder p = encoder_new(i % 3 == 0);
        if (i % 4 == 1)
            make_decoder(&p, random_in(&source, 1, p.base.tokens));
        ir_module *m = compile_text(&p, text_of(&p));
        if (!m) {
            refused++;
            continue;
        }
        dtq_program *program = program_of(m);
        const dtq_stream *s = &program->streams[0];
        dtq_error e;
        ck_assert_msg(dtq_verify(program, s, &e), "case %d: %s", i, e.message);
        ck_assert_uint_eq(count_of(s, DTQ_OP_CODES), 6 * p.layers);
        ck_assert_uint_eq(count_of(s, DTQ_OP_LINEAR), 0);
        parts += count_of(s, DTQ_OP_MATMUL) > count_of(s, DTQ_OP_STORE_ROWS);
        steps += dtq_stream_queries(s) < s->seq;
        for (size_t k = 0; k < s->count; k++)
            turned += s->instrs[k].op == DTQ_OP_MATMUL && DTQ_GET(&s->instrs[k], MATMUL, turned);
        if (is_dynamic(s)) {
            ck_assert_uint_eq(s->static_cycles, UINT64_MAX);
            continue;
        }
        dtq_run_options o = {.timing_only = true, .shuffle = true, .seed = random_next(&source)};
        dtq_output none = {0};
        dtq_stats stats = {0};
        ck_assert_msg(dtq_run(program, s, NULL, NULL, &o, &none, &stats, true, &e), "case %d: %s", i, e.message);
        ck_assert_uint_eq(stats.cycles, s->static_cycles);
        expect_timeline(m, stats.events, i);
        expect_counters(m, &stats, i);
        dtq_stats_free(&stats);
        fixed++;
    }
    printf("%u fixed, %u refused, %u steps, %u in parts, %u matmuls turned\n", fixed, refused, steps, parts, turned);
    ck_assert_uint_lt(refused, CASES / 3);
    ck_assert_uint_gt(fixed, CASES / 3);
    ck_assert_uint_gt(steps, 2);
    ck_assert_uint_gt(parts, 0);
    ck_assert_uint_gt(turned, 20);
    arena_free(memory);
}
END_TEST

START_TEST(the_simulator_equals_the_reference) {
    unsigned compared = 0;
    begin("the simulator equals the reference");
    for (int i = 0; i < CASES; i++, next_case()) {
        encoder p = encoder_new(i % 3 == 0);
        ir_module *m = compile_text(&p, text_of(&p));
        if (!m)
            continue;
        dtq_program *program = program_of(m);
        dtq_error e;
        dtq_weights *weights = dtq_weights_open(program, NULL, &e);
        ck_assert_msg(weights, "%s", e.message);
        dtq_input input = {.tokens = p.tokens};
        dtq_run_options o = {.threads = 1, .shuffle = true, .seed = random_next(&source)};
        ck_assert_msg(dtq_check(program, &program->streams[0], weights, &input, &o, &e), "case %d: %s", i, e.message);
        dtq_weights_close(weights);
        compared++;
    }
    ck_assert_uint_gt(compared, CASES / 2);
    arena_free(memory);
}
END_TEST

static dtq_output run(const dtq_program *program, const encoder *p, dtq_engine engine, dtq_cache *cache) {
    dtq_error e;
    dtq_weights *weights = dtq_weights_open(program, NULL, &e);
    ck_assert_msg(weights, "%s", e.message);
    dtq_input input = {.tokens = p->tokens};
    dtq_run_options o = {.engine = engine, .threads = 1, .shuffle = true, .seed = random_next(&source), .cache = cache};
    dtq_output out = {0};
    ck_assert_msg(dtq_run(program, &program->streams[0], weights, &input, &o, &out, NULL, false, &e), "%s", e.message);
    dtq_weights_close(weights);
    return out;
}

static void expect_same(const dtq_output *a, const dtq_output *b, int number) {
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_msg(memcmp(a->data, b->data, a->count * sizeof *a->data) == 0, "case %d: outputs differ", number);
}

/* What arrays compute is what the host computes with the same arithmetic, and how a machine cuts it is nobody's
 * business. */
START_TEST(no_bit_depends_on_who_computes_it) {
    begin("no bit depends on who computes it");
    for (int i = 0; i < CASES / 2; i++, next_case()) {
        encoder p = encoder_new(false);
        p.promote = i % 2 ? "free" : "none";
        const char *text = text_of(&p);
        encoder host = p, other = p;
        host.base.machine.top_linear = DTQ_LINEAR_HOST;
        if (i % 2 == 0) /* promotions depend on the machine */
            other.base.machine = random_problem_new(memory, &source, false).machine;
        other.base.machine.top_linear = DTQ_LINEAR_VSSA;
        other.base.machine.top_prob_bits = p.base.machine.top_prob_bits;
        dtq_program *on_host = program_of(compile_text(&host, text));
        ck_assert_uint_eq(count_of(&on_host->streams[0], DTQ_OP_LINEAR), 6 * p.layers);
        dtq_output a = run(program_of(compile_text(&p, text)), &p, DTQ_ENGINE_SIM, NULL);
        dtq_output b = run(on_host, &p, DTQ_ENGINE_REF, NULL);
        dtq_output c = run(program_of(compile_text(&other, text)), &p, DTQ_ENGINE_SIM, NULL);
        expect_same(&a, &b, i);
        expect_same(&a, &c, i);
        dtq_output_free(&a);
        dtq_output_free(&b);
        dtq_output_free(&c);
    }
    arena_free(memory);
}
END_TEST

/* A prompt, then a step of one or two tokens, on the simulator and in the reference. */
START_TEST(steps_of_generation_equal_the_reference) {
    begin("steps of generation");
    for (int i = 0; i < CASES / 2; i++, next_case()) {
        encoder p = encoder_new(i % 3 == 0), prompt;
        uint32_t queries = random_in(&source, 1, 2);
        p.base.tokens = p.base.tokens > queries ? p.base.tokens : queries + 1;
        for (uint32_t l = 0; l < p.layers; l++) {
            p.kept[l] = p.base.tokens;
            p.high[l] = random_in(&source, 0, p.base.tokens);
        }
        for (uint32_t t = 0; t < p.base.tokens; t++)
            p.tokens[t] = random_in(&source, 0, VOCABULARY - 1);
        make_decoder(&p, queries);
        prompt = p;
        prompt.base.tokens -= queries;
        prompt.queries = prompt.base.tokens;
        for (uint32_t l = 0; l < p.layers; l++) {
            prompt.kept[l] = prompt.base.tokens;
            prompt.high[l] = prompt.high[l] < prompt.kept[l] ? prompt.high[l] : prompt.kept[l];
        }
        uint64_t state = source.state; /* both have the same weights */
        ir_module *first = compile_text(&prompt, text_of(&prompt));
        source.state = state;
        ir_module *second = first ? compile_text(&p, text_of(&p)) : NULL;
        if (!second)
            continue;
        dtq_program *filling = program_of(first), *step = program_of(second);
        ck_assert_uint_eq(dtq_stream_queries(&step->streams[0]), queries);
        dtq_error e;
        ck_assert_msg(dtq_verify(step, &step->streams[0], &e), "case %d: %s", i, e.message);
        dtq_output out[2][2];
        for (int engine = 0; engine < 2; engine++) {
            dtq_cache *cache = dtq_cache_open(step, POSITIONS, &e);
            ck_assert_msg(cache, "%s", e.message);
            out[engine][0] = run(filling, &prompt, engine ? DTQ_ENGINE_REF : DTQ_ENGINE_SIM, cache);
            out[engine][1] = run(step, &p, engine ? DTQ_ENGINE_REF : DTQ_ENGINE_SIM, cache);
            dtq_cache_close(cache);
        }
        size_t before = (size_t)prompt.base.tokens * p.hidden, all = out[0][1].count;
        expect_same(&out[0][0], &out[1][0], i);
        ck_assert_uint_eq(all, (size_t)p.base.tokens * p.hidden);
        ck_assert_msg(memcmp(out[0][1].data + before, out[1][1].data + before, (all - before) * sizeof(float)) == 0,
                      "case %d: steps differ", i);
        for (int k = 0; k < 4; k++)
            dtq_output_free(&out[k / 2][k % 2]);
    }
    arena_free(memory);
}
END_TEST

IR_MAIN("random linears", programs_are_sound_and_on_time, the_simulator_equals_the_reference,
        no_bit_depends_on_who_computes_it, steps_of_generation_equal_the_reference)
