/* Rotary positions: a head's pairs of channels turned by cosines and sines that the graph computes or the file holds.
 * Whatever they are made of, they are numbers here, and the base and the divisors of the frequencies are read off them
 * (Su et al., "RoFormer", 2021: angle i of position p is p / base^(2 i / channels)). */
#include <math.h>
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/rotary_scaling.h"
#include "frontend/onnx/term.h"

enum { MOST_PAIRS = 1024 };
/* Cosines are float32 of angles that were float32. */
static const double NEAR_ANGLE = 2e-4, NEAR_FREQUENCY = 1e-5;

/** The base that the second pair says, or the only one; whole where it is nearly so. */
static double base_of(const double *frequency, uint32_t pairs) {
    double base = pairs > 1 ? pow(frequency[1], -(double)pairs) : 10000;
    return fabs(base - nearbyint(base)) <= 1e-4 * base ? nearbyint(base) : base;
}

/** Reads base and frequencies off cosines and sines, [seq, pairs or twice as many]. NULL, or what is wrong. */
static const char *read_table(importer *im, const term *cosines, const term *sines, uint32_t pairs, bool halves,
                              term *out) {
    int64_t columns = cosines->dims[cosines->rank - 1], n = im->seq;
    double frequency[MOST_PAIRS], amplitude = cosines->kind == TERM_NUMBERS ? cosines->values[0] : 0;
    float divisors[MOST_PAIRS];
    if (cosines->kind != TERM_NUMBERS || sines->kind != TERM_NUMBERS || pairs > MOST_PAIRS || n < 2 ||
        (columns != pairs && columns != 2 * (int64_t)pairs) || term_elements(cosines) != n * columns ||
        term_elements(sines) != n * columns || !(amplitude > 0))
        return "turns channels by what are no cosines and sines of positions";
    int64_t next = columns == pairs || halves ? 1 : 2;
    for (uint32_t i = 0; i < pairs; i++)
        frequency[i] = atan2(sines->values[columns + i * next], cosines->values[columns + i * next]);
    for (int64_t p = 0; p < n; p++)
        for (int64_t i = 0; i < columns; i++) {
            double angle = (double)p * frequency[columns == pairs ? i : halves ? i % pairs : i / 2];
            if (!(fabs(cosines->values[p * columns + i] - amplitude * cos(angle)) <= NEAR_ANGLE * amplitude) ||
                !(fabs(sines->values[p * columns + i] - amplitude * sin(angle)) <= NEAR_ANGLE * amplitude))
                return "turns channels by what are no cosines and sines of positions";
        }
    bool plain = fabs(amplitude - 1) <= NEAR_FREQUENCY;
    out->number = base_of(frequency, pairs);
    if (!(out->number >= 1 && out->number <= 1e12))
        return "turns channels by frequencies that fall by no base";
    for (uint32_t i = 0; i < pairs; i++) {
        double divisor = pow(out->number, -(double)i / pairs) / frequency[i];
        divisors[i] = (float)divisor;
        plain = plain && fabs(divisor - 1) <= NEAR_FREQUENCY;
        if (!(divisor > 0))
            return "turns channels by frequencies that are not above zero";
    }
    out->reason = plain ? NULL : rotary_frequencies(im->a, (float)amplitude, divisors, pairs);
    return NULL;
}

/** The rows of `x`, which lies in heads, turned; laid out as before. */
static const term *turned(importer *im, const term *x, const term *cosines, const term *sines, bool halves) {
    double factor = 1;
    head_rows h;
    const term *plain = term_strip(x, &factor), *c, *s;
    onnx_view v;
    uint32_t tokens;
    const char *wrong = term_in_heads(im, plain, &tokens, &h, &v);
    if (!wrong && (h.heads != h.kv_heads || h.head_dim % 2 != 0))
        wrong = "turns copies of heads, or heads of an odd number of channels";
    if (!wrong && (!term_numbers(im, cosines, &c) || !term_numbers(im, sines, &s)))
        wrong = "turns channels by what depends on the text";
    if (wrong)
        return term_unknown(im, wrong);
    term *t = term_new(im, TERM_ROTARY, h.rows, NULL);
    t->heads = h.heads;
    t->function = halves ? PAIRING_HALVES : PAIRING_ADJACENT;
    wrong = read_table(im, c, s, h.head_dim / 2, halves, t);
    if (wrong)
        return term_unknown(im, wrong);
    return term_laid_as(im, t, &v, tokens, factor);
}

/* ---- spelled out --------------------------------------------------------------------------------------------------
 */

static bool same_view(const term *x, const term *y) {
    return x->kind == TERM_VIEW && y->kind == TERM_VIEW && x->a == y->a && x->view->first == y->view->first &&
           x->view->count == y->view->count &&
           memcmp(x->view->atom, y->view->atom, x->view->count * sizeof *x->view->atom) == 0;
}

const term *term_rotated_halves(importer *im, const term *x, const term *y) {
    double sign = 1;
    x = term_strip(x, &sign);
    if (sign != -1 || x->kind != TERM_VIEW || y->kind != TERM_VIEW || x->a != y->a || x->rank != y->rank)
        return NULL;
    onnx_view whole = *y->view, upper;
    int64_t half = y->dims[y->rank - 1];
    for (uint32_t i = 0; i < whole.count; i++)
        if (whole.atom[i].axis == y->rank - 1 && whole.atom[i].size == half)
            whole.atom[i].size = 2 * half;
    upper = whole;
    term expected = {.kind = TERM_VIEW, .a = y->a, .view = &upper};
    if (!view_slice(&upper, y->rank - 1, half, half, 1) || !same_view(x, &expected))
        return NULL;
    term *full = term_new(im, TERM_VIEW, y->a, NULL), *t;
    onnx_view *kept = ARENA_NEW(im->a, onnx_view);
    *kept = whole;
    full->view = kept;
    full->rank = y->rank;
    memcpy(full->dims, y->dims, sizeof full->dims);
    full->dims[y->rank - 1] = 2 * half;
    t = term_new(im, TERM_ROTATED, full, NULL);
    return t;
}

/** A single head, which is rows, as all others. */
static const term *as_view(importer *im, const term *x) {
    if (x->kind == TERM_VIEW)
        return x;
    term *t = term_new(im, TERM_VIEW, x, NULL);
    onnx_view *whole = ARENA_NEW(im->a, onnx_view);
    *whole = view_of(x->rank, x->dims);
    t->view = whole;
    return t;
}

const term *term_turn_part(importer *im, const term *x, const term *table) {
    double factor = 1;
    const term *inner = term_strip(x, &factor), *numbers;
    bool rotated = inner->kind == TERM_ROTATED;
    bool in_heads = inner->kind == TERM_VIEW || (term_is_rows(inner) && inner->rank > 3); /* maybe a single one */
    if ((!in_heads && !rotated) || table->rank < 2 || !term_numbers(im, table, &numbers) ||
        numbers->kind != TERM_NUMBERS)
        return NULL;
    term *t = term_new(im, TERM_TURNING, rotated ? inner->a : as_view(im, inner), NULL);
    t->b = numbers;
    t->function = rotated;
    return term_scale(im, t, factor);
}

const term *term_turn_whole(importer *im, const term *x, const term *y) {
    double fx = 1, fy = 1;
    x = term_strip(x, &fx);
    y = term_strip(y, &fy);
    if (x->kind != TERM_TURNING || y->kind != TERM_TURNING || fx != fy)
        return NULL;
    const term *plain = x->function ? y : x, *rotated = plain == x ? y : x;
    if (plain->function || !rotated->function || !same_view(plain->a, rotated->a))
        return term_unknown(im, "adds what are not the two parts of a turned pair of channels");
    return term_scale(im, turned(im, plain->a, plain->b, rotated->b, true), fx);
}

/* ---- as one operator ----------------------------------------------------------------------------------------------
 */

/** The rows of a table of positions that a text takes, from the first. */
static const term *first_rows(importer *im, const term *table, const term *positions) {
    const term *numbers, *at;
    if (!term_numbers(im, table, &numbers) || (positions && !term_numbers(im, positions, &at)))
        return NULL;
    for (int64_t i = 0; positions && i < term_elements(at); i++)
        if (term_number_at(at, i) != (double)i && term_elements(at) > 1)
            return NULL;
    layout l;
    if (table->rank < 2 || !layout_begin(numbers, &l) || table->dims[table->rank - 2] < im->seq ||
        !view_slice(&l.view, table->rank - 2, 0, im->seq, 1))
        return NULL;
    return layout_end(im, &l);
}

const term *term_rotary(importer *im, const term *x, int64_t heads, const term *cosines, const term *sines,
                        const term *positions, bool adjacent) {
    const term *c = first_rows(im, cosines, positions), *s = first_rows(im, sines, positions);
    layout l;
    if (!c || !s)
        return term_unknown(im, "positions must be 0, 1, 2 ..., and cosines and sines constants");
    if (!term_is_rows(x))
        return turned(im, x, c, s, !adjacent);
    if (heads <= 0 || x->width % heads != 0 || !layout_begin(x, &l))
        return term_unknown(im, arena_printf(im->a, "rows of %u do not make %lld heads", x->width, (long long)heads));
    const int64_t split[4] = {1, im->seq, heads, x->width / heads}, joined[3] = {1, im->seq, x->width};
    if (!view_reshape(&l.view, 4, split))
        return term_unknown(im, "turns what are no rows");
    const term *in_heads = layout_end(im, &l), *out = turned(im, in_heads, c, s, !adjacent);
    return out->kind != TERM_UNKNOWN && layout_begin(out, &l) && view_reshape(&l.view, 3, joined) ? layout_end(im, &l)
                                                                                                  : out;
}
