/* Every level of processors that this one runs gives the bits of the plainest. */
#include <check.h>

#include "numerics_util.h"
#include "runtime/kernels/kernels_attention.c" /* the levels are static */
#include "runtime/kernels/kernels_streamed.c"

enum { CASES = 200, MOST = 150 };

typedef struct {
    int16_t a[3 * MOST * 2], b[5 * MOST * 2];
    float x[MOST], scales[MOST];
    uint8_t codes[MOST];
    int8_t values[MOST * MOST];
} numbers;

static void draw(rng *r, numbers *n) {
    for (size_t i = 0; i < sizeof n->a / sizeof *n->a; i++)
        n->a[i] = (int16_t)((int)rng_below(r, 255) - 127);
    for (size_t i = 0; i < sizeof n->b / sizeof *n->b; i++)
        n->b[i] = (int16_t)((int)rng_below(r, 255) - 127);
    for (size_t i = 0; i < MOST; i++) {
        n->x[i] = rng_below(r, 9) == 0 ? -INFINITY : rng_float(r) * 12.0f;
        n->scales[i] = rng_float(r) * 0.5f + 0.6f;
        n->codes[i] = (uint8_t)rng_below(r, 256);
    }
    for (size_t i = 0; i < sizeof n->values; i++)
        n->values[i] = (int8_t)((int)rng_below(r, 255) - 127);
}

/* All that a level makes of the numbers. */
typedef struct {
    int32_t dots[15], values[MOST];
    float logits[MOST], largest, powers[MOST], weights[MOST], weight;
    uint8_t codes[MOST], weight_codes[MOST];
    uint32_t z;
    uint64_t importance[MOST];
} made;

#define MAKE(level)                                                                                                    \
    static void make_##level(const numbers *n, uint32_t count, made *m) {                                              \
        memset(m, 0, sizeof *m);                                                                                       \
        dots_##level(n->a, 3, n->b, 5, count / 16 * 16, m->dots);                                                      \
        logits_##level(m->dots, n->scales, 0.01f, 15, m->logits);                                                      \
        m->largest = largest_##level(n->x, count);                                                                     \
        powers_##level(n->x, m->largest, count, m->powers);                                                            \
        m->z = prob_codes_##level(m->powers, 255.0f, count, m->codes);                                                 \
        m->weight = weights_of_##level(m->powers, n->scales, count, m->weights);                                       \
        weight_codes_##level(m->weights, m->weight == 0.0f ? 1.0f : m->weight, 15.0f, count, m->weight_codes);         \
        importance_row_##level(m->codes, 12345678, count, m->importance);                                              \
        streamed_values_##level(count, n->codes, n->values, MOST - count, m->values);                                  \
    }
MAKE(body)
#if defined(__x86_64__)
MAKE(avx2)
MAKE(avx512)
#endif

START_TEST(levels_give_the_same_bits) {
    rng r = rng_seeded("levels_give_the_same_bits");
    static numbers n;
    static made plain, other;
    for (int i = 0; i < CASES; i++) {
        const uint32_t count = 1 + rng_below(&r, MOST - 1);
        draw(&r, &n);
        make_body(&n, count, &plain);
        int32_t sum = 0; /* the last value by hand: nothing is left out */
        for (uint32_t k = 0; k < MOST - count; k++)
            sum += n.codes[k] * n.values[k * count + count - 1];
        ck_assert_int_eq(plain.values[count - 1], sum);
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2")) {
            make_avx2(&n, count, &other);
            ck_assert_mem_eq(&other, &plain, sizeof plain);
        }
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512dq")) {
            make_avx512(&n, count, &other);
            ck_assert_mem_eq(&other, &plain, sizeof plain);
        }
#endif
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("levels");
    TCase *t = tcase_create("levels");
    tcase_add_test(t, levels_give_the_same_bits);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
