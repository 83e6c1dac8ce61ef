/* ---- lanes in another order; the body of a function, a and b being of `have` lanes ---- */

#if DTQ_NATIVE != 0 && DTQ_HAS_SHUFFLE
#define DTQ_SHUFFLE(r, n, have, a, b, ...) return __builtin_shufflevector(a, b, __VA_ARGS__);
#else
#if DTQ_NATIVE == 0
#define DTQ_AT(v, i) v.l[i]
#else
#define DTQ_AT(v, i) v[i]
#endif
#define DTQ_SHUFFLE(r, n, have, a, b, ...) \
    static const int16_t from[n] = {__VA_ARGS__}; \
    r o = r##_splat(0); \
    for (int i = 0; i < n; i++) \
        if (from[i] >= 0) \
            DTQ_AT(o, i) = from[i] < have ? DTQ_AT(a, from[i] % have) : DTQ_AT(b, from[i] % have); \
    return o;
#endif
