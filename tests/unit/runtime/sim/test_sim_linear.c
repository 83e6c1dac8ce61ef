/* Linears on the simulator's arrays: their bits are the reference's whatever the pieces, their counters as by hand. */
#include <check.h>
#include <stdio.h>

#include "runtime/exec.h"
#include "runtime/machine_members.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/timing.h"
#include "sim_util.h"

enum { SEQ_MAX = 24, INSTRS_MAX = 40000, VOCABULARY = 7, WORDS = 0, WEIGHT, BIAS, TENSORS };

/** A linear of the rows of one layer, as a program of its own: rows of a table of words in, its products out. */
typedef struct {
    dtq_machine machine;
    dtq_program program;
    dtq_stream stream;
    dtq_layer layer;
    dtq_tensor tensors[TENSORS];
    uint8_t bits[SEQ_MAX];
    uint32_t ids[SEQ_MAX], tokens[SEQ_MAX];
    uint32_t inputs, outputs;
    uint64_t src, codes;
    dtq_instr *instrs;
} linear;

static uint64_t allot(linear *p, uint64_t bytes) {
    const uint64_t at = p->stream.dram_bytes;
    p->stream.dram_bytes += (bytes + 63) / 64 * 64;
    return at;
}

static void emit(linear *p, dtq_instr in) {
    ck_assert_uint_lt(p->stream.count, INSTRS_MAX);
    p->instrs[p->stream.count++] = in;
}

#define EMIT(p, op, q, ...) emit(p, (dtq_instr){DTQ_OP_##op, (uint8_t)(q), {__VA_ARGS__}})

static void token(linear *p, unsigned from, unsigned to) {
    EMIT(p, SIGNAL, from, to, 0);
    EMIT(p, WAIT, to, from, 0);
}

static dtq_tensor tensor(const char *name, uint32_t rows, uint32_t cols, bool transposed, uint64_t seed) {
    return (dtq_tensor){.name = name,
                        .file = UINT32_MAX,
                        .dtype = DTQ_F32,
                        .shape = {rows, cols},
                        .transposed = transposed,
                        .seed = seed,
                        .scale = 0.7f};
}

/** Layer and tensors; the first instructions, up to the codes. */
static void linear_begin(linear *p, sim_random *r, uint32_t seq, uint32_t inputs, uint32_t outputs, bool biased) {
    *p = (linear){.inputs = inputs, .outputs = outputs};
    p->instrs = calloc(INSTRS_MAX, sizeof *p->instrs);
    dtq_machine_init(&p->machine);
    p->program.machine = &p->machine;
    p->machine.vssa_arrays = 2;
    dtq_layer *l = &p->layer;
    *l =
        (dtq_layer){.slots = seq, .heads = 1, .kv_heads = 1, .head_dim = 1, .order = DTQ_ORDER_ORIGINAL, .ids = p->ids};
    p->stream = (dtq_stream){.seq = seq, .layer_count = 1, .layers = l, .instrs = p->instrs, .input = DTQ_INPUT_TOKENS};
    for (uint32_t i = 0; i < seq; i++) {
        p->ids[i] = i;
        p->bits[i] = sim_next(r) & 1 ? 8 : 4;
        p->tokens[i] = sim_range(r, 0, VOCABULARY - 1);
        l->high += p->bits[i] == 8;
    }
    uint64_t *const regions[] = {&l->q,       &l->k,       &l->v,   &l->q_scale,
                                 &l->k_scale, &l->v_scale, &l->out, &l->importance_at};
    for (unsigned i = 0; i < sizeof regions / sizeof *regions; i++)
        *regions[i] = allot(p, 8 * (uint64_t)seq + 8);
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        l->bits[o] = p->bits;
    const bool transposed = sim_next(r) & 1;
    p->tensors[WORDS] = tensor("words", VOCABULARY, inputs, false, sim_next(r));
    p->tensors[WEIGHT] =
        tensor("weight", transposed ? inputs : outputs, transposed ? outputs : inputs, transposed, sim_next(r));
    p->tensors[BIAS] = tensor("bias", 1, outputs, false, sim_next(r));
    p->program.tensors = p->tensors;
    p->program.tensor_count = TENSORS;
    p->program.vocabulary = VOCABULARY;
    p->program.positions = seq;
    p->program.streams = &p->stream;
    p->program.stream_count = 1;
    p->src = allot(p, 4 * (uint64_t)seq * inputs);
    p->codes = allot(p, dtq_codes_bytes(seq, inputs));
    p->stream.output = DTQ_OUTPUT_HIDDEN;
    p->stream.output_at = allot(p, 4 * (uint64_t)seq * outputs);
    p->stream.output_width = outputs;
    p->program.target_hash = dtq_machine_hash(&p->machine);
    EMIT(p, EMBED, DTQ_HOST, 0, p->src, WORDS, 0xffff, 0xffff);
    EMIT(p, CODES, DTQ_HOST, 0, p->stream.output_at, p->src, p->codes, WEIGHT, biased ? BIAS : 0xffff);
}

/** A block of rows by a block of outputs, its inputs in parts, on one array. */
static void multiply(linear *p, sim_random *r, bool biased, uint32_t row, uint32_t rows, uint32_t output,
                     uint32_t cols) {
    const unsigned array = DTQ_ARRAY0 + sim_range(r, 0, 1);
    const uint64_t x = 4 * sim_range(r, 0, 9), w = 4 * sim_range(r, 0, 9), o = 4 * sim_range(r, 0, 9);
    const bool turned = sim_next(r) & 1, serpentine = sim_next(r) & 1;
    for (uint32_t input = 0, depth; input < p->inputs; input += depth) {
        depth = sim_range(r, 1, p->inputs - input);
        depth = input + depth < p->inputs && depth % 2 ? depth + 1 : depth;
        const bool first = input == 0, last = input + depth == p->inputs;
        EMIT(p, LOAD_ROWS, DTQ_LOAD, 0, row, rows, input, depth, p->inputs, p->codes, x);
        EMIT(p, LOAD_WEIGHTS, DTQ_LOAD, 0, WEIGHT, biased ? BIAS : 0xffff, output, cols, input, depth, w);
        token(p, DTQ_LOAD, array);
        EMIT(p, MATMUL, array, 0,
             first && last ? DTQ_PV_ONLY
             : first       ? DTQ_PV_FIRST
             : last        ? DTQ_PV_LAST
                           : DTQ_PV_MIDDLE,
             row, rows, cols, depth, x, w, o, turned, serpentine);
        token(p, array, DTQ_LOAD);
    }
    token(p, array, DTQ_STORE);
    EMIT(p, STORE_ROWS, DTQ_STORE, 0, row, rows, output, cols, p->outputs, o, p->stream.output_at);
    token(p, DTQ_STORE, DTQ_LOAD);
}

/** All of the linear in random blocks. */
static void linear_end(linear *p, sim_random *r, bool biased) {
    const uint32_t end = dtq_first_query(&p->layer) + dtq_queries(&p->layer);
    token(p, DTQ_HOST, DTQ_LOAD);
    for (uint32_t row = dtq_first_query(&p->layer), rows; row < end; row += rows) {
        rows = sim_range(r, 1, end - row);
        for (uint32_t output = 0, cols; output < p->outputs; output += cols) {
            cols = sim_range(r, 1, p->outputs - output);
            multiply(p, r, biased, row, rows, output, cols);
        }
    }
}

static dtq_output run(const linear *p, dtq_engine engine, dtq_weights *weights, dtq_cache *cache) {
    const dtq_input input = {.tokens = p->tokens};
    const dtq_run_options o = {.engine = engine, .threads = 1, .cache = cache};
    dtq_output out = {0};
    dtq_error e = {0};
    ck_assert_msg(dtq_run(&p->program, &p->stream, weights, &input, &o, &out, NULL, false, &e), "%s", e.message);
    return out;
}

static void expect_same(linear *p, int number) {
    dtq_error e = {0};
    ck_assert_msg(dtq_verify(&p->program, &p->stream, &e), "case %d: %s", number, e.message);
    dtq_weights *weights = dtq_weights_open(&p->program, NULL, &e);
    ck_assert_msg(weights, "%s", e.message);
    dtq_output out[2];
    for (int k = 0; k < 2; k++) {
        dtq_cache *cache = NULL;
        if (p->layer.cached) {
            cache = dtq_cache_open(&p->program, SEQ_MAX, &e);
            ck_assert(cache);
            dtq_cache_advance(cache, p->layer.key_only);
        }
        out[k] = run(p, k ? DTQ_ENGINE_REF : DTQ_ENGINE_SIM, weights, cache);
        dtq_cache_close(cache);
    }
    ck_assert_uint_eq(out[0].count, out[1].count);
    for (size_t i = 0; i < out[0].count; i++) {
        ck_assert_msg(memcmp(&out[0].data[i], &out[1].data[i], sizeof(float)) == 0,
                      "case %d: token %zu, output %zu: %.9g simulated, %.9g by the reference", number, i / p->outputs,
                      i % p->outputs, (double)out[0].data[i], (double)out[1].data[i]);
    }
    for (int k = 0; k < 2; k++)
        dtq_output_free(&out[k]);
    dtq_weights_close(weights);
    free(p->instrs);
}

static sim_random seeded(const char *test) {
    const char *seed = getenv("DTQ_SEED");
    sim_random r = {seed ? strtoull(seed, NULL, 10) : 8};
    printf("sim_linear, %s: seed %llu\n", test, (unsigned long long)r.state);
    return r;
}

START_TEST(bits_are_the_references) {
    sim_random r = seeded("bits");
    for (int i = 0; i < 200; i++) {
        linear p;
        const bool biased = sim_next(&r) & 1;
        linear_begin(&p, &r, sim_range(&r, 1, SEQ_MAX), sim_range(&r, 1, 90), sim_range(&r, 1, 40), biased);
        const uint32_t seq = p.layer.slots, gone = sim_range(&r, 0, seq - 1); /* pruned */
        memmove(p.ids, p.ids + gone, (seq - gone) * sizeof *p.ids);
        p.layer.slots = seq - gone;
        p.layer.high = 0;
        for (uint32_t s = 0; s < p.layer.slots; s++)
            p.layer.high += p.bits[s] == 8;
        linear_end(&p, &r, biased);
        expect_same(&p, i);
    }
}
END_TEST

/* Muted slots are rows as others are, at 4 bits and in front; in a step of generation the newest tokens alone. */
START_TEST(muted_slots_and_steps_too) {
    sim_random r = seeded("muted slots and steps");
    for (int i = 0; i < 100; i++) {
        linear p;
        linear_begin(&p, &r, sim_range(&r, 4, SEQ_MAX), sim_range(&r, 1, 40), sim_range(&r, 1, 20), true);
        dtq_layer *l = &p.layer;
        const uint32_t n = l->slots;
        l->order = sim_next(&r) & 1 ? DTQ_ORDER_LOW_FIRST : DTQ_ORDER_HIGH_FIRST;
        l->high = sim_range(&r, i % 2 ? 2 : 0, n - 2);
        if (i % 2) { /* a step: its queries end the 8-bit cluster, and are the newest tokens */
            const uint32_t queries = sim_range(&r, 1, 2);
            l->cached = l->causal = 1;
            l->key_only = n - queries;
            for (uint32_t s = 0; s < n; s++) {
                const uint32_t low = n - l->high;
                /* the oldest are the 4-bit ones */
                p.ids[s] = l->order == DTQ_ORDER_LOW_FIRST ? s : s < l->high ? low + s : s - l->high;
            }
        } else {
            l->muted = sim_range(&r, 1, n - l->high > n - 1 ? n - 1 : n - l->high);
            if (l->order == DTQ_ORDER_HIGH_FIRST) /* muted ones are behind all others */
                for (uint32_t s = 0; s < n; s++)
                    p.ids[s] = s < l->high ? n - l->high + s : s - l->high;
        }
        for (uint32_t s = 0; s < n; s++)
            p.bits[s] = l->order == DTQ_ORDER_HIGH_FIRST ? (s < l->high ? 8 : 4) : s < n - l->high ? 4 : 8;
        linear_end(&p, &r, true);
        expect_same(&p, i);
    }
}
END_TEST

START_TEST(too_many_inputs_are_refused_by_both) {
    sim_random r = {1};
    linear p;
    linear_begin(&p, &r, 1, 131073, 1, false);
    dtq_error e = {0};
    dtq_weights *weights = dtq_weights_open(&p.program, NULL, &e);
    const dtq_input input = {.tokens = p.tokens};
    for (int k = 0; k < 2; k++) {
        const dtq_run_options o = {.engine = k ? DTQ_ENGINE_REF : DTQ_ENGINE_SIM, .threads = 1};
        dtq_output out = {0};
        e = (dtq_error){0};
        ck_assert(!dtq_run(&p.program, &p.stream, weights, &input, &o, &out, NULL, false, &e));
        ck_assert_msg(strstr(e.message, "an int8 linear of 131073 inputs; at most 131072"), "%s", e.message);
    }
    dtq_weights_close(weights);
    free(p.instrs);
}
END_TEST

/* ---- counters by hand -------------------------------------------------------------------------------------------- */

/* Three rows at 4, 8 and 4 bits, three outputs, four of six inputs, on 2 x 3 PEs whose drain is ideal. */
static dtq_stats timed(linear *p, uint64_t turned) {
    sim_random r = {1};
    linear_begin(p, &r, 3, 6, 3, false);
    static const uint8_t bits[] = {4, 8, 4};
    memcpy(p->bits, bits, sizeof bits);
    p->layer.high = 1;
    dtq_machine *m = &p->machine;
    m->vssa_arrays = 1;
    m->vssa_rows = 2;
    m->vssa_cols = 3;
    m->top_drain = DTQ_DRAIN_IDEAL;
    m->dram_gb_per_s = 8; /* bytes a cycle */
    m->dram_latency_cycles = 10;
    EMIT(p, LOAD_ROWS, DTQ_LOAD, 0, 0, 3, 0, 4, 6, p->codes, 0);
    EMIT(p, LOAD_WEIGHTS, DTQ_LOAD, 0, WEIGHT, 0xffff, 0, 3, 0, 4, 0);
    token(p, DTQ_LOAD, DTQ_ARRAY0);
    EMIT(p, MATMUL, DTQ_ARRAY0, 0, DTQ_PV_FIRST, 0, 3, 3, 4, 0, 0, 0, turned, 0);
    token(p, DTQ_ARRAY0, DTQ_STORE);
    EMIT(p, STORE_ROWS, DTQ_STORE, 0, 0, 3, 0, 3, 3, 0, p->stream.output_at);
    const dtq_run_options o = {.timing_only = true};
    dtq_output none = {0};
    dtq_stats stats = {0};
    dtq_error e = {0};
    ck_assert_msg(dtq_run(&p->program, &p->stream, NULL, NULL, &o, &none, &stats, true, &e), "%s", e.message);
    return stats;
}

START_TEST(counters_by_hand) {
    linear p;
    dtq_stats s = timed(&p, 0);
    const uint64_t rows = 3 * 4 + 2 + 4 + 2, weights = 3 * (4 + 4 + 4), sums = 3 * 3 * 4;
    ck_assert_uint_eq(s.dram_read_bytes, rows + weights);
    ck_assert_uint_eq(s.dram_write_bytes, sums);
    ck_assert_uint_eq(s.mac_cycles, (2 + 4 + 2) * 3 * 4);
    ck_assert_uint_eq(s.stall_cycles, 2 * 3 * 4); /* row 0 waits 2 cycles for row 1, three PEs, four inputs */
    /* two strips meet the weights, one tile of columns the rows */
    ck_assert_uint_eq(s.buffer_bytes, rows + weights + sums + (rows + 2 * weights + sums));
    const dtq_event *at = s.events + 2;
    ck_assert(at[0].start == 0 && at[0].busy == 3 && at[0].done == 13);   /* 20 bytes */
    ck_assert(at[1].start == 3 && at[1].busy == 5 && at[1].done == 18);   /* 36 bytes */
    ck_assert(at[4].start == 18 && at[4].busy == 24 && at[4].done == 42); /* 4 inputs, 4 cycles, then 2 */
    ck_assert(at[7].start == 42 && at[7].busy == 5 && at[7].done == 57);
    ck_assert_uint_eq(s.cycles, 57);
    dtq_stats_free(&s);
    free(p.instrs);
    s = timed(&p, 1); /* one strip of three rows; two tiles, of two outputs and of one */
    ck_assert_uint_eq(s.mac_cycles, (2 + 4 + 2) * 3 * 4);
    ck_assert_uint_eq(s.stall_cycles, 2 * 2 * 3 * 4);
    ck_assert_uint_eq(s.buffer_bytes, rows + weights + sums + (2 * rows + weights + sums));
    ck_assert_uint_eq(s.events[6].busy, 2 * 4 * 4);
    dtq_stats_free(&s);
    free(p.instrs);
}
END_TEST

/* ---- what the simulator refuses ---------------------------------------------------------------------------------- */

START_TEST(what_leaves_its_place_is_refused) {
    static const struct {
        size_t instr;
        unsigned field;
        uint64_t value;
        const char *words;
    } wrong[] = {
        {2, DTQ_F(LOAD_ROWS, input), 1, "load.rows leaves DRAM, or the linear's inputs or outputs"},
        {2, DTQ_F(LOAD_ROWS, depth), 0, "load.rows leaves DRAM, or the linear's inputs or outputs"},
        {2, DTQ_F(LOAD_ROWS, depth), 7, "load.rows leaves DRAM, or the linear's inputs or outputs"},
        {2, DTQ_F(LOAD_ROWS, codes), 1u << 20, "load.rows leaves DRAM, or the linear's inputs or outputs"},
        {2, DTQ_F(LOAD_ROWS, rows), 4, "instruction 2: load.rows: row 0 is out of range"},
        {2, DTQ_F(LOAD_ROWS, x), (1u << 20) - 19, "load.rows: x at 1048557 takes 20 bytes, but buffer q has 1048576"},
        {3, DTQ_F(LOAD_WEIGHTS, w), (1u << 22) - 35, "load.weights: w at 4194269 takes 36 bytes"},
        {6, DTQ_F(MATMUL, cols), 0, "matmul leaves DRAM, or the linear's inputs or outputs"},
        {6, DTQ_F(MATMUL, depth), 0, "matmul leaves DRAM, or the linear's inputs or outputs"},
        {6, DTQ_F(MATMUL, o), (1u << 23) - 35, "matmul: o at 8388573 takes 36 bytes"},
        {9, DTQ_F(STORE_ROWS, output), 1, "store.rows leaves DRAM, or the linear's inputs or outputs"},
        {9, DTQ_F(STORE_ROWS, cols), 0, "store.rows leaves DRAM, or the linear's inputs or outputs"},
        {9, DTQ_F(STORE_ROWS, dst), 1u << 20, "store.rows leaves DRAM, or the linear's inputs or outputs"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        linear p;
        dtq_stats s = timed(&p, 0);
        dtq_stats_free(&s);
        p.instrs[wrong[i].instr].f[wrong[i].field] = wrong[i].value;
        const dtq_run_options o = {.timing_only = true};
        dtq_output none = {0};
        dtq_error e = {0};
        ck_assert_msg(!dtq_run(&p.program, &p.stream, NULL, NULL, &o, &none, NULL, false, &e), "case %zu", i);
        ck_assert_int_eq(e.status, DTQ_BAD_PROGRAM);
        ck_assert_msg(strstr(e.message, wrong[i].words), "case %zu: %s", i, e.message);
        free(p.instrs);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {bits_are_the_references, muted_slots_and_steps_too,
                                  too_many_inputs_are_refused_by_both, counters_by_hand,
                                  what_leaves_its_place_is_refused};
    Suite *suite = suite_create("sim_linear");
    TCase *all = tcase_create("sim_linear");
    tcase_set_timeout(all, 60);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(all, tests[i]);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
