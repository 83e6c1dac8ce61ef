/* ---- memory where a mask says so ---- */

#define DTQ_MASKED_LOAD(bytes, ...) DTQ_PASTE(DTQ_MASKED_LOAD, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MASKED_STORE(bytes, ...) DTQ_PASTE(DTQ_MASKED_STORE, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MASKED_LOAD_32(bytes, ...) DTQ_PASTE(DTQ_MASKED_LOAD_32, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MASKED_STORE_32(bytes, ...) DTQ_PASTE(DTQ_MASKED_STORE_32, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MASKED_LOAD_EACH(name, n, v, t, u, truth, lane) \
    DTQ_INLINE v name(const void *p, u m, v o) { \
        for (int i = 0; i < n; i++) \
            if (truth) \
                memcpy(lane, (const char *)p + i * sizeof(t), sizeof(t)); \
        return o; \
    }
#define DTQ_MASKED_STORE_EACH(name, n, v, t, u, truth, lane) \
    DTQ_INLINE void name(void *p, u m, v o) { \
        for (int i = 0; i < n; i++) \
            if (truth) \
                memcpy((char *)p + i * sizeof(t), lane, sizeof(t)); \
    }
#define DTQ_MASKED_LOAD_lanes(name, half, n, v, t, u) DTQ_MASKED_LOAD_EACH(name, n, v, t, u, m.l[i], &o.l[i])
#define DTQ_MASKED_STORE_lanes(name, half, n, v, t, u) DTQ_MASKED_STORE_EACH(name, n, v, t, u, m.l[i], &o.l[i])
#define DTQ_MASKED_LOAD_whole(name, half, n, v, t, u) DTQ_MASKED_LOAD_EACH(name, n, v, t, u, m[i], (t *)&o + i)
#define DTQ_MASKED_STORE_whole(name, half, n, v, t, u) DTQ_MASKED_STORE_EACH(name, n, v, t, u, m[i], (t *)&o + i)
#define DTQ_MASKED_LOAD_halves(name, half, n, v, t, u) \
    DTQ_INLINE v name(const void *p, u m, v o) { \
        return v##_join(half(p, u##_lo(m), v##_lo(o)), \
                        half((const char *)p + n / 2 * sizeof(t), u##_hi(m), v##_hi(o))); \
    }
#define DTQ_MASKED_STORE_halves(name, half, n, v, t, u) \
    DTQ_INLINE void name(void *p, u m, v o) { \
        half(p, u##_lo(m), v##_lo(o)); \
        half((char *)p + n / 2 * sizeof(t), u##_hi(m), v##_hi(o)); \
    }
#define DTQ_MASKED_LOAD_32_lanes DTQ_MASKED_LOAD_lanes
#define DTQ_MASKED_STORE_32_lanes DTQ_MASKED_STORE_lanes
#define DTQ_MASKED_LOAD_32_halves DTQ_MASKED_LOAD_halves
#define DTQ_MASKED_STORE_32_halves DTQ_MASKED_STORE_halves
#if DTQ_NATIVE >= 32 && defined(DTQ_X86)
#define DTQ_MASKED_LOAD_32_whole(name, half, n, v, t, u) DTQ_MASKED_LOAD_32_##n(name, half, n, v, t, u)
#define DTQ_MASKED_STORE_32_whole(name, half, n, v, t, u) DTQ_MASKED_STORE_32_##n(name, half, n, v, t, u)
#define DTQ_MASKED_LOAD_32_1 DTQ_MASKED_LOAD_whole
#define DTQ_MASKED_LOAD_32_2 DTQ_MASKED_LOAD_whole
#define DTQ_MASKED_STORE_32_1 DTQ_MASKED_STORE_whole
#define DTQ_MASKED_STORE_32_2 DTQ_MASKED_STORE_whole
#define DTQ_MASKED_LOAD_32_4(name, half, n, v, t, u) \
    DTQ_INLINE v name(const void *p, u m, v o) { \
        return v##_select(m, (v)_mm_maskload_ps((const float *)p, (__m128i)m), o); \
    }
#define DTQ_MASKED_STORE_32_4(name, half, n, v, t, u) \
    DTQ_INLINE void name(void *p, u m, v o) { \
        _mm_maskstore_ps((float *)p, (__m128i)m, (__m128)o); \
    }
#define DTQ_MASKED_LOAD_32_8(name, half, n, v, t, u) \
    DTQ_INLINE v name(const void *p, u m, v o) { \
        return v##_select(m, (v)_mm256_maskload_ps((const float *)p, (__m256i)m), o); \
    }
#define DTQ_MASKED_STORE_32_8(name, half, n, v, t, u) \
    DTQ_INLINE void name(void *p, u m, v o) { \
        _mm256_maskstore_ps((float *)p, (__m256i)m, (__m256)o); \
    }
#define DTQ_MASKED_LOAD_32_16(name, half, n, v, t, u) \
    DTQ_INLINE v name(const void *p, u m, v o) { \
        return (v)_mm512_mask_loadu_ps((__m512)o, _mm512_movepi32_mask((__m512i)m), p); \
    }
#define DTQ_MASKED_STORE_32_16(name, half, n, v, t, u) \
    DTQ_INLINE void name(void *p, u m, v o) { \
        _mm512_mask_storeu_ps(p, _mm512_movepi32_mask((__m512i)m), (__m512)o); \
    }
#else
#define DTQ_MASKED_LOAD_32_whole DTQ_MASKED_LOAD_whole
#define DTQ_MASKED_STORE_32_whole DTQ_MASKED_STORE_whole
#endif
