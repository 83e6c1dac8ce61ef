#include "numerics_util.h"
#include "runtime/weights/weights_coded.h"

/* Synthetic tensors, whose floats the reader of weights makes. */
enum { OUTPUTS = 6, INPUTS = 5 };

typedef struct {
    dtq_tensor tensor;
    dtq_program program;
    dtq_weights *weights;
    const float *floats;
} made;

static void made_init(made *m) {
    dtq_error e;
    m->tensor = (dtq_tensor){
        .name = "w", .file = UINT32_MAX, .shape = {OUTPUTS, INPUTS}, .seed = 5, .mean = 0.25f, .scale = 1.0f};
    m->program = (dtq_program){.tensor_count = 1, .tensors = &m->tensor};
    m->weights = dtq_weights_open(&m->program, NULL, &e);
    ck_assert_ptr_nonnull(m->weights);
    m->floats = dtq_weights_float(m->weights, 0, &e);
    ck_assert_ptr_nonnull(m->floats);
}

static const dtq_coded_weight *coded(made *m, unsigned bits, size_t groups, dtq_code_form form) {
    dtq_error e;
    const dtq_coded_weight *w = dtq_weights_coded(m->weights, 0, bits, groups, form, &e);
    ck_assert_msg(w, "%s", e.message);
    ck_assert_uint_eq(w->outputs, OUTPUTS);
    ck_assert_uint_eq(w->inputs, INPUTS);
    ck_assert(dtq_weights_coded(m->weights, 0, bits, groups, form, &e) == w); /* made once */
    return w;
}

START_TEST(groups_share_a_scale) {
    made m;
    made_init(&m);
    for (size_t groups = 0; groups <= OUTPUTS; groups++) {
        const dtq_coded_weight *w = coded(&m, 8, groups, DTQ_CODES_SYMMETRIC);
        const size_t each = groups == 0 ? 1 : (OUTPUTS + groups - 1) / groups;
        for (size_t o = 0; o < OUTPUTS; o++) {
            float largest = 0;
            const size_t first = o / each * each, end = first + each < OUTPUTS ? first + each : OUTPUTS;
            for (size_t i = first * INPUTS; i < end * INPUTS; i++) {
                const float a = m.floats[i] < 0 ? -m.floats[i] : m.floats[i];
                largest = a > largest ? a : largest;
            }
            ck_assert_float_eq(w->scales[o], largest / 127);
            for (size_t i = 0; i < INPUTS; i++)
                ck_assert_int_eq(w->codes[o * INPUTS + i], dtq_quantise(m.floats[o * INPUTS + i], largest / 127, 8));
        }
    }
    dtq_weights_close(m.weights);
}
END_TEST

START_TEST(the_published_clamp_of_ibert) {
    made m;
    made_init(&m);
    m.tensor.mean = 2.0f; /* all positive, so that the largest is the range */
    m.tensor.seed = 6;
    dtq_weights_close(m.weights);
    dtq_error e;
    m.weights = dtq_weights_open(&m.program, NULL, &e);
    const dtq_coded_weight *plain = coded(&m, 8, 1, DTQ_CODES_SYMMETRIC), *w = coded(&m, 8, 1, DTQ_CODES_IBERT);
    int largest = 0, clamped = 0;
    for (size_t i = 0; i < OUTPUTS * INPUTS; i++) {
        largest = plain->codes[i] > largest ? plain->codes[i] : largest;
        clamped = w->codes[i] > clamped ? w->codes[i] : clamped;
    }
    ck_assert_int_eq(largest, 127);
    ck_assert_int_eq(clamped, 126);
    dtq_weights_close(m.weights);
}
END_TEST

START_TEST(ranges_reach_from_least_to_largest) {
    made m;
    made_init(&m);
    for (unsigned bits = 2; bits <= 8; bits++) {
        const dtq_coded_weight *w = coded(&m, bits, 0, DTQ_CODES_RANGE);
        const int half = 1 << (bits - 1);
        for (size_t o = 0; o < OUTPUTS; o++) {
            int least = 127, largest = -128;
            for (size_t i = 0; i < INPUTS; i++) {
                const int c = w->codes[o * INPUTS + i];
                const float back = (float)c * w->scales[o] + w->shifts[o];
                ck_assert_float_eq_tol(back, m.floats[o * INPUTS + i], w->scales[o] * 0.5f + 1e-5f);
                least = c < least ? c : least;
                largest = c > largest ? c : largest;
            }
            ck_assert_int_eq(least, -half);
            ck_assert_int_eq(largest, half - 1);
        }
    }
    dtq_weights_close(m.weights);
}
END_TEST

/* Of numbers on both sides of 0, a constant and numbers far from 0: 0 is exact where it lies in the range, and nothing
 * is further than half a step, or a whole one at the ends, from what it stands for. */
START_TEST(ranges_that_hold_zero_exactly) {
    static const float forms[][2] = {{0, 1}, {0.25f, 1}, {2, 1}, {-2, 1}, {0.25f, 0}};
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        made m;
        made_init(&m);
        m.tensor.mean = forms[k][0];
        m.tensor.scale = forms[k][1];
        dtq_weights_close(m.weights);
        dtq_error e;
        m.weights = dtq_weights_open(&m.program, NULL, &e);
        const float *x = dtq_weights_float(m.weights, 0, &e);
        for (unsigned bits = 2; bits <= 8; bits++) {
            const dtq_coded_weight *w = coded(&m, bits, 0, DTQ_CODES_RANGE_ZERO);
            for (size_t i = 0; i < OUTPUTS * INPUTS; i++) {
                const float scale = w->scales[i / INPUTS], shift = w->shifts[i / INPUTS];
                const float steps = shift / scale;
                ck_assert_float_eq_tol(steps, roundf(steps), 1e-3f);
                ck_assert_float_eq_tol((float)w->codes[i] * scale + shift, x[i], scale + 1e-5f);
            }
        }
        dtq_weights_close(m.weights);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("weights_coded");
    TCase *c = tcase_create("weights_coded");
    tcase_add_test(c, groups_share_a_scale);
    tcase_add_test(c, the_published_clamp_of_ibert);
    tcase_add_test(c, ranges_reach_from_least_to_largest);
    tcase_add_test(c, ranges_that_hold_zero_exactly);
    suite_add_tcase(s, c);
    return run_suite(s);
}
