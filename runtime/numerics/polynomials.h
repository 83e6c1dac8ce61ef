/* Constants of the defined approximations, shared by the scalar reference and the vector kernels. NUMERICS.md says how
 * they are evaluated and how large their errors are. */
#ifndef DTQRT_NUMERICS_POLYNOMIALS_H
#define DTQRT_NUMERICS_POLYNOMIALS_H

#include <stdint.h>
#include <string.h>

/* 2^f on [-1/2, 1/2]: 1 + f (C1 + f (C2 + f (C3 + f (C4 + f C5)))). Minimax of the relative error with the constant
 * term held at 1 (Remez exchange, then rounded to float); 9.2e-8 in exact arithmetic, 1.9e-7 in float. */
#define DTQ_EXP2_C1 0x1.62e42ap-1f
#define DTQ_EXP2_C2 0x1.ebf9bcp-3f
#define DTQ_EXP2_C3 0x1.c6b752p-5f
#define DTQ_EXP2_C4 0x1.3cea88p-7f
#define DTQ_EXP2_C5 0x1.5bba14p-10f

#define DTQ_LOG2E 0x1.715476p+0f

/* erfc(z) e^(z^2) for z >= 0: t (A1 + t (A2 + t (A3 + t (A4 + t A5)))), t = 1 / (1 + P z).
 * Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; absolute error of erf 1.5e-7. */
#define DTQ_ERF_P     0.3275911f
#define DTQ_ERF_A1    0.254829592f
#define DTQ_ERF_A2    (-0.284496736f)
#define DTQ_ERF_A3    1.421413741f
#define DTQ_ERF_A4    (-1.453152027f)
#define DTQ_ERF_A5    1.061405429f
#define DTQ_SQRT_HALF 0x1.6a09e6p-1f

/* tanh(x) for |x| < LIMIT: x + x z (T1 + z (T2 + z (T3 + z (T4 + z T5)))), z = x^2 (Cephes, tanhf). */
#define DTQ_TANH_LIMIT 0.625f
#define DTQ_TANH_T1    (-3.33332819422e-1f)
#define DTQ_TANH_T2    1.33314422036e-1f
#define DTQ_TANH_T3    (-5.37397155531e-2f)
#define DTQ_TANH_T4    2.06390887954e-2f
#define DTQ_TANH_T5    (-5.70498872745e-3f)

/* gelu_tanh(x) = x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)). */
#define DTQ_GELU_TANH_CUBE  0.044715f
#define DTQ_GELU_TANH_SCALE 0x1.988454p+0f

/** 2^(i + f) for a whole i in [-126, 0] and f in [-0.5, 0.5]: the polynomial by Horner's rule, one rounding a step,
 * times an exact power of two. */
static inline float dtq_exp2_parts(float i, float f) {
    float p = DTQ_EXP2_C5;
    p = p * f + DTQ_EXP2_C4;
    p = p * f + DTQ_EXP2_C3;
    p = p * f + DTQ_EXP2_C2;
    p = p * f + DTQ_EXP2_C1;
    p = p * f + 1.0f;
    const uint32_t bits = (uint32_t)((int32_t)i + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

#endif
