/* The arithmetic of host work, as tables of functions: one scalar table, which is the definition in code, and vector
 * tables that give the same bits. Private to runtime. */
#ifndef DTQRT_NUMERICS_KERNELS_H
#define DTQRT_NUMERICS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Words of host.act's kind, in isa.def's order. */
typedef enum { DTQ_ACT_GELU, DTQ_ACT_GELU_TANH, DTQ_ACT_RELU, DTQ_ACT_TANH, DTQ_ACT_SILU } dtq_act;

/** Outputs of an int8 weight are packed in blocks of so many, inputs in groups of so many. */
enum { DTQ_PACK_OUTPUTS = 16, DTQ_PACK_INPUTS = 4 };

/** dst[ids[r]] = src[ids[r]] . weight^T + bias in float. */
typedef struct {
    const float *src;    /* [..][inputs] */
    float *dst;          /* [..][outputs] */
    const uint32_t *ids; /* [rows] */
    uint32_t rows;
    size_t inputs, outputs;
    const float *weight; /* [outputs][inputs] */
    const float *bias;   /* [outputs] or NULL */
} dtq_linear_f32;

/** The same from codes. */
typedef struct {
    const int8_t *codes; /* [rows][input_groups * 4]: activations, zeros after the last input */
    const float *scales; /* [rows] */
    float *dst;          /* [..][outputs] */
    const uint32_t *ids; /* [rows] */
    uint32_t rows;
    size_t input_groups, outputs;
    const int8_t *weight;       /* [output blocks][input_groups][16][4], zeros where there is no output or input */
    const float *weight_scales; /* [outputs] */
    const int32_t *weight_sums; /* [output blocks * 16]: sum of an output's codes */
    const float *bias;          /* [outputs] or NULL */
} dtq_linear_i8;

typedef struct {
    const char *name;
    /** Outputs [first, last); first is a multiple of DTQ_PACK_OUTPUTS. */
    void (*linear_f32)(const dtq_linear_f32 *l, size_t first, size_t last);
    void (*linear_i8)(const dtq_linear_i8 *l, size_t first, size_t last);
    /** dtq_scale and dtq_quantise over a row. False on non-finite or huge input. */
    bool (*quantise_row)(const float *x, size_t n, unsigned bits, int8_t *codes, float *scale);
    /** dtq_quantise of each element by its own scale. */
    void (*quantise_by)(const float *x, const float *scales, size_t n, unsigned bits, int8_t *codes);
    void (*norm)(const float *x, size_t n, const float *gamma, const float *beta, float eps, float *y);
    void (*rmsnorm)(const float *x, size_t n, const float *gamma, float eps, float *y);
    void (*act)(dtq_act kind, const float *x, size_t n, float *y);
    /** 16-lane sum of products. */
    float (*dot)(const float *a, const float *b, size_t n);
    /** y[i] = fl(y[i] + fl(a * x[i])) */
    void (*axpy)(float a, const float *x, size_t n, float *y);
} dtq_kernels;

/** Rotates the pairs of channels of each head of a row by the angles of its position; x and y do not overlap. `table`
 * [head_dim]: the cosines of the pairs, then their sines. Every table of kernels has this one. */
typedef enum { DTQ_PAIRS_HALVES, DTQ_PAIRS_ADJACENT } dtq_pairs; /* words of host.rotary's pairs, in isa.def's order */
void dtq_rotate(const float *x, size_t n, const float *table, size_t head_dim, dtq_pairs pairs, float *y);

extern const dtq_kernels dtq_kernels_scalar;  /* host_ref.c */
extern const dtq_kernels dtq_kernels_generic; /* any processor */
#if defined(__x86_64__)
extern const dtq_kernels dtq_kernels_avx2;
extern const dtq_kernels dtq_kernels_avx512;
#endif

/** The fastest table this processor runs, or the scalar one. */
const dtq_kernels *dtq_kernels_choose(bool scalar);

/** All tables this processor runs, the scalar one first; returns how many (at most 4). */
unsigned dtq_kernels_available(const dtq_kernels *out[4]);

#endif
