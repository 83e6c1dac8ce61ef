/* Random instructions on a module of hardware, against sums taken directly, the wavefront's cycles, and dtq_select.
 * tiles MODULE.so ROWS COLS DRAIN VOTES CHOICES PASSES LANES INSTRUCTIONS SEED */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/numerics/numerics.h"
#include "runtime/rtl/rtl.h"
#include "runtime/sim/wavefront.h"

enum { MOST = 24 };

static uint64_t state;
static dtq_rtl rtl;
static dtq_array_shape array;
static uint64_t votes, choices, passes, lanes;

static uint32_t draw(uint32_t below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static bool fail(const char *what, uint64_t got, uint64_t want) {
    printf("failed: %s: %llu in hardware, not %llu\n", what, (unsigned long long)got, (unsigned long long)want);
    return false;
}

static bool ran(bool ok, const char *const *why) {
    if (!ok)
        printf("failed: %s\n", *why);
    return ok;
}

/* A code of so many bits; extremes are frequent. */
static int16_t code(unsigned bits, bool with_sign) {
    const int most = with_sign ? (1 << (bits - 1)) - 1 : (1 << bits) - 1, least = with_sign ? -most : 0;
    const uint32_t kind = draw(4);
    return (int16_t)(kind == 0 ? most : kind == 1 ? least : least + (int)draw((uint32_t)(most - least + 1)));
}

static void draw_bits(uint8_t *bits, uint32_t n) {
    const uint32_t kind = draw(4);
    for (uint32_t i = 0; i < n; i++)
        bits[i] = kind == 0 ? 4 : kind == 1 ? 8 : kind == 2 ? (draw(2) != 0 ? 8 : 4) : i * 2 < n ? 4 : 8;
}

static bool matmul(void) {
    static int16_t left[MOST * MOST], right[MOST * MOST];
    static int32_t low[MOST * MOST], high[MOST * MOST], want_low[MOST * MOST], want_high[MOST * MOST];
    uint8_t left_bits[MOST], right_bits[MOST];
    uint32_t from[MOST] = {0}, to[MOST] = {0};
    dtq_hidden hidden[MOST] = {{0, 0}};
    dtq_rtl_matmul m = {.rows = 1 + draw(MOST), .cols = 1 + draw(MOST), .depth = 1 + draw(draw(2) != 0 ? 4 : MOST)};
    m.turned = draw(2) != 0;
    m.serpentine = draw(2) != 0;
    m.along_k = m.by_class = draw(2) != 0;
    m.left_signed = !m.along_k;
    m.left = left;
    m.right = right;
    m.left_stride = m.right_stride = m.depth;
    m.left_bits = left_bits;
    m.right_bits = right_bits;
    m.low = low;
    m.high = high;
    const uint32_t height = m.turned ? array.cols : array.rows, width = m.turned ? array.rows : array.cols;
    const uint32_t strips = (m.rows + height - 1) / height, keys = m.along_k ? m.depth : m.cols;
    const bool masked = draw(3) == 0 && m.depth > 4;  /* a tile hides the cycle in which a strip is passed over */
    for (uint32_t s = 0; masked && s < strips; s++) { /* not two strips in a row without a tile */
        hidden[s].from = draw(keys) + (s % 2 == 0 || m.along_k ? 1 : 0);
        hidden[s].from = hidden[s].from < keys ? hidden[s].from : keys;
        hidden[s].to = draw(2) != 0 ? keys : hidden[s].from + draw(keys - hidden[s].from + 1);
        const dtq_hidden skip = m.along_k ? hidden[s] : dtq_hidden_tiles(hidden[s], m.cols, width);
        from[s] = skip.from;
        to[s] = skip.to;
    }
    m.skip_from = from;
    m.skip_to = to;
    draw_bits(left_bits, m.rows);
    draw_bits(right_bits, keys);
    for (uint32_t i = 0; i < m.rows * m.depth; i++)
        left[i] = code(left_bits[i / m.depth], m.left_signed);
    for (uint32_t j = 0; j < m.cols * m.depth; j++)
        right[j] = code(right_bits[m.along_k ? j % m.depth : j / m.depth], true);
    for (uint32_t i = 0; i < m.rows; i++) {
        const uint32_t s = i / height;
        for (uint32_t j = 0; j < m.cols; j++) {
            const uint32_t at = i * m.cols + j;
            const bool there = m.along_k ? from[s] != 0 || to[s] != m.depth : j / width < from[s] || j / width >= to[s];
            low[at] = high[at] = want_low[at] = want_high[at] = -77;
            if (there) {
                want_low[at] = 0;
                want_high[at] = m.by_class ? 0 : -77;
            }
            for (uint32_t k = 0; there && k < m.depth; k++) {
                if (!m.along_k || k < from[s] || k >= to[s]) {
                    *(m.by_class && right_bits[k] == 8 ? &want_high[at] : &want_low[at]) +=
                        left[i * m.depth + k] * right[j * m.depth + k];
                }
            }
        }
    }
    dtq_array_shape shape = array;
    shape.turned = m.turned;
    shape.serpentine = m.serpentine;
    shape.hidden = masked ? hidden : NULL;
    dtq_wavefront w;
    const bool timed = m.along_k ? dtq_wavefront_pv(&shape, left_bits, m.rows, right_bits, m.depth, m.cols, &w)
                                 : dtq_wavefront_qk(&shape, left_bits, m.rows, right_bits, m.cols, m.depth, &w);
    uint64_t cycles = 0;
    const char *why = "";
    if (!timed || !ran(rtl.matmul(rtl.state, &m, &cycles, &why), &why))
        return false;
    for (uint32_t i = 0; i < m.rows * m.cols; i++)
        if (low[i] != want_low[i] || high[i] != want_high[i])
            return fail("a sum", (uint64_t)low[i], (uint64_t)want_low[i]);
    return cycles == w.cycles || fail("cycles of a matmul", cycles, w.cycles);
}

static bool importance(void) {
    uint8_t codes[MOST * MOST];
    uint32_t z[MOST], from[MOST], to[MOST];
    uint64_t sums[MOST], want[MOST], busy = 0, cycles = 0;
    dtq_rtl_votes v = {1 + draw(MOST), 1 + draw(MOST), draw(2) != 0, z, codes, from, to, sums};
    for (uint32_t j = 0; j < v.keys; j++)
        want[j] = sums[j] = (uint64_t)draw(1u << 31) << draw(20);
    for (uint32_t i = 0; i < v.rows; i++) {
        z[i] = draw(8) == 0 ? 0 : 15 + draw(100000);
        from[i] = 1 + draw(v.keys);
        to[i] = draw(2) != 0 ? from[i] : from[i] + draw(v.keys - from[i] + 1);
        busy += (v.keys - (to[i] - from[i]) + votes - 1) / votes;
        for (uint32_t j = 0; j < v.keys; j++) {
            codes[i * v.keys + j] = (uint8_t)draw(256);
            const uint64_t vote = z[i] == 0 ? 0 : codes[i * v.keys + j] * ((UINT64_C(1) << 32) / z[i]);
            const uint64_t more = v.largest ? (vote > want[j] ? vote : want[j]) : want[j] + vote;
            want[j] = j >= from[i] && j < to[i] ? want[j] : more;
        }
    }
    const char *why = "";
    if (!ran(rtl.importance(rtl.state, &v, &cycles, &why), &why))
        return false;
    for (uint32_t j = 0; j < v.keys; j++)
        if (sums[j] != want[j])
            return fail("an importance", sums[j], want[j]);
    return cycles == busy || fail("cycles of importance", cycles, busy);
}

/* A scale, from common ones to the extremes that NUMERICS.md allows. */
static float scale(void) {
    const float fraction = 1.0f + (float)draw(1u << 23) * 0x1p-23f;
    return ldexpf(fraction, draw(4) == 0 ? (int)draw(100) - 57 : (int)draw(8) - 10);
}

/* Softmax at once, or its passes over one block, by the scalar definitions. */
static bool softmax(void) {
    static uint32_t scores[MOST * MOST];
    static uint8_t seen[MOST * MOST], codes[MOST * MOST], weight_codes[MOST * MOST];
    float row_scale[MOST], k_scale[MOST], v_scale[MOST], max[MOST], r[MOST];
    uint32_t z[MOST], from[MOST], to[MOST];
    uint8_t wide[MOST];
    const bool folds = draw(2) != 0, given = draw(4) == 0;
    dtq_rtl_softmax s = {
        .rows = 1 + draw(MOST), .cols = 1 + draw(MOST), .maxes = true, .weighs = folds, .writes = true};
    s.given = given;
    s.scores = scores;
    s.row_scale = row_scale;
    s.k_scale = k_scale;
    s.v_scale = folds ? v_scale : NULL;
    s.seen = seen;
    s.wide = wide;
    s.skip_from = from;
    s.skip_to = to;
    s.max = max;
    s.r = r;
    s.z = z;
    s.codes = codes;
    s.weight_codes = folds ? weight_codes : NULL;
    const uint32_t spread = draw(31);
    uint64_t busy = 0, cycles = 0;
    for (uint32_t j = 0; j < s.cols; j++) {
        k_scale[j] = scale();
        v_scale[j] = scale();
    }
    for (uint32_t i = 0; i < s.rows; i++) {
        row_scale[i] = draw(4) == 0 ? scale() : ldexpf(scale(), -(int)draw(spread + 1));
        wide[i] = draw(2) != 0;
        max[i] = -INFINITY;
        r[i] = 0.0f;
        z[i] = 0;
        from[i] = draw(s.cols + 1);
        to[i] = draw(2) != 0 ? from[i] : from[i] + draw(s.cols - from[i] + 1);
        busy += (s.cols - (to[i] - from[i]) + lanes - 1) / lanes;
        for (uint32_t j = 0; j < s.cols; j++) {
            const uint32_t at = i * s.cols + j;
            const float x = draw(2) != 0 ? (float)draw(12) /* 9 apart, too */
                                         : ((float)draw(1u << 24) - 0x1p23f) * ldexpf(1.0f, -(int)draw(24));
            seen[at] = draw(6) != 0;
            codes[at] = weight_codes[at] = 77;
            memcpy(&scores[at], &x, sizeof x);
            scores[at] = given ? scores[at] : (uint32_t)((int32_t)(draw(1u << 31) * 2u + draw(2)) >> draw(31));
        }
    }
    const char *why = "";
    if (!ran(rtl.softmax(rtl.state, &s, &cycles, &why), &why))
        return false;
    for (uint32_t i = 0; i < s.rows; i++) {
        float x[MOST], e[MOST], w[MOST], most = -INFINITY, weight = 0.0f;
        uint32_t sum = 0;
        for (uint32_t j = 0; j < s.cols; j++) {
            const uint32_t at = i * s.cols + j;
            x[j] = (float)(int32_t)scores[at] * (row_scale[i] * k_scale[j]);
            if (given)
                memcpy(&x[j], &scores[at], sizeof x[j]);
            if (!seen[at] || (j >= from[i] && j < to[i]))
                x[j] = -INFINITY;
            most = x[j] > most ? x[j] : most;
        }
        for (uint32_t j = 0; j < s.cols; j++) {
            const float t = x[j] - most;
            e[j] = t > -9.0f ? dtq_exp2(t) : 0.0f;
            w[j] = e[j] * v_scale[j];
            weight = w[j] > weight ? w[j] : weight;
        }
        const float levels = wide[i] ? 255.0f : 15.0f, divisor = weight == 0.0f ? 1.0f : weight;
        for (uint32_t j = 0; j < s.cols; j++) {
            const uint32_t at = i * s.cols + j;
            const uint8_t code = (uint8_t)rintf(e[j] * levels), of_weight = (uint8_t)rintf(w[j] / divisor * levels);
            sum += code;
            if (j >= from[i] && j < to[i])
                continue;
            if (codes[at] != code)
                return fail("a code", codes[at], code);
            if (folds && weight_codes[at] != of_weight)
                return fail("a weight's code", weight_codes[at], of_weight);
        }
        if (memcmp(&max[i], &most, sizeof most) != 0 || (folds && memcmp(&r[i], &weight, sizeof weight) != 0))
            return fail("the largest logit or weight of row", i, i);
        if (z[i] != sum)
            return fail("a sum of codes", z[i], sum);
    }
    return cycles == busy || fail("cycles of softmax", cycles, busy);
}

static bool topk(void) {
    enum { TOKENS = 64 };
    uint64_t values[TOKENS], cycles = 0;
    uint32_t ids[TOKENS], pins[TOKENS], kept[TOKENS], pin_count = 0;
    uint8_t pinned[TOKENS], chosen[TOKENS] = {0}, want[TOKENS] = {0}, high[TOKENS];
    dtq_rtl_choice c = {
        .n = 1 + draw(TOKENS), .half = draw(2) != 0, .values = values, .pinned = pinned, .chosen = chosen};
    c.keep = draw(c.n + 1);
    c.high = draw(c.keep + 1);
    const uint32_t spread = 1 + draw(c.half ? 31 : 59), pin_rate = 1 + draw(20);
    for (uint32_t i = 0; i < c.n; i++) {
        ids[i] = i;
        values[i] = ((uint64_t)draw(1u << 30) << 30 | draw(1u << 30)) & ((UINT64_C(1) << spread) - 1);
        values[i] = draw(4) == 0 && i > 0 ? values[i - 1] : values[i]; /* ties */
        pinned[i] = draw(pin_rate) == 0 && draw(2) == 0;
        if (pinned[i])
            pins[pin_count++] = i;
    }
    dtq_select(values, ids, c.n, pins, pin_count, c.keep, c.high, DTQ_ORDER_LOW_FIRST, kept, high);
    for (uint32_t k = 0; k < c.keep; k++)
        want[kept[k]] = high[k] ? 2 : 1;
    const uint64_t round = (c.n + choices - 1) / choices + (c.keep + choices - 1) / choices;
    const uint64_t busy = (c.half ? (passes + 1) / 2 : passes) * round;
    const char *why = "";
    if (!ran(rtl.topk(rtl.state, &c, &cycles, &why), &why))
        return false;
    for (uint32_t i = 0; i < c.n; i++)
        if (chosen[i] != want[i])
            return fail("the choice of a token", chosen[i], want[i]);
    return cycles == busy || fail("cycles of top-k", cycles, busy);
}

int main(int argc, char **argv) {
    enum { ARGUMENTS = 11 };
    void *module = argc == ARGUMENTS ? dlopen(argv[1], RTLD_NOW) : NULL;
    dtq_rtl_entry *entry = NULL;
    if (module) {
        void *symbol = dlsym(module, DTQ_RTL_ENTRY);
        memcpy(&entry, &symbol, sizeof entry);
    }
    uint64_t numbers[ARGUMENTS] = {0};
    for (int i = 2; i < argc && i < ARGUMENTS; i++)
        numbers[i] = strtoull(argv[i], NULL, 10);
    array =
        (dtq_array_shape){.rows = (uint32_t)numbers[2], .cols = (uint32_t)numbers[3], .drain = (dtq_drain)numbers[4]};
    votes = numbers[5];
    choices = numbers[6];
    passes = numbers[7];
    lanes = numbers[8];
    state = numbers[10];
    if (!entry || !entry(numbers[10], NULL, &rtl)) {
        printf("the module cannot be loaded: %s\n", argc == ARGUMENTS ? dlerror() : "it needs ten arguments");
        return 2;
    }
    bool ok = true;
    for (uint64_t i = 0; ok && i < numbers[9]; i++) {
        ok = matmul() && (i % 4 != 0 || (importance() && topk() && softmax()));
        if (!ok)
            printf("instruction %llu of seed %llu\n", (unsigned long long)i, (unsigned long long)numbers[10]);
    }
    rtl.close(rtl.state);
    return ok ? 0 : 1;
}
