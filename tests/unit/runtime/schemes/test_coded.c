#include <math.h>

#include "numerics_util.h"
#include "runtime/schemes/coded.h"

/* A run of SEQ tokens whose DRAM holds a few matrices. */
enum { SEQ = 4, WIDTH = 3, BYTES = SEQ * WIDTH * (int)sizeof(float) };

typedef struct {
    dtq_stream stream;
    dtq_exec x;
    float dram[4 * SEQ * WIDTH];
    uint32_t ids[2];
    dtq_rows rows; /* tokens 3 and 1 */
} bench;

static void bench_init(bench *b) {
    *b = (bench){.stream = {.seq = SEQ, .dram_bytes = sizeof b->dram}, .ids = {3, 1}};
    b->x = (dtq_exec){.stream = &b->stream, .dram = (uint8_t *)b->dram};
    b->rows = (dtq_rows){.ids = b->ids, .rows = 2};
}

static dtq_coded *fresh(bench *b, double scale, const int64_t *row) {
    dtq_error e;
    dtq_coded *c = dtq_coded_new(&b->x, WIDTH, &e);
    ck_assert_ptr_nonnull(c);
    dtq_coded_scale(c, scale);
    c->bits = 32;
    for (size_t k = 0; k < WIDTH; k++) {
        c->codes[3 * WIDTH + k] = row[k];
        c->codes[WIDTH + k] = -row[k];
    }
    return c;
}

START_TEST(quotients_are_31_bits) {
    const dtq_dyadic half = dtq_dyadic_of(0.5), third = dtq_dyadic_of(1.0 / 3), less = dtq_dyadic_of(-0.75);
    ck_assert_double_eq(half.m / half.power, 0.5);
    ck_assert_double_eq(third.m, rint(0x1p33 / 3 / 2)); /* 1/3 is 2/3 2^-1 */
    ck_assert_double_eq(third.power, 0x1p32);
    ck_assert_double_eq(less.m / less.power, -0.75);
    ck_assert_double_eq(dtq_dyadic_times(5, half), 2); /* ties to even */
    ck_assert_double_eq(dtq_dyadic_times(7, half), 4);
    ck_assert_double_eq(dtq_dyadic_times(-5, half), -2);
    ck_assert_double_eq(dtq_dyadic_times(1000, third), 333);
}
END_TEST

START_TEST(codes_stand_where_they_are_put) {
    bench b;
    bench_init(&b);
    dtq_error e;
    const int64_t row[] = {100, -50, 7};
    ck_assert(dtq_coded_store(&b.x, fresh(&b, 0.5, row), 0, &b.rows, &e));
    ck_assert_float_eq(b.dram[3 * WIDTH], 50);
    ck_assert_float_eq(b.dram[WIDTH + 1], 25);
    ck_assert_float_eq(b.dram[2 * WIDTH], 0);
    dtq_coded *back = dtq_coded_take_any(&b.x, 0, WIDTH, &b.rows, 8, &e);
    ck_assert_uint_eq(back->bits, 32);
    ck_assert_int_eq(back->codes[3 * WIDTH + 2], 7);
    dtq_coded_free(back);
    /* What overlaps it takes its place, and so does what is written as floats. */
    ck_assert(dtq_coded_store(&b.x, fresh(&b, 1, row), 2 * BYTES, &b.rows, &e));
    ck_assert(dtq_coded_store(&b.x, fresh(&b, 0.25, row), BYTES - 4, &b.rows, &e));
    back = dtq_coded_take_any(&b.x, 0, WIDTH, &b.rows, 8, &e);
    ck_assert_uint_eq(back->bits, 8); /* from floats */
    dtq_coded_free(back);
    dtq_coded_forget(&b.x, 2 * BYTES + 4, 4);
    back = dtq_coded_take_any(&b.x, 2 * BYTES, WIDTH, &b.rows, 8, &e);
    ck_assert_uint_eq(back->bits, 8);
    dtq_coded_free(back);
    ck_assert_fails(dtq_coded_store(&b.x, fresh(&b, 1, row), 4 * BYTES, &b.rows, &e), e, "outside of DRAM");
    dtq_coded_close(&b.x);
    ck_assert_ptr_null(b.x.scheme_state);
}
END_TEST

START_TEST(floats_become_codes) {
    bench b;
    bench_init(&b);
    dtq_error e;
    b.dram[3 * WIDTH] = 12.7f;
    b.dram[WIDTH] = -12.7f;
    b.dram[WIDTH + 1] = 1.24f;
    b.dram[0] = 1000; /* a token that is not there */
    dtq_coded *c = dtq_coded_take(&b.x, 0, WIDTH, &b.rows, 8, &e);
    ck_assert_double_eq(c->scales[2], (double)(float)((double)12.7f / 127));
    ck_assert_int_eq(c->codes[3 * WIDTH], 126); /* the published clamp */
    ck_assert_int_eq(c->codes[WIDTH], -127);
    ck_assert_int_eq(c->codes[WIDTH + 1], 12);
    dtq_coded_free(c);
    b.dram[WIDTH] = NAN;
    ck_assert_fails(dtq_coded_take(&b.x, 0, WIDTH, &b.rows, 8, &e) != NULL, e, "token 1: a value is not finite");
}
END_TEST

START_TEST(sums_have_one_scale) {
    bench b;
    bench_init(&b);
    dtq_error e;
    const int64_t one[] = {1000, -300, 40}, two[] = {3, 3, -3};
    dtq_coded *a = fresh(&b, 0.01, one), *c = fresh(&b, 1, two);
    a->scales[1] = 0.1; /* a scale for each column */
    a->uniform = false;
    /* 10 + 3, -30 + 3, 0.4 - 3: the largest is 27 */
    dtq_coded *sum = dtq_coded_requantise(&b.x, a, c, &b.rows, 8, &e);
    const double scale = (double)(float)(27.0 / 127);
    ck_assert_double_eq(sum->scales[0], scale);
    ck_assert(sum->uniform);
    ck_assert_int_eq(sum->codes[3 * WIDTH], (int64_t)(rint(10 / scale) + rint(3 / scale)));
    ck_assert_int_eq(sum->codes[3 * WIDTH + 1], -127);
    ck_assert_int_eq(sum->codes[WIDTH + 2], (int64_t)(rint(-0.4 / scale) + rint(3 / scale)));
    dtq_coded_free(sum);
    sum = dtq_coded_requantise(&b.x, a, NULL, &b.rows, 22, &e);
    ck_assert_int_eq(sum->codes[3 * WIDTH + 1], -2097151);
    ck_assert(dtq_coded_store(&b.x, sum, 0, &b.rows, &e));
    /* 22 bits are more than 8, and few enough for 22. */
    dtq_coded *wide = dtq_coded_take(&b.x, 0, WIDTH, &b.rows, 22, &e),
              *narrow = dtq_coded_take(&b.x, 0, WIDTH, &b.rows, 8, &e);
    ck_assert_int_eq(wide->codes[WIDTH + 1], 2097151);
    ck_assert_int_eq(narrow->codes[WIDTH + 1], 127);
    ck_assert_int_eq(narrow->codes[WIDTH], -42);
    dtq_coded_free(wide);
    dtq_coded_free(narrow);
    dtq_coded_free(a);
    dtq_coded_free(c);
    dtq_coded_close(&b.x);
}
END_TEST

int main(void) {
    Suite *s = suite_create("coded");
    TCase *c = tcase_create("coded");
    tcase_add_test(c, quotients_are_31_bits);
    tcase_add_test(c, codes_stand_where_they_are_put);
    tcase_add_test(c, floats_become_codes);
    tcase_add_test(c, sums_have_one_scale);
    suite_add_tcase(s, c);
    return run_suite(s);
}
