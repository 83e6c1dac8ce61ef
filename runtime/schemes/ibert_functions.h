/* I-BERT's integer functions: "Integer-only BERT Quantization" (Kim, Gholami, Yao, Mahoney, Keutzer; ICML 2021, arXiv
 * 2101.01321), with the constants of the authors' code (kssteven418/I-BERT, quant_modules.py). Codes are whole numbers,
 * a scale says what 1 is worth; both are of one tensor. Private to runtime. */
#ifndef DTQRT_NUMERICS_IBERT_FUNCTIONS_H
#define DTQRT_NUMERICS_IBERT_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

/** floor(sqrt(n)) by Newton's method from 2^ceil(bits / 2) (Algorithm 4 of the paper). */
uint64_t dtq_ibert_sqrt(uint64_t n);

/** Constants of exp at a scale: ln 2, b and c in codes. Scales below 2^-26 are raised to it, codes losing as many low
 *  bits, so that no product leaves 64 bits. */
typedef struct {
    double scale; /* of the arguments, after `lost` */
    int lost;     /* bits that arguments lose first */
    int64_t ln2, b, c;
} dtq_ibert_exp;
dtq_ibert_exp dtq_ibert_exp_of(double scale);
/** exp(code · scale), code <= 0, as a whole number of dtq_ibert_exp_scale. It may need 92 bits, but no more than 53
 * that are not zeros at the end, so that a double is exact. */
double dtq_ibert_exp_at(const dtq_ibert_exp *p, int64_t code);
double dtq_ibert_exp_scale(const dtq_ibert_exp *p);

/** Softmax of n > 0 codes: weights 0 to 255, worth 2^-8 each. */
void dtq_ibert_softmax(const dtq_ibert_exp *p, const int64_t *codes, size_t n, uint32_t *weights);

/** Constants of GELU at a scale, raised to 2^-20 as above. */
typedef struct {
    int lost;
    int64_t b, c, one; /* `one`: 1 in the scale of erf */
    int64_t most;      /* arguments beyond it count as it: 1024 */
    double out_scale;
} dtq_ibert_gelu;
dtq_ibert_gelu dtq_ibert_gelu_of(double scale);
/** GELU(code · scale) as a whole number of out_scale. */
int64_t dtq_ibert_gelu_at(const dtq_ibert_gelu *p, int64_t code);

/** The bits that deviations from their means lose so that the sum of their squares is below 2^32, the same for all
 * rows: raises *shift to what a row of n codes needs. */
void dtq_ibert_norm_shift(const int64_t *codes, size_t n, int *shift);
/** A row less its mean, over its standard deviation, as whole numbers of sqrt(n) / 2^30. */
void dtq_ibert_norm(const int64_t *codes, size_t n, int shift, int64_t *out);

#endif
