/* ---- lanes of zeros or ones from and to bits ---- */

#define DTQ_MASK_BITS(bytes, ...) DTQ_PASTE(DTQ_MASK_BITS, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MASK_BITS_8(bytes, ...) DTQ_PASTE(DTQ_MASK_BITS_8, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MASK_BITS_32(bytes, ...) DTQ_PASTE(DTQ_MASK_BITS_32, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_BITS_MASK(bytes, ...) DTQ_PASTE(DTQ_BITS_MASK, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_BITS_OF(name, n, r, v, lane) \
    DTQ_INLINE r name(v x) { \
        r o = 0; \
        for (int i = 0; i < n; i++) \
            o = (r)(o | (r)(lane & 1) << i); \
        return o; \
    }
#define DTQ_MASK_OF(name, n, r, v, lane, t) \
    DTQ_INLINE v name(r x) { \
        v o = v##_splat(0); \
        for (int i = 0; i < n; i++) \
            lane = (t)((t)0 - (t)(x >> i & 1)); \
        return o; \
    }
#define DTQ_MASK_BITS_lanes(name, half, n, r, v, t) DTQ_BITS_OF(name, n, r, v, x.l[i])
#define DTQ_MASK_BITS_8_lanes(name, half, n, r, v, t) DTQ_BITS_OF(name, n, r, v, x.l[i])
#define DTQ_MASK_BITS_32_lanes(name, half, n, r, v, t) DTQ_BITS_OF(name, n, r, v, x.l[i])
#define DTQ_BITS_MASK_lanes(name, half, n, r, v, t) DTQ_MASK_OF(name, n, r, v, o.l[i], t)
#define DTQ_MASK_BITS_whole(name, half, n, r, v, t) DTQ_BITS_OF(name, n, r, v, x[i])
#define DTQ_BITS_MASK_whole(name, half, n, r, v, t) DTQ_MASK_OF(name, n, r, v, o[i], t)
#define DTQ_MASK_BITS_halves(name, half, n, r, v, t) \
    DTQ_INLINE r name(v x) { \
        return (r)(half(v##_lo(x)) | (r)half(v##_hi(x)) << n / 2); \
    }
#define DTQ_MASK_BITS_8_halves DTQ_MASK_BITS_halves
#define DTQ_MASK_BITS_32_halves DTQ_MASK_BITS_halves
#define DTQ_BITS_MASK_halves(name, half, n, r, v, t) \
    DTQ_INLINE v name(r x) { \
        return v##_join(half(x), half(x >> n / 2)); \
    }
#if defined(DTQ_X86)
#define DTQ_SIGNS(name, r, v, signs) \
    DTQ_INLINE r name(v x) { \
        return (r)signs; \
    }
#define DTQ_MASK_BITS_8_whole(name, half, n, r, v, t) DTQ_SIGNS(name, r, v, DTQ_SIGNS_8_##n(x))
#define DTQ_MASK_BITS_32_whole(name, half, n, r, v, t) DTQ_SIGNS(name, r, v, DTQ_SIGNS_32_##n(x))
#define DTQ_SIGNS_8_1(x) (x[0] & 1)
#define DTQ_SIGNS_8_2(x) _mm_movemask_epi8((__m128i)(ir_pair){(uint16_t)x, 0})
#define DTQ_SIGNS_8_4(x) _mm_movemask_epi8((__m128i)(ir_pair){(uint32_t)x, 0})
#define DTQ_SIGNS_8_8(x) _mm_movemask_epi8((__m128i)(ir_pair){(uint64_t)x, 0})
#define DTQ_SIGNS_8_16(x) _mm_movemask_epi8((__m128i)x)
#define DTQ_SIGNS_8_32(x) _mm256_movemask_epi8((__m256i)x)
#define DTQ_SIGNS_8_64(x) _mm512_movepi8_mask((__m512i)x)
#define DTQ_SIGNS_32_1(x) (x[0] & 1)
#define DTQ_SIGNS_32_2(x) ((x[0] & 1) | (x[1] & 2))
#define DTQ_SIGNS_32_4(x) _mm_movemask_ps((__m128)x)
#define DTQ_SIGNS_32_8(x) _mm256_movemask_ps((__m256)x)
#define DTQ_SIGNS_32_16(x) _mm512_movepi32_mask((__m512i)x)
#else
#define DTQ_MASK_BITS_8_whole DTQ_MASK_BITS_whole
#define DTQ_MASK_BITS_32_whole DTQ_MASK_BITS_whole
#endif
