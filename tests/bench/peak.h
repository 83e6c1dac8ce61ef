/* What a processor can do at most: the rate of the one instruction sequence that a kernel's inner loop is made of, on
 * registers alone, in tiles such as kernels have. */
#ifndef TESTS_BENCH_PEAK_H
#define TESTS_BENCH_PEAK_H

#include <stdbool.h>

typedef enum {
    PEAK_DOT_512,   /* vpdpbusd zmm: products of bytes where there is VNNI */
    PEAK_PAIRS_512, /* pmaddwd and paddd: products of bytes, widened, where there is none */
    PEAK_PAIRS_256,
    PEAK_PAIRS_128,
    PEAK_FLOAT_512, /* mulps and addps: float32, product and sum rounded apart */
    PEAK_FLOAT_256,
    PEAK_FLOAT_128,
    PEAKS,
    PEAK_NONE = PEAKS /* of what no single instruction limits */
} peak_kind;

/** "vpdpbusd zmm" */
const char *peak_name(peak_kind kind);
/** "GOP/s" or "GFLOP/s"; a multiplication and an addition are two. */
const char *peak_unit(peak_kind kind);
/** Whether this processor has the instructions. */
bool peak_supported(peak_kind kind);
/** Operations per nanosecond (that is, GOP/s) of this thread in one burst of some 20 microseconds; 0 if unsupported. */
double peak_burst(peak_kind kind);

#endif
