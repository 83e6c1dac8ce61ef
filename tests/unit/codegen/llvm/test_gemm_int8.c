/* The int8 linear at every level, against sums written from NUMERICS.md. */
#include "llvm_util.h"

typedef void quantise_fn(dtq_host_frame *f, const float *src, uint8_t *codes, float *scales, uint64_t rows,
                         uint64_t site, uint64_t slot, const float *limits);
typedef void gemm_fn(const uint8_t *codes, const float *row_scales, const int8_t *weight, const float *scales,
                     const int32_t *offset, const float *bias, const float *residual, float *dst, uint64_t rows);

typedef struct {
    size_t inputs, outputs, rows;
    float *x, *row_scales, *scales, *bias, *residual, *y;
    uint8_t *codes;
    int8_t *weight, *packed;
    int32_t *offset;
} problem;

static void *zeroed(size_t bytes) {
    void *at = aligned_alloc(64, (bytes + 64) / 64 * 64);
    ck_assert_ptr_nonnull(at);
    memset(at, 0, bytes);
    return at;
}

/* Weights in panels as abi.h says. */
static void pack(problem *p) {
    size_t n16 = row_stride(p->outputs), k4 = (p->inputs + 3) / 4 * 4;
    for (size_t o = 0; o < p->outputs; o++) {
        size_t first = o / DTQ_HOST_PANEL * DTQ_HOST_PANEL;
        size_t width = n16 - first < DTQ_HOST_PANEL ? n16 - first : DTQ_HOST_PANEL;
        for (size_t k = 0; k < p->inputs; k++) {
            int8_t w = p->weight[o * p->inputs + k];
            p->packed[first * k4 + k / 4 * width * 4 + (o - first) * 4 + k % 4] = w;
            p->offset[o] -= 128 * w;
        }
    }
}

static problem make(size_t inputs, size_t outputs, size_t rows, uint64_t *state) {
    size_t n16 = row_stride(outputs), k16 = row_stride(inputs);
    problem p = {inputs,
                 outputs,
                 rows,
                 zeroed(4 * rows * k16),
                 zeroed(4 * rows),
                 zeroed(4 * n16),
                 zeroed(4 * n16),
                 zeroed(4 * rows * n16),
                 zeroed(4 * rows * n16),
                 zeroed(rows * codes_stride(inputs)),
                 zeroed(inputs * outputs),
                 zeroed(n16 * (inputs + 3)),
                 zeroed(4 * n16)};
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < inputs; k++)
            p.x[r * k16 + k] = random_float(state) * (r % 3 == 1 ? 1e-6f : r % 3 == 2 ? 1e5f : 1.0f);
    for (size_t i = 0; i < inputs * outputs; i++)
        p.weight[i] = (int8_t)(127.0f * random_float(state));
    for (size_t o = 0; o < outputs; o++) {
        p.scales[o] = 0.01f + random_float(state) * 0.005f;
        p.bias[o] = random_float(state);
        for (size_t r = 0; r < rows; r++)
            p.residual[r * n16 + o] = random_float(state);
    }
    pack(&p);
    return p;
}

static void drop(problem *p) {
    void *all[] = {p->x, p->row_scales, p->scales, p->bias,   p->residual,
                   p->y, p->codes,      p->weight, p->packed, p->offset};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

enum { FIRST = 5, ROWS_MOST = 16 };

/* Precision of a row where rows have their own. */
static unsigned bits_of(bool mixed, size_t row) {
    return mixed && row % 2 == 1 ? 4 : 8;
}

static void compare(const problem *p, bool bias, bool residual, bool mixed) {
    for (size_t r = 0; r < p->rows; r++) {
        const unsigned bits = bits_of(mixed, r);
        const float *x = p->x + r * row_stride(p->inputs);
        float scale;
        ck_assert(dtq_scale(x, p->inputs, 1, bits, &scale));
        ck_assert_mem_eq(&scale, &p->row_scales[r], sizeof scale);
        for (size_t k = 0; k < p->inputs; k++)
            ck_assert_int_eq(p->codes[r * codes_stride(p->inputs) + k], dtq_quantise(x[k], scale, bits) + 128);
        for (size_t o = 0; o < row_stride(p->outputs); o++) {
            int32_t acc = 0;
            for (size_t k = 0; o < p->outputs && k < p->inputs; k++)
                acc += dtq_quantise(x[k], scale, bits) * p->weight[o * p->inputs + k];
            float y = (float)acc * (scale * p->scales[o]);
            y = bias ? y + p->bias[o] : y;
            y = residual ? y + p->residual[r * row_stride(p->outputs) + o] : y;
            const float got = p->y[r * row_stride(p->outputs) + o];
            ck_assert_msg(memcmp(&y, &got, sizeof y) == 0, "row %zu output %zu: %a, not %a", r, o, (double)got,
                          (double)y);
        }
    }
}

/* Inputs and outputs around every edge of vectors, groups and panels, rows around those of tiles. */
START_TEST(every_level_gives_the_defined_bits) {
    static const size_t shapes[][3] = {{64, 64, 8},   {384, 384, 5}, {1, 1, 1},    {3, 17, 2},  {37, 53, 7},
                                       {128, 80, 13}, {6, 100, 3},   {20, 130, 9}, {260, 16, 4}};
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            bool bias = s % 2 == 0, residual = s % 3 == 0;
            kernels k = kernels_begin(&levels[l]);
            unsigned quantise = kernels_add(&k, emit_quantise(&k.e, shapes[s][0], s % 2 == 1));
            unsigned gemm = kernels_add(&k, emit_gemm_int8(&k.e, shapes[s][0], shapes[s][1], bias, residual));
            void *const *f = kernels_load(&k);
            problem p = make(shapes[s][0], shapes[s][1], shapes[s][2], &state);
            dtq_host_frame frame = {0};
            /* mixed: rows from slot FIRST on, by turns at 8 and 4 bits */
            float limits[FIRST + ROWS_MOST];
            for (size_t r = 0; r < p.rows; r++)
                limits[FIRST + r] = bits_of(s % 2 == 1, r) == 8 ? 127.0f : 7.0f;
            ((quantise_fn *)f[quantise])(&frame, p.x, p.codes, p.row_scales, p.rows, 0, FIRST, limits);
            ((gemm_fn *)f[gemm])(p.codes, p.row_scales, p.packed, p.scales, p.offset, p.bias, p.residual, p.y, p.rows);
            ck_assert_uint_eq(frame.failed, 0);
            compare(&p, bias, residual, s % 2 == 1);
            drop(&p);
            kernels_end(&k);
        }
}
END_TEST

/* Quotients next to halves are where a product with the reciprocal could round another way. */
START_TEST(codes_next_to_halves_are_those_of_the_division) {
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    enum { WIDTH = 256, ROWS = 400 };
    static float x[ROWS * WIDTH], scales[ROWS];
    static uint8_t codes[ROWS * WIDTH];
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++) {
        kernels k = kernels_begin(&levels[l]);
        unsigned quantise = kernels_add(&k, emit_quantise(&k.e, WIDTH, false));
        void *const *f = kernels_load(&k);
        for (size_t r = 0; r < ROWS; r++) {
            float *row = x + r * WIDTH, most = (random_float(&state) + 1.5f) * (r % 2 ? 1e-8f : 3e6f), scale;
            row[0] = most;
            scale = most / 127.0f;
            for (size_t i = 1; i < WIDTH; i++) {
                float half = (float)((int)(i % 127)) + 0.5f, at = half * scale;
                row[i] = i % 3 == 0 ? at : i % 3 == 1 ? nextafterf(at, 0) : nextafterf(at, most);
                row[i] = i % 2 ? row[i] : -row[i];
            }
        }
        dtq_host_frame frame = {0};
        ((quantise_fn *)f[quantise])(&frame, x, codes, scales, ROWS, 0, 0, NULL);
        for (size_t i = 0; i < (size_t)ROWS * WIDTH; i++)
            ck_assert_int_eq(codes[i], dtq_quantise(x[i], scales[i / WIDTH], 8) + 128);
        kernels_end(&k);
    }
}
END_TEST

START_TEST(what_cannot_be_quantised_is_told) {
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, 0x1p50f, -0x1p50f};
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    for (unsigned l = 0; l < count; l++) {
        kernels k = kernels_begin(&levels[l]);
        unsigned quantise = kernels_add(&k, emit_quantise(&k.e, 20, false));
        void *const *f = kernels_load(&k);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            float x[2 * 32] = {0}, scales[2];
            uint8_t codes[2 * 64];
            x[32 + 19] = bad[i];
            dtq_host_frame frame = {0};
            ((quantise_fn *)f[quantise])(&frame, x, codes, scales, 2, 7, 40, NULL);
            ck_assert_uint_eq(frame.failed, 1 + 7 * 1000000 + 41 * 1000);
            x[32 + 19] = nextafterf(0x1p50f, 0);
            frame.failed = 0;
            ((quantise_fn *)f[quantise])(&frame, x, codes, scales, 2, 7, 40, NULL);
            ck_assert_uint_eq(frame.failed, 0);
        }
        kernels_end(&k);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("gemm_int8");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_level_gives_the_defined_bits);
    tcase_add_test(t, codes_next_to_halves_are_those_of_the_division);
    tcase_add_test(t, what_cannot_be_quantised_is_told);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
