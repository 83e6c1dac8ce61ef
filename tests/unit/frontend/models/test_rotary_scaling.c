/* Scaled rotary positions: the tables that follow from config.json have the frequencies of Hugging Face's functions. */
#include <math.h>

#include "frontend/models/rotary_scaling.h"
#include "frontend_util.h"
#include "rotary_truth.h"
#include "runtime/numerics/rotary.h"

static transformer heads_of(double base, uint32_t positions) {
    transformer t = transformer_defaults();
    t.hidden = t.head_dim = TRUTH_COLUMNS;
    t.heads = 1;
    t.rotary_base = base;
    t.positions = positions;
    return t;
}

static bool scaled(const char *key, const char *scaling, transformer *t) {
    const char *text = arena_printf(A, "{\"%s\": %s}", key, scaling);
    return rotary_scaling_read(A, D, doc_parse(A, D, "config.json", text, strlen(text), true), t);
}

/* At position 1 the angle is the frequency itself, and the radius the amplitude. */
static void holds(const char *why, const transformer *t, const float *frequencies, double amplitude) {
    float row[TRUTH_COLUMNS];
    const uint32_t pairs = TRUTH_COLUMNS / 2;
    ck_assert_msg(!dtq_frequencies_wrong(t->frequencies, TRUTH_COLUMNS), "%s: %s", why, t->frequencies);
    dtq_rotary_read((float)t->rotary_base, t->frequencies, TRUTH_COLUMNS, TRUTH_COLUMNS, TRUTH_COLUMNS, row);
    for (uint32_t c = 0; c < pairs; c++) {
        const double x = (double)row[c], y = (double)row[c + pairs], want = (double)frequencies[c];
        ck_assert_msg(fabs(hypot(x, y) / amplitude - 1) < 2e-7, "%s, pair %u: amplitude %.9g", why, c, hypot(x, y));
        ck_assert_msg(fabs(atan2(y, x) / want - 1) < 1e-6, "%s, pair %u: %.9g, not %.9g", why, c, atan2(y, x), want);
    }
}

START_TEST(frequencies_are_those_of_transformers) {
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
        for (size_t k = 0; k < 2; k++) {
            transformer t = heads_of(truths[i].base, truths[i].positions);
            ck_assert_msg(scaled(keys[k], truths[i].scaling, &t), "%s", truths[i].scaling);
            holds(truths[i].scaling, &t, truths[i].frequencies, truths[i].amplitude);
            const bool ends = strstr(truths[i].scaling, "longrope") != NULL;
            ck_assert_uint_eq(t.positions, ends ? 4096 : truths[i].positions);
        }
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(plain_frequencies_say_nothing) {
    static const char *const plain[] = {
        "null",
        "{\"rope_type\": \"default\", \"rope_theta\": 500.0}",
        "{\"type\": \"linear\", \"factor\": 1.0}",
        "{\"rope_type\": \"dynamic\", \"factor\": 4.0}",
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        transformer t = heads_of(10000, 64);
        ck_assert(scaled("rope_scaling", plain[i], &t) && !t.frequencies);
        ck_assert(t.rotary_base == (i == 1 ? 500 : 10000) && t.positions == 64);
    }
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(what_is_not_understood_is_refused) {
    static const struct {
        const char *scaling, *says;
    } cases[] = {
        {"{\"rope_type\": \"mrope\"}", "of the type 'mrope' is not known here"},
        {"{\"rope_type\": \"linear\"}", "rope_scaling lacks the key 'factor'"},
        {"{\"rope_type\": \"linear\", \"factor\": 0.5}", "0.5"},
        {"{\"rope_type\": \"linear\", \"factor\": 2, \"attention_factor\": 2}", "attention_factor"},
        {"{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, \"high_freq_factor\": 4}",
         "high_freq_factor is 4; it must be above low_freq_factor, 4"},
        {"{\"rope_type\": \"yarn\", \"original_max_position_embeddings\": 128}", "has no factor"},
        {"{\"rope_type\": \"longrope\", \"short_factor\": [1, 1], \"long_factor\": [1, 1]}",
         "long_factor has 2 numbers; heads of 16 channels need 8"},
        {"{\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}", "partial_rotary_factor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        transformer t = heads_of(10000, 64);
        ck_assert(!scaled("rope_scaling", cases[i].scaling, &t));
        EXPECT_ERROR(cases[i].says);
    }
}
END_TEST

START_TEST(phi3_says_the_first_length_outside) {
    transformer t = heads_of(10000, 131072);
    const char *text =
        "{\"original_max_position_embeddings\": 4096, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, "
        "\"original_max_position_embeddings\": 1}}";
    transformer same = heads_of(10000, 131072);
    ck_assert(rotary_scaling_read(A, D, doc_parse(A, D, "config.json", text, strlen(text), true), &t));
    ck_assert(scaled("rope_scaling", "{\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 4096}",
                     &same));
    ck_assert_str_eq(t.frequencies, same.frequencies);
    EXPECT_NO_ERROR();
}
END_TEST

TEST_MAIN("rotary_scaling", frequencies_are_those_of_transformers, plain_frequencies_say_nothing,
          what_is_not_understood_is_refused, phi3_says_the_first_length_outside)
