/* Kernels on rows at every level, against the scalar table of libdtqrt, which is the definition. */
#include "llvm_util.h"
#include "runtime/kernels/kernels.h"

enum { ROWS = 5, WIDEST = 512 };

static const size_t widths[] = {1, 15, 16, 17, 40, 384};

typedef void norm_fn(const float *src, const float *gamma, const float *beta, float *dst, uint64_t rows);
typedef void rms_fn(const float *src, const float *gamma, float *dst, uint64_t rows);
typedef void act_fn(const float *src, float *dst, uint64_t rows);
typedef void add_fn(const float *a, const float *b, float *dst, uint64_t rows);
typedef void gather_fn(const float *src, float *dst, const uint32_t *from, uint64_t rows);

static void fill(float *x, size_t rows, size_t width, float scale, uint64_t *state) {
    size_t stride = row_stride(width);
    memset(x, 0, rows * stride * sizeof *x);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++)
            x[r * stride + i] = scale * random_float(state);
}

static void same(const float *got, const float *want, size_t width, const char *what) {
    for (size_t i = 0; i < width; i++)
        ck_assert_msg(memcmp(&got[i], &want[i], sizeof *got) == 0, "%s, width %zu, column %zu: %a, not %a", what, width,
                      i, (double)got[i], (double)want[i]);
}

START_TEST(norms_are_the_scalar_ones) {
    static float x[ROWS * WIDEST], y[ROWS * WIDEST], gamma[WIDEST], beta[WIDEST], want[WIDEST];
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            size_t width = widths[w], stride = row_stride(width);
            kernels k = kernels_begin(&levels[l]);
            kernels_add(&k, emit_norm(&k.e, width, 1e-12f, w % 2));
            void *const *f = kernels_load(&k);
            fill(x, ROWS, width, 3.0f, &state);
            fill(gamma, 1, width, 1.0f, &state);
            fill(beta, 1, width, 1.0f, &state);
            ((norm_fn *)f[0])(x, gamma, beta, y, ROWS);
            for (size_t r = 0; r < ROWS; r++) {
                dtq_kernels_scalar.norm(x + r * stride, width, gamma, w % 2 ? beta : NULL, 1e-12f, want);
                same(y + r * stride, want, width, "norm");
                for (size_t i = width; i < stride; i++)
                    ck_assert(y[r * stride + i] == 0);
            }
            kernels_end(&k);
        }
}
END_TEST

START_TEST(root_mean_squares_are_the_scalar_ones) {
    static float x[ROWS * WIDEST], y[ROWS * WIDEST], gamma[WIDEST], want[WIDEST];
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            size_t width = widths[w], stride = row_stride(width);
            kernels k = kernels_begin(&levels[l]);
            kernels_add(&k, emit_rmsnorm(&k.e, width, width, 1e-5f));
            void *const *f = kernels_load(&k);
            fill(x, ROWS, width, 3.0f, &state);
            fill(gamma, 1, width, 1.0f, &state);
            ((rms_fn *)f[0])(x, gamma, y, ROWS);
            for (size_t r = 0; r < ROWS; r++) {
                dtq_kernels_scalar.rmsnorm(x + r * stride, width, gamma, 1e-5f, want);
                same(y + r * stride, want, width, "rmsnorm");
                for (size_t i = width; i < stride; i++)
                    ck_assert(y[r * stride + i] == 0);
            }
            kernels_end(&k);
        }
}
END_TEST

/* Heads of a row, each by itself; also where the result replaces the operand. */
START_TEST(parts_of_rows_are_normalised_by_themselves) {
    static const struct {
        size_t part, parts;
    } shapes[] = {{1, 3}, {2, 8}, {8, 2}, {8, 5}, {16, 3}, {24, 3}, {32, 2}, {40, 1}, {64, 4}};
    static float x[ROWS * WIDEST], y[ROWS * WIDEST], gamma[WIDEST], want[WIDEST];
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            size_t part = shapes[i].part, width = part * shapes[i].parts, stride = row_stride(width);
            kernels k = kernels_begin(&levels[l]);
            kernels_add(&k, emit_rmsnorm(&k.e, width, part, 1e-5f));
            void *const *f = kernels_load(&k);
            fill(x, ROWS, width, 3.0f, &state);
            fill(gamma, 1, part, 1.0f, &state);
            ((rms_fn *)f[0])(x, gamma, y, ROWS);
            for (size_t r = 0; r < ROWS; r++) {
                for (size_t c = 0; c < width; c += part) {
                    dtq_kernels_scalar.rmsnorm(x + r * stride + c, part, gamma, 1e-5f, want);
                    same(y + r * stride + c, want, part, "rmsnorm of a part");
                }
                for (size_t c = width; c < stride; c++)
                    ck_assert(y[r * stride + c] == 0);
            }
            ((rms_fn *)f[0])(x, gamma, x, ROWS);
            same(x, y, ROWS * stride, "rmsnorm in place");
            kernels_end(&k);
        }
}
END_TEST

/* Every magnitude there is, both signs, and what a model never has. */
START_TEST(activations_are_the_scalar_ones) {
    static float x[4096], y[4096], want[4096];
    size_t n = 0;
    for (int exponent = -140; exponent < 34; exponent++)
        for (int i = 0; i < 8; i++) {
            x[n++] = ldexpf(1.0f + (float)i / 8.03f, exponent);
            x[n] = -x[n - 1];
            n++;
        }
    for (int i = -600; i < 600 && n < 4090; i++)
        x[n++] = (float)i / 61.0f;
    x[n++] = -0.0f;
    n = n / 16 * 16;
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    for (unsigned l = 0; l < count; l++) {
        kernels k = kernels_begin(&levels[l]);
        for (unsigned kind = ACT_GELU; kind <= ACT_SILU; kind++)
            kernels_add(&k, emit_activation(&k.e, n, (activation_kind)kind));
        void *const *f = kernels_load(&k);
        for (unsigned kind = ACT_GELU; kind <= ACT_SILU; kind++) {
            ((act_fn *)f[kind])(x, y, 1);
            dtq_kernels_scalar.act((dtq_act)kind, x, n, want);
            for (size_t i = 0; i < n; i++)
                ck_assert_msg(memcmp(&y[i], &want[i], 4) == 0, "activation %u of %a: %a, not %a", kind, (double)x[i],
                              (double)y[i], (double)want[i]);
        }
        kernels_end(&k);
    }
}
END_TEST

START_TEST(sums_and_gathers) {
    static float a[ROWS * WIDEST], b[ROWS * WIDEST], y[ROWS * WIDEST];
    static const uint32_t from[ROWS] = {4, 0, 0, 3, 1};
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            size_t width = widths[w], stride = row_stride(width);
            kernels k = kernels_begin(&levels[l]);
            kernels_add(&k, emit_add(&k.e, width));
            kernels_add(&k, emit_gather(&k.e, width));
            kernels_add(&k, emit_multiply(&k.e, width));
            kernels_add(&k, emit_affine(&k.e, width, true));
            kernels_add(&k, emit_affine(&k.e, width, false));
            void *const *f = kernels_load(&k);
            fill(a, ROWS, width, 1.0f, &state);
            fill(b, ROWS, width, 1e-3f, &state);
            ((add_fn *)f[0])(a, b, y, ROWS);
            for (size_t i = 0; i < ROWS * stride; i++) {
                float want = a[i] + b[i];
                ck_assert_mem_eq(&want, &y[i], sizeof want);
            }
            ((gather_fn *)f[1])(a, y, from, ROWS);
            for (size_t r = 0; r < ROWS; r++)
                ck_assert_mem_eq(y + r * stride, a + from[r] * stride, stride * sizeof *y);
            ((add_fn *)f[2])(a, b, y, ROWS);
            for (size_t i = 0; i < ROWS * stride; i++) {
                float want = a[i] * b[i];
                ck_assert_mem_eq(&want, &y[i], sizeof want);
            }
            for (int offset = 0; offset < 2; offset++) { /* gains are the second row of b, offsets its third */
                ((norm_fn *)f[4 - offset])(a, b + stride, b + 2 * stride, y, ROWS);
                for (size_t i = 0; i < ROWS * stride; i++) {
                    float scaled = a[i] * b[stride + i % stride];
                    float want = offset ? scaled + b[2 * stride + i % stride] : scaled;
                    ck_assert_mem_eq(&want, &y[i], sizeof want);
                }
            }
            kernels_end(&k);
        }
}
END_TEST

int main(void) {
    Suite *s = suite_create("rows");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, norms_are_the_scalar_ones);
    tcase_add_test(t, root_mean_squares_are_the_scalar_ones);
    tcase_add_test(t, parts_of_rows_are_normalised_by_themselves);
    tcase_add_test(t, activations_are_the_scalar_ones);
    tcase_add_test(t, sums_and_gathers);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
