#include <math.h>

#include "numerics_util.h"

/* A layer with its own memory; slots hold ids 0, 1, … at first. */
typedef struct {
    dtq_attention a;
    uint32_t ids[64];
    uint8_t bits[DTQ_OPERANDS][64];
    float *q, *k, *v, *out;
    uint64_t importance[64];
} layer;

static void layer_init(layer *l, rng *r, uint32_t slots, uint32_t heads, uint32_t kv_heads, uint32_t dim, bool causal) {
    memset(l, 0, sizeof *l);
    l->q = random_floats(r, (size_t)slots * heads * dim, 4.0f);
    l->k = random_floats(r, (size_t)slots * kv_heads * dim, 4.0f);
    l->v = random_floats(r, (size_t)slots * kv_heads * dim, 2.0f);
    l->out = malloc((size_t)slots * heads * dim * sizeof *l->out);
    l->a = (dtq_attention){.slots = slots,
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .head_dim = dim,
                           .causal = causal,
                           .ids = l->ids,
                           .q = l->q,
                           .k = l->k,
                           .v = l->v,
                           .out = l->out,
                           .importance = l->importance};
    for (uint32_t i = 0; i < slots; i++) {
        l->ids[i] = i;
        const uint8_t bits = rng_below(r, 2) != 0 ? 8 : 4;
        for (int o = 0; o < DTQ_OPERANDS; o++)
            l->bits[o][i] = bits;
    }
    for (int o = 0; o < DTQ_OPERANDS; o++)
        l->a.bits[o] = l->bits[o];
}

static void layer_free(layer *l) {
    free(l->q);
    free(l->k);
    free(l->v);
    free(l->out);
}

static void attend(layer *l) {
    dtq_error e;
    ck_assert_msg(dtq_attention_ref(&l->a, &e), "%s", e.message);
}

/* FNV-1a of outputs and importance, computed from the same random numbers by tests/e2e/oracle.py's attention(). */
static const struct {
    uint32_t slots, heads, kv_heads, dim;
    bool causal;
    dtq_importance_rule rule;
    uint64_t out, importance;
} golden[] = {
    {37, 3, 1, 16, false, DTQ_IMPORTANCE_MEAN, 0x804965b75f4b3a0eu, 0x9c3bb4215f81959au},
    {37, 4, 2, 13, true, DTQ_IMPORTANCE_MEAN, 0x5c6a6a9249f87e85u, 0xa18d98b1a0e46d29u},
    {64, 1, 1, 32, false, DTQ_IMPORTANCE_SUM, 0x93025a5d1444cc11u, 0xa11b3db1c5815883u},
    {50, 2, 2, 8, true, DTQ_IMPORTANCE_SUM, 0x4297e8974baa21ffu, 0x81b865ecb2ca3495u},
    {1, 1, 1, 1, true, DTQ_IMPORTANCE_MEAN, 0x61a7d420f6764f9eu, 0x4ebaad864bc6f2e1u},
};

START_TEST(agrees_with_an_independent_implementation) {
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        rng r = {1000 + i};
        layer l;
        layer_init(&l, &r, golden[i].slots, golden[i].heads, golden[i].kv_heads, golden[i].dim, golden[i].causal);
        l.a.importance_rule = golden[i].rule;
        attend(&l);
        const size_t n = (size_t)l.a.slots * l.a.heads * l.a.head_dim;
        ck_assert_uint_eq(hash_bytes(l.out, n * sizeof *l.out), golden[i].out);
        ck_assert_uint_eq(hash_bytes(l.importance, l.a.slots * sizeof *l.importance), golden[i].importance);
        layer_free(&l);
    }
}
END_TEST

START_TEST(one_token_returns_its_value) {
    /* 127 steps of 2^-7: the scales are exact, so is the answer. */
    const float q = 1.0f, v[] = {127.0f / 128.0f, -64.0f / 128.0f, 0.0f};
    const float qk[] = {q, q, q};
    float out[3];
    uint64_t importance;
    const uint32_t id = 5;
    const uint8_t eight = 8;
    for (int causal = 0; causal < 2; causal++) {
        const dtq_attention a = {.slots = 1,
                                 .heads = 1,
                                 .kv_heads = 1,
                                 .head_dim = 3,
                                 .causal = causal != 0,
                                 .ids = &id,
                                 .bits = {&eight, &eight, &eight, &eight},
                                 .q = qk,
                                 .k = qk,
                                 .v = v,
                                 .out = out,
                                 .importance = &importance};
        dtq_error e;
        ck_assert(dtq_attention_ref(&a, &e));
        ck_assert_float_eq(out[0], v[0]);
        ck_assert_float_eq_tol(out[1], v[1], 1e-7f);
        ck_assert_float_eq(out[2], 0.0f);
        ck_assert_uint_eq(importance, 255 * ((UINT64_C(1) << 32) / 255));
    }
}
END_TEST

/* Token 3 is a query only: its own query is 4-bit and finds the values of the others, as far as it sees them. */
START_TEST(a_token_without_key_stays_as_a_query) {
    const uint64_t low = 15 * ((UINT64_C(1) << 32) / 15), high = 255 * ((UINT64_C(1) << 32) / 255);
    const uint64_t seen_by_both = 255 * ((UINT64_C(1) << 32) / 510);
    for (int causal = 0; causal < 2; causal++) {
        const uint32_t ids[] = {3, 1, 5};
        const uint8_t bits[] = {4, 8, 8};
        const float q[] = {1, 1, 1}, kv[] = {NAN, 1, 1}; /* what has left may be anything */
        float out[3];
        uint64_t importance[3];
        const dtq_attention a = {.slots = 3,
                                 .heads = 1,
                                 .kv_heads = 1,
                                 .head_dim = 1,
                                 .causal = causal != 0,
                                 .importance_rule = DTQ_IMPORTANCE_MEAN,
                                 .ids = ids,
                                 .bits = {bits, bits, bits, bits},
                                 .q = q,
                                 .k = kv,
                                 .v = kv,
                                 .out = out,
                                 .importance = importance,
                                 .first_key = 1,
                                 .keys = 2};
        dtq_error e;
        ck_assert_msg(dtq_attention_ref(&a, &e), "%s", e.message);
        for (int i = 0; i < 3; i++)
            ck_assert_float_eq_tol(out[i], 1.0f, 1e-6f);
        ck_assert_uint_eq(importance[0], 0);
        if (causal) { /* 3 and 1 see 1 alone; 5 sees both */
            ck_assert_uint_eq(importance[1], (low + high + seen_by_both) / 3);
            ck_assert_uint_eq(importance[2], seen_by_both);
        } else {
            ck_assert_uint_eq(importance[1], (15 * ((UINT64_C(1) << 32) / 30) + 2 * seen_by_both) / 3);
        }
        ck_assert(dtq_attention_fp32(&a, &e));
        ck_assert_float_eq_tol(out[0], 1.0f, 1e-6f);
    }
}
END_TEST

/* Token 0 is the only one that token 0 sees, and its key has left. */
START_TEST(a_query_that_sees_no_key_gives_zero) {
    const uint32_t ids[] = {0, 1};
    const uint8_t bits[] = {4, 8};
    const float x[] = {1, 1};
    float out[2] = {7, 7};
    uint64_t importance[2];
    const dtq_attention a = {.slots = 2,
                             .heads = 1,
                             .kv_heads = 1,
                             .head_dim = 1,
                             .causal = true,
                             .importance_rule = DTQ_IMPORTANCE_MEAN,
                             .ids = ids,
                             .bits = {bits, bits, bits, bits},
                             .q = x,
                             .k = x,
                             .v = x,
                             .out = out,
                             .importance = importance,
                             .first_key = 1,
                             .keys = 1};
    dtq_error e;
    ck_assert(dtq_attention_ref(&a, &e));
    ck_assert_float_eq(out[0], 0.0f);
    ck_assert_float_eq_tol(out[1], 1.0f, 1e-6f);
    ck_assert_uint_eq(importance[1], 255 * ((UINT64_C(1) << 32) / 255));
    out[0] = 7;
    ck_assert(dtq_attention_fp32(&a, &e));
    ck_assert_float_eq(out[0], 0.0f);
    dtq_attention wrong = a;
    wrong.keys = 2;
    ck_assert_fails(dtq_attention_ref(&wrong, &e), e, "keys 1 to 3 are not among 2 tokens");
}
END_TEST

START_TEST(permuting_slots_permutes_the_result) {
    rng r = rng_seeded("permuting_slots_permutes_the_result");
    for (int trial = 0; trial < 12; trial++) {
        layer l, p;
        const uint32_t n = 2 + rng_below(&r, 30), dim = 1 + rng_below(&r, 12);
        layer_init(&l, &r, n, 4, 2, dim, trial % 2 != 0);
        layer_init(&p, &r, n, 4, 2, dim, trial % 2 != 0);
        uint32_t from[64];
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t j = rng_below(&r, i + 1);
            from[i] = from[j];
            from[j] = i;
        }
        for (uint32_t i = 0; i < n; i++) {
            p.ids[i] = l.ids[from[i]];
            for (int o = 0; o < DTQ_OPERANDS; o++)
                p.bits[o][i] = l.bits[o][from[i]];
            memcpy(p.q + i * 4 * dim, l.q + from[i] * 4 * dim, 4 * dim * sizeof(float));
            memcpy(p.k + i * 2 * dim, l.k + from[i] * 2 * dim, 2 * dim * sizeof(float));
            memcpy(p.v + i * 2 * dim, l.v + from[i] * 2 * dim, 2 * dim * sizeof(float));
        }
        attend(&l);
        attend(&p);
        for (uint32_t i = 0; i < n; i++) {
            ck_assert_bits(p.out + i * 4 * dim, l.out + from[i] * 4 * dim, 4 * dim);
            ck_assert_uint_eq(p.importance[i], l.importance[from[i]]);
        }
        layer_free(&l);
        layer_free(&p);
    }
}
END_TEST

START_TEST(the_future_does_not_reach_the_past) {
    rng r = rng_seeded("the_future_does_not_reach_the_past");
    layer l;
    layer_init(&l, &r, 20, 2, 1, 6, true);
    attend(&l);
    float before[20 * 12];
    memcpy(before, l.out, sizeof before);
    for (uint32_t c = 0; c < 6; c++) {
        l.k[12 * 6 + c] = 100.0f;
        l.v[12 * 6 + c] = -1000.0f;
    }
    attend(&l);
    ck_assert_bits(l.out, before, 12 * 12);
    ck_assert(memcmp(l.out + 12 * 12, before + 12 * 12, 12 * sizeof(float)) != 0);
    layer_free(&l);
}
END_TEST

START_TEST(query_heads_share_a_key_head) {
    rng r = rng_seeded("query_heads_share_a_key_head");
    layer grouped, wide;
    layer_init(&grouped, &r, 15, 4, 2, 5, false);
    layer_init(&wide, &r, 15, 4, 4, 5, false);
    memcpy(wide.bits, grouped.bits, sizeof wide.bits);
    memcpy(wide.q, grouped.q, 15 * 20 * sizeof(float));
    for (size_t i = 0; i < 15; i++) {
        for (size_t h = 0; h < 4; h++) {
            memcpy(wide.k + (i * 4 + h) * 5, grouped.k + (i * 2 + h / 2) * 5, 5 * sizeof(float));
            memcpy(wide.v + (i * 4 + h) * 5, grouped.v + (i * 2 + h / 2) * 5, 5 * sizeof(float));
        }
    }
    attend(&grouped);
    attend(&wide);
    ck_assert_bits(grouped.out, wide.out, 15 * 20);
    layer_free(&grouped);
    layer_free(&wide);
}
END_TEST

START_TEST(shares_of_a_row_sum_to_one) {
    rng r = rng_seeded("shares_of_a_row_sum_to_one");
    layer l;
    layer_init(&l, &r, 33, 3, 3, 8, false);
    l.a.importance_rule = DTQ_IMPORTANCE_SUM;
    attend(&l);
    uint64_t sum = 0;
    for (int j = 0; j < 33; j++)
        sum += l.importance[j];
    const uint64_t rows = 33 * 3, whole = rows << 32;
    ck_assert_uint_le(sum, whole);
    ck_assert_uint_gt(sum, whole - rows * 33 * 255);
    layer_free(&l);
}
END_TEST

START_TEST(bad_operands_are_named) {
    rng r = rng_seeded("bad_operands_are_named");
    layer l;
    layer_init(&l, &r, 9, 4, 2, 3, false);
    l.ids[7] = 77;
    dtq_error e;
    l.k[(7 * 2 + 1) * 3 + 2] = NAN;
    ck_assert_fails(dtq_attention_ref(&l.a, &e), e, "operand k, head 1, token 77");
    ck_assert_fails(dtq_attention_fp32(&l.a, &e), e, "operand k, head 1, token 77");
    l.k[(7 * 2 + 1) * 3 + 2] = 0.0f;
    l.q[(7 * 4 + 3) * 3] = -0x1p50f;
    ck_assert_fails(dtq_attention_ref(&l.a, &e), e, "operand q, head 3, token 77");
    l.a.kv_heads = 3;
    ck_assert_fails(dtq_attention_ref(&l.a, &e), e, "make no attention");
    layer_free(&l);
}
END_TEST

/* The float reference against the same in double. */
START_TEST(fp32_is_close_to_exact) {
    rng r = rng_seeded("fp32_is_close_to_exact");
    for (int causal = 0; causal < 2; causal++) {
        layer l;
        layer_init(&l, &r, 30, 4, 2, 9, causal != 0);
        dtq_error e;
        ck_assert(dtq_attention_fp32(&l.a, &e));
        for (size_t i = 0; i < 30; i++) {
            for (size_t h = 0; h < 4; h++) {
                double z = 0, o[9] = {0};
                for (size_t j = 0; j < (causal ? i + 1 : 30); j++) {
                    double s = 0;
                    for (size_t c = 0; c < 9; c++)
                        s += (double)l.q[(i * 4 + h) * 9 + c] * (double)l.k[(j * 2 + h / 2) * 9 + c];
                    const double p = exp(s / 3.0);
                    z += p;
                    for (size_t c = 0; c < 9; c++)
                        o[c] += p * (double)l.v[(j * 2 + h / 2) * 9 + c];
                }
                for (size_t c = 0; c < 9; c++)
                    ck_assert_double_eq_tol((double)l.out[(i * 4 + h) * 9 + c], o[c] / z, 2e-5);
            }
        }
        /* Eight bits everywhere come close to it, four less so. */
        float exact[30 * 36];
        memcpy(exact, l.out, sizeof exact);
        double worst[2] = {0, 0};
        for (int high = 0; high < 2; high++) {
            memset(l.bits, high ? 8 : 4, sizeof l.bits);
            attend(&l);
            for (size_t i = 0; i < 30 * 36; i++)
                worst[high] = fmax(worst[high], fabs((double)l.out[i] - (double)exact[i]));
        }
        ck_assert_double_lt(worst[1], 0.25);
        ck_assert_double_lt(worst[1], worst[0]);
        layer_free(&l);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("attention");
    TCase *c = tcase_create("attention");
    tcase_add_test(c, agrees_with_an_independent_implementation);
    tcase_add_test(c, one_token_returns_its_value);
    tcase_add_test(c, a_token_without_key_stays_as_a_query);
    tcase_add_test(c, a_query_that_sees_no_key_gives_zero);
    tcase_add_test(c, permuting_slots_permutes_the_result);
    tcase_add_test(c, the_future_does_not_reach_the_past);
    tcase_add_test(c, query_heads_share_a_key_head);
    tcase_add_test(c, shares_of_a_row_sum_to_one);
    tcase_add_test(c, bad_operands_are_named);
    tcase_add_test(c, fp32_is_close_to_exact);
    suite_add_tcase(s, c);
    return run_suite(s);
}
