#include <math.h>

#include "numerics_util.h"
#include "runtime/kernels/kernels.h"
#include "runtime/parallel.h"

/* Sizes around every tile, lane and pack boundary. */
static const uint32_t row_counts[] = {1, 2, 3, 5, 9, 67};
static const size_t input_counts[] = {1, 3, 4, 15, 16, 17, 31, 64, 77};
static const size_t output_counts[] = {1, 7, 16, 17, 63, 64, 65, 99};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Rows stand at scattered ids. */
static void scatter_ids(uint32_t *ids, uint32_t rows) {
    for (uint32_t i = 0; i < rows; i++)
        ids[i] = (i * 2 + 1) % (2 * rows);
}

static void check_f32(rng *r, const dtq_kernels *fast, uint32_t rows, size_t inputs, size_t outputs, bool bias) {
    float *x = random_floats(r, 2 * rows * inputs, 3.0f), *w = random_floats(r, inputs * outputs, 0.5f);
    float *b = random_floats(r, outputs, 1.0f);
    float *want = calloc(2 * rows * outputs, sizeof *want), *got = calloc(2 * rows * outputs, sizeof *got);
    uint32_t *ids = malloc(rows * sizeof *ids);
    scatter_ids(ids, rows);
    dtq_linear_f32 l = {x, want, ids, rows, inputs, outputs, w, bias ? b : NULL};
    dtq_kernels_scalar.linear_f32(&l, 0, outputs);
    l.dst = got;
    const size_t half = outputs / 2 / DTQ_PACK_OUTPUTS * DTQ_PACK_OUTPUTS;
    fast->linear_f32(&l, half, outputs);
    fast->linear_f32(&l, 0, half);
    ck_assert_bits(got, want, 2 * rows * outputs);
    free(x);
    free(w);
    free(b);
    free(want);
    free(got);
    free(ids);
}

START_TEST(float_kernels_equal_the_scalar_reference) {
    rng r = rng_seeded("float_kernels_equal_the_scalar_reference");
    const dtq_kernels *tables[4];
    const unsigned n = dtq_kernels_available(tables);
    ck_assert_uint_ge(n, 2);
    for (unsigned t = 1; t < n; t++) {
        for (size_t a = 0; a < COUNT(row_counts); a++) {
            for (size_t b = 0; b < COUNT(input_counts); b++)
                for (size_t c = 0; c < COUNT(output_counts); c++)
                    check_f32(&r, tables[t], row_counts[a], input_counts[b], output_counts[c], (a + b + c) % 2 != 0);
        }
    }
}
END_TEST

static int8_t random_code(rng *r) {
    const uint32_t kind = rng_below(r, 8);
    return kind == 0 ? 127 : kind == 1 ? -127 : (int8_t)((int)rng_below(r, 255) - 127);
}

static void check_i8(rng *r, const dtq_kernels *fast, uint32_t rows, size_t inputs, size_t outputs, bool bias) {
    const size_t groups = (inputs + 3) / 4, blocks = (outputs + 15) / 16;
    int8_t *x = calloc(rows, groups * 4), *w = calloc(blocks * groups, 64);
    int32_t *sums = calloc(blocks * 16, sizeof *sums);
    float *b = random_floats(r, outputs, 1.0f), *xs = random_floats(r, rows, 1.0f),
          *ws = random_floats(r, outputs, 1.0f);
    float *want = calloc(2 * rows * outputs, sizeof *want), *got = calloc(2 * rows * outputs, sizeof *got);
    uint32_t *ids = malloc(rows * sizeof *ids);
    scatter_ids(ids, rows);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < inputs; k++)
            x[i * groups * 4 + k] = random_code(r);
    for (size_t o = 0; o < outputs; o++) {
        for (size_t k = 0; k < inputs; k++) {
            const int8_t code = random_code(r);
            w[((o / 16 * groups + k / 4) * 16 + o % 16) * 4 + k % 4] = code;
            sums[o] += code;
        }
    }
    dtq_linear_i8 l = {x, xs, want, ids, rows, groups, outputs, w, ws, sums, bias ? b : NULL};
    dtq_kernels_scalar.linear_i8(&l, 0, outputs);
    l.dst = got;
    const size_t half = outputs / 2 / DTQ_PACK_OUTPUTS * DTQ_PACK_OUTPUTS;
    fast->linear_i8(&l, half, outputs);
    fast->linear_i8(&l, 0, half);
    ck_assert_bits(got, want, 2 * rows * outputs);
    free(x);
    free(w);
    free(sums);
    free(b);
    free(xs);
    free(ws);
    free(want);
    free(got);
    free(ids);
}

START_TEST(int8_kernels_equal_the_scalar_reference) {
    rng r = rng_seeded("int8_kernels_equal_the_scalar_reference");
    const dtq_kernels *tables[4];
    const unsigned n = dtq_kernels_available(tables);
    for (unsigned t = 1; t < n; t++) {
        for (size_t a = 0; a < COUNT(row_counts); a++) {
            for (size_t b = 0; b < COUNT(input_counts); b++)
                for (size_t c = 0; c < COUNT(output_counts); c++)
                    check_i8(&r, tables[t], row_counts[a], input_counts[b], output_counts[c], (a + b + c) % 2 != 0);
        }
    }
}
END_TEST

/* Two rows of weights and the longest sums that stay in 32 bits. */
START_TEST(long_int8_sums_do_not_overflow) {
    enum { INPUTS = 131072 };
    int8_t *x = malloc(INPUTS), *w = calloc(INPUTS / 4, 64);
    memset(x, 127, INPUTS);
    for (size_t k = 0; k < INPUTS; k++) {
        w[k / 4 * 64 + k % 4] = 127;
        w[k / 4 * 64 + 4 + k % 4] = -127;
    }
    const int32_t sums[16] = {INPUTS * 127, -INPUTS * 127};
    const float one = 1.0f, ones[2] = {1.0f, 1.0f};
    const uint32_t id = 0;
    const dtq_kernels *tables[4];
    const unsigned n = dtq_kernels_available(tables);
    for (unsigned t = 0; t < n; t++) {
        float y[2] = {0, 0};
        const dtq_linear_i8 l = {x, &one, y, &id, 1, INPUTS / 4, 2, w, ones, sums, NULL};
        tables[t]->linear_i8(&l, 0, 2);
        ck_assert_float_eq(y[0], 131072.0f * 16129.0f);
        ck_assert_float_eq(y[1], -131072.0f * 16129.0f);
    }
    free(x);
    free(w);
}
END_TEST

START_TEST(lanes_and_tree_of_a_dot_product) {
    /* 2^24 + 1 is lost in one lane and kept in two: the order is visible. */
    float a[32] = {0}, b[32];
    for (int i = 0; i < 32; i++)
        b[i] = 1.0f;
    a[0] = 0x1p24f;
    a[16] = 1.0f; /* the same lane: rounds away */
    ck_assert_float_eq(dtq_kernels_scalar.dot(a, b, 32), 0x1p24f);
    a[16] = 0.0f;
    a[1] = 1.0f; /* lanes 1 and 2 join lane 0 only as 2 */
    a[3] = 1.0f;
    ck_assert_float_eq(dtq_kernels_scalar.dot(a, b, 32), 0x1p24f + 2.0f);
}
END_TEST

START_TEST(dot_and_axpy_equal_the_scalar_reference) {
    rng r = rng_seeded("dot_and_axpy_equal_the_scalar_reference");
    const dtq_kernels *tables[4];
    const unsigned n = dtq_kernels_available(tables);
    for (size_t length = 1; length < 100; length++) {
        float *a = random_floats(&r, length, 2.0f), *b = random_floats(&r, length, 2.0f);
        float *y = random_floats(&r, length, 2.0f), *z = malloc(length * sizeof *z),
              *first = malloc(length * sizeof *z);
        const float want = tables[0]->dot(a, b, length);
        memcpy(first, y, length * sizeof *y);
        tables[0]->axpy(0.3f, a, length, first);
        for (unsigned t = 1; t < n; t++) {
            const float got = tables[t]->dot(a, b, length);
            ck_assert_bits(&got, &want, 1);
            memcpy(z, y, length * sizeof *y);
            tables[t]->axpy(0.3f, a, length, z);
            ck_assert_bits(z, first, length);
        }
        free(a);
        free(b);
        free(y);
        free(z);
        free(first);
    }
}
END_TEST

static void mark(void *context, size_t first, size_t last) {
    uint8_t *seen = context;
    for (size_t i = first; i < last; i++)
        seen[i]++;
}

START_TEST(parallel_covers_each_item_once) {
    for (unsigned threads = 0; threads < 90; threads += 11) {
        for (size_t items = 0; items < 40; items += 13) {
            uint8_t seen[64] = {0};
            dtq_parallel(threads, items, mark, seen);
            for (size_t i = 0; i < 64; i++)
                ck_assert_uint_eq(seen[i], i < items);
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("linear");
    TCase *c = tcase_create("linear");
    tcase_add_test(c, float_kernels_equal_the_scalar_reference);
    tcase_add_test(c, int8_kernels_equal_the_scalar_reference);
    tcase_add_test(c, long_int8_sums_do_not_overflow);
    tcase_add_test(c, lanes_and_tree_of_a_dot_product);
    tcase_add_test(c, dot_and_axpy_equal_the_scalar_reference);
    tcase_add_test(c, parallel_covers_each_item_once);
    suite_add_tcase(s, c);
    return run_suite(s);
}
