/* Vectors at every level against the scalar definitions: 2^t, rounding, sums and maxima over lanes, products of bytes.
 */
#include "llvm_util.h"

typedef void map_fn(const void *a, const void *b, const void *c, void *to, uint64_t count);

/* A function that applies `body` to vectors of its inputs. */
typedef val map_body(emitter *e, val a, val b, val c);

static unsigned add_map(kernels *k, const char *name, type of, map_body *body) {
    emitter *e = &k->e;
    type params[] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64};
    val f = function_begin(e, name_of(e, "%s", name), e->none, params, 5);
    loop l = loop_begin(e, i64_of(e, 0), arg(e, 4), LANES);
    val in[3];
    for (unsigned i = 0; i < 3; i++)
        in[i] = load(e, of, at_index(e, arg(e, i), l.index, 4));
    store(e, body(e, in[0], in[1], in[2]), at_index(e, arg(e, 3), l.index, 4));
    loop_end(e, &l);
    function_end(e);
    return kernels_add(k, f);
}

static val exp2_body(emitter *e, val a, val b, val c) {
    (void)b, (void)c;
    return exp2_nonpositive(e, a);
}

static val round_body(emitter *e, val a, val b, val c) {
    (void)b, (void)c;
    return round_even(e, a);
}

static val sum_body(emitter *e, val a, val b, val c) {
    (void)b, (void)c;
    return spread(e, sum_tree(e, a));
}

static val maximum_body(emitter *e, val a, val b, val c) {
    (void)b, (void)c;
    return spread(e, max_lane(e, a));
}

/* One level's functions, called on floats. */
static void with_floats(map_body *body, const float *in, float *out, size_t n, const machine_level *level) {
    kernels k = kernels_begin(level);
    add_map(&k, "map", k.e.vf, body);
    ((map_fn *)kernels_load(&k)[0])(in, in, in, out, n);
    kernels_end(&k);
}

enum { NUMBERS = 4096 };

START_TEST(powers_and_roundings) {
    static float x[NUMBERS], below[NUMBERS], y[NUMBERS];
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (size_t i = 0; i < NUMBERS; i++)
        x[i] = i % 3 == 0   ? -140.0f * fabsf(random_float(&state))
               : i % 3 == 1 ? -(float)(i % 300) / 2
                            : random_float(&state);
    const float special[] = {0,      -0.0f,    -126.0f,  nextafterf(-126.0f, 0), nextafterf(-126.0f, -200),
                             -1e30f, INFINITY, -INFINITY};
    memcpy(x, special, sizeof special);
    for (size_t i = 0; i < NUMBERS; i++)
        below[i] = x[i] > 0 ? -x[i] : x[i]; /* softmax and activations have no other powers */
    below[NUMBERS - 1] = NAN;
    for (unsigned l = 0; l < count; l++) {
        with_floats(exp2_body, below, y, NUMBERS, &levels[l]);
        for (size_t i = 0; i < NUMBERS; i++) {
            float want = dtq_exp2(below[i]);
            ck_assert_msg(memcmp(&want, &y[i], 4) == 0, "2^%a: %a, not %a", (double)below[i], (double)y[i],
                          (double)want);
        }
        with_floats(round_body, x, y, NUMBERS, &levels[l]);
        for (size_t i = 0; i < NUMBERS; i++) {
            float want = rintf(x[i]);
            ck_assert_msg(memcmp(&want, &y[i], 4) == 0, "rne %a: %a, not %a", (double)x[i], (double)y[i], (double)want);
        }
    }
}
END_TEST

START_TEST(sums_and_maxima_over_lanes) {
    static float x[NUMBERS], sums[NUMBERS], largest[NUMBERS];
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (size_t i = 0; i < NUMBERS; i++)
        x[i] = random_float(&state) * (i % 5 ? 1.0f : 1e6f);
    for (unsigned l = 0; l < count; l++) {
        with_floats(sum_body, x, sums, NUMBERS, &levels[l]);
        with_floats(maximum_body, x, largest, NUMBERS, &levels[l]);
        for (size_t v = 0; v < NUMBERS; v += LANES) {
            float lanes[LANES], most = x[v];
            memcpy(lanes, x + v, sizeof lanes);
            for (size_t half = LANES / 2; half >= 1; half /= 2)
                for (size_t i = 0; i < half; i++)
                    lanes[i] = lanes[i] + lanes[i + half];
            for (size_t i = 0; i < LANES; i++)
                most = x[v + i] > most ? x[v + i] : most;
            ck_assert_mem_eq(&sums[v], &lanes[0], sizeof(float));
            ck_assert_mem_eq(&largest[v], &most, sizeof(float));
        }
    }
}
END_TEST

/* Every pair of an unsigned and a signed byte, at every place of a lane, on accumulators that wrap. */
START_TEST(products_of_bytes) {
    enum { WORDS = 65536 };
    static uint32_t acc[WORDS], a[WORDS], b[WORDS], y[WORDS];
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    for (uint32_t i = 0; i < WORDS; i++) {
        acc[i] = i * 2654435761u;
        a[i] = (i & 255) * 0x01010101u ^ (i << 16);
        b[i] = (i >> 8) * 0x01010101u ^ (i << 24);
    }
    for (unsigned l = 0; l < count; l++) {
        kernels k = kernels_begin(&levels[l]);
        add_map(&k, "dots", k.e.vi, dot4);
        ((map_fn *)kernels_load(&k)[0])(acc, a, b, y, WORDS);
        for (uint32_t i = 0; i < WORDS; i++) {
            uint32_t want = acc[i];
            for (int byte = 0; byte < 4; byte++)
                want += (uint32_t)((int32_t)(a[i] >> 8 * byte & 255) * (int8_t)(b[i] >> 8 * byte & 255));
            ck_assert_uint_eq(y[i], want);
        }
        kernels_end(&k);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("vectors");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, powers_and_roundings);
    tcase_add_test(t, sums_and_maxima_over_lanes);
    tcase_add_test(t, products_of_bytes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
