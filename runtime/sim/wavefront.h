/* The time that a matmul takes on a variable-speed systolic array, found by stepping the wavefront. Private to
 * runtime/. */
#ifndef DTQRT_SIM_WAVEFRONT_H
#define DTQRT_SIM_WAVEFRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/machine.h"
#include "runtime/masked.h"

typedef struct {
    uint32_t rows, cols; /* PEs */
    dtq_drain drain;
    bool turned;     /* rows of the matmul lie along the array's columns, its columns along the array's rows */
    bool serpentine; /* scores: every second strip from its last tile to its first; P.V: every second tile takes its
                        tokens from the last to the first */
    const dtq_hidden *hidden; /* by strip: keys that none of its rows may see; NULL: nothing is hidden. A tile all of
                                 whose keys are hidden is left out; P.V goes over the other keys alone */
} dtq_array_shape;

/** What one instruction does to one array. Cycles and PE-cycles as TIMING.md defines them. */
typedef struct {
    uint64_t tiles, stalled_tiles; /* stalled: some PE of the tile waits for another */
    double stall_ratio_sum;        /* Eq. 3 of the paper, summed over tiles */
    double step_cycles;            /* sum over tiles of the mean over the reduction of the costliest PE */
    uint64_t cycles;               /* first operand into PE(0,0) to the last MAC of the last PE */
    uint64_t latency;              /* draining of the last tile */
    uint64_t mac_cycles;           /* PE-cycles of work */
    uint64_t stall_cycles;         /* PE-cycles of waiting, the skew not counted */
} dtq_wavefront;

/** Scores of query rows of precision `row_bits` [rows] against key columns of `col_bits` [cols], reduction over `depth`
 *  channels. Bits are 4 or 8, all counts at least 1. False: out of memory. */
bool dtq_wavefront_qk(const dtq_array_shape *a, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits,
                      uint32_t cols, uint32_t depth, dtq_wavefront *out);

/** Probabilities of rows of precision `p_bits` [rows] times values of tokens of precision `v_bits` [tokens] (the
 *  reduction), `head_dim` columns. */
bool dtq_wavefront_pv(const dtq_array_shape *a, const uint8_t *p_bits, uint32_t rows, const uint8_t *v_bits,
                      uint32_t tokens, uint32_t head_dim, dtq_wavefront *out);

/** What either takes, at most. */
uint64_t dtq_wavefront_bytes(const dtq_array_shape *a, uint32_t rows, uint32_t cols, uint32_t depth);

#endif
