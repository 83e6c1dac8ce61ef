/* The kernels of a model: each function below writes one into the emitter's module, for its current level, and returns
 * it; asked again for the same shape it returns the one that is there. Shapes are constants of the code, rows are not.
 * Private to codegen/llvm. */
#ifndef DTQ_CODEGEN_LLVM_KERNELS_H
#define DTQ_CODEGEN_LLVM_KERNELS_H

#include "codegen/llvm/emitter.h"

/** Floats (or codes) that a row of `width` takes: padded to whole vectors. */
static inline uint64_t row_stride(uint64_t width) {
    return dtq_host_padded(width);
}

/* ---- attention (attention*.c) ------------------------------------------------------------------------------------ */

/** An attention layer's shape and where its operands lie. Buffers are numbers of dtq_host_frame.buffers. */
typedef struct {
    uint32_t heads, kv_heads, head_dim;
    bool causal;
    uint32_t q, k, v;  /* float [slots][row_stride(heads or kv_heads * head_dim)], in the layer's slot order */
    uint32_t out;      /* float [slots][row_stride(heads * head_dim)] */
    uint32_t operands; /* what the pack task makes and the strip task reads; sized by attention_operands_size */
} attention_shape;

/** Bytes of the `operands` buffer, and of the scratch that a worker needs. */
dtq_host_buffer attention_operands_size(const attention_shape *a);
dtq_host_buffer attention_scratch_size(const attention_shape *a);

/** Query rows of a strip: items of the strip task are head * ceil(slots / ATTENTION_STRIP_ROWS) + strip. */
enum { ATTENTION_STRIP_ROWS = 16 };

/** dtq_host_task: quantises and packs keys and values of key/value heads [first, last) of layer `argument`. Numbers
 * that cannot be quantised go to dtq_host_bad with site 3 * layer + operand. */
val emit_attention_pack(emitter *e, const attention_shape *a);
/** dtq_host_task: items [first, last) of heads * strips of layer `argument`: queries quantised, scores, softmax,
 *  importance (added to frame->importance[worker] unless frame->importance is NULL), output. */
val emit_attention_strips(emitter *e, const attention_shape *a);

/* ---- linears (quantise.c, gemm_int8.c, gemm_float.c)
 * ------------------------------------------------------------------------- */

/** quantise: void (ptr frame, ptr src, ptr codes, ptr scales, i64 rows, i64 site, i64 slot, ptr limits). Rows of
 * `width` floats to codes with 128 added, u8 [rows][codes_stride(width)], and a scale for each row; `slot` is the first
 * row's. `mixed`: the largest code of each row is limits[slot + row], else it is 127 and limits may be NULL. */
val emit_quantise(emitter *e, uint64_t width, bool mixed);
/** Bytes of a row of codes. */
static inline uint64_t codes_stride(uint64_t width) {
    return (width + 63) / 64 * 64;
}
/** void (ptr codes, ptr row_scales, ptr weight, ptr scales, ptr offset, ptr bias, ptr residual, ptr dst, i64 rows).
 *  dst = codes . weight^T rescaled [+ bias] [+ residual]; weight as DTQ_HOST_I8_CODES. */
val emit_gemm_int8(emitter *e, uint64_t inputs, uint64_t outputs, bool bias, bool residual);
/** void (ptr src, ptr weight, ptr bias, ptr residual, ptr dst, i64 rows); weight as DTQ_HOST_F32. */
val emit_gemm_float(emitter *e, uint64_t inputs, uint64_t outputs, bool bias, bool residual);

/* ---- rows (rows.c) ----------------------------------------------------------------------------------------------- */

typedef enum { ACT_GELU, ACT_GELU_TANH, ACT_RELU, ACT_TANH, ACT_SILU } activation_kind; /* isa.def's order */

/** The activation of a vector of 16. */
val activation_of(emitter *e, activation_kind kind, val x);

/** void (ptr src, ptr gamma, ptr beta, ptr dst, i64 rows) */
val emit_norm(emitter *e, uint64_t width, float epsilon, bool beta);
/** void (ptr src, ptr dst, i64 rows) */
val emit_activation(emitter *e, uint64_t width, activation_kind kind);
/** void (ptr a, ptr b, ptr dst, i64 rows) */
val emit_add(emitter *e, uint64_t width);
val emit_multiply(emitter *e, uint64_t width);
/** void (ptr src, ptr gamma, ptr dst, i64 rows) */
val emit_rmsnorm(emitter *e, uint64_t width, uint64_t part, float epsilon);
/** void (ptr src, ptr gain, ptr offset, ptr dst, i64 rows) */
val emit_affine(emitter *e, uint64_t width, bool offset);
typedef enum { PAIRS_HALVES, PAIRS_ADJACENT } channel_pairs; /* isa.def's order */

/** void (ptr src, ptr table, ptr ids, ptr dst, i64 rows): row i turned by row ids[i] (u32) of the table, float
 * [positions][head_dim]; src and dst do not overlap (rotary.c). */
val emit_rotary(emitter *e, uint64_t width, uint64_t head_dim, channel_pairs pairs);
/** void (ptr src, ptr dst, ptr from, i64 rows): dst row i = src row from[i] (u32) */
val emit_gather(emitter *e, uint64_t width);

#endif
