/* Q-BERT: "Hessian Based Ultra Low Precision Quantization of BERT" (Shen et al., AAAI 2020, arXiv 1909.05840): weights
 * in few bits, each group of outputs with its own range; activations at 8 bits. NUMERICS.md, "Q-BERT". */
#include "runtime/schemes/per_tensor.h"
#include "runtime/schemes/scheme_ops.h"

static bool linear(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    const double *values = x->program->scheme.values;
    const bool exact_zero = values[DTQ_SCHEME_PARAM(QBERT, exact_zero)] != 0;
    const dtq_per_tensor_form form = {.bits = (unsigned)values[DTQ_SCHEME_PARAM(QBERT, weight_bits)],
                                      .groups = (size_t)values[DTQ_SCHEME_PARAM(QBERT, groups)],
                                      .form = exact_zero ? DTQ_CODES_RANGE_ZERO : DTQ_CODES_RANGE};
    return dtq_per_tensor_linear(x, in, &form, e);
}

const dtq_scheme_ops dtq_qbert_ops = {
    .attend = dtq_per_tensor_attend,
    .host = {[DTQ_OP_EMBED] = dtq_per_tensor_embed, [DTQ_OP_LINEAR] = linear, [DTQ_OP_QUANT] = dtq_per_tensor_operand},
};
