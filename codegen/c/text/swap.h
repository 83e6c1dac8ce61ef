DTQ_INLINE uint64_t ir_swapped(uint64_t x, unsigned bits) {
    uint64_t r = 0;
    for (unsigned i = 0; i < bits; i += 8)
        r = r << 8 | (x >> i & 0xff);
    return r;
}
