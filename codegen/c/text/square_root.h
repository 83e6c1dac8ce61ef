/* ---- square roots, correctly rounded ---- */

#if defined(DTQ_X86)
DTQ_INLINE float ir_sqrt_f32(float x) {
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}
DTQ_INLINE double ir_sqrt_f64(double x) {
    return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)));
}
#define DTQ_SQRT_F32_16(r, x) (r)_mm_sqrt_ps((__m128)x)
#define DTQ_SQRT_F64_16(r, x) (r)_mm_sqrt_pd((__m128d)x)
#define DTQ_SQRT_F32_32(r, x) (r)_mm256_sqrt_ps((__m256)x)
#define DTQ_SQRT_F64_32(r, x) (r)_mm256_sqrt_pd((__m256d)x)
#define DTQ_SQRT_F32_64(r, x) (r)_mm512_sqrt_ps((__m512)x)
#define DTQ_SQRT_F64_64(r, x) (r)_mm512_sqrt_pd((__m512d)x)
#elif defined(DTQ_NEON)
DTQ_INLINE float ir_sqrt_f32(float x) {
    return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0);
}
DTQ_INLINE double ir_sqrt_f64(double x) {
    return vget_lane_f64(vsqrt_f64(vdup_n_f64(x)), 0);
}
#define DTQ_SQRT_F32_16(r, x) (r)vsqrtq_f32((float32x4_t)x)
#define DTQ_SQRT_F64_16(r, x) (r)vsqrtq_f64((float64x2_t)x)
#else
#define ir_sqrt_f32 sqrtf
#define ir_sqrt_f64 sqrt
#define DTQ_SQRT_F32_16(r, x) ((r){sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3])})
#define DTQ_SQRT_F64_16(r, x) ((r){sqrt(x[0]), sqrt(x[1])})
#endif
#define DTQ_SQRT_F32_4(r, x) ((r){ir_sqrt_f32(x[0])})
#define DTQ_SQRT_F32_8(r, x) ((r){ir_sqrt_f32(x[0]), ir_sqrt_f32(x[1])})
#define DTQ_SQRT_F64_8(r, x) ((r){ir_sqrt_f64(x[0])})
