#include <math.h>

#include "numerics_util.h"
#include "runtime/schemes/per_tensor.h"

START_TEST(rows_share_a_scale) {
    /* Rows 2 and 0 count; of the three the middle one has the largest number. */
    float x[] = {12.7f, -0.34f, 900.0f, 900.0f, -3.01f, 0.05f};
    const uint32_t ids[] = {2, 0};
    float scale;
    dtq_error e;
    ck_assert(dtq_per_tensor_scale(x, 2, ids, 2, "x", &scale, &e));
    ck_assert_float_eq(scale, 12.7f / 127);
    ck_assert(dtq_per_tensor_round(x, 2, ids, 2, "x", &e));
    const float want[] = {127 * scale, -3 * scale, 900.0f, 900.0f, -30 * scale, 0 * scale};
    ck_assert(x[5] == 0.0f || x[5] == scale); /* 0.05 is half a step, or what float makes of it */
    ck_assert_bits(x, want, 5);
    x[4] = INFINITY;
    ck_assert_fails(dtq_per_tensor_round(x, 2, ids, 2, "some matrix", &e), e, "some matrix, token 2: a value is not");
    x[4] = 0;
    x[2] = NAN; /* of a row that does not count */
    ck_assert(dtq_per_tensor_round(x, 2, ids, 2, "x", &e));
    memset(x, 0, sizeof x);
    ck_assert(dtq_per_tensor_scale(x, 2, ids, 2, "x", &scale, &e));
    ck_assert_float_eq(scale, 1);
}
END_TEST

/* A linear layer of one layer's two tokens by a synthetic weight. */
enum { INPUTS = 3, OUTPUTS = 2, SEQ = 2 };

START_TEST(a_linear_layer_by_hand) {
    dtq_error e;
    dtq_tensor tensors[] = {
        {.name = "w", .file = UINT32_MAX, .shape = {OUTPUTS, INPUTS}, .seed = 3, .scale = 0.5f},
        {.name = "b", .file = UINT32_MAX, .shape = {1, OUTPUTS}, .seed = 9, .scale = 2.0f},
    };
    uint32_t ids[] = {0, 1};
    dtq_layer layer = {.slots = SEQ, .heads = 1, .kv_heads = 1, .head_dim = 1, .ids = ids};
    float dram[SEQ * (INPUTS + OUTPUTS)] = {1.27f, 0, -1.27f, 0.5f, 0.25f, 0};
    dtq_stream stream = {.seq = SEQ, .layer_count = 1, .layers = &layer, .dram_bytes = sizeof dram};
    dtq_program program = {.tensor_count = 2, .tensors = tensors, .stream_count = 1, .streams = &stream};
    dtq_slots slots = {.ids = ids, .left = SEQ, .ready = true};
    dtq_exec x = {.program = &program, .stream = &stream, .dram = (uint8_t *)dram, .slots = &slots, .threads = 1};
    x.weights = dtq_weights_open(&program, NULL, &e);
    ck_assert_ptr_nonnull(x.weights);
    dtq_instr in = {.op = DTQ_OP_LINEAR, .queue = DTQ_HOST};
    in.f[DTQ_F(LINEAR, weight)] = 0;
    in.f[DTQ_F(LINEAR, bias)] = 1;
    in.f[DTQ_F(LINEAR, dst)] = SEQ * INPUTS * sizeof(float);
    const dtq_per_tensor_form form = {8, 1, DTQ_CODES_SYMMETRIC, false};
    ck_assert_msg(dtq_per_tensor_linear(&x, &in, &form, &e), "%s", e.message);
    const dtq_coded_weight *w = dtq_weights_coded(x.weights, 0, 8, 1, DTQ_CODES_SYMMETRIC, &e);
    const float *bias = dtq_weights_float(x.weights, 1, &e), sx = 1.27f / 127, t = sx * w->scales[0];
    const int codes[SEQ][INPUTS] = {{127, 0, -127}, {50, 25, 0}};
    for (int i = 0; i < SEQ; i++) {
        for (int o = 0; o < OUTPUTS; o++) {
            int sum = (int)dtq_rne(bias[o] / t);
            for (int k = 0; k < INPUTS; k++)
                sum += codes[i][k] * w->codes[o * INPUTS + k];
            ck_assert_float_eq(dram[SEQ * INPUTS + i * OUTPUTS + o], (float)sum * t);
        }
    }
    const dtq_per_tensor_form rounded = {8, 1, DTQ_CODES_SYMMETRIC, true};
    float before[SEQ * OUTPUTS];
    memcpy(before, dram + SEQ * INPUTS, sizeof before);
    ck_assert(dtq_per_tensor_linear(&x, &in, &rounded, &e));
    ck_assert(dtq_per_tensor_round(before, OUTPUTS, ids, SEQ, "", &e));
    ck_assert_bits(before, dram + SEQ * INPUTS, SEQ * OUTPUTS);
    dtq_weights_close(x.weights);
}
END_TEST

int main(void) {
    Suite *s = suite_create("per_tensor");
    TCase *c = tcase_create("per_tensor");
    tcase_add_test(c, rows_share_a_scale);
    tcase_add_test(c, a_linear_layer_by_hand);
    suite_add_tcase(s, c);
    return run_suite(s);
}
