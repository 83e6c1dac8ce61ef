/* I-BERT's integer functions (NUMERICS.md, "I-BERT"). */
#include "runtime/schemes/ibert_functions.h"

#include <math.h>
#include <stdbool.h>

/* Shifting right rounds to minus infinity, as the published floor does; C leaves it to the compiler for negative
 * numbers, so it is written out. */
static int64_t shift_down(int64_t x, int bits) {
    return x >= 0 ? x >> bits : -((-x + ((int64_t)1 << bits) - 1) >> bits);
}

/* floor(x / y), y > 0 */
static int64_t divide_down(int64_t x, int64_t y) {
    return x >= 0 ? x / y : -((-x + y - 1) / y);
}

uint64_t dtq_ibert_sqrt(uint64_t n) {
    if (n == 0)
        return 0;
    int bits = 0;
    while (bits < 64 && n >> bits != 0)
        bits++;
    uint64_t x = (uint64_t)1 << (bits + 1) / 2;
    for (;;) {
        const uint64_t next = (x + n / x) / 2;
        if (next >= x)
            return x;
        x = next;
    }
}

/* Doubles a scale until it is at least `least`; returns how often. */
static int raise(double *scale, double least) {
    int lost = 0;
    while (*scale < least && lost < 62) {
        *scale *= 2;
        lost++;
    }
    return lost;
}

/* ---- exp and softmax ------------------------------------------------------------------------------------------- */

/* exp(x) on (-ln 2, 0] is EXP_A (x^2 + EXP_B x + EXP_C). */
static const double exp_a = 0.35815147, exp_b = 0.96963238 / 0.35815147, exp_c = 1.0 / 0.35815147, ln2 = 0.6931;
enum { EXP_STEPS = 30 }; /* powers of 2 that exp goes down by, at most */

dtq_ibert_exp dtq_ibert_exp_of(double scale) {
    dtq_ibert_exp p = {.scale = scale};
    p.lost = raise(&p.scale, 0x1p-26);
    p.ln2 = (int64_t)-floor(-ln2 / p.scale);
    p.b = (int64_t)floor(exp_b / p.scale);
    p.c = (int64_t)floor(exp_c / (p.scale * p.scale));
    return p;
}

double dtq_ibert_exp_at(const dtq_ibert_exp *p, int64_t code) {
    int64_t x = shift_down(code, p->lost);
    x = x < -EXP_STEPS * p->ln2 ? -EXP_STEPS * p->ln2 : x;
    const int64_t steps = -x / p->ln2, r = x + p->ln2 * steps;
    const int64_t z = r * (r + p->b) + p->c;
    return z < 0 ? 0.0 : (double)z * (double)((int64_t)1 << (EXP_STEPS - steps));
}

double dtq_ibert_exp_scale(const dtq_ibert_exp *p) {
    return exp_a * (p->scale * p->scale) / 0x1p30;
}

void dtq_ibert_softmax(const dtq_ibert_exp *p, const int64_t *codes, size_t n, uint32_t *weights) {
    int64_t largest = codes[0];
    for (size_t i = 1; i < n; i++)
        largest = codes[i] > largest ? codes[i] : largest;
    /* To 16 bits by the range of the tensor, whose largest number is exp(0) in every row. */
    const double one = dtq_ibert_exp_at(p, 0) * dtq_ibert_exp_scale(p);
    const double scale = (double)(float)((one < 1e-8 ? 1e-8 : one) / 32767);
    int exponent;
    const double mantissa = rint(frexp(dtq_ibert_exp_scale(p) / scale, &exponent) * 0x1p31);
    const double power = ldexp(1.0, 31 - exponent);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = rint(dtq_ibert_exp_at(p, codes[i] - largest) * mantissa / power);
        weights[i] = (uint32_t)(e > 32767 ? 32767 : e);
        sum += weights[i];
    }
    const uint64_t factor = ((uint64_t)1 << 32) / (sum == 0 ? 1 : sum);
    for (size_t i = 0; i < n; i++)
        weights[i] = (uint32_t)((weights[i] * factor) >> 24);
}

/* ---- GELU ------------------------------------------------------------------------------------------------------ */

/* erf(x) is sign(x) (ERF_A (min(|x|, -ERF_B) + ERF_B)^2 + 1). */
static const double erf_a = -0.2888, erf_b = -1.769, sqrt2 = 1.4142;
enum { ERF_BITS = 14 }; /* that the square loses */

dtq_ibert_gelu dtq_ibert_gelu_of(double scale) {
    dtq_ibert_gelu p = {0};
    p.lost = raise(&scale, 0x1p-20);
    const double s = scale / sqrt2;
    p.b = (int64_t)floor(erf_b / s);
    p.c = (int64_t)floor(1.0 / erf_a / (s * s));
    const double erf_scale = s * s * erf_a * (double)(1 << ERF_BITS);
    p.one = (int64_t)floor(1.0 / erf_scale);
    p.most = (int64_t)floor(1024.0 / scale);
    p.out_scale = scale * erf_scale / 2;
    return p;
}

int64_t dtq_ibert_gelu_at(const dtq_ibert_gelu *p, int64_t code) {
    int64_t x = shift_down(code, p->lost);
    x = x > p->most ? p->most : x < -p->most ? -p->most : x;
    int64_t magnitude = x < 0 ? -x : x;
    magnitude = magnitude > -p->b ? -p->b : magnitude;
    const int64_t square = (magnitude + p->b) * (magnitude + p->b) + p->c;
    const int64_t erf = shift_down(x < 0 ? -square : x > 0 ? square : 0, ERF_BITS);
    return x * (erf + p->one);
}

/* ---- layer norm ------------------------------------------------------------------------------------------------ */

/* The mean, rounded, ties to even. */
static int64_t mean_of(const int64_t *codes, size_t n) {
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += codes[i];
    const int64_t count = (int64_t)n, below = divide_down(sum, count), rest = sum - below * count;
    const bool up = 2 * rest > count || (2 * rest == count && below % 2 != 0);
    return up ? below + 1 : below;
}

/* Sum of the squares of deviations that have lost `shift` bits; UINT64_MAX if it is 2^32 or more. */
static uint64_t squares_of(const int64_t *codes, size_t n, int64_t mean, int shift) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t y = shift_down(codes[i] - mean, shift);
        if (y >= (int64_t)1 << 16 || y <= -((int64_t)1 << 16))
            return UINT64_MAX;
        sum += (uint64_t)(y * y);
        if (sum >> 32 != 0)
            return UINT64_MAX;
    }
    return sum;
}

void dtq_ibert_norm_shift(const int64_t *codes, size_t n, int *shift) {
    const int64_t mean = mean_of(codes, n);
    while (*shift < 40 && squares_of(codes, n, mean, *shift) == UINT64_MAX)
        (*shift)++;
}

void dtq_ibert_norm(const int64_t *codes, size_t n, int shift, int64_t *out) {
    const int64_t mean = mean_of(codes, n);
    const uint64_t deviation = dtq_ibert_sqrt(squares_of(codes, n, mean, shift)) << shift;
    const int64_t factor = ((int64_t)1 << 31) / (int64_t)(deviation == 0 ? 1 : deviation);
    for (size_t i = 0; i < n; i++)
        out[i] = shift_down((codes[i] - mean) * factor, 1);
}
