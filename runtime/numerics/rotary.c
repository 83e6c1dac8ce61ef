/* Rotary position tables (Su et al., RoFormer, 2021). Sines near multiples of pi need angles far more exact than a
 * double, so frequencies and angles are sums of two doubles (Dekker 1971; Hida, Li, Bailey 2001), made by IEEE
 * operations alone: mathematics libraries differ between machines. */
#include "runtime/numerics/rotary.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/points.h"

/* hi + lo, |lo| at most half a unit in the last place of hi. */
typedef struct {
    double hi, lo;
} pair;

/* a + b exactly. */
static pair sum_of(double a, double b) {
    const double s = a + b, t = s - a;
    return (pair){s, (a - (s - t)) + (b - t)};
}

/* The same, |a| >= |b|. */
static pair quick_sum(double a, double b) {
    const double s = a + b;
    return (pair){s, b - (s - a)};
}

/* a = hi + lo, both of 26 bits. */
static pair split(double a) {
    const double t = a * 0x1.0000002p+27, hi = t - (t - a);
    return (pair){hi, a - hi};
}

/* a * b exactly. */
static pair product_of(double a, double b) {
    const double p = a * b;
    const pair x = split(a), y = split(b);
    return (pair){p, ((x.hi * y.hi - p) + x.hi * y.lo + x.lo * y.hi) + x.lo * y.lo};
}

static pair multiply(pair a, pair b) {
    const pair p = product_of(a.hi, b.hi);
    return quick_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static pair subtract(pair a, pair b) {
    const pair s = sum_of(a.hi, -b.hi);
    return quick_sum(s.hi, s.lo + (a.lo - b.lo));
}

static pair divide(pair a, pair b) {
    const double q = a.hi / b.hi;
    const pair rest = subtract(a, multiply(b, (pair){q, 0}));
    return quick_sum(q, rest.hi / b.hi);
}

static pair power(pair x, uint32_t n) {
    pair result = {1, 0};
    for (; n > 0; n >>= 1) {
        result = n & 1 ? multiply(result, x) : result;
        x = n > 1 ? multiply(x, x) : x;
    }
    return result;
}

/* base^(-1/n), by Newton's method for x^n = 1/base: from 1 the iterates fall until rounding stops them. */
static pair inverse_root(double base, uint32_t n) {
    const pair a = divide((pair){1, 0}, (pair){base, 0});
    double x = 1;
    for (bool falls = true; falls;) {
        const double next = x - x * (1 - a.hi / power((pair){x, 0}, n).hi) / n;
        falls = next < x;
        x = falls ? next : x;
    }
    pair root = {x, 0};
    for (int i = 0; i < 2; i++) {
        const pair excess = subtract((pair){1, 0}, divide(a, power(root, n)));
        root = subtract(root, divide(multiply(root, excess), (pair){n, 0}));
    }
    return root;
}

/* The angle less the nearest multiple of pi/2, whose number modulo 4 is `quadrant`. */
static double reduce(pair angle, unsigned *quadrant) {
    static const double two_over_pi = 0x1.45f306dc9c883p-1;
    static const pair half_pi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
    const double k = (double)(uint64_t)(angle.hi * two_over_pi + 0.5);
    *quadrant = (unsigned)((uint64_t)k % 4);
    const pair whole = product_of(k, half_pi.hi);
    const pair rest = sum_of(angle.hi, -whole.hi);
    return rest.hi + (rest.lo + ((angle.lo - whole.lo) - k * half_pi.lo));
}

/* Taylor's series, for |x| <= pi/4; what is left out is below 2^-53 of the sum. */
static double sine(double x) {
    const double z = x * x;
    double p = -1.0 / 1307674368000.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z - 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z - 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    return x + x * (z * p);
}

static double cosine(double x) {
    const double z = x * x;
    double p = 1.0 / 20922789888000.0;
    p = p * z - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    p = p * z - 0.5;
    return 1 + z * p;
}

/* The sine of an angle so many quadrants on, times the amplitude: a cosine is the sine one quadrant on. */
static float sine_from(double x, unsigned quadrant, double amplitude) {
    const double y = quadrant % 2 == 0 ? sine(x) : cosine(x);
    return (float)(quadrant % 4 < 2 ? amplitude * y : -(amplitude * y));
}

/* ---- scaled frequencies ------------------------------------------------------------------------------------------ */

/* A divisor below this would make an angle too large for two doubles. */
static const float divisor_least = 0x1p-10f, number_most = 0x1p40f;

/* Takes a word and the blanks behind it. */
static bool take_word(const char **at, const char *word) {
    const size_t n = strlen(word);
    if (strncmp(*at, word, n) != 0 || (*at)[n] != ' ')
        return false;
    *at += n + strspn(*at + n, " ");
    return true;
}

/* Takes a number and the blanks behind it. */
static bool take_number(const char **at, float *out) {
    char *end;
    *out = strtof(*at, &end);
    if (end == *at || (*end != ' ' && *end != '\0'))
        return false;
    *at = end + strspn(end, " ");
    return true;
}

static const char *wrong(const char *at, uint32_t pairs) {
    float number;
    uint32_t count = 0;
    if (!take_word(&at, "amplitude") || !take_number(&at, &number) || !take_word(&at, "divisors"))
        return "frequencies are not `amplitude A divisors D ...`";
    if (!(number > 0 && number <= number_most))
        return "the amplitude of frequencies is not above 0 or too large";
    for (; *at != '\0'; count++) {
        if (!take_number(&at, &number))
            return "frequencies are not `amplitude A divisors D ...`";
        if (!(number >= divisor_least && number <= number_most))
            return "a divisor of frequencies is below 2^-10 or too large";
    }
    return count == 1 || count == pairs ? NULL : "frequencies have neither one divisor nor one for each pair";
}

const char *dtq_frequencies_wrong(dtq_frequencies f, uint32_t columns) {
    if (!f || *f == '\0')
        return NULL;
    const dtq_points points = dtq_points_begin();
    const char *why = wrong(f, columns / 2);
    dtq_points_end(points);
    return why;
}

/* A text while its divisors are taken, one for each pair. */
typedef struct {
    const char *at;
    float amplitude, divisor;
} scaling;

static scaling begin(dtq_frequencies f) {
    scaling s = {!f ? "" : f, 1, 1};
    if (*s.at != '\0') {
        (void)take_word(&s.at, "amplitude");
        (void)take_number(&s.at, &s.amplitude);
        (void)take_word(&s.at, "divisors");
    }
    return s;
}

static pair divided(scaling *s, pair frequency) {
    if (*s->at != '\0')
        (void)take_number(&s->at, &s->divisor);
    return s->divisor == 1.0f ? frequency : divide(frequency, (pair){(double)s->divisor, 0});
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* The column of cosines of one pair and that of its sines, as far as they lie in [first, end). */
static void read_pair(pair frequency, float amplitude, uint32_t columns, uint32_t c, uint64_t first, uint64_t end,
                      float *out) {
    for (uint64_t row = first / columns; row * columns < end; row++) {
        const uint64_t cosine_at = row * columns + c, sine_at = cosine_at + columns / 2;
        unsigned quadrant;
        const double x = reduce(multiply(frequency, (pair){(double)row, 0}), &quadrant);
        if (cosine_at >= first && cosine_at < end)
            out[cosine_at - first] = sine_from(x, quadrant + 1, (double)amplitude);
        if (sine_at >= first && sine_at < end)
            out[sine_at - first] = sine_from(x, quadrant, (double)amplitude);
    }
}

void dtq_rotary_read(float base, dtq_frequencies f, uint32_t columns, uint64_t first, size_t n, float *out) {
    const uint32_t pairs = columns / 2;
    const pair step = inverse_root((double)base, pairs);
    const dtq_points points = dtq_points_begin();
    scaling s = begin(f);
    pair frequency = {1, 0};
    for (uint32_t c = 0; c < pairs; c++) {
        const pair scaled = divided(&s, frequency);
        read_pair(scaled, s.amplitude, columns, c, first, first + n, out);
        frequency = multiply(frequency, step);
    }
    dtq_points_end(points);
}
