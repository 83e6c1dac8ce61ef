/* Noise on the tokens of an attention layer. Private to runtime/. */
#ifndef DTQRT_NUMERICS_NOISE_H
#define DTQRT_NUMERICS_NOISE_H

#include "runtime/numerics/numerics.h"
#include "runtime/run.h"

/** Adds noise to the rows of q, k and v of the tokens of `a` that the noise falls on, by the importance that `a` has
 *  without it. `q`, `k`, `v`: what a->q, a->k and a->v point to. Needs a->importance, and leaves out and importance as
 *  they are without the noise. */
bool dtq_noise_add(const dtq_noise *noise, uint32_t layer, const dtq_attention *a, float *q, float *k, float *v,
                   dtq_error *e);

#endif
