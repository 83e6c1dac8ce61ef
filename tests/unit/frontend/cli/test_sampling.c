/* Sampling: which tokens may be drawn, and how often. Probabilities are worked out by hand. */
#include <math.h>

#include "frontend/cli/sampling.h"
#include "frontend_util.h"

enum { TOKENS = 6, DRAWS = 20000 };

/* e^score: 8, 4, 4, 2, 1, 1 of 20; in no order. */
static const float scores[TOKENS] = {0.0f, 1.3862944f, 2.0794415f, 0.6931472f, 1.3862944f, 0.0f};
static const double weights[TOKENS] = {1, 4, 8, 2, 4, 1};

static sampling plain(float temperature) {
    return (sampling){.temperature = temperature, .top_p = 1, .penalty = 1, .state = {0x330e, 5, 0}};
}

/* Draws have the given weights, within four standard deviations; those of weight 0 never come. */
static void expect(sampling how, const double *wanted, const char *what) {
    unsigned seen[TOKENS] = {0};
    double all = 0;
    for (int i = 0; i < TOKENS; i++)
        all += wanted[i];
    for (int i = 0; i < DRAWS; i++)
        seen[sampling_choose(&how, scores, TOKENS, NULL, 0)]++;
    for (int i = 0; i < TOKENS; i++) {
        const double draws = (double)DRAWS, p = wanted[i] / all, off = fabs(seen[i] - p * draws);
        ck_assert_msg(off <= 4 * sqrt(draws * p * (1 - p)), "%s: token %d came %u times, not %.0f", what, i, seen[i],
                      p * draws);
    }
}

START_TEST(tokens_come_as_often_as_their_probability) {
    double squares[TOKENS];
    for (int i = 0; i < TOKENS; i++)
        squares[i] = weights[i] * weights[i];
    expect(plain(1), weights, "temperature 1");
    expect(plain(.5f), squares, "temperature .5");
}
END_TEST

START_TEST(unlikely_tokens_are_left_out) {
    sampling how = plain(1);
    how.top_k = 1;
    expect(how, (const double[TOKENS]){0, 0, 8, 0, 0, 0}, "top-k 1");
    how.top_k = 2; /* the second and the third are as likely */
    expect(how, (const double[TOKENS]){0, 4, 8, 0, 4, 0}, "top-k 2");
    how = plain(1);
    how.top_p = .59f; /* 8 and 4 of 20 are .6; of equal ones the first */
    expect(how, (const double[TOKENS]){0, 4, 8, 0, 0, 0}, "top-p .59");
    how.top_p = 0;
    expect(how, (const double[TOKENS]){0, 0, 8, 0, 0, 0}, "top-p 0");
    how = plain(1);
    how.min_p = .24f;
    expect(how, (const double[TOKENS]){0, 4, 8, 2, 4, 0}, "min-p .24");
    how.top_k = 4;
    how.top_p = .8f; /* of 18: 8, 4 and 4 are .89 */
    expect(how, (const double[TOKENS]){0, 4, 8, 0, 4, 0}, "top-k 4, top-p .8, min-p .24");
}
END_TEST

START_TEST(the_likeliest_without_temperature) {
    sampling how = plain(0);
    const float equal[3] = {-1, 7, 7};
    ck_assert_uint_eq(sampling_choose(&how, scores, TOKENS, NULL, 0), 2);
    ck_assert_uint_eq(sampling_choose(&how, equal, 3, NULL, 0), 1);
}
END_TEST

/* Scores above 0 are divided, others multiplied, once for each token. */
START_TEST(tokens_of_the_text_are_punished) {
    sampling how = plain(0);
    const float mixed[3] = {-1, -1.5f, -4}, above[2] = {4, 3};
    how.penalty = 1.4f;
    ck_assert_uint_eq(sampling_choose(&how, above, 2, (const uint32_t[]){0, 9}, 2), 1);
    ck_assert_uint_eq(sampling_choose(&how, mixed, 3, (const uint32_t[]){0, 0, 0}, 3), 0);
    how.penalty = 1.6f;
    ck_assert_uint_eq(sampling_choose(&how, mixed, 3, (const uint32_t[]){0}, 1), 1);
}
END_TEST

START_TEST(a_seed_gives_the_same_draws) {
    sampling one = plain(1), same = plain(1), other = plain(1);
    other.state[1] = 6;
    unsigned differ = 0;
    for (int i = 0; i < 200; i++) {
        const uint32_t token = sampling_choose(&one, scores, TOKENS, NULL, 0);
        ck_assert_uint_eq(sampling_choose(&same, scores, TOKENS, NULL, 0), token);
        differ += sampling_choose(&other, scores, TOKENS, NULL, 0) != token;
    }
    ck_assert_uint_gt(differ, 50);
}
END_TEST

/* A score far below the largest has no weight, and does no harm. */
START_TEST(any_finite_scores) {
    sampling how = plain(.01f);
    const float far[3] = {-3e38f, 3e38f, 0};
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(sampling_choose(&how, far, 3, NULL, 0), 1);
}
END_TEST

TEST_MAIN("sampling", tokens_come_as_often_as_their_probability, unlikely_tokens_are_left_out,
          the_likeliest_without_temperature, tokens_of_the_text_are_punished, a_seed_gives_the_same_draws,
          any_finite_scores)
