/* ---- floats by their bits ---- */

DTQ_INLINE float ir_f32_of_bits(uint32_t b) {
    float x;
    memcpy(&x, &b, sizeof x);
    return x;
}
DTQ_INLINE double ir_f64_of_bits(uint64_t b) {
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}
DTQ_INLINE uint32_t ir_bits_of_f32(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}
DTQ_INLINE uint64_t ir_bits_of_f64(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}
DTQ_INLINE float ir_fabs_f32(float x) {
    return ir_f32_of_bits(ir_bits_of_f32(x) & 0x7fffffffu);
}
DTQ_INLINE double ir_fabs_f64(double x) {
    return ir_f64_of_bits(ir_bits_of_f64(x) & 0x7fffffffffffffffu);
}
DTQ_INLINE float ir_copysign_f32(float x, float y) {
    return ir_f32_of_bits((ir_bits_of_f32(x) & 0x7fffffffu) | (ir_bits_of_f32(y) & 0x80000000u));
}
DTQ_INLINE double ir_copysign_f64(double x, double y) {
    return ir_f64_of_bits((ir_bits_of_f64(x) & 0x7fffffffffffffffu) | (ir_bits_of_f64(y) & 0x8000000000000000u));
}
