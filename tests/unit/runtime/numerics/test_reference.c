#include "numerics_util.h"
#include "runtime/exec.h"
#include "runtime/machine_members.h"

/* Two attention layers without host work between them: the second attends over what the first selected, from the same
 * q, k and v. */
enum {
    SEQ = 12,
    HEADS = 2,
    KV_HEADS = 1,
    DIM = 5,
    Q_WIDTH = HEADS * DIM,
    KV_WIDTH = KV_HEADS * DIM,
    KEEP = 7,
    HIGH = 3
};
enum { IN_Q = 0, IN_K = 1024, IN_V = 2048, LAYER_0 = 4096, LAYER_1 = 8192, DRAM = 12288 };

typedef struct {
    uint32_t ids[SEQ];
    uint8_t eights[SEQ], clusters[KEEP];
    uint32_t pinned[1];
    dtq_layer layers[2];
    dtq_instr instrs[7];
    dtq_stream stream;
    dtq_machine machine;
    dtq_program program;
    float *q, *k, *v;
    dtq_input input;
} bare;

static void place(dtq_layer *l, uint64_t at) {
    l->q = at;
    l->k = at + 256;
    l->v = at + 512;
    l->q_scale = at + 768;
    l->k_scale = at + 1024;
    l->v_scale = at + 1280;
    l->out = at + 1536;
    l->importance_at = at + 2560;
}

static void bare_init(bare *b, uint64_t seed, dtq_slot_order order) {
    memset(b, 0, sizeof *b);
    rng r = {seed};
    b->q = random_floats(&r, SEQ * Q_WIDTH, 3.0f);
    b->k = random_floats(&r, SEQ * KV_WIDTH, 3.0f);
    b->v = random_floats(&r, SEQ * KV_WIDTH, 1.0f);
    b->input = (dtq_input){.q = b->q, .k = b->k, .v = b->v};
    for (uint32_t i = 0; i < SEQ; i++) {
        b->ids[i] = i;
        b->eights[i] = 8;
    }
    memset(b->clusters, 4, KEEP - HIGH);
    memset(b->clusters + KEEP - HIGH, 8, HIGH);
    b->pinned[0] = 11;
    b->layers[0] = (dtq_layer){.slots = SEQ,
                               .high = SEQ,
                               .heads = HEADS,
                               .kv_heads = KV_HEADS,
                               .head_dim = DIM,
                               .ids = b->ids,
                               .bits = {b->eights, b->eights, b->eights, b->eights}};
    b->layers[1] = (dtq_layer){.slots = KEEP,
                               .high = HIGH,
                               .heads = HEADS,
                               .kv_heads = KV_HEADS,
                               .head_dim = DIM,
                               .order = (uint8_t)order,
                               .pinned = b->pinned,
                               .pinned_count = 1};
    for (int o = 0; o < DTQ_OPERANDS && order == DTQ_ORDER_LOW_FIRST; o++)
        b->layers[1].bits[o] = b->clusters;
    place(&b->layers[0], LAYER_0);
    place(&b->layers[1], LAYER_1);
    static const uint64_t sources[] = {IN_Q, IN_K, IN_V};
    size_t n = 0;
    for (uint64_t layer = 0; layer < 2; layer++)
        for (uint64_t o = 0; o < 3; o++)
            b->instrs[n++] = (dtq_instr){DTQ_OP_QUANT, DTQ_HOST, {layer, o, sources[o]}};
    b->stream = (dtq_stream){.seq = SEQ,
                             .layer_count = 2,
                             .layers = b->layers,
                             .count = n,
                             .instrs = b->instrs,
                             .dram_bytes = DRAM,
                             .input = DTQ_INPUT_QKV,
                             .input_at = {IN_Q, IN_K, IN_V},
                             .output = DTQ_OUTPUT_ATTENTION,
                             .output_at = b->layers[1].out,
                             .output_width = Q_WIDTH};
    b->program = (dtq_program){.stream_count = 1, .streams = &b->stream};
    dtq_machine_init(&b->machine);
    b->program.machine = &b->machine;
}

static void bare_free(bare *b) {
    free(b->q);
    free(b->k);
    free(b->v);
}

/* The layer by dtq_attention_ref, from inputs [heads][seq][dim]; out [slots][heads][dim]. */
static void expect_layer(const bare *b, const uint32_t *ids, const uint8_t *bits, uint32_t n, float *out,
                         uint64_t *importance) {
    float q[SEQ * Q_WIDTH], k[SEQ * KV_WIDTH], v[SEQ * KV_WIDTH];
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t h = 0; h < HEADS; h++)
            memcpy(q + i * Q_WIDTH + h * DIM, b->q + (h * SEQ + ids[i]) * DIM, DIM * sizeof *q);
        memcpy(k + i * DIM, b->k + ids[i] * DIM, DIM * sizeof *k);
        memcpy(v + i * DIM, b->v + ids[i] * DIM, DIM * sizeof *v);
    }
    const dtq_attention a = {.slots = n,
                             .heads = HEADS,
                             .kv_heads = KV_HEADS,
                             .head_dim = DIM,
                             .ids = ids,
                             .bits = {bits, bits, bits, bits},
                             .q = q,
                             .k = k,
                             .v = v,
                             .out = out,
                             .importance = importance};
    dtq_error e;
    ck_assert_msg(dtq_attention_ref(&a, &e), "%s", e.message);
}

START_TEST(layers_select_and_attend) {
    for (int order = DTQ_ORDER_LOW_FIRST; order <= DTQ_ORDER_ORIGINAL; order += 2) {
        bare b;
        bare_init(&b, 77, (dtq_slot_order)order);
        const dtq_run_options o = {.engine = DTQ_ENGINE_REF};
        dtq_output out;
        dtq_error e;
        ck_assert_msg(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), "%s", e.message);
        float first[SEQ * Q_WIDTH], second[KEEP * Q_WIDTH];
        uint64_t importance[SEQ], later[KEEP];
        uint32_t ids[KEEP];
        uint8_t flags[KEEP], bits[KEEP];
        expect_layer(&b, b.ids, b.eights, SEQ, first, importance);
        ck_assert_mem_eq(out.importance, importance, sizeof importance);
        dtq_select(importance, b.ids, SEQ, b.pinned, 1, KEEP, HIGH, (dtq_slot_order)order, ids, flags);
        for (uint32_t i = 0; i < KEEP; i++)
            bits[i] = flags[i] ? 8 : 4;
        expect_layer(&b, ids, bits, KEEP, second, later);
        ck_assert_uint_eq(out.count, SEQ * Q_WIDTH);
        size_t active = 0;
        for (uint32_t id = 0; id < SEQ; id++) {
            uint32_t slot = 0;
            while (slot < KEEP && ids[slot] != id)
                slot++;
            const bool kept = slot < KEEP;
            active += kept;
            ck_assert_uint_eq(out.bits[id], 8);
            ck_assert_uint_eq(out.bits[SEQ + id], kept ? bits[slot] : 0);
            ck_assert_uint_eq(out.importance[SEQ + id], kept ? later[slot] : 0);
            for (uint32_t h = 0; h < HEADS; h++) {
                const float zeros[DIM] = {0};
                const float *want = kept ? second + slot * Q_WIDTH + h * DIM : zeros;
                ck_assert_bits(out.data + (h * SEQ + id) * DIM, want, DIM);
            }
        }
        ck_assert_uint_eq(active, KEEP);
        ck_assert_uint_eq(out.bits[SEQ + 11], 8); /* pinned */
        dtq_output_free(&out);
        bare_free(&b);
    }
}
END_TEST

START_TEST(float_engine_keeps_every_token) {
    bare b;
    bare_init(&b, 78, DTQ_ORDER_LOW_FIRST);
    const dtq_run_options o = {.engine = DTQ_ENGINE_FP32};
    dtq_output out;
    dtq_error e;
    ck_assert_msg(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), "%s", e.message);
    float q[SEQ * Q_WIDTH], want[SEQ * Q_WIDTH];
    for (uint32_t i = 0; i < SEQ; i++)
        for (uint32_t h = 0; h < HEADS; h++)
            memcpy(q + i * Q_WIDTH + h * DIM, b.q + (h * SEQ + i) * DIM, DIM * sizeof *q);
    const dtq_attention a = {.slots = SEQ,
                             .heads = HEADS,
                             .kv_heads = KV_HEADS,
                             .head_dim = DIM,
                             .ids = b.ids,
                             .q = q,
                             .k = b.k,
                             .v = b.v,
                             .out = want};
    ck_assert(dtq_attention_fp32(&a, &e));
    for (uint32_t i = 0; i < SEQ; i++) {
        for (uint32_t h = 0; h < HEADS; h++)
            ck_assert_bits(out.data + (h * SEQ + i) * DIM, want + i * Q_WIDTH + h * DIM, DIM);
        ck_assert_uint_eq(out.importance[i], 0);
    }
    dtq_output_free(&out);
    bare_free(&b);
}
END_TEST

START_TEST(missing_or_bad_input_is_an_error) {
    bare b;
    bare_init(&b, 79, DTQ_ORDER_LOW_FIRST);
    const dtq_run_options o = {.engine = DTQ_ENGINE_REF};
    dtq_run_options timing = {.engine = DTQ_ENGINE_REF, .timing_only = true};
    dtq_output out;
    dtq_error e;
    b.q[(1 * SEQ + 8) * DIM] = 0x1p60f;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e,
                    "layer 0, operand q, head 1, token 8");
    b.input.v = NULL;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "q, k and v");
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, NULL, &o, &out, NULL, false, &e), e, "no input");
    b.stream.input = DTQ_INPUT_TOKENS;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "token ids");
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, NULL, &timing, &out, NULL, false, &e), e, "without data");
    bare_free(&b);
}
END_TEST

START_TEST(malformed_streams_are_refused) {
    const dtq_run_options o = {.engine = DTQ_ENGINE_REF};
    dtq_output out;
    dtq_error e;
    bare b;
    bare_init(&b, 80, DTQ_ORDER_LOW_FIRST);
    b.stream.count = 2;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "complete");
    b.stream.count = 6;
    b.instrs[1].f[0] = 1;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "nothing to work on");
    b.instrs[1].f[0] = 0;
    b.instrs[2].f[2] = DRAM;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e,
                    "operand v lies outside");
    b.instrs[2].f[2] = IN_V;
    b.layers[1].slots = SEQ + 1;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "layer 1: 13 slots");
    b.layers[1].slots = KEEP;
    b.layers[1].out = DRAM - 8;
    ck_assert_fails(dtq_run(&b.program, &b.stream, NULL, &b.input, &o, &out, NULL, false, &e), e, "outside of DRAM");
    bare_free(&b);
}
END_TEST

/* Nothing in this stream computes attention, so the simulator's output stays 0: the check must say where. */
START_TEST(check_names_the_first_difference) {
    bare b;
    bare_init(&b, 81, DTQ_ORDER_LOW_FIRST);
    b.stream.layer_count = 1;
    b.stream.count = 3;
    b.stream.output_at = b.layers[0].out;
    dtq_error e;
    ck_assert_fails(dtq_check(&b.program, &b.stream, NULL, &b.input, NULL, &e), e, "layer 0, head 0, slot 0 (token 0)");
    ck_assert_ptr_nonnull(strstr(e.message, "element 0"));
    bare_free(&b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("reference");
    TCase *c = tcase_create("reference");
    tcase_add_test(c, layers_select_and_attend);
    tcase_add_test(c, float_engine_keeps_every_token);
    tcase_add_test(c, missing_or_bad_input_is_an_error);
    tcase_add_test(c, malformed_streams_are_refused);
    tcase_add_test(c, check_names_the_first_difference);
    suite_add_tcase(s, c);
    return run_suite(s);
}
