/* The float32 linear at every level, against 16-lane dot products written from NUMERICS.md. */
#include "llvm_util.h"

typedef void gemm_fn(const float *src, const float *weight, const float *bias, const float *residual, float *dst,
                     uint64_t rows);

static float *numbers(size_t rows, size_t width, uint64_t *state) {
    size_t stride = row_stride(width);
    float *at = calloc(rows * stride + LANES, sizeof *at);
    ck_assert_ptr_nonnull(at);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++)
            at[r * stride + i] = random_float(state);
    return at;
}

static float dot(const float *a, const float *b, size_t n) {
    float lanes[LANES] = {0};
    for (size_t k = 0; k < n; k++)
        lanes[k % LANES] = lanes[k % LANES] + a[k] * b[k];
    for (size_t half = LANES / 2; half >= 1; half /= 2)
        for (size_t l = 0; l < half; l++)
            lanes[l] = lanes[l] + lanes[l + half];
    return lanes[0];
}

static void try(const machine_level *level, size_t inputs, size_t outputs, size_t rows, bool bias, bool residual,
                uint64_t *state) {
    kernels k = kernels_begin(level);
    kernels_add(&k, emit_gemm_float(&k.e, inputs, outputs, bias, residual));
    void *const *f = kernels_load(&k);
    float *x = numbers(rows, inputs, state), *w = numbers(outputs, inputs, state), *b = numbers(1, outputs, state);
    float *more = numbers(rows, outputs, state), *y = numbers(rows, outputs, state);
    size_t k16 = row_stride(inputs), n16 = row_stride(outputs);
    for (size_t i = 0; i < rows * n16; i++)
        y[i] = -77.0f; /* also where only zeros may be left */
    ((gemm_fn *)f[0])(x, w, b, more, y, rows);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < n16; o++) {
            float want = 0;
            if (o < outputs) {
                want = dot(x + r * k16, w + o * k16, inputs);
                want = bias ? want + b[o] : want;
                want = residual ? want + more[r * n16 + o] : want;
            }
            ck_assert_msg(memcmp(&want, &y[r * n16 + o], sizeof want) == 0, "%zux%zu row %zu output %zu: %a, not %a",
                          inputs, outputs, r, o, (double)y[r * n16 + o], (double)want);
        }
    free(x);
    free(w);
    free(b);
    free(more);
    free(y);
    kernels_end(&k);
}

START_TEST(every_level_gives_the_defined_bits) {
    static const size_t shapes[][3] = {{64, 64, 8}, {384, 96, 5}, {1, 1, 1}, {3, 17, 2}, {37, 53, 7}, {130, 18, 13}};
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            try(&levels[l], shapes[s][0], shapes[s][1], shapes[s][2], s % 2 == 0, s % 3 == 0, &state);
}
END_TEST

int main(void) {
    Suite *s = suite_create("gemm_float");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_level_gives_the_defined_bits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
