/* Helpers of the numerics tests: random numbers with a printed seed, bitwise comparison, a runner. */
#ifndef TESTS_NUMERICS_UTIL_H
#define TESTS_NUMERICS_UTIL_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/host/abi.h"
#include "runtime/host/model.h"
#include "runtime/layer.h"
#include "runtime/numerics/numerics.h"
#include "runtime/program.h"
#include "runtime/run.h"
#include "runtime/weights/tensor.h"

typedef struct {
    uint64_t state;
} rng;

static inline uint64_t rng_next(rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint32_t rng_below(rng *r, uint32_t n) {
    return (uint32_t)(rng_next(r) >> 32) % n;
}

/* Uniform in [-1, 1), a multiple of 2^-23. */
static inline float rng_float(rng *r) {
    return (float)((int32_t)(rng_next(r) >> 40) - (1 << 23)) * 0x1p-23f;
}

/* A seed for property tests: DTQ_SEED if set. */
static inline rng rng_seeded(const char *test) {
    const char *given = getenv("DTQ_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : 20260131;
    printf("%s: DTQ_SEED=%llu\n", test, (unsigned long long)seed);
    return (rng){seed};
}

static inline float *random_floats(rng *r, size_t n, float scale) {
    float *x = malloc((n + 1) * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_float(r) * scale;
    return x;
}

static inline uint64_t hash_bytes(const void *data, size_t n) {
    const uint8_t *b = data;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return h;
}

#define ck_assert_bits(got, want, n)                                                                                   \
    do {                                                                                                               \
        for (size_t at_ = 0; at_ < (size_t)(n); at_++) {                                                               \
            if (memcmp(&(got)[at_], &(want)[at_], sizeof *(got)) != 0) {                                               \
                ck_abort_msg("element %zu differs: %.9g, expected %.9g", at_, (double)(got)[at_],                      \
                             (double)(want)[at_]);                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define ck_assert_fails(call, error, text)                                                                             \
    do {                                                                                                               \
        (error) = (dtq_error){0};                                                                                      \
        ck_assert(!(call));                                                                                            \
        ck_assert_msg(strstr((error).message, (text)), "message: %s", (error).message);                                \
        ck_assert_int_ne((error).status, DTQ_OK);                                                                      \
    } while (0)

static inline int run_suite(Suite *s) {
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
