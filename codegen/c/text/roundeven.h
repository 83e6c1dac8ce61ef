/* ---- rounding to whole numbers, ties to even ---- */

#if defined(DTQ_X86) && defined(__SSE4_1__)
DTQ_INLINE float ir_roundeven_f32(float x) {
    return _mm_cvtss_f32(_mm_round_ss(_mm_setzero_ps(), _mm_set_ss(x), 8));
}
DTQ_INLINE double ir_roundeven_f64(double x) {
    return _mm_cvtsd_f64(_mm_round_sd(_mm_setzero_pd(), _mm_set_sd(x), 8));
}
#elif defined(DTQ_NEON)
DTQ_INLINE float ir_roundeven_f32(float x) {
    return vrndns_f32(x);
}
DTQ_INLINE double ir_roundeven_f64(double x) {
    return vget_lane_f64(vrndn_f64(vdup_n_f64(x)), 0);
}
#else
/* Beside 2^23 a float has no room for a fraction: adding it rounds. The sign makes -0 of small negative numbers. */
DTQ_INLINE float ir_roundeven_f32(float x) {
    float size = ir_fabs_f32(x);
    return size < 0x1p23f ? ir_copysign_f32((size + 0x1p23f) - 0x1p23f, x) : x;
}
DTQ_INLINE double ir_roundeven_f64(double x) {
    double size = ir_fabs_f64(x);
    return size < 0x1p52 ? ir_copysign_f64((size + 0x1p52) - 0x1p52, x) : x;
}
#endif
#if DTQ_NATIVE != 0
#define DTQ_ROUNDEVEN_F32(r, u, x) \
    DTQ_CHOOSE(u, r, (r)((u)x & 0x7fffffffu) < 0x1p23f, \
               (u)(((r)((u)x & 0x7fffffffu) + 0x1p23f) - 0x1p23f) | ((u)x & 0x80000000u), x)
#define DTQ_ROUNDEVEN_F64(r, u, x) \
    DTQ_CHOOSE(u, r, (r)((u)x & 0x7fffffffffffffffu) < 0x1p52, \
               (u)(((r)((u)x & 0x7fffffffffffffffu) + 0x1p52) - 0x1p52) | ((u)x & 0x8000000000000000u), x)
#define DTQ_ROUNDEVEN_F32_4 DTQ_ROUNDEVEN_F32
#define DTQ_ROUNDEVEN_F32_8 DTQ_ROUNDEVEN_F32
#define DTQ_ROUNDEVEN_F64_8 DTQ_ROUNDEVEN_F64
#if defined(DTQ_X86) && defined(__SSE4_1__)
#define DTQ_ROUNDEVEN_F32_16(r, u, x) (r)_mm_round_ps((__m128)x, 8)
#define DTQ_ROUNDEVEN_F64_16(r, u, x) (r)_mm_round_pd((__m128d)x, 8)
#define DTQ_ROUNDEVEN_F32_32(r, u, x) (r)_mm256_round_ps((__m256)x, 8)
#define DTQ_ROUNDEVEN_F64_32(r, u, x) (r)_mm256_round_pd((__m256d)x, 8)
#define DTQ_ROUNDEVEN_F32_64(r, u, x) (r)_mm512_roundscale_ps((__m512)x, 8)
#define DTQ_ROUNDEVEN_F64_64(r, u, x) (r)_mm512_roundscale_pd((__m512d)x, 8)
#elif defined(DTQ_NEON)
#define DTQ_ROUNDEVEN_F32_16(r, u, x) (r)vrndnq_f32((float32x4_t)x)
#define DTQ_ROUNDEVEN_F64_16(r, u, x) (r)vrndnq_f64((float64x2_t)x)
#else
#define DTQ_ROUNDEVEN_F32_16 DTQ_ROUNDEVEN_F32
#define DTQ_ROUNDEVEN_F64_16 DTQ_ROUNDEVEN_F64
#endif
#endif
