/* Host instructions on matrices of codes that I-BERT and Fully-8-bit share. Private to runtime. */
#ifndef DTQRT_NUMERICS_CODED_OPS_H
#define DTQRT_NUMERICS_CODED_OPS_H

#include "runtime/numerics/numerics.h"
#include "runtime/schemes/coded.h"
#include "runtime/weights/weights_coded.h"

/** host.embed: tables of 8 bits, a scale each; word + type and then + position at `bits`. */
bool dtq_coded_embed(dtq_exec *x, const dtq_instr *in, unsigned bits, dtq_error *e);
/** host.linear: input at 8 bits, a weight of 8 bits with a scale for each output, the bias in int32; sums in int32 with
 * a scale for each output, or requantised at `bits` if that is not 0. */
bool dtq_coded_linear(dtq_exec *x, const dtq_instr *in, dtq_code_form form, unsigned bits, dtq_error *e);
/** host.add at `bits`. */
bool dtq_coded_add(dtq_exec *x, const dtq_instr *in, unsigned bits, dtq_error *e);
/** host.quant: the operand of attention at 8 bits, in its place. */
bool dtq_coded_operand(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** host.pool and host.normalize: in float, of what the codes stand for. */
bool dtq_coded_pool(dtq_exec *x, const dtq_instr *in, dtq_error *e);
bool dtq_coded_normalize(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** host.act in float, of what the codes stand for. */
bool dtq_coded_act_float(dtq_exec *x, const dtq_instr *in, dtq_error *e);
/** An instruction that the scheme of the program does not define: an error. */
bool dtq_coded_undefined(dtq_exec *x, const dtq_instr *in, dtq_error *e);

/** One row of attention on codes. `seen` [keys]: scores of the keys that the query sees; writes their weights, 0 to
 *  255. */
typedef void dtq_coded_softmax(const void *context, const int64_t *seen, size_t keys, uint32_t *weights);
/** Attention of operands that dtq_coded_operand has left at src: scores, weights by `softmax`, sums of weights and
 * codes of values, which are worth value_scale · scale of v. Writes a->out and a->importance, and the codes at the
 * layer's out. */
typedef struct {
    dtq_coded_softmax *softmax;
    const void *context;
    double value_scale;
    uint64_t importance; /* that a weight of 1 counts, in parts of 2^32 */
} dtq_coded_weights;
bool dtq_coded_attend(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a,
                      const dtq_coded_weights *w, dtq_error *e);
/** The scale of the scores of operands at src: sq sk / sqrt(d); 0 if they are not there. */
double dtq_coded_score_scale(const dtq_exec *x, const uint64_t src[3], const dtq_attention *a);

#endif
