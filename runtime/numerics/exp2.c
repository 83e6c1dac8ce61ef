/* Powers of two in float32 without libm: the exponential of every softmax and activation here. */
#include <math.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/numerics/polynomials.h"

float dtq_do_rne(float x) {
    /* Adding 2^23 leaves no fraction bits, so the addition itself rounds half to even. */
    const float magic = 0x1p23f;
    const float a = fabsf(x);
    if (!(a < magic))
        return x;
    const float r = (a + magic) - magic;
    return copysignf(r, x);
}

float dtq_do_exp2(float t) {
    if (!(t > -126.0f))
        return 0.0f; /* also for a NaN, which must not reach the conversion below */
    if (t >= 0.0f)
        return 1.0f;
    const float i = dtq_do_rne(t);
    return dtq_exp2_parts(i, t - i);
}

float dtq_do_score_scale(uint32_t head_dim) {
    const double log2_e = 0x1.71547652b82fep+0;
    return (float)(log2_e / sqrt((double)head_dim));
}
