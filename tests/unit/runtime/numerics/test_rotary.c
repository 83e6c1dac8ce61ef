#include <float.h>
#include <math.h>

#include "numerics_util.h"
#include "runtime/numerics/rotary.h"

/* Computed with mpmath at 200 bits. */
static const struct {
    float base;
    uint32_t columns, row, column;
    float want;
} points[] = {
    {10000, 64, 0, 5, 0x1p+0f},
    {10000, 64, 1, 0, 0x1.14a28p-1f},
    {10000, 64, 511, 17, -0x1.8ac226p-1f},
    {500000, 128, 65535, 1, -0x1.4f6b8cp-1f},
    {100000, 64, 8191, 13, 0x1.5b7258p-1f},
    {10000, 8, 355, 0, -0x1p+0f},
    {10000, 64, 65518, 0, -0x1.fe2474p-1f},
    {10000, 8, 710, 4, 0x1.f9bd04p-15f},
    {1e6f, 128, 32767, 60, 0x1.fe7482p-1f},
    /* nearest to multiples of pi / 2 below row 65536 */
    {10000, 64, 20056, 42, 0x1.c15882p-21f},
    {10000, 64, 30084, 10, 0x1.510262p-20f},
    {500000, 128, 59525, 7, -0x1.46e86ep-24f},
    {500000, 128, 22309, 77, -0x1.f3db40p-21f},
};

START_TEST(known_points) {
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        float x;
        dtq_rotary_read(points[i].base, NULL, points[i].columns,
                        (uint64_t)points[i].row * points[i].columns + points[i].column, 1, &x);
        ck_assert_msg(x == points[i].want, "point %zu: %a, not %a", i, (double)x, (double)points[i].want);
    }
}
END_TEST

/* Where long double has 64 bits or more, its functions are exact enough to find every wrong rounding but near ties. */
START_TEST(right_to_half_a_unit_in_the_last_place) {
    static const float bases[] = {1, 10000, 500000, 1e6f};
    static const uint32_t widths[] = {2, 8, 48, 64, 128};
    if (LDBL_MANT_DIG < 64) {
        printf("skipped: long double is no wider than double\n");
        return;
    }
    float row[128];
    for (size_t b = 0; b < sizeof bases / sizeof *bases; b++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            const uint32_t half = widths[w] / 2;
            for (uint32_t p = 0; p < 65536; p += 1 + p / 5) {
                dtq_rotary_read(bases[b], NULL, widths[w], (uint64_t)p * widths[w], widths[w], row);
                for (uint32_t c = 0; c < half; c++) {
                    const long double angle = p * powl(bases[b], -2.0L * c / widths[w]);
                    const long double want[] = {cosl(angle), sinl(angle)};
                    for (uint32_t k = 0; k < 2; k++) {
                        const float x = row[c + k * half];
                        const long double unit = (long double)(nextafterf(fabsf(x), INFINITY) - fabsf(x));
                        const long double off = fabsl(x - want[k]) / unit;
                        ck_assert_msg(off < 0.501L, "base %g, row %u, column %u of %u: off by %Lf units",
                                      (double)bases[b], p, c + k * half, widths[w], off);
                    }
                }
            }
        }
    }
}
END_TEST

/* Angles are divided, and what comes of them multiplied. */
START_TEST(scaled_frequencies) {
    float plain[8], one[8], each[8];
    const uint64_t row = 24;
    dtq_rotary_read(10000, NULL, 8, 12 * 8, 8, plain);
    dtq_rotary_read(10000, "amplitude 1 divisors 2", 8, row * 8, 8, one);
    ck_assert_bits(one, plain, 8);
    dtq_rotary_read(10000, "amplitude 0.5 divisors 2 2 2 8", 8, row * 8, 8, each);
    for (size_t i = 0; i < 8; i++)
        ck_assert(i % 4 == 3 || each[i] == 0.5f * plain[i]);
    dtq_rotary_read(10000, NULL, 8, 3 * 8, 8, plain);
    ck_assert(each[3] == 0.5f * plain[3] && each[7] == 0.5f * plain[7]);
}
END_TEST

START_TEST(texts_of_frequencies) {
    static const char *const right[] = {NULL, "", "amplitude 1 divisors 1", "amplitude 2.5  divisors 1 0.5 1e3 4"};
    static const char *const wrong[] = {"amplitude",
                                        "divisors 1",
                                        "amplitude 1 divisors",
                                        "amplitude 1 divisors 1 2",
                                        "amplitude 1 divisors 1 2 3 4 5",
                                        "amplitude 1 divisors 1 2 3 x",
                                        "amplitude 1 divisors 1,2",
                                        "amplitude 0 divisors 1",
                                        "amplitude inf divisors 1",
                                        "amplitude 1 divisors nan",
                                        "amplitude 1 divisors 0.0001",
                                        "amplitude 1 divisors -1"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        ck_assert_ptr_null(dtq_frequencies_wrong(right[i], 8));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(dtq_frequencies_wrong(wrong[i], 8), "accepted %s", wrong[i]);
}
END_TEST

START_TEST(any_part_is_that_part) {
    enum { COLUMNS = 6, ROWS = 5, ALL = COLUMNS * ROWS };
    float all[ALL], part[ALL + 1];
    dtq_rotary_read(100, NULL, COLUMNS, 0, ALL, all);
    for (size_t first = 0; first < ALL; first++) {
        for (size_t n = 0; n <= ALL - first; n++) {
            part[n] = 77;
            dtq_rotary_read(100, NULL, COLUMNS, first, n, part);
            ck_assert_bits(part, all + first, n);
            ck_assert_float_eq(part[n], 77);
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("rotary");
    TCase *c = tcase_create("rotary");
    tcase_add_test(c, known_points);
    tcase_add_test(c, right_to_half_a_unit_in_the_last_place);
    tcase_add_test(c, any_part_is_that_part);
    tcase_add_test(c, scaled_frequencies);
    tcase_add_test(c, texts_of_frequencies);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
