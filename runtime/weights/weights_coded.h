/* Weights in few bits, with a scale for a group of outputs: what schemes of arithmetic multiply. Private to runtime/.
 */
#ifndef DTQRT_NUMERICS_WEIGHTS_CODED_H
#define DTQRT_NUMERICS_WEIGHTS_CODED_H

#include "runtime/weights/weights.h"

/** How numbers become codes of b bits, n = 2^(b-1) - 1. */
typedef enum {
    DTQ_CODES_SYMMETRIC, /* x / s to -n..n, s = max|x| / n */
    DTQ_CODES_IBERT,     /* the same, to -n..n-1 */
    DTQ_CODES_RANGE,     /* from the least to the largest number in 2^b - 1 steps: code c is c s + shift */
    DTQ_CODES_RANGE_ZERO /* the same, but the shift is a whole number of steps, so that 0 is exact */
} dtq_code_form;

typedef struct dtq_coded_weight {
    unsigned bits;
    size_t groups;
    dtq_code_form form;
    size_t outputs, inputs;
    int8_t *codes; /* [outputs][inputs] */
    float *scales; /* [outputs]: of its group */
    float *shifts; /* [outputs] of the two with a range, else NULL */
    struct dtq_coded_weight *next;
} dtq_coded_weight;

/** A linear weight [outputs][inputs] or a table [rows][columns] at `bits` 2..8, in `groups` of ceil(outputs / groups)
 *  consecutive outputs each; 0: a group for each output. Made once; NULL on error. */
const dtq_coded_weight *dtq_weights_coded(dtq_weights *w, uint64_t tensor, unsigned bits, size_t groups,
                                          dtq_code_form form, dtq_error *e);

/** Frees a list. */
void dtq_coded_weight_free(dtq_coded_weight *first);
/** Where the list of a tensor begins. */
dtq_coded_weight **dtq_weights_coded_list(dtq_weights *w, uint64_t tensor);

#endif
