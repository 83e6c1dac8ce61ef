/* ---- bits of integers ---- */

/* Not __builtin_popcountll: gcc 12 at -O3 makes wrong vectors of loops with it. */
DTQ_INLINE unsigned ir_ones(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    x += x >> 8;
    x += x >> 16;
    return (unsigned)(x + (x >> 32)) & 127;
}
DTQ_INLINE unsigned ir_trailing_zeros(uint64_t x, unsigned bits) {
#if defined(__GNUC__)
    return x ? (unsigned)__builtin_ctzll(x) : bits;
#else
    return x ? ir_ones((x & (0 - x)) - 1) : bits;
#endif
}
DTQ_INLINE unsigned ir_leading_zeros(uint64_t x, unsigned bits) {
#if defined(__GNUC__)
    return x ? (unsigned)__builtin_clzll(x) - (64 - bits) : bits;
#else
    for (; x; x >>= 1)
        bits--;
    return bits;
#endif
}
