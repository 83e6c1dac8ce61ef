#include <math.h>

#include "numerics_util.h"
#include "runtime/exec.h"
#include "runtime/kernels/kernels.h"

static const size_t lengths[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 65, 384};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Numbers of all magnitudes that host work meets, with the special points of the functions among them. */
static float *test_values(rng *r, size_t n) {
    static const float special[] = {0.0f,   -0.0f,  0.625f,  -0.625f, 0x1.3ffffep-1f, 1e-30f, -1e-30f, 88.0f,
                                    -88.0f, 200.0f, -200.0f, 9.0f,    -9.0f,          5e-8f,  1e10f,   -1e10f};
    float *x = random_floats(r, n, 1.0f);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_below(r, 8) == 0 ? special[rng_below(r, COUNT(special))] : ldexpf(x[i], (int)rng_below(r, 12) - 5);
    return x;
}

START_TEST(vector_kernels_equal_the_scalar_reference) {
    rng r = rng_seeded("vector_kernels_equal_the_scalar_reference");
    const dtq_kernels *tables[4];
    const unsigned count = dtq_kernels_available(tables);
    for (unsigned t = 1; t < count; t++) {
        for (size_t i = 0; i < 3 * COUNT(lengths); i++) {
            const size_t n = lengths[i / 3];
            float *x = test_values(&r, n), *g = random_floats(&r, n, 2.0f), *b = random_floats(&r, n, 2.0f);
            float *want = malloc(n * sizeof *want), *got = malloc(n * sizeof *got);
            int8_t *codes_want = malloc(n), *codes_got = malloc(n);
            for (dtq_act kind = DTQ_ACT_GELU; kind <= DTQ_ACT_SILU; kind++) {
                tables[0]->act(kind, x, n, want);
                tables[t]->act(kind, x, n, got);
                ck_assert_bits(got, want, n);
            }
            tables[0]->rmsnorm(x, n, g, 1e-5f, want);
            tables[t]->rmsnorm(x, n, g, 1e-5f, got);
            ck_assert_bits(got, want, n);
            tables[0]->norm(x, n, g, i % 2 != 0 ? b : NULL, 1e-5f, want);
            tables[t]->norm(x, n, g, i % 2 != 0 ? b : NULL, 1e-5f, got);
            ck_assert_bits(got, want, n);
            for (unsigned bits = 4; bits <= 8; bits += 4) {
                float scale_want, scale_got;
                ck_assert(tables[0]->quantise_row(x, n, bits, codes_want, &scale_want));
                ck_assert(tables[t]->quantise_row(x, n, bits, codes_got, &scale_got));
                ck_assert_float_eq(scale_got, scale_want);
                ck_assert_mem_eq(codes_got, codes_want, n);
                for (size_t k = 0; k < n; k++)
                    g[k] = fabsf(g[k]) + 0.01f;
                tables[0]->quantise_by(b, g, n, bits, codes_want);
                tables[t]->quantise_by(b, g, n, bits, codes_got);
                ck_assert_mem_eq(codes_got, codes_want, n);
            }
            const float kept = x[n / 2];
            float scale;
            x[n / 2] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -0x1p50f;
            ck_assert(!tables[t]->quantise_row(x, n, 8, codes_got, &scale));
            x[n / 2] = kept;
            free(x);
            free(g);
            free(b);
            free(want);
            free(got);
            free(codes_want);
            free(codes_got);
        }
    }
}
END_TEST

static double exact_act(dtq_act kind, double x) {
    switch (kind) {
    case DTQ_ACT_GELU:
        return 0.5 * x * erfc(-x / sqrt(2.0));
    case DTQ_ACT_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case DTQ_ACT_RELU:
        return x > 0 ? x : 0;
    case DTQ_ACT_TANH:
        return tanh(x);
    case DTQ_ACT_SILU:
        return x / (1.0 + exp(-x));
    }
    return 0;
}

START_TEST(activations_keep_a_nan) {
    const dtq_kernels *tables[4];
    const unsigned count = dtq_kernels_available(tables);
    for (unsigned t = 0; t < count; t++) {
        for (dtq_act kind = DTQ_ACT_GELU; kind <= DTQ_ACT_SILU; kind++) {
            float x[17], y[17];
            for (int i = 0; i < 17; i++)
                x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? -NAN : 1.0f;
            tables[t]->act(kind, x, 17, y);
            for (int i = 0; i < 17; i++)
                ck_assert_int_eq(isnan(y[i]) != 0, isnan(x[i]) != 0);
        }
    }
}
END_TEST

START_TEST(activations_are_as_accurate_as_documented) {
    for (dtq_act kind = DTQ_ACT_GELU; kind <= DTQ_ACT_SILU; kind++) {
        for (int i = -5000; i <= 5000; i++) {
            const float x = (float)i * 0x1p-8f;
            float y;
            dtq_kernels_scalar.act(kind, &x, 1, &y);
            const double exact = exact_act(kind, (double)x);
            ck_assert_double_eq_tol((double)y, exact, 4e-7 * fmax(1.0, fabs(exact)));
        }
    }
}
END_TEST

START_TEST(norm_centres_and_scales) {
    rng r = rng_seeded("norm_centres_and_scales");
    enum { N = 100 };
    float *x = random_floats(&r, N, 5.0f), gamma[N], y[N];
    double mean = 0, square = 0;
    for (int i = 0; i < N; i++)
        gamma[i] = 2.0f;
    dtq_kernels_scalar.norm(x, N, gamma, NULL, 1e-12f, y);
    for (int i = 0; i < N; i++) {
        mean += (double)y[i] / 100.0;
        square += (double)y[i] * (double)y[i] / 100.0;
    }
    ck_assert_double_eq_tol(mean, 0.0, 1e-6);
    ck_assert_double_eq_tol(square, 4.0, 1e-5);
    free(x);
}
END_TEST

/* ---- instructions on a small program of synthetic weights ----------------------------------------------------- */

/* OUTPUTS is more than one thread takes at a time. */
enum {
    SEQ = 5,
    WIDTH = 6,
    OUTPUTS = 150,
    HEADS = 2,
    DIM = 3,
    A = 0,
    B = 1024,
    C = 2048,
    CODES = 4096,
    SCALES = 6144,
    DRAM = 8192
};
enum { WORD, POSITION, TYPE, GAMMA, SQUARE, WIDE, BIAS, TENSORS, NO_TENSOR = 0xffff };

static const uint32_t slot_ids[] = {4, 0, 2};
static const uint8_t slot_bits[] = {4, 8, 8};

typedef struct {
    dtq_tensor tensors[TENSORS];
    dtq_layer layer;
    dtq_stream stream;
    dtq_program program;
    uint32_t tokens[SEQ], segments[SEQ];
    dtq_input input;
    dtq_weights *weights;
    dtq_exec x;
} bench;

static dtq_tensor synthetic(const char *name, uint32_t rows, uint32_t columns, uint64_t seed) {
    return (dtq_tensor){.name = name, .file = UINT32_MAX, .shape = {rows, columns}, .seed = seed, .scale = 1.0f};
}

static void bench_init(bench *b, bool causal) {
    memset(b, 0, sizeof *b);
    b->tensors[WORD] = synthetic("word", 10, WIDTH, 1);
    b->tensors[POSITION] = synthetic("position", SEQ, WIDTH, 100);
    b->tensors[TYPE] = synthetic("type", 2, WIDTH, 200);
    b->tensors[GAMMA] = synthetic("gamma", 1, WIDTH, 300);
    b->tensors[SQUARE] = synthetic("square", WIDTH, WIDTH, 400);
    b->tensors[WIDE] = synthetic("wide", OUTPUTS, WIDTH, 500);
    b->tensors[BIAS] = synthetic("bias", 1, OUTPUTS, 9000);
    b->layer = (dtq_layer){.slots = 3,
                           .high = 2,
                           .heads = HEADS,
                           .kv_heads = HEADS,
                           .head_dim = DIM,
                           .causal = causal,
                           .ids = slot_ids,
                           .bits = {slot_bits, slot_bits, slot_bits, slot_bits},
                           .q = CODES,
                           .k = CODES + 256,
                           .v = CODES + 512,
                           .q_scale = SCALES,
                           .k_scale = SCALES + 256,
                           .v_scale = SCALES + 512,
                           .out = C,
                           .importance_at = SCALES + 1024};
    b->stream = (dtq_stream){.seq = SEQ,
                             .layer_count = 1,
                             .layers = &b->layer,
                             .dram_bytes = DRAM,
                             .output = DTQ_OUTPUT_HIDDEN,
                             .output_at = A,
                             .output_width = WIDTH};
    b->program =
        (dtq_program){.tensor_count = TENSORS, .tensors = b->tensors, .stream_count = 1, .streams = &b->stream};
    for (uint32_t i = 0; i < SEQ; i++) {
        b->tokens[i] = i + 3;
        b->segments[i] = i % 2;
    }
    b->input = (dtq_input){.tokens = b->tokens, .segments = b->segments};
    dtq_error e;
    b->weights = dtq_weights_open(&b->program, NULL, &e);
    ck_assert_msg(b->weights, "%s", e.message);
    const dtq_run_options o = {.threads = 2};
    ck_assert_msg(dtq_exec_init(&b->x, &b->program, &b->stream, b->weights, &b->input, &o, &e), "%s", e.message);
}

static void bench_free(bench *b) {
    dtq_exec_free(&b->x);
    dtq_weights_close(b->weights);
}

static float *at(bench *b, size_t byte) {
    return (float *)(void *)(b->x.dram + byte);
}

static void fill(bench *b, size_t byte, size_t n) {
    rng r = {byte};
    for (size_t i = 0; i < n; i++)
        at(b, byte)[i] = rng_float(&r);
}

#define HOST(op, ...) (&(const dtq_instr){DTQ_OP_##op, DTQ_HOST, {__VA_ARGS__}})

static void run(bench *b, const dtq_instr *in) {
    dtq_error e;
    ck_assert_msg(dtq_host_exec(&b->x, in, &e), "%s", e.message);
}

START_TEST(embed_adds_three_tables) {
    bench b;
    bench_init(&b, false);
    run(&b, HOST(EMBED, 0, A, WORD, POSITION, TYPE));
    const uint64_t id = 4;
    for (uint64_t c = 0; c < WIDTH; c++) {
        /* element i of a synthetic table is number seed + i */
        const dtq_tensor *t = b.tensors;
        rng w = {t[WORD].seed + 7 * WIDTH + c}, p = {t[POSITION].seed + id * WIDTH + c}, y = {t[TYPE].seed + c};
        ck_assert_float_eq(at(&b, A)[id * WIDTH + c], rng_float(&w) + rng_float(&p) + rng_float(&y));
        ck_assert_float_eq(at(&b, A)[1 * WIDTH + c], 0.0f); /* not a token of the layer */
    }
    run(&b, HOST(EMBED, 0, B, WORD, NO_TENSOR, NO_TENSOR));
    rng w = {b.tensors[WORD].seed + 5 * WIDTH};
    ck_assert_float_eq(at(&b, B)[2 * WIDTH], rng_float(&w));
    bench_free(&b);
}
END_TEST

START_TEST(embed_refuses_what_its_tables_lack) {
    bench b;
    bench_init(&b, false);
    dtq_error e;
    b.tokens[2] = 10;
    ck_assert_fails(dtq_host_exec(&b.x, HOST(EMBED, 0, A, WORD, POSITION, TYPE), &e), e,
                    "token 2: vocabulary id 10 is not below 10");
    b.tokens[2] = 1;
    b.segments[4] = 2;
    ck_assert_fails(dtq_host_exec(&b.x, HOST(EMBED, 0, A, WORD, POSITION, TYPE), &e), e, "token 4: segment 2");
    ck_assert_fails(dtq_host_exec(&b.x, HOST(EMBED, 0, A, WORD, TYPE, NO_TENSOR), &e), e, "position 4 is not below 2");
    ck_assert_fails(dtq_host_exec(&b.x, HOST(EMBED, 1, A, WORD, POSITION, TYPE), &e), e, "layer 1 of 1");
    ck_assert_fails(dtq_host_exec(&b.x, HOST(EMBED, 0, DRAM - 64, WORD, POSITION, TYPE), &e), e, "outside of DRAM");
    ck_assert_fails(dtq_host_exec(&b.x, HOST(EMBED, 0, A, 99, POSITION, TYPE), &e), e, "tensor 99");
    bench_free(&b);
}
END_TEST

START_TEST(linear_does_not_depend_on_threads_or_kernels) {
    bench b;
    bench_init(&b, false);
    fill(&b, A, SEQ * WIDTH);
    for (uint64_t path = 0; path < 2; path++) {
        float want[SEQ * OUTPUTS];
        for (int variant = 0; variant < 4; variant++) {
            b.x.threads = variant % 2 != 0 ? 7 : 1;
            b.x.scalar = variant / 2 != 0;
            memset(at(&b, B), 0, sizeof want);
            run(&b, HOST(LINEAR, 0, path, B, A, WIDE, BIAS));
            if (variant == 0)
                memcpy(want, at(&b, B), sizeof want);
            ck_assert_bits(at(&b, B), want, SEQ * OUTPUTS);
        }
        for (uint64_t o = 0; o < OUTPUTS; o++) {
            rng bias = {b.tensors[BIAS].seed + o};
            double y = (double)rng_float(&bias);
            for (uint64_t k = 0; k < WIDTH; k++) {
                rng w = {b.tensors[WIDE].seed + o * WIDTH + k};
                y += (double)rng_float(&w) * (double)at(&b, A)[4 * WIDTH + k];
            }
            ck_assert_double_eq_tol((double)want[4 * OUTPUTS + o], y, path != 0 ? 0.05 : 1e-6);
            ck_assert_float_eq(want[3 * OUTPUTS + o], 0.0f);
        }
    }
    bench_free(&b);
}
END_TEST

START_TEST(linear_names_bad_input) {
    bench b;
    bench_init(&b, false);
    fill(&b, A, SEQ * WIDTH);
    at(&b, A)[2 * WIDTH + 1] = INFINITY;
    dtq_error e;
    ck_assert_fails(dtq_host_exec(&b.x, HOST(LINEAR, 0, 1, B, A, SQUARE, NO_TENSOR), &e), e,
                    "layer 0, input of linear square, token 2");
    ck_assert_fails(dtq_host_exec(&b.x, HOST(LINEAR, 0, 0, B, A, SQUARE, BIAS), &e), e, "has 150 elements where 6");
    bench_free(&b);
}
END_TEST

START_TEST(rows_are_worked_on_by_id) {
    bench b;
    bench_init(&b, false);
    fill(&b, A, SEQ * WIDTH);
    fill(&b, B, SEQ * WIDTH);
    run(&b, HOST(ADD, 0, WIDTH, C, A, B));
    for (size_t i = 0; i < SEQ * WIDTH; i++) {
        const bool active = i / WIDTH % 2 == 0;
        ck_assert_float_eq(at(&b, C)[i], active ? at(&b, A)[i] + at(&b, B)[i] : 0.0f);
    }
    run(&b, HOST(ACT, 0, DTQ_ACT_RELU, WIDTH, C, A));
    for (size_t i = 0; i < SEQ * WIDTH; i++) {
        const bool active = i / WIDTH % 2 == 0;
        ck_assert_float_eq(at(&b, C)[i], active ? fmaxf(at(&b, A)[i], 0.0f) : 0.0f);
    }
    const float eps = 1e-5f;
    uint32_t eps_bits;
    memcpy(&eps_bits, &eps, sizeof eps_bits);
    float want[WIDTH], gamma[WIDTH];
    for (size_t c = 0; c < WIDTH; c++) {
        rng g = {b.tensors[GAMMA].seed + c};
        gamma[c] = rng_float(&g);
    }
    dtq_kernels_scalar.norm(at(&b, A) + 2 * WIDTH, WIDTH, gamma, gamma, eps, want);
    run(&b, HOST(NORM, 0, C, A, GAMMA, GAMMA, eps_bits));
    ck_assert_bits(at(&b, C) + 2 * WIDTH, want, WIDTH);
    dtq_kernels_scalar.rmsnorm(at(&b, A) + 2 * WIDTH, WIDTH, gamma, eps, want);
    run(&b, HOST(RMSNORM, 0, WIDTH, C, A, GAMMA, eps_bits));
    ck_assert_bits(at(&b, C) + 2 * WIDTH, want, WIDTH);
    run(&b, HOST(MUL, 0, WIDTH, C, A, B));
    for (size_t i = 4 * WIDTH; i < SEQ * WIDTH; i++)
        ck_assert_float_eq(at(&b, C)[i], at(&b, A)[i] * at(&b, B)[i]);
    run(&b, HOST(AFFINE, 0, B, A, GAMMA, GAMMA)); /* in B, which is read no more */
    for (size_t c = 0; c < WIDTH; c++) {
        const float x = at(&b, A)[4 * WIDTH + c], scaled = x * gamma[c];
        ck_assert_float_eq(at(&b, B)[4 * WIDTH + c], scaled + gamma[c]);
    }
    run(&b, HOST(AFFINE, 0, B, A, GAMMA, NO_TENSOR));
    ck_assert_float_eq(at(&b, B)[4 * WIDTH], at(&b, A)[4 * WIDTH] * gamma[0]);
    bench_free(&b);
}
END_TEST

/* Pairs turn by the row of the table that is their token's. */
START_TEST(rotary_goes_by_position) {
    bench b;
    bench_init(&b, false);
    fill(&b, A, SEQ * WIDTH);
    const float *x = at(&b, A) + 2 * WIDTH;
    float table[WIDTH];
    for (size_t c = 0; c < WIDTH; c++) {
        rng r = {b.tensors[POSITION].seed + 2 * WIDTH + c};
        table[c] = rng_float(&r);
    }
    run(&b, HOST(ROTARY, 0, DTQ_PAIRS_HALVES, WIDTH, C, A, POSITION));
    ck_assert_float_eq(at(&b, C)[2 * WIDTH + 1], x[1] * table[1] - x[4] * table[4]);
    ck_assert_float_eq(at(&b, C)[2 * WIDTH + 4], x[4] * table[1] + x[1] * table[4]);
    ck_assert_float_eq(at(&b, C)[3 * WIDTH], 0.0f); /* not a token of the layer */
    run(&b, HOST(ROTARY, 0, DTQ_PAIRS_ADJACENT, WIDTH, C, A, POSITION));
    ck_assert_float_eq(at(&b, C)[2 * WIDTH + 4], x[4] * table[2] - x[5] * table[5]);
    ck_assert_float_eq(at(&b, C)[2 * WIDTH + 5], x[5] * table[2] + x[4] * table[5]);
    dtq_error e;
    ck_assert_fails(dtq_host_exec(&b.x, HOST(ROTARY, 0, 0, WIDTH, C, A, TYPE), &e), e, "table type of 2 rows of 6");
    ck_assert_fails(dtq_host_exec(&b.x, HOST(ROTARY, 0, 0, 8, C, A, POSITION), &e), e, "does not rotate 5 rows of 8");
    bench_free(&b);
}
END_TEST

START_TEST(quant_lays_out_rows) {
    bench b;
    bench_init(&b, false);
    fill(&b, A, SEQ * WIDTH);
    run(&b, HOST(QUANT, 0, DTQ_K, A));
    for (size_t i = 0; i < 3; i++) {
        for (size_t h = 0; h < HEADS; h++) {
            const float *row = at(&b, A) + slot_ids[i] * WIDTH + h * DIM;
            float scale;
            int8_t codes[DIM], want[DIM];
            ck_assert(dtq_scale(row, DIM, 1, slot_bits[i], &scale));
            ck_assert_float_eq(at(&b, SCALES + 256)[h * SEQ + slot_ids[i]], scale);
            dtq_unpack_row(b.x.dram + CODES + 256 + (h * SEQ + slot_ids[i]) * DIM, DIM, slot_bits[i], codes);
            for (size_t c = 0; c < DIM; c++)
                want[c] = dtq_quantise(row[c], scale, slot_bits[i]);
            ck_assert_mem_eq(codes, want, DIM);
        }
    }
    bench_free(&b);
}
END_TEST

START_TEST(quant_scales_values_by_class_or_by_token) {
    for (int causal = 0; causal < 2; causal++) {
        bench b;
        bench_init(&b, causal != 0);
        fill(&b, A, SEQ * WIDTH);
        run(&b, HOST(QUANT, 0, DTQ_V, A));
        const float *x = at(&b, A), *scales = at(&b, SCALES + 512);
        for (size_t c = 0; c < WIDTH && !causal; c++) {
            ck_assert_float_eq(scales[c], fabsf(x[4 * WIDTH + c]) / 7.0f); /* token 4 alone is 4-bit */
            ck_assert_float_eq(scales[WIDTH + c], fmaxf(fabsf(x[c]), fabsf(x[2 * WIDTH + c])) / 127.0f);
            int8_t codes[DIM];
            dtq_unpack_row(b.x.dram + CODES + 512 + (c / DIM * SEQ + 2) * DIM, DIM, 8, codes);
            ck_assert_int_eq(codes[c % DIM], dtq_quantise(x[2 * WIDTH + c], scales[WIDTH + c], 8));
        }
        if (causal) {
            float scale;
            ck_assert(dtq_scale(x + 2 * WIDTH + DIM, DIM, 1, 8, &scale));
            ck_assert_float_eq(scales[SEQ + 2], scale);
        }
        at(&b, A)[4 * WIDTH + DIM] = NAN;
        dtq_error e;
        ck_assert_fails(dtq_host_exec(&b.x, HOST(QUANT, 0, DTQ_V, A), &e), e, "layer 0, operand v, head 1, token 4");
        bench_free(&b);
    }
}
END_TEST

START_TEST(pooling_follows_original_positions) {
    bench b;
    bench_init(&b, false);
    fill(&b, A, SEQ * WIDTH);
    const float *x = at(&b, A);
    enum { MEAN, FIRST, LAST };
    run(&b, HOST(POOL, 0, MEAN, WIDTH, B, A));
    for (size_t c = 0; c < WIDTH; c++)
        ck_assert_float_eq(at(&b, B)[c], (x[c] + x[2 * WIDTH + c] + x[4 * WIDTH + c]) / 3.0f);
    run(&b, HOST(POOL, 0, FIRST, WIDTH, B, A));
    ck_assert_bits(at(&b, B), x, WIDTH);
    run(&b, HOST(POOL, 0, LAST, WIDTH, B, A));
    ck_assert_bits(at(&b, B), x + 4 * WIDTH, WIDTH);
    run(&b, HOST(NORMALIZE, WIDTH, C, B));
    double length = 0;
    for (size_t c = 0; c < WIDTH; c++)
        length += (double)at(&b, C)[c] * (double)at(&b, C)[c];
    ck_assert_double_eq_tol(length, 1.0, 1e-6);
    memset(at(&b, B), 0, WIDTH * sizeof(float));
    run(&b, HOST(NORMALIZE, WIDTH, C, B));
    ck_assert_float_eq(at(&b, C)[0], 0.0f);
    bench_free(&b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_ops");
    TCase *c = tcase_create("host_ops");
    tcase_add_test(c, vector_kernels_equal_the_scalar_reference);
    tcase_add_test(c, activations_keep_a_nan);
    tcase_add_test(c, activations_are_as_accurate_as_documented);
    tcase_add_test(c, norm_centres_and_scales);
    tcase_add_test(c, embed_adds_three_tables);
    tcase_add_test(c, embed_refuses_what_its_tables_lack);
    tcase_add_test(c, linear_does_not_depend_on_threads_or_kernels);
    tcase_add_test(c, linear_names_bad_input);
    tcase_add_test(c, rows_are_worked_on_by_id);
    tcase_add_test(c, rotary_goes_by_position);
    tcase_add_test(c, quant_lays_out_rows);
    tcase_add_test(c, quant_scales_values_by_class_or_by_token);
    tcase_add_test(c, pooling_follows_original_positions);
    suite_add_tcase(s, c);
    return run_suite(s);
}
