#include "numerics_util.h"
#include "runtime/kernels/kernels_codes.h"

START_TEST(products_of_codes) {
    rng r = rng_seeded("products_of_codes");
    for (unsigned threads = 1; threads <= 3; threads++) {
        for (size_t inputs = 1; inputs < 200; inputs += 33) {
            enum { ROWS = 3, OUT = 7 };
            int8_t x[ROWS * 200], w[OUT * 200];
            int32_t got[ROWS * OUT];
            for (size_t i = 0; i < ROWS * inputs; i++)
                x[i] = (int8_t)((int)rng_below(&r, 256) - 128);
            for (size_t i = 0; i < OUT * inputs; i++)
                w[i] = (int8_t)(rng_below(&r, 3) == 0 ? -128 : (int)rng_below(&r, 256) - 128);
            dtq_codes_product(x, w, ROWS, OUT, inputs, threads, got);
            for (size_t i = 0; i < ROWS * OUT; i++) {
                int32_t want = 0;
                for (size_t k = 0; k < inputs; k++)
                    want += x[i / OUT * inputs + k] * w[i % OUT * inputs + k];
                ck_assert_int_eq(got[i], want);
            }
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernels_codes");
    TCase *c = tcase_create("kernels_codes");
    tcase_add_test(c, products_of_codes);
    suite_add_tcase(s, c);
    return run_suite(s);
}
