/* The order is that of transformers' generate: repetition penalty, temperature, top-k, top-p, min-p, then one draw. */
#include "frontend/cli/sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/numerics/numerics.h"

/* ---- options ----------------------------------------------------------------------------------------------------- */

static bool read_number(session *s, option_id id, double least, double most, float *out) {
    char *end;
    if (!given(s, id))
        return true;
    const char *text = value(s, id)->text;
    const double number = strtod(text, &end);
    if (*end || end == text || !(number >= least && number <= most))
        return usage_error(s, "--%s: '%s' is no number from %g to %g", option_table[id].name, text, least, most);
    *out = (float)number;
    return true;
}

bool sampling_read(session *s, sampling *out) {
    static const option_id of_draws[] = {OPT_top_k, OPT_top_p, OPT_min_p, OPT_sample_seed};
    *out = (sampling){.top_p = 1, .penalty = 1, .top_k = (uint32_t)value(s, OPT_top_k)->number};
    if (!read_number(s, OPT_temperature, 0, 1000, &out->temperature) || !read_number(s, OPT_top_p, 0, 1, &out->top_p) ||
        !read_number(s, OPT_min_p, 0, 1, &out->min_p) ||
        !read_number(s, OPT_repetition_penalty, .01, 100, &out->penalty))
        return false;
    for (size_t i = 0; i < sizeof of_draws / sizeof *of_draws; i++)
        if (given(s, of_draws[i]) && out->temperature == 0)
            return usage_error(s, "--%s changes nothing without --temperature: the likeliest token is taken",
                               option_table[of_draws[i]].name);
    const uint64_t seed = (uint64_t)value(s, OPT_sample_seed)->number;
    memcpy(out->state, (unsigned short[3]){0x330e, (unsigned short)seed, (unsigned short)(seed >> 16)},
           sizeof out->state); /* as srand48 has it */
    return true;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t token;
    float score;   /* after penalty and temperature */
    double weight; /* e^(score - the largest) */
} candidate;

/** A token's score is lowered once, however often the text has it. */
static void punish(const sampling *how, candidate *c, const float *scores, uint32_t n, const uint32_t *tokens,
                   uint32_t count) {
    for (uint32_t i = 0; i < count && how->penalty != 1; i++) {
        const uint32_t t = tokens[i];
        if (t < n)
            c[t].score = scores[t] > 0 ? scores[t] / how->penalty : scores[t] * how->penalty;
    }
}

static uint32_t likeliest(const candidate *c, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        best = c[i].score > c[best].score ? i : best;
    return best;
}

static int by_score(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->token > y->token) - (x->token < y->token);
}

static double sum_of(const candidate *c, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += c[i].weight;
    return sum;
}

/** How many of the best candidates stay: top-k, tokens with the same score as the last included, then the fewest whose
 *  weights are top_p of all that are left. Sorts them. */
static uint32_t keep_best(const sampling *how, candidate *c, uint32_t n) {
    qsort(c, n, sizeof *c, by_score);
    if (how->top_k && how->top_k < n) {
        uint32_t kept = how->top_k;
        while (kept < n && c[kept].score == c[kept - 1].score)
            kept++;
        n = kept;
    }
    const double enough = (double)how->top_p * sum_of(c, n);
    double sum = 0;
    uint32_t kept = 0;
    while (kept < n && (kept == 0 || sum < enough))
        sum += c[kept++].weight;
    return kept;
}

static uint32_t keep_likely(const sampling *how, candidate *c, uint32_t n) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (c[i].weight >= (double)how->min_p)
            c[kept++] = c[i];
    return kept;
}

uint32_t sampling_choose(sampling *how, const float *scores, uint32_t n, const uint32_t *tokens, uint32_t count) {
    static const float log2_e = 0x1.715476p+0f;
    arena *scratch = arena_new();
    candidate *c = ARENA_ARRAY(scratch, candidate, n);
    for (uint32_t i = 0; i < n; i++)
        c[i] = (candidate){i, scores[i], 0};
    punish(how, c, scores, n, tokens, count);
    uint32_t chosen = likeliest(c, n);
    if (how->temperature > 0) {
        const float largest = c[chosen].score;
        for (uint32_t i = 0; i < n; i++) {
            c[i].score = (c[i].score - largest) / how->temperature;
            const float power = c[i].score * log2_e;
            c[i].weight = power > -126 ? (double)dtq_exp2(power) : 0;
        }
        if (how->top_k || how->top_p < 1)
            n = keep_best(how, c, n);
        n = keep_likely(how, c, n);
        double left = erand48(how->state) * sum_of(c, n);
        uint32_t at = 0;
        while (at + 1 < n && (left -= c[at].weight) >= 0)
            at++;
        chosen = c[at].token;
    }
    arena_free(scratch);
    return chosen;
}
