/* ---- acc + the products of a lane's 4 unsigned bytes with 4 signed ones, modulo 2^32 ---- */

DTQ_INLINE uint32_t ir_dot4(uint32_t acc, uint32_t a, uint32_t b) {
    for (int i = 0; i < 32; i += 8)
        acc += (uint32_t)((int32_t)(a >> i & 0xff) * (int8_t)(uint8_t)(b >> i & 0xff));
    return acc;
}
#if defined(DTQ_X86)
/* Pairs of 16-bit products are summed exactly: even bytes, then odd ones. */
#define DTQ_DOT4_PAIRS(r, acc, a, b, m, and_, set1_, srl, sra, sll, madd, add) \
    (r)add(add((m)acc, madd(and_((m)a, set1_(0xff)), sra(sll((m)b, 8), 8))), madd(srl((m)a, 8), sra((m)b, 8)))
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define DTQ_DOT4_16(r, acc, a, b) (r)_mm_dpbusd_epi32((__m128i)acc, (__m128i)a, (__m128i)b)
#define DTQ_DOT4_32(r, acc, a, b) (r)_mm256_dpbusd_epi32((__m256i)acc, (__m256i)a, (__m256i)b)
#elif defined(__AVXVNNI__)
#define DTQ_DOT4_16(r, acc, a, b) (r)_mm_dpbusd_avx_epi32((__m128i)acc, (__m128i)a, (__m128i)b)
#define DTQ_DOT4_32(r, acc, a, b) (r)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)a, (__m256i)b)
#else
#define DTQ_DOT4_16(r, acc, a, b) \
    DTQ_DOT4_PAIRS(r, acc, a, b, __m128i, _mm_and_si128, _mm_set1_epi16, _mm_srli_epi16, _mm_srai_epi16, \
                   _mm_slli_epi16, _mm_madd_epi16, _mm_add_epi32)
#define DTQ_DOT4_32(r, acc, a, b) \
    DTQ_DOT4_PAIRS(r, acc, a, b, __m256i, _mm256_and_si256, _mm256_set1_epi16, _mm256_srli_epi16, _mm256_srai_epi16, \
                   _mm256_slli_epi16, _mm256_madd_epi16, _mm256_add_epi32)
#endif
#if defined(__AVX512VNNI__)
#define DTQ_DOT4_64(r, acc, a, b) (r)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)b)
#else
#define DTQ_DOT4_64(r, acc, a, b) \
    DTQ_DOT4_PAIRS(r, acc, a, b, __m512i, _mm512_and_si512, _mm512_set1_epi16, _mm512_srli_epi16, _mm512_srai_epi16, \
                   _mm512_slli_epi16, _mm512_madd_epi16, _mm512_add_epi32)
#endif
#elif defined(DTQ_NEON)
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define DTQ_DOT4_16(r, acc, a, b) (r)vusdotq_s32((int32x4_t)acc, (uint8x16_t)a, (int8x16_t)b)
#elif defined(__ARM_FEATURE_DOTPROD)
/* b + 128 is unsigned; 128 times the bytes of a is taken off again */
#define DTQ_DOT4_16(r, acc, a, b) \
    (r)vsubq_u32(vdotq_u32((uint32x4_t)acc, (uint8x16_t)a, veorq_u8((uint8x16_t)b, vdupq_n_u8(0x80))), \
                 vshlq_n_u32(vdotq_u32(vdupq_n_u32(0), (uint8x16_t)a, vdupq_n_u8(1)), 7))
#else
/* a product fits 16 bits: 255 * -128 */
DTQ_INLINE int32x4_t ir_dot4_neon(int32x4_t acc, uint8x16_t a, int8x16_t b) {
    int16x8_t lo = vmulq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a))), vmovl_s8(vget_low_s8(b)));
    int16x8_t hi = vmulq_s16(vreinterpretq_s16_u16(vmovl_high_u8(a)), vmovl_high_s8(b));
    return vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(lo), vpaddlq_s16(hi)));
}
#define DTQ_DOT4_16(r, acc, a, b) (r)ir_dot4_neon((int32x4_t)acc, (uint8x16_t)a, (int8x16_t)b)
#endif
#else
#define DTQ_DOT4_16(r, acc, a, b) \
    ((r){ir_dot4(acc[0], a[0], b[0]), ir_dot4(acc[1], a[1], b[1]), ir_dot4(acc[2], a[2], b[2]), \
         ir_dot4(acc[3], a[3], b[3])})
#endif
