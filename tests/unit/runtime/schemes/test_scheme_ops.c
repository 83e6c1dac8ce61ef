#include <math.h>

#include "numerics_util.h"
#include "runtime/machine_members.h"
#include "runtime/schemes/scheme_ops.h"
#include "runtime/systems/systems.h"

/* One attention layer without host work, by every scheme but those of systems, which have tests of their own. */
enum { SEQ = 12, HEADS = 2, KV_HEADS = 1, DIM = 8, Q_WIDTH = HEADS * DIM, KV_WIDTH = KV_HEADS * DIM };
enum { IN_Q = 0, IN_K = 1024, IN_V = 2048, LAYER = 4096, DRAM = 8192 };

typedef struct {
    uint32_t ids[SEQ];
    uint8_t eights[SEQ];
    dtq_layer layer;
    dtq_instr instrs[3];
    dtq_stream stream;
    dtq_machine machine;
    dtq_program program;
    float *q, *k, *v;
    dtq_input input;
} bare;

static void bare_init(bare *b, dtq_scheme_kind scheme, bool causal) {
    memset(b, 0, sizeof *b);
    rng r = {31};
    b->q = random_floats(&r, SEQ * Q_WIDTH, 2.0f);
    b->k = random_floats(&r, SEQ * KV_WIDTH, 2.0f);
    b->v = random_floats(&r, SEQ * KV_WIDTH, 1.0f);
    b->input = (dtq_input){.q = b->q, .k = b->k, .v = b->v};
    for (uint32_t i = 0; i < SEQ; i++) {
        b->ids[i] = i;
        b->eights[i] = 8;
    }
    b->layer = (dtq_layer){.slots = SEQ,
                           .high = SEQ,
                           .heads = HEADS,
                           .kv_heads = KV_HEADS,
                           .head_dim = DIM,
                           .causal = causal,
                           .importance = DTQ_IMPORTANCE_SUM,
                           .ids = b->ids,
                           .bits = {b->eights, b->eights, b->eights, b->eights},
                           .q = LAYER,
                           .k = LAYER + 256,
                           .v = LAYER + 512,
                           .q_scale = LAYER + 768,
                           .k_scale = LAYER + 1024,
                           .v_scale = LAYER + 1280,
                           .out = LAYER + 1536,
                           .importance_at = LAYER + 2560};
    static const uint64_t sources[] = {IN_Q, IN_K, IN_V};
    for (uint64_t o = 0; o < 3; o++)
        b->instrs[o] = (dtq_instr){DTQ_OP_QUANT, DTQ_HOST, {0, o, sources[o]}};
    b->stream = (dtq_stream){.seq = SEQ,
                             .layer_count = 1,
                             .layers = &b->layer,
                             .count = 3,
                             .instrs = b->instrs,
                             .dram_bytes = DRAM,
                             .input = DTQ_INPUT_QKV,
                             .input_at = {IN_Q, IN_K, IN_V},
                             .output = DTQ_OUTPUT_ATTENTION,
                             .output_at = LAYER + 1536,
                             .output_width = Q_WIDTH};
    b->program = (dtq_program){.stream_count = 1, .streams = &b->stream, .scheme = dtq_scheme_of(scheme)};
    dtq_machine_init(&b->machine);
    b->program.machine = &b->machine;
}

static void bare_free(bare *b) {
    free(b->q);
    free(b->k);
    free(b->v);
}

static dtq_output run(const bare *b, dtq_engine engine) {
    const dtq_run_options o = {.engine = engine, .threads = 1};
    dtq_output out;
    dtq_error e;
    ck_assert_msg(dtq_run(&b->program, &b->stream, NULL, &b->input, &o, &out, NULL, false, &e), "%s", e.message);
    return out;
}

static double cosine(const dtq_output *a, const dtq_output *b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a->count; i++) {
        ab += (double)a->data[i] * b->data[i];
        aa += (double)a->data[i] * a->data[i];
        bb += (double)b->data[i] * b->data[i];
    }
    return ab / sqrt(aa * bb);
}

/* How near float32 attention of 8-bit operands is; a polynomial is not exp. */
START_TEST(schemes_are_near_float32) {
    static const double least[DTQ_SCHEMES] = {[DTQ_SCHEME_Q8BERT] = 0.9995,
                                              [DTQ_SCHEME_QBERT] = 0.9995,
                                              [DTQ_SCHEME_IBERT] = 0.999,
                                              [DTQ_SCHEME_FULLY8] = 0.9};
    for (unsigned k = DTQ_SCHEME_MIXED + 1; k < DTQ_SCHEMES; k++) {
        if (dtq_scheme_is_system(&(dtq_scheme){.kind = (dtq_scheme_kind)k}))
            continue;
        for (int causal = 0; causal < 2; causal++) {
            bare b;
            bare_init(&b, (dtq_scheme_kind)k, causal != 0);
            dtq_output out = run(&b, DTQ_ENGINE_REF), exact = run(&b, DTQ_ENGINE_FP32);
            const double near = cosine(&out, &exact);
            ck_assert_msg(near >= least[k] && near < 1, "%s: %g", dtq_schemes[k].word, near);
            uint64_t sum = 0; /* every row gives 1, in parts of 2^32, for each head */
            for (size_t i = 0; i < SEQ; i++)
                sum += out.importance[i];
            ck_assert_double_eq_tol((double)sum / 0x1p32, SEQ * HEADS, 0.05 * (double)(SEQ * HEADS));
            ck_assert_ptr_null(out.effects);
            dtq_output_free(&out);
            dtq_output_free(&exact);
            bare_free(&b);
        }
    }
}
END_TEST

/* Integers have no order: slots may stand in any. */
START_TEST(slots_of_integer_schemes_may_be_permuted) {
    static const dtq_scheme_kind kinds[] = {DTQ_SCHEME_IBERT, DTQ_SCHEME_FULLY8};
    for (size_t k = 0; k < 2; k++) {
        bare b;
        bare_init(&b, kinds[k], k == 1);
        dtq_output want = run(&b, DTQ_ENGINE_REF);
        for (uint32_t i = 0; i < SEQ; i++)
            b.ids[i] = i * 5 % SEQ;
        dtq_output got = run(&b, DTQ_ENGINE_REF);
        ck_assert_bits(got.data, want.data, want.count);
        ck_assert_mem_eq(got.importance, want.importance, SEQ * sizeof(uint64_t));
        dtq_output_free(&got);
        dtq_output_free(&want);
        bare_free(&b);
    }
}
END_TEST

/* Where all keys are alike, all weights are; where a query sees itself alone its value comes back. Without a bias no
 * score of the polynomial is positive then. */
START_TEST(equal_keys_have_equal_weights) {
    for (unsigned k = DTQ_SCHEME_MIXED + 1; k <= DTQ_SCHEMES; k++) {
        if (dtq_scheme_is_system(&(dtq_scheme){.kind = (dtq_scheme_kind)k}))
            continue;
        bare b;
        bare_init(&b, k < DTQ_SCHEMES ? (dtq_scheme_kind)k : DTQ_SCHEME_FULLY8, true);
        if (k == DTQ_SCHEMES)
            b.program.scheme.values[DTQ_SCHEME_PARAM(FULLY8, bias)] = 0;
        memset(b.k, 0, SEQ * KV_WIDTH * sizeof *b.k);
        dtq_output out = run(&b, DTQ_ENGINE_REF);
        for (size_t i = 0; i < SEQ; i++) {
            double mean = 0;
            for (size_t j = 0; j <= i; j++)
                mean += (double)b.v[j * DIM + 3] / (double)(i + 1);
            /* weights are whole 255ths or 256ths */
            ck_assert_double_eq_tol((double)out.data[i * DIM + 3], mean, 0.06);
        }
        dtq_output_free(&out);
        bare_free(&b);
    }
}
END_TEST

START_TEST(the_simulator_times_and_does_not_compute) {
    bare b;
    bare_init(&b, DTQ_SCHEME_IBERT, false);
    dtq_output ref = run(&b, DTQ_ENGINE_REF), sim = run(&b, DTQ_ENGINE_SIM);
    ck_assert_bits(sim.data, ref.data, ref.count);
    dtq_error e;
    ck_assert_fails(dtq_check(&b.program, &b.stream, NULL, &b.input, NULL, &e), e, "nothing to compare");
    dtq_output_free(&ref);
    dtq_output_free(&sim);
    bare_free(&b);
}
END_TEST

START_TEST(undefined_instructions_are_errors) {
    bare b;
    bare_init(&b, DTQ_SCHEME_IBERT, false);
    b.instrs[0] = (dtq_instr){.op = DTQ_OP_ROTARY, .queue = DTQ_HOST};
    const dtq_run_options o = {.engine = DTQ_ENGINE_REF};
    dtq_output out;
    dtq_error e;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e,
                    "i-bert has no definition of host.rotary");
    b.layer.cached = 1;
    b.instrs[0] = (dtq_instr){DTQ_OP_QUANT, DTQ_HOST, {0, DTQ_Q, IN_Q}};
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "with a cache");
    b.layer.cached = 0;
    b.q[5] = NAN;
    b.instrs[0] = (dtq_instr){DTQ_OP_QUANT, DTQ_HOST, {0, DTQ_Q, IN_Q}};
    for (unsigned k = DTQ_SCHEME_MIXED + 1; k < DTQ_SCHEMES; k++) {
        b.program.scheme = dtq_scheme_of((dtq_scheme_kind)k);
        ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "not finite");
    }
    bare_free(&b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("scheme_ops");
    TCase *c = tcase_create("scheme_ops");
    tcase_add_test(c, schemes_are_near_float32);
    tcase_add_test(c, slots_of_integer_schemes_may_be_permuted);
    tcase_add_test(c, equal_keys_have_equal_weights);
    tcase_add_test(c, the_simulator_times_and_does_not_compute);
    tcase_add_test(c, undefined_instructions_are_errors);
    suite_add_tcase(s, c);
    return run_suite(s);
}
