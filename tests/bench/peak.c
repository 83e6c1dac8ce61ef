/* Peaks: tiles of 4 x 4 (3 x 3 where there are 16 registers) independent accumulators, operands that the compiler
 * cannot see through, nothing read from memory. */
#include "tests/bench/peak.h"

#include <immintrin.h>
#include <stdint.h>

#include "tests/bench/measure.h"

#define ROW_3(M, r) M(r, 0) M(r, 1) M(r, 2)
#define ROW_4(M, r) ROW_3(M, r) M(r, 3)
#define TILE_3(M)   ROW_3(M, 0) ROW_3(M, 1) ROW_3(M, 2)
#define TILE_4(M)   ROW_4(M, 0) ROW_4(M, 1) ROW_4(M, 2) ROW_4(M, 3)

#define CLEAR(r, c) acc_##r##_##c = zero;
#define USE(r, c)   __asm__ volatile("" ::"v"(acc_##r##_##c));
/* Another value each step, for all that the compiler knows. */
#define HIDE_3(x)    __asm__ volatile("" : "+v"(x##_0), "+v"(x##_1), "+v"(x##_2));
#define HIDE_4(x)    __asm__ volatile("" : "+v"(x##_0), "+v"(x##_1), "+v"(x##_2), "+v"(x##_3));
#define NAMES_3(x)   x##_0, x##_1, x##_2
#define NAMES_4(x)   x##_0, x##_1, x##_2, x##_3
#define ACCS_3       NAMES_3(acc_0), NAMES_3(acc_1), NAMES_3(acc_2)
#define ACCS_4       NAMES_4(acc_0), NAMES_4(acc_1), NAMES_4(acc_2), NAMES_4(acc_3)
#define SET_3(x, to) x##_0 = x##_1 = x##_2 = (to);
#define SET_4(x, to) x##_0 = x##_1 = x##_2 = x##_3 = (to);

#define BURST(name, features, vector, number, side, STEP)                                                              \
    __attribute__((target(features))) static void name(uint64_t steps) {                                               \
        const vector zero = number(0);                                                                                 \
        vector NAMES_##side(a), NAMES_##side(b), ACCS_##side;                                                          \
        SET_##side(a, number(3)) SET_##side(b, number(5)) TILE_##side(CLEAR) for (uint64_t i = 0; i < steps; i++){     \
            HIDE_##side(a) HIDE_##side(b) TILE_##side(STEP)} TILE_##side(USE)                                          \
    }

#define DOT_512(r, c)   acc_##r##_##c = _mm512_dpbusd_epi32(acc_##r##_##c, a_##r, b_##c);
#define PAIRS_512(r, c) acc_##r##_##c = _mm512_add_epi32(acc_##r##_##c, _mm512_madd_epi16(a_##r, b_##c));
#define PAIRS_256(r, c) acc_##r##_##c = _mm256_add_epi32(acc_##r##_##c, _mm256_madd_epi16(a_##r, b_##c));
#define PAIRS_128(r, c) acc_##r##_##c = _mm_add_epi32(acc_##r##_##c, _mm_madd_epi16(a_##r, b_##c));
#define FLOAT_512(r, c) acc_##r##_##c = _mm512_add_ps(acc_##r##_##c, _mm512_mul_ps(a_##r, b_##c));
#define FLOAT_256(r, c) acc_##r##_##c = _mm256_add_ps(acc_##r##_##c, _mm256_mul_ps(a_##r, b_##c));
#define FLOAT_128(r, c) acc_##r##_##c = _mm_add_ps(acc_##r##_##c, _mm_mul_ps(a_##r, b_##c));

BURST(dot_512, "avx512f,avx512bw,avx512vnni", __m512i, _mm512_set1_epi8, 4, DOT_512)
BURST(pairs_512, "avx512f,avx512bw", __m512i, _mm512_set1_epi16, 4, PAIRS_512)
BURST(pairs_256, "avx2", __m256i, _mm256_set1_epi16, 3, PAIRS_256)
BURST(pairs_128, "sse4.2", __m128i, _mm_set1_epi16, 3, PAIRS_128)
BURST(float_512, "avx512f", __m512, _mm512_set1_ps, 4, FLOAT_512)
BURST(float_256, "avx2", __m256, _mm256_set1_ps, 3, FLOAT_256)
BURST(float_128, "sse4.2", __m128, _mm_set1_ps, 3, FLOAT_128)

#define HAS(name, condition)                                                                                           \
    static bool name(void) {                                                                                           \
        return condition;                                                                                              \
    }
HAS(has_vnni, __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"))
HAS(has_512, __builtin_cpu_supports("avx512bw"))
HAS(has_256, __builtin_cpu_supports("avx2"))
HAS(has_128, __builtin_cpu_supports("sse4.2"))

static const struct {
    const char *name, *unit;
    bool (*supported)(void);
    void (*burst)(uint64_t steps);
    unsigned operations; /* of a step */
} peaks[PEAKS] = {
    [PEAK_DOT_512] = {"vpdpbusd zmm", "GOP/s", has_vnni, dot_512, 16 * 64 * 2},
    [PEAK_PAIRS_512] = {"vpmaddwd, vpaddd zmm", "GOP/s", has_512, pairs_512, 16 * 32 * 2},
    [PEAK_PAIRS_256] = {"vpmaddwd, vpaddd ymm", "GOP/s", has_256, pairs_256, 9 * 16 * 2},
    [PEAK_PAIRS_128] = {"pmaddwd, paddd xmm", "GOP/s", has_128, pairs_128, 9 * 8 * 2},
    [PEAK_FLOAT_512] = {"vmulps, vaddps zmm", "GFLOP/s", has_512, float_512, 16 * 16 * 2},
    [PEAK_FLOAT_256] = {"vmulps, vaddps ymm", "GFLOP/s", has_256, float_256, 9 * 8 * 2},
    [PEAK_FLOAT_128] = {"mulps, addps xmm", "GFLOP/s", has_128, float_128, 9 * 4 * 2},
};

const char *peak_name(peak_kind kind) {
    return peaks[kind].name;
}

const char *peak_unit(peak_kind kind) {
    return peaks[kind].unit;
}

bool peak_supported(peak_kind kind) {
    return peaks[kind].supported();
}

double peak_burst(peak_kind kind) {
    enum { STEPS = 8000 };
    if (!peak_supported(kind))
        return 0;
    double from = now_ns();
    peaks[kind].burst(STEPS);
    return (double)STEPS * peaks[kind].operations / (now_ns() - from);
}
