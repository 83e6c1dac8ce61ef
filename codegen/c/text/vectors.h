/* ---- vectors: each macro comes for a whole GNU vector, for two halves, and for lanes one by one ---- */

#if DTQ_NATIVE == 0
#define DTQ_KIND_16 lanes
#else
#define DTQ_KIND_16 whole
#endif
#if DTQ_NATIVE == 0 || DTQ_NATIVE >= 32
#define DTQ_KIND_32 DTQ_KIND_16
#else
#define DTQ_KIND_32 halves
#endif
#if DTQ_NATIVE == 0 || DTQ_NATIVE >= 64
#define DTQ_KIND_64 DTQ_KIND_16
#else
#define DTQ_KIND_64 halves
#endif
#if DTQ_NATIVE == 0
#define DTQ_KIND_128 lanes
#else
#define DTQ_KIND_128 halves
#endif
#define DTQ_KIND_1 DTQ_KIND_16
#define DTQ_KIND_2 DTQ_KIND_16
#define DTQ_KIND_4 DTQ_KIND_16
#define DTQ_KIND_8 DTQ_KIND_16
#define DTQ_KIND_256 DTQ_KIND_128
#define DTQ_KIND_512 DTQ_KIND_128
#define DTQ_KIND_1024 DTQ_KIND_128

#define DTQ_PASTE_(a, b) a##_##b
#define DTQ_PASTE(a, b) DTQ_PASTE_(a, b)

#define DTQ_VECTOR(bytes, ...) DTQ_PASTE(DTQ_VECTOR, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_SIGNED(bytes, ...) DTQ_PASTE(DTQ_SIGNED, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_HALVES(bytes, ...) DTQ_PASTE(DTQ_HALVES, DTQ_KIND_##bytes)(bytes, __VA_ARGS__)
#define DTQ_MAP1(bytes, ...) DTQ_PASTE(DTQ_MAP1, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MAP2(bytes, ...) DTQ_PASTE(DTQ_MAP2, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_MAP3(bytes, ...) DTQ_PASTE(DTQ_MAP3, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_EACH1(bytes, ...) DTQ_PASTE(DTQ_EACH1, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_EACH2(bytes, ...) DTQ_PASTE(DTQ_EACH2, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_EACH3(bytes, ...) DTQ_PASTE(DTQ_EACH3, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_VIEW(bytes, ...) DTQ_PASTE(DTQ_VIEW, DTQ_KIND_##bytes)(__VA_ARGS__)
#define DTQ_FOLD_LANES(bytes, ...) DTQ_PASTE(DTQ_FOLD_LANES, DTQ_KIND_##bytes)(__VA_ARGS__)

#define DTQ_FOLD(name, t, v, half, combine) \
    DTQ_INLINE t name(v x) { \
        return half(combine(v##_lo(x), v##_hi(x))); \
    }
#define DTQ_ORDERED_SUM(name, n, t, v) \
    DTQ_INLINE t name(t s, v x) { \
        for (unsigned i = 0; i < n; i++) \
            s = s + v##_extract(x, i); \
        return s; \
    }

#if DTQ_NATIVE == 0

#define DTQ_VECTOR_lanes(n, v, h, t, u) \
    typedef struct { \
        t l[n]; \
    } v; \
    DTQ_INLINE v v##_load(const void *p) { \
        v x; \
        memcpy(&x, p, sizeof x); \
        return x; \
    } \
    DTQ_INLINE v v##_load_part(const void *p, size_t bytes) { \
        v x = {{0}}; \
        memcpy(&x, p, bytes); \
        return x; \
    } \
    DTQ_INLINE void v##_store(void *p, v x) { \
        memcpy(p, &x, sizeof x); \
    } \
    DTQ_INLINE void v##_store_part(void *p, v x, size_t bytes) { \
        memcpy(p, &x, bytes); \
    } \
    DTQ_FUNCTION v v##_splat(t e) { \
        v x; \
        for (int i = 0; i < n; i++) \
            x.l[i] = e; \
        return x; \
    } \
    DTQ_INLINE t v##_extract(v x, uint64_t i) { \
        return x.l[i % n]; \
    } \
    DTQ_INLINE v v##_insert(v x, uint64_t i, t e) { \
        x.l[i % n] = e; \
        return x; \
    } \
    DTQ_FUNCTION v v##_select(u m, v a, v b) { \
        for (int i = 0; i < n; i++) \
            a.l[i] = m.l[i] ? a.l[i] : b.l[i]; \
        return a; \
    }
#define DTQ_SIGNED_lanes(n, v, t)
#define DTQ_HALVES_lanes(bytes, m, v, h) \
    DTQ_INLINE h v##_lo(v x) { \
        h o; \
        memcpy(&o, x.l, sizeof o); \
        return o; \
    } \
    DTQ_INLINE h v##_hi(v x) { \
        h o; \
        memcpy(&o, x.l + m, sizeof o); \
        return o; \
    } \
    DTQ_INLINE v v##_join(h a, h b) { \
        v o; \
        memcpy(o.l, &a, sizeof a); \
        memcpy(o.l + m, &b, sizeof b); \
        return o; \
    }
#define DTQ_BY_LANES(name, params, n, r, lane) \
    DTQ_FUNCTION r name params { \
        r o; \
        for (int i = 0; i < n; i++) \
            o.l[i] = lane; \
        return o; \
    }
#define DTQ_MAP1_lanes(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x), n, r, lane)
#define DTQ_MAP2_lanes(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x, a y), n, r, lane)
#define DTQ_MAP3_lanes(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x, a y, a z), n, r, lane)
#define DTQ_EACH1_lanes(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x), n, r, lane)
#define DTQ_EACH2_lanes(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x, a y), n, r, lane)
#define DTQ_EACH3_lanes(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x, a y, a z), n, r, lane)
#define DTQ_VIEW_lanes(name, half, r, a) \
    DTQ_INLINE r name(a x) { \
        r o; \
        memcpy(&o, &x, sizeof o); \
        return o; \
    }
#define DTQ_FOLD_LANES_lanes(name, n, t, v, combined) \
    DTQ_FUNCTION t name(v w) { \
        t x = w.l[0]; \
        for (int i = 1; i < n; i++) { \
            t y = w.l[i]; \
            x = (t)(combined); \
        } \
        return x; \
    }

#else

typedef uint64_t ir_pair __attribute__((vector_size(16)));

#define DTQ_REPEAT_1(x) x
#define DTQ_REPEAT_2(x) x, x
#define DTQ_REPEAT_4(x) DTQ_REPEAT_2(x), DTQ_REPEAT_2(x)
#define DTQ_REPEAT_8(x) DTQ_REPEAT_4(x), DTQ_REPEAT_4(x)
#define DTQ_REPEAT_16(x) DTQ_REPEAT_8(x), DTQ_REPEAT_8(x)
#define DTQ_REPEAT_32(x) DTQ_REPEAT_16(x), DTQ_REPEAT_16(x)
#define DTQ_REPEAT_64(x) DTQ_REPEAT_32(x), DTQ_REPEAT_32(x)

#define DTQ_CHOOSE(u, r, condition, a, b) \
    ((r)(((u)(condition) & (u)(a)) | (~(u)(condition) & (u)(b))))

#define DTQ_VECTOR_whole(n, v, h, t, u) \
    typedef t v __attribute__((vector_size(n * sizeof(t)))); \
    DTQ_INLINE v v##_load(const void *p) { \
        v x; \
        memcpy(&x, p, sizeof x); \
        return x; \
    } \
    DTQ_INLINE v v##_load_part(const void *p, size_t bytes) { \
        v x = {0}; \
        memcpy(&x, p, bytes); \
        return x; \
    } \
    DTQ_INLINE void v##_store(void *p, v x) { \
        memcpy(p, &x, sizeof x); \
    } \
    DTQ_INLINE void v##_store_part(void *p, v x, size_t bytes) { \
        memcpy(p, &x, bytes); \
    } \
    DTQ_INLINE v v##_splat(t e) { \
        return (v){DTQ_REPEAT_##n(e)}; \
    } \
    DTQ_INLINE t v##_extract(v x, uint64_t i) { \
        return x[i % n]; \
    } \
    DTQ_INLINE v v##_insert(v x, uint64_t i, t e) { \
        x[i % n] = e; \
        return x; \
    } \
    DTQ_INLINE v v##_select(u m, v a, v b) { \
        return DTQ_CHOOSE(u, v, m, a, b); \
    }
#define DTQ_VECTOR_halves(n, v, h, t, u) \
    typedef struct { \
        h lo, hi; \
    } v; \
    DTQ_INLINE v v##_load(const void *p) { \
        v x = {h##_load(p), h##_load((const char *)p + sizeof(h))}; \
        return x; \
    } \
    DTQ_INLINE v v##_load_part(const void *p, size_t bytes) { \
        v x = {h##_splat(0), h##_splat(0)}; \
        memcpy(&x, p, bytes); \
        return x; \
    } \
    DTQ_INLINE void v##_store(void *p, v x) { \
        h##_store(p, x.lo); \
        h##_store((char *)p + sizeof(h), x.hi); \
    } \
    DTQ_INLINE void v##_store_part(void *p, v x, size_t bytes) { \
        memcpy(p, &x, bytes); \
    } \
    DTQ_INLINE v v##_splat(t e) { \
        v x = {h##_splat(e), h##_splat(e)}; \
        return x; \
    } \
    DTQ_INLINE t v##_extract(v x, uint64_t i) { \
        return i < n / 2 ? h##_extract(x.lo, i) : h##_extract(x.hi, i - n / 2); \
    } \
    DTQ_INLINE v v##_insert(v x, uint64_t i, t e) { \
        if (i < n / 2) \
            x.lo = h##_insert(x.lo, i, e); \
        else \
            x.hi = h##_insert(x.hi, i - n / 2, e); \
        return x; \
    } \
    DTQ_INLINE v v##_select(u m, v a, v b) { \
        v x = {h##_select(m.lo, a.lo, b.lo), h##_select(m.hi, a.hi, b.hi)}; \
        return x; \
    }
#define DTQ_SIGNED_whole(n, v, t) typedef t v __attribute__((vector_size(n * sizeof(t))));
#define DTQ_SIGNED_halves(n, v, t)

#define DTQ_RUN_1(from) from
#define DTQ_RUN_2(from) from, from + 1
#define DTQ_RUN_4(from) DTQ_RUN_2(from), DTQ_RUN_2(from + 2)
#define DTQ_RUN_8(from) DTQ_RUN_4(from), DTQ_RUN_4(from + 4)
#define DTQ_RUN_16(from) DTQ_RUN_8(from), DTQ_RUN_8(from + 8)
#define DTQ_RUN_32(from) DTQ_RUN_16(from), DTQ_RUN_16(from + 16)

#if defined(__clang__) || __GNUC__ >= 12
#define DTQ_HAS_SHUFFLE 1
#define DTQ_PART(h, m, x, from) \
    return __builtin_shufflevector(x, x, DTQ_RUN_##m(from))
#define DTQ_JOIN(v, m, a, b) \
    return __builtin_shufflevector(a, b, DTQ_RUN_##m(0), DTQ_RUN_##m(m))
#else
#define DTQ_HAS_SHUFFLE 0
#define DTQ_PART(h, m, x, from) \
    h o; \
    memcpy(&o, (const char *)&x + from / m * sizeof o, sizeof o); \
    return o
#define DTQ_JOIN(v, m, a, b) \
    v o; \
    memcpy(&o, &a, sizeof a); \
    memcpy((char *)&o + sizeof a, &b, sizeof b); \
    return o
#endif
/* small ones as numbers: compilers put those together better than lanes */
#define DTQ_JOIN_2(v, m, a, b) return (v){a[0], b[0]}
#define DTQ_JOIN_4(v, m, a, b) return (v)((uint32_t)(uint16_t)a | (uint32_t)(uint16_t)b << 16)
#define DTQ_JOIN_8(v, m, a, b) return (v)((uint64_t)(uint32_t)a | (uint64_t)(uint32_t)b << 32)
#define DTQ_JOIN_16(v, m, a, b) return (v)(ir_pair){(uint64_t)a, (uint64_t)b}
#define DTQ_JOIN_32 DTQ_JOIN
#define DTQ_JOIN_64 DTQ_JOIN
#define DTQ_HALVES_whole(bytes, m, v, h) \
    DTQ_INLINE h v##_lo(v x) { \
        DTQ_PART(h, m, x, 0); \
    } \
    DTQ_INLINE h v##_hi(v x) { \
        DTQ_PART(h, m, x, m); \
    } \
    DTQ_INLINE v v##_join(h a, h b) { \
        DTQ_JOIN_##bytes(v, m, a, b); \
    }
#define DTQ_HALVES_halves(bytes, m, v, h) \
    DTQ_INLINE h v##_lo(v x) { \
        return x.lo; \
    } \
    DTQ_INLINE h v##_hi(v x) { \
        return x.hi; \
    } \
    DTQ_INLINE v v##_join(h a, h b) { \
        v x = {a, b}; \
        return x; \
    }

#define DTQ_MAP1_whole(name, half, n, r, a, whole, lane) \
    DTQ_INLINE r name(a x) { \
        return whole; \
    }
#define DTQ_MAP2_whole(name, half, n, r, a, whole, lane) \
    DTQ_INLINE r name(a x, a y) { \
        return whole; \
    }
#define DTQ_MAP3_whole(name, half, n, r, a, whole, lane) \
    DTQ_INLINE r name(a x, a y, a z) { \
        return whole; \
    }
#define DTQ_MAP1_halves(name, half, n, r, a, whole, lane) \
    DTQ_INLINE r name(a x) { \
        return r##_join(half(a##_lo(x)), half(a##_hi(x))); \
    }
#define DTQ_MAP2_halves(name, half, n, r, a, whole, lane) \
    DTQ_INLINE r name(a x, a y) { \
        return r##_join(half(a##_lo(x), a##_lo(y)), half(a##_hi(x), a##_hi(y))); \
    }
#define DTQ_MAP3_halves(name, half, n, r, a, whole, lane) \
    DTQ_INLINE r name(a x, a y, a z) { \
        return r##_join(half(a##_lo(x), a##_lo(y), a##_lo(z)), half(a##_hi(x), a##_hi(y), a##_hi(z))); \
    }
#define DTQ_BY_LANES(name, params, n, r, lane) \
    DTQ_INLINE r name params { \
        r o = {0}; \
        for (int i = 0; i < n; i++) \
            o[i] = lane; \
        return o; \
    }
#define DTQ_EACH1_whole(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x), n, r, whole)
#define DTQ_EACH2_whole(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x, a y), n, r, whole)
#define DTQ_EACH3_whole(name, half, n, r, a, whole, lane) DTQ_BY_LANES(name, (a x, a y, a z), n, r, whole)
#define DTQ_EACH1_halves DTQ_MAP1_halves
#define DTQ_EACH2_halves DTQ_MAP2_halves
#define DTQ_EACH3_halves DTQ_MAP3_halves
#define DTQ_VIEW_whole(name, half, r, a) \
    DTQ_INLINE r name(a x) { \
        return (r)x; \
    }
#define DTQ_VIEW_halves(name, half, r, a) \
    DTQ_INLINE r name(a x) { \
        return r##_join(half(a##_lo(x)), half(a##_hi(x))); \
    }
#define DTQ_FOLD_LANES_whole(name, n, t, v, combined) \
    DTQ_INLINE t name(v w) { \
        t x = w[0]; \
        for (int i = 1; i < n; i++) { \
            t y = w[i]; \
            x = (t)(combined); \
        } \
        return x; \
    }

#endif
