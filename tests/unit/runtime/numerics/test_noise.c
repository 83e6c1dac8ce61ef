/* Noise falls on the tokens of its rank, is normal, and repeats. */
#include "numerics_util.h"

#include <math.h>
#include <string.h>

#include "runtime/numerics/noise.h"

enum { SLOTS = 40, HEADS = 2, DIM = 64, WIDTH = HEADS * DIM, COUNT = SLOTS * WIDTH };

/* One layer of random numbers, and what noise made of them. */
typedef struct {
    float clean[3][COUNT], noisy[3][COUNT], out[COUNT];
    uint32_t ids[SLOTS];
    uint8_t bits[SLOTS];
    uint64_t importance[SLOTS];
    dtq_attention attention;
} layer;

static void fill(layer *l) {
    uint64_t state = 1;
    for (int o = 0; o < 3; o++)
        for (size_t i = 0; i < COUNT; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            l->clean[o][i] = (float)(state >> 40) / 8388608.0F - 1;
        }
    for (uint32_t i = 0; i < SLOTS; i++) {
        l->ids[i] = i;
        l->bits[i] = 8;
    }
    memcpy(l->noisy, l->clean, sizeof l->clean);
    l->attention = (dtq_attention){.slots = SLOTS,
                                   .heads = HEADS,
                                   .kv_heads = HEADS,
                                   .head_dim = DIM,
                                   .ids = l->ids,
                                   .bits = {l->bits, l->bits, l->bits, l->bits},
                                   .q = l->noisy[0],
                                   .k = l->noisy[1],
                                   .v = l->noisy[2],
                                   .out = l->out,
                                   .importance = l->importance};
}

static void disturb(layer *l, dtq_noise noise) {
    dtq_error e;
    ck_assert_msg(dtq_noise_add(&noise, 3, &l->attention, l->noisy[0], l->noisy[1], l->noisy[2], &e), "%s", e.message);
}

static bool changed(const layer *l, int operand, size_t slot) {
    return memcmp(&l->clean[operand][slot * WIDTH], &l->noisy[operand][slot * WIDTH], WIDTH * sizeof(float)) != 0;
}

/* Slots whose rows changed, which must be the same in q, k and v; and whether one that did not is more important
 * than one that did. */
static size_t count_changed(const layer *l, uint64_t *least_changed, uint64_t *most_changed) {
    size_t count = 0;
    *least_changed = UINT64_MAX;
    *most_changed = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        ck_assert(changed(l, 0, i) == changed(l, 1, i) && changed(l, 0, i) == changed(l, 2, i));
        if (!changed(l, 0, i))
            continue;
        count++;
        *least_changed = l->importance[i] < *least_changed ? l->importance[i] : *least_changed;
        *most_changed = l->importance[i] > *most_changed ? l->importance[i] : *most_changed;
    }
    return count;
}

START_TEST(falls_on_a_rank) {
    static const struct {
        double from, to;
        size_t before, count; /* of 40 slots */
    } cases[] = {{0, .15, 0, 6}, {.15, .85, 6, 28}, {.85, 1, 34, 6}, {0, 1, 0, 40}, {.5, .5, 20, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        static layer l;
        fill(&l);
        disturb(&l, (dtq_noise){cases[c].from, cases[c].to, 1, 5});
        uint64_t least, most;
        ck_assert_uint_eq(count_changed(&l, &least, &most), cases[c].count);
        size_t above = 0, below = 0;
        for (size_t i = 0; i < SLOTS && cases[c].count; i++) {
            above += l.importance[i] > most;
            below += l.importance[i] < least;
        }
        ck_assert(!cases[c].count || above == cases[c].before);
        ck_assert(!cases[c].count || below == SLOTS - cases[c].before - cases[c].count);
    }
}
END_TEST

START_TEST(is_normal) {
    static layer l;
    fill(&l);
    disturb(&l, (dtq_noise){0, 1, .5, 9});
    for (int o = 0; o < 3; o++) {
        double square = 0, sum = 0, spread = 0, fourth = 0;
        for (size_t i = 0; i < COUNT; i++)
            square += (double)l.clean[o][i] * (double)l.clean[o][i];
        double deviation = .5 * sqrt(square / (double)COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            double z = ((double)l.noisy[o][i] - (double)l.clean[o][i]) / deviation;
            sum += z;
            spread += z * z;
            fourth += z * z * z * z;
        }
        ck_assert_double_lt(fabs(sum / (double)COUNT), 0.05); /* 5,120 numbers: one deviation of the mean is 0.014, … */
        ck_assert_double_lt(fabs(spread / (double)COUNT - 1), 0.1);
        ck_assert_double_lt(fabs(fourth / (double)COUNT - 3), 0.6);
    }
}
END_TEST

START_TEST(repeats_by_its_seed) {
    static layer a, b;
    dtq_noise noise = {0, 1, .5, 9};
    fill(&a);
    disturb(&a, noise);
    fill(&b);
    disturb(&b, noise);
    ck_assert_mem_eq(a.noisy, b.noisy, sizeof a.noisy);
    ck_assert(memcmp(a.noisy[0], a.noisy[1], sizeof a.noisy[0]) != 0);
    fill(&b);
    noise.seed++;
    disturb(&b, noise);
    ck_assert(memcmp(a.noisy, b.noisy, sizeof a.noisy) != 0);
    fill(&b);
    noise.magnitude = 0;
    disturb(&b, noise);
    ck_assert_mem_eq(b.noisy, b.clean, sizeof b.clean);
}
END_TEST

int main(void) {
    Suite *s = suite_create("noise");
    TCase *c = tcase_create("noise");
    tcase_add_test(c, falls_on_a_rank);
    tcase_add_test(c, is_normal);
    tcase_add_test(c, repeats_by_its_seed);
    suite_add_tcase(s, c);
    return run_suite(s);
}
