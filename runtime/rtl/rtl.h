/* The accelerator's engines in hardware: what the simulator asks of a module made from the SystemVerilog of this
 * directory. RTL.md says how such a module is made. C and C++ read this. */
#ifndef DTQRT_RTL_RTL_H
#define DTQRT_RTL_RTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A matmul of one instruction on one array, as systolic_array.sv takes it. */
typedef struct {
    uint32_t rows, cols, depth;
    bool turned, serpentine;
    bool along_k; /* P.V: precisions of the right operand, and what is hidden, run along the reduction */
    bool left_signed, by_class;
    const int16_t *left, *right;           /* [rows][left_stride], [cols][right_stride]: codes along the reduction */
    size_t left_stride, right_stride;      /* at least depth */
    const uint8_t *left_bits, *right_bits; /* 4 or 8: [rows]; [cols] or, along_k, [depth] */
    const uint32_t *skip_from, *skip_to;   /* [strips] tiles, or elements of the reduction, left out; NULL: none */
    int32_t *low, *high;                   /* [rows][cols] sums; elements of skipped tiles are not written. high, by
                                              class only: of the right operand's elements of 8 bits */
} dtq_rtl_matmul;

/** Rows of probabilities whose importance is added up, as importance.sv takes them. */
typedef struct {
    uint32_t rows, keys;
    bool largest;                        /* a probe's votes */
    const uint32_t *z;                   /* [rows] sums of the codes */
    const uint8_t *codes;                /* [rows][keys] */
    const uint32_t *skip_from, *skip_to; /* [rows] keys that a row does not see; NULL: none */
    uint64_t *sums;                      /* [keys] in and out */
} dtq_rtl_votes;

/** Rows of a block of scores, as softmax.sv takes them. A row's head is what softmax leaves of it. */
typedef struct {
    uint32_t rows, cols;
    bool maxes, weighs, writes;                 /* the stages that take part */
    bool given;                                 /* scores are logits, float32; no scales */
    const void *scores;                         /* [rows][cols] int32, not aligned */
    const float *row_scale, *k_scale, *v_scale; /* [rows] times c; [cols]; [cols], NULL: no weights */
    const uint8_t *seen, *wide;                 /* [rows][cols] 1: not behind the mask; [rows] 1: 255 levels, 0: 15 */
    const uint32_t *skip_from, *skip_to;        /* [rows] keys that a row skips */
    float *max, *r;                             /* [rows] in and out */
    uint32_t *z;                                /* [rows] in and out */
    uint8_t *codes, *weight_codes;              /* [rows][cols] out; of skipped keys they are not written */
} dtq_rtl_softmax;

/** A selection, as topk.sv makes it. */
typedef struct {
    uint32_t n, keep, high;
    bool half;              /* values of 32 bits */
    const uint64_t *values; /* [n] ascending by id */
    const uint8_t *pinned;  /* [n] 1: comes first */
    uint8_t *chosen;        /* [n] out: 0 dropped, 1 kept, 2 kept at 8 bits */
} dtq_rtl_choice;

/** A module's engines, of one machine. Each function runs one instruction, returns true and the cycles that it occupied
 * the engine; false: *why, which lives until the next call, says what the hardware found wrong. */
typedef struct dtq_rtl {
    void *state;
    bool (*matmul)(void *state, const dtq_rtl_matmul *m, uint64_t *cycles, const char **why);
    bool (*importance)(void *state, const dtq_rtl_votes *v, uint64_t *cycles, const char **why);
    bool (*softmax)(void *state, const dtq_rtl_softmax *s, uint64_t *cycles, const char **why);
    bool (*topk)(void *state, const dtq_rtl_choice *c, uint64_t *cycles, const char **why);
    void (*close)(void *state);
} dtq_rtl;

/** What a module exports under DTQ_RTL_ENTRY. Registers that no reset sets begin as random numbers from `seed`.
 * `waves`: a file for all signals, or NULL. */
typedef bool dtq_rtl_entry(uint64_t seed, const char *waves, dtq_rtl *out);
#define DTQ_RTL_ENTRY "dtq_rtl_open"

#endif
